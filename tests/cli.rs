//! The command line from end to end, on the shipped family of known lineage.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Mutex, OnceLock, PoisonError};

use assert_cmd::Command;
use predicates::prelude::*;
use serde_json::Value;

const FAMILY: &str = "models/family";
const LINEAGE: &str = "models/family/lineage.toml";
/// Innocent models without the protected model's data.
const STRANGERS: [&str; 5] = ["kjv-1", "foldoc-1", "wordnet-1", "foldoc-b", "kjv-b"];

/// What tests have in common, so that every model of the family is asked once.
struct Shared {
    directory: PathBuf,
    /// Comparisons use all cores and write one report.json: one at a time.
    turn: Mutex<()>,
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| Shared {
        directory: afresh("cli-shared"),
        turn: Mutex::new(()),
    })
}

/// An empty directory of the build's. What is shared to the end is never dropped, so that a temporary one would stay behind,
/// 150 MB with each run.
fn afresh(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

fn parentage() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parentage"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn model(name: &str) -> String {
    format!("{FAMILY}/{name}")
}

/// A quick comparison with the teacher; what it printed, and the report that it wrote.
fn compare(suspect: &str, more: &[&str]) -> (Output, Option<Value>) {
    let shared = shared();
    let _turn = shared.turn.lock().unwrap_or_else(PoisonError::into_inner);
    let out = shared.directory.as_path();
    let report = out.join("report.json");
    let _ = fs::remove_file(&report);
    let output = parentage()
        .args(["compare", "--quiet", "--tier", "quick", "--samples", "16"])
        .args(["--protected", &model("teacher"), "--suspect", suspect])
        .arg("--out")
        .arg(out)
        .args(more)
        .output()
        .unwrap();
    let report = fs::read(report).ok();
    (output, report.map(|r| serde_json::from_slice(&r).unwrap()))
}

/// The same among the controls of the lineage file; the finding.
fn finding(suspect: &str) -> String {
    let (output, report) = compare(&model(suspect), &["--controls", LINEAGE]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    report.unwrap()["finding"].as_str().unwrap().to_owned()
}

/// The recording of a model that the comparisons have made.
fn recording(name: &str) -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let made = afresh("cli-recordings");
        for name in ["student-text", "kjv-1", "sibling-1"] {
            collect(name, "quick", &made.join(name));
        }
        made
    });
    made.join(name)
}

