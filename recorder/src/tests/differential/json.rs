//! Edits of JSON documents: of their values, and of how these are spelt.

use serde_json::{Value, json};

use super::*;

/// Stands in a value for text that is put in raw.
const RAW: &str = "@@raw@@";

/// Edits a document somewhere; returns its new bytes and what was done.
pub(super) fn edit(bytes: &[u8], dice: &mut Dice) -> (Vec<u8>, String) {
    let mut value: Value = serde_json::from_slice(bytes).unwrap();
    let other = pick_value(&value, dice);
    let (pointer, raw) = edit_somewhere(&mut value, other, dice, String::new());
    let text = spell(&value, dice);
    (text.replace(&format!("\"{RAW}\""), &raw).into_bytes(), pointer)
}

/// Walks down at random and edits where it stops: returns where, what was done, and raw text.
fn edit_somewhere(
    value: &mut Value,
    other: Value,
    dice: &mut Dice,
    at: String,
) -> (String, String) {
    let down = dice.below(5) > 0;
    match value {
        Value::Object(members) if down && !members.is_empty() => {
            let name =
                members.keys().nth(dice.below(members.len() as u64) as usize).unwrap().clone();
            edit_somewhere(&mut members[&name], other, dice, format!("{at}/{name}"))
        }
        Value::Array(items) if down && !items.is_empty() => {
            let i = dice.below(items.len() as u64) as usize;
            edit_somewhere(&mut items[i], other, dice, format!("{at}/{i}"))
        }
        value => {
            let (what, raw) = change(value, other, dice);
            (format!("{at} {what}"), raw)
        }
    }
}

/// Moves, cuts or takes out a gap or a segment of a manifest, or says that one is lost.
pub(super) fn edit_ledger(manifest: &mut Value, dice: &mut Dice) -> String {
    let gaps = manifest["gaps"].as_array().map_or(0, Vec::len) as u64;
    if gaps > 0 && dice.below(2) == 0 {
        let n = dice.below(gaps) as usize;
        let kind = ["audio", "video", "screen"][dice.below(3) as usize];
        match dice.below(4) {
            0 => drop(manifest["gaps"].as_array_mut().map(|gaps| gaps.remove(n))),
            1 => manifest["gaps"][n]["kind"] = json!(kind),
            2 => manifest["gaps"] = json!([]),
            _ => return format!("gap {n} {}", move_span(&mut manifest["gaps"][n], dice)),
        }
        return format!("gap {n}");
    }
    let tracks = manifest["tracks"].as_array().map_or(0, Vec::len) as u64;
    let t = dice.below(tracks) as usize;
    let segments = &mut manifest["tracks"][t]["segments"];
    let n = dice.below(segments.as_array().map_or(0, Vec::len) as u64) as usize;
    let segment = &mut segments[n];
    let what = if dice.below(4) == 0 {
        segment["lost"] = json!(segment["lost"] != true);
        "lost or not".to_owned()
    } else {
        move_span(segment, dice)
    };
    format!("track {t} segment {n} {what}")
}

/// By amounts around what is allowed.
fn move_span(span: &mut Value, dice: &mut Dice) -> String {
    let field = ["start_us", "duration_us"][dice.below(2) as usize];
    let by = [1, 99_999, 100_000, 100_001, 250_000, 1_000_000, 3_000_000][dice.below(7) as usize];
    let old = span[field].as_i64().unwrap_or_default();
    let new = if dice.below(2) == 0 { old + by } else { (old - by).max(0) };
    span[field] = json!(new);
    format!("{field} {old} to {new}")
}

