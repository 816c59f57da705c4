//! The probability of a given text: where it begins, and when there is none.

use super::*;

const SCORE: Want<'static> = Want::Score { text: " c d" };

fn echoed(tokens: &[&str], numbers: &Value) -> Value {
    let mut at = 0;
    let offset = |token: &&str| {
        let offset = at;
        at += token.chars().count();
        offset
    };
    let offsets: Vec<usize> = tokens.iter().map(offset).collect();
    json!({"choices": [{"text": tokens.concat(), "finish_reason": "length", "logprobs": {
        "tokens": tokens, "token_logprobs": numbers, "top_logprobs": null, "text_offset": offsets,
    }}]})
}

fn score(answered: &Answered) -> (Option<f64>, usize) {
    match &answered.outcome {
        Outcome::Score {
            log_probability,
            tokens,
        } => (*log_probability, *tokens),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_text_is_found_behind_its_prompt_without_the_token_written_after_it() {
    let numbers = json!([null, -1.0, -2.0, -3.0, -0.5]);
    let reply = echoed(&["a", " b", " c", " d", " e"], &numbers);
    let answered = hear("openai-completions/m", &reply, &raw("a b"), SCORE).await;
    assert_eq!(score(&answered), (Some(-5.0), 2));
    // A token that begins the sequence is no part of it.
    let reply = echoed(&["<s>", "a b", " c d"], &json!([null, -1.0, -2.5]));
    let answered = hear("openai-completions/m", &reply, &raw("a b"), SCORE).await;
    assert_eq!(score(&answered), (Some(-2.5), 1));
}

#[tokio::test]
async fn a_token_across_the_boundary_leaves_no_number() {
    let reply = echoed(&["a", " b c", " d"], &json!([null, -1.0, -2.0]));
    let answered = hear("openai-completions/m", &reply, &raw("a b"), SCORE).await;
    assert_eq!(score(&answered), (None, 2));
    assert!(noted(&answered, "boundary: inside a token"));
    let reply = echoed(&["a b c d"], &json!([null]));
    let answered = hear("openai-completions/m", &reply, &raw("a b"), SCORE).await;
    assert_eq!(score(&answered), (None, 1));
}

#[tokio::test]
async fn a_censored_or_missing_number_leaves_none() {
    for number in [json!(null), json!(-9999.0), json!("-inf")] {
        let reply = echoed(&["a b", " c", " d"], &json!([null, -1.0, number]));
        let answered = hear("openai-completions/m", &reply, &raw("a b"), SCORE).await;
        assert_eq!(score(&answered), (None, 2));
        assert!(noted(&answered, "without a number"));
    }
    // Nothing is known of the first token of all.
    let reply = echoed(&[" c", " d"], &json!([null, -1.0]));
    let answered = hear("openai-completions/m", &reply, &raw(""), SCORE).await;
    assert_eq!(score(&answered), (None, 2));
}

#[tokio::test]
async fn pieces_of_characters_are_told_by_offsets() {
    let numbers = json!([null, -1.0, -1.0, -2.0]);
    let mut reply = echoed(&["\u{e9}", "\u{fffd}", "\u{fffd}", " d"], &numbers);
    // Two pieces of one character: the second begins where the first does.
    reply["choices"][0]["logprobs"]["text_offset"] = json!([0, 1, 1, 2]);
    let want = Want::Score { text: " d" };
    let answered = hear("openai-completions/m", &reply, &raw("\u{e9}\u{20ac}"), want).await;
    assert_eq!(score(&answered), (Some(-2.0), 1));
    let answered = hear("openai-completions/m", &reply, &raw("x\u{20ac}"), want).await;
    assert!(
        unavailable(&answered).contains("ignores echo"),
        "another prompt"
    );
}

#[tokio::test]
async fn an_ignored_echo_is_noticed() {
    let written =
        json!([{"id": 5, "token": " e", "bytes": [32, 101], "logprob": -0.4, "top_logprobs": []}]);
    let reply = json!({"choices": [{"text": " e", "finish_reason": "length", "logprobs": {"content": written}}]});
    let no = says(404, &json!({"detail": "Not Found"}));
    for name in ["openai-completions/m", "openai-api/x/m", "together/m"] {
        let replies = match name {
            "openai-completions/m" | "together/m" => vec![ok(&reply)],
            _ => vec![no.clone(), ok(&reply)],
        };
        let line = Line::to(name, replies).await;
        let answered = line.ask(&raw("a b"), SCORE).await;
        assert!(unavailable(&answered).contains("ignores echo"), "{name}");
        // A server without a tokenizer is not asked for it again.
        line.asked().await;
        line.ask(&raw("a b"), SCORE).await;
        assert_eq!(line.asked().await.len(), 1);
    }
}

#[tokio::test]
async fn writing_nothing_falls_back_to_one_token() {
    let no = json!({"error": {"message": "max_tokens must be at least 1, got 0.", "type": "BadRequestError", "param": "max_tokens", "code": 400}});
    let reply = echoed(&["a b", " c", " d", " e"], &json!([null, -1.0, -2.0, -3.0]));
    let line = Line::to("openai-completions/m", vec![says(400, &no), ok(&reply)]).await;
    assert_eq!(score(&line.ask(&raw("a b"), SCORE).await), (Some(-3.0), 2));
    assert_eq!(score(&line.ask(&raw("a b"), SCORE).await), (Some(-3.0), 2));
    let limits: Vec<Value> = line
        .asked()
        .await
        .iter()
        .map(|(_, body)| body["max_tokens"].clone())
        .collect();
    assert_eq!(limits, [0, 1, 1]);
}

fn ids(ids: &[u32]) -> (u16, String) {
    ok(&json!({"count": ids.len(), "tokens": ids, "max_model_len": 512}))
}

fn at_ids(ids: &[(u32, &str, f64)]) -> Value {
    let at = |(id, text, number): &(u32, &str, f64)| json!({id.to_string(): {"logprob": number, "rank": 1, "decoded_token": text}, "999": {"logprob": -0.1, "rank": 1, "decoded_token": "z"}});
    let mut at: Vec<Value> = ids.iter().map(at).collect();
    at[0] = Value::Null;
    json!({"choices": [{"text": "", "finish_reason": "length", "prompt_logprobs": at}]})
}

#[tokio::test]
async fn tokens_of_the_server_make_the_boundary_exact() {
    let reply = at_ids(&[
        (1, "a", 0.0),
        (2, " b", -9.0),
        (3, " c", -1.0),
        (4, " d", -2.0),
    ]);
    let replies = vec![ids(&[1, 2]), ids(&[1, 2, 3, 4]), ok(&reply)];
    let line = Line::to("vllm/m", replies).await;
    assert_eq!(score(&line.ask(&raw("a b"), SCORE).await), (Some(-3.0), 2));
    let asked = line.asked().await;
    let paths: Vec<&str> = asked.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["/tokenize", "/tokenize", "/v1/completions"]);
    let sent = &asked[2].1;
    assert_eq!(sent["prompt"], json!([1, 2, 3, 4]));
    assert_eq!(
        (&sent["prompt_logprobs"], &sent["echo"]),
        (&json!(1), &json!(true))
    );
    for (_, body) in &asked {
        assert_no_null(body);
    }
}

#[tokio::test]
async fn a_text_that_would_melt_into_its_prompt_is_tokenised_on_its_own() {
    let reply = at_ids(&[(1, "a", 0.0), (2, " b", -9.0), (3, "c", -1.5)]);
    let replies = vec![ids(&[1, 2]), ids(&[1, 7]), ids(&[3]), ok(&reply)];
    let line = Line::to("vllm/m", replies).await;
    let answered = line.ask(&raw("a b"), Want::Score { text: "c" }).await;
    assert_eq!(score(&answered), (Some(-1.5), 1));
    assert!(noted(&answered, "boundary: inside a token, so"));
    let asked = line.asked().await;
    assert_eq!(asked[2].1["add_special_tokens"], json!(false));
}

#[tokio::test]
async fn tokens_that_are_not_the_text_leave_no_number() {
    let reply = at_ids(&[
        (1, "a", 0.0),
        (2, " b", -9.0),
        (3, " x", -1.0),
        (4, " y", -2.0),
    ]);
    let replies = vec![ids(&[1, 2]), ids(&[1, 2, 3, 4]), ok(&reply)];
    let line = Line::to("vllm/m", replies).await;
    let answered = line.ask(&raw("a b"), SCORE).await;
    assert_eq!(score(&answered), (None, 2));
    assert!(noted(&answered, "not those of the text"));
}

#[tokio::test]
async fn a_text_after_a_chat_turn_is_scored_by_tokens() {
    let reply = at_ids(&[
        (1, "<|user|>", 0.0),
        (2, "hi", -9.0),
        (3, " c", -1.0),
        (4, " d", -2.0),
    ]);
    let line = Line::to("vllm/m", vec![ids(&[1, 2]), ids(&[3, 4]), ok(&reply)]).await;
    let prompt = Prompt {
        lead: "I say".to_owned(),
        ..turn()
    };
    assert_eq!(score(&line.ask(&prompt, SCORE).await), (Some(-3.0), 2));
    let asked = line.asked().await;
    assert_eq!(asked[0].1["continue_final_message"], json!(true));
    assert_eq!(
        asked[0].1["messages"][1],
        json!({"role": "assistant", "content": "I say"})
    );
    for name in [
        "openai/m",
        "llamacpp/m",
        "sglang/m",
        "ollama/m",
        "anthropic/m",
        "google/m",
    ] {
        let answered = hear(name, &json!({}), &turn(), SCORE).await;
        assert!(
            answered.exchange.calls.is_empty(),
            "{name}: nothing is sent in vain"
        );
        unavailable(&answered);
    }
}

#[tokio::test]
async fn sglang_reads_the_prompt_on_its_own_route() {
    let reply = json!({"text": "", "meta_info": {
        "prompt_tokens": 4, "completion_tokens": 0, "finish_reason": {"type": "length", "length": 0},
        "input_token_logprobs": [[null, 1, "a"], [-9.0, 2, " b"], [-1.0, 3, " c"], [-2.0, 4, " d"]],
        "output_token_logprobs": [],
    }});
    let line = Line::to("sglang/m", vec![ok(&reply)]).await;
    let answered = line.ask(&raw("a b"), SCORE).await;
    assert_eq!(score(&answered), (Some(-3.0), 2));
    assert!(noted(&answered, "shape: tuples"));
    let (path, body) = &line.asked().await[0];
    assert_eq!(
        (path.as_str(), &body["logprob_start_len"]),
        ("/generate", &json!(0))
    );
}

#[tokio::test]
async fn an_empty_text_is_certain() {
    let answered = hear("vllm/m", &json!({}), &raw("a"), Want::Score { text: "" }).await;
    assert_eq!(
        (score(&answered), answered.exchange.calls.len()),
        ((Some(0.0), 0), 0)
    );
}
