//! Ollama's own routes: `/api/chat`, and `/api/generate` without a template.

use serde_json::{Value, json};

use crate::model::hosted::Endpoint;

use super::generate::{Generate, Input};
use super::json::{count, extend, text};
use super::reading::{Reading, end_of};
use super::{WireRequest, logprobs, openai_chat};

/// A chat turn or plain text as a request.
pub(super) fn request(endpoint: &Endpoint, want: &Generate<'_>) -> WireRequest {
    let mut body = json!({
        "model": endpoint.model,
        "stream": false,
        "options": {
            "temperature": want.sampling.temperature,
            "top_p": 1.0,
            "top_k": 0,
            "min_p": 0.0,
            "typical_p": 1.0,
            "repeat_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "seed": want.seed,
            "num_predict": want.limit(),
        },
    });
    if want.top > 0 {
        extend(
            &mut body,
            json!({"logprobs": true, "top_logprobs": want.top}),
        );
    }
    if want.no_thinking() {
        extend(&mut body, json!({"think": false}));
    }
    let route = match want.input {
        Input::Turn { .. } => {
            extend(&mut body, json!({"messages": openai_chat::messages(want)}));
            "chat"
        }
        Input::Text(_) | Input::Ids(_) => {
            extend(&mut body, json!({"prompt": want.text(), "raw": true}));
            "generate"
        }
    };
    WireRequest::post(format!("/api/{route}"), body)
}

/// What a reply says. The answer may come from another host, which the reply then names.
pub(super) fn read(reply: &Value) -> Reading {
    let mut reading = Reading {
        served: text(reply, "/remote_model").or_else(|| text(reply, "/model")),
        upstream: text(reply, "/remote_host"),
        written: logprobs::read(reply.get("logprobs")),
        ..Reading::default()
    };
    reading.usage.prompt = count(reply, "/prompt_eval_count").unwrap_or(0);
    reading.usage.completion = count(reply, "/eval_count").unwrap_or(0);
    if let Some(message) = reply.get("message") {
        let thinking = text(message, "/thinking");
        let content = message["content"].as_str().unwrap_or_default();
        reading.take_turn(content, thinking.as_deref());
    } else {
        let written = reply["response"].as_str().unwrap_or_default();
        reading.texts.push(written.to_owned());
    }
    reading.end = end_of(reply["done_reason"].as_str(), &mut reading.notes);
    reading
}
