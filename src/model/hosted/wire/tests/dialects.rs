//! What each dialect sends, and what it makes of an honest reply.

use super::*;

fn text(answered: &Answered) -> (&str, usize, Finish) {
    match &answered.outcome {
        Outcome::Text {
            text,
            tokens,
            finish,
        } => (text, *tokens, *finish),
        other => panic!("{other:?}"),
    }
}

fn logprob(token: &str, number: f64) -> Value {
    let one = |token: &str, number: f64| json!({"token": token, "bytes": token.as_bytes(), "logprob": number});
    let mut entry = one(token, number);
    entry["top_logprobs"] = json!([one(token, number), one(" other", number - 1.0)]);
    entry
}

/// Asks for a text and for the most probable tokens; gives what was sent for both.
async fn both(name: &str, reply: &Value, prompt: &Prompt) -> (Answered, Answered, Value, Value) {
    let line = Line::to(name, vec![ok(reply)]).await;
    let text = line.ask(prompt, TEXT).await;
    let top = line.ask(prompt, TOP).await;
    let asked = line.asked().await;
    for (_, body) in &asked {
        assert_no_null(body);
        assert_ne!(body["stream"], json!(true));
    }
    (text, top, asked[0].1.clone(), asked[1].1.clone())
}

const AB: [(&str, f64); 2] = [("A", -0.25), (" other", -1.25)];

#[tokio::test]
async fn openai_chat() {
    let mut choice = json!({"message": {"content": "A", "refusal": null}, "finish_reason": "stop"});
    choice["logprobs"] = json!({"content": [logprob("A", -0.25)], "refusal": null});
    let reply = chat(&choice);
    let (answered, ranked, sent, for_top) = both("openai/m", &reply, &turn()).await;
    assert_eq!(text(&answered), ("A", 2, Finish::Stop));
    assert_eq!(top(&ranked), AB);
    let exchange = &answered.exchange;
    assert_eq!(exchange.served.as_deref(), Some("m-2026"));
    assert_eq!(exchange.fingerprint.as_deref(), Some("fp"));
    assert_eq!((exchange.usage.prompt, exchange.usage.completion), (9, 2));
    assert!(exchange.usage.reported);
    assert_eq!(exchange.calls[0].path, "/v1/chat/completions");
    let expected = json!({
        "model": "m", "messages": [{"role": "user", "content": "Say A."}],
        "max_completion_tokens": 16, "stream": false, "temperature": 1.0, "top_p": 1.0,
        "presence_penalty": 0.0, "frequency_penalty": 0.0, "seed": 7,
    });
    assert_eq!(sent, expected);
    assert_eq!(
        (&for_top["logprobs"], &for_top["top_logprobs"]),
        (&json!(true), &json!(5))
    );
    assert_eq!(for_top["max_completion_tokens"], json!(1));
}

#[tokio::test]
async fn providers_of_openais_form_differ_in_small_things() {
    let reply = chat(&json!({"message": {"content": "A"}, "finish_reason": "stop"}));
    for (name, field, value) in [
        ("azure/m", "/max_completion_tokens", json!(16)),
        ("mistral/m", "/random_seed", json!(7)),
        ("deepseek/m", "/thinking/type", json!("disabled")),
        ("xai/m", "/seed", json!(7)),
        ("together/m", "/top_k", json!(0)),
        ("fireworks/m", "/min_p", json!(0.0)),
        (
            "openrouter/o/m@up",
            "/provider",
            json!({"only": ["up"], "allow_fallbacks": false}),
        ),
        ("vllm/m", "/top_k", json!(-1)),
        ("sglang/m", "/repetition_penalty", json!(1.0)),
        ("llamacpp/m", "/cache_prompt", json!(false)),
        ("openai-api/x/m", "/max_tokens", json!(16)),
    ] {
        let (answered, _, sent, for_top) = both(name, &reply, &turn()).await;
        assert_eq!(sent.pointer(field), Some(&value), "{name}");
        assert_eq!(text(&answered).0, "A");
        let asked = match name {
            "together/m" => json!(5),
            _ => json!(true),
        };
        assert_eq!(for_top["logprobs"], asked, "{name}");
    }
    let (_, _, sent, _) = both("deepseek/m", &reply, &turn()).await;
    assert_eq!(sent.get("seed"), None);
}

