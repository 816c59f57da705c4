//! The exact bytes of every token.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

/// More tokens than any published model has; checked before tables are allocated.
pub(super) const MAX_TOKENS: usize = 2_000_000;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No token has this id, or it only fills the table up.
    Absent,
    /// A piece of text.
    Text,
    /// Structure that is not part of any text: begin, end, roles, unknown.
    Control,
}

/// How token texts are written down in a vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// GPT-2's printable stand-in for each byte.
    ByteLevel,
    /// Plain text with U+2581 for the space.
    SentencePiece,
}

/// All tokens by id, in one buffer.
#[derive(Debug)]
pub(super) struct Vocabulary {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    kinds: Vec<Kind>,
}

impl Vocabulary {
    pub(super) fn with_capacity(tokens: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(tokens * 6),
            ends: Vec::with_capacity(tokens),
            kinds: Vec::with_capacity(tokens),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], kind: Kind) {
        if kind != Kind::Absent {
            self.bytes.extend_from_slice(bytes);
        }
        self.ends.push(self.bytes.len());
        self.kinds.push(kind);
    }

    /// The highest id that is a token, plus one.
    pub(super) fn len(&self) -> usize {
        self.kinds
            .iter()
            .rposition(|&kind| kind != Kind::Absent)
            .map_or(0, |last| last + 1)
    }

    /// Whether the table has a place for an id, be it absent.
    pub(super) fn holds(&self, id: u32) -> bool {
        usize::try_from(id).is_ok_and(|id| id < self.kinds.len())
    }

    pub(super) fn kind(&self, id: u32) -> Kind {
        usize::try_from(id)
            .ok()
            .and_then(|id| self.kinds.get(id).copied())
            .unwrap_or(Kind::Absent)
    }

    /// The written form of a token, control tokens included.
    pub(super) fn written(&self, id: u32) -> &[u8] {
        let Ok(id) = usize::try_from(id) else {
            return &[];
        };
        let Some(&end) = self.ends.get(id) else {
            return &[];
        };
        let start = id.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..end]
    }

    pub(super) fn text_bytes(&self, id: u32) -> Option<&[u8]> {
        (self.kind(id) == Kind::Text).then(|| self.written(id))
    }

    /// Every token that is not absent.
    pub(super) fn tokens(&self) -> impl Iterator<Item = (u32, &[u8])> {
        (0..)
            .zip(&self.kinds)
            .filter(|&(_, &kind)| kind != Kind::Absent)
            .map(|(id, _)| (id, self.written(id)))
    }

    /// SHA-256 over the tokens in order, each as `length + 1` (eight bytes, little-endian; 0 when
    /// absent) and its bytes. Absent ids at the end do not count, so padding does not change it.
    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for id in 0..u32::try_from(self.len()).unwrap_or(u32::MAX) {
            let written = self.written(id);
            let length = if self.kind(id) == Kind::Absent {
                0
            } else {
                written.len() as u64 + 1
            };
            hash.update(length.to_le_bytes());
            hash.update(written);
        }
        let mut hex = String::with_capacity(64);
        for byte in hash.finalize() {
            for digit in [byte >> 4, byte & 15] {
                hex.extend(char::from_digit(digit.into(), 16));
            }
        }
        hex
    }
}

/// Reads token texts back into the bytes they stand for.
pub(super) struct Speller {
    spelling: Spelling,
    byte_of: HashMap<char, u8>,
}

impl Speller {
    pub(super) fn new(spelling: Spelling) -> Self {
        Self {
            spelling,
            byte_of: byte_stand_ins(),
        }
    }

    /// The bytes of a token from its text in the vocabulary.
    ///
    /// A byte-level token with a character outside the 256 stand-ins is literal text.
    pub(super) fn bytes(&self, text: &str) -> Vec<u8> {
        match self.spelling {
            Spelling::SentencePiece => text.replace('\u{2581}', " ").into_bytes(),
            Spelling::ByteLevel => text
                .chars()
                .map(|c| self.byte_of.get(&c).copied())
                .collect::<Option<_>>()
                .unwrap_or_else(|| text.as_bytes().to_vec()),
        }
    }
}

