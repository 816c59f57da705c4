//! The command line, from a live comparison to verify, report, seal and diff.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use parentage::bundle::{Bundle, Demand, NAMESPACE, seal};
use serde_json::Value;

use super::bench::{FIXTURE, copy, key};
use super::sealed::{grant, openssl, there};

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
    assert_eq!(lines.len(), 9, "{lines:?}");
    assert!(lines[6].contains("taken as given"), "{lines:?}");
    assert!(lines[7].starts_with("--  weights"), "{lines:?}");
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

#[test]
fn the_comparison_of_weights_is_made_again_from_weights() {
    let model = |name: &str| format!("models/family/{name}");
    let with = |bundle: &str, names: &[&str]| {
        let weights: Vec<String> = names.iter().map(|n| model(n)).collect();
        let mut args = vec!["verify", bundle, "--weights"];
        args.extend(weights.iter().map(String::as_str));
        parentage(&args)
    };
    let two = ["teacher", "student-text"];
    let held = with(FIXTURE, &two);
    assert_eq!(held.status.code(), Some(0), "{}", text(&held.stderr));
    assert!(
        text(&held.stdout).contains("ok  weights"),
        "{}",
        text(&held.stdout)
    );
    // Whose digests are not in the bundle is refused by name, and so is a model whose weights are missing.
    let other = with(FIXTURE, &["teacher", "student-text", "sibling-1"]);
    assert_eq!(other.status.code(), Some(2));
    assert!(
        text(&other.stderr).contains("models/family/sibling-1"),
        "{}",
        text(&other.stderr)
    );
    assert!(text(&other.stderr).contains("those of no model in the bundle"));
    let missing = with(FIXTURE, &["teacher"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        text(&missing.stderr).contains("'models/family/student-text'"),
        "{}",
        text(&missing.stderr)
    );

    // A bundle whose figures of the weights are invented passes all steps, and not this.
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let made = compare(&out, &[]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let bundle = bundles(&out).pop().unwrap();
    let forged = super::bench::Copy::of(&bundle);
    forged.edit("data/gates.json", |gates| {
        gates["weights"]["p"] = 0.0.into();
        gates["weights"]["log10_p"] = (-848.0).into();
    });
    let error = super::bench::verify({
        forged.rebag();
        forged.path()
    });
    assert_eq!(error.unwrap_err().step.number(), 7);
    let report = {
        // Who has the tool makes the report of the invention.
        let checked = Bundle::at(forged.path()).check(&Demand::default(), &mut |_, _| ());
        let (_, _, report) = parentage::bundle::assess(&checked.unwrap());
        report
    };
    assert_eq!(report.finding.name(), "weight_derivative");
    for rendering in parentage::bundle::Rendering::ALL {
        forged.write(rendering.file(), rendering.render(&report).unwrap());
    }
    forged.reassess();
    forged.rebag();
    let path = forged.path().to_str().unwrap();
    let taken = parentage(&["verify", path]);
    assert_eq!(taken.status.code(), Some(0), "{}", text(&taken.stderr));
    assert!(
        text(&taken.stdout).contains("taken as given"),
        "{}",
        text(&taken.stdout)
    );
    let all: Vec<&str> = two.iter().chain(&CONTROLS).copied().collect();
    let refused = with(path, &all);
    assert_eq!(refused.status.code(), Some(6), "{}", text(&refused.stdout));
    assert!(
        text(&refused.stderr).contains("it has p = 10^-848.000"),
        "{}",
        text(&refused.stderr)
    );
}

/// A recording that was made beforehand, and lacks some of its probes.
fn pruned(out: &Path, name: &str, keep: usize, to: &Path) -> String {
    let recordings = fs::read_dir(out.join("recordings")).unwrap();
    let mut paths = recordings.map(|e| e.unwrap().path());
    let from = paths.find(|p| p.file_name().unwrap().to_str().unwrap().starts_with(name));
    copy(&from.unwrap(), to);
    let copy = super::bench::Copy::of(to);
    let mut lines = copy.lines("answers.jsonl");
    lines.retain(|line| {
        line["question"]["request"]["kind"] != "score" || line["question"]["variant"] != 9
    });
    let mut probes: Vec<String> = lines
        .iter()
        .map(|l| l["question"]["probe"].as_str().unwrap().to_owned())
        .collect();
    probes.sort();
    probes.dedup();
    probes.truncate(keep);
    lines.retain(|line| probes.iter().any(|p| line["question"]["probe"] == **p));
    let start = parentage::digest::of_bytes(&copy.read("recording.json"));
    copy.chain("answers.jsonl", &start, &lines);
    fs::copy(copy.at("answers.jsonl"), to.join("answers.jsonl")).unwrap();
    to.to_str().unwrap().to_owned()
}

#[test]
fn a_recording_that_lacks_answers_is_told_of_and_most_are_too_many() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    assert_eq!(compare(&out, &[]).status.code(), Some(0));
    let control = pruned(&out, "wordnet-1", 4, &directory.path().join("control"));
    let with = |name: &str, more: &[&str]| compare(&directory.path().join(name), more);
    let made = with("a", &["--control", &control]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let shown = text(&made.stdout);
    assert!(shown.contains("[incomplete_recording]"), "{shown}");
    let report = fs::read(directory.path().join("a/report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let controls = report["controls"].as_array().unwrap();
    let of = |name: &str| controls.iter().find(|c| c["name"] == name).unwrap();
    let (whole, part) = (of("kjv-1"), of("control"));
    let caveats = report["caveats"].as_array().unwrap();
    let caveat = caveats.iter().find(|c| c["code"] == "incomplete_recording");
    let words = caveat.unwrap()["text"].as_str().unwrap();
    let id = part["id"].as_str().unwrap();
    assert!(
        words.contains(&format!("planned questions, {id}: ")) && words.contains(" %)"),
        "{words}"
    );
    let (whole, part) = (&whole["answers"], &part["answers"]);
    assert!(part["unavailable"].as_u64() > Some(0), "{part}");
    assert!(part["answered"].as_u64() < whole["answered"].as_u64());
    let bundle = bundles(&directory.path().join("a")).pop().unwrap();
    let verified = parentage(&["verify", bundle.to_str().unwrap()]);
    assert_eq!(
        verified.status.code(),
        Some(0),
        "{}",
        text(&verified.stderr)
    );

    // Most of the suspect's answers are missing: it was asked something else.
    let suspect = pruned(&out, "student-text", 1, &directory.path().join("suspect"));
    let model = |name: &str| format!("models/family/{name}");
    let refused = parentage(&[
        "compare",
        "-q",
        "--samples",
        "1",
        "--battery",
        BATTERY,
        "--protected",
        &model("teacher"),
        "--suspect",
        &suspect,
        "--control",
        &model("kjv-1"),
        "--out",
        directory.path().join("b").to_str().unwrap(),
    ]);
    assert_ne!(refused.status.code(), Some(0));
    assert!(
        text(&refused.stderr).contains("more than half"),
        "{}",
        text(&refused.stderr)
    );

    // Another seed is another draw.
    let other = with("c", &["--control", &control, "--seed", "2"]);
    assert_eq!(other.status.code(), Some(2), "{}", text(&other.stderr));
    assert!(
        text(&other.stderr).contains("another seed"),
        "{}",
        text(&other.stderr)
    );

    // A question that is answered twice.
    let twice = directory.path().join("control");
    let lines = fs::read_to_string(twice.join("answers.jsonl")).unwrap();
    let mut again: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    again["response"] = serde_json::json!({ "kind": "refused", "reason": "another answer" });
    again["n"] = lines.lines().count().into();
    again["previous"] =
        parentage::digest::of_bytes(lines.lines().last().unwrap().as_bytes()).into();
    fs::write(twice.join("answers.jsonl"), format!("{lines}{again}\n")).unwrap();
    let refused = with("d", &["--control", &control]);
    assert_ne!(refused.status.code(), Some(0));
    assert!(
        text(&refused.stderr).contains("line 1 has answered otherwise"),
        "{}",
        text(&refused.stderr)
    );
}

#[cfg(unix)]
#[test]
fn a_pipe_is_no_recording() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    assert_eq!(compare(&out, &[]).status.code(), Some(0));
    let recording = pruned(&out, "kjv-1", 6, &directory.path().join("recording"));
    for file in ["answers.jsonl", "recording.json"] {
        let path = Path::new(&recording).join(file);
        fs::remove_file(&path).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success());
        let mut command = Command::new(env!("CARGO_BIN_EXE_parentage"));
        let output = command
            .args(["tree", &recording, &recording])
            .timeout(std::time::Duration::from_secs(20))
            .output()
            .unwrap();
        assert!(
            text(&output.stderr).contains("no ordinary file"),
            "{output:?}"
        );
    }
}

#[test]
fn a_plan_is_dated_before_anything_is_asked() {
    if !there("openssl") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (out, place) = (directory.path().join("out"), directory.path());
    let file = |name: &str| place.join(name).to_str().unwrap().to_owned();
    let plan = |out: &Path, more: &[&str]| {
        let model = |name: &str| format!("models/family/{name}");
        let (teacher, suspect) = (model("teacher"), model("student-text"));
        let mut args = vec![
            "plan",
            "-q",
            "--samples",
            "1",
            "--battery",
            BATTERY,
            "--protected",
            &teacher,
            "--suspect",
            &suspect,
            "--out",
            out.to_str().unwrap(),
        ];
        let controls = CONTROLS.map(model);
        for control in &controls {
            args.extend(["--control", control]);
        }
        args.extend(more);
        parentage(&args)
    };
    let planned = plan(&out, &["--tsa-request", &file("plan.tsq")]);
    assert_eq!(planned.status.code(), Some(0), "{}", text(&planned.stderr));
    assert!(text(&planned.stdout).contains("time stamp authority"));
    grant(place, &place.join("plan.tsq"));
    let reply = file("reply.tsr");
    let stored = plan(&out, &["--tsa-reply", &reply]);
    assert_eq!(stored.status.code(), Some(0), "{}", text(&stored.stderr));
    // Of another plan it is none.
    let other = plan(
        &place.join("other"),
        &["--tsa-reply", &reply, "--seed", "2"],
    );
    assert_eq!(other.status.code(), Some(2), "{}", text(&other.stderr));
    assert!(text(&other.stderr).contains("no time stamp of this plan"));

    let made = compare(&out, &[]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let bundle = bundles(&out).pop().unwrap();
    let verified = parentage(&["verify", bundle.to_str().unwrap()]);
    assert_eq!(
        verified.status.code(),
        Some(0),
        "{}",
        text(&verified.stderr)
    );
    assert!(text(&verified.stdout).contains("with a time stamp of the plan"));
    openssl(
        place,
        &[
            "ts",
            "-verify",
            "-CAfile",
            "tsa.pem",
            "-in",
            bundle.join("data/plan.json.tsr").to_str().unwrap(),
            "-data",
            bundle.join("data/plan.json").to_str().unwrap(),
        ],
    );
    let forged = super::bench::Copy::of(&bundle);
    let stamp = forged.read("data/plan.json.tsr");
    forged.write("data/plan.json.tsr", &stamp[..stamp.len() - 1]);
    let (step, why) = forged.refused();
    assert!(
        step == 5 && why.contains("is no time stamp of the plan"),
        "{why}"
    );
}

#[test]
fn a_chosen_seed_and_earlier_verdicts_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path();
    let chosen = compare(out, &["--seed", "7"]);
    assert_eq!(chosen.status.code(), Some(0), "{}", text(&chosen.stderr));
    assert!(
        text(&chosen.stdout).contains("[chosen_seed]"),
        "{}",
        text(&chosen.stdout)
    );
    let bundle = bundles(out).pop().unwrap();
    let verified = parentage(&["verify", bundle.to_str().unwrap()]);
    let first = text(&verified.stdout).to_owned();
    assert!(
        first.contains("7 times a model was asked, 0 verdicts before this one"),
        "{first}"
    );
    let usual = compare(&out.join("usual"), &[]);
    assert!(!text(&usual.stdout).contains("[chosen_seed]"));
}

#[test]
fn a_copy_that_a_full_disk_cut_off_is_made_whole() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path();
    assert_eq!(compare(out, &[]).status.code(), Some(0));
    let bundle = bundles(out).pop().unwrap();
    // Of a full disk an empty or a half copy may be left: the next run makes it whole.
    let whole = all_bytes(&bundle);
    let recording = fs::read_dir(bundle.join("data/recordings"));
    let recording = recording.unwrap().next().unwrap().unwrap().path();
    for (file, length) in [
        ("recording.json", 0),
        ("recording.json", 7),
        ("answers.jsonl", 0),
        ("answers.jsonl", 501),
    ] {
        let file = fs::OpenOptions::new()
            .write(true)
            .open(recording.join(file));
        file.unwrap().set_len(length).unwrap();
        fs::write(recording.join("answers.jsonl.partial"), "cut off").unwrap();
        let again = compare(out, &[]);
        assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
        assert!(all_bytes(&bundle) == whole);
    }
    // So are parts of the bundle's own files that a kill left: listed in a manifest, they would be missed later.
    for part in [
        "data/results/report.partial",
        "data/report/report.partial",
        "data/plan.partial",
        "bag-info.partial",
    ] {
        fs::write(bundle.join(part), "cut off").unwrap();
        fs::remove_file(bundle.join("manifest-sha256.txt")).unwrap();
        let again = compare(out, &[]);
        assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
        assert!(all_bytes(&bundle) == whole, "{part}");
    }
}