fn collect(name: &str, tier: &str, out: &Path) {
    parentage()
        .args(["collect", &model(name), "--tier", tier, "--samples", "16"])
        .arg("--out")
        .arg(out)
        .assert()
        .success();
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn strangers() -> Vec<String> {
    let pairs = STRANGERS.map(|name| ["--control".to_owned(), model(name)]);
    pairs.into_iter().flatten().collect()
}

fn refs(strings: &[String]) -> Vec<&str> {
    strings.iter().map(String::as_str).collect()
}

#[test]
fn a_student_is_found_and_the_report_is_whole() {
    let (output, report) = compare(&model("student-text"), &["--controls", LINEAGE]);
    assert_eq!(output.status.code(), Some(0));
    let shown = text(&output.stdout);
    assert!(shown.contains("FINDING    distilled"), "{shown}");
    assert!(shown.contains("Likelihood ratio: log10 LR +"));
    assert!(!shown.contains('\u{1b}') && !text(&output.stderr).contains('\u{1b}'));
    let report = report.unwrap();
    // Its answers are dated, each of them.
    assert!(
        report["dates"]["written"]["from"].is_number(),
        "{}",
        report["dates"]
    );
    assert_eq!(report["dates"]["undated"], 0);
    assert!(report["dated"].as_str().unwrap().contains("GMT"));
    for field in [
        "schema",
        "finding",
        "reasons",
        "protected",
        "suspect",
        "base",
        "controls",
        "alternatives",
        "measures",
        "pooled",
        "log10_lr",
        "caveats",
    ] {
        assert!(report.get(field).is_some(), "{field}");
    }
    assert_eq!(report["schema"], "parentage.report/2");
    assert_eq!(report["finding"], "distilled");
    assert!(report["base"].is_null());
    let ratio = &report["ratio"];
    assert!(ratio["log10_lr"].as_f64().unwrap() > 1.0, "{ratio}");
    assert_eq!(ratio["log10_lr"], report["log10_lr"]);
    // The shipped family lies within what the population was tried in, but for the one sample.
    let samples = "another battery or another way of asking than was validated";
    assert_eq!(ratio["outside"], serde_json::json!([samples]));
    assert_eq!(report["controls"].as_array().unwrap().len(), 24);
    assert_eq!(report["alternatives"].as_array().unwrap().len(), 3);
    let measures = report["measures"].as_array().unwrap();
    let names: Vec<&str> = measures
        .iter()
        .map(|m| m["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "preference",
            "next",
            "likelihood",
            "likelihood_reverse",
            "style",
            "wording",
            "wording_reverse"
        ]
    );
    for figures in measures.iter().chain([&report["pooled"]]) {
        for field in ["score", "conformal_p", "t", "t_p", "probes"] {
            assert!(figures[field].is_number(), "{field} of {figures}");
        }
    }
    let caveats = report["caveats"].as_array().unwrap();
    for caveat in caveats {
        for field in ["code", "text", "advice"] {
            assert!(
                caveat[field].as_str().is_some_and(|t| !t.is_empty()),
                "{caveat}"
            );
        }
    }
    assert_eq!(caveats[0]["code"], "extrapolated");
    assert!(!report["left_out"]["teacher-q8"].is_null());
    assert!(report["left_out"]["student-logits"].is_string());
    assert!(shown.contains("report.html"), "{shown}");
}

#[test]
fn the_report_is_written_for_people_as_well() {
    let out = tempfile::tempdir().unwrap();
    let print = out.path().join("report.pdf");
    fs::write(&print, "of an older case").unwrap();
    let said = parentage()
        .args(["compare", "--quiet", "--tier", "quick", "--samples", "1"])
        .args(["--protected", &model("teacher")])
        .args(["--suspect", &model("student-text")])
        .args(strangers())
        .arg("--out")
        .arg(out.path())
        .assert()
        .success();
    if cfg!(feature = "pdf") {
        said.stdout(predicate::str::contains("for print report.pdf"));
        assert!(fs::read(&print).unwrap().starts_with(b"%PDF-1.7"));
    } else {
        said.stdout(predicate::str::contains("this build makes no PDF"));
        assert!(!print.exists());
    }
    let read = |name: &str| fs::read_to_string(out.path().join(name)).unwrap();
    let json: Value = serde_json::from_str(&read("report.json")).unwrap();
    let finding = json["finding"].as_str().unwrap().replace('_', " ");
    let page = read("report.html");
    assert!(page.starts_with("<!DOCTYPE html>"), "{}", &page[..40]);
    assert!(page.contains(&format!("<p class=\"rung\">{finding}</p>")));
    assert!(page.contains("<svg") && !page.contains("<script"));
    assert!(read("report.md").contains(&format!("**{finding}**")));
    let examples = json["examples"].as_array().unwrap();
    assert!(!examples.is_empty() && json["tree"]["labels"].is_array());
    // Nothing half written is left behind.
    let names = fs::read_dir(out.path()).unwrap();
    let names = names.map(|e| e.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|n| !n.contains("partial")));
}

#[test]
fn a_bundle_is_printed_with_the_same_bytes_by_every_process() {
    let print = || {
        let mut command = parentage();
        command.args(["report", "tests/data/bundle", "--format", "pdf"]);
        command.output().unwrap()
    };
    let first = print();
    if cfg!(feature = "pdf") {
        assert!(first.stdout.starts_with(b"%PDF-1.7"));
        assert!(first.stdout == print().stdout);
    } else {
        let said = String::from_utf8(first.stderr).unwrap();
        assert!(said.contains("this build makes no PDF"), "{said}");
        assert_eq!((first.status.code(), first.stdout.len()), (Some(2), 0));
    }
}

