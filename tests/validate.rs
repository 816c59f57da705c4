//! The population that comes with the tool, validated through the command line.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::CommandCargoExt as _;
use tempfile::TempDir;

const POPULATION: &str = "models/population";

fn validate(population: &Path, out: &Path) -> Output {
    let mut command = Command::cargo_bin("parentage").unwrap();
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.arg("validate").arg(population);
    command.arg("--out").arg(out).output().unwrap()
}

#[test]
fn the_built_in_validation_is_what_the_scores_give() {
    let out = TempDir::new().unwrap();
    let output = validate(Path::new(POPULATION), out.path());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let made = fs::read(out.path().join("validation.json")).unwrap();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(POPULATION)
        .join("validation.json");
    // Byte by byte: a stale file would give ratios that nobody can make again.
    assert!(made == fs::read(kept).unwrap());
    let page = fs::read_to_string(out.path().join("validation.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 2);
    assert!(page.contains("students at full dose, all innocents"));
    for foreign in ["<script", "src=\"", "href=\"http"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("0 of 695"), "{shown}");
}

#[test]
fn what_is_wrong_with_a_population_is_said_before_anything_is_written() {
    let (directory, out) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let copy = |file: &str| {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(POPULATION);
        fs::copy(from.join(file), directory.path().join(file)).unwrap();
    };
    let failed = |named: &str| {
        let output = validate(directory.path(), out.path());
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(named), "{named}: {stderr}");
    };
    failed("lineage.toml");
    copy("lineage.toml");
    failed("split.toml");
    copy("split.toml");
    failed("scores.jsonl");
    fs::write(directory.path().join("scores.jsonl"), "").unwrap();
    failed("no scores of the fitting part");
    fs::write(directory.path().join("scores.jsonl"), "{}\n").unwrap();
    failed("line 1");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
}
