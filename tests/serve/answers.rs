//! What the server answers is what the engine says.

use parentage::battery::Pose;
use serde_json::{Value, json};

use super::server::Server;
use super::{Engine, TOLERANCE, assert_near};

const PROMPT: &str = "In the morning the baker opens her shop, and";
const TEXTS: [&str; 4] = [
    " the",
    " the first loaves are gone",
    ":",
    " naïve — ünder the rye\n",
];

fn ids(server: &Server, text: &str, specials: bool) -> Vec<u64> {
    let body = json!({"prompt": text, "add_special_tokens": specials});
    let reply = server.ask("/tokenize", &body);
    let tokens: Vec<u64> = serde_json::from_value(reply["tokens"].clone()).unwrap();
    assert_eq!(reply["count"], tokens.len());
    assert_eq!(reply["max_model_len"], 512);
    tokens
}

fn numbers(list: &Value) -> Vec<Option<f64>> {
    list.as_array().unwrap().iter().map(Value::as_f64).collect()
}

fn strings(list: &Value) -> Vec<String> {
    serde_json::from_value(list.clone()).unwrap()
}

#[test]
fn echoed_log_probabilities_are_the_engines_scores() {
    let (server, engine) = (Server::teacher(&[]), Engine::teacher());
    let before = ids(&server, PROMPT, true);
    for text in TEXTS {
        let behind = ids(&server, text, false);
        let prompt = [before.as_slice(), &behind].concat();
        let reply = server.ask(
            "/v1/completions",
            &json!({"prompt": prompt, "max_tokens": 0, "echo": true, "logprobs": 0, "prompt_logprobs": 0}),
        );
        let choice = &reply["choices"][0];
        assert_eq!(choice["text"], format!("{PROMPT}{text}"));
        assert_eq!(choice["finish_reason"], "length");
        let all = numbers(&choice["logprobs"]["token_logprobs"]);
        assert_eq!(all.len(), prompt.len());
        assert_eq!(all[0], None);
        let ours: f64 = all[before.len()..].iter().map(|x| x.unwrap()).sum();
        assert_near(ours, engine.score(Pose::Raw, (PROMPT, ""), text));
        // vLLM's list tells the same of the same tokens, by id.
        let list = choice["prompt_logprobs"].as_array().unwrap();
        assert!(list[0].is_null());
        for ((id, x), entry) in prompt.iter().zip(&all).zip(list).skip(1) {
            let own = &entry[id.to_string()];
            assert_near(own["logprob"].as_f64().unwrap(), x.unwrap());
        }
        assert_eq!(reply["usage"]["prompt_tokens"], prompt.len());
        assert_eq!(reply["usage"]["completion_tokens"], 0);
        assert_eq!(reply["usage"]["total_tokens"], prompt.len());
    }
}

#[test]
fn offsets_count_the_characters_of_the_echoed_text() {
    let server = Server::teacher(&[]);
    let prompt = "naïve — “ünder” the rye 🥐 and";
    let reply = server.ask(
        "/v1/completions",
        &json!({"prompt": prompt, "max_tokens": 4, "echo": true, "logprobs": 3, "seed": 1}),
    );
    let choice = &reply["choices"][0];
    let text = choice["text"].as_str().unwrap();
    assert!(text.starts_with(prompt));
    let logprobs = &choice["logprobs"];
    let tokens = strings(&logprobs["tokens"]);
    assert_eq!(tokens[0], "<|bos|>");
    let offsets: Vec<usize> = serde_json::from_value(logprobs["text_offset"].clone()).unwrap();
    assert_eq!(offsets[..2], [0, 0]);
    let (mut whole, mut pieces) = (0, 0);
    for (token, offset) in tokens.iter().zip(&offsets).skip(1) {
        let rest: String = text.chars().skip(*offset).collect();
        if token.starts_with("bytes:\\x") {
            pieces += 1;
        } else if !token.starts_with("<|") {
            assert!(rest.starts_with(token), "{token:?} at {offset} of {text:?}");
            whole += 1;
        }
    }
    assert!(whole > 5 && pieces > 2, "{tokens:?}");
    let top = logprobs["top_logprobs"].as_array().unwrap();
    assert!(top[0].is_null());
    for (top, own) in top.iter().zip(numbers(&logprobs["token_logprobs"])).skip(1) {
        let top = top.as_object().unwrap();
        assert!((3..=4).contains(&top.len()), "{top:?}");
        let own = own.unwrap();
        assert!(
            top.values()
                .any(|x| (x.as_f64().unwrap() - own).abs() < 1e-9)
        );
    }
}

