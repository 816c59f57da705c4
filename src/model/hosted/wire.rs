//! The dialects: calls to requests, replies to answers. One file a dialect; none knows retries or keys.
//!
//! A [`Call`] becomes one or more [`Generate`]s, the one thing that every server does: read a prompt, say
//! how probable it was, write some tokens, name the alternatives. A wire file turns a `Generate` into a
//! request and a reply into a [`Reading`], both as pure functions. [`conversation`] sends, drops what a server
//! refuses and remembers it; [`score`] finds a text's own tokens in a prompt that was read.

mod anthropic;
mod conversation;
mod decline;
mod gemini;
mod generate;
mod json;
mod learnt;
mod llamacpp;
mod logprobs;
mod ollama;
mod openai_chat;
mod openai_completions;
mod openai_responses;
mod reading;
mod score;
mod sglang;

#[cfg(test)]
mod tests;

use crate::battery::Pose;
use crate::question::Prompt;
use crate::response::{Continuation, Exchange, Finish};

use super::error::HostedError;
use super::transport::Transport;

pub(super) use conversation::Conversation;
pub(super) use decline::Decline;
pub(super) use generate::Sampling;
pub(super) use json::{Parsed, parse};
pub(super) use learnt::Learnt;

use conversation::Halt;
use generate::{Generate, Input};
use reading::{End, Reading};

/// A way of speaking to endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dialect {
    /// `/chat/completions` of OpenAI and those like it.
    OpenAiChat,
    /// `/completions` of OpenAI.
    OpenAiCompletions,
    /// `/responses` of OpenAI.
    OpenAiResponses,
    /// Both `/chat/completions` and `/completions`, of servers that imitate OpenAI.
    Compatible,
    /// As [`Self::Compatible`], with what vLLM adds.
    Vllm,
    /// Anthropic's messages.
    Anthropic,
    /// Google's `generateContent`.
    Gemini,
    /// Ollama's own.
    Ollama,
    /// `/completion` of llama.cpp's server; its chat turns go through `/chat/completions`.
    LlamaCpp,
    /// `/generate` of SGLang; its chat turns go through `/chat/completions`.
    Sglang,
}

impl Dialect {
    /// Its name in recordings.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai-chat",
            Self::OpenAiCompletions => "openai-completions",
            Self::OpenAiResponses => "openai-responses",
            Self::Compatible => "openai-compatible",
            Self::Vllm => "vllm",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
            Self::LlamaCpp => "llamacpp",
            Self::Sglang => "sglang",
        }
    }

    /// The highest temperature that it documents, for the check that temperature acts.
    pub(super) fn hottest(self) -> f64 {
        if self == Self::Anthropic { 1.0 } else { 1.5 }
    }

    fn form(self, pose: Pose) -> Option<Form> {
        use Form as F;
        Some(match (self, pose) {
            (Self::OpenAiCompletions | Self::Compatible | Self::Vllm, Pose::Raw) => F::Completions,
            (
                Self::OpenAiChat | Self::Compatible | Self::Vllm | Self::LlamaCpp | Self::Sglang,
                Pose::Chat,
            ) => F::Chat,
            (Self::OpenAiResponses, Pose::Chat) => F::Responses,
            (Self::Anthropic, Pose::Chat) => F::Anthropic,
            (Self::Gemini, Pose::Chat) => F::Gemini,
            (Self::Ollama, _) => F::Ollama,
            (Self::LlamaCpp, Pose::Raw) => F::LlamaCpp,
            (Self::Sglang, Pose::Raw) => F::Sglang,
            (Self::OpenAiCompletions, Pose::Chat)
            | (
                Self::OpenAiChat | Self::OpenAiResponses | Self::Anthropic | Self::Gemini,
                Pose::Raw,
            ) => return None,
        })
    }
}

/// The form of one request, each with a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Chat,
    Completions,
    Responses,
    Anthropic,
    Gemini,
    Ollama,
    LlamaCpp,
    Sglang,
}

impl Form {
    fn request(self, endpoint: &super::Endpoint, want: &Generate<'_>) -> WireRequest {
        let request = match self {
            Self::Chat => openai_chat::request,
            Self::Completions => openai_completions::request,
            Self::Responses => openai_responses::request,
            Self::Anthropic => anthropic::request,
            Self::Gemini => gemini::request,
            Self::Ollama => ollama::request,
            Self::LlamaCpp => llamacpp::request,
            Self::Sglang => sglang::request,
        };
        request(endpoint, want)
    }

