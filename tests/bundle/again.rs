//! `verify --ask`: the model whose answers a bundle holds is told from those that it is like.

use std::process::{Command, Output};

use serde_json::Value;

use super::bench::{Copy, FIXTURE};
use crate::server::Server;
use parentage::bundle::Choice;

fn verify(bundle: &str, more: &[&str], address: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parentage"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    if let Some(address) = address {
        command.env("VLLM_BASE_URL", format!("http://{address}/v1"));
        command.env("SOME_BASE_URL", format!("http://{address}/v1"));
    }
    command.args(["verify", bundle, "-q"]).args(more);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn answers_agree_with_their_model_and_not_with_its_sibling() {
    let ask = |model: &str, more: &[&str]| {
        let model = format!("models/family/{model}");
        let args = [&["--ask", &model][..], more].concat();
        verify(FIXTURE, &args, None)
    };
    let own = ask("student-text", &[]);
    assert_eq!(own.status.code(), Some(0), "{}", text(&own.stderr));
    let said = text(&own.stdout);
    assert!(said.contains("ok  asked again     11 answers"), "{said}");
    assert!(
        said.contains("9 of 9 with probabilities lie within 0.05"),
        "{said}"
    );
    assert!(said.contains("neither who wrote them"), "{said}");
    for other in ["sibling-1", "student-text-2", "teacher"] {
        let other = ask(other, &[]);
        assert_eq!(other.status.code(), Some(6), "{}", text(&other.stdout));
        let said = text(&other.stderr);
        assert!(
            said.contains("'suspect' in the bundle have not come from"),
            "{said}"
        );
    }
    // Another model of the bundle, and the figures for programs.
    let teacher = ask("teacher", &["--ask-of", "protected", "--json"]);
    assert_eq!(teacher.status.code(), Some(0), "{}", text(&teacher.stderr));
    let json: Value = serde_json::from_slice(&teacher.stdout).unwrap();
    let again = &json["again"];
    assert_eq!(again["agreement"], "agrees");
    assert_eq!(again["of"], "protected");
    let share = &again["probabilities"]["share"];
    assert_eq!(share["could"], share["of"]);
    assert!(again["probabilities"]["median"].as_f64().unwrap() < 1e-4);
}

#[test]
fn an_endpoint_is_asked_as_well() {
    let own = Server::start("models/family/student-text".as_ref(), &["--name", "m"]);
    let other = Server::start("models/family/sibling-1".as_ref(), &["--name", "m"]);
    // One that reads texts, and one of which only the most probable tokens are known.
    for name in ["vllm/m", "openai-api/some/m"] {
        let agrees = verify(FIXTURE, &["--ask", name], Some(&own.address));
        assert_eq!(agrees.status.code(), Some(0), "{}", text(&agrees.stderr));
        let said = text(&agrees.stdout);
        assert!(said.contains(&format!("asked again of '{name}'")), "{said}");
        let contradicts = verify(FIXTURE, &["--ask", name], Some(&other.address));
        assert_eq!(
            contradicts.status.code(),
            Some(6),
            "{}",
            text(&contradicts.stdout)
        );
    }
}

#[test]
fn what_cannot_be_asked_again_says_why() {
    let says = |bundle: &str, more: &[&str], part: &str| {
        let output = verify(bundle, more, None);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
        let said = text(&output.stderr);
        assert!(said.contains(part), "{said}");
    };
    let teacher = "models/family/teacher";
    says(
        FIXTURE,
        &["--ask", teacher, "--ask-of", "nobody"],
        "has no model 'nobody'; it has protected, suspect",
    );
    let copy = Copy::new();
    let recording = copy.at("data/recordings").join(&copy.recordings()[0]);
    says(
        FIXTURE,
        &["--ask", recording.to_str().unwrap()],
        "is a recording",
    );
    let redacted = Copy::committed(1).redacted(&Choice {
        probes: ["small-3".to_owned()].into(),
        reason: "privileged".to_owned(),
        ..Choice::default()
    });
    says(
        redacted.path().to_str().unwrap(),
        &["--ask", teacher],
        "of a redacted copy",
    );
}
