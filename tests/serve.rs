//! `parentage serve` against the engine it serves: the built binary on loopback, asked over HTTP.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "helpers of tests fail by panicking"
)]

#[path = "serve/answers.rs"]
mod answers;
#[path = "serve/chat.rs"]
mod chat;
#[path = "serve/guards.rs"]
mod guards;
#[path = "serve/server.rs"]
mod server;
#[path = "serve/stop.rs"]
mod stop;

use std::ops::ControlFlow;
use std::path::Path;

use parentage::battery::Pose;
use parentage::model::local::{LocalModel, Options};
use parentage::model::{Model as _, Seed};
use parentage::question::{Prompt, Question, Request};
use parentage::response::{Continuation, Response};

/// Differences that another order of float32 sums may make, in nats.
const TOLERANCE: f64 = 1e-4;

/// The engine itself, opened in this process.
struct Engine(LocalModel);

impl Engine {
    fn open(path: &Path) -> Self {
        Self(LocalModel::open("engine", path, Options::default()).unwrap())
    }

    fn teacher() -> Self {
        Self::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/family/teacher"))
    }

    fn ask(&self, pose: Pose, (text, lead): (&str, &str), request: Request) -> Response {
        let question = Question {
            probe: "p-1".to_owned(),
            variant: 0,
            prompt: Prompt {
                pose,
                text: text.to_owned(),
                lead: lead.to_owned(),
            },
            request,
        };
        let mut response = None;
        self.0
            .answer(&[question], Seed(1), &mut |_, answer| {
                response = Some(answer.response);
                ControlFlow::Continue(())
            })
            .unwrap();
        response.unwrap()
    }

    /// The log-probability of a text after a prompt.
    fn score(&self, pose: Pose, prompt: (&str, &str), text: &str) -> f64 {
        let texts = vec![text.to_owned()];
        match self.ask(pose, prompt, Request::Score { texts }) {
            Response::Scored { scores } => scores[0].log_probability.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn next(&self, pose: Pose, prompt: (&str, &str), top: usize) -> Vec<Continuation> {
        match self.ask(pose, prompt, Request::Next { top }) {
            Response::Next { top } => top,
            other => panic!("{other:?}"),
        }
    }
}

fn assert_near(ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() < TOLERANCE, "{ours} {theirs}");
}
