//! What the server refuses, and how it says so.

use std::fs;
use std::io::{Read as _, Write as _};

use serde_json::{Value, json};

use super::server::{Reply, Server, command};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn error(reply: &Reply) -> Value {
    let error = reply.json()["error"].clone();
    assert!(!error["message"].as_str().unwrap().is_empty());
    assert!(
        error["type"].is_string() && error["code"].is_string(),
        "{error}"
    );
    error
}

fn assert_refused(server: &Server, path: &str, body: &Value, status: u16, param: &str, code: &str) {
    let reply = server.post(path, body);
    assert_eq!(reply.status, status, "{body}: {}", reply.body);
    let error = error(&reply);
    assert_eq!(
        (&error["param"], &error["code"]),
        (&json!(param), &json!(code)),
        "{body}"
    );
}

#[test]
fn what_would_change_an_answer_is_refused_by_name_and_nothing_is_ignored() {
    let server = Server::teacher(&[]);
    for (more, param, code) in [
        (json!({"stream": true}), "stream", "unsupported_parameter"),
        (
            json!({"frequency_penalty": 0.1}),
            "frequency_penalty",
            "unsupported_parameter",
        ),
        (
            json!({"logit_bias": {"5": 3}}),
            "logit_bias",
            "unsupported_parameter",
        ),
        (json!({"top_k": 40}), "top_k", "unsupported_parameter"),
        (json!({"min_p": 0.05}), "min_p", "unsupported_parameter"),
        (json!({"best_of": 3}), "best_of", "unsupported_parameter"),
        (
            json!({"guided_regex": "a"}),
            "guided_regex",
            "unsupported_parameter",
        ),
        (json!({"messages": []}), "messages", "unsupported_parameter"),
        (json!({"temperature": 2.1}), "temperature", "invalid_value"),
        (
            json!({"temperature": "hot"}),
            "temperature",
            "invalid_value",
        ),
        (json!({"top_p": 0}), "top_p", "invalid_value"),
        (json!({"n": 0}), "n", "invalid_value"),
        (json!({"n": 129}), "n", "invalid_value"),
        (json!({"seed": 0.5}), "seed", "invalid_value"),
        (json!({"max_tokens": -1}), "max_tokens", "invalid_value"),
        (json!({"max_tokens": 1025}), "max_tokens", "invalid_value"),
        (
            json!({"max_tokens": 512}),
            "prompt",
            "context_length_exceeded",
        ),
        (json!({"logprobs": 21}), "logprobs", "invalid_value"),
        (json!({"logprobs": true}), "logprobs", "invalid_value"),
        (
            json!({"prompt_logprobs": 21}),
            "prompt_logprobs",
            "invalid_value",
        ),
        (json!({"echo": "yes"}), "echo", "invalid_value"),
        (json!({"stop": [""]}), "stop", "invalid_value"),
        (
            json!({"stop": ["a", "b", "c", "d", "e"]}),
            "stop",
            "invalid_value",
        ),
    ] {
        refuse(&server, &more, param, code);
    }
    let body = json!({"model": "gpt-x", "prompt": "a"});
    assert_refused(
        &server,
        "/v1/completions",
        &body,
        404,
        "model",
        "model_not_found",
    );
    let body = json!({"prompt": "a", "max_tokens": 1, "temperature": 1, "top_p": 1, "top_k": 0,
        "min_p": 0.0, "presence_penalty": 0, "user": "u", "stop": null, "stream": false});
    server.ask("/v1/completions", &body);
}

/// Adds fields to a good request for a completion.
fn refuse(server: &Server, more: &Value, param: &str, code: &str) {
    let mut body = json!({"prompt": "a", "max_tokens": 1});
    let fields = body.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    assert_refused(server, "/v1/completions", &body, 400, param, code);
}

