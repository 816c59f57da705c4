//! What can go wrong between a path and a model that answers.

use std::path::PathBuf;

use super::foreign::Foreign;
use super::llamacpp;
use super::tokenizer::TokenizerError;
use crate::model::{Failure, ModelError};

/// A local model could not be opened, loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The path holds neither a GGUF file nor a Hugging Face directory.
    #[error(
        "'{}' is neither a .gguf file nor a directory with config.json and safetensors",
        path.display()
    )]
    NotAModel {
        /// The path as given.
        path: PathBuf,
    },
    /// A file of the model could not be read.
    #[error("cannot read '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The path holds something else that is often taken for a model.
    #[error("'{}' {what}", path.display())]
    Foreign {
        /// The file or directory.
        path: PathBuf,
        /// What it is.
        what: Foreign,
    },
    /// A part of a model in several files is not beside the others.
    #[error("'{}' is missing, one of the {count} files of the model", path.display())]
    MissingPart {
        /// The file.
        path: PathBuf,
        /// How many there are.
        count: usize,
    },
    /// The weights are stored in a number format that the engine cannot read.
    #[error(
        "'{}' holds numbers of format {format}, which is not supported (supported: F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q8_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, Q8_K)",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// The name of the format, or its number.
        format: String,
    },
    /// The chat template cannot be used.
    #[error("the model has a chat template that cannot be used")]
    Template(#[source] super::template::TemplateError),
    /// config.json is not what it should be.
    #[error("cannot parse '{}'", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The architecture is not one that the engine runs.
    #[error(
        "architecture '{name}' is not supported (supported: llama, mistral, mixtral, granite, olmo2, qwen2, qwen2_moe, qwen3, qwen3_moe, gemma, gemma2, gemma3, phi3, smollm3, gpt2, gpt_neox)"
    )]
    Architecture {
        /// The name in the file.
        name: String,
    },
    /// A setting of the architecture is not supported.
    #[error("{setting} is not supported by the local engine")]
    Unsupported {
        /// The setting and its value.
        setting: String,
    },
    /// The description of the model contradicts itself or lacks something.
    #[error("the model's configuration is unusable: {what}")]
    Config {
        /// What is wrong.
        what: String,
    },
    /// The header of a weight file is damaged.
    #[error("the header of '{}' is damaged: {what}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A tensor is missing.
    #[error("tensor '{name}' is missing from the weights")]
    MissingTensor {
        /// Its name.
        name: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error("tensor '{name}' has shape {found:?}, the configuration asks for {expected:?}")]
    Shape {
        /// Its name.
        name: String,
        /// The shape by the configuration.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor holds NaN or an infinity.
    #[error("tensor '{name}' holds {count} values that are not finite")]
    NotFinite {
        /// Its name.
        name: String,
        /// How many.
        count: usize,
    },
    /// The weights are finite, but what is computed from them is not.
    #[error("the model's logits are not finite: its weights overflow 32-bit arithmetic")]
    Overflow,
    /// The tensor library reported an error.
    #[error("cannot {step}")]
    Tensor {
        /// What was being done.
        step: &'static str,
        /// The cause.
        #[source]
        source: candle_core::Error,
    },
    /// The tokenizer could not be read or used.
    #[error("cannot use the model's tokenizer")]
    Tokenizer(#[from] super::tokenizer::TokenizerError),
    /// The model came from the hub and could not be fetched.
    #[error("cannot fetch the model from the hub")]
    Hub(#[from] super::hub::HubError),
    /// llama.cpp failed.
    #[error("llama.cpp cannot {step}: {what}")]
    LlamaCpp {
        /// What was being done.
        step: &'static str,
        /// What it says.
        what: String,
    },
    /// llama.cpp was asked for, and this build does not have it.
    #[error("this build does not have llama.cpp")]
    NotBuilt,
    /// llama.cpp was asked for what is no GGUF file.
    #[error("'{}' is not a GGUF file, and llama.cpp reads no other", path.display())]
    NotGguf {
        /// The path as given.
        path: PathBuf,
    },
    /// The device is not available in this build or on this machine.
    #[error("device '{device}' is not available: {hint}")]
    Device {
        /// The device asked for.
        device: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// A text is longer than the model's context.
    #[error("{tokens} tokens do not fit the model's context of {context}")]
    TooLong {
        /// Tokens needed.
        tokens: usize,
        /// Tokens that fit.
        context: usize,
    },
}

/// What else runs a model that this build does not.
const ELSEWHERE: &str = if llamacpp::BUILT {
    "llama.cpp reads more, from GGUF files: give one, without `--engine own`; or serve the model and name it as vllm/NAME, sglang/NAME or llamacpp/NAME"
} else {
    "use a build with feature llamacpp, which runs what llama.cpp reads of GGUF files; or serve the model and name it as vllm/NAME, sglang/NAME or llamacpp/NAME"
};

impl LocalError {
    /// Whether llama.cpp may know what the own decoder does not.
    pub(super) fn is_unknown(&self) -> bool {
        use TokenizerError as T;
        matches!(
            self,
            Self::Architecture { .. }
                | Self::Format { .. }
                | Self::Unsupported { .. }
                | Self::Tokenizer(T::UnknownModel { .. } | T::UnknownPreTokenizer { .. })
        )
    }

    /// What the user can do about it; `None` if there is no advice.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotAModel { .. } => Some(
                "give a Hugging Face directory, a .gguf file, hf:org/name@revision, or a recording's directory",
            ),
            Self::Header { .. } => {
                Some("the file may be damaged or a download cut off; fetch it again")
            }
            Self::Foreign { what, .. } => Some(what.advice()),
            Self::MissingPart { .. } => Some("fetch all parts into one directory"),
            Self::Architecture { .. } | Self::Unsupported { .. } => Some(ELSEWHERE),
            Self::Format { .. } if llamacpp::BUILT => Some(
                "give a file in one of these formats; of the original weights, llama.cpp's `llama-quantize` makes Q8_0",
            ),
            Self::Format { .. } => Some(
                "use a build with feature llamacpp, or give a file in one of these formats (of the original weights, llama.cpp's `llama-quantize` makes Q8_0), or serve the model and name it as vllm/NAME, sglang/NAME or llamacpp/NAME",
            ),
            Self::LlamaCpp { .. } => Some(
                "the file may be damaged, or newer than the llama.cpp that is built in; or serve it and name it as vllm/NAME, sglang/NAME or llamacpp/NAME",
            ),
            Self::NotBuilt => {
                Some("use a build with feature llamacpp, or leave out `--engine llamacpp`")
            }
            Self::NotGguf { .. } => Some(
                "leave out `--engine llamacpp`, or convert the model by llama.cpp's convert_hf_to_gguf.py",
            ),
            Self::Tokenizer(
                TokenizerError::UnknownModel { .. } | TokenizerError::UnknownPreTokenizer { .. },
            ) if !llamacpp::BUILT => Some(
                "put the model's own tokenizer.json beside its weights, or use a build with feature llamacpp",
            ),
            Self::Template(_) => Some(
                "mend chat_template.jinja or 'chat_template' in tokenizer_config.json (of a GGUF: `gguf-new-metadata --chat-template-file`), or take it out to ask the model as plain text",
            ),
            Self::Tokenizer(_) => Some("put the model's own tokenizer.json beside its weights"),
            _ => None,
        }
    }

    /// This error as the failure of a model.
    pub(super) fn of(self, model: &str, kind: Failure) -> ModelError {
        let hint = self.hint();
        ModelError::new(model, kind, self).with_hint(hint)
    }
}

/// A message without the backtrace that the tensor library appends to its own where `RUST_BACKTRACE` is set.
pub(crate) fn without_backtrace(message: &str) -> &str {
    let is_frame = |line: &str| {
        let (number, name) = line.trim_start().split_once(": ").unwrap_or_default();
        let counted = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        line.starts_with(' ') && counted && !name.is_empty()
    };
    let mut end = 0;
    for line in message.split_inclusive('\n') {
        if is_frame(line.trim_end()) {
            return message[..end].trim_end();
        }
        end += line.len();
    }
    message
}

/// Names the step at which a tensor operation failed.
pub(crate) trait Step<T> {
    /// Adds the step to an error of the tensor library.
    fn step(self, step: &'static str) -> Result<T, LocalError>;
}

impl<T> Step<T> for candle_core::Result<T> {
    fn step(self, step: &'static str) -> Result<T, LocalError> {
        self.map_err(|source| LocalError::Tensor { step, source })
    }
}
