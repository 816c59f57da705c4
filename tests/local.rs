//! The local engine through its public interface, on the tiny models of `tests/data/oracle`.
//!
//! What every position's whole distribution must be is tested inside the crate
//! (`src/model/local/tests.rs`), where token ids are at hand.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests fail by panicking, and differences are reported"
)]

#[path = "local/answers.rs"]
mod answers;
#[path = "local/forms.rs"]
mod forms;
#[path = "local/oracle.rs"]
mod oracle;
#[path = "local/stock.rs"]
mod stock;

use std::ops::ControlFlow;

use parentage::battery::Pose;
use parentage::model::local::LocalModel;
use parentage::model::{Model, Seed};
use parentage::question::{Prompt, Question, Request};
use parentage::response::{Response, Scored};

/// Differences that another order of float32 sums may make, in nats.
const TOLERANCE: f64 = 1e-4;

const TEXT: &str = "In the morning the baker opens her shop, and the first loaves are gone: ";

fn question(prompt: &str, request: Request) -> Question {
    Question {
        probe: "p-1".to_owned(),
        variant: 0,
        prompt: Prompt {
            pose: Pose::Raw,
            text: prompt.to_owned(),
            lead: String::new(),
        },
        request,
    }
}

fn score(prompt: &str, texts: &[&str]) -> Question {
    let texts = texts.iter().map(|t| (*t).to_owned()).collect();
    question(prompt, Request::Score { texts })
}

fn next(prompt: &str) -> Question {
    question(prompt, Request::Next { top: 1000 })
}

/// The answers in the order of the questions, each exactly once.
fn ask(model: &LocalModel, questions: &[Question]) -> Vec<Response> {
    let mut answers: Vec<Option<Response>> = vec![None; questions.len()];
    model
        .answer(questions, Seed(7), &mut |index, answer| {
            assert!(answers[index].replace(answer.response).is_none());
            ControlFlow::Continue(())
        })
        .unwrap();
    answers.into_iter().map(Option::unwrap).collect()
}

fn scores(response: &Response) -> Vec<Scored> {
    match response {
        Response::Scored { scores } => scores.clone(),
        other => panic!("{other:?}"),
    }
}

/// The log-probability of a continuation among those that a `next` question got.
fn of_token(response: &Response, text: &str) -> f64 {
    let Response::Next { top } = response else {
        panic!("{response:?}");
    };
    let found = top.iter().find(|c| c.text == text);
    found.unwrap().log_probability
}

/// Questions of every kind about prompts of several lengths.
fn many() -> Vec<Question> {
    let mut questions = Vec::new();
    for prompt in [TEXT, &TEXT[..20], &TEXT[..30], "naïve", &TEXT.repeat(3)] {
        questions.push(score(prompt, &["a", "quoll bumps", "", "ünder the rye"]));
        questions.push(next(prompt));
        questions.push(score(prompt, &["then she sleeps."]));
        for sample in 0..3 {
            let max_tokens = 6;
            questions.push(question(prompt, Request::Write { sample, max_tokens }));
        }
    }
    questions
}

fn assert_same(ours: &Response, theirs: &Response, tolerance: f64) {
    match (ours, theirs) {
        (Response::Scored { scores: a }, Response::Scored { scores: b }) => {
            assert_eq!(a.len(), b.len());
            for (a, b) in a.iter().zip(b) {
                assert_eq!(a.tokens, b.tokens);
                let of = |s: &Scored| s.log_probability.unwrap();
                let difference = (of(a) - of(b)).abs();
                assert!(difference <= tolerance, "{difference} nats: {a:?} {b:?}");
            }
        }
        (Response::Next { top: a }, Response::Next { top: b }) => {
            assert_eq!(a.len(), b.len());
            for a in a {
                let difference = (a.log_probability - of_token(theirs, &a.text)).abs();
                assert!(difference <= tolerance, "{difference} nats: {a:?}");
            }
        }
        _ => assert_eq!(ours, theirs),
    }
}
