//! Anthropic's messages: texts only, no seed, and newer models draw as they please.

use serde_json::{Value, json};

use crate::model::hosted::Endpoint;

use super::WireRequest;
use super::generate::Generate;
use super::json::{count, extend, list, text};
use super::reading::{Reading, end_of};

const VERSION: &str = "2023-06-01";

/// A chat turn as a request. Log-probabilities cannot be asked for.
pub(super) fn request(endpoint: &Endpoint, want: &Generate<'_>) -> WireRequest {
    let mut body = json!({
        "model": endpoint.model,
        "max_tokens": want.limit(),
        "messages": [{"role": "user", "content": want.text()}],
        "temperature": want.sampling.temperature,
        "top_p": 1.0,
        "stream": false,
    });
    if let Some(system) = want.sampling.system {
        extend(&mut body, json!({"system": system}));
    }
    WireRequest {
        headers: vec![("anthropic-version", VERSION.to_owned())],
        ..WireRequest::post(format!("{}/messages", endpoint.prefix), body)
    }
}

/// What a reply says.
pub(super) fn read(reply: &Value) -> Reading {
    let mut reading = Reading {
        served: text(reply, "/model"),
        ..Reading::default()
    };
    let read = [
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
    ];
    let read = read
        .iter()
        .filter_map(|name| reply["usage"][*name].as_u64());
    reading.usage.prompt = read.sum();
    reading.usage.completion = count(reply, "/usage/output_tokens").unwrap_or(0);
    let (mut content, mut thoughts) = (String::new(), String::new());
    for block in list(reply, "/content") {
        match block["type"].as_str() {
            Some("text") => content += block["text"].as_str().unwrap_or_default(),
            Some("thinking") => thoughts += block["thinking"].as_str().unwrap_or("..."),
            Some("redacted_thinking") => thoughts += block["data"].as_str().unwrap_or("..."),
            _ => {}
        }
    }
    reading.take_turn(&content, Some(&thoughts));
    reading.end = end_of(reply["stop_reason"].as_str(), &mut reading.notes);
    reading
}
