//! From a model's files to a [`Tokenizer`].

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use candle_core::quantized::gguf_file;

use super::{
    Kernel, Tokenizer, TokenizerSource,
    definition::{self, Engine},
    error::TokenizerError,
    gguf::Stored,
    settings::{self, Declared, Settings},
    split::Splitter,
    vocabulary::{Kind, Spelling, Vocabulary},
};
use crate::model::local::llamacpp::Vocabulary as LlamaCpp;
use crate::model::local::template::Specials;

/// The largest `tokenizer.json` that is read; the largest published ones have some 35 MB.
const MAX_DEFINITION: u64 = 256 << 20;

/// Tokens by which models are known to end a turn or a text, used when a vocabulary has them as
/// control tokens.
const KNOWN_ENDS: &[&str] = &[
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<|end_of_turn|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<turn|>",
    "<|EOT|>",
    "<EOT>",
    "<end_of_utterance>",
    "<\u{ff5c}end\u{2581}of\u{2581}sentence\u{ff5c}>",
];

impl Tokenizer {
    /// Reads `tokenizer.json` and what lies beside it: `tokenizer_config.json`,
    /// `special_tokens_map.json`, `generation_config.json`, `config.json`, `chat_template.jinja`.
    ///
    /// An `add_bos_token` in the configuration wins over the definition's post-processor.
    ///
    /// # Errors
    /// When a file is missing, too large, malformed or of a kind whose tokens do not spell text.
    pub fn from_directory(directory: &Path) -> Result<Self, TokenizerError> {
        let (engine, vocabulary) =
            read_definition(&directory.join("tokenizer.json"))?.ok_or_else(|| {
                TokenizerError::Missing {
                    directory: directory.to_owned(),
                }
            })?;
        let settings = Settings::read(directory)?;
        Self::assemble(
            Kernel::Definition(Box::new(engine)),
            vocabulary,
            TokenizerSource::TokenizerJson,
            settings,
        )
    }

