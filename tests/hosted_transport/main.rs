//! Endpoints as models, against servers that misbehave.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "how long the network takes is what some tests are about"
)]

mod kill;
#[path = "../peer/mod.rs"]
mod peer;
mod proxy;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parentage::battery::{Battery, Pose};
use parentage::collect::{self, CollectError};
use parentage::digest;
use parentage::evidence::{self, Store};
use parentage::model::hosted::{
    Budget, Checked, Endpoint, HostedError, HostedModel, Limits, Options,
};
use parentage::model::{Abilities, Answer, Model as _, ModelError, Seed};
use parentage::question::{Access, Posing, Prompt, Question, Request};
use parentage::response::Response;
use peer::{Asked, Does, KEY, Peer, chat};

const SEED: Seed = Seed(7);
const CHAT: Abilities = Abilities {
    chat: true,
    raw: false,
    score: false,
    score_chat: false,
    top: 0,
};
const POSING: Posing = Posing {
    chat: true,
    raw: false,
    access: Access::Text,
    samples: 1,
    repeats: 0,
    top: 1,
};

fn checked() -> Checked {
    Checked {
        abilities: CHAT,
        access: BTreeMap::new(),
        served: None,
        sampling: BTreeMap::new(),
    }
}

fn endpoint(url: &str) -> Endpoint {
    let env = |name: &str| match name {
        "PEER_BASE_URL" => Some(format!("{url}/v1")),
        "PEER_API_KEY" => Some(KEY.to_owned()),
        _ => None,
    };
    let endpoint = Endpoint::parse("openai-api/peer/m-1", &env);
    endpoint.unwrap().unwrap()
}

/// As usual, but in milliseconds.
fn brisk() -> Options {
    Options {
        timeout: Duration::from_secs(10),
        attempts: 4,
        first_pause: Duration::from_millis(1),
        last_pause: Duration::from_millis(4),
        ..Options::default()
    }
}

fn model(peer: &Peer, options: Options) -> HostedModel {
    HostedModel::new(endpoint(&peer.url()), options, checked()).unwrap()
}

/// Questions that differ in their prompts, two samples of each.
fn questions(count: usize) -> Vec<Question> {
    let question = |n: usize| Question {
        probe: format!("p-{}", n / 2),
        variant: 0,
        prompt: Prompt {
            pose: Pose::Chat,
            text: format!("Say {}.", n / 2),
            lead: String::new(),
        },
        request: Request::Write {
            sample: n % 2,
            max_tokens: 12,
        },
    };
    (0..count).map(question).collect()
}

/// What the server writes: a function of prompt and seed.
fn written(prompt: &str, seed: u64) -> String {
    digest::of_value(&(prompt, seed))
}

fn answer_to(asked: &Asked) -> String {
    assert_eq!(asked.path, "/v1/chat/completions");
    let prompt = asked.body["messages"][0]["content"].as_str().unwrap();
    chat(&written(prompt, asked.body["seed"].as_u64().unwrap()))
}

fn well(asked: &Asked) -> Does {
    Does::Says(200, Vec::new(), answer_to(asked))
}

/// The seed is the first eight bytes of the digest of seed and question, cut to 31 bits.
fn expected(question: &Question) -> String {
    let digest = digest::seed(&(SEED, question));
    let first = u64::from_be_bytes(digest[..8].try_into().unwrap());
    written(&question.prompt.text, first & 0x7fff_ffff)
}

/// Asks everything; gives the texts by question, each of which must come once.
fn ask(
    model: &HostedModel,
    questions: &[Question],
) -> (BTreeMap<usize, Answer>, Result<(), ModelError>) {
    let mut answers = BTreeMap::new();
    let asked = model.answer(questions, SEED, &mut |index, answer| {
        assert!(answers.insert(index, answer).is_none(), "{index} twice");
        ControlFlow::Continue(())
    });
    (answers, asked)
}

fn text(answer: &Answer) -> &str {
    match &answer.response {
        Response::Text { text, .. } => text,
        other => panic!("{other:?}"),
    }
}

/// The cause behind the model's error.
fn cause(asked: Result<(), ModelError>) -> HostedError {
    match asked {
        Err(error) => *error.source.downcast().expect("an error of an endpoint"),
        Ok(()) => panic!("it was answered"),
    }
}