#[test]
fn prompts_of_another_kind_or_too_many_are_refused() {
    let server = Server::teacher(&[]);
    for (more, param, code) in [
        (json!({"prompt": null}), "prompt", "invalid_value"),
        (json!({"prompt": []}), "prompt", "invalid_value"),
        (json!({"prompt": [1, "a"]}), "prompt", "invalid_value"),
        (json!({"prompt": [1024]}), "prompt", "invalid_value"),
        (json!({"prompt": [-1]}), "prompt", "invalid_value"),
        (json!({"prompt": [[]]}), "prompt", "invalid_value"),
        (json!({"prompt": ["a", [1]]}), "prompt", "invalid_value"),
        (
            json!({"prompt": vec![7; 513]}),
            "prompt",
            "context_length_exceeded",
        ),
        (json!({"prompt": vec!["a"; 129]}), "prompt", "invalid_value"),
        (
            json!({"prompt": vec!["a"; 43], "n": 3}),
            "n",
            "invalid_value",
        ),
        (
            json!({"prompt": vec![vec![7; 400]; 60], "echo": true, "logprobs": 20}),
            "logprobs",
            "invalid_value",
        ),
    ] {
        refuse(&server, &more, param, code);
    }
}

#[test]
fn chat_and_tokenize_refuse_by_name_as_well() {
    let server = Server::teacher(&[]);
    let body = json!({"prompt": ["a"]});
    assert_refused(&server, "/tokenize", &body, 400, "prompt", "invalid_value");
    let body = json!({"prompt": "a", "n": 2});
    assert_refused(
        &server,
        "/tokenize",
        &body,
        400,
        "n",
        "unsupported_parameter",
    );
    let body = json!({"max_tokens": 3});
    assert_refused(
        &server,
        "/v1/chat/completions",
        &body,
        400,
        "messages",
        "invalid_value",
    );
}

#[test]
fn bodies_that_are_no_json_object_are_refused() {
    let server = Server::teacher(&[]);
    let kind = "content-type: application/json\r\n";
    let deep = "[".repeat(100_000);
    for body in [
        "",
        "{",
        "[1]",
        "null",
        "{\"prompt\": \"\\ud800\"}",
        "{\"n\": 1e999}",
        &deep,
    ] {
        let reply = server.send("POST", "/v1/completions", kind, body);
        assert_eq!(reply.status, 400);
        assert_eq!(error(&reply)["code"], "invalid_json");
    }
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let reply = server.send("POST", "/v1/completions", form, "{\"prompt\": \"a\"}");
    assert_eq!(reply.status, 415);
    assert_eq!(server.get("/v1/completions").status, 405);
    assert_eq!(server.get("/v1/nothing").status, 404);
    assert_eq!(server.send("DELETE", "/v1/models", "", "").status, 405);
    assert_eq!(server.raw(b"nonsense\r\n\r\n").status, 400);
    // After all of this it still answers.
    server.ask("/v1/completions", &json!({"prompt": "a", "max_tokens": 1}));
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long it takes is what this is about"
)]
#[test]
fn a_large_body_is_refused_and_so_is_a_long_prompt() {
    let server = Server::teacher(&["--max-body", "5000", "--max-length", "40"]);
    let reply = server.post("/v1/completions", &json!({"prompt": "a ".repeat(10_000)}));
    assert_eq!(reply.status, 413);
    assert_eq!(error(&reply)["code"], "request_too_large");
    let body = json!({"prompt": "a ".repeat(100), "max_tokens": 1});
    assert_refused(
        &server,
        "/v1/completions",
        &body,
        400,
        "prompt",
        "context_length_exceeded",
    );
    // What no tokens within the context can spell is not cut into tokens.
    let server = Server::teacher(&["--max-length", "40"]);
    let started = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let body = json!({"prompt": "a b ".repeat(225_000)});
                let reply = server.post("/v1/completions", &body);
                assert!(reply.status == 400 || reply.status == 503, "{}", reply.body);
                assert!(
                    reply.status == 503 || reply.body.contains("900000 bytes"),
                    "{}",
                    reply.body
                );
            });
        }
    });
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    let long = server.ask("/tokenize", &json!({"prompt": "a ".repeat(100)}));
    assert_eq!(long["max_model_len"], 40);
}