/// The byte a `<0xNN>` token stands for.
pub(super) fn byte_token(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    let plain = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// HTML elements that some vocabularies (Gemma's) have as tokens of their own; they are text.
const HTML: &[&str] = &[
    "a",
    "b",
    "blockquote",
    "body",
    "br",
    "caption",
    "code",
    "div",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "hr",
    "html",
    "i",
    "img",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "u",
    "ul",
];

/// Whether a token's text is shaped like markup: `<...>` or `[...]` without spaces, HTML excepted.
///
/// Such tokens are never read out of plain text, even when the model's files call them ordinary
/// ("user defined", not "special"), so that a probe cannot inject structure.
pub(super) fn is_markup(text: &str) -> bool {
    let inner = |open, close| text.strip_prefix(open)?.strip_suffix(close);
    match (inner('<', '>'), inner('[', ']')) {
        (Some(name), _) => {
            let element = name.strip_prefix('/').unwrap_or(name);
            !name.is_empty() && !name.contains(char::is_whitespace) && !HTML.contains(&element)
        }
        (None, Some(name)) => !name.is_empty() && !name.contains(char::is_whitespace),
        (None, None) => false,
    }
}

/// GPT-2's map: printable Latin-1 stands for itself, the rest for U+0100 onwards, in byte order.
fn byte_stand_ins() -> HashMap<char, u8> {
    let mut next = 0x100..;
    (0..=u8::MAX)
        .filter_map(|byte| {
            let own = matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
            let stand_in = if own { u32::from(byte) } else { next.next()? };
            Some((char::from_u32(stand_in)?, byte))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_own_stand_in() {
        let map = byte_stand_ins();
        assert_eq!(map.len(), 256);
        assert_eq!(map[&'Ġ'], b' ');
        assert_eq!(map[&'Ċ'], b'\n');
        assert_eq!(map[&'ł'], 0xA0);
        assert_eq!(map[&'Ń'], 0xAD);
    }

    #[test]
    fn spellings_give_bytes() {
        let byte_level = Speller::new(Spelling::ByteLevel);
        assert_eq!(byte_level.bytes("Ġhe"), b" he");
        assert_eq!(byte_level.bytes("ðŁ"), [0xF0, 0x9F]);
        assert_eq!(byte_level.bytes("你"), "你".as_bytes());
        let pieces = Speller::new(Spelling::SentencePiece);
        assert_eq!(pieces.bytes("\u{2581}he"), b" he");
    }

    #[test]
    fn only_well_formed_byte_tokens_are_bytes() {
        assert_eq!(byte_token("<0x0A>"), Some(10));
        for other in ["<0x0>", "<0x+A>", "<0xAAA>", "0x0A", "<0xGG>"] {
            assert_eq!(byte_token(other), None, "{other}");
        }
    }

    #[test]
    fn markup_is_not_html() {
        for text in [
            "<|im_end|>",
            "<think>",
            "[INST]",
            "</tool_call>",
            "<unused7>",
        ] {
            assert!(is_markup(text), "{text}");
        }
        for text in [
            "<table>", "</td>", "<>", "[]", "  ", "\n", "< a >", "<", "[x",
        ] {
            assert!(!is_markup(text), "{text}");
        }
    }

    #[test]
    fn padding_does_not_change_the_digest() {
        let mut plain = Vocabulary::with_capacity(2);
        plain.push(b"a", Kind::Text);
        plain.push(b"<s>", Kind::Control);
        let before = plain.digest();
        plain.push(b"", Kind::Absent);
        assert_eq!(plain.digest(), before);
        assert_eq!(plain.len(), 2);
        plain.push(b"b", Kind::Text);
        assert_ne!(plain.digest(), before);
    }
}
