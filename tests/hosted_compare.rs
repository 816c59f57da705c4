//! The whole job over HTTP: what is served by `parentage serve` is found to be what it is as weights.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use assert_cmd::cargo::CommandCargoExt as _;
use serde_json::Value;
use tempfile::TempDir;

const TOKEN: &str = "sk-never-to-be-written-4711";

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("models/family")
        .join(name)
}

fn parentage() -> Command {
    Command::cargo_bin("parentage").unwrap()
}

/// A server of one model, ended with the test.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn of(name: &str) -> Self {
        let mut process = parentage()
            .args(["serve", model(name).to_str().unwrap(), "--port", "0"])
            .env("PARENTAGE_SERVE_TOKEN", TOKEN)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let start = line.find("http").expect("the first line has the address");
        Self {
            process,
            address: format!("{}/v1", line[start..].trim()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Bench {
    teacher: Server,
    student: Server,
    directory: TempDir,
}

const CONTROLS: [&str; 6] = [
    "same-base-1",
    "sib1-text",
    "seed-5",
    "kjv-1",
    "foldoc-1",
    "sibling-2",
];

impl Bench {
    fn new() -> Self {
        Self {
            teacher: Server::of("teacher"),
            student: Server::of("student-logits"),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn command(&self, name: &str, protected: &str, suspect: &str, more: &[&str]) -> Command {
        let mut command = parentage();
        command
            .args(["compare", "--tier", "quick", "--samples", "2", "--json"])
            .args(["--protected", protected, "--suspect", suspect])
            .args(["--alternative", model("sibling-1").to_str().unwrap()])
            .args(["--out", self.directory.path().join(name).to_str().unwrap()])
            .args(more)
            .env("TEACHER_BASE_URL", &self.teacher.address)
            .env("STUDENT_BASE_URL", &self.student.address)
            .env("TEACHER_API_KEY", TOKEN)
            .env("STUDENT_API_KEY", TOKEN);
        for control in CONTROLS {
            command.args(["--control", model(control).to_str().unwrap()]);
        }
        command
    }

    fn compare(&self, name: &str, protected: &str, suspect: &str, more: &[&str]) -> Value {
        let output = self
            .command(name, protected, suspect, more)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        assert!(!stderr.contains(TOKEN));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

const TEACHER: &str = "openai-api/teacher/teacher";
const STUDENT: &str = "openai-api/student/student-logits";

fn score(report: &Value, measure: &str) -> f64 {
    let measures = report["measures"].as_array().unwrap();
    let found = measures.iter().find(|m| m["name"] == measure).unwrap();
    found["score"].as_f64().unwrap()
}

fn codes(report: &Value) -> Vec<&str> {
    let caveats = report["caveats"].as_array().unwrap();
    caveats
        .iter()
        .map(|c| c["code"].as_str().unwrap())
        .collect()
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn an_endpoint_is_found_to_be_what_its_weights_are() {
    let bench = Bench::new();
    let (teacher, student) = (model("teacher"), model("student-logits"));
    let (teacher, student) = (teacher.to_str().unwrap(), student.to_str().unwrap());
    let weights = bench.compare("a", teacher, student, &[]);
    for (protected, suspect) in [(TEACHER, STUDENT), (TEACHER, student), (teacher, STUDENT)] {
        let hosted = bench.compare("a", protected, suspect, &[]);
        assert_eq!(
            hosted["finding"], weights["finding"],
            "{protected} {suspect}"
        );
        // An endpoint names fewer top tokens, so the pool of strings is smaller; samples are drawn anew.
        for (measure, tolerance) in [
            ("preference", 1e-4),
            ("next", 0.02),
            ("likelihood", 0.1),
            ("likelihood_reverse", 0.1),
        ] {
            let (a, b) = (score(&hosted, measure), score(&weights, measure));
            assert!((a - b).abs() < tolerance, "{measure}: {a} {b}");
        }
        assert!(codes(&hosted).contains(&"behaviour_only"));
    }
    // The key reached the server and nothing else.
    let mut written = Vec::new();
    files(bench.directory.path(), &mut written);
    assert!(written.len() > 10);
    for path in written {
        let bytes = fs::read(&path).unwrap();
        let found = bytes.windows(TOKEN.len()).any(|w| w == TOKEN.as_bytes());
        assert!(!found, "{}", path.display());
    }
}

#[test]
fn the_model_behind_an_endpoint_is_recognised() {
    let bench = Bench::new();
    let teacher = model("teacher");
    let same = bench.compare("a", teacher.to_str().unwrap(), TEACHER, &[]);
    assert_eq!(same["finding"], "same_model", "{:?}", same["reasons"]);
    let top = bench.compare(
        "b",
        TEACHER,
        teacher.to_str().unwrap(),
        &["--access", "top"],
    );
    assert_eq!(top["finding"], "same_model", "{:?}", top["reasons"]);
    assert!(codes(&top).contains(&"reduced_access"));
    assert!(codes(&top).contains(&"settings_unseen"));
    // Texts alone do not make two models one, however alike they are: a close student could pass as well.
    // Which p comes out depends on the server's address, from which a model's own seed is drawn.
    let text = ["--access", "text", "--repeats", "24"];
    for suspect in [teacher.to_str().unwrap(), STUDENT] {
        let report = bench.compare("c", TEACHER, suspect, &text);
        assert_ne!(report["finding"], "same_model", "{:?}", report["reasons"]);
        assert!(report["texts"]["suspect"]["prompts"].as_u64().unwrap() > 0);
        assert!(codes(&report).contains(&"reduced_access"));
    }
}

#[test]
fn limits_end_a_run_that_can_be_gone_on_with() {
    let bench = Bench::new();
    let student = model("student-logits");
    let student = student.to_str().unwrap();
    let mut limited = bench.command("a", TEACHER, student, &["--max-calls", "120"]);
    let output = limited.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains("--max-calls"), "{stderr}");
    let report = bench.compare("a", TEACHER, student, &[]);
    assert!(report["finding"].is_string());
    // Without a price there is no limit of costs.
    let priceless = bench
        .command("b", TEACHER, student, &["--max-cost", "1"])
        .output()
        .unwrap();
    assert_eq!(priceless.status.code(), Some(2));
    // A wrong key is told at once, and is not shown.
    let wrong = bench
        .command("c", TEACHER, student, &[])
        .env("TEACHER_API_KEY", "sk-wrong-and-secret")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(7), "{stderr}");
    assert!(!stderr.contains("sk-wrong-and-secret"));
}

#[test]
fn probing_says_what_a_server_gives() {
    let server = Server::of("kjv-1");
    let output = parentage()
        .args(["probe", "openai-api/ours/kjv-1", "--json"])
        .env("OURS_BASE_URL", &server.address)
        .env("OURS_API_KEY", TOKEN)
        .output()
        .unwrap();
    assert!(output.status.success());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["abilities"]["score"]["status"], "verified");
    assert_eq!(report["abilities"]["chat"]["status"], "refused");
    assert_eq!(report["model"]["top"], 20);
    let missing = parentage()
        .args(["probe", "models/family/kjv-1"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn a_plan_says_what_it_takes_before_anything_is_asked() {
    let bench = Bench::new();
    let student = model("student-logits");
    let plan = |more: &[&str]| {
        let mut command = bench.command("a", TEACHER, student.to_str().unwrap(), more);
        let args: Vec<std::ffi::OsString> = command.get_args().map(Into::into).collect();
        let env: Vec<_> = command
            .get_envs()
            .filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned())))
            .collect();
        command = parentage();
        let args = args.into_iter().skip(1);
        command.arg("plan").args(args).envs(env).output().unwrap()
    };
    let unchecked = plan(&[]);
    let stderr = String::from_utf8_lossy(&unchecked.stderr);
    assert_eq!(unchecked.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("--check"), "{stderr}");
    let checked = plan(&["--check"]);
    let stderr = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{stderr}");
    let planned: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert!(planned["endpoints"]["protected"]["requests"].as_u64() > Some(1000));
    let path = planned["plan"].as_str().unwrap();
    let committed = fs::read(path).unwrap();
    // Nothing but the check was asked, and the comparison follows the plan.
    assert!(!bench.directory.path().join("a/recordings").exists());
    bench.compare("a", TEACHER, student.to_str().unwrap(), &[]);
    assert_eq!(fs::read(path).unwrap(), committed);
    assert_eq!(
        fs::read_dir(bench.directory.path().join("a/cases"))
            .unwrap()
            .count(),
        1
    );
}
