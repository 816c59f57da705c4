//! Reading JSON from servers that write numbers or characters that JSON does not have.

use serde_json::Value;

use crate::lenient::{without_half_characters, without_non_numbers};

/// A body that was parsed.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::model::hosted) struct Parsed {
    /// What it says.
    pub(in crate::model::hosted) value: Value,
    /// What had to be mended before it could be parsed, as a note.
    pub(in crate::model::hosted) mended: Option<&'static str>,
}

/// Parses a body, or says why it is not JSON.
pub(in crate::model::hosted) fn parse(body: &[u8]) -> Result<Parsed, String> {
    const NUMBERS: &str = "json: numbers that JSON does not have, read as null";
    const HALVES: &str = "json: halves of characters, read as U+FFFD";
    let read = |body: &[u8], mended| {
        let value = serde_json::from_slice(body).ok()?;
        Some(Parsed { value, mended })
    };
    let error = match serde_json::from_slice(body) {
        Ok(value) => {
            return Ok(Parsed {
                value,
                mended: None,
            });
        }
        Err(error) => error.to_string(),
    };
    let numbers = || without_non_numbers(body);
    read(&numbers(), Some(NUMBERS))
        .or_else(|| read(without_half_characters(body).as_bytes(), Some(HALVES)))
        .or_else(|| read(without_half_characters(&numbers()).as_bytes(), Some(HALVES)))
        .ok_or(error)
}

/// What stands at a pointer whose names have nothing to unescape: `Value::pointer` copies each of them.
pub(super) fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    let mut names = pointer.split('/').skip(1);
    names.try_fold(value, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => value.get(name),
    })
}

/// A text at a pointer; `None` if it is absent, null, empty or no text.
pub(super) fn text(value: &Value, pointer: &str) -> Option<String> {
    let text = at(value, pointer)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// A count at a pointer.
pub(super) fn count(value: &Value, pointer: &str) -> Option<u64> {
    at(value, pointer)?.as_u64()
}

/// A list at a pointer; empty when there is none.
pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    at(value, pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Takes `from`'s members into `into`, both objects.
pub(super) fn extend(into: &mut Value, from: Value) {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_that_json_does_not_have_become_null_outside_of_texts_only() {
        let body = br#"{"a": -Infinity, "b": [NaN, 1], "c": "\"NaN Infinity", "d": Infinity}"#;
        let expected = json!({"a": null, "b": [null, 1], "c": "\"NaN Infinity", "d": null});
        let parsed = parse(body).unwrap();
        assert_eq!(parsed.value, expected);
        assert!(parsed.mended.is_some_and(|note| note.contains("numbers")));
        let plain = Parsed {
            value: json!({"a": 1}),
            mended: None,
        };
        assert_eq!(parse(b"{\"a\": 1}"), Ok(plain));
    }

    #[test]
    fn halves_of_characters_are_read_as_replacements() {
        for body in [&br#"{"a": "x \ud83d"}"#[..], b"{\"a\": \"x \xf0\"}"] {
            let parsed = parse(body).unwrap();
            assert_eq!(parsed.value, json!({"a": "x \u{fffd}"}));
            assert!(
                parsed
                    .mended
                    .is_some_and(|note| note.contains("characters"))
            );
        }
        let both = parse(br#"{"a": "\ud83d", "b": NaN}"#).unwrap();
        assert_eq!(both.value, json!({"a": "\u{fffd}", "b": null}));
    }

    #[test]
    fn pointers_lead_where_those_of_serde_json_do() {
        let value = json!({"a": {"b": [1, {"c": "x"}]}, "": 2});
        for pointer in [
            "", "/a", "/a/b", "/a/b/1/c", "/a/b/2", "/a/b/x", "/a/x", "/a/b/0/c", "/",
        ] {
            assert_eq!(at(&value, pointer), value.pointer(pointer), "{pointer}");
        }
    }

    #[test]
    fn cut_off_and_foreign_bodies_are_errors() {
        for body in [
            &b""[..],
            b"{\"a\": ",
            b"<html>",
            b"\"\\",
            b"{\"a\": -Inf",
            b"{} trailing",
            b"\xff",
        ] {
            assert!(parse(body).is_err());
        }
    }
}
