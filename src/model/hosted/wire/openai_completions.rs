//! `/completions`: plain text gone on with, and read where the server echoes it.

use serde_json::{Value, json};

use crate::model::hosted::Endpoint;

use super::generate::{Generate, Input};
use super::json::{extend, list};
use super::reading::{Reading, end_of};
use super::{Dialect, WireRequest, logprobs, openai_chat};

/// Plain text or tokens as a request.
pub(super) fn request(endpoint: &Endpoint, want: &Generate<'_>) -> WireRequest {
    let mut body = json!({
        "model": endpoint.model,
        "prompt": want.prompt(),
        "max_tokens": want.limit(),
        "stream": false,
    });
    extend(&mut body, openai_chat::sampling(endpoint, want));
    if want.top > 0 || want.echo {
        extend(&mut body, json!({"logprobs": want.top.max(1)}));
    }
    if want.echo {
        extend(&mut body, json!({"echo": true}));
        // Maps by id stand at exactly the tokens that were sent.
        if endpoint.dialect == Dialect::Vllm || matches!(want.input, Input::Ids(_)) {
            extend(&mut body, json!({"prompt_logprobs": 1}));
        }
    }
    extend(&mut body, openai_chat::routing(endpoint));
    WireRequest::post(format!("{}/completions", endpoint.prefix), body)
}

/// What a reply says.
pub(super) fn read(reply: &Value) -> Reading {
    let mut reading = openai_chat::head(reply);
    let choices = list(reply, "/choices");
    let texts = choices.iter().map(|choice| choice["text"].as_str());
    reading.texts = texts
        .map(|text| text.unwrap_or_default().to_owned())
        .collect();
    if let Some(first) = choices.first() {
        reading.end = end_of(first["finish_reason"].as_str(), &mut reading.notes);
        reading.written = logprobs::read(first.get("logprobs"));
        reading.prompt = first.get("prompt_logprobs").cloned();
    }
    reading
}
