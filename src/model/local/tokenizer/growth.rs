//! How long a text may become before it is cut into tokens.
//!
//! The normalizer of a `tokenizer.json` is a list of steps of the model's maker, each of which may make every character
//! longer than the last one did. The library walks through them whatever they do; so what they can do at the worst is
//! reckoned from the definition, and a text for which that is too much is refused before it is handed over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::definition::steps;
use super::error::TokenizerError;

/// The longest normalized text, in bytes. The library keeps sixteen bytes beside each.
const MOST: u64 = 32 << 20;

/// The steps of a normalizer, as far as they make a text longer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Growth(Vec<Grows>);

/// What a step does at the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grows {
    /// Puts so many bytes in front.
    By(u64),
    /// Makes so many bytes of every byte.
    Times(u64),
    /// Puts `to` bytes in the place of every `from`.
    Replaces { from: u64, to: u64 },
    /// Puts so many bytes in the place of every byte, and between them: a pattern may match nothing.
    Anywhere(u64),
}

impl Growth {
    /// The growth of a definition's normalizer.
    pub(super) fn of(normalizer: &Value) -> Self {
        let steps = steps(normalizer).into_iter();
        Self(steps.filter_map(grows).collect())
    }

    /// The length of a normalized text at the most.
    fn longest(&self, bytes: usize) -> u64 {
        self.0
            .iter()
            .fold(bytes as u64, |bytes, grows| match *grows {
                Grows::By(more) => bytes.saturating_add(more),
                Grows::Times(factor) => bytes.saturating_mul(factor),
                Grows::Replaces { from, to } => {
                    let places = bytes / from.max(1);
                    bytes.saturating_add(places.saturating_mul(to.saturating_sub(from)))
                }
                Grows::Anywhere(to) => {
                    bytes.saturating_add(bytes.saturating_add(1).saturating_mul(to))
                }
            })
    }

    /// Refuses a text that could become too long.
    pub(super) fn check(&self, bytes: usize) -> Result<(), TokenizerError> {
        let longest = self.longest(bytes);
        if longest > MOST {
            return Err(TokenizerError::Grows {
                bytes,
                found: longest,
                limit: MOST,
            });
        }
        Ok(())
    }

    /// The same for the texts of added tokens, which the library normalizes while it is built.
    pub(super) fn check_added(&self, added: &Value) -> Result<(), TokenizerError> {
        let texts = added
            .as_array()
            .into_iter()
            .flatten()
            .map(|t| text(&t["content"]));
        let bytes: usize = texts.map(str::len).sum();
        self.check(bytes)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn grows(step: &Value) -> Option<Grows> {
    let length = |value: &Value| text(value).len() as u64;
    Some(match step["type"].as_str()? {
        "Prepend" => Grows::By(length(&step["prepend"])),
        "Replace" => {
            let to = length(&step["content"]);
            match step["pattern"]["String"].as_str() {
                Some(from) if !from.is_empty() => Grows::Replaces {
                    from: from.len() as u64,
                    to,
                },
                _ => Grows::Anywhere(to),
            }
        }
        // U+FDFA, of three bytes, becomes thirty-three.
        "NFKC" | "NFKD" => Grows::Times(11),
        // The longest canonical decompositions; of capital letters the longest small ones.
        "NFC" | "NFD" | "Lowercase" => Grows::Times(4),
        // It decomposes, and puts spaces around Chinese characters.
        "BertNormalizer" => Grows::Times(8),
        // Every byte becomes a letter of up to two.
        "ByteLevel" => Grows::Times(2),
        "Precompiled" => Grows::Times(precompiled(text(&step["precompiled_charsmap"]))),
        _ => return None,
    })
}

/// The longest text in a compiled map of characters: a length, so many bytes of a tree, and texts that end in zero.
fn precompiled(map: &str) -> u64 {
    let bytes = STANDARD.decode(map).unwrap_or_default();
    let tree = bytes.first_chunk().map_or(0, |n| u32::from_le_bytes(*n));
    let texts = bytes.get(4 + tree as usize..).unwrap_or_default();
    let longest = texts.split(|byte| *byte == 0).map(<[u8]>::len).max();
    longest.unwrap_or(0).max(1) as u64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn growth(steps: &Value) -> Growth {
        Growth::of(&json!({ "type": "Sequence", "normalizers": steps }))
    }

    #[test]
    fn the_worst_is_reckoned_step_by_step() {
        let ten =
            json!({ "type": "Replace", "pattern": { "Regex": "." }, "content": "aaaaaaaaaa" });
        let nine = growth(&Value::Array(vec![ten.clone(); 9]));
        assert!(nine.check(1).is_err());
        let error = nine.check(100).map_err(|e| e.to_string());
        assert!(error.is_err_and(|text| text.contains("100 bytes")));
        assert!(growth(&json!([ten])).check(100_000).is_ok());
        let map = |longest: usize| {
            let mut bytes = 4u32.to_le_bytes().to_vec();
            bytes.extend([0; 4]);
            bytes.extend([b"a\0".as_slice(), &vec![b'b'; longest], b"\0"].concat());
            json!([{ "type": "Precompiled", "precompiled_charsmap": STANDARD.encode(bytes) }])
        };
        assert_eq!(growth(&map(7)).longest(10), 70);
        assert!(growth(&map(1 << 20)).check(100).is_err());
        let prepend = json!({ "type": "Prepend", "prepend": "xyz" });
        assert_eq!(growth(&json!([prepend])).longest(10), 13);
        assert_eq!(Growth::of(&Value::Null).longest(10), 10);
    }

    #[test]
    fn what_models_have_lets_long_texts_through() {
        let steps = json!([
            { "type": "Prepend", "prepend": "\u{2581}" },
            { "type": "Replace", "pattern": { "String": " " }, "content": "\u{2581}" },
            { "type": "NFKC" },
        ]);
        assert!(growth(&steps).check(900_000).is_ok());
        let steps = json!([
            { "type": "NFKC" },
            { "type": "Replace", "pattern": { "Regex": " {2,}" }, "content": "\u{2581}" },
        ]);
        assert!(growth(&steps).check(500_000).is_ok());
    }
}
