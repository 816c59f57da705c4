//! What can go wrong between a model's files and a tokenizer, or between a text and its tokens.

use std::{io, path::PathBuf};

/// The cause handed over by the tokenizer library.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A tokenizer could not be loaded or could not read a text exactly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The directory holds no `tokenizer.json`.
    #[error("no tokenizer.json in '{directory}'")]
    Missing {
        /// The model's directory.
        directory: PathBuf,
    },
    /// A file could not be read.
    #[error("cannot read '{path}'")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is larger than any honest one.
    #[error("'{path}' is larger than the limit of {limit} bytes")]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file is not the JSON it should be.
    #[error("'{path}' is not valid JSON")]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// The tokenizer library refused the definition.
    #[error("the tokenizer defined by '{path}' cannot be built")]
    Build {
        /// The file the definition came from.
        path: PathBuf,
        /// The library's reason.
        #[source]
        source: Cause,
    },
    /// The tokenizer library panicked.
    #[error("the tokenizer library panicked while it tried to {step}")]
    Panicked {
        /// What it was doing.
        step: &'static str,
    },
    /// A GGUF metadata key is missing or of another type.
    #[error("'{path}' has no usable metadata key '{key}'")]
    Metadata {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
    },
    /// Two GGUF arrays that must be parallel are not.
    #[error("'{path}': '{key}' has {found} entries for {expected} tokens")]
    Uneven {
        /// The file.
        path: PathBuf,
        /// The shorter or longer array.
        key: &'static str,
        /// The number of tokens.
        expected: usize,
        /// The number of entries.
        found: usize,
    },
    /// The GGUF tokenizer is of a kind that is not read.
    #[error(
        "'{path}': tokenizer model '{model}' is not supported; put the model's tokenizer.json beside it"
    )]
    UnknownModel {
        /// The file.
        path: PathBuf,
        /// The value of `tokenizer.ggml.model`.
        model: String,
    },
    /// The GGUF file names a pre-tokenizer whose rule is not known.
    ///
    /// Guessing one would give token ids the model never saw in training.
    #[error(
        "'{path}': pre-tokenizer '{name}' is not known; put the model's tokenizer.json beside it"
    )]
    UnknownPreTokenizer {
        /// The file.
        path: PathBuf,
        /// The value of `tokenizer.ggml.pre`, empty when absent.
        name: String,
    },
    /// The tokenizer is of a kind whose tokens are not pieces of the text.
    #[error("'{path}': tokens of this kind ({kind}) do not spell the text")]
    NotSpelled {
        /// The file.
        path: PathBuf,
        /// What was found.
        kind: String,
    },
    /// The vocabulary is empty or larger than any honest one.
    #[error("'{path}': a vocabulary of {found} tokens is outside 1 to {limit}")]
    VocabularySize {
        /// The file.
        path: PathBuf,
        /// The highest id plus one.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A `tokenizer.json` lies beside a GGUF file with another vocabulary.
    #[error(
        "'{path}' does not fit the GGUF file beside it: token {id} is {ours:?}, not {theirs:?}"
    )]
    Disagrees {
        /// The `tokenizer.json`.
        path: PathBuf,
        /// The first id that differs.
        id: u32,
        /// The text there.
        ours: String,
        /// The text in the GGUF file.
        theirs: String,
    },
    /// Some ids have no row in the embedding.
    #[error("the tokenizer has {tokens} tokens but the embedding only {rows} rows")]
    TooFewRows {
        /// The highest id plus one.
        tokens: usize,
        /// Rows of the embedding.
        rows: usize,
    },
    /// A text holds a token that the embedding has no row for.
    #[error("token {id} ('{text}') is in the text, and the embedding has no row for it")]
    NoRow {
        /// The token.
        id: u32,
        /// How it is written.
        text: String,
    },
    /// The text is longer than the limit.
    #[error("a text of {found} bytes is over the limit of {limit}")]
    TextTooLong {
        /// Its length.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// The tokenizer's normalizer could make a text so long that it takes all memory.
    #[error(
        "the tokenizer's normalizer could make {found} bytes of a text of {bytes} bytes, and the limit is {limit}; use the tokenizer of the model's publisher"
    )]
    Grows {
        /// Its length.
        bytes: usize,
        /// The length that it could get.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// The tokenizer library failed on a text.
    #[error("cannot encode a text")]
    Encode {
        /// The library's reason.
        #[source]
        source: Cause,
    },
    /// Plain text came out as a control token.
    #[error("plain text was read as control token {id} ({text:?})")]
    ControlFromText {
        /// The token.
        id: u32,
        /// Its text.
        text: String,
    },
    /// The tokens do not spell the text they came from.
    #[error("the tokens of a text spell another text from byte {at} on")]
    NotExact {
        /// The first byte that differs.
        at: usize,
    },
}
