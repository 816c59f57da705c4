//! Models: anything that answers questions.
//!
//! [`Model`] is the one trait of the crate, because models are what the world varies in. Weights are
//! run by [`local`], endpoints are asked by [`hosted`], and [`scripted`] models are made up; a recording stands for a
//! model without being one (it is read by `evidence`).

mod error;
pub mod hosted;
pub mod local;
pub mod scripted;

use std::ops::ControlFlow;

use crate::identity::ModelIdentity;
use crate::question::Question;
use crate::response::{Exchange, Response};

pub use error::{Failure, ModelError};

/// What a model can be asked; checked before asking, not found out by failing.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that can be asked, and they go in any combination"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Abilities {
    /// It has a chat form.
    pub chat: bool,
    /// It goes on with plain text.
    pub raw: bool,
    /// It gives the probability of given text after plain text.
    pub score: bool,
    /// It gives the probability of given text after a chat turn.
    pub score_chat: bool,
    /// How many of the most probable next tokens it names with their probabilities; 0 for none.
    pub top: usize,
}

/// An answer with what the model was really shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The prompt as rendered, lead included.
    pub rendered: String,
    /// What came back.
    pub response: Response,
    /// What went over the wire, for endpoints.
    pub exchange: Option<Exchange>,
}

/// A seed for everything random, explicit wherever randomness is used.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct Seed(pub u64);

/// Anything that can answer questions.
pub trait Model: Send + Sync {
    /// Who answers.
    fn identity(&self) -> &ModelIdentity;

    /// What it can be asked.
    fn abilities(&self) -> Abilities;

    /// Answers questions, each exactly once, in any order, as answers become ready.
    ///
    /// A question that cannot be answered is answered with [`Response::Unavailable`]; an error means
    /// that the model itself failed. The sink may break off; what was handed to it is then complete.
    ///
    /// # Errors
    ///
    /// When the model cannot go on.
    fn answer(
        &self,
        questions: &[Question],
        seed: Seed,
        sink: &mut dyn FnMut(usize, Answer) -> ControlFlow<()>,
    ) -> Result<(), ModelError>;
}