#[tokio::test]
async fn openai_completions() {
    let reply = json!({
        "model": "m", "choices": [{"text": " A", "finish_reason": "length", "logprobs": {
            "tokens": [" A"], "token_logprobs": [-0.25],
            "top_logprobs": [{" A": -0.25, " other": -1.25}], "text_offset": [7],
        }}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    });
    for name in [
        "openai-completions/m",
        "together/m",
        "fireworks/m",
        "openai-api/x/m",
        "vllm/m",
    ] {
        let (answered, ranked, sent, for_top) = both(name, &reply, &raw("Say A:")).await;
        assert_eq!(text(&answered), (" A", 1, Finish::Length));
        assert_eq!(top(&ranked), [(" A", -0.25), (" other", -1.25)]);
        assert_eq!(
            (&sent["prompt"], &sent["max_tokens"]),
            (&json!("Say A:"), &json!(16))
        );
        assert_eq!(
            (&for_top["logprobs"], &for_top["max_tokens"]),
            (&json!(5), &json!(1))
        );
        assert!(noted(&ranked, "shape: legacy"));
    }
}

#[tokio::test]
async fn openai_responses() {
    let reply = json!({
        "model": "m-2026", "status": "completed",
        "output": [
            {"type": "reasoning", "summary": []},
            {"type": "message", "content": [{"type": "output_text", "text": "A", "logprobs": [logprob("A", -0.25)]}]},
        ],
        "usage": {"input_tokens": 9, "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 0}},
    });
    let (answered, ranked, sent, for_top) = both("openai-responses/m", &reply, &turn()).await;
    assert_eq!(text(&answered), ("A", 2, Finish::Stop));
    assert_eq!(top(&ranked), AB);
    assert_eq!(sent["max_output_tokens"], json!(16));
    assert_eq!(for_top["include"], json!(["message.output_text.logprobs"]));
    assert_eq!((sent.get("seed"), sent.get("n")), (None, None));
    let cut = json!({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"},
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "A"}]}]});
    assert_eq!(
        text(&hear("openai-responses/m", &cut, &turn(), TEXT).await).2,
        Finish::Length
    );
    let no = json!({"status": "completed",
        "output": [{"type": "message", "content": [{"type": "refusal", "refusal": "I will not."}]}]});
    let answered = hear("openai-responses/m", &no, &turn(), TEXT).await;
    assert_eq!(answered.outcome, Outcome::Refused("I will not.".to_owned()));
}

#[tokio::test]
async fn anthropic() {
    let reply = json!({
        "type": "message", "model": "m-2026", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "A"}],
        "usage": {"input_tokens": 9, "cache_read_input_tokens": 3, "output_tokens": 2},
    });
    let (answered, ranked, sent, _) = both("anthropic/m", &reply, &turn()).await;
    assert_eq!(text(&answered), ("A", 2, Finish::Stop));
    assert_eq!(answered.exchange.usage.prompt, 12);
    unavailable(&ranked);
    assert_eq!(
        (&sent["temperature"], &sent["top_p"]),
        (&json!(1.0), &json!(1.0))
    );
    assert_eq!((sent.get("seed"), sent.get("logprobs")), (None, None));
    let line = Line::to("anthropic/m", vec![ok(&reply)]).await;
    line.ask(&turn(), TEXT).await;
    let request = &line.server.received_requests().await.unwrap()[0];
    assert_eq!(request.url.path(), "/v1/messages");
    assert_eq!(request.headers["anthropic-version"], "2023-06-01");
    let mut no = reply.clone();
    no["stop_reason"] = json!("refusal");
    let answered = hear("anthropic/m", &no, &turn(), TEXT).await;
    assert_eq!(
        answered.outcome,
        Outcome::Refused("filtered: refusal".to_owned())
    );
}

#[tokio::test]
async fn gemini() {
    let one =
        |token: &str, number: f64| json!({"token": token, "tokenId": 1, "logProbability": number});
    let reply = json!({
        "modelVersion": "m-2026",
        "candidates": [{
            "content": {"parts": [{"text": "A"}]}, "finishReason": "STOP",
            "logprobsResult": {
                "chosenCandidates": [one("A", -0.25)],
                "topCandidates": [{"candidates": [one("A", -0.25), one(" other", -1.25)]}],
            },
        }],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2},
    });
    let (answered, ranked, sent, for_top) = both("google/m", &reply, &turn()).await;
    assert_eq!(text(&answered), ("A", 2, Finish::Stop));
    assert_eq!(top(&ranked), AB);
    assert!(noted(&ranked, "shape: candidates"));
    assert_eq!(sent["generationConfig"]["topP"], json!(1.0));
    let asked = &for_top["generationConfig"];
    assert_eq!(
        (&asked["responseLogprobs"], &asked["logprobs"]),
        (&json!(true), &json!(5))
    );
    assert_eq!(
        answered.exchange.calls[0].path,
        "/v1/models/m:generateContent"
    );
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}});
    let answered = hear("google/m", &blocked, &turn(), TEXT).await;
    assert_eq!(
        answered.outcome,
        Outcome::Refused("blocked: SAFETY".to_owned())
    );
    let cut = json!({"candidates": [{"finishReason": "PROHIBITED_CONTENT"}]});
    let answered = hear("google/m", &cut, &turn(), TEXT).await;
    assert_eq!(
        answered.outcome,
        Outcome::Refused("filtered: PROHIBITED_CONTENT".to_owned())
    );
}

