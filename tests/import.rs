//! Answers that others collected, from their files to a verified report, by the command line.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

fn parentage() -> Command {
    Command::new(env!("CARGO_BIN_EXE_parentage"))
}

fn run(args: &[&str]) -> Output {
    parentage().args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A way of writing: words that somebody prefers.
fn manner(seed: u64) -> Vec<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let word = |rng: &mut ChaCha8Rng| -> String {
        let length = rng.random_range(2..9);
        let letters = (0..length).map(|_| char::from(rng.random_range(b'a'..=b'z')));
        letters.collect()
    };
    (0..40).map(|_| word(&mut rng)).collect()
}

/// An answer in a manner, with a share of words of another one.
fn answer(own: &[String], other: &[String], share: f64, seed: u64) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut words = Vec::new();
    for _ in 0..60 {
        let of = if rng.random_bool(share) { other } else { own };
        // Some words come oftener than others.
        let place = rng
            .random_range(0..of.len())
            .min(rng.random_range(0..of.len()));
        words.push(of[place].clone());
    }
    words.join(" ")
}

/// Eight models that answer thirty prompts: `teacher`, `student`, who writes like it, and six others.
fn answers(path: &Path) {
    let common = manner(1);
    let teacher = manner(2);
    let mut lines = String::new();
    let mut model = |name: &str, seed: u64, own: &[String], other: &[String], share: f64| {
        for prompt in 0..30 {
            let line = json!({
                "model": name,
                "prompt": format!("Question {prompt}?"),
                "answer": answer(own, other, share, 1000 * seed + prompt),
            });
            writeln!(lines, "{line}").unwrap();
        }
    };
    model("org/teacher", 1, &common, &teacher, 0.5);
    model("org/student", 2, &common, &teacher, 0.4);
    for (i, name) in ["a", "b", "c", "d", "e", "f"].iter().enumerate() {
        let seed = 10 + i as u64;
        model(name, seed, &common, &manner(seed), 0.5);
    }
    fs::write(path, lines).unwrap();
}

