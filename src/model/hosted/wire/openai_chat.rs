//! `/chat/completions`: OpenAI, and all who imitate it.

use serde_json::{Value, json};

use crate::model::hosted::Endpoint;

use super::generate::{Generate, Input};
use super::json::{count, extend, list, text};
use super::logprobs;
use super::reading::{Reading, end_of};
use super::{Dialect, WireRequest};

/// A chat turn as a request.
pub(super) fn request(endpoint: &Endpoint, want: &Generate<'_>) -> WireRequest {
    let provider = endpoint.provider.as_str();
    let mut body = json!({
        "model": endpoint.model,
        "messages": messages(want),
        limit_name(provider): want.limit(),
        "stream": false,
    });
    extend(&mut body, sampling(endpoint, want));
    if want.top > 0 {
        let asked = match provider {
            // A number in chat as well.
            "together" => json!({"logprobs": want.top}),
            _ => json!({"logprobs": true, "top_logprobs": want.top}),
        };
        extend(&mut body, asked);
    }
    if want.no_thinking() || provider == "deepseek" {
        extend(&mut body, no_thinking(endpoint));
    }
    if let Input::Turn { lead, .. } = want.input
        && !lead.is_empty()
    {
        let go_on = json!({"continue_final_message": true, "add_generation_prompt": false});
        extend(&mut body, go_on);
    }
    extend(&mut body, routing(endpoint));
    WireRequest::post(format!("{}/chat/completions", endpoint.prefix), body)
}

/// The turns of a prompt: a system's, the user's, the beginning of the answer.
pub(super) fn messages(want: &Generate<'_>) -> Value {
    let mut messages = Vec::new();
    if let Some(system) = want.sampling.system {
        messages.push(json!({"role": "system", "content": system}));
    }
    messages.push(json!({"role": "user", "content": want.text()}));
    if let Input::Turn { lead, .. } = want.input
        && !lead.is_empty()
    {
        messages.push(json!({"role": "assistant", "content": lead}));
    }
    Value::Array(messages)
}

/// Everything that settles how tokens are drawn, spelt out wherever a server may take it: what is left
/// out is set by the provider or by the model's files.
pub(super) fn sampling(endpoint: &Endpoint, want: &Generate<'_>) -> Value {
    let mut body = json!({
        "temperature": want.sampling.temperature,
        "top_p": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
    });
    if want.sampling.n > 1 {
        extend(&mut body, json!({"n": want.sampling.n}));
    }
    match endpoint.provider.as_str() {
        "mistral" => extend(&mut body, json!({"random_seed": want.seed})),
        "deepseek" => {}
        _ => extend(&mut body, json!({"seed": want.seed})),
    }
    let more = match endpoint.dialect {
        Dialect::Vllm | Dialect::Sglang => {
            json!({"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0})
        }
        Dialect::LlamaCpp => super::llamacpp::neutral(),
        Dialect::Compatible => json!({"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}),
        _ if endpoint.provider == "openrouter" => {
            json!({"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0})
        }
        _ => json!({}),
    };
    extend(&mut body, more);
    body
}

fn limit_name(provider: &str) -> &'static str {
    match provider {
        "openai" | "azure" | "xai" => "max_completion_tokens",
        _ => "max_tokens",
    }
}

/// Asks a model not to reason before it answers.
fn no_thinking(endpoint: &Endpoint) -> Value {
    match (endpoint.provider.as_str(), endpoint.dialect) {
        ("deepseek", _) => json!({"thinking": {"type": "disabled"}}),
        (_, Dialect::Vllm | Dialect::Sglang | Dialect::LlamaCpp) => {
            json!({"chat_template_kwargs": {"enable_thinking": false}})
        }
        _ => json!({"reasoning_effort": "none"}),
    }
}

/// A router must not choose: one upstream, no other if it fails.
pub(super) fn routing(endpoint: &Endpoint) -> Value {
    match &endpoint.upstream {
        Some(upstream) => json!({"provider": {"only": [upstream], "allow_fallbacks": false}}),
        None => json!({}),
    }
}

/// What a reply says.
pub(super) fn read(reply: &Value) -> Reading {
    let mut reading = head(reply);
    let choices = list(reply, "/choices");
    for choice in choices {
        let content = content_of(&choice["message"]["content"]);
        let reasoning = ["/message/reasoning_content", "/message/reasoning"]
            .iter()
            .find_map(|pointer| text(choice, pointer));
        reading.take_turn(&content, reasoning.as_deref());
    }
    if let Some(first) = choices.first() {
        reading.end = end_of(first["finish_reason"].as_str(), &mut reading.notes);
        reading.refusal = text(first, "/message/refusal");
        reading.written = logprobs::read(first.get("logprobs"));
    }
    reading
}

/// What stands in every reply of this family, whoever wrote it.
pub(super) fn head(reply: &Value) -> Reading {
    let mut reading = Reading {
        served: text(reply, "/model"),
        fingerprint: text(reply, "/system_fingerprint"),
        upstream: text(reply, "/provider"),
        ..Reading::default()
    };
    let usage = &mut reading.usage;
    usage.prompt = count(reply, "/usage/prompt_tokens").unwrap_or(0);
    usage.completion = count(reply, "/usage/completion_tokens").unwrap_or(0);
    usage.reasoning = [
        "/usage/completion_tokens_details/reasoning_tokens",
        "/usage/reasoning_tokens",
    ]
    .iter()
    .find_map(|pointer| count(reply, pointer))
    .unwrap_or(0);
    reading
}

/// A text, or the texts of a list of parts.
fn content_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect(),
        _ => String::new(),
    }
}
