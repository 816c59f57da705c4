//! Google's `generateContent`.

use serde_json::{Value, json};

use crate::model::hosted::Endpoint;

use super::generate::Generate;
use super::json::{count, extend, list, text};
use super::reading::{Reading, end_of};
use super::{WireRequest, logprobs};

/// A chat turn as a request. `topK` has no value that means "off", so it is left to the model.
pub(super) fn request(endpoint: &Endpoint, want: &Generate<'_>) -> WireRequest {
    let mut config = json!({
        "temperature": want.sampling.temperature,
        "topP": 1.0,
        "presencePenalty": 0.0,
        "frequencyPenalty": 0.0,
        "maxOutputTokens": want.limit(),
        "seed": want.seed,
    });
    if want.sampling.n > 1 {
        extend(&mut config, json!({"candidateCount": want.sampling.n}));
    }
    if want.top > 0 {
        extend(
            &mut config,
            json!({"responseLogprobs": true, "logprobs": want.top}),
        );
    }
    if want.no_thinking() {
        extend(
            &mut config,
            json!({"thinkingConfig": {"thinkingBudget": 0}}),
        );
    }
    let mut body = json!({
        "contents": [{"role": "user", "parts": [{"text": want.text()}]}],
        "generationConfig": config,
    });
    if let Some(system) = want.sampling.system {
        extend(
            &mut body,
            json!({"systemInstruction": {"parts": [{"text": system}]}}),
        );
    }
    let path = format!(
        "{}/models/{}:generateContent",
        endpoint.prefix, endpoint.model
    );
    WireRequest::post(path, body)
}

/// What a reply says.
pub(super) fn read(reply: &Value) -> Reading {
    let mut reading = Reading {
        served: text(reply, "/modelVersion"),
        ..Reading::default()
    };
    let usage = &mut reading.usage;
    usage.prompt = count(reply, "/usageMetadata/promptTokenCount").unwrap_or(0);
    usage.reasoning = count(reply, "/usageMetadata/thoughtsTokenCount").unwrap_or(0);
    // Thoughts are counted apart here, and with the rest everywhere else.
    let written = count(reply, "/usageMetadata/candidatesTokenCount").unwrap_or(0);
    usage.completion = written + usage.reasoning;
    let candidates = list(reply, "/candidates");
    for candidate in candidates {
        let (mut content, mut thoughts) = (String::new(), String::new());
        for part in list(candidate, "/content/parts") {
            let thought = part["thought"].as_bool() == Some(true);
            let place = if thought { &mut thoughts } else { &mut content };
            *place += part["text"].as_str().unwrap_or_default();
        }
        reading.take_turn(&content, Some(&thoughts));
    }
    if let Some(first) = candidates.first() {
        reading.end = end_of(first["finishReason"].as_str(), &mut reading.notes);
        reading.written = logprobs::read(first.get("logprobsResult"));
    }
    reading.refusal =
        text(reply, "/promptFeedback/blockReason").map(|why| format!("blocked: {why}"));
    reading
}