#[test]
fn the_schema_of_reports_only_grows() {
    let output = parentage().arg("schema").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    // Fields may be added to this picture; none may go or change what it is.
    insta::assert_json_snapshot!("schema", schema);
}

#[test]
fn the_same_recordings_give_the_same_report_and_json_alone() {
    let shared = shared();
    compare(&model("student-text"), &["--controls", LINEAGE]);
    let _turn = shared.turn.lock().unwrap_or_else(PoisonError::into_inner);
    let out = shared.directory.as_path();
    let run = || {
        let output = parentage()
            .args([
                "compare",
                "-q",
                "--tier",
                "quick",
                "--samples",
                "16",
                "--json",
            ])
            .args(["--protected", &model("teacher")])
            .args(["--suspect", &model("student-text"), "--controls", LINEAGE])
            .arg("--out")
            .arg(out)
            .output()
            .unwrap();
        assert_eq!(text(&output.stderr), "");
        (output.stdout, fs::read(out.join("report.json")).unwrap())
    };
    let first = run();
    assert_eq!(first.0, first.1);
    let json: Value = serde_json::from_slice(&first.0).unwrap();
    assert_eq!(json["finding"], "distilled");
    assert_eq!(first, run());
}

#[test]
fn a_control_is_not_accused() {
    let finding = finding("same-base-1");
    for accused in ["same_model", "weight_derivative", "distilled", "family"] {
        assert_ne!(finding, accused);
    }
}

#[test]
fn a_requantised_copy_is_the_same_model() {
    assert_eq!(finding("teacher-q8/model.gguf"), "same_model");
}

#[test]
fn training_further_is_a_weight_derivative() {
    assert_eq!(finding("teacher-further"), "weight_derivative");
}

#[test]
fn one_model_by_two_names_is_asked_by_one_writer_at_a_time() {
    let mut more = strangers();
    let own = tempfile::tempdir().unwrap();
    more.extend(["--out".to_owned(), own.path().to_str().unwrap().to_owned()]);
    let output = parentage()
        .args([
            "compare",
            "-q",
            "--tier",
            "quick",
            "--samples",
            "1",
            "--json",
        ])
        .args([
            "--protected",
            &model("teacher"),
            "--suspect",
            &model("teacher/"),
        ])
        .args(&more)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["finding"], "same_model");
}

#[test]
fn fewer_than_five_controls_say_nothing_but_show_the_likenesses() {
    let more = strangers();
    let (output, report) = compare(&model("student-text"), &refs(&more[..8]));
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(text(&output.stdout).contains("FINDING    inconclusive"));
    assert!(text(&output.stdout).contains("Likeness to the protected model by itself"));
    let report = report.unwrap();
    assert!(report["suspect"]["divergence"].is_number());
    for control in report["controls"].as_array().unwrap() {
        assert!(control["divergence"].is_number());
    }
}

#[test]
fn without_anything_matched_the_finding_stops_at_related() {
    let more = strangers();
    for suspect in [
        "student-text",
        "student-logits",
        "same-base-2",
        "sib1-logits",
    ] {
        let (output, report) = compare(&model(suspect), &refs(&more));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let finding = report.unwrap()["finding"].clone();
        for above in ["same_model", "weight_derivative", "distilled", "family"] {
            assert_ne!(finding, above, "{suspect}");
        }
    }
}

#[test]
fn a_base_is_subtracted_and_named() {
    let base = model("base-1");
    let (output, report) = compare(
        &model("student-text"),
        &["--controls", LINEAGE, "--base", &base],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("Base       base-1"));
    let report = report.unwrap();
    assert_eq!(report["base"]["name"], "base-1");
    assert!(report["pooled"]["controls"]["base"].is_null());
}

