//! llama.cpp as an engine from the command line, on the tiny files of `tests/data/llamacpp`. What its figures must be is
//! tested inside the crate (`src/model/local/tests/llamacpp.rs`).

#![cfg(feature = "llamacpp")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

/// The six architectures, and one more model for the own engine: a finding takes five controls.
const SIX: [&str; 6] = [
    "deepseek-v3",
    "glm4moe",
    "gpt-oss",
    "llama",
    "minimax-m2",
    "qwen3moe",
];
const SEVENTH: &str = "tests/data/oracle/olmo2/model.gguf";

fn model(name: &str) -> String {
    format!("tests/data/llamacpp/{name}.gguf")
}

fn parentage() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parentage"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn compare(protected: &str, suspect: &str, out: &Path) -> (Output, Value) {
    let mut command = parentage();
    command
        .args(["compare", "--quiet", "--tier", "quick", "--samples", "2"])
        .args(["--protected", &model(protected)])
        .args(["--suspect", &model(suspect)])
        .args(["--control", SEVENTH, "--out"])
        .arg(out);
    for other in SIX {
        if other != protected && other != suspect {
            command.args(["--control", &model(other)]);
        }
    }
    let output = command.output().unwrap();
    let report = fs::read(out.join("report.json")).unwrap();
    (output, serde_json::from_slice(&report).unwrap())
}

#[test]
fn six_architectures_are_compared_with_one_another() {
    let out = tempfile::tempdir().unwrap();
    for (protected, suspect) in [
        ("deepseek-v3", "glm4moe"),
        ("gpt-oss", "minimax-m2"),
        ("qwen3moe", "llama"),
    ] {
        let (output, report) = compare(protected, suspect, out.path());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        // Nothing of what llama.cpp logs.
        assert_eq!(text(&output.stderr), "");
        assert_eq!(report["posing"]["access"], "scored");
        assert_eq!(report["controls"].as_array().unwrap().len(), 5);
        // Random weights descend from nobody.
        let finding = report["finding"].as_str().unwrap();
        assert!(
            ["unrelated", "undecided", "shared"].contains(&finding),
            "{finding}"
        );
        for control in report["controls"].as_array().unwrap() {
            assert!(control["divergence"].as_f64().unwrap() > 0.02, "{control}");
        }
    }
    let found = engines(out.path());
    assert_eq!(found.len(), 7, "{found:?}");
    let by_llamacpp = found.iter().filter(|a| a.starts_with("llama.cpp ("));
    assert_eq!(by_llamacpp.count(), 4, "{found:?}");
}

/// The arithmetic that stands in every recording below a directory.
fn engines(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("cases") {
            found.extend(engines(&path));
        } else if path
            .file_name()
            .is_some_and(|name| name == "recording.json")
        {
            let header: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let source = &header["identity"]["source"];
            found.push(source["arithmetic"].as_str().unwrap().to_owned());
        }
    }
    found
}

fn collect(path: &Path, more: &[&str]) -> Output {
    let out = tempfile::tempdir().unwrap();
    parentage()
        .args(["collect", "--quiet", "--tier", "quick", "--samples", "1"])
        .arg(path)
        .args(more)
        .arg("--out")
        .arg(out.path().join("recording"))
        .output()
        .unwrap()
}

/// A copy whose setting has another value.
fn changed(name: &str, key: &str, value: u32, folder: &Path) -> PathBuf {
    let mut file = fs::read(model(name)).unwrap();
    let at = file.windows(key.len()).position(|w| w == key.as_bytes());
    // Behind the name: the type, which is that of a u32, then the value.
    let at = at.unwrap() + key.len();
    assert_eq!(file[at..at + 4], 4u32.to_le_bytes());
    file[at + 4..at + 8].copy_from_slice(&value.to_le_bytes());
    let path = folder.join("changed.gguf");
    fs::write(&path, file).unwrap();
    path
}

#[test]
fn a_file_on_which_llamacpp_fails_is_an_error_with_its_cause() {
    let folder = tempfile::tempdir().unwrap();
    // An exception within llama.cpp, and what ends its process.
    for (key, value, cause) in [
        ("glm4moe.embedding_length", 40, "wrong shape"),
        ("glm4moe.expert_count", 0, "GGML_ASSERT"),
    ] {
        let path = changed("glm4moe", key, value, folder.path());
        let output = collect(&path, &[]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{said}");
        for part in [
            "changed.gguf",
            "llama.cpp cannot load the file",
            cause,
            "vllm/NAME",
        ] {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
        assert!(said.lines().count() < 6, "{said}");
    }
}

#[test]
fn flags_that_cannot_be_met_are_refused() {
    for (path, flags, part) in [
        (
            "models/family/teacher".to_owned(),
            &["--engine", "llamacpp"][..],
            "is not a GGUF file",
        ),
        (
            model("glm4moe"),
            &["--engine", "own"],
            "architecture 'glm4moe' is not supported",
        ),
    ] {
        let output = collect(Path::new(&path), flags);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{said}");
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn the_same_seed_collects_the_same_answers() {
    let out = tempfile::tempdir().unwrap();
    let answers = |name: &str| {
        let recording = out.path().join(name);
        let mut command = parentage();
        command
            .args(["collect", "--quiet", "--tier", "quick", "--samples", "3"])
            .args([&model("deepseek-v3"), "--jobs", "1", "--out"])
            .arg(&recording);
        command.assert().success();
        let mut files: Vec<_> = fs::read_dir(&recording)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
            .flat_map(|path| {
                // When an answer came is another thing than what it is.
                let text = fs::read_to_string(path).unwrap();
                let lines = text.lines().map(|line| {
                    let entry: serde_json::Value = serde_json::from_str(line).unwrap();
                    (entry["question"].clone(), entry["response"].clone())
                });
                lines.map(|pair| format!("{pair:?}")).collect::<Vec<_>>()
            })
            .collect();
        files.sort();
        assert!(!files.is_empty());
        files
    };
    assert!(answers("one") == answers("two"));
}
