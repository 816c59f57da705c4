//! How servers that imitate others differ from them.

use super::*;

fn entries(top: &[(&str, f64)]) -> Value {
    let one = |(token, number): &(&str, f64)| json!({"token": token, "bytes": token.as_bytes(), "logprob": number});
    let mut first = one(&top[0]);
    first["top_logprobs"] = top.iter().map(one).collect();
    json!([first])
}

#[tokio::test]
async fn log_probabilities_on_a_chat_route_come_in_every_shape() {
    let expected = [("A", -0.5), ("B", -1.5)];
    for (logprobs, shape) in [
        (json!({"content": entries(&expected)}), "shape: content"),
        (
            json!({"tokens": ["A"], "token_logprobs": [-0.5], "top_logprobs": [{"A": -0.5, "B": -1.5}]}),
            "shape: legacy",
        ),
        (entries(&expected), "shape: content"),
    ] {
        for name in [
            "openai/m",
            "openai-api/x/m",
            "together/m",
            "llamacpp/m",
            "sglang/m",
            "vllm/m",
        ] {
            let answered = hear(name, &chat_logprobs(logprobs.clone()), &turn(), TOP).await;
            assert_eq!(top(&answered), expected, "{name}");
            assert!(noted(&answered, shape));
        }
    }
    for logprobs in [
        json!(null),
        json!({}),
        json!({"content": null}),
        json!({"content": []}),
    ] {
        let answered = hear("openai/m", &chat_logprobs(logprobs), &turn(), TOP).await;
        assert_eq!(unavailable(&answered), "the reply has no log-probabilities");
        assert!(noted(&answered, "shape: absent"));
    }
    let bare = json!({"content": [{"token": "A", "bytes": [65], "logprob": -0.5}]});
    let answered = hear("openai/m", &chat_logprobs(bare), &turn(), TOP).await;
    assert_eq!(unavailable(&answered), "the reply names no alternatives");
    let without = chat(&json!({"message": {"content": "A"}, "finish_reason": "length"}));
    let answered = hear("openai/m", &without, &turn(), TOP).await;
    assert_eq!(unavailable(&answered), "the reply has no log-probabilities");
}

#[tokio::test]
async fn completions_may_answer_in_the_shape_of_chat() {
    let reply = json!({"choices": [{"text": "A", "finish_reason": "length",
        "logprobs": {"content": entries(&[("A", -0.5), ("", -1.0), ("B", -1.5)])}}]});
    let answered = hear("openai-api/x/m", &reply, &raw("x"), TOP).await;
    assert_eq!(top(&answered), [("A", -0.5), ("B", -1.5)]);
    assert!(noted(&answered, "top: 1 entries"));
}

#[tokio::test]
async fn more_or_fewer_alternatives_than_asked_are_taken_as_they_come() {
    let six = [
        ("A", -1.0),
        ("B", -2.0),
        ("C", -3.0),
        ("D", -4.0),
        ("E", -5.0),
        ("F", -6.0),
    ];
    for given in [1, 4, 5, 6] {
        let logprobs = json!({"content": entries(&six[..given])});
        let answered = hear("openai/m", &chat_logprobs(logprobs), &turn(), TOP).await;
        assert_eq!(top(&answered), &six[..given.min(5)]);
    }
}

#[tokio::test]
async fn numbers_that_json_does_not_have_are_no_numbers() {
    let body = r#"{"choices":[{"message":{"content":"A"},"finish_reason":"length","logprobs":{"content":[
        {"token":"A","bytes":[65],"logprob":-0.5,"top_logprobs":[{"token":"A","bytes":[65],"logprob":-0.5},
        {"token":"B","bytes":[66],"logprob":-Infinity},{"token":"C","bytes":[67],"logprob":NaN}]}]}}]}"#;
    let line = Line::to("sglang/m", vec![(200, body.to_owned())]).await;
    let answered = line.ask(&turn(), TOP).await;
    assert_eq!(top(&answered), [("A", -0.5)]);
    assert!(noted(&answered, "json: numbers that JSON does not have"));
}

fn finish(word: &Value) -> Value {
    let mut choice = json!({"message": {"content": "A b"}});
    choice["finish_reason"] = word.clone();
    json!({"choices": [choice]})
}

