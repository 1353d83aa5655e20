//! The one spelling of a JSON value: RFC 8785 (JCS). Signed documents are stored in it, so that
//! two programs that agree on the content agree on the bytes.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Number, Value};

/// Largest integer that every JSON reader keeps exactly (RFC 7493 section 2.2).
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Why a value has no canonical spelling.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// Not a JSON value at all.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// An integer beyond [`MAX_INTEGER`].
    #[error("integer beyond 2^53")]
    Integer,
}

/// The canonical spelling of `value`.
pub fn to_bytes(value: &impl Serialize) -> Result<Vec<u8>, CanonicalError> {
    let mut out = String::new();
    write(&mut out, &serde_json::to_value(value)?)?;
    Ok(out.into_bytes())
}

/// Whether `bytes` are the canonical spelling of the value they hold. Duplicate keys, another
/// order and spaces are not.
#[must_use]
pub fn is_canonical(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Value>(bytes)
        .ok()
        .and_then(|value| to_bytes(&value).ok())
        .is_some_and(|again| again == bytes)
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

/// Section 3.2.2.3: as ECMAScript prints numbers.
fn write_number(out: &mut String, number: &Number) -> Result<(), CanonicalError> {
    let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    match size {
        Some(size) if size <= MAX_INTEGER => out.push_str(&number.to_string()),
        Some(_) => return Err(CanonicalError::Integer),
        None => write_float(out, number.as_f64().unwrap_or_default()),
    }
    Ok(())
}

/// ECMA-262, Number::toString, from the shortest digits that read back as the same number.
fn write_float(out: &mut String, value: f64) {
    if value == 0.0 {
        out.push('0');
        return;
    }
    let text = format!("{:e}", value.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = mantissa.replace('.', "");
    let point = exponent.parse::<i32>().unwrap_or_default().saturating_add(1);
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if value < 0.0 {
        out.push('-');
    }
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    if count <= point && point <= 21 {
        out.push_str(&digits);
        out.push_str(&zeros(point - count));
    } else if 0 < point && point <= 21 {
        let (whole, part) = digits.split_at(usize::try_from(point).unwrap_or(0).min(digits.len()));
        let _ = write!(out, "{whole}.{part}");
    } else if -6 < point && point <= 0 {
        let _ = write!(out, "0.{}{digits}", zeros(-point));
    } else {
        let sign = if point > 0 { '+' } else { '-' };
        let (first, rest) = digits.split_at(1.min(digits.len()));
        let dot = if rest.is_empty() { "" } else { "." };
        let _ = write!(out, "{first}{dot}{rest}e{sign}{}", (point - 1).unsigned_abs());
    }
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
        // RFC 8785, appendix B.
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (5e-324, "5e-324"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
            (9.999_999_999_999_997e22, "9.999999999999997e+22"),
            (1e23, "1e+23"),
            (1e21, "1e+21"),
            (9.999_999_999_999_997e-7, "9.999999999999997e-7"),
            (0.000_001, "0.000001"),
            (333_333_333.333_333_3, "333333333.3333333"),
            (-0.000_003_333_333_333_333_333_5, "-0.0000033333333333333333"),
            (0.5, "0.5"),
            (1.0, "1"),
        ] {
            let mut out = String::new();
            write_float(&mut out, value);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn members_are_sorted_and_strings_escaped_as_in_the_rfc() {
        let value = json!({"b": [1, true, null], "a": "\u{20ac}$\u{f}\nA'B\"\\", "": -7});
        assert_eq!(text(&value), "{\"\":-7,\"a\":\"€$\\u000f\\nA'B\\\"\\\\\",\"b\":[1,true,null]}");
    }

    #[test]
    fn another_spelling_of_the_same_value_is_not_canonical() {
        assert!(is_canonical(br#"{"a":1,"b":0.5}"#));
        for other in [r#"{"b":0.5,"a":1}"#, r#"{"a":1, "b":0.5}"#, r#"{"a":1,"a":1}"#, "1.0", "{"] {
            assert!(!is_canonical(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn integers_that_other_readers_would_round_are_refused() {
        assert!(to_bytes(&(MAX_INTEGER + 1)).is_err());
        assert!(to_bytes(&MAX_INTEGER).is_ok());
    }
}
