//! Tokenizers stored in a GGUF file.
//!
//! Byte-level BPE (kind `gpt2`) is written out as the equivalent `tokenizer.json` and run by the
//! same library; SentencePiece (kind `llama`, which Gemma has too) is merged by scores.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use candle_core::quantized::gguf_file;
use serde_json::{Value, json};
use tokenizers::models::bpe::{BPE, Merges, Vocab};

use super::{
    definition::{Loaded, Parts, guard},
    error::TokenizerError,
    pre::PreTokenizer,
    sentencepiece::SentencePiece,
    settings::{Declared, Settings},
    split::Splitter,
    vocabulary::{Kind, MAX_TOKENS, Speller, Spelling, Vocabulary, byte_token, is_markup},
};

pub(super) type Metadata = HashMap<String, gguf_file::Value>;

const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";
const SCORES: &str = "tokenizer.ggml.scores";
const MERGES: &str = "tokenizer.ggml.merges";
const MODEL: &str = "tokenizer.ggml.model";

/// llama.cpp's token types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenType {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

/// The tokenizer part of a file's metadata, checked for parallel arrays.
pub(super) struct Stored<'m> {
    pub(super) path: &'m Path,
    pub(super) metadata: &'m Metadata,
    pub(super) model: &'m str,
    pub(super) tokens: Vec<&'m str>,
    pub(super) types: Vec<TokenType>,
}

impl<'m> Stored<'m> {
    pub(super) fn read(path: &'m Path, metadata: &'m Metadata) -> Result<Self, TokenizerError> {
        let missing = |key| TokenizerError::Metadata {
            path: path.to_owned(),
            key,
        };
        let model = text(metadata, MODEL).ok_or_else(|| missing(MODEL))?;
        let tokens = texts(metadata, TOKENS).ok_or_else(|| missing(TOKENS))?;
        if tokens.is_empty() || tokens.len() > MAX_TOKENS {
            return Err(TokenizerError::VocabularySize {
                path: path.to_owned(),
                found: tokens.len(),
                limit: MAX_TOKENS,
            });
        }
        let mut stored = Self {
            path,
            metadata,
            model,
            types: vec![TokenType::Normal; tokens.len()],
            tokens,
        };
        if let Some(types) = array(metadata, TYPES) {
            stored.check_length(TYPES, types.len())?;
            stored.types = types
                .iter()
                .zip(&stored.tokens)
                .map(|(code, text)| token_type(integer(code), text))
                .collect();
        }
        // Whatever ends or begins a text is control, however the file calls it.
        for key in ["bos", "eos", "eot", "eom"] {
            if let Some(id) = stored.special(key)
                && let Some(kind) = stored.types.get_mut(id as usize)
            {
                *kind = TokenType::Control;
            }
        }
        Ok(stored)
    }

    fn check_length(&self, key: &'static str, found: usize) -> Result<(), TokenizerError> {
        if found == self.tokens.len() {
            return Ok(());
        }
        Err(TokenizerError::Uneven {
            path: self.path.to_owned(),
            key,
            expected: self.tokens.len(),
            found,
        })
    }

    fn special(&self, name: &str) -> Option<u32> {
        let value = self
            .metadata
            .get(&format!("tokenizer.ggml.{name}_token_id"))?;
        u32::try_from(integer(value)?).ok()
    }

    fn flag(&self, name: &str) -> Option<bool> {
        let value = self.metadata.get(&format!("tokenizer.ggml.{name}"))?;
        value.to_bool().ok()
    }

    pub(super) fn settings(&self, adds_bos: bool) -> Settings {
        let ends = ["eos", "eot", "eom"].map(|name| self.special(name));
        Settings {
            bos: self.special("bos").map_or(Declared::None, Declared::Id),
            end_texts: Vec::new(),
            end_ids: ends.into_iter().flatten().collect(),
            eos_text: self
                .special("eos")
                .and_then(|id| self.tokens.get(id as usize))
                .map(|&text| text.to_owned()),
            add_bos: Some(self.flag("add_bos_token").unwrap_or(adds_bos)),
            chat_template: text(self.metadata, "tokenizer.chat_template").map(str::to_owned),
        }
    }