#[test]
fn a_recording_stands_for_a_model() {
    let suspect = recording("student-text");
    let (output, report) = compare(suspect.to_str().unwrap(), &["--controls", LINEAGE]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = report.unwrap();
    assert!(report["weights"].is_null());
    let caveats = report["caveats"].as_array().unwrap();
    assert!(caveats.iter().any(|c| c["code"] == "behaviour_only"));
    let measure = |name: &str| {
        let mut measures = report["measures"].as_array().unwrap().iter();
        measures.find(|m| m["name"] == name).unwrap().clone()
    };
    assert!(measure("preference")["score"].is_number());
    // It cannot be asked to read, but it can be read.
    assert!(measure("likelihood")["left_out"].is_string());
    assert!(measure("likelihood_reverse")["score"].is_number());
}

#[test]
fn recordings_of_another_tier_are_not_mixed_in() {
    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("kjv-1");
    collect("kjv-1", "standard", &other);
    let (output, report) = compare(other.to_str().unwrap(), &["--controls", LINEAGE]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(report.is_none());
    assert!(text(&output.stderr).contains("another battery"));
    assert!(text(&output.stderr).contains("hint: collect it again"));
}

#[test]
fn a_finding_ends_with_ten_only_when_asked_to() {
    let (output, _) = compare(
        &model("student-text"),
        &["--controls", LINEAGE, "--fail-on", "same_model,distilled"],
    );
    assert_eq!(output.status.code(), Some(10));
    let (output, _) = compare(
        &model("student-text"),
        &["--controls", LINEAGE, "--fail-on", "same_model"],
    );
    assert_eq!(output.status.code(), Some(0));
    let (output, _) = compare("x", &["--fail-on", "guilty"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_endpoint_of_which_nothing_can_be_asked_ends_with_its_own_code() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1 << 12]);
            let reply = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(reply.as_bytes());
        }
    });
    let output = parentage()
        .args(["probe", "openai-api/nowhere/m", "--quiet"])
        .env("NOWHERE_BASE_URL", &address)
        .output()
        .unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(text(&output.stdout).contains("can be asked: nothing"));
    assert!(stderr.contains(&format!("try {address}/v1")), "{stderr}");
}

#[test]
fn what_cannot_be_used_is_named_with_cause_and_code() {
    let directory = tempfile::tempdir().unwrap();
    let unknown = directory.path().join("unknown.toml");
    fs::write(
        &unknown,
        "schema = 1\nname = 'x'\n[[model]]\nid = 'a'\npath = 'a'\nkind = 'k'\nparents = ['nobody']\n",
    )
    .unwrap();
    let broken = directory.path().join("broken.toml");
    fs::write(&broken, "schema = ").unwrap();
    let teacher = model("teacher");
    let cases: [(&str, Vec<&str>, i32, &str); 5] = [
        (&teacher, vec!["--battery", "core-v9"], 2, "core-v9"),
        (
            &teacher,
            vec!["--controls", "/no/such/file.toml"],
            2,
            "cannot read lineage file",
        ),
        (
            &teacher,
            vec!["--controls", broken.to_str().unwrap()],
            2,
            "cannot parse lineage file",
        ),
        (
            &teacher,
            vec!["--controls", unknown.to_str().unwrap()],
            2,
            "'nobody'",
        ),
        ("no/such/model", vec![], 7, "is no model"),
    ];
    for (suspect, more, code, part) in cases {
        let (output, report) = compare(suspect, &more);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(report.is_none() && output.stdout.is_empty());
        let starts = |start: &str| stderr.lines().filter(|l| l.starts_with(start)).count();
        assert_eq!(starts("error: "), 1, "{stderr}");
        assert!(starts("  because: ") >= 1, "{stderr}");
        assert!(starts("hint: ") <= 1, "{stderr}");
        assert!(stderr.contains(part), "{stderr}");
        if code == 7 {
            assert_eq!(starts("hint: "), 1, "{stderr}");
        }
    }
}

