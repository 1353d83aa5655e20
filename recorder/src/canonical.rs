//! The one spelling of a JSON value: RFC 8785 (JCS), with numbers that every reader keeps exactly.
//! Signed documents are stored in it, so that two programs that agree on the content agree on the
//! bytes.

use std::fmt::Write as _;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Number, Value};

/// Largest integer that every JSON reader keeps exactly (RFC 7493 section 2.2).
pub const MAX_INTEGER: u64 = (1 << 53) - 1;
/// Digits of a number that is no integer. Up to here every decimal number is one double and is
/// that double's shortest spelling, whichever library reads and writes it.
const MAX_DIGITS: usize = 15;
/// Decimals of such a number; fewer than make ECMAScript write an exponent.
pub const MAX_DECIMALS: usize = 6;

/// Why a value has no canonical spelling.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// Not a JSON value at all.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// An integer beyond [`MAX_INTEGER`], or more than six decimals or fifteen digits.
    #[error("number beyond 2^53 - 1, six decimals or fifteen digits")]
    Number,
    /// A value spelt in another way.
    #[error("not in canonical form")]
    Spelling,
}

/// The canonical spelling of `value`.
pub fn to_bytes(value: &impl Serialize) -> Result<Vec<u8>, CanonicalError> {
    let mut out = String::new();
    write(&mut out, &serde_json::to_value(value)?)?;
    Ok(out.into_bytes())
}

/// The value `bytes` are the canonical spelling of. Duplicate or unknown members, another order,
/// members of another type or spelling and spaces are refused.
pub fn parse<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, CanonicalError> {
    let value = serde_json::from_slice(bytes)?;
    if to_bytes(&value)? == bytes { Ok(value) } else { Err(CanonicalError::Spelling) }
}

fn write(out: &mut String, value: &Value) -> Result<(), CanonicalError> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number)?,
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(out, item)?;
            }
            out.push(']');
        }
        Value::Object(members) => write_object(out, members)?,
    }
    Ok(())
}

/// Section 3.2.3: members by their names' UTF-16 code units.
fn write_object(out: &mut String, members: &Map<String, Value>) -> Result<(), CanonicalError> {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    out.push('{');
    for (i, (name, value)) in sorted.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_string(out, name);
        out.push(':');
        write(out, value)?;
    }
    out.push('}');
    Ok(())
}

/// Section 3.2.2.2.
fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Section 3.2.2.3, of numbers that need no exponent.
fn write_number(out: &mut String, number: &Number) -> Result<(), CanonicalError> {
    let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    match size {
        Some(size) if size <= MAX_INTEGER => out.push_str(&number.to_string()),
        Some(_) => return Err(CanonicalError::Number),
        None => out.push_str(&decimal(number.as_f64().unwrap_or_default())?),
    }
    Ok(())
}

/// The shortest digits that read back as the same number.
fn decimal(value: f64) -> Result<String, CanonicalError> {
    if value == 0.0 {
        return Ok("0".to_owned());
    }
    let text = value.to_string();
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let good = decimals <= MAX_DECIMALS && digits <= MAX_DIGITS;
    if good { Ok(text) } else { Err(CanonicalError::Number) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(value: &Value) -> String {
        String::from_utf8(to_bytes(value).unwrap()).unwrap()
    }

    #[test]
    fn numbers_are_spelt_as_in_the_rfc() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.000_001, "0.000001"),
            (-333_333_333.333_333, "-333333333.333333"),
            (0.5, "0.5"),
            (1.0, "1"),
        ] {
            assert_eq!(decimal(value).unwrap(), expected);
        }
    }

    #[test]
    fn numbers_that_readers_may_disagree_about_are_refused() {
        for value in [1e-7, 0.123_456_7, 1e15, 1e300, 123_456_789_012.345_6, 5e-324] {
            assert!(decimal(value).is_err(), "{value}");
        }
    }

    #[test]
    fn members_are_sorted_and_strings_escaped_as_in_the_rfc() {
        let value = json!({"b": [1, true, null], "a": "\u{20ac}$\u{f}\nA'B\"\\", "": -7});
        assert_eq!(text(&value), "{\"\":-7,\"a\":\"€$\\u000f\\nA'B\\\"\\\\\",\"b\":[1,true,null]}");
    }

    #[test]
    fn another_spelling_of_the_same_value_is_not_canonical() {
        assert!(parse::<Value>(br#"{"a":1,"b":0.5}"#).is_ok());
        for other in [
            r#"{"b":0.5,"a":1}"#,
            r#"{"a":1, "b":0.5}"#,
            r#"{"a":1,"a":1}"#,
            "1.0",
            "-0",
            "18446744073709552000",
            "{",
        ] {
            assert!(parse::<Value>(other.as_bytes()).is_err(), "{other}");
        }
    }

    #[test]
    fn integers_that_other_readers_would_round_are_refused() {
        assert!(to_bytes(&(MAX_INTEGER + 1)).is_err());
        assert!(to_bytes(&MAX_INTEGER).is_ok());
    }
}