#[tokio::test]
async fn the_end_of_a_text_is_an_open_set_of_words() {
    for (word, end, note) in [
        (json!("stop"), Finish::Stop, ""),
        (json!("length"), Finish::Length, ""),
        (json!(""), Finish::Stop, "finish: absent"),
        (json!(null), Finish::Stop, "finish: absent"),
        (json!("tool_calls"), Finish::Stop, "finish: tool_calls"),
        (json!("abort"), Finish::Stop, "finish: abort"),
        (json!(5), Finish::Stop, "finish: absent"),
    ] {
        let answered = hear("sglang/m", &finish(&word), &turn(), TEXT).await;
        assert!(
            matches!(answered.outcome, Outcome::Text { finish, .. } if finish == end),
            "{word}"
        );
        assert!(note.is_empty() || noted(&answered, note), "{word}");
    }
    // A text as long as its limit was cut, even where nothing says so.
    let mut cut = finish(&json!(""));
    cut["usage"] = json!({"prompt_tokens": 1, "completion_tokens": 16});
    let answered = hear("sglang/m", &cut, &turn(), TEXT).await;
    assert!(matches!(
        answered.outcome,
        Outcome::Text {
            finish: Finish::Length,
            ..
        }
    ));
    let answered = hear("openai/m", &finish(&json!("content_filter")), &turn(), TEXT).await;
    assert_eq!(
        answered.outcome,
        Outcome::Refused("filtered: content_filter".to_owned())
    );
    let no = chat(
        &json!({"message": {"content": null, "refusal": "I cannot."}, "finish_reason": "stop"}),
    );
    let answered = hear("openai/m", &no, &turn(), TEXT).await;
    assert_eq!(answered.outcome, Outcome::Refused("I cannot.".to_owned()));
}

#[tokio::test]
async fn tokens_that_nobody_counted_are_estimated() {
    for usage in [
        json!(null),
        json!({}),
        json!({"prompt_tokens": 0, "completion_tokens": 0}),
    ] {
        let mut reply = finish(&json!("stop"));
        reply["usage"] = usage;
        let answered = hear("openai-api/x/m", &reply, &turn(), TEXT).await;
        let usage = answered.exchange.usage;
        assert_eq!(
            (usage.prompt, usage.completion, usage.reported),
            (2, 1, false)
        );
    }
}

#[tokio::test]
async fn the_model_that_answers_is_kept_as_it_is_named() {
    let answered = hear("openai/m", &finish(&json!("stop")), &turn(), TEXT).await;
    assert_eq!(answered.exchange.served, None);
    let mut reply = finish(&json!("stop"));
    reply["model"] = json!("another");
    reply["provider"] = json!("up");
    let answered = hear("openrouter/o/m@up", &reply, &turn(), TEXT).await;
    assert_eq!(answered.exchange.served.as_deref(), Some("another"));
    assert_eq!(answered.exchange.upstream.as_deref(), Some("up"));
    assert_eq!(
        answered.exchange.calls[0].reply,
        reply.to_string(),
        "all of it is kept"
    );
}

fn refuses(param: &str) -> (u16, String) {
    let message = format!("Unsupported parameter: '{param}' is not supported with this model.");
    says(
        400,
        &json!({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": "unsupported_parameter"}}),
    )
}

#[tokio::test]
async fn refused_parameters_are_dropped_noted_and_remembered() {
    let answer = ok(&finish(&json!("stop")));
    let line = Line::to(
        "openai/m",
        vec![refuses("temperature"), refuses("top_p"), answer],
    )
    .await;
    let answered = line.ask(&turn(), TEXT).await;
    assert!(matches!(answered.outcome, Outcome::Text { .. }));
    assert!(noted(&answered, "sampling: provider_default temperature"));
    assert!(noted(&answered, "sampling: provider_default top_p"));
    assert_eq!(answered.exchange.calls.len(), 3, "all of them are kept");
    line.asked().await;
    let again = line.ask(&turn(), TEXT).await;
    let asked = line.asked().await;
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].1.get("temperature"), asked[0].1.get("top_p")),
        (None, None)
    );
    assert!(
        noted(&again, "sampling: provider_default temperature"),
        "every answer says so"
    );
    let sampling = line.transport.endpoint().learnt.sampling();
    assert!(sampling.contains_key("presence_penalty") && !sampling.contains_key("temperature"));
}