#[test]
fn the_top_of_what_follows_is_the_engines() {
    let (server, engine) = (Server::teacher(&[]), Engine::teacher());
    for temperature in [0.0, 0.5, 1.0] {
        let reply = server.ask(
            "/v1/completions",
            &json!({"prompt": PROMPT, "max_tokens": 1, "logprobs": 20, "temperature": temperature}),
        );
        let logprobs = &reply["choices"][0]["logprobs"];
        let top = logprobs["top_logprobs"][0].as_object().unwrap();
        let expected = engine.next(Pose::Raw, (PROMPT, ""), 15);
        for continuation in &expected {
            let ours = top[&continuation.text].as_f64().unwrap();
            assert_near(ours, continuation.log_probability);
        }
        if temperature == 0.0 {
            assert_eq!(logprobs["tokens"][0], expected[0].text.as_str());
        }
    }
}

#[test]
fn ranks_count_from_the_most_probable() {
    let server = Server::teacher(&[]);
    let reply = server.ask(
        "/v1/completions",
        &json!({"prompt": PROMPT, "max_tokens": 0, "prompt_logprobs": 5, "return_token_ids": true}),
    );
    let choice = &reply["choices"][0];
    assert_eq!(choice["text"], "");
    assert!(choice["logprobs"].is_null());
    let ids = choice["prompt_token_ids"].as_array().unwrap();
    for (id, entry) in ids
        .iter()
        .zip(choice["prompt_logprobs"].as_array().unwrap())
        .skip(1)
    {
        let entry = entry.as_object().unwrap();
        assert!((5..=6).contains(&entry.len()));
        let mut ranked: Vec<(u64, f64)> = entry
            .values()
            .map(|v| (v["rank"].as_u64().unwrap(), v["logprob"].as_f64().unwrap()))
            .collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        assert_eq!(ranked[0].0, 1);
        assert!(
            ranked
                .windows(2)
                .all(|w| w[0].0 < w[1].0 && w[0].1 >= w[1].1)
        );
        assert!(entry.contains_key(&id.to_string()));
    }
}