#[test]
fn batteries_are_listed_shown_and_linted() {
    let battery = |args: &[&str]| parentage().arg("battery").args(args).assert();
    battery(&["list"]).success().stdout(
        predicate::str::contains("420 probes in 15 families")
            .and(predicate::str::contains("why: ")),
    );
    battery(&["show", "code-01"])
        .success()
        .stdout(predicate::str::contains("options: item_count | "));
    battery(&["show", "nothing"])
        .code(2)
        .stderr(predicate::str::contains(
            "neither a family nor a probe called 'nothing'",
        ));
    let directory = tempfile::tempdir().unwrap();
    let file = family(directory.path(), "weak", "weak");
    battery(&["lint", file.to_str().unwrap()])
        .code(2)
        .stdout(predicate::str::contains("family weak: has 2 probes"));
    let json = battery(&["list", "--json"])
        .success()
        .get_output()
        .stdout
        .clone();
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["probes"].as_array().unwrap().len(), 420);
}

#[test]
fn every_action_on_a_battery_answers_in_json() {
    for args in [["show", "code-01"], ["lint", "core-v1"]] {
        let output = parentage()
            .args(["battery", "--json"])
            .args(args)
            .output()
            .unwrap();
        let json: Result<Value, _> = serde_json::from_slice(&output.stdout);
        assert!(json.is_ok(), "{args:?}: {}", text(&output.stdout));
    }
}

/// A family file with one `choose` and one `next` probe.
fn family(directory: &Path, name: &str, prefix: &str) -> PathBuf {
    let path = directory.join(format!("{name}.toml"));
    let head = format!("family = '{name}'\ntitle = 't'\nwhy = 'w'\nsource = 's'\n");
    let choose = format!(
        "[[probe]]\nid = '{prefix}-1'\nask = 'choose'\nprompt = 'Which of {{options}}?'\noptions = ['red', 'blue']\n"
    );
    let next = format!("[[probe]]\nid = '{prefix}-2'\nask = 'next'\nprompt = 'The old'\n");
    fs::write(&path, head + &choose + &next).unwrap();
    path
}

#[test]
fn private_probes_join_a_user_battery() {
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join("own");
    fs::create_dir(&own).unwrap();
    family(&own, "mine", "mine");
    fs::write(
        own.join("battery.toml"),
        "name = 'own'\nversion = 3\nabout = 'a'\nfamilies = ['mine']\n",
    )
    .unwrap();
    let private = family(directory.path(), "private", "private");
    let out = directory.path().join("out");
    let run = |second: &Path| {
        let mut command = parentage();
        command
            .args(["collect", &model("kjv-1"), "--json", "--quiet", "--battery"])
            .arg(&own)
            .arg("--battery")
            .arg(second)
            .arg("--out")
            .arg(&out);
        command
    };
    let output = run(&private).output().unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["battery"]["name"], "own+private");
    assert_eq!(json["battery"]["probes"], 4);
    // Two rotations of each choice, and what follows each context.
    assert_eq!(json["answers"], 6);
    run(&own)
        .assert()
        .code(2)
        .stderr(predicate::str::contains("stands twice"));
    // The private probes are asked behind the published ones in a comparison too.
    let (more, private) = (strangers(), private.to_str().unwrap().to_owned());
    let mut args = refs(&more);
    args.extend(["--battery", "core-v1", "--battery", &private]);
    let (output, report) = compare(&model("student-text"), &args);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = report.unwrap();
    assert_eq!(report["battery"]["probes"], 62);
    let caveats = report["caveats"].as_array().unwrap();
    assert!(caveats.iter().all(|c| c["code"] != "published_battery"));
}

#[test]
fn recordings_are_drawn_as_a_tree() {
    let directory = tempfile::tempdir().unwrap();
    let svg = directory.path().join("tree.svg");
    let names = ["student-text", "kjv-1", "sibling-1"];
    parentage()
        .arg("tree")
        .args(names.map(recording))
        .arg("--svg")
        .arg(&svg)
        .assert()
        .success()
        .stdout(predicate::function(|out: &str| {
            names.iter().all(|n| out.contains(n))
        }));
    assert!(fs::read_to_string(svg).unwrap().starts_with("<svg"));
    let json = parentage()
        .args(["tree", "--json"])
        .args(names.map(recording))
        .output()
        .unwrap();
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let d = |i: usize, j: usize| json["divergence_nats"][i][j].as_f64().unwrap();
    // A student of the teacher and the teacher's sibling are nearer than either to the Bible.
    assert!(d(0, 2) < d(0, 1) && d(0, 2) < d(2, 1));
}

