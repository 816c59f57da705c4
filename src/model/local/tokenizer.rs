//! Text to tokens and back, exactly.
//!
//! A tokenizer comes from the `tokenizer.json` of a model directory or from the metadata of a GGUF
//! file, and is asked in one of two ways ([`Reading`]): *plain* text never turns into control
//! tokens, whatever it spells, and *markup* (a rendered chat template) does.
//!
//! # The leading space
//! Many SentencePiece models read a text as if a space came before it. That space belongs to the
//! beginning of a document, so [`Start::Document`] adds it where the model does, and
//! [`Start::Inside`] never adds anything: the tokens spell the given bytes and no more. Decoding
//! does not remove it again.
//!
//! # Exactness
//! Tokens of a GGUF file are checked to spell the text they came from. A `tokenizer.json` may hold a
//! normalizer (NFC for Qwen), which is followed, as the model was trained with it; then
//! `decode(encode(t))` is the normalized text. SentencePiece cannot tell U+2581 from a space.

mod definition;
mod error;
mod gguf;
mod growth;
mod load;
mod pre;
mod sentencepiece;
mod settings;
mod shared;
mod split;
mod vocabulary;

use std::fmt;

pub use error::{Cause, TokenizerError};

use super::llamacpp::Vocabulary as LlamaCpp;
use super::template::Specials;
use definition::Engine;
use sentencepiece::SentencePiece;
use split::Splitter;
use vocabulary::{Kind, Vocabulary};

/// The longest text that is encoded at once.
const MAX_TEXT: usize = 8 << 20;

/// Where a tokenizer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TokenizerSource {
    /// `tokenizer.json` of the model's directory.
    TokenizerJson,
    /// `tokenizer.json` beside a GGUF file whose token list agrees with it.
    TokenizerJsonBesideGguf,
    /// Scores in a GGUF file.
    GgufSentencePiece,
    /// Merges in a GGUF file.
    GgufBpe,
    /// A GGUF file whose tokenizer is not known here, read by llama.cpp.
    LlamaCpp,
}

/// Where in a document a text begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At its beginning: the begin token and the leading space are added if the model has them.
    Document,
    /// Behind other text: nothing is added.
    Inside,
}

/// Whether control tokens written out in a text are read as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// They stay text. For everything that comes from probes, users and other models.
    Plain,
    /// They become control tokens. Only for what a chat template rendered.
    Markup,
}

enum Kernel {
    Definition(Box<Engine>),
    SentencePiece(Box<SentencePiece>),
    LlamaCpp(Box<LlamaCpp>),
}

/// A model's tokenizer.
pub struct Tokenizer {
    kernel: Kernel,
    vocabulary: Vocabulary,
    source: TokenizerSource,
    digest: String,
    bos: Option<u32>,
    adds_bos: bool,
    end_ids: Vec<u32>,
    specials: Specials,
    chat_template: Option<String>,
    neighbour_refused: Option<TokenizerError>,
    /// The control tokens as written.
    control: Splitter,
    /// Rows of the embedding, once they are known.
    rows: usize,
}

impl Tokenizer {
    /// Where this tokenizer came from.
    pub fn source(&self) -> TokenizerSource {
        self.source
    }

    /// Why a `tokenizer.json` beside a GGUF file was not used, if there was one.
    pub fn neighbour_refused(&self) -> Option<&TokenizerError> {
        self.neighbour_refused.as_ref()
    }

    /// SHA-256 of the vocabulary: each token in order, as its length and bytes.
    pub fn digest(&self) -> String {
        self.digest.clone()
    }

