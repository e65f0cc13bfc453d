//! JSON on one line that no terminal obeys.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

/// A value as JSON on one line. JSON escapes the control characters below 0x20 itself; those above, and those that turn the
/// direction of writing, can stand in strings alone, and are escaped there too.
pub(super) fn line(value: &impl Serialize) -> String {
    // Nothing that is written here has keys that are no strings, which is all that could fail.
    let json = serde_json::to_string(value).unwrap_or_default();
    if json.chars().all(flow::is_plain) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for letter in json.chars() {
        if flow::is_plain(letter) {
            escaped.push(letter);
        } else {
            let _ = write!(escaped, "\\u{:04x}", u32::from(letter));
        }
    }
    escaped
}

/// An object without the members that are null and the objects and lists that are empty.
pub(super) fn pruned(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().map(|(name, value)| (name, pruned(value))).filter(|(_, value)| has(value));
            Value::Object(kept.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(pruned).filter(has).collect()),
        other => other,
    }
}

fn has(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_escaped_and_read_back() {
        let text = "a\u{9b}31m\u{202e}b\u{7f}\n";
        assert_eq!(line(&text), "\"a\\u009b31m\\u202eb\\u007f\\n\"");
        assert_eq!(serde_json::from_str::<String>(&line(&text)).unwrap(), text);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let value = serde_json::json!({"a": null, "b": {"c": null}, "d": [null, 1], "e": 0});
        assert_eq!(line(&pruned(value)), r#"{"d":[1],"e":0}"#);
    }
}