#[test]
fn off_loopback_a_token_is_required() {
    let output = command()
        .args([
            "serve",
            "models/family/teacher",
            "--host",
            "0.0.0.0",
            "--port",
            "0",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("token is required") && said.contains("hint:"),
        "{said}"
    );
    let short = command()
        .args(["serve", "models/family/teacher", "--port", "0"])
        .env("PARENTAGE_SERVE_TOKEN", "short")
        .output()
        .unwrap();
    assert_eq!(short.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&short.stderr).contains("short"));
}

#[test]
fn only_who_shows_the_token_is_answered_and_it_is_written_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    let [token, log] = ["token", "log.jsonl"].map(|name| directory.path().join(name));
    fs::write(&token, format!("{TOKEN}\n")).unwrap();
    let mut server = Server::teacher(&[
        "--host",
        "0.0.0.0",
        "--token-file",
        token.to_str().unwrap(),
        "--log",
        log.to_str().unwrap(),
        "--log-prompts",
    ]);
    for (headers, status) in [
        (String::new(), 401),
        ("authorization: Bearer wrong\r\n".to_owned(), 401),
        (format!("authorization: Basic {TOKEN}\r\n"), 401),
        (format!("authorization: Bearer {TOKEN}x\r\n"), 401),
        (format!("authorization: Bearer {TOKEN}\r\n"), 200),
    ] {
        let reply = server.send("GET", "/v1/models", &headers, "");
        assert_eq!(reply.status, status, "{headers}");
        if status == 401 {
            assert_eq!(error(&reply)["code"], "invalid_api_key");
            assert!(
                reply
                    .head
                    .to_lowercase()
                    .contains("www-authenticate: bearer")
            );
        }
    }
    assert_eq!(server.get("/anything").status, 401);
    server.child.kill().unwrap();
    let mut said = fs::read_to_string(&log).unwrap();
    server.stdout.read_to_string(&mut said).unwrap();
    let stderr = server.child.stderr.as_mut().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert!(
        said.contains("/anything") && !said.contains(&TOKEN[..12]),
        "{said}"
    );
}

#[test]
fn without_a_token_only_names_of_loopback_are_answered() {
    let server = Server::teacher(&[]);
    let ask = |host: &str| {
        let request =
            format!("GET /v1/models HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        server.raw(request.as_bytes()).status
    };
    for host in [
        "localhost",
        "localhost:8000",
        "127.0.0.1",
        "127.0.0.1:80",
        "[::1]:80",
    ] {
        assert_eq!(ask(host), 200, "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:8000",
        "10.0.0.1",
        "127.0.0.1.evil.example",
    ] {
        assert_eq!(ask(host), 403, "{host}");
    }
}

#[test]
fn more_requests_than_places_are_told_to_come_back() {
    let server = Server::teacher(&["--queue", "2"]);
    let body = json!({"prompt": "The", "max_tokens": 400, "n": 16});
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let (server, body) = (&server, &body);
        let clients: Vec<_> = (0..12)
            .map(|_| scope.spawn(move || server.post("/v1/completions", body)))
            .collect();
        clients.into_iter().map(|c| c.join().unwrap()).collect()
    });
    let answered = replies.iter().filter(|r| r.status == 200).count();
    let refused: Vec<&Reply> = replies.iter().filter(|r| r.status == 503).collect();
    assert_eq!(answered + refused.len(), 12);
    assert!(answered >= 2 && !refused.is_empty(), "{answered} answered");
    for reply in refused {
        assert_eq!(error(reply)["code"], "overloaded");
        assert!(reply.head.to_lowercase().contains("retry-after: 1"));
    }
    // The places are free again.
    server.ask("/v1/completions", &json!({"prompt": "a", "max_tokens": 1}));
}

