//! `/generate` of SGLang.

use serde_json::{Value, json};

use crate::model::hosted::Endpoint;

use super::generate::{Generate, Input};
use super::json::{count, extend, text};
use super::reading::{Reading, end_of};
use super::{WireRequest, logprobs};

/// Plain text or tokens as a request.
pub(super) fn request(_: &Endpoint, want: &Generate<'_>) -> WireRequest {
    let mut sampling = json!({
        "max_new_tokens": want.limit(),
        "temperature": want.sampling.temperature,
        "top_p": 1.0,
        "top_k": -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "sampling_seed": want.seed,
    });
    if want.sampling.n > 1 {
        extend(&mut sampling, json!({"n": want.sampling.n}));
    }
    let mut body = json!({"sampling_params": sampling, "stream": false});
    let prompt = match want.input {
        Input::Ids(_) => "input_ids",
        Input::Text(_) | Input::Turn { .. } => "text",
    };
    extend(&mut body, json!({prompt: want.prompt()}));
    if want.top > 0 || want.echo {
        let asked = json!({
            "return_logprob": true,
            "return_text_in_logprobs": true,
            // From the first token of the prompt, or only what is written.
            "logprob_start_len": if want.echo { 0 } else { -1 },
            "top_logprobs_num": want.top,
        });
        extend(&mut body, asked);
    }
    WireRequest::post("/generate".to_owned(), body)
}

/// What a reply says.
pub(super) fn read(reply: &Value) -> Reading {
    let first = reply.get(0).unwrap_or(reply);
    let all = reply
        .as_array()
        .map_or(std::slice::from_ref(reply), Vec::as_slice);
    let meta = &first["meta_info"];
    let mut reading = Reading {
        written: logprobs::tuples(
            meta.get("output_token_logprobs"),
            meta.get("output_top_logprobs"),
        ),
        prompt: meta.get("input_token_logprobs").cloned(),
        ..Reading::default()
    };
    for one in all {
        reading
            .texts
            .push(one["text"].as_str().unwrap_or_default().to_owned());
        reading.usage.completion += count(one, "/meta_info/completion_tokens").unwrap_or(0);
    }
    reading.usage.prompt = count(first, "/meta_info/prompt_tokens").unwrap_or(0);
    // A word, or an object that has it as its type.
    let word = text(first, "/meta_info/finish_reason/type")
        .or_else(|| text(first, "/meta_info/finish_reason"));
    reading.end = end_of(word.as_deref(), &mut reading.notes);
    reading
}
