//! What whoever serves a model may set, whatever is asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Conditions that stand behind the answers of a model and are not the asker's to choose. Weights are run as they
/// are asked; the other conditions exist to see what they would do to a finding
/// ([`crate::population`]).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Served {
    /// Nothing is set: texts are drawn at temperature 1, and the model reads the question alone.
    #[default]
    Plain,
    /// Texts are drawn at temperature 0.7.
    Cooler,
    /// A system prompt stands before every question.
    Instructed,
}

impl Served {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Cooler, Self::Instructed];

    /// What logits are divided by before a token is drawn. Probabilities that are asked for are not changed, as
    /// servers commonly have it.
    pub fn temperature(self) -> f64 {
        match self {
            Self::Plain | Self::Instructed => 1.0,
            Self::Cooler => 0.7,
        }
    }

    /// The system prompt.
    pub fn system(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Cooler => None,
            Self::Instructed => Some("You are a helpful assistant."),
        }
    }

    /// In words: "suspects ...".
    pub fn words(self) -> &'static str {
        match self {
            Self::Plain => "asked like the others",
            Self::Cooler => "at temperature 0.7",
            Self::Instructed => "behind a system prompt",
        }
    }

    /// Nothing is set.
    pub fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}