#[test]
fn shells_and_manuals_know_every_command() {
    let script = parentage().args(["completions", "bash"]).output().unwrap();
    assert!(script.status.success());
    let script = text(&script.stdout);
    let out = tempfile::tempdir().unwrap();
    parentage()
        .args(["man", "--out"])
        .arg(out.path())
        .assert()
        .success();
    for command in ["compare", "verify", "import", "validate", "view"] {
        assert!(
            script.contains(&format!("parentage__subcmd__{command}")),
            "{command}"
        );
        let page = out.path().join(format!("parentage-{command}.1"));
        let page = fs::read_to_string(page).unwrap();
        assert!(page.contains(&format!("parentage\\-{command}")), "{page}");
    }
}

#[test]
fn help_says_what_each_command_does() {
    for command in [
        "",
        "compare",
        "screen",
        "verify",
        "report",
        "seal",
        "diff",
        "collect",
        "battery",
        "tree",
        "schema",
        "marks",
        "import",
        "probe",
        "redact",
        "serve",
        "validate",
        "view",
        "completions",
        "man",
    ] {
        let args = [command, "--help"].into_iter().filter(|a| !a.is_empty());
        let output = parentage()
            .env("COLUMNS", "100")
            .args(args)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        let name = if command.is_empty() { "all" } else { command };
        insta::assert_snapshot!(format!("help_{name}"), text(&output.stdout));
    }
}

/// The id of a member by the name that it was given by.
fn id_of(report: &Value, role: &str, name: &str) -> String {
    let members = report[role].as_array().unwrap();
    let last = name.rsplit('/').next().unwrap();
    let member = members.iter().find(|m| m["name"] == last).unwrap();
    member["id"].as_str().unwrap().to_owned()
}

/// A recording of a model that gives one sentence and one distribution to everything.
fn indifferent(name: &str, to: &Path) -> String {
    let from = recording(name);
    fs::create_dir_all(to).unwrap();
    let header = fs::read(from.join("recording.json")).unwrap();
    fs::write(to.join("recording.json"), &header).unwrap();
    let (mut head, mut lines, mut next) =
        (parentage::digest::of_bytes(&header), String::new(), None);
    for line in fs::read_to_string(from.join("answers.jsonl"))
        .unwrap()
        .lines()
    {
        let mut entry: Value = serde_json::from_str(line).unwrap();
        match entry["response"]["kind"].as_str().unwrap() {
            "text" => entry["response"]["text"] = " I would rather not say.".into(),
            "next" => {
                let first = next.get_or_insert_with(|| entry["response"]["top"].clone());
                entry["response"]["top"] = first.clone();
            }
            _ => {}
        }
        entry["previous"] = head.into();
        let line = serde_json::to_string(&entry).unwrap();
        head = parentage::digest::of_bytes(line.as_bytes());
        lines += &(line + "\n");
    }
    fs::write(to.join("answers.jsonl"), lines).unwrap();
    to.to_str().unwrap().to_owned()
}

#[test]
fn a_suspect_that_answers_whatever_it_is_asked_is_named_and_nothing_is_found() {
    let place = tempfile::tempdir().unwrap();
    let suspect = indifferent("student-text", &place.path().join("indifferent"));
    let (output, report) = compare(&suspect, &refs(&strangers()));
    let report = report.unwrap_or_else(|| panic!("{output:?}"));
    assert_eq!(report["finding"], "inconclusive", "{report}");
    let reasons = report["reasons"].as_array().unwrap();
    let says = |r: &Value| {
        r.as_str()
            .unwrap()
            .contains("hardly depend on what it is asked")
    };
    assert!(reasons.iter().any(says), "{reasons:?}");
    let caveats = report["caveats"].as_array().unwrap();
    let named = caveats
        .iter()
        .find(|c| c["code"] == "unresponsive")
        .unwrap();
    let words = named["text"].as_str().unwrap();
    assert!(
        words.contains("suspect: one text makes up 100 %"),
        "{words}"
    );
    // As a control it is named as well, and a model that answers is not.
    let mut more = strangers();
    more.extend(["--control".to_owned(), suspect.clone()]);
    let (_, report) = compare(&model("student-text"), &refs(&more));
    let report = report.unwrap();
    let id = id_of(&report, "controls", &suspect);
    let caveats = report["caveats"].as_array().unwrap();
    let named = caveats
        .iter()
        .find(|c| c["code"] == "unresponsive")
        .unwrap();
    let words = named["text"].as_str().unwrap();
    assert!(
        words.contains(&format!("{id}: one text")) && !words.contains("suspect:"),
        "{words}"
    );
}

