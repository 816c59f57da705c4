//! The command line, from a live comparison to verify, report, seal and diff.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use parentage::bundle::{Bundle, Demand, NAMESPACE, seal};
use serde_json::Value;

use super::bench::{FIXTURE, copy, key};

const BATTERY: &str = "tests/data/bundle-battery.toml";
const CONTROLS: [&str; 5] = ["kjv-1", "foldoc-1", "wordnet-1", "foldoc-b", "kjv-b"];

fn parentage(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_parentage"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The comparison that the fixture was made by.
fn compare(out: &Path, more: &[&str]) -> Output {
    let model = |name: &str| format!("models/family/{name}");
    let mut args: Vec<String> = ["compare", "-q", "--samples", "1", "--battery", BATTERY]
        .map(str::to_owned)
        .to_vec();
    let pairs = [("--protected", "teacher"), ("--suspect", "student-text")];
    let controls = CONTROLS.map(|name| ("--control", name));
    for (flag, name) in pairs.into_iter().chain(controls) {
        args.extend([flag.to_owned(), model(name)]);
    }
    args.extend(["--out".to_owned(), out.to_str().unwrap().to_owned()]);
    args.extend(more.iter().map(|a| (*a).to_owned()));
    parentage(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

fn bundles(out: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(out.join("cases")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths
}

fn all_bytes(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(all_bytes(&path));
        } else {
            all.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

/// Makes the fixture anew, after a change of what a bundle holds:
/// `cargo test --release --features hub --test bundle remake -- --ignored`.
#[test]
#[ignore = "writes tests/data/bundle"]
fn remake_the_fixture() {
    let directory = tempfile::tempdir().unwrap();
    let made = compare(directory.path(), &[]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let bundle = bundles(directory.path()).pop().unwrap();
    let [private, _] = key(directory.path(), 1, None);
    // Without commitments, whose secret is another one each time.
    let checked = Bundle::at(&bundle).check(&Demand::default(), &mut |_, _| ());
    let none = || Err(std::io::Error::other("none"));
    seal(&checked.unwrap(), &private, NAMESPACE, None, none).unwrap();
    fs::remove_dir_all(FIXTURE).unwrap();
    copy(&bundle, Path::new(FIXTURE));
}

#[test]
fn a_comparison_ends_in_a_bundle_that_holds_and_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path();
    let first = compare(out, &[]);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    let bundle = bundles(out).pop().unwrap();
    let path = bundle.to_str().unwrap();
    assert!(text(&first.stdout).contains(&format!("parentage verify {path}")));
    assert!(!text(&first.stdout).contains("[planned_after]"));

    let verified = parentage(&["verify", path]);
    assert_eq!(
        verified.status.code(),
        Some(0),
        "{}",
        text(&verified.stderr)
    );
    let lines: Vec<&str> = text(&verified.stdout).lines().collect();
    assert_eq!(lines.len(), 8, "{lines:?}");
    assert!(
        lines[4].contains("before the suspect was asked anything"),
        "{lines:?}"
    );

    // The report again, byte by byte, from the bundle alone and from anywhere.
    let moved = directory.path().join("moved");
    copy(&bundle, &moved);
    let moved = moved.to_str().unwrap();
    let json = parentage(&["report", moved, "--format", "json"]);
    assert_eq!(json.stdout, fs::read(out.join("report.json")).unwrap());
    let shown = parentage(&["report", moved]);
    assert!(text(&first.stdout).starts_with(text(&shown.stdout)));

    // The same run again changes nothing; nor does it break a seal.
    let before = all_bytes(&bundle);
    assert_eq!(compare(out, &[]).status.code(), Some(0));
    assert!(all_bytes(&bundle) == before);
    let [private, public] = key(directory.path(), 1, None);
    let sealed = parentage(&["seal", path, "--key", private.to_str().unwrap()]);
    assert_eq!(sealed.status.code(), Some(0), "{}", text(&sealed.stderr));
    assert!(text(&sealed.stdout).contains("ssh-keygen -Y verify"));
    let before = all_bytes(&bundle);
    assert_eq!(compare(out, &[]).status.code(), Some(0));
    assert!(all_bytes(&bundle) == before);
    let verified = parentage(&["verify", path, "--signer", public.to_str().unwrap()]);
    assert_eq!(
        verified.status.code(),
        Some(0),
        "{}",
        text(&verified.stderr)
    );

    // Another panel is another case; the suspect has answered by now, and the report says so.
    let other = compare(out, &["--base", "models/family/base-1"]);
    assert_eq!(other.status.code(), Some(0), "{}", text(&other.stderr));
    assert!(text(&other.stdout).contains("[planned_after]"));
    let [a, b] = &bundles(out)[..] else { panic!() };
    let (a, b) = if *a == bundle { (a, b) } else { (b, a) };
    let (a, b) = (a.to_str().unwrap(), b.to_str().unwrap());
    let verified = parentage(&["verify", b]);
    assert_eq!(
        verified.status.code(),
        Some(0),
        "{}",
        text(&verified.stderr)
    );
    assert!(text(&verified.stdout).contains("answers of the suspect are older"));

    let differs = parentage(&["diff", a, b]);
    let differs = text(&differs.stdout);
    assert!(differs.starts_with("FINDING    "), "{differs}");
    for part in [
        "items\n",
        "  base: - -> {",
        "figures\n",
        "caveats.planned_after",
    ] {
        assert!(differs.contains(part), "{part}: {differs}");
    }
    let json = parentage(&["diff", a, b, "--json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(json["changes"].as_array().unwrap().len() > 10);
    let same = parentage(&["diff", a, a]);
    assert!(text(&same.stdout).contains("Nothing differs."));
}

#[test]
fn a_bundle_that_does_not_hold_ends_with_six_and_names_file_and_step() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("bundle");
    copy(FIXTURE.as_ref(), &bundle);
    let gates = bundle.join("data/gates.json");
    fs::write(
        &gates,
        fs::read_to_string(&gates)
            .unwrap()
            .replace("false", "true "),
    )
    .unwrap();
    let path = bundle.to_str().unwrap();
    for command in ["verify", "report"] {
        let output = parentage(&[command, path]);
        assert_eq!(output.status.code(), Some(6));
        let stderr = text(&output.stderr);
        assert!(stderr.contains("step 2 (digests)"), "{stderr}");
        assert!(stderr.contains("'data/gates.json'"), "{stderr}");
    }
    assert_eq!(parentage(&["diff", FIXTURE, path]).status.code(), Some(6));
    let [private, _] = key(directory.path(), 1, None);
    let output = parentage(&["seal", path, "--key", private.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(6));
    let output = parentage(&["seal", FIXTURE, "--key", "/no/such/key"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn verify_answers_in_json() {
    let output = parentage(&["verify", FIXTURE, "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["steps"].as_array().unwrap().len(), 7);
    assert_eq!(json["finding"], "undecided");
}
