//! Reading JSON from servers that write numbers JSON does not have.

use serde_json::Value;

use crate::lenient::without_non_numbers;

/// A body that was parsed.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::model::hosted) struct Parsed {
    /// What it says.
    pub(in crate::model::hosted) value: Value,
    /// Bare `NaN` and `Infinity`, which some servers write, were read as null.
    pub(in crate::model::hosted) repaired: bool,
}

/// Parses a body, or says why it is not JSON.
pub(in crate::model::hosted) fn parse(body: &[u8]) -> Result<Parsed, String> {
    let read = |body: &[u8], repaired| {
        let value = serde_json::from_slice(body);
        value.map(|value| Parsed { value, repaired })
    };
    read(body, false)
        .or_else(|error| read(&without_non_numbers(body), true).map_err(|_| error.to_string()))
}

/// What stands at a pointer whose names have nothing to unescape: `Value::pointer` copies each of them.
pub(super) fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    let mut names = pointer.split('/').skip(1);
    names.try_fold(value, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => value.get(name),
    })
}

/// A text at a pointer; nothing when it is absent, null, empty or no text.
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
        let parsed = |value, repaired| Ok(Parsed { value, repaired });
        assert_eq!(parse(body), parsed(expected, true));
        assert_eq!(parse(b"{\"a\": 1}"), parsed(json!({"a": 1}), false));
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