#[test]
fn a_suspect_that_answers_as_an_alternative_does_is_named() {
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("somebody");
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(model("sibling-1")).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    let mut more = strangers();
    more.extend(
        ["sibling-1", "sibling-2"]
            .map(model)
            .into_iter()
            .flat_map(|m| ["--alternative".to_owned(), m]),
    );
    let (output, report) = compare(copy.to_str().unwrap(), &refs(&more));
    let report = report.unwrap_or_else(|| panic!("{output:?}"));
    let caveats = report["caveats"].as_array().unwrap();
    let named = caveats
        .iter()
        .find(|c| c["code"] == "suspect_is_alternative")
        .unwrap();
    let words = named["text"].as_str().unwrap();
    let id = id_of(&report, "alternatives", &model("sibling-1"));
    assert!(
        words.contains(&format!("the same answers as {id} ")),
        "{words}"
    );
}

#[test]
fn a_path_without_a_bundle_is_told_from_a_bundle_that_does_not_hold() {
    let out = tempfile::tempdir().unwrap();
    let run = |path: &Path, more: &[&str]| {
        let run = parentage().arg("verify").arg(path).args(more).output();
        run.unwrap()
    };
    let missing = run(&out.path().join("nowhere"), &["--json"]);
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
    let said: Value = serde_json::from_slice(&missing.stderr).unwrap();
    assert!(
        said["error"].as_str().unwrap().contains("no bundle"),
        "{said}"
    );
    assert_eq!(run(out.path(), &[]).status.code(), Some(6));
    // The only bundle in a directory is the one that is meant.
    let fixture = Path::new("tests/data/bundle");
    let within = run(Path::new("tests/data"), &[]);
    assert_eq!(within.status.code(), run(fixture, &[]).status.code());
}

#[test]
fn names_that_mean_nothing_are_met_with_what_may_have_been_meant() {
    let out = tempfile::tempdir().unwrap();
    let collect = |name: &str| {
        let mut run = parentage();
        run.args(["collect", name, "--out"]).arg(out.path());
        run
    };
    let meant = "did you mean anthropic/claude-opus-5?";
    let run = collect("claude-opus-5").assert().code(7);
    run.stderr(predicate::str::contains(meant));
    let run = collect("models/nothing").assert().code(7);
    run.stderr(predicate::str::contains("hf:models/nothing"));
    // Ids of the lineage file are names of models.
    let mut plan = parentage();
    plan.args(["plan", "--protected", "teacher", "--suspect", "kjv-1"]);
    plan.args(["--controls", LINEAGE, "--tier", "quick", "--out"]);
    plan.arg(out.path()).assert().success();
}

#[test]
fn settings_stand_in_a_file() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("settings.toml");
    let doctor = || {
        let mut doctor = parentage();
        doctor.arg("doctor").env("PARENTAGE_CONFIG", &file);
        doctor
    };
    fs::write(&file, "[doctr]\n").unwrap();
    let run = doctor().assert().code(2);
    run.stderr(predicate::str::contains("'doctr'"));
    fs::write(&file, "json = true\n[verify]\nnamespace = \"x\"\n").unwrap();
    let run = doctor().output().unwrap();
    let found: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(found["settings"], file.to_str().unwrap());
    // Nothing in the file keeps it from being told.
    fs::write(&file, "json = true\nquiet = true\n").unwrap();
    let run = doctor().assert().success();
    run.stderr(predicate::str::contains("settings are taken from"));
}
