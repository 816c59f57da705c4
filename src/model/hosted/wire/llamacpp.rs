//! `/completion` of llama.cpp's server. Its defaults truncate, so everything is spelt out.

use serde_json::{Value, json};

use crate::model::hosted::Endpoint;

use super::generate::Generate;
use super::json::{count, extend, text};
use super::reading::{Reading, end_of};
use super::{WireRequest, logprobs};

/// Parameters that this server has beside the usual ones, all neutral. A prompt served from its cache
/// moves log-probabilities by a little, so the cache stays out.
pub(super) fn neutral() -> Value {
    json!({
        "top_k": 0,
        "min_p": 0.0,
        "typical_p": 1.0,
        "repeat_penalty": 1.0,
        "xtc_probability": 0.0,
        "dry_multiplier": 0.0,
        "cache_prompt": false,
    })
}

/// Plain text or tokens as a request.
pub(super) fn request(_: &Endpoint, want: &Generate<'_>) -> WireRequest {
    let mut body = json!({
        "prompt": want.prompt(),
        "n_predict": want.limit(),
        "temperature": want.sampling.temperature,
        "top_p": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "seed": want.seed,
        "stream": false,
    });
    extend(&mut body, neutral());
    if want.top > 0 {
        extend(&mut body, json!({"n_probs": want.top}));
    }
    if want.sampling.n > 1 {
        extend(&mut body, json!({"n_cmpl": want.sampling.n}));
    }
    WireRequest::post("/completion".to_owned(), body)
}

/// What a reply says.
pub(super) fn read(reply: &Value) -> Reading {
    let first = reply.get(0).unwrap_or(reply);
    let all = reply
        .as_array()
        .map_or(std::slice::from_ref(reply), Vec::as_slice);
    let mut reading = Reading {
        served: text(first, "/model"),
        written: logprobs::read(first.get("completion_probabilities")),
        ..Reading::default()
    };
    for one in all {
        let written = one["content"].as_str().unwrap_or_default();
        reading.texts.push(written.to_owned());
        reading.usage.completion += count(one, "/tokens_predicted").unwrap_or(0);
    }
    reading.usage.prompt = count(first, "/tokens_evaluated").unwrap_or(0);
    reading.end = end_of(first["stop_type"].as_str(), &mut reading.notes);
    reading
}