/// The texts of all choices.
fn texts(reply: &Value) -> Vec<String> {
    let choices = reply["choices"].as_array().unwrap();
    choices
        .iter()
        .map(|c| c["text"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_seed_repeats_and_shares_no_sample_with_the_next_seed() {
    let server = Server::teacher(&[]);
    let ask = |seed: Option<i64>, n: usize| {
        let body = json!({"prompt": PROMPT, "max_tokens": 16, "n": n, "seed": seed});
        let reply = server.ask("/v1/completions", &body);
        assert_eq!(reply["choices"].as_array().unwrap().len(), n);
        texts(&reply)
    };
    let seven = ask(Some(7), 4);
    assert_eq!(seven, ask(Some(7), 4));
    assert_eq!(seven[..2], ask(Some(7), 2));
    let mut all = [
        seven,
        ask(Some(8), 4),
        ask(Some(-1), 4),
        ask(None, 4),
        ask(None, 4),
    ]
    .concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 20);
}

#[test]
fn zero_temperature_and_a_tiny_top_p_both_take_the_most_probable() {
    let server = Server::teacher(&[]);
    let ask = |more: Value| {
        let mut body = json!({"prompt": PROMPT, "max_tokens": 12, "n": 2});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        texts(&server.ask("/v1/completions", &body))
    };
    let greedy = ask(json!({"temperature": 0}));
    assert_eq!(greedy[0], greedy[1]);
    assert_eq!(greedy, ask(json!({"top_p": 1e-6, "seed": 3})));
    assert_ne!(greedy, ask(json!({"temperature": 2, "seed": 3})));
}

#[test]
fn an_answer_ends_before_the_text_that_stops_it() {
    let server = Server::teacher(&[]);
    let body =
        |stop: Value| json!({"prompt": PROMPT, "max_tokens": 40, "temperature": 0, "stop": stop});
    let free = server.ask("/v1/completions", &body(Value::Null));
    let text = &texts(&free)[0];
    let stop: String = text.chars().skip(9).take(4).collect();
    let stopped = server.ask("/v1/completions", &body(json!([stop, "no such text"])));
    let cut = &text[..text.find(&stop).unwrap()];
    assert_eq!(texts(&stopped)[0], cut);
    assert_eq!(stopped["choices"][0]["finish_reason"], "stop");
    assert!(
        stopped["usage"]["completion_tokens"].as_u64()
            < free["usage"]["completion_tokens"].as_u64()
    );
}

#[test]
fn prompts_come_as_texts_or_ids_alone_or_in_lists() {
    let server = Server::teacher(&[]);
    let ask = |prompt: Value| {
        let body = json!({"prompt": prompt, "max_tokens": 6, "n": 2, "seed": 5});
        texts(&server.ask("/v1/completions", &body))
    };
    let (one, two) = (ask(json!(PROMPT)), ask(json!("The first")));
    let (a, b) = (ids(&server, PROMPT, true), ids(&server, "The first", true));
    assert_eq!(ask(json!(a)), one);
    let both = [one, two].concat();
    assert_eq!(ask(json!([PROMPT, "The first"])), both);
    assert_eq!(ask(json!([a, b])), both);
}

#[test]
fn many_clients_get_the_answers_that_one_gets() {
    let server = Server::teacher(&[]);
    let body = |client: usize| {
        let prompt = &PROMPT[..PROMPT.len() - client % 7];
        let prompt = format!("{prompt}{}", "again ".repeat(client % 3));
        let max_tokens = [0, 1, 9, 30][client % 4];
        json!({
            "prompt": prompt, "max_tokens": max_tokens, "echo": client % 2 == 0,
            "logprobs": 4, "n": 1 + client % 3, "seed": client, "prompt_logprobs": 2,
        })
    };
    let strip = |mut reply: Value| {
        for field in ["id", "created"] {
            reply.as_object_mut().unwrap().remove(field);
        }
        reply
    };
    let alone: Vec<Value> = (0..32)
        .map(|client| strip(server.ask("/v1/completions", &body(client))))
        .collect();
    let together: Vec<Value> = std::thread::scope(|scope| {
        let server = &server;
        let clients: Vec<_> = (0..32)
            .map(|client| scope.spawn(move || server.ask("/v1/completions", &body(client))))
            .collect();
        clients
            .into_iter()
            .map(|c| strip(c.join().unwrap()))
            .collect()
    });
    for (alone, together) in alone.iter().zip(&together) {
        assert_same(alone, together);
    }
}

/// Equal but for the last digits of numbers that were summed in another order.
fn assert_same(a: &Value, b: &Value) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            assert_eq!(a.len(), b.len());
            for (key, a) in a {
                assert_same(a, b.get(key).unwrap_or_else(|| panic!("no {key} in {b:?}")));
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len());
            a.iter().zip(b).for_each(|(a, b)| assert_same(a, b));
        }
        _ => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => assert!((a - b).abs() < TOLERANCE, "{a} {b}"),
            _ => assert_eq!(a, b),
        },
    }
}

#[test]
fn a_server_tells_its_model_and_not_where_it_lies() {
    let server = Server::teacher(&["--name", "protected-1"]);
    let list = server.get("/v1/models");
    assert_eq!(list.status, 200);
    assert_eq!(list.json()["object"], "list");
    let card = list.json()["data"][0].clone();
    assert_eq!(card["id"], "protected-1");
    assert_eq!(card["object"], "model");
    assert_eq!(server.get("/v1/models/protected-1").json(), card);
    assert_eq!(server.get("/v1/models/other").status, 404);
    let body = json!({"model": "protected-1", "prompt": "a", "max_tokens": 2});
    let reply = server.ask("/v1/completions", &body);
    assert_eq!(reply["model"], "protected-1");
    assert_eq!(reply["object"], "text_completion");
    let fingerprint = reply["system_fingerprint"].as_str().unwrap();
    assert!(fingerprint.starts_with("fp_"), "{fingerprint}");
    for text in [list.body, reply.to_string()] {
        assert!(
            !text.contains("family") && !text.contains("teacher"),
            "{text}"
        );
    }
}
