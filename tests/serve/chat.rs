//! The chat route, on a model that was given a template.

use std::fs;
use std::path::Path;

use parentage::battery::Pose;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::Server;
use super::{Engine, assert_near};

const TEMPLATE: &str = "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";
const ASKED: &str = "What does the baker sell?";

/// The teacher with a chat template.
fn chatty() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let teacher = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/family/teacher");
    for file in fs::read_dir(teacher).unwrap().flatten() {
        fs::copy(file.path(), directory.path().join(file.file_name())).unwrap();
    }
    fs::write(directory.path().join("chat_template.jinja"), TEMPLATE).unwrap();
    directory
}

fn user() -> Value {
    json!([{"role": "user", "content": ASKED}])
}

#[test]
fn a_chat_turn_is_posed_and_read_as_the_engine_does() {
    let model = chatty();
    let (server, engine) = (Server::start(model.path(), &[]), Engine::open(model.path()));
    let reply = server.ask(
        "/v1/chat/completions",
        &json!({"messages": user(), "max_tokens": 1, "logprobs": true, "top_logprobs": 20}),
    );
    assert_eq!(reply["object"], "chat.completion");
    let choice = &reply["choices"][0];
    assert_eq!(choice["message"]["role"], "assistant");
    let content = choice["logprobs"]["content"].as_array().unwrap();
    assert_eq!(content.len(), 1);
    let top = content[0]["top_logprobs"].as_array().unwrap();
    assert_eq!(top.len(), 20);
    for continuation in engine.next(Pose::Chat, (ASKED, ""), 15) {
        let found = top
            .iter()
            .find(|t| t["token"] == continuation.text.as_str());
        let found = found.unwrap();
        assert_eq!(found["bytes"], json!(continuation.text.as_bytes()));
        assert_near(
            found["logprob"].as_f64().unwrap(),
            continuation.log_probability,
        );
    }
}

#[test]
fn a_final_message_is_continued_and_its_tokens_are_scored() {
    let model = chatty();
    let (server, engine) = (Server::start(model.path(), &[]), Engine::open(model.path()));
    let (lead, text) = (" She", " sells the first loaves.");
    let message = |content: String| json!([{"role": "user", "content": ASKED}, {"role": "assistant", "content": content}]);
    let ask = |content: String| {
        server.ask(
            "/v1/chat/completions",
            &json!({
                "messages": message(content), "max_tokens": 1, "prompt_logprobs": 0,
                "continue_final_message": true, "add_generation_prompt": false,
                "return_token_ids": true,
            }),
        )
    };
    let short = ask(lead.to_owned())["prompt_token_ids"]
        .as_array()
        .unwrap()
        .len();
    let reply = ask(format!("{lead}{text}"));
    let entries = reply["prompt_logprobs"].as_array().unwrap();
    let own = |entry: &Value| {
        let (_, numbers) = entry.as_object().unwrap().iter().next().unwrap();
        numbers["logprob"].as_f64().unwrap()
    };
    let ours: f64 = entries[short..].iter().map(own).sum();
    assert_near(ours, engine.score(Pose::Chat, (ASKED, lead), text));
}

#[test]
fn samples_of_a_chat_are_many_and_repeat() {
    let model = chatty();
    let server = Server::start(model.path(), &[]);
    let ask = || {
        server.ask(
            "/v1/chat/completions",
            &json!({"messages": user(), "n": 3, "seed": 2, "max_completion_tokens": 12}),
        )
    };
    let texts = |reply: &Value| -> Vec<Value> {
        let choices = reply["choices"].as_array().unwrap();
        choices
            .iter()
            .map(|c| c["message"]["content"].clone())
            .collect()
    };
    let reply = ask();
    assert_eq!(texts(&reply), texts(&ask()));
    assert!(texts(&reply)[0] != texts(&reply)[1]);
    assert!(reply["choices"][0]["logprobs"].is_null());
    assert!(reply["usage"]["completion_tokens"].as_u64().unwrap() > 3);
}

#[test]
fn messages_that_cannot_be_posed_are_refused_by_name() {
    let model = chatty();
    let server = Server::start(model.path(), &[]);
    for (messages, word) in [
        (json!([]), "at least one"),
        (json!([{"role": "tool", "content": "x"}]), "roles"),
        (json!([{"role": "user", "content": 3}]), "texts"),
        (
            json!([{"role": "user", "content": "a <|eos|> b"}]),
            "control token",
        ),
        (json!("hello"), "list"),
        (
            json!([{"role": "user", "content": [{"type": "image_url"}]}]),
            "texts only",
        ),
    ] {
        let reply = server.post("/v1/chat/completions", &json!({"messages": messages}));
        assert_eq!(reply.status, 400, "{messages}");
        let error = reply.json()["error"].clone();
        assert_eq!(error["param"], "messages");
        assert!(error["message"].as_str().unwrap().contains(word), "{error}");
    }
    let parts = json!([{"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": "Hello"}]);
    let tokens = server.ask("/tokenize", &json!({"messages": parts}));
    assert!(tokens["count"].as_u64().unwrap() > 10);
}

#[test]
fn a_model_without_a_template_takes_no_chat() {
    let server = Server::teacher(&[]);
    let reply = server.post("/v1/chat/completions", &json!({"messages": user()}));
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["error"]["param"], "messages");
}