#[test]
fn headers_that_do_not_arrive_end_the_connection() {
    let server = Server::teacher(&["--connections", "1"]);
    let mut slow = server.connect();
    slow.write_all(b"GET /v1/models HTTP/1.1\r\nhost: lo")
        .unwrap();
    // There is one place, so this is answered once the slow one is put out.
    let mut next = server.connect();
    let request = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    next.write_all(request.as_bytes()).unwrap();
    assert_eq!(super::server::read_reply(&mut next).status, 200);
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long it takes is what this is about"
)]
#[test]
fn who_is_silent_from_the_beginning_is_put_out_soon() {
    let server = Server::teacher(&["--connections", "2"]);
    let silent = [server.connect(), server.connect()];
    let started = std::time::Instant::now();
    let mut next = server.connect();
    let request = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    next.write_all(request.as_bytes()).unwrap();
    assert_eq!(super::server::read_reply(&mut next).status, 200);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    drop(silent);
}

#[test]
fn every_request_leaves_a_line_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    for prompts in [false, true] {
        let log = directory.path().join(format!("{prompts}.jsonl"));
        let mut more = vec!["--log", log.to_str().unwrap()];
        more.extend(prompts.then_some("--log-prompts"));
        let server = Server::teacher(&more);
        let body = json!({"prompt": "the baker", "max_tokens": 3, "seed": 1, "user": "somebody"});
        server.ask("/v1/completions", &body);
        server.post(
            "/v1/completions",
            &json!({"prompt": "the baker", "top_k": 3}),
        );
        server.get("/v1/models");
        let text = fs::read_to_string(&log).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let of = |field: &str| lines.iter().map(|l| l[field].clone()).collect::<Vec<_>>();
        assert_eq!(of("number"), [1, 2, 3].map(Value::from));
        assert_eq!(of("status"), [200, 400, 200].map(Value::from));
        assert_eq!(of("route")[2], "/v1/models");
        assert_eq!(lines[0]["parameters"], json!({"max_tokens": 3, "seed": 1}));
        assert_eq!(lines[0]["completion_tokens"], 3);
        let digest = parentage::digest::of_bytes(b"the baker");
        let kept = if prompts {
            "the baker".to_owned()
        } else {
            digest
        };
        assert_eq!(lines[0]["prompts"], json!([kept]));
        assert_eq!(text.contains("the baker"), prompts);
    }
}

#[test]
fn no_probability_goes_beyond_what_is_granted() {
    let chat = json!([{"role": "user", "content": "a"}]);
    let of_given = [
        (
            json!({"echo": true, "logprobs": 1, "max_tokens": 0}),
            "echo",
        ),
        (json!({"prompt_logprobs": 1}), "prompt_logprobs"),
    ];
    let of_answers = [(json!({"logprobs": 0}), "logprobs")];
    let with_prompt = |more: &Value| {
        let mut body = json!({"prompt": "The baker", "max_tokens": 1});
        let fields = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(fields);
        body
    };
    let granted = |server: &Server, more: &Value| {
        let reply = server.post("/v1/completions", &with_prompt(more));
        assert_eq!(reply.status, 200, "{more}: {}", reply.body);
    };
    let refused = |server: &Server, more: &Value, param: &str| {
        let body = with_prompt(more);
        assert_refused(server, "/v1/completions", &body, 400, param, "not_granted");
    };
    let text = Server::teacher(&["--grant", "text"]);
    for (more, param) in of_given.iter().chain(&of_answers) {
        refused(&text, more, param);
    }
    granted(&text, &json!({"echo": true}));
    let body = json!({"messages": chat, "logprobs": true});
    let reply = text.post("/v1/chat/completions", &body);
    // The family has no chat form: whichever is said first, nothing is told.
    assert_eq!(reply.status, 400);
    let top = Server::teacher(&["--grant", "top"]);
    for (more, param) in &of_given {
        refused(&top, more, param);
    }
    granted(&top, &of_answers[0].0);
    let all = Server::teacher(&[]);
    for (more, _) in &of_given {
        granted(&all, more);
    }
}
