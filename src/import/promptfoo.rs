//! What promptfoo writes with `--output x.json`: results of every prompt, test and provider.

use serde::Deserialize;
use serde_json::Value;

use super::Settings;
use super::error::{ImportError, Place};
use super::find::Found;
use super::gather::{Asked, Gathered, LeftOut, Row};
use super::json::{Message, conversation, parse, unavailable, words};
use crate::response::{Finish, Response};

#[derive(Deserialize)]
struct Export {
    results: Outer,
}

/// The results of an export stand one level deeper than those of the library.
#[derive(Deserialize)]
#[serde(untagged)]
enum Outer {
    Summary { results: Vec<Outcome> },
    Results(Vec<Outcome>),
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    provider: Provider,
    prompt: Prompt,
    #[serde(default)]
    response: Option<Reply>,
    #[serde(default)]
    error: Value,
    #[serde(default, rename = "failureReason")]
    failure_reason: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Provider {
    Named {
        #[serde(default)]
        id: Option<String>,
        #[serde(default)]
        label: Option<String>,
    },
    Id(String),
    #[default]
    Unknown,
}

#[derive(Deserialize)]
struct Prompt {
    raw: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    #[serde(default)]
    output: Value,
    #[serde(default)]
    raw: Value,
    #[serde(default)]
    cached: Option<bool>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    is_refusal: Option<bool>,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    token_usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    completion: Option<usize>,
}

/// Promptfoo's mark of a request that failed, and not of an answer that did not please.
const FAILED: u64 = 2;

/// Takes in a file.
pub(super) fn read(
    file: &Found,
    bytes: &[u8],
    settings: &Settings,
    gathered: &mut Gathered,
) -> Result<(), ImportError> {
    let export: Export = parse(bytes).map_err(|source| ImportError::Form {
        place: Place::of(&file.path),
        format: settings.format.name(),
        source,
    })?;
    let (Outer::Summary { results } | Outer::Results(results)) = export.results;
    for (i, outcome) in results.into_iter().enumerate() {
        take(&Place::item(&file.path, i), outcome, settings, gathered)?;
    }
    Ok(())
}

fn take(
    place: &Place,
    outcome: Outcome,
    settings: &Settings,
    gathered: &mut Gathered,
) -> Result<(), ImportError> {
    // A label tells apart what one provider was set to.
    let (id, label) = match outcome.provider {
        Provider::Named { id, label } => (id, label),
        Provider::Id(id) => (Some(id), None),
        Provider::Unknown => (None, None),
    };
    let named = label.filter(|l| !l.is_empty()).or_else(|| id.clone());
    let model = named.or_else(|| settings.model.clone());
    let model = model.ok_or_else(|| ImportError::NoModel {
        place: place.clone(),
    })?;
    if let Some(id) = id {
        gathered.setting(place, &model, "provider", id)?;
    }
    let reply = outcome.response;
    if reply.as_ref().is_some_and(|r| r.cached == Some(true)) {
        gathered.leave_out(LeftOut::CachedCopy);
        return Ok(());
    }
    let Some(asked) = asked(outcome.prompt.raw) else {
        gathered.leave_out(LeftOut::NotText);
        return Ok(());
    };
    let failed = outcome.failure_reason == Some(FAILED);
    let response = match reply {
        Some(reply) if reply.error.is_null() && !failed => response(reply),
        Some(reply) if !reply.error.is_null() => error(&reply.error),
        _ => error(&outcome.error),
    };
    let row = Row {
        model,
        asked: Asked::chat(asked),
        family: None,
        sample: None,
        response,
    };
    gathered.row(place, row)
}

/// A prompt, which may be written as a list of messages; `None` for one that is not text alone.
fn asked(raw: String) -> Option<String> {
    if raw.trim_start().starts_with('[')
        && let Ok(messages) = serde_json::from_str::<Vec<Message>>(&raw)
        && !messages.is_empty()
    {
        return conversation(&messages);
    }
    Some(raw)
}

fn error(value: &Value) -> Response {
    if value.is_null() {
        return unavailable("there is no reply");
    }
    unavailable(format!("error: {}", words(value)))
}

/// What a reply says.
fn response(reply: Reply) -> Response {
    let said = match (reply.output, reply.raw) {
        (Value::String(text), _) => text,
        (Value::Object(_) | Value::Array(_), Value::String(raw)) => raw,
        (Value::Null, _) => return unavailable("the reply has no output"),
        // Taken apart, it does not tell how it was written.
        _ => return unavailable("the output is no text, and the raw reply was not kept"),
    };
    let tokens = reply.token_usage.and_then(|t| t.completion).unwrap_or(0);
    let ended = |finish| Response::Text {
        text: said.clone(),
        tokens,
        finish,
    };
    match reply.finish_reason.as_deref() {
        _ if reply.is_refusal == Some(true) => Response::Refused { reason: said },
        Some("content_filter" | "safety" | "SAFETY") => Response::Refused {
            reason: format!("content filter: {said}"),
        },
        Some("tool_calls" | "tool_use" | "function_call") => unavailable("the model called a tool"),
        Some("length" | "max_tokens" | "MAX_TOKENS") => ended(Finish::Length),
        _ => ended(Finish::Stop),
    }
}
