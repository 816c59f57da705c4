//! Whose the texts of an entry are: its own, or lent by the line that it was read from.
//!
//! A recording is read by the gigabyte, and most of what is read is looked at once.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The texts of entries, by the life of the line.
pub(crate) trait Texts: 'static {
    /// A text.
    type Text<'a>: Deserialize<'a> + AsRef<str>;
}

/// Texts that outlive the line.
#[derive(Debug)]
pub(crate) enum Owned {}

/// Texts that are looked at while the line is there.
#[derive(Debug)]
pub(crate) enum Lent {}

impl Texts for Owned {
    type Text<'a> = String;
}

impl Texts for Lent {
    type Text<'a> = Text<'a>;
}

/// A text of a line; one that is written with escapes is its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;
    use crate::question::Question;

    #[test]
    fn a_lent_question_has_the_key_of_an_owned_one() {
        let with = |prompt: &str, request: &str| {
            format!(
                r#"{{"probe":"p","variant":1,"prompt":{{"pose":"raw","text":{prompt},"lead":""}},"request":{request}}}"#
            )
        };
        let score = r#"{"kind":"score","texts":["a","b\u00e9\n"]}"#;
        let forms = [
            with("\"t\"", score),
            with("\"\\u0074\"", score),
            with("\"t\"", r#"{"texts":["a","bé\n"],"kind":"score"}"#),
        ];
        let keys = forms.map(|form| {
            let lent: Question<Text<'_>> = serde_json::from_str(&form).unwrap();
            let owned: Question = serde_json::from_str(&form).unwrap();
            assert_eq!(digest::key(&lent), digest::key(&owned), "{form}");
            digest::key(&owned)
        });
        assert_eq!(keys, [keys[0]; 3]);
        // Where a text ends makes a difference.
        for other in [
            r#"["ab","\u00e9\n"]"#,
            r#"["ab\u00e9\n"]"#,
            r#"["a","bé\n",""]"#,
        ] {
            let request = format!(r#"{{"kind":"score","texts":{other}}}"#);
            let other: Question = serde_json::from_str(&with("\"t\"", &request)).unwrap();
            assert_ne!(digest::key(&other), keys[0]);
        }
    }

    #[test]
    fn only_texts_with_escapes_are_copied() {
        let is_lent = |text| {
            let Text(text) = serde_json::from_str(text).unwrap();
            matches!(text, Cow::Borrowed(_))
        };
        assert!(is_lent(r#""plain é""#));
        assert!(!is_lent(r#""a\nb""#));
    }
}