/// Endpoint, status, its words, the parameter that they are about.
const REFUSALS: &[(&str, u16, &str, &str)] = &[
    (
        "anthropic/m",
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"`temperature` and `top_p` cannot both be specified for this model. Please use only one."}}"#,
        "/top_p",
    ),
    (
        "anthropic/m",
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"temperature: Extra inputs are not permitted"}}"#,
        "/temperature",
    ),
    (
        "google/m",
        400,
        r#"{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \"presencePenalty\" at 'generation_config': Cannot find field.","status":"INVALID_ARGUMENT"}}"#,
        "/generationConfig/presencePenalty",
    ),
    (
        "google/m",
        400,
        r#"{"error":{"code":400,"message":"Penalty is not enabled: generation_config.frequency_penalty","status":"INVALID_ARGUMENT"}}"#,
        "/generationConfig/frequencyPenalty",
    ),
    (
        "openai-api/x/m",
        422,
        r#"{"detail":[{"loc":["body","min_p"],"msg":"extra fields not permitted","type":"value_error.extra"}]}"#,
        "/min_p",
    ),
    (
        "vllm/m",
        400,
        r#"{"error":{"message":"Unrecognized request argument supplied: repetition_penalty","type":"invalid_request_error","param":null,"code":null}}"#,
        "/repetition_penalty",
    ),
    (
        "fireworks/m",
        400,
        r#"{"error":{"object":"error","type":"invalid_request_error","message":"Extra inputs are not permitted, field: 'seed', value: 7"}}"#,
        "/seed",
    ),
    (
        "mistral/m",
        422,
        r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","random_seed"],"msg":"Extra inputs are not permitted"}]},"type":"invalid_request_error"}"#,
        "/random_seed",
    ),
    (
        "ollama/m",
        400,
        r#"{"error":"invalid option provided: typical_p"}"#,
        "/options/typical_p",
    ),
    (
        "sglang/m",
        400,
        r#"{"error":{"message":"Unexpected keyword argument 'sampling_seed'"}}"#,
        "/sampling_params/sampling_seed",
    ),
    (
        "llamacpp/m",
        400,
        r#"{"error":{"code":400,"message":"unknown sampler: xtc_probability","type":"invalid_request_error"}}"#,
        "/xtc_probability",
    ),
    (
        "openai-responses/m",
        400,
        r#"{"error":{"message":"Unsupported parameter: 'temperature' is not supported with this model.","type":"invalid_request_error","param":"temperature","code":null}}"#,
        "/temperature",
    ),
];

