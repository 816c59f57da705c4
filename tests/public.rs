//! Panels picked from the list of public models, against a hub on loopback and without any.
#![cfg(feature = "hub")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

#[expect(dead_code, reason = "the hub's own tests use all of it")]
#[path = "hub/server.rs"]
mod server;

use server::{Hub, State};

/// `parentage plan` of a case with public controls, the hub's cache empty.
fn plan(controls: &str, suspect: &str, hub: Option<&Hub>, more: &[&str]) -> Output {
    let place = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_parentage"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("HF_HOME", place.path())
        .env_remove("HF_HUB_CACHE")
        .env_remove("HF_TOKEN")
        .args(["plan", "--quiet", "--tier", "quick"])
        .args(["--protected", "models/family/teacher"])
        .args(["--suspect", suspect, "--controls", controls])
        .arg("--out")
        .arg(place.path().join("out"))
        .args(more);
    match hub {
        Some(hub) => command.env("HF_ENDPOINT", &hub.address),
        None => command.env("HF_HUB_OFFLINE", "1"),
    };
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

const SUSPECT: &str = "models/family/student-text";

#[test]
fn without_a_network_it_says_what_it_would_fetch() {
    let output = plan("public:small", SUSPECT, None, &[]);
    let (shown, error) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(7), "{error}");
    assert!(shown.starts_with("Public controls: "), "{shown}");
    for model in ["hf:openai-community/gpt2 ", "hf:EleutherAI/pythia-70m "] {
        assert!(shown.contains(model), "{shown}");
    }
    assert!(shown.contains("124 M parameters") && shown.contains(" GB at two bytes"));
    // No model of another size.
    assert!(!shown.contains("Qwen3-8B") && !error.contains("Qwen3-8B"));
    assert!(
        error.starts_with("error: cannot fetch public control 'hf:"),
        "{error}"
    );
    assert!(error.contains("still to be fetched: "), "{error}");
    assert!(
        error.contains("hf:openai-community/gpt2 (124 M parameters)"),
        "{error}"
    );
    assert_eq!(
        error.lines().filter(|l| l.starts_with("hint: ")).count(),
        1,
        "{error}"
    );
}

#[test]
fn a_hub_gives_them_and_the_plan_lists_them() {
    let files = fs::read_dir("models/family/kjv-1").unwrap().flatten();
    let files: BTreeMap<String, Vec<u8>> = files
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, fs::read(file.path()).unwrap())
        })
        .collect();
    let hub = Hub::start(State {
        files,
        any: true,
        ..State::default()
    });
    let output = plan("public:large", SUSPECT, Some(&hub), &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let models = shown["public_controls"].as_array().unwrap();
    let names: Vec<&str> = models
        .iter()
        .map(|m| m["model"].as_str().unwrap())
        .collect();
    assert!(
        names.len() >= 5 && names.contains(&"hf:Qwen/Qwen2.5-14B"),
        "{names:?}"
    );
    assert!(
        models
            .iter()
            .all(|m| m["parameters"].as_u64().unwrap() > 10_000_000_000)
    );
    let asked: Vec<String> = hub.log().into_iter().map(|request| request.path).collect();
    for name in &names {
        let repository = name.trim_start_matches("hf:");
        assert!(
            asked.iter().any(|path| path.contains(repository)),
            "{repository}"
        );
    }
    assert_eq!(shown["power"]["controls"], names.len());
    assert!(shown["power"]["detectable_sd"].as_f64().unwrap() > 4.0);
    assert!(shown["power"]["detectable"].is_null());
    assert!(shown["controls"].as_str().unwrap().contains("usable"));
    let plan = shown["plan"].as_str().unwrap();
    assert!(Path::new(plan).ends_with("data/plan.json"));
}

#[test]
fn a_panel_is_matched_to_what_is_known_of_the_suspect() {
    // Declared in the list: within a factor of four, and not the suspect itself.
    let output = plan("public:auto", "hf:EleutherAI/pythia-410m", None, &[]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(7), "{shown}");
    assert!(shown.starts_with("Public controls: 10 models"), "{shown}");
    assert!(!shown.contains("pythia-410m") && !shown.contains("-7B") && !shown.contains("70m"));
    // Counted in its weights, and far from every model of the list.
    let output = plan("public:auto", SUSPECT, None, &[]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains("none of a size near 195008 parameters"),
        "{error}"
    );
    // An endpoint does not say.
    let output = plan("public:auto", "ollama/tiny", None, &[]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("hint: name a size"), "{error}");
}

#[test]
fn other_sizes_and_absent_groups_are_refused() {
    let output = plan("public:huge", SUSPECT, None, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("small, medium, large or auto"));
    let output = plan("public:small", SUSPECT, None, &["--family"]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains("into a group") && error.contains("hint: "),
        "{error}"
    );
}
