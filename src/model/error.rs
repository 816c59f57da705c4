//! What goes wrong with a model, in a form that any kind of model can give.

use std::error::Error;

/// A model could not be opened or could not go on.
#[derive(Debug, thiserror::Error)]
#[error("model '{model}' failed")]
pub struct ModelError {
    /// The model's name.
    pub model: String,
    /// What kind of failure it is, for whoever has to decide what to do next.
    pub kind: Failure,
    /// What the user can do about it; `None` if there is no advice.
    pub hint: Option<String>,
    /// The cause, as the model's own module has it.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

impl ModelError {
    /// An error without advice.
    pub fn new(
        model: &str,
        kind: Failure,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            model: model.to_owned(),
            kind,
            hint: None,
            source: source.into(),
        }
    }

    /// The same error with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hint = hint.map(Into::into);
        self
    }
}

/// The kinds of failures of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A setting cannot be used: the user has to change it.
    Settings,
    /// The model cannot be used at all: it is damaged, missing, or access to it is refused.
    Unusable,
    /// A limit of the user's or of an account was reached.
    Limit,
    /// The model stopped in the middle of its work: the same run can go on later.
    Unfinished,
}
