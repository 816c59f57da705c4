//! What a model answered, as observed.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::tagged::{self, Tagged};

/// How probable a text is as what follows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Natural logarithm of the probability of the whole text, in nats; `None` if the model did not
    /// give it for this text (an endpoint whose tokens straddle its beginning, a probability of zero).
    pub log_probability: Option<f64>,
    /// Tokens that the text has in this model's tokenizer.
    pub tokens: usize,
}

/// One of the most probable continuations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Continuation<S = String> {
    /// The text of the token.
    pub text: S,
    /// Natural logarithm of its probability, in nats.
    pub log_probability: f64,
}

impl<S: AsRef<str>> Continuation<S> {
    /// The same with a text of its own.
    pub(crate) fn owned(&self) -> Continuation {
        Continuation {
            text: self.text.as_ref().to_owned(),
            log_probability: self.log_probability,
        }
    }
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

/// An answer, or why there is none. Its texts are its own, or those of the line that it was read from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Response<S = String> {
    /// One score for each text asked about.
    Scored {
        /// In the order of the question.
        scores: Vec<Scored>,
    },
    /// The most probable continuations, most probable first. Tokens that are no text of their own
    /// (part of a character, control tokens) are left out, and so are censored values of endpoints.
    Next {
        /// At most as many as asked; how many a model gives is up to it.
        top: Vec<Continuation<S>>,
    },
    /// A written answer.
    Text {
        /// The text, without prompt and lead.
        text: S,
        /// Its tokens.
        tokens: usize,
        /// Why it ended.
        finish: Finish,
    },
    /// The model declined: data, not an error.
    Refused {
        /// In its words or the server's.
        reason: S,
    },
    /// No answer could be had.
    Unavailable {
        /// Why.
        reason: S,
    },
}

/// The kinds of responses.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Scored,
    Next,
    Text,
    Refused,
    Unavailable,
}

#[derive(Deserialize)]
struct Scores {
    scores: Vec<Scored>,
}

#[derive(Deserialize)]
struct Top<S> {
    top: Vec<Continuation<S>>,
}

#[derive(Deserialize)]
struct Written<S> {
    text: S,
    tokens: usize,
    finish: Finish,
}

#[derive(Deserialize)]
struct Reason<S> {
    reason: S,
}

/// By how many nats two readings of one text by one model may differ: the engine adds in another order where it reads
/// texts together.
const READ_ALIKE: f64 = 1e-3;

impl<S: PartialEq> Response<S> {
    /// Whether it is the same answer to the same question; probabilities to within arithmetic.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let (Self::Scored { scores: a }, Self::Scored { scores: b }) = (self, other) else {
            return self == other;
        };
        let near = |(a, b): (&Scored, &Scored)| match (a.log_probability, b.log_probability) {
            (Some(a), Some(b)) => (a - b).abs() <= READ_ALIKE,
            (a, b) => a == b,
        };
        a.len() == b.len() && a.iter().zip(b).all(near)
    }
}

impl<'de, S: Deserialize<'de>> Tagged<'de> for Response<S> {
    type Kind = Kind;

    fn read<D: Deserializer<'de>>(kind: Kind, rest: D) -> Result<Self, D::Error> {
        Ok(match kind {
            Kind::Scored => {
                let Scores { scores } = Scores::deserialize(rest)?;
                Self::Scored { scores }
            }
            Kind::Next => {
                let Top { top } = Top::deserialize(rest)?;
                Self::Next { top }
            }
            Kind::Text => {
                let Written {
                    text,
                    tokens,
                    finish,
                } = Written::deserialize(rest)?;
                Self::Text {
                    text,
                    tokens,
                    finish,
                }
            }
            Kind::Refused => {
                let Reason { reason } = Reason::deserialize(rest)?;
                Self::Refused { reason }
            }
            Kind::Unavailable => {
                let Reason { reason } = Reason::deserialize(rest)?;
                Self::Unavailable { reason }
            }
        })
    }
}

impl<'de, S: Deserialize<'de>> Deserialize<'de> for Response<S> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        tagged::deserialize(from)
    }
}

/// What went over the wire for one answer of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// The model that the server says answered.
    pub served: Option<String>,
    /// The server's mark of its configuration.
    pub fingerprint: Option<String>,
    /// The provider behind a router, as the reply names it.
    pub upstream: Option<String>,
    /// Tokens counted, all requests of the answer together.
    pub usage: Usage,
    /// Which parsing rules fired: the shape of the log-probabilities, reasoning that was stripped.
    pub notes: Vec<String>,
    /// The requests with their last replies, in order.
    pub calls: Vec<WireCall>,
}

/// Tokens of an exchange.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub prompt: u64,
    /// Tokens written, hidden ones included.
    pub completion: u64,
    /// Of those, hidden reasoning.
    pub reasoning: u64,
    /// The server counted them; otherwise they are estimated from the texts.
    pub reported: bool,
}

/// One request with its last reply.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WireCall {
    /// Path and query, without key.
    pub path: String,
    /// The body sent.
    pub request: serde_json::Value,
    /// How often it was sent.
    pub attempts: u32,
    /// HTTP status of the last reply.
    pub status: u16,
    /// Headers worth keeping: request ids, served versions.
    pub headers: BTreeMap<String, String>,
    /// The body received, as text; cut when it is longer than what is kept.
    pub reply: String,
    /// Length of the body received, in bytes.
    pub reply_bytes: u64,
}