#[tokio::test]
async fn refusals_are_understood_in_every_dialects_words() {
    let reply = json!({
        "choices": [{"message": {"content": "A"}, "text": "A", "finish_reason": "stop"}],
        "content": [{"type": "text", "text": "A"}], "stop_reason": "end_turn",
        "candidates": [{"content": {"parts": [{"text": "A"}]}, "finishReason": "STOP"}],
        "message": {"content": "A"}, "done_reason": "stop",
        "text": "A", "meta_info": {"finish_reason": "stop"},
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "A"}]}], "status": "completed",
    });
    for &(name, status, body, pointer) in REFUSALS {
        let line = Line::to(name, vec![(status, body.to_owned()), ok(&reply)]).await;
        // Where a server has a route of its own for plain text, that one.
        let prompt = match name {
            "sglang/m" | "llamacpp/m" => raw("x"),
            _ => turn(),
        };
        let answered = line.ask(&prompt, TEXT).await;
        assert!(
            matches!(answered.outcome, Outcome::Text { .. }),
            "{name}: {:?}",
            answered.outcome
        );
        let asked = line.asked().await;
        assert_eq!(asked.len(), 2, "{name}");
        assert!(asked[0].1.pointer(pointer).is_some(), "{name} {pointer}");
        assert_eq!(asked[1].1.pointer(pointer), None, "{name} {pointer}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_everything_is_not_asked_for_ever() {
    let line = Line::to("openai/m", vec![refuses("temperature")]).await;
    let answered = line.ask(&turn(), TEXT).await;
    assert!(unavailable(&answered).contains("temperature"));
    assert_eq!(
        answered.exchange.calls.len(),
        2,
        "it was dropped, and is refused all the same"
    );
    // What cannot be left out is not left out.
    let line = Line::to("openai/m", vec![refuses("messages")]).await;
    assert_eq!(line.ask(&turn(), TEXT).await.exchange.calls.len(), 1);
}

#[tokio::test]
async fn the_limit_of_tokens_goes_by_either_name() {
    let answer = ok(&finish(&json!("stop")));
    for (name, refused, taken) in [
        ("openai-api/x/m", "max_tokens", "max_completion_tokens"),
        ("openai/m", "max_completion_tokens", "max_tokens"),
    ] {
        let line = Line::to(name, vec![refuses(refused), answer.clone()]).await;
        line.ask(&turn(), TEXT).await;
        line.ask(&turn(), TEXT).await;
        let asked = line.asked().await;
        assert_eq!(asked.len(), 3);
        assert_eq!(asked[0].1[refused], json!(16));
        for (_, body) in &asked[1..] {
            assert_eq!((&body[taken], body.get(refused)), (&json!(16), None));
        }
    }
}

fn too_many(limit: usize) -> (u16, String) {
    let message = format!("Invalid value: 'top_logprobs' must be less than or equal to {limit}.");
    says(
        400,
        &json!({"error": {"message": message, "type": "invalid_request_error", "param": "top_logprobs", "code": "integer_above_max_value"}}),
    )
}

#[tokio::test]
async fn as_many_alternatives_are_asked_for_as_are_accepted() {
    let logprobs = json!({"content": entries(&[("A", -0.5), ("B", -1.5)])});
    let answer = ok(&chat_logprobs(logprobs));
    let line = Line::to(
        "openai/m",
        vec![too_many(8), too_many(8), too_many(8), answer],
    )
    .await;
    let answered = line.ask(&turn(), Want::Top { top: 50 }).await;
    assert_eq!(top(&answered).len(), 2);
    line.ask(&turn(), Want::Top { top: 50 }).await;
    line.ask(&turn(), Want::Top { top: 3 }).await;
    let asked: Vec<Value> = line
        .asked()
        .await
        .iter()
        .map(|(_, body)| body["top_logprobs"].clone())
        .collect();
    assert_eq!(asked, [50, 20, 10, 8, 8, 3]);
}

#[tokio::test]
async fn log_probabilities_that_are_not_to_be_had_are_asked_for_once() {
    for message in [
        "You are not allowed to request logprobs from this model",
        "logprobs is not supported by this model",
        "Unrecognized request argument supplied: top_logprobs",
    ] {
        let no = says(
            400,
            &json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": null}}),
        );
        let line = Line::to("openai/m", vec![no]).await;
        let answered = line.ask(&turn(), TOP).await;
        assert_eq!(
            unavailable(&answered),
            "the server gives no log-probabilities"
        );
        line.ask(&turn(), TOP).await;
        assert_eq!(line.asked().await.len(), 1, "{message}");
    }
}

fn thinking(content: &str, tokens: u64) -> Value {
    json!({
        "choices": [{"message": {"content": content}, "finish_reason": if content.is_empty() { "length" } else { "stop" }}],
        "usage": {"prompt_tokens": 9, "completion_tokens": tokens + 2, "completion_tokens_details": {"reasoning_tokens": tokens}},
    })
}

#[tokio::test]
async fn hidden_reasoning_is_switched_off_or_given_room() {
    // It can be switched off.
    let line = Line::to(
        "openai/m",
        vec![ok(&thinking("", 16)), ok(&thinking("A", 0))],
    )
    .await;
    let answered = line.ask(&turn(), TEXT).await;
    assert!(matches!(&answered.outcome, Outcome::Text { text, tokens: 2, .. } if text == "A"));
    assert!(noted(&answered, "asked to be left out"));
    assert_eq!(
        (
            answered.exchange.usage.reasoning,
            answered.exchange.usage.completion
        ),
        (16, 20)
    );
    let asked = line.asked().await;
    assert_eq!(
        (
            asked[0].1.get("reasoning_effort"),
            &asked[1].1["reasoning_effort"]
        ),
        (None, &json!("none"))
    );
    // It cannot, not even by asking.
    let replies = vec![
        ok(&thinking("", 16)),
        refuses("reasoning_effort"),
        ok(&thinking("", 16)),
        ok(&thinking("A", 900)),
    ];
    let line = Line::to("openai/m", replies).await;
    let answered = line.ask(&turn(), TEXT).await;
    assert!(matches!(&answered.outcome, Outcome::Text { text, tokens: 2, .. } if text == "A"));
    assert!(noted(&answered, "given room"));
    let limits: Vec<Value> = line
        .asked()
        .await
        .iter()
        .map(|(_, body)| body["max_completion_tokens"].clone())
        .collect();
    assert_eq!(limits, [16, 16, 16, 16 + 4096]);
    // Then there is no next token to ask about, and nothing is sent for it.
    assert!(unavailable(&line.ask(&turn(), TOP).await).contains("reasons"));
    assert!(line.asked().await.is_empty());
    // All of the room may be used up.
    let line = Line::to("openai/m", vec![ok(&thinking("", 5000))]).await;
    assert!(unavailable(&line.ask(&turn(), TEXT).await).contains("used up"));
}

#[tokio::test]
async fn reasoning_is_found_wherever_it_stands() {
    for message in [
        json!({"content": "A", "reasoning_content": "hm hm hm"}),
        json!({"content": "A", "reasoning": "hm hm hm"}),
        json!({"content": "<think>hm hm hm</think>\n\nA"}),
        json!({"content": "hm hm hm</think>A"}),
    ] {
        let reply = chat(&json!({"message": message, "finish_reason": "stop"}));
        for name in [
            "openai-api/x/m",
            "vllm/m",
            "deepseek/m",
            "sglang/m",
            "llamacpp/m",
        ] {
            let answered = hear(name, &reply, &turn(), TEXT).await;
            assert!(
                matches!(&answered.outcome, Outcome::Text { text, .. } if text == "A"),
                "{name}"
            );
            assert!(noted(&answered, "reasoning: ") && answered.exchange.usage.reasoning > 0);
        }
    }
    for (name, reply) in [
        (
            "anthropic/m",
            json!({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "A"}], "stop_reason": "end_turn"}),
        ),
        (
            "google/m",
            json!({"candidates": [{"content": {"parts": [{"text": "hm", "thought": true}, {"text": "A"}]}, "finishReason": "STOP"}]}),
        ),
        (
            "google/m",
            json!({"candidates": [{"content": {"parts": [{"text": "A"}]}, "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "thoughtsTokenCount": 40}}),
        ),
        (
            "ollama/m",
            json!({"message": {"content": "A", "thinking": "hm"}, "done_reason": "stop"}),
        ),
    ] {
        let answered = hear(name, &reply, &turn(), TEXT).await;
        assert!(
            matches!(&answered.outcome, Outcome::Text { text, .. } if text == "A"),
            "{name}"
        );
        assert!(answered.exchange.usage.reasoning > 0);
    }
    // Plain text that is gone on with is nobody's reasoning.
    let reply = json!({"choices": [{"text": "<think>x</think>A", "finish_reason": "stop"}]});
    let answered = hear("vllm/m", &reply, &raw("x"), TEXT).await;
    assert!(matches!(&answered.outcome, Outcome::Text { text, .. } if text.starts_with("<think>")));
}

#[tokio::test]
async fn unknown_fields_and_strange_types_do_no_harm() {
    for reply in [
        json!({}),
        json!([]),
        json!(null),
        json!({"choices": null}),
        json!({"choices": [null]}),
        json!({"choices": [{"message": 5, "logprobs": 5, "finish_reason": {}}], "usage": "none"}),
        json!({"content": 5, "candidates": 5, "output": 5, "message": 5, "meta_info": 5}),
        json!({"choices": [{"message": {"content": [{"type": "text", "text": "A"}, 5]}, "new": 1}], "newer": {}}),
    ] {
        for name in [
            "openai/m",
            "openai-responses/m",
            "anthropic/m",
            "google/m",
            "ollama/m",
            "vllm/m",
            "sglang/m",
            "llamacpp/m",
        ] {
            for want in [TEXT, TOP, Want::Score { text: "x" }] {
                hear(name, &reply, &turn(), want).await;
                if matches!(name, "ollama/m" | "vllm/m" | "sglang/m" | "llamacpp/m") {
                    hear(name, &reply, &raw("y"), want).await;
                }
            }
        }
    }
}
