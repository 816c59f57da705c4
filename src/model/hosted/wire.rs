//! The dialects: calls to requests, replies to answers. One file a dialect; none knows retries or keys.

use crate::question::Prompt;
use crate::response::{Continuation, Exchange, Finish};

use super::error::HostedError;
use super::transport::Transport;

/// A way of speaking to endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dialect {
    /// `/chat/completions` of OpenAI and those like it.
    OpenAiChat,
}

impl Dialect {
    /// Its name in recordings.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai-chat",
        }
    }
}

/// A request in no dialect yet knows path and body; the transport adds address and key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WireRequest {
    /// Path and query below the endpoint's address.
    pub(super) path: String,
    /// Headers of the dialect.
    pub(super) headers: Vec<(&'static str, String)>,
    /// The JSON to post; nothing for a GET.
    pub(super) body: Option<serde_json::Value>,
}

/// One thing asked of an endpoint, in no dialect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    /// What the model reads.
    pub(super) prompt: &'a Prompt,
    /// What is asked.
    pub(super) want: Want<'a>,
    /// For servers that take one.
    pub(super) seed: u64,
}

/// What is asked of an endpoint.
#[derive(Debug, Clone, Copy)]
pub(super) enum Want<'a> {
    /// A text, drawn at temperature 1 with nothing truncated.
    Text {
        /// The longest text, in tokens.
        max_tokens: usize,
    },
    /// The most probable next tokens.
    Top {
        /// How many.
        top: usize,
    },
    /// The probability of this text after the prompt.
    Score {
        /// The text.
        text: &'a str,
    },
}

/// What an endpoint answered to a [`Call`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// A text.
    Text {
        /// The visible text.
        text: String,
        /// Its tokens.
        tokens: usize,
        /// Why it ended.
        finish: Finish,
    },
    /// The most probable next tokens, most probable first, censored ones left out.
    Top(Vec<Continuation>),
    /// Log-probability in nats and tokens; nothing when the reply does not give it for exactly this text.
    Score {
        /// Nats.
        log_probability: Option<f64>,
        /// Tokens.
        tokens: usize,
    },
    /// The model or a filter declined.
    Refused(String),
    /// There is no answer to be had to this call, and why.
    Unavailable(String),
}

/// An answer with everything that went over the wire for it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heard {
    /// The answer.
    pub(super) outcome: Outcome,
    /// The wire.
    pub(super) exchange: Exchange,
}

/// Asks one thing. An error means that the run cannot go on.
pub(super) async fn ask(transport: &Transport, call: Call<'_>) -> Result<Heard, HostedError> {
    let _ = (transport, call);
    todo!()
}