    fn read(self, reply: &serde_json::Value) -> Reading {
        match self {
            Self::Chat => openai_chat::read(reply),
            Self::Completions => openai_completions::read(reply),
            Self::Responses => openai_responses::read(reply),
            Self::Anthropic => anthropic::read(reply),
            Self::Gemini => gemini::read(reply),
            Self::Ollama => ollama::read(reply),
            Self::LlamaCpp => llamacpp::read(reply),
            Self::Sglang => sglang::read(reply),
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

impl WireRequest {
    pub(super) fn get(path: String) -> Self {
        Self {
            path,
            headers: Vec::new(),
            body: None,
        }
    }

    pub(super) fn post(path: String, body: serde_json::Value) -> Self {
        Self {
            path,
            headers: Vec::new(),
            body: Some(body),
        }
    }
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
    /// Log-probability in nats and tokens; `None` if the reply does not give it for exactly this text.
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
pub(super) struct Answered {
    /// The answer.
    pub(super) outcome: Outcome,
    /// The wire.
    pub(super) exchange: Exchange,
}

/// Asks one thing. An error means that the run cannot go on.
pub(super) async fn ask(transport: &Transport, call: Call<'_>) -> Result<Answered, HostedError> {
    let (answered, _) = ask_with(transport, call, Sampling::default()).await?;
    Ok(answered)
}

/// Asks one thing under other sampling than a run's; gives all texts where several were asked for.
pub(super) async fn ask_with(
    transport: &Transport,
    call: Call<'_>,
    sampling: Sampling<'_>,
) -> Result<(Answered, Vec<String>), HostedError> {
    let mut conversation = Conversation::new(transport);
    let mut texts = Vec::new();
    let outcome = match answer(&mut conversation, call, sampling, &mut texts).await {
        Ok(outcome) | Err(Halt::Answer(outcome)) => outcome,
        Err(Halt::Failed(error)) => return Err(error),
    };
    let exchange = conversation.into_exchange();
    Ok((Answered { outcome, exchange }, texts))
}

async fn answer(
    conversation: &mut Conversation<'_>,
    call: Call<'_>,
    sampling: Sampling<'_>,
    texts: &mut Vec<String>,
) -> Result<Outcome, Halt> {
    let endpoint = conversation.endpoint();
    let prompt = call.prompt;
    let Some(form) = endpoint.dialect.form(prompt.pose) else {
        let takes = match prompt.pose {
            Pose::Chat => "plain text only",
            Pose::Raw => "chat turns only",
        };
        return Err(Halt::unavailable(format!(
            "{} takes {takes}",
            endpoint.dialect.name()
        )));
    };
    if !prompt.lead.is_empty() && prompt.pose == Pose::Chat && endpoint.dialect != Dialect::Vllm {
        return Err(Halt::unavailable(format!(
            "the beginning of an answer cannot be written for a model behind {}",
            endpoint.dialect.name()
        )));
    }
    let input = match prompt.pose {
        Pose::Chat => Input::Turn {
            text: &prompt.text,
            lead: &prompt.lead,
        },
        Pose::Raw => Input::Text(&prompt.text),
    };
    let want = Generate {
        seed: call.seed & 0x7fff_ffff,
        ..Generate::new(input, sampling)
    };
    match call.want {
        Want::Text { max_tokens } => {
            let want = Generate { max_tokens, ..want };
            let reading = conversation.generate(form, want).await?;
            texts.clone_from(&reading.texts);
            Ok(text_of(reading, max_tokens))
        }
        Want::Top { top } => {
            let max_tokens = 1;
            let want = Generate {
                max_tokens,
                top,
                ..want
            };
            let reading = conversation.generate(form, want).await?;
            Ok(top_of(conversation, &reading, top))
        }
        Want::Score { text } => score::score(conversation, form, prompt, text, want).await,
    }
}

/// A text as an answer.
fn text_of(reading: Reading, max_tokens: usize) -> Outcome {
    if let Some(reason) = reading.declined() {
        return Outcome::Refused(reason);
    }
    let finish = match reading.end {
        End::Length => Finish::Length,
        End::Unsaid if reading.visible_tokens() >= max_tokens => Finish::Length,
        End::Stop | End::Unsaid | End::Filtered(_) => Finish::Stop,
    };
    let tokens = reading.visible_tokens();
    let text = reading.texts.into_iter().next().unwrap_or_default();
    if text.is_empty() && reading.usage.reasoning > 0 {
        return Outcome::Unavailable(format!(
            "hidden reasoning used up the answer ({} tokens)",
            reading.usage.reasoning
        ));
    }
    Outcome::Text {
        text,
        tokens,
        finish,
    }
}

/// The alternatives of the first written token.
fn top_of(conversation: &mut Conversation<'_>, reading: &Reading, top: usize) -> Outcome {
    if reading.usage.reasoning > 0 {
        return Outcome::Unavailable(conversation::REASONS.to_owned());
    }
    let Some(first) = reading.written.positions.first() else {
        return match reading.declined() {
            Some(reason) => Outcome::Refused(reason),
            None => Outcome::Unavailable("the reply has no log-probabilities".to_owned()),
        };
    };
    let (continuations, left_out) = first.continuations(top);
    if left_out > 0 {
        conversation.note(format!(
            "top: {left_out} entries are no text or have no number"
        ));
    }
    if continuations.is_empty() {
        return Outcome::Unavailable("the reply names no alternatives".to_owned());
    }
    Outcome::Top(continuations)
}
