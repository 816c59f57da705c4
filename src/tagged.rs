//! Values whose JSON says by `kind` what they are, read as they come.
//!
//! serde's own way with such values is to hold all their parts before it looks at `kind`, wherever that
//! stands. Recordings are read by the gigabyte and their writer puts `kind` first, so here the rest is
//! read straight into its place. Where `kind` does not come first, the parts are held as serde would.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

/// A value of several kinds.
pub(crate) trait Tagged<'de>: Sized {
    /// What it may be.
    type Kind: DeserializeOwned;

    /// Reads what stands beside `kind`.
    fn read<D: Deserializer<'de>>(kind: Self::Kind, rest: D) -> Result<Self, D::Error>;
}

/// Reads a value of several kinds.
pub(crate) fn deserialize<'de, T: Tagged<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    from.deserialize_map(Reading(PhantomData))
}

struct Reading<T>(PhantomData<T>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum First {
    Kind,
    Other(String),
}

impl<'de, T: Tagged<'de>> Visitor<'de> for Reading<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object with a kind")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let missing = || A::Error::missing_field("kind");
        match map.next_key()?.ok_or_else(missing)? {
            First::Kind => {
                let kind = map.next_value()?;
                T::read(kind, MapAccessDeserializer::new(map))
            }
            First::Other(name) => {
                let mut held = Map::new();
                held.insert(name, map.next_value()?);
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    held.insert(name, value);
                }
                let kind = held.remove("kind").ok_or_else(missing)?;
                let kind = T::Kind::deserialize(kind).map_err(A::Error::custom)?;
                T::read(kind, Value::Object(held)).map_err(A::Error::custom)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::question::Request;
    use crate::response::{Finish, Response};

    fn request(text: &str) -> Result<Request, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    #[test]
    fn parts_may_stand_in_any_order() {
        let write = Request::Write {
            sample: 1,
            max_tokens: 2,
        };
        for text in [
            r#"{"kind":"write","sample":1,"max_tokens":2}"#,
            r#"{"sample":1,"kind":"write","max_tokens":2}"#,
            r#"{"max_tokens":2,"sample":1,"kind":"write"}"#,
            r#"{"\u006bind":"write","sample":1,"max_tokens":2}"#,
        ] {
            assert_eq!(request(text).unwrap(), write, "{text}");
        }
        let text = r#"{"text":"a","tokens":1,"finish":"stop","kind":"text"}"#;
        assert_eq!(
            serde_json::from_str::<Response>(text).unwrap(),
            Response::Text {
                text: "a".to_owned(),
                tokens: 1,
                finish: Finish::Stop,
            }
        );
    }

    #[test]
    fn what_is_written_is_read_back_with_kind_first() {
        let score = Request::Score {
            texts: vec!["a\"\u{1}".to_owned(), String::new()],
        };
        let refused = Response::Refused {
            reason: "no".to_owned(),
        };
        let written = serde_json::to_string(&score).unwrap();
        assert!(written.starts_with(r#"{"kind":"score""#), "{written}");
        assert_eq!(request(&written).unwrap(), score);
        let written = serde_json::to_string(&refused).unwrap();
        assert!(written.starts_with(r#"{"kind":"refused""#), "{written}");
        assert_eq!(serde_json::from_str::<Response>(&written).unwrap(), refused);
    }

    #[test]
    fn what_is_missing_foreign_or_of_another_kind_is_refused() {
        for (text, error) in [
            ("{}", "missing field `kind`"),
            (r#"{"texts":[]}"#, "missing field `kind`"),
            (r#"{"kind":"guess"}"#, "unknown variant `guess`"),
            (r#"{"texts":[],"kind":"guess"}"#, "unknown variant `guess`"),
            (r#"{"kind":"score"}"#, "missing field `texts`"),
            (
                r#"{"kind":"next","top":1,"more":2}"#,
                "unknown field `more`",
            ),
            (
                r#"{"top":1,"more":2,"kind":"next"}"#,
                "unknown field `more`",
            ),
            (
                r#"{"kind":"next","kind":"next","top":1}"#,
                "unknown field `kind`",
            ),
            (r#"{"kind":"next","top":-1}"#, "invalid value"),
            ("[]", "an object with a kind"),
        ] {
            let found = request(text).unwrap_err();
            assert!(found.contains(error), "{text}: {found}");
        }
    }
}