#[test]
fn under_faults_of_every_kind_nothing_is_lost_or_counted_twice() {
    // Five of a hundred each; which ones depends on the request's number alone.
    let peer = Peer::start(|asked| match (asked.n * 37) % 100 {
        0..5 => Does::Says(
            429,
            vec![("retry-after-ms", "3".to_owned())],
            "{}".to_owned(),
        ),
        5..10 => Does::Says(500, Vec::new(), "oops".to_owned()),
        10..15 => Does::Drops,
        15..20 => Does::Truncates(answer_to(&asked)),
        20..25 => Does::Dawdles(Duration::from_millis(400), answer_to(&asked)),
        _ => well(&asked),
    });
    let budget = Arc::new(Budget::default());
    let options = Options {
        timeout: Duration::from_millis(200),
        attempts: 12,
        budget: Arc::clone(&budget),
        ..brisk()
    };
    let (model, questions) = (model(&peer, options), questions(600));
    let (answers, asked) = ask(&model, &questions);
    asked.unwrap();
    assert_eq!(answers.len(), questions.len());
    let mut attempts = 0;
    for (index, answer) in &answers {
        assert_eq!(text(answer), expected(&questions[*index]));
        let exchange = answer.exchange.as_ref().unwrap();
        assert_eq!(exchange.calls.len(), 1);
        attempts += exchange.calls[0].attempts as usize;
    }
    // Every request that reached the server is accounted for.
    assert_eq!(attempts, peer.asked());
    assert_eq!(budget.spent().calls, peer.asked() as u64);
    assert!(attempts > 700, "{attempts}");
}

