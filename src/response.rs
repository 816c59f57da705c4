//! What a model answered, as observed.

use serde::{Deserialize, Serialize};

/// How probable a text is as what follows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Natural logarithm of the probability of the whole text, in nats.
    pub log_probability: f64,
    /// Tokens that the text has in this model's tokenizer.
    pub tokens: usize,
}

/// One of the most probable continuations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Continuation {
    /// The text of the token.
    pub text: String,
    /// Natural logarithm of its probability, in nats.
    pub log_probability: f64,
}

/// Why a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The model ended it.
    Stop,
    /// The limit was reached.
    Length,
}

/// An answer, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Response {
    /// One score for each text asked about.
    Scored {
        /// In the order of the question.
        scores: Vec<Scored>,
    },
    /// The most probable continuations, most probable first. Tokens that are no text of their own
    /// (part of a character, control tokens) are left out.
    Next {
        /// At most as many as asked.
        top: Vec<Continuation>,
    },
    /// A written answer.
    Text {
        /// The text, without prompt and lead.
        text: String,
        /// Its tokens.
        tokens: usize,
        /// Why it ended.
        finish: Finish,
    },
    /// The model declined: data, not an error.
    Refused {
        /// In its words or the server's.
        reason: String,
    },
    /// No answer could be had.
    Unavailable {
        /// Why.
        reason: String,
    },
}
