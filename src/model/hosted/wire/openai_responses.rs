//! `/responses` of OpenAI.

use serde_json::{Value, json};

use crate::model::hosted::Endpoint;

use super::generate::Generate;
use super::json::{count, extend, list, text};
use super::reading::{Reading, end_of};
use super::{WireRequest, logprobs, openai_chat};

/// The shortest limit that the route takes.
const MIN_LIMIT: usize = 16;

/// A chat turn as a request. There is no seed and no number of texts.
pub(super) fn request(endpoint: &Endpoint, want: &Generate<'_>) -> WireRequest {
    let mut body = json!({
        "model": endpoint.model,
        "input": openai_chat::messages(want),
        "max_output_tokens": want.limit().max(MIN_LIMIT),
        "temperature": want.sampling.temperature,
        "top_p": 1.0,
        "store": false,
        "stream": false,
    });
    if want.top > 0 {
        let include = json!(["message.output_text.logprobs"]);
        extend(
            &mut body,
            json!({"include": include, "top_logprobs": want.top}),
        );
    }
    if want.no_thinking() {
        extend(&mut body, json!({"reasoning": {"effort": "none"}}));
    }
    WireRequest::post(format!("{}/responses", endpoint.prefix), body)
}

/// What a reply says.
pub(super) fn read(reply: &Value) -> Reading {
    let mut reading = Reading {
        served: text(reply, "/model"),
        ..Reading::default()
    };
    let usage = &mut reading.usage;
    usage.prompt = count(reply, "/usage/input_tokens").unwrap_or(0);
    usage.completion = count(reply, "/usage/output_tokens").unwrap_or(0);
    usage.reasoning = count(reply, "/usage/output_tokens_details/reasoning_tokens").unwrap_or(0);
    let parts = list(reply, "/output")
        .iter()
        .flat_map(|item| list(item, "/content"));
    let mut content = String::new();
    for part in parts {
        match part["type"].as_str() {
            Some("output_text") => {
                content += part["text"].as_str().unwrap_or_default();
                if reading.written.positions.is_empty() {
                    reading.written = logprobs::read(part.get("logprobs"));
                }
            }
            Some("refusal") => reading.refusal = text(part, "/refusal"),
            _ => {}
        }
    }
    reading.take_turn(&content, None);
    let reason = text(reply, "/incomplete_details/reason").or_else(|| text(reply, "/status"));
    reading.end = end_of(reason.as_deref(), &mut reading.notes);
    reading
}