#[test]
fn a_sink_that_breaks_off_is_left_alone_at_once() {
    let peer = Peer::start(|asked| match asked.n {
        0..10 => well(&asked),
        _ => Does::Dawdles(Duration::from_secs(8), answer_to(&asked)),
    });
    let (model, mut taken) = (model(&peer, brisk()), 0);
    let begun = Instant::now();
    model
        .answer(&questions(100), SEED, &mut |_, _| {
            taken += 1;
            match taken {
                10 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })
        .unwrap();
    assert_eq!(taken, 10);
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn the_end_of_a_budget_keeps_what_was_paid_for() {
    let peer = Peer::start(|asked| well(&asked));
    let budget = Arc::new(Budget::new(Limits {
        calls: Some(25),
        ..Limits::default()
    }));
    let options = Options {
        budget: Arc::clone(&budget),
        ..brisk()
    };
    let (answers, asked) = ask(&model(&peer, options), &questions(100));
    assert!(matches!(
        cause(asked),
        HostedError::Budget {
            limit: "--max-calls",
            ..
        }
    ));
    assert_eq!((answers.len(), peer.asked()), (25, 25));
    assert_eq!((budget.spent().calls, budget.spent().tokens), (25, 25 * 8));
}

#[test]
fn a_key_that_is_revoked_ends_the_run_and_keeps_the_answers_before() {
    let peer = Peer::start(|asked| match asked.n {
        0..30 => well(&asked),
        _ => Does::Says(401, Vec::new(), "{}".to_owned()),
    });
    let (answers, asked) = ask(&model(&peer, brisk()), &questions(100));
    assert!(matches!(cause(asked), HostedError::Auth { .. }));
    assert_eq!(answers.len(), 30);
}

#[test]
fn once_a_run_has_ended_those_who_wait_are_not_sent() {
    let peer = Peer::start(|_| Does::Says(401, Vec::new(), "{}".to_owned()));
    let options = Options {
        concurrency: 64,
        ..brisk()
    };
    let model = model(&peer, options);
    let (answers, asked) = ask(&model, &questions(100));
    assert!(matches!(cause(asked), HostedError::Auth { .. }));
    assert!(answers.is_empty());
    // As many as go at once before anything is known of a server.
    assert!((1..=4).contains(&peer.asked()), "{}", peer.asked());
    // Another run begins afresh.
    let before = peer.asked();
    let (_, asked) = ask(&model, &questions(1));
    assert!(matches!(cause(asked), HostedError::Auth { .. }));
    assert_eq!(peer.asked(), before + 1);
}

#[test]
fn one_request_that_fails_for_good_is_an_answer_and_many_are_the_end() {
    let peer = Peer::start(|asked| {
        let prompt = asked.body["messages"][0]["content"].as_str().unwrap();
        match prompt {
            "Say 3." => Does::Says(500, Vec::new(), "oops".to_owned()),
            "Say 5." => Does::Drops,
            "Say 7." => Does::Floods(17 << 20),
            _ => well(&asked),
        }
    });
    let options = Options {
        concurrency: 1,
        ..brisk()
    };
    let (answers, asked) = ask(&model(&peer, options.clone()), &questions(20));
    asked.unwrap();
    for (index, answer) in &answers {
        let without =
            matches!(&answer.response, Response::Unavailable { reason } if !reason.is_empty());
        assert_eq!(
            without,
            [6, 7, 10, 11, 14, 15].contains(index),
            "{answer:?}"
        );
        let calls = &answer.exchange.as_ref().unwrap().calls;
        let attempts = if (6..=11).contains(index) && without {
            4
        } else {
            1
        };
        assert_eq!(calls[0].attempts, attempts);
    }
    let dead = Peer::start(|_| Does::Drops);
    let (answers, asked) = ask(&model(&dead, options), &questions(100));
    assert!(matches!(
        cause(asked),
        HostedError::Broken { failures: 10, .. }
    ));
    assert_eq!(answers.len(), 9);
}

#[test]
fn another_model_in_mid_run_ends_it() {
    let peer = Peer::start(|asked| {
        let body = answer_to(&asked);
        let body = match asked.n {
            0..20 => body,
            _ => body.replace("m-1-2026", "m-1-2027"),
        };
        Does::Says(200, Vec::new(), body)
    });
    let (answers, asked) = ask(&model(&peer, brisk()), &questions(100));
    assert!(matches!(
        cause(asked),
        HostedError::ServedChanged { before, now, .. } if before == "m-1-2026" && now == "m-1-2027"
    ));
    assert_eq!(answers.len(), 20);
    for answer in answers.values() {
        assert_eq!(
            answer.exchange.as_ref().unwrap().served.as_deref(),
            Some("m-1-2026")
        );
    }
    // Against what the access check saw, too.
    let checked = Checked {
        served: Some("m-0".to_owned()),
        ..checked()
    };
    let model = HostedModel::new(endpoint(&peer.url()), brisk(), checked).unwrap();
    assert!(matches!(
        cause(ask(&model, &questions(1)).1),
        HostedError::ServedChanged { .. }
    ));
}

#[test]
fn what_was_not_verified_is_not_asked() {
    let peer = Peer::start(|asked| well(&asked));
    let mut questions = questions(4);
    questions[0].prompt.pose = Pose::Raw;
    questions[1].request = Request::Next { top: 5 };
    questions[2].request = Request::Score {
        texts: vec![" a".to_owned()],
    };
    let (answers, asked) = ask(&model(&peer, brisk()), &questions);
    asked.unwrap();
    for index in 0..3 {
        let answer = &answers[&index];
        assert!(
            matches!(&answer.response, Response::Unavailable { reason } if reason.contains("not verify"))
        );
        assert_eq!(answer.exchange, None);
    }
    assert_eq!(text(&answers[&3]), expected(&questions[3]));
    assert_eq!(peer.asked(), 1);
}

#[test]
fn the_scores_of_many_texts_are_one_answer_in_order() {
    // As a server that echoes: a token for the prompt and one for the text, which has as many nats as bytes.
    let peer = Peer::start(|asked| {
        if asked.path == "/tokenize" {
            return Does::Says(404, Vec::new(), "{\"detail\": \"Not Found\"}".to_owned());
        }
        assert_eq!(asked.path, "/v1/completions");
        let prompt = asked.body["prompt"].as_str().unwrap();
        let Some(text) = prompt.strip_prefix("It is") else {
            return Does::Says(500, Vec::new(), "oops".to_owned());
        };
        let body = serde_json::json!({
            "model": "m-1-2026",
            "choices": [{"text": prompt, "finish_reason": "length", "logprobs": {
                "tokens": ["It is", text],
                "token_logprobs": [null, -(text.len() as f64)],
                "top_logprobs": [null, null],
                "text_offset": [0, 5],
            }}],
            "usage": {"prompt_tokens": 2, "completion_tokens": 0, "total_tokens": 2},
        });
        Does::Says(200, Vec::new(), body.to_string())
    });
    let checked = Checked {
        abilities: Abilities {
            raw: true,
            score: true,
            ..CHAT
        },
        ..checked()
    };
    let model = HostedModel::new(endpoint(&peer.url()), brisk(), checked).unwrap();
    let question = |text: &str| Question {
        probe: "p".to_owned(),
        variant: 0,
        prompt: Prompt {
            pose: Pose::Raw,
            text: text.to_owned(),
            lead: String::new(),
        },
        request: Request::Score {
            texts: [" so", " not so", " a"].map(str::to_owned).to_vec(),
        },
    };
    let (answers, asked) = ask(&model, &[question("It is"), question("Was it")]);
    asked.unwrap();
    let Response::Scored { scores } = &answers[&0].response else {
        panic!("{:?}", answers[&0]);
    };
    let nats: Vec<_> = scores.iter().map(|s| s.log_probability).collect();
    assert_eq!(nats, [Some(-3.0), Some(-7.0), Some(-2.0)]);
    let exchange = answers[&0].exchange.as_ref().unwrap();
    let completions = exchange
        .calls
        .iter()
        .filter(|c| c.path == "/v1/completions");
    assert_eq!((completions.count(), exchange.usage.prompt), (3, 6));
    // The first text without an answer leaves the question without one.
    assert!(matches!(answers[&1].response, Response::Unavailable { .. }));
    let calls = &answers[&1].exchange.as_ref().unwrap().calls;
    assert_eq!(calls.last().unwrap().attempts, 4);
    assert_eq!(
        calls.iter().filter(|c| c.path == "/v1/completions").count(),
        1
    );
}

#[test]
fn no_questions_take_no_request() {
    let peer = Peer::start(|asked| well(&asked));
    let (answers, asked) = ask(&model(&peer, brisk()), &[]);
    asked.unwrap();
    assert_eq!((answers.len(), peer.asked()), (0, 0));
}

#[test]
fn the_users_rate_is_kept() {
    let peer = Peer::start(|asked| well(&asked));
    let options = Options {
        // Ten a second, with a burst of fifty.
        requests_per_minute: NonZeroU32::new(600),
        ..brisk()
    };
    let begun = Instant::now();
    let (answers, asked) = ask(&model(&peer, options), &questions(58));
    asked.unwrap();
    assert_eq!(answers.len(), 58);
    assert!(
        begun.elapsed() > Duration::from_millis(600),
        "{:?}",
        begun.elapsed()
    );
}

/// Collects into a directory.
fn record(
    model: &HostedModel,
    questions: &[Question],
    directory: &Path,
) -> Result<collect::Tally, CollectError> {
    let battery = Battery::built_in("core-v1").unwrap();
    let header = collect::header(model, &battery, POSING, SEED);
    let mut store = Store::open(directory, &header)?;
    collect::collect(model, questions, SEED, &mut store, &|| {
        ControlFlow::Continue(())
    })
}

#[test]
fn no_written_byte_holds_a_key_that_the_server_echoes() {
    let peer = Peer::start(|asked| {
        let headers = vec![
            ("x-request-id", format!("id {KEY}")),
            ("openai-version", KEY.to_owned()),
        ];
        assert_eq!(asked.headers["authorization"], format!("Bearer {KEY}"));
        let escaped = KEY.chars().fold(String::new(), |all, c| {
            all + &format!("\\u{:04X}", u32::from(c))
        });
        let bearer = STANDARD.encode(format!("Bearer {KEY}"));
        match asked.n % 7 {
            0 => Does::Says(
                400,
                headers,
                format!("{{\"error\": {{\"message\": \"bad {KEY}\"}}}}"),
            ),
            1 => Does::Says(200, headers, chat(&format!("your key is {KEY}"))),
            2 => Does::Says(500, headers, KEY.to_owned()),
            3 => Does::Says(200, headers, chat("@").replace('@', &escaped)),
            4 => Does::Says(200, headers, chat(&bearer)),
            5 => Does::Says(
                500,
                headers,
                format!("key=%{:02x}{}", KEY.as_bytes()[0], &KEY[1..]),
            ),
            _ if asked.n > 60 && asked.n % 2 == 0 => Does::Says(
                401,
                headers,
                format!("{{\"error\": {{\"message\": \"wrong: {escaped}\"}}}}"),
            ),
            _ if asked.n > 60 => Does::Says(401, headers, format!("{{\"error\": \"key {KEY}\"}}")),
            _ => Does::Says(
                200,
                headers,
                chat(KEY).replace("\"x\"", &format!("\"{}\"", KEY.replace('/', "\\/"))),
            ),
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let model = model(&peer, brisk());
    let error = record(&model, &questions(100), directory.path()).unwrap_err();
    let mut shown = vec![format!("{model:?} {error:?} {error}")];
    let mut source = error.source();
    while let Some(error) = source {
        shown.push(format!("{error:?} {error}"));
        source = error.source();
    }
    let mut shown = shown.concat();
    let recording = evidence::read(directory.path()).unwrap();
    assert!(recording.entries.len() > 20);
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        shown += &String::from_utf8(bytes).unwrap();
    }
    assert!(shown.contains("[key]"));
    // Neither the key nor what is left of it however it was escaped.
    let encoded = STANDARD.encode(format!("Bearer {KEY}"));
    for part in [KEY, "sk-test", "0123456789", "u0030", &encoded[12..24]] {
        assert!(!shown.contains(part), "{part}");
    }
}