    /// Reads the tokenizer of a GGUF file from its metadata.
    ///
    /// A `tokenizer.json` beside the file is preferred if its vocabulary agrees token for token;
    /// otherwise [`neighbour_refused`](Self::neighbour_refused) says why it was not used.
    ///
    /// # Errors
    /// When the metadata is incomplete, or its kind or pre-tokenizer is not known.
    pub fn from_gguf(
        path: &Path,
        metadata: &HashMap<String, gguf_file::Value>,
    ) -> Result<Self, TokenizerError> {
        let stored = Stored::read(path, metadata)?;
        let refused = match Self::beside(&stored) {
            Ok(Some(tokenizer)) => return Ok(tokenizer),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        let mut tokenizer = match stored.model {
            "gpt2" => {
                let pre = stored.pre_tokenizer()?;
                let (engine, _) = Engine::build(stored.parts(pre), stored.merges(pre)?, path)?;
                Self::assemble(
                    Kernel::Definition(Box::new(engine)),
                    stored.vocabulary(Spelling::ByteLevel),
                    TokenizerSource::GgufBpe,
                    stored.settings(pre.adds_bos),
                )
            }
            "llama" => Self::assemble(
                Kernel::SentencePiece(Box::new(stored.sentencepiece()?)),
                stored.vocabulary(Spelling::SentencePiece),
                TokenizerSource::GgufSentencePiece,
                stored.settings(true),
            ),
            other => Err(TokenizerError::UnknownModel {
                path: path.to_owned(),
                model: other.to_owned(),
            }),
        }?;
        tokenizer.neighbour_refused = refused;
        Ok(tokenizer)
    }

    /// Takes llama.cpp's reading of a GGUF file's tokenizer, which is not known here. What ends a text and the chat
    /// template are found as of any file.
    ///
    /// # Errors
    /// When the metadata is incomplete.
    pub(in crate::model::local) fn from_llamacpp(
        path: &Path,
        metadata: &HashMap<String, gguf_file::Value>,
        tokens: LlamaCpp,
    ) -> Result<Self, TokenizerError> {
        let stored = Stored::read(path, metadata)?;
        let settings = stored.settings(tokens.adds_bos());
        let mut vocabulary = Vocabulary::with_capacity(stored.tokens.len());
        for (bytes, control) in tokens.tokens() {
            let kind = if control { Kind::Control } else { Kind::Text };
            vocabulary.push(&bytes, kind);
        }
        Self::assemble(
            Kernel::LlamaCpp(Box::new(tokens)),
            vocabulary,
            TokenizerSource::LlamaCpp,
            settings,
        )
    }

    /// The tokenizer of the `tokenizer.json` in a GGUF file's directory, if it is the same one.
    fn beside(stored: &Stored<'_>) -> Result<Option<Self>, TokenizerError> {
        let directory = stored.path.parent().unwrap_or(Path::new("."));
        let path = directory.join("tokenizer.json");
        let Some((engine, vocabulary)) = read_definition(&path)? else {
            return Ok(None);
        };
        let spelling = match stored.model {
            "gpt2" => Spelling::ByteLevel,
            _ => Spelling::SentencePiece,
        };
        check_agreement(&vocabulary, &stored.vocabulary(spelling), path)?;
        let mut settings = Settings::read(directory)?;
        let own = stored.settings(false);
        settings.end_ids.extend(own.end_ids);
        settings.eos_text = settings.eos_text.or(own.eos_text);
        settings.chat_template = settings.chat_template.or(own.chat_template);
        if settings.bos == Declared::Unsaid {
            settings.bos = own.bos;
        }
        Self::assemble(
            Kernel::Definition(Box::new(engine)),
            vocabulary,
            TokenizerSource::TokenizerJsonBesideGguf,
            settings,
        )
        .map(Some)
    }

    fn assemble(
        kernel: Kernel,
        vocabulary: Vocabulary,
        source: TokenizerSource,
        settings: Settings,
    ) -> Result<Self, TokenizerError> {
        let leading = match &kernel {
            Kernel::Definition(engine) => engine.leading_tokens()?.first().copied(),
            Kernel::SentencePiece(_) | Kernel::LlamaCpp(_) => None,
        };
        let ids: HashMap<&[u8], u32> = vocabulary.tokens().map(|(id, text)| (text, id)).collect();
        let named = |text: &str| ids.get(text.as_bytes()).copied();
        let bos = match &settings.bos {
            Declared::Unsaid => leading,
            Declared::None => None,
            Declared::Text(text) => named(text),
            Declared::Id(id) => Some(*id),
        }
        .filter(|&id| vocabulary.kind(id) != Kind::Absent);
        let adds_bos = bos.is_some() && settings.add_bos.unwrap_or(leading.is_some());
        let end_ids = end_ids(&settings, &vocabulary, named);
        let text_of = |id| String::from_utf8_lossy(vocabulary.written(id)).into_owned();
        let specials = Specials {
            bos: bos.map(text_of).unwrap_or_default(),
            eos: settings
                .eos_text
                .or_else(|| end_ids.first().copied().map(text_of))
                .unwrap_or_default(),
        };
        drop(ids);
        let control = control_tokens(&vocabulary);
        Ok(Self {
            digest: vocabulary.digest(),
            kernel,
            vocabulary,
            source,
            bos,
            adds_bos,
            end_ids,
            specials,
            chat_template: settings.chat_template,
            neighbour_refused: None,
            control,
            rows: usize::MAX,
        })
    }
}

fn read_definition(path: &Path) -> Result<Option<(Engine, Vocabulary)>, TokenizerError> {
    let Some(text) = settings::read_text(path, MAX_DEFINITION)? else {
        return Ok(None);
    };
    let (parts, loaded) = definition::read(&text, path)?;
    drop(text);
    Engine::build(parts, loaded, path).map(Some)
}

fn control_tokens(vocabulary: &Vocabulary) -> Splitter {
    let mut control = Splitter::default();
    for (id, bytes) in vocabulary.tokens() {
        if vocabulary.kind(id) == Kind::Control
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            control.insert(text, id);
        }
    }
    control
}

fn end_ids(
    settings: &Settings,
    vocabulary: &Vocabulary,
    named: impl Fn(&str) -> Option<u32>,
) -> Vec<u32> {
    // In the harmony format `<|end|>` closes one message of several; the turn goes on.
    let harmony = named("<|return|>").is_some() && named("<|call|>").is_some();
    let known = KNOWN_ENDS
        .iter()
        .filter(|&&text| !(harmony && text == "<|end|>"))
        .filter_map(|text| named(text))
        .filter(|&id| vocabulary.kind(id) == Kind::Control);
    let stated = settings.end_texts.iter().filter_map(|text| named(text));
    let mut ids: Vec<_> = settings
        .end_ids
        .iter()
        .copied()
        .filter(|&id| vocabulary.kind(id) != Kind::Absent)
        .chain(stated)
        .chain(known)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Checks that two vocabularies spell the same tokens. Ids that the GGUF file marks as unused are
/// padding; so they may be absent from the other.
fn check_agreement(
    json: &Vocabulary,
    gguf: &Vocabulary,
    path: PathBuf,
) -> Result<(), TokenizerError> {
    let comparable = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\u{2581}', " ");
    for id in 0..u32::try_from(json.len().max(gguf.len())).unwrap_or(u32::MAX) {
        let padding = gguf.kind(id) == Kind::Absent && gguf.holds(id);
        let (ours, theirs) = (json.written(id), gguf.written(id));
        let same = (json.kind(id) == Kind::Absent) == (gguf.kind(id) == Kind::Absent)
            && (ours == theirs || comparable(ours) == comparable(theirs));
        if !same && !padding {
            return Err(TokenizerError::Disagrees {
                path,
                id,
                ours: comparable(ours),
                theirs: comparable(theirs),
            });
        }
    }
    Ok(())
}