fn change(value: &mut Value, other: Value, dice: &mut Dice) -> (String, String) {
    let mut what = String::new();
    match value {
        Value::Object(members) if !members.is_empty() && dice.below(4) > 0 => {
            let at = dice.below(members.len() as u64) as usize;
            let name = members.keys().nth(at).unwrap().clone();
            match dice.below(3) {
                0 => drop(members.remove(&name)),
                1 => drop(members.insert("extra".to_owned(), other)),
                _ => {
                    let moved = members.remove(&name).unwrap();
                    members.insert(format!("{name}_"), moved);
                }
            }
            what = format!("members around {name}");
        }
        Value::Array(items) if !items.is_empty() && dice.below(4) > 0 => {
            let count = items.len() as u64;
            let (a, b) = (dice.below(count) as usize, dice.below(count) as usize);
            match dice.below(4) {
                0 => drop(items.remove(a)),
                1 => items.insert(b, items[a].clone()),
                2 => items.swap(a, b),
                _ => items.push(other),
            }
            what = format!("entries {a}, {b}");
        }
        Value::Number(number) if dice.below(2) == 0 => {
            let by = [1, -1, 1_000, -1_000, 200_000, -200_000, 5_000_000][dice.below(7) as usize];
            *value = json!(number.as_i64().unwrap_or_default().saturating_add(by));
        }
        Value::String(text) if !text.is_empty() && dice.below(2) == 0 => {
            *text = match dice.below(6) {
                0 => text.to_uppercase(),
                1 => text.replace('-', ""),
                2 => format!("{text} "),
                3 => text.replacen(|c: char| c.is_ascii_hexdigit(), "0", 1),
                4 => text.replacen('1', "2", 1),
                _ => text.chars().skip(1).collect(),
            };
        }
        value if dice.below(3) == 0 => *value = other,
        value => {
            let raw = raw(dice);
            *value = json!(RAW);
            return (format!("set to {}", raw.get(..raw.len().min(40)).unwrap_or("?")), raw);
        }
    }
    (what, String::new())
}

/// Values that readers of JSON treat differently.
fn raw(dice: &mut Dice) -> String {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let texts = [
        "null",
        "true",
        "0",
        "-0",
        "0.0",
        "1.0",
        "1e2",
        "-1",
        "1.5",
        "0.000001",
        "1e-7",
        "0.1234567",
        "123456789012345.5",
        "1234567890.123456",
        "0.30000000000000004",
        "1e300",
        "1e400",
        "NaN",
        "255",
        "256",
        "4294967295",
        "4294967296",
        "9007199254740991",
        "9007199254740992",
        "18446744073709551615",
        "18446744073709552000",
        "-9007199254740991",
        "01",
        "+1",
        ".5",
        "1.",
        r#""""#,
        r#""x""#,
        r#""\u0041""#,
        r#""\u001f""#,
        r#""\u001F""#,
        r#""\ud800""#,
        r#""\ud83d\ude00""#,
        "\"\u{1f600}\"",
        "\"\u{7f}\"",
        "\"\u{2028}\"",
        r#""\/""#,
        r#""\b""#,
        "\"\n\"",
        "[]",
        "{}",
        "[null]",
        r#"{"a":1,"a":1}"#,
        r#"{"type":"x"}"#,
        r#"{"b":1,"a":2}"#,
        "{\"\u{e000}\":1,\"\u{1f600}\":2}",
        "{\"\u{1f600}\":2,\"\u{e000}\":1}",
        "[1,]",
        "/**/1",
        "'a'",
    ];
    match dice.below(texts.len() as u64 + 6) as usize {
        i if i < texts.len() => texts[i].to_owned(),
        i => {
            // In a manifest an event is four levels down.
            let depth = [120, 123, 124, 125, 127, 100_000][i - texts.len()];
            nested(depth)
        }
    }
}

/// Some value of the document.
fn pick_value(value: &Value, dice: &mut Dice) -> Value {
    let mut at = value;
    loop {
        let next = match at {
            Value::Object(members) if !members.is_empty() => {
                members.values().nth(dice.below(members.len() as u64) as usize)
            }
            Value::Array(items) if !items.is_empty() => {
                items.get(dice.below(items.len() as u64) as usize)
            }
            _ => None,
        };
        match next {
            Some(next) if dice.below(6) > 0 => at = next,
            _ => return at.clone(),
        }
    }
}

/// Mostly canonical, as members of a `serde_json` object are in order.
fn spell(value: &Value, dice: &mut Dice) -> String {
    let text = value.to_string();
    match dice.below(24) {
        0 => serde_json::to_string_pretty(value).unwrap(),
        1 => format!("{text}\n"),
        2 => format!(" {text}"),
        3 => format!("\u{feff}{text}"),
        4 => format!("[{text}]"),
        5 => text.replacen('a', "\\u0061", 1),
        _ => text,
    }
}