#[tokio::test]
async fn ollama() {
    let reply = json!({
        "model": "m", "message": {"role": "assistant", "content": "A"}, "done": true,
        "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 2,
        "remote_model": "big", "remote_host": "https://elsewhere.example",
        "logprobs": [logprob("A", -0.25)],
    });
    let (answered, ranked, sent, for_top) = both("ollama/m", &reply, &turn()).await;
    assert_eq!(text(&answered), ("A", 2, Finish::Stop));
    assert_eq!(top(&ranked), AB);
    assert_eq!(answered.exchange.calls[0].path, "/api/chat");
    assert_eq!(answered.exchange.served.as_deref(), Some("big"));
    assert_eq!(
        answered.exchange.upstream.as_deref(),
        Some("https://elsewhere.example")
    );
    assert_eq!(sent["options"]["num_predict"], json!(16));
    assert_eq!(
        (&for_top["logprobs"], &for_top["top_logprobs"]),
        (&json!(true), &json!(5))
    );
    let plain = json!({"model": "m", "response": " A", "done_reason": "length", "eval_count": 1});
    let line = Line::to("ollama/m", vec![ok(&plain)]).await;
    assert_eq!(
        text(&line.ask(&raw("Say A:"), TEXT).await),
        (" A", 1, Finish::Length)
    );
    let (path, sent) = &line.asked().await[0];
    assert_eq!(
        (path.as_str(), &sent["raw"]),
        ("/api/generate", &json!(true))
    );
}

#[tokio::test]
async fn llamacpp() {
    let reply = json!({
        "content": " A", "stop_type": "limit", "tokens_evaluated": 3, "tokens_predicted": 1,
        "model": "/models/m.gguf", "completion_probabilities": [logprob("A", -0.25)],
    });
    let (answered, ranked, sent, for_top) = both("llamacpp/m", &reply, &raw("Say A:")).await;
    assert_eq!(text(&answered), (" A", 1, Finish::Length));
    assert_eq!(top(&ranked), AB);
    assert_eq!(answered.exchange.calls[0].path, "/completion");
    for (name, value) in [
        ("temperature", json!(1.0)),
        ("top_k", json!(0)),
        ("top_p", json!(1.0)),
        ("min_p", json!(0.0)),
        ("repeat_penalty", json!(1.0)),
        ("cache_prompt", json!(false)),
        ("n_predict", json!(16)),
    ] {
        assert_eq!(sent[name], value, "{name}");
    }
    assert_eq!(for_top["n_probs"], json!(5));
}

#[tokio::test]
async fn sglang() {
    let reply = json!({"text": " A", "meta_info": {
        "finish_reason": {"type": "length", "length": 1}, "prompt_tokens": 3, "completion_tokens": 1,
        "output_token_logprobs": [[-0.25, 5, "A"]],
        "output_top_logprobs": [[[-0.25, 5, "A"], [-1.25, 6, " other"]]],
    }});
    let (answered, ranked, sent, for_top) = both("sglang/m", &reply, &raw("Say A:")).await;
    assert_eq!(text(&answered), (" A", 1, Finish::Length));
    assert_eq!(top(&ranked), AB);
    assert_eq!(sent["sampling_params"]["top_k"], json!(-1));
    assert_eq!(
        (&for_top["top_logprobs_num"], &for_top["logprob_start_len"]),
        (&json!(5), &json!(-1))
    );
}

#[tokio::test]
async fn poses_that_a_dialect_lacks_are_not_sent() {
    for (name, prompt) in [
        ("openai/m", raw("x")),
        ("openai-responses/m", raw("x")),
        ("anthropic/m", raw("x")),
        ("google/m", raw("x")),
        ("openrouter/o/m@up", raw("x")),
        ("openai-completions/m", turn()),
    ] {
        let answered = hear(name, &json!({}), &prompt, TEXT).await;
        assert!(answered.exchange.calls.is_empty());
        assert!(unavailable(&answered).contains("only"), "{name}");
    }
}

#[tokio::test]
async fn the_beginning_of_an_answer_is_written_only_where_that_is_possible() {
    let prompt = Prompt {
        lead: "I say".to_owned(),
        ..turn()
    };
    let reply = chat(&json!({"message": {"content": " A"}, "finish_reason": "stop"}));
    for name in [
        "openai/m",
        "anthropic/m",
        "google/m",
        "ollama/m",
        "llamacpp/m",
        "sglang/m",
        "together/m",
    ] {
        let answered = hear(name, &reply, &prompt, TEXT).await;
        assert!(
            unavailable(&answered).contains("beginning of an answer"),
            "{name}"
        );
    }
    let (answered, _, sent, _) = both("vllm/m", &reply, &prompt).await;
    assert_eq!(text(&answered).0, " A");
    assert_eq!(sent["continue_final_message"], json!(true));
    assert_eq!(sent["add_generation_prompt"], json!(false));
    assert_eq!(sent["messages"][1]["content"], json!("I say"));
}