    pub(super) fn pre_tokenizer(&self) -> Result<PreTokenizer, TokenizerError> {
        let name = text(self.metadata, "tokenizer.ggml.pre").unwrap_or_default();
        PreTokenizer::named(name).ok_or_else(|| TokenizerError::UnknownPreTokenizer {
            path: self.path.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Vocabulary and merges of a byte-level BPE file.
    pub(super) fn merges(&self, pre: PreTokenizer) -> Result<Loaded, TokenizerError> {
        let merges = texts(self.metadata, MERGES).ok_or_else(|| TokenizerError::Metadata {
            path: self.path.to_owned(),
            key: MERGES,
        })?;
        let merges: Merges = merges
            .into_iter()
            .filter_map(|merge| merge.split_once(' '))
            .map(|(left, right)| (left.to_owned(), right.to_owned()))
            .collect();
        let vocabulary: Vocab = (0u32..)
            .zip(&self.tokens)
            .map(|(id, &text)| (text.to_owned(), id))
            .collect();
        let builder = BPE::builder()
            .vocab_and_merges(vocabulary, merges)
            .ignore_merges(pre.ignore_merges);
        let bpe = guard("build a tokenizer", || builder.build())?.map_err(|source| {
            TokenizerError::Build {
                path: self.path.to_owned(),
                source,
            }
        })?;
        Ok(Loaded {
            model: bpe.into(),
            kind: "BPE".to_owned(),
            byte_fallback: false,
            unknown: None,
        })
    }

    /// The rest of the `tokenizer.json` that says the same as a byte-level BPE file.
    pub(super) fn parts(&self, pre: PreTokenizer) -> Parts {
        let added: Vec<_> = (0u32..)
            .zip(self.tokens.iter().zip(&self.types))
            .filter_map(|(id, (text, kind))| {
                let special = match kind {
                    TokenType::Control | TokenType::Unknown => true,
                    TokenType::UserDefined => false,
                    TokenType::Normal | TokenType::Unused | TokenType::Byte => return None,
                };
                Some(json!({
                    "id": id, "content": text, "special": special, "single_word": false,
                    "lstrip": false, "rstrip": false, "normalized": false,
                }))
            })
            .collect();
        let mut steps: Vec<_> = pre
            .patterns
            .iter()
            .map(|pattern| {
                json!({
                    "type": "Split", "pattern": {"Regex": pattern},
                    "behavior": "Isolated", "invert": false,
                })
            })
            .collect();
        let byte_level = json!({
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false,
            "use_regex": false,
        });
        steps.push(byte_level.clone());
        Parts {
            added_tokens: added.into(),
            normalizer: Value::Null,
            pre_tokenizer: json!({"type": "Sequence", "pretokenizers": steps}),
            post_processor: Value::Null,
            decoder: byte_level,
        }
    }

    /// Tokens that swallow the white space behind them. No key says it: llama.cpp knows Phi-3 by its name
    /// and has all control tokens do so but those that Phi-3 inherits from Llama.
    fn stripping(&self) -> HashSet<u32> {
        const KEPT: [&str; 3] = ["<unk>", "<s>", "<|endoftext|>"];
        let said = |key: &str| text(self.metadata, key).unwrap_or_default().to_lowercase();
        let name = said("general.name");
        let phi3 = said("general.architecture") == "phi3"
            || ["phi-3", "phi3", "phi 3"]
                .iter()
                .any(|part| name.contains(part));
        let strips = |(_, (text, kind)): &(u32, (&&str, &TokenType))| {
            let special = matches!(
                kind,
                TokenType::Control | TokenType::UserDefined | TokenType::Unknown
            );
            phi3 && (special || **text == "</s>") && !KEPT.contains(*text)
        };
        let tokens = (0u32..).zip(self.tokens.iter().zip(&self.types));
        tokens.filter(strips).map(|(id, _)| id).collect()
    }

    pub(super) fn sentencepiece(&self) -> Result<SentencePiece, TokenizerError> {
        let scores = array(self.metadata, SCORES).ok_or_else(|| TokenizerError::Metadata {
            path: self.path.to_owned(),
            key: SCORES,
        })?;
        self.check_length(SCORES, scores.len())?;
        let mut model = SentencePiece {
            pieces: HashMap::with_capacity(self.tokens.len()),
            bytes: vec![None; 256],
            unknown: self.special("unknown"),
            literal: Splitter::default(),
            markup: Splitter::default(),
            space_prefix: self.flag("add_space_prefix").unwrap_or(true),
            stripping: self.stripping(),
        };
        for (id, ((&text, kind), score)) in
            (0u32..).zip(self.tokens.iter().zip(&self.types).zip(scores))
        {
            let score = score.to_f32().unwrap_or(f32::MIN);
            match kind {
                TokenType::Control | TokenType::Unknown => model.markup.insert(text, id),
                TokenType::Byte => {
                    if let Some(byte) = byte_token(text) {
                        model.bytes[usize::from(byte)] = Some(id);
                    }
                }
                TokenType::UserDefined => {
                    model.markup.insert(text, id);
                    if !is_markup(text) {
                        model.literal.insert(text, id);
                        model.pieces.insert(text.into(), (id, score));
                    }
                }
                TokenType::Normal | TokenType::Unused => {
                    model.pieces.insert(text.into(), (id, score));
                }
            }
        }
        Ok(model)
    }

    pub(super) fn vocabulary(&self, spelling: Spelling) -> Vocabulary {
        let speller = Speller::new(spelling);
        let mut vocabulary = Vocabulary::with_capacity(self.tokens.len());
        for (&text, kind) in self.tokens.iter().zip(&self.types) {
            match kind {
                TokenType::Unused => vocabulary.push(&[], Kind::Absent),
                TokenType::Control | TokenType::Unknown => {
                    vocabulary.push(text.as_bytes(), Kind::Control);
                }
                TokenType::UserDefined if spelling == Spelling::ByteLevel => {
                    vocabulary.push(text.as_bytes(), Kind::Text);
                }
                TokenType::Byte => match byte_token(text) {
                    Some(byte) => vocabulary.push(&[byte], Kind::Text),
                    None => vocabulary.push(text.as_bytes(), Kind::Control),
                },
                TokenType::Normal | TokenType::UserDefined => {
                    vocabulary.push(&speller.bytes(text), Kind::Text);
                }
            }
        }
        vocabulary
    }
}

fn token_type(code: Option<i64>, text: &str) -> TokenType {
    match code {
        Some(2) => TokenType::Unknown,
        Some(3) => TokenType::Control,
        // Some converters call chat markers user-defined.
        Some(4) if text.starts_with("<|") && text.ends_with("|>") => TokenType::Control,
        Some(4) => TokenType::UserDefined,
        Some(5) => TokenType::Unused,
        Some(6) => TokenType::Byte,
        _ => TokenType::Normal,
    }
}

fn text<'m>(metadata: &'m Metadata, key: &str) -> Option<&'m str> {
    metadata.get(key)?.to_string().ok().map(String::as_str)
}

fn array<'m>(metadata: &'m Metadata, key: &str) -> Option<&'m [gguf_file::Value]> {
    metadata.get(key)?.to_vec().ok().map(Vec::as_slice)
}

fn texts<'m>(metadata: &'m Metadata, key: &str) -> Option<Vec<&'m str>> {
    array(metadata, key)?
        .iter()
        .map(|value| value.to_string().ok().map(String::as_str))
        .collect()
}

/// Any integer of the format; converters do not agree on the width.
fn integer(value: &gguf_file::Value) -> Option<i64> {
    use gguf_file::Value as V;
    match *value {
        V::U8(n) => Some(n.into()),
        V::I8(n) => Some(n.into()),
        V::U16(n) => Some(n.into()),
        V::I16(n) => Some(n.into()),
        V::U32(n) => Some(n.into()),
        V::I32(n) => Some(n.into()),
        V::U64(n) => n.try_into().ok(),
        V::I64(n) => Some(n),
        V::F32(_) | V::F64(_) | V::Bool(_) | V::String(_) | V::Array(_) => None,
    }
}
