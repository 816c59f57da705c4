//! The dialects against a server that says what it is told to.

mod dialects;
mod errors;
mod logprobs;
mod quirks;
mod scores;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::super::endpoint::Endpoint;
use super::super::transport::{Options, Transport};
use super::*;

/// Bodies in turn; the last one again and again.
struct Script {
    replies: Vec<(u16, String)>,
    next: AtomicUsize,
}

impl Respond for Script {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let (status, body) = &self.replies[turn.min(self.replies.len() - 1)];
        ResponseTemplate::new(*status).set_body_raw(body.clone(), "application/json")
    }
}

/// A server and the way to it.
struct Line {
    server: MockServer,
    transport: Transport,
    /// How many requests were looked at.
    seen: Mutex<usize>,
}

impl Line {
    async fn to(name: &str, replies: Vec<(u16, String)>) -> Self {
        let server = MockServer::start().await;
        let next = AtomicUsize::new(0);
        Mock::given(any())
            .respond_with(Script { replies, next })
            .mount(&server)
            .await;
        let url = format!("{}/v1", server.uri());
        let env = |variable: &str| match variable {
            name if name.ends_with("_BASE_URL") => Some(url.clone()),
            name if name.ends_with("_API_KEY") => Some("k".to_owned()),
            _ => None,
        };
        let endpoint = Endpoint::parse(name, &env).unwrap().unwrap();
        // What is looked at here is one reply to one request.
        let options = Options {
            attempts: 1,
            failures: u32::MAX,
            ..Options::default()
        };
        Self {
            server,
            transport: Transport::new(endpoint, options).unwrap(),
            seen: Mutex::new(0),
        }
    }

    async fn ask(&self, prompt: &Prompt, want: Want<'_>) -> Answered {
        let call = Call {
            prompt,
            want,
            seed: 7,
        };
        ask(&self.transport, call).await.unwrap()
    }

    /// Paths and bodies of the requests since the last look.
    async fn asked(&self) -> Vec<(String, Value)> {
        let requests = self.server.received_requests().await.unwrap();
        let mut seen = self.seen.lock().unwrap();
        let new = requests[*seen..].iter().map(|request| {
            let body = serde_json::from_slice(&request.body).unwrap_or_default();
            (request.url.path().to_owned(), body)
        });
        let new = new.collect();
        *seen = requests.len();
        new
    }
}

fn ok(body: &Value) -> (u16, String) {
    (200, body.to_string())
}

fn says(status: u16, body: &Value) -> (u16, String) {
    (status, body.to_string())
}

/// One answer to one call.
async fn hear(name: &str, reply: &Value, prompt: &Prompt, want: Want<'_>) -> Answered {
    let line = Line::to(name, vec![ok(reply)]).await;
    line.ask(prompt, want).await
}

fn turn() -> Prompt {
    Prompt {
        pose: Pose::Chat,
        text: "Say A.".to_owned(),
        lead: String::new(),
    }
}

fn raw(text: &str) -> Prompt {
    Prompt {
        pose: Pose::Raw,
        text: text.to_owned(),
        lead: String::new(),
    }
}

const TEXT: Want<'static> = Want::Text { max_tokens: 16 };
const TOP: Want<'static> = Want::Top { top: 5 };

/// A chat reply of OpenAI's form.
fn chat(choice: &Value) -> Value {
    json!({
        "model": "m-2026",
        "system_fingerprint": "fp",
        "choices": [choice],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2},
    })
}

/// A chat reply with these log-probabilities.
fn chat_logprobs(logprobs: Value) -> Value {
    let mut choice = json!({"message": {"content": "A"}, "finish_reason": "length"});
    choice["logprobs"] = logprobs;
    chat(&choice)
}

fn top(answered: &Answered) -> Vec<(&str, f64)> {
    let Outcome::Top(top) = &answered.outcome else {
        panic!("{:?}", answered.outcome);
    };
    top.iter()
        .map(|one| (one.text.as_str(), one.log_probability))
        .collect()
}

fn noted(answered: &Answered, words: &str) -> bool {
    answered
        .exchange
        .notes
        .iter()
        .any(|note| note.contains(words))
}

fn unavailable(answered: &Answered) -> &str {
    match &answered.outcome {
        Outcome::Unavailable(reason) => reason,
        other => panic!("{other:?}"),
    }
}

/// No null anywhere: servers take an absent parameter and a null one for different things.
fn assert_no_null(value: &Value) {
    match value {
        Value::Null => panic!("a null was sent"),
        Value::Array(items) => items.iter().for_each(assert_no_null),
        Value::Object(map) => map.values().for_each(assert_no_null),
        _ => {}
    }
}
