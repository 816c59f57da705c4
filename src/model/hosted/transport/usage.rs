//! What replies say was used.

use serde_json::Value;

use crate::response::Usage;

/// The tokens that the server counted; `None` if it did not. Every name that a dialect in use has for them;
/// hidden reasoning is part of what was written.
pub(super) fn usage(reply: &Value) -> Option<Usage> {
    let fields = ["usage", "usageMetadata", "meta_info"];
    let from = fields.into_iter().find_map(|name| read(reply.get(name)?));
    from.or_else(|| {
        let count = |names: [&str; 2]| names.into_iter().find_map(|n| reply.get(n)?.as_u64());
        let prompt = count(["prompt_eval_count", "tokens_evaluated"]);
        let completion = count(["eval_count", "tokens_predicted"]);
        (prompt.is_some() || completion.is_some()).then(|| Usage {
            prompt: prompt.unwrap_or(0),
            completion: completion.unwrap_or(0),
            reasoning: 0,
            reported: true,
        })
    })
}

fn read(fields: &Value) -> Option<Usage> {
    let get = |name: &str| fields.get(name).and_then(Value::as_u64);
    let sum = |names: [&str; 2]| {
        names
            .into_iter()
            .filter_map(get)
            .fold(0, u64::saturating_add)
    };
    let prompt = get("prompt_tokens")
        .or_else(|| get("promptTokenCount"))
        .or_else(|| {
            // Anthropic counts what comes from and goes to its cache apart.
            get("input_tokens").map(|fresh| {
                fresh.saturating_add(sum([
                    "cache_creation_input_tokens",
                    "cache_read_input_tokens",
                ]))
            })
        });
    let reasoning = ["completion_tokens_details", "output_tokens_details"]
        .into_iter()
        .find_map(|details| fields.get(details)?.get("reasoning_tokens")?.as_u64())
        .or_else(|| get("thoughtsTokenCount"))
        .unwrap_or(0);
    let written = get("completion_tokens")
        .or_else(|| get("output_tokens"))
        .or_else(|| get("candidatesTokenCount"));
    if prompt.is_none() && written.is_none() {
        return None;
    }
    // Some count hidden reasoning as written and some beside it; the total shows which.
    let total = get("total_tokens").or_else(|| get("totalTokenCount"));
    let rest = total.unwrap_or(0).saturating_sub(prompt.unwrap_or(0));
    Some(Usage {
        prompt: prompt.unwrap_or(0),
        completion: written.unwrap_or(0).max(rest).max(reasoning),
        reasoning,
        reported: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hosted::wire::parse;

    fn counted(body: &str) -> Option<(u64, u64, u64)> {
        let usage = usage(&parse(body.as_bytes()).unwrap().value)?;
        Some((usage.prompt, usage.completion, usage.reasoning))
    }

    #[test]
    fn every_dialects_count_is_read_and_hidden_reasoning_is_written() {
        for (body, expected) in [
            (
                r#"{"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}"#,
                Some((5, 7, 0)),
            ),
            // OpenAI: reasoning within what was written.
            (
                r#"{"usage":{"prompt_tokens":5,"completion_tokens":70,"total_tokens":75,"completion_tokens_details":{"reasoning_tokens":60}}}"#,
                Some((5, 70, 60)),
            ),
            // xAI: reasoning beside it, shown by the total.
            (
                r#"{"usage":{"prompt_tokens":5,"completion_tokens":10,"total_tokens":75,"completion_tokens_details":{"reasoning_tokens":60}}}"#,
                Some((5, 70, 60)),
            ),
            // Anthropic.
            (
                r#"{"usage":{"input_tokens":5,"cache_read_input_tokens":3,"cache_creation_input_tokens":1,"output_tokens":7}}"#,
                Some((9, 7, 0)),
            ),
            // Gemini: thoughts beside the candidates.
            (
                r#"{"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":7,"thoughtsTokenCount":20,"totalTokenCount":32}}"#,
                Some((5, 27, 20)),
            ),
            // SGLang, Ollama, llama.cpp.
            (
                r#"{"meta_info":{"prompt_tokens":5,"completion_tokens":7}}"#,
                Some((5, 7, 0)),
            ),
            (r#"{"prompt_eval_count":5,"eval_count":7}"#, Some((5, 7, 0))),
            (
                r#"{"tokens_evaluated":5,"tokens_predicted":7}"#,
                Some((5, 7, 0)),
            ),
            // Nothing, null, other forms, a list.
            (r"{}", None),
            (r#"{"usage":null}"#, None),
            (r#"{"usage":[1]}"#, None),
            (r#"{"eval_count":"x"}"#, None),
            (r"[1,2]", None),
            // As Python's servers write it.
            (
                r#"{"a":-Infinity,"usage":{"prompt_tokens":5,"completion_tokens":7}}"#,
                Some((5, 7, 0)),
            ),
        ] {
            assert_eq!(counted(body), expected, "{body}");
        }
    }
}