    /// The highest token id plus one, padding not counted.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary.len()
    }

    /// Says how many rows the embedding has. Tokens without one, such as a padding token that was added
    /// later, cannot be read, and a text that holds one is refused.
    ///
    /// # Errors
    /// [`TokenizerError::TooFewRows`] when a token that spells text has none; spare rows are fine.
    pub fn fit(&mut self, rows: usize) -> Result<(), TokenizerError> {
        let tokens = self.vocabulary();
        let beyond = (0u32..).zip(0..tokens).skip(rows);
        let mut spelled = beyond.filter(|(id, _)| self.token_bytes(*id).is_some());
        if spelled.next().is_some() {
            return Err(TokenizerError::TooFewRows { tokens, rows });
        }
        self.rows = rows;
        Ok(())
    }

    /// The begin token.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// Whether a document begins with the begin token.
    pub fn adds_bos(&self) -> bool {
        self.adds_bos
    }

    /// Every token that ends a text or a turn, ascending.
    pub fn end_ids(&self) -> &[u32] {
        &self.end_ids
    }

    /// The begin and end tokens as a chat template writes them; empty when there is none.
    pub fn specials(&self) -> &Specials {
        &self.specials
    }

    /// The source of the model's chat template.
    pub fn chat_template(&self) -> Option<&str> {
        self.chat_template.as_deref()
    }

    /// Encodes a text.
    ///
    /// With [`Start::Document`] the begin token is added if the model does so and a
    /// [`Reading::Markup`] text does not begin with it already.
    ///
    /// # Errors
    /// When the text is too long, or its tokens would not spell it.
    pub fn encode(
        &self,
        text: &str,
        start: Start,
        reading: Reading,
    ) -> Result<Vec<u32>, TokenizerError> {
        let mut ids = self.encode_bare(text, start, reading)?;
        if start == Start::Document
            && let Some(bos) = self.bos.filter(|_| self.adds_bos)
            && (reading == Reading::Plain || ids.first() != Some(&bos))
        {
            ids.insert(0, bos);
        }
        Ok(ids)
    }

    /// Encodes what a chat template rendered: a document whose begin token is the template's own
    /// business, as in transformers.
    ///
    /// # Errors
    /// When the text is too long or the tokenizer fails on it.
    pub fn encode_rendered(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        self.encode_bare(text, Start::Document, Reading::Markup)
    }

    fn encode_bare(
        &self,
        text: &str,
        start: Start,
        reading: Reading,
    ) -> Result<Vec<u32>, TokenizerError> {
        if text.len() > MAX_TEXT {
            return Err(TokenizerError::TextTooLong {
                found: text.len(),
                limit: MAX_TEXT,
            });
        }
        let (ids, unknown, prefixed) = match &self.kernel {
            Kernel::Definition(engine) => (
                engine.encode(text, start, reading)?,
                engine.unknown(),
                false,
            ),
            Kernel::SentencePiece(pieces) => {
                let prefix = start == Start::Document;
                let ids = pieces.encode(text, prefix, reading == Reading::Markup);
                (ids, pieces.unknown, prefix && pieces.space_prefix)
            }
            Kernel::LlamaCpp(vocabulary) => (
                vocabulary.encode(text, reading == Reading::Markup),
                None,
                false,
            ),
        };
        if reading == Reading::Plain {
            self.check_plain(text, &ids, unknown, prefixed)?;
        }
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= self.rows) {
            return Err(TokenizerError::NoRow {
                id,
                text: String::from_utf8_lossy(self.vocabulary.written(id)).into_owned(),
            });
        }
        Ok(ids)
    }

    /// Checks that a plain text gave no control tokens and, for GGUF, that its tokens spell it.
    fn check_plain(
        &self,
        text: &str,
        ids: &[u32],
        unknown: Option<u32>,
        prefixed: bool,
    ) -> Result<(), TokenizerError> {
        let control = |&&id: &&u32| self.vocabulary.kind(id) != Kind::Text && Some(id) != unknown;
        if let Some(&id) = ids.iter().find(control) {
            return Err(TokenizerError::ControlFromText {
                id,
                text: String::from_utf8_lossy(self.vocabulary.written(id)).into_owned(),
            });
        }
        let expected = match self.source {
            TokenizerSource::GgufBpe => text.to_owned(),
            // With the leading space more than one place may hold an added space.
            TokenizerSource::GgufSentencePiece if !prefixed => text.replace('\u{2581}', " "),
            _ => return Ok(()),
        };
        let spelled = self.decode(ids);
        if spelled == expected.as_bytes() {
            return Ok(());
        }
        let same = spelled.iter().zip(expected.as_bytes());
        Err(TokenizerError::NotExact {
            at: same.take_while(|(ours, theirs)| ours == theirs).count(),
        })
    }

    /// The first control token that a text spells out, if any.
    ///
    /// Tokens that the model's files call ordinary (`<think>` of Qwen3) do not count.
    ///
    /// A chat template copies message text into markup, where a spelled-out control token would be
    /// read as one. Check messages with this before rendering them for
    /// [`encode_rendered`](Self::encode_rendered).
    pub fn spelled_control(&self, text: &str) -> Option<u32> {
        self.control.first(text)
    }

    /// The bytes of a token as they stand in a text; `None` for control tokens and unused ids.
    pub fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        self.vocabulary.text_bytes(id)
    }

    /// The bytes by which the vocabulary writes a token, control tokens included; `None` for ids that
    /// are no token.
    pub fn written(&self, id: u32) -> Option<&[u8]> {
        (self.vocabulary.kind(id) != Kind::Absent).then(|| self.vocabulary.written(id))
    }

    /// The bytes that tokens spell together; control tokens spell nothing.
    pub fn decode(&self, ids: &[u32]) -> Vec<u8> {
        ids.iter()
            .filter_map(|&id| self.token_bytes(id))
            .flatten()
            .copied()
            .collect()
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer")
            .field("source", &self.source)
            .field("digest", &self.digest)
            .field("vocabulary", &self.vocabulary())
            .field("bos", &self.bos)
            .field("adds_bos", &self.adds_bos)
            .field("end_ids", &self.end_ids)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