fn imported(directory: &Path) -> PathBuf {
    let (file, out) = (directory.join("answers.jsonl"), directory.join("models"));
    answers(&file);
    let file = file.to_str().unwrap();
    let output = run(&[
        "import",
        file,
        "--format",
        "jsonl",
        "--out",
        out.to_str().unwrap(),
        "--quiet",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("8 models, 30 prompts"));
    out
}

fn comparison(models: &Path, out: &Path, more: &[&str]) -> Output {
    let mut command = parentage();
    command.args(["compare", "--quiet", "--protected"]);
    command.arg(models.join("teacher")).arg("--suspect");
    command.arg(models.join("student"));
    for control in ["a", "b", "c", "d", "e", "f"] {
        command.arg("--control").arg(models.join(control));
    }
    command.arg("--out").arg(out).args(more).output().unwrap()
}

fn codes(report: &Value) -> Vec<&str> {
    let caveats = report["caveats"].as_array().unwrap().iter();
    caveats.map(|c| c["code"].as_str().unwrap()).collect()
}

fn case(out: &Path) -> PathBuf {
    let mut cases = fs::read_dir(out.join("cases")).unwrap();
    cases.next().unwrap().unwrap().path()
}

#[test]
fn imported_answers_are_compared_and_verified_as_what_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let models = imported(directory.path());
    let out = directory.path().join("out");
    let output = comparison(&models, &out, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: Value =
        serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["finding"], "related");
    assert_eq!(report["battery"]["name"], "imported-jsonl");
    assert_eq!(report["posing"]["samples"], 1);
    assert_eq!(report["protected"]["source"]["kind"], "imported");
    assert_eq!(report["protected"]["source"]["model"], "org/teacher");
    // Measures of closed questions are not looked at, so that none of them is missing.
    let measures = report["measures"].as_array().unwrap().iter();
    let measures: Vec<&str> = measures.map(|m| m["name"].as_str().unwrap()).collect();
    assert_eq!(measures, ["habits", "phrases"]);
    let codes = codes(&report);
    let count = |code: &str| codes.iter().filter(|c| **c == code).count();
    assert_eq!((count("imported"), count("nothing_held")), (1, 0));
    for other in [
        "measure_missing",
        "published_battery",
        "posed_as_turns",
        "reduced_access",
    ] {
        assert_eq!(count(other), 0, "{codes:?}");
    }
    let case = case(&out);
    let output = run(&["verify", case.to_str().unwrap()]);
    let told = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{told}{}",
        text(&output.stderr)
    );
    assert!(
        told.contains("--  imported        answers of 8 models"),
        "{told}"
    );
    assert!(
        told.contains("all 240 planned questions have a record"),
        "{told}"
    );
    let output = run(&["verify", "--json", case.to_str().unwrap()]);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["imported"].as_array().unwrap().len(), 8);
    // Its own battery by name, and all of it whatever the tier that is usual.
    let battery = models.join("battery");
    let again = directory.path().join("again");
    let output = comparison(&models, &again, &["--battery", battery.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let named = fs::read(again.join("report.json")).unwrap();
    assert_eq!(named, fs::read(out.join("report.json")).unwrap());
}

#[test]
fn what_imports_do_not_share_is_told_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let models = imported(directory.path());
    let out = directory.path().join("out");
    fs::rename(models.join("battery"), models.join("elsewhere")).unwrap();
    let output = comparison(&models, &out, &[]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("its battery is not at") && told.contains("hint:"),
        "{told}"
    );
    fs::rename(models.join("elsewhere"), models.join("battery")).unwrap();
    let output = comparison(&models, &out, &["--battery", "core-v1"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("another battery"), "{told}");
    for (args, code, words) in [
        (&["gone", "--format", "jsonl"][..], 1, "cannot read 'gone'"),
        (&["src", "--format", "jsonl"], 2, "end in .jsonl"),
        (&["src", "--format", "csv"], 2, "expected one of jsonl"),
    ] {
        let mut command = parentage();
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = command.arg("import").args(args).arg("--out").arg(&out);
        let output = output.output().unwrap();
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn a_sealed_bundle_of_imported_answers_can_be_redacted_without_their_digests() {
    let directory = tempfile::tempdir().unwrap();
    let models = imported(directory.path());
    let out = directory.path().join("out");
    assert!(comparison(&models, &out, &[]).status.success());
    let key = directory.path().join("key");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .output();
    // Without OpenSSH there is no key to seal with.
    if !made.is_ok_and(|m| m.status.success()) {
        return;
    }
    let case = case(&out);
    let case = case.to_str().unwrap();
    let sealed = run(&["seal", case, "--key", key.to_str().unwrap()]);
    assert!(sealed.status.success(), "{}", text(&sealed.stderr));
    let plan = fs::read(Path::new(case).join("data/battery.json")).unwrap();
    let battery: Value = serde_json::from_slice(&plan).unwrap();
    let probe = battery["probes"][0]["id"].as_str().unwrap();
    let copy = directory.path().join("copy");
    let copy = copy.to_str().unwrap();
    let redacted = run(&[
        "redact", case, "--probe", probe, "--reason", "private", "--out", copy,
    ]);
    assert!(redacted.status.success(), "{}", text(&redacted.stderr));
    let signer = key.with_extension("pub");
    let verified = run(&["verify", copy, "--signer", signer.to_str().unwrap()]);
    assert_eq!(
        verified.status.code(),
        Some(5),
        "{}",
        text(&verified.stderr)
    );
    let file = fs::read(directory.path().join("answers.jsonl")).unwrap();
    let digest = parentage::digest::of_bytes(&file);
    let mut stack = vec![PathBuf::from(copy)];
    while let Some(path) = stack.pop() {
        if path.is_dir() {
            stack.extend(fs::read_dir(path).unwrap().map(|e| e.unwrap().path()));
        } else {
            let bytes = fs::read(&path).unwrap();
            assert!(!text(&bytes).contains(&digest), "{}", path.display());
        }
    }
}
