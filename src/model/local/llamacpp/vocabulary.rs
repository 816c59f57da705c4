//! llama.cpp's tokenizer, for files whose own is not known here.

use std::path::Path;
use std::sync::Arc;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

use super::engine::backend;
use crate::model::local::error::LocalError;

/// The vocabulary of a file, without its weights.
#[derive(Clone)]
pub(in crate::model::local) struct Vocabulary(Arc<LlamaModel>);

impl Vocabulary {
    /// Reads the vocabulary of a file whose header was accepted.
    pub(in crate::model::local) fn open(path: &Path, trial: bool) -> Result<Self, LocalError> {
        if trial {
            super::trial::load_elsewhere(path, 0)?;
        }
        let params = LlamaModelParams::default().with_vocab_only(true);
        let model = LlamaModel::load_from_file(backend(false)?, path, &params);
        let model = model.map_err(|error| LocalError::LlamaCpp {
            step: "read the vocabulary",
            what: error.to_string(),
        })?;
        Ok(Self(Arc::new(model)))
    }

    /// The tokens of a text, control tokens by their names if it is `markup`. Nothing is added.
    pub(in crate::model::local) fn encode(&self, text: &str, markup: bool) -> Vec<u32> {
        let tokens = self.0.vocab().tokenize(text.as_bytes(), false, markup);
        tokens
            .into_iter()
            .filter_map(|token| u32::try_from(token.0).ok())
            .collect()
    }

    /// Whether a document begins with the begin token.
    pub(in crate::model::local) fn adds_bos(&self) -> bool {
        self.0.vocab().should_add_bos()
    }

    /// Every token in order: its bytes, and whether it is a control token.
    pub(in crate::model::local) fn tokens(&self) -> Vec<(Vec<u8>, bool)> {
        let vocabulary = self.0.vocab();
        let one = |token: LlamaToken| {
            let control = vocabulary.is_control(token) || vocabulary.is_eog(token);
            (vocabulary.token_to_piece(token, true, None), control)
        };
        vocabulary.tokens().map(one).collect()
    }
}
