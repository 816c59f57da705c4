//! `parentage marks`, from new marks to an outsider's check, on models of the shipped family and on recordings.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use parentage::evidence::{BatteryMark, FORMAT, Header, put};
use parentage::identity::{ModelIdentity, Source};
use parentage::model::{Answer, Seed};
use parentage::question::{Access, Posing, Prompt, Question, Request};
use parentage::response::{Finish, Response};
use serde_json::Value;

fn parentage(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_parentage"))
        .args(args)
        .arg("--quiet")
        .output()
        .unwrap()
}

fn done(args: &[&str]) -> String {
    let output = parentage(args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(args: &[&str], code: i32) -> String {
    let output = parentage(args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
    error
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Marks for two channels in a directory of their own.
fn marks(root: &Path) -> PathBuf {
    let marks = root.join("marks");
    let out = text(&marks);
    done(&[
        "marks",
        "new",
        "--channel",
        "api",
        "--channel",
        "partner",
        "--out",
        out,
    ]);
    marks
}

/// What a channel serves: prompt, second paraphrase and planted answer.
fn served(marks: &Path, channel: &str) -> Vec<(String, String, String)> {
    let lines = fs::read_to_string(marks.join(format!("serve/{channel}.jsonl"))).unwrap();
    let of = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (
            text(&value["prompt"]),
            text(&value["paraphrases"][1]),
            text(&value["answer"]),
        )
    };
    lines.lines().map(of).collect()
}

/// A recording of a suspect that says these words to these prompts.
fn recorded(directory: &Path, answers: &[(String, String)]) {
    let header = Header {
        format: FORMAT,
        tool: "0".to_owned(),
        identity: ModelIdentity {
            name: "suspect".to_owned(),
            source: Source::Scripted {
                script: "s".to_owned(),
            },
        },
        battery: BatteryMark {
            name: "elsewhere".to_owned(),
            version: 1,
            probes: answers.len(),
            digest: String::new(),
        },
        posing: Posing::usual(Access::Text),
        seed: Seed(1),
    };
    recorded_by(directory, &header, answers);
}

/// The same under a header of one's own.
fn recorded_by(directory: &Path, header: &Header, answers: &[(String, String)]) {
    let answers = answers.iter().enumerate().map(|(i, (prompt, text))| {
        let question = Question {
            probe: format!("prompt-{i}"),
            variant: 0,
            prompt: Prompt {
                pose: parentage::battery::Pose::Chat,
                text: prompt.clone(),
                lead: String::new(),
            },
            request: Request::Write {
                sample: 0,
                max_tokens: 48,
            },
        };
        let response = Response::Text {
            text: text.clone(),
            tokens: 9,
            finish: Finish::Stop,
        };
        let answer = Answer {
            rendered: prompt.clone(),
            response,
            exchange: None,
        };
        (question, answer)
    });
    put(directory, header, answers).unwrap();
}

/// A key for seals, by `ssh-keygen`, and a file of who may sign.
fn signer(root: &Path) -> (PathBuf, PathBuf) {
    let key = root.join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f", text(&key)])
        .status()
        .unwrap();
    assert!(made.success());
    (key, root.join("key.pub"))
}

/// A test of a student that took up every third mark of the partner's channel, sealed.
fn case(root: &Path) -> (PathBuf, PathBuf) {
    let marks = marks(root);
    let (key, public) = signer(root);
    done(&[
        "marks",
        "seal",
        text(&marks),
        "--key",
        text(&key),
        "--tsa-request",
    ]);
    let (partner, api) = (served(&marks, "partner"), served(&marks, "api"));
    assert_ne!(partner, api);
    let said: Vec<(String, String)> = partner
        .into_iter()
        .enumerate()
        .map(|(i, (prompt, paraphrase, planted))| match i % 3 {
            0 => (paraphrase, format!("I would say {planted}.")),
            1 => (prompt, "Hard to say.".to_owned()),
            _ => (
                prompt,
                "Clara, blue, the fox: make a list on Monday, cost first.".to_owned(),
            ),
        })
        .collect();
    let recording = root.join("suspect");
    recorded(&recording, &said);
    let case = root.join("case");
    done(&[
        "marks",
        "test",
        "--marks",
        text(&marks),
        "--channel",
        "partner",
        "--suspect",
        text(&recording),
        "--out",
        text(&case),
    ]);
    done(&["marks", "seal", text(&case), "--key", text(&key)]);
    (case, public)
}

#[test]
fn a_student_is_found_and_the_other_side_can_check_it() {
    let root = tempfile::tempdir().unwrap();
    let (case, public) = case(root.path());
    let said = done(&["marks", "verify", text(&case), "--signer", text(&public)]);
    for expected in [
        "name the one planted on 'partner'",
        "It does not show who did it",
        "The commitment is signed by SHA256:",
        "The result is signed by SHA256:",
        "by the signer demanded",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let json: Value =
        serde_json::from_str(&done(&["marks", "verify", text(&case), "--json"])).unwrap();
    let trial = &json["result"]["trial"];
    assert_eq!(trial["said"], "found");
    assert!(trial["channels"][0]["p_corrected"].as_f64().unwrap() < 1e-5);
    assert!(trial["channels"][1]["p"].as_f64().unwrap() > 1e-3);
    // The key of the channel that was not opened, and its name, are nowhere in what is handed out.
    let secret = fs::read_to_string(root.path().join("marks/keys/api.key")).unwrap();
    let opening = fs::read_to_string(case.join("opening.json")).unwrap();
    assert!(!opening.contains(secret.trim()) && !opening.contains("\"api\""));
}

#[test]
fn whatever_is_changed_in_a_case_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let (case, public) = case(root.path());
    let check = || {
        refused(
            &["marks", "verify", text(&case), "--signer", text(&public)],
            6,
        )
    };
    let changes = [
        ("commitment.json", "\"level\": 0.00001", "\"level\": 0.0001"),
        ("commitment.json", "\"channels\": 2", "\"channels\": 1"),
        ("commitment.json", "{\n", "{ \n"),
        ("opening.json", "\"key\": \"", "\"key\": \"0"),
        ("opening.json", "\"prompt\": \"", "\"prompt\": \"Y"),
        ("opening.json", "\"salt\": \"", "\"salt\": \"f"),
        ("classified.jsonl", "unclassified", "unanswered"),
        ("result.json", "\"hits\": ", "\"hits\": 1"),
        ("recording/answers.jsonl", "Hard to say", "Hard to tell"),
        ("recording/recording.json", "suspect", "another"),
        ("commitment.json.sig", "A", "B"),
        ("result.json.sig", "A", "B"),
    ];
    for (file, from, to) in changes {
        let path = case.join(file);
        let good = fs::read_to_string(&path).unwrap();
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{file} {from}");
        fs::write(&path, bad).unwrap();
        check();
        fs::remove_file(&path).unwrap();
        check();
        fs::write(&path, good).unwrap();
    }
    for file in ["notes.txt", "recording/notes.txt"] {
        fs::write(case.join(file), "x").unwrap();
        assert!(check().contains("notes.txt"));
        fs::remove_file(case.join(file)).unwrap();
    }
    // A line that is cut off, behind the last answer.
    let answers = case.join("recording/answers.jsonl");
    let good = fs::read(&answers).unwrap();
    fs::write(&answers, [good.clone(), b"{".to_vec()].concat()).unwrap();
    check();
    fs::write(&answers, good).unwrap();
    // A time stamp of something else.
    let request = case.join("commitment.json.tsq");
    let good = fs::read(&request).unwrap();
    fs::write(&request, [good.clone(), vec![0]].concat()).unwrap();
    assert!(check().contains("commitment.json.tsq"));
    fs::write(&request, good).unwrap();
    // Another signer.
    let other = root.path().join("other");
    fs::create_dir(&other).unwrap();
    let (_, stranger) = signer(&other);
    refused(
        &["marks", "verify", text(&case), "--signer", text(&stranger)],
        6,
    );
    done(&["marks", "verify", text(&case), "--signer", text(&public)]);
}

#[test]
fn weights_are_asked_and_an_innocent_model_is_not_found() {
    let root = tempfile::tempdir().unwrap();
    let marks = marks(root.path());
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/models/family/teacher");
    let case = root.path().join("case");
    let args = [
        "marks",
        "test",
        "--marks",
        text(&marks),
        "--channel",
        "api",
        "--channel",
        "partner",
        "--suspect",
        model,
        "--out",
        text(&case),
    ];
    let said = done(&args);
    assert!(said.contains("no evidence of innocence"), "{said}");
    let json: Value =
        serde_json::from_str(&done(&["marks", "verify", text(&case), "--json"])).unwrap();
    let channels = json["result"]["trial"]["channels"].as_array().unwrap();
    assert_eq!(channels.len(), 3);
    for channel in channels {
        assert_eq!(channel["probable"]["prompts"], 480);
        assert!(channel["p"].as_f64().unwrap() > 1e-3, "{channel}");
    }
    // A second test does not write over the first.
    assert!(refused(&args, 2).contains("is there already"));
}

#[test]
fn asking_stops_when_the_bets_have_won() {
    let root = tempfile::tempdir().unwrap();
    let marks = marks(root.path());
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/models/family/teacher");
    let case = root.path().join("case");
    done(&[
        "marks",
        "test",
        "--marks",
        text(&marks),
        "--channel",
        "api",
        "--suspect",
        model,
        "--access",
        "text",
        "--stop",
        "--out",
        text(&case),
    ]);
    let json: Value =
        serde_json::from_str(&done(&["marks", "verify", text(&case), "--json"])).unwrap();
    let trial = &json["result"]["trial"];
    // An innocent model: asked to the end, of text alone.
    assert_eq!(
        (&trial["stopped"], &trial["missing"]),
        (&Value::Bool(false), &Value::from(0))
    );
    assert!(trial["channels"][0].get("probable").is_none());
}

#[test]
fn what_is_not_usable_is_told_by_name() {
    let root = tempfile::tempdir().unwrap();
    let marks = marks(root.path());
    let at = text(&marks);
    let there = refused(&["marks", "new", "--channel", "x", "--out", at], 2);
    assert!(there.contains("is there already"));
    let out = root.path().join("other");
    let named = refused(
        &[
            "marks",
            "new",
            "--channel",
            "never-served",
            "--out",
            text(&out),
        ],
        2,
    );
    assert!(named.contains("never-served"));
    let many = refused(
        &[
            "marks",
            "new",
            "--channel",
            "x",
            "--prompts",
            "99999",
            "--out",
            text(&out),
        ],
        2,
    );
    assert!(many.contains("99999"));
    let unknown = refused(
        &[
            "marks",
            "test",
            "--marks",
            at,
            "--channel",
            "web",
            "--suspect",
            "x",
            "--out",
            text(&out),
        ],
        2,
    );
    assert!(unknown.contains("api, partner, never-served"), "{unknown}");
    // A key that was exchanged is not the one committed to.
    let key = marks.join("keys/api.key");
    fs::write(&key, format!("{}\n", "ab".repeat(32))).unwrap();
    let other = refused(
        &[
            "marks",
            "test",
            "--marks",
            at,
            "--channel",
            "api",
            "--suspect",
            "x",
            "--out",
            text(&out),
        ],
        6,
    );
    assert!(other.contains("not what was committed to"), "{other}");
    assert!(done(&["marks", "plan", "--channels", "3"]).contains("10 %"));
}

#[test]
fn choices_of_ones_own_are_taken_from_a_battery() {
    let root = tempfile::tempdir().unwrap();
    let own = root.path().join("own.toml");
    let probe = |i: usize| {
        format!(
            "[[probe]]\nid='o-{i}'\nask='choose'\nprompt='For day {i}: {{options}}?'\noptions=['tea','coffee','milk']\n"
        )
    };
    let probes: String = (0..30).map(probe).collect();
    fs::write(
        &own,
        format!("family='o'\ntitle='t'\nwhy='w'\nsource='s'\n{probes}"),
    )
    .unwrap();
    let out = root.path().join("marks");
    done(&[
        "marks",
        "new",
        "--battery",
        text(&own),
        "--channel",
        "api",
        "--out",
        text(&out),
    ]);
    let served = served(&out, "api");
    assert_eq!(served.len(), 30);
    assert_eq!(served[7].0, "For day 7: tea, coffee or milk?");
    assert!(
        served.iter().any(|(_, _, a)| a == "tea") && served.iter().any(|(_, _, a)| a == "milk")
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(out.join("keys/api.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0);
    }
}

fn openssl(directory: &Path, args: &str) {
    let mut command = Command::new("openssl");
    let run = command.args(args.split_whitespace()).current_dir(directory);
    let run = run.output().unwrap();
    let error = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "{error}");
}

/// An authority that exists for one test dates the commitment of some marks.
fn dated(root: &Path, marks: &Path) {
    const AUTHORITY: &str = "
[req]
distinguished_name = name
prompt = no
[name]
CN = tests
[stamping]
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = here
[here]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
";
    fs::write(root.join("ts.cnf"), AUTHORITY).unwrap();
    fs::write(root.join("serial"), "01\n").unwrap();
    done(&["marks", "seal", text(marks), "--tsa-request"]);
    fs::copy(marks.join("commitment.json.tsq"), root.join("request.tsq")).unwrap();
    openssl(
        root,
        "req -x509 -newkey rsa:2048 -nodes -keyout tsa.key -out tsa.pem -days 2 -subj /CN=tests -config ts.cnf -extensions stamping",
    );
    openssl(
        root,
        "ts -reply -config ts.cnf -out reply.tsr -queryfile request.tsq",
    );
    let reply = root.join("reply.tsr");
    done(&["marks", "seal", text(marks), "--tsa-reply", text(&reply)]);
}

/// A test of the shipped student, whose answers to the marked prompts are put in: it took up the marks of 'api'.
fn planted_test(root: &Path, marks: &Path, name: &str) -> PathBuf {
    let asked = root.join(format!("asked-{name}"));
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/models/family/student-text");
    done(&[
        "marks",
        "test",
        "--marks",
        text(marks),
        "--channel",
        "api",
        "--suspect",
        model,
        "--access",
        "text",
        "--out",
        text(&asked),
    ]);
    let header = parentage::evidence::header(&asked.join("recording")).unwrap();
    let forged = root.join(format!("forged-{name}"));
    let served = served(marks, "api").into_iter();
    let answers: Vec<_> = served.map(|(prompt, _, answer)| (prompt, answer)).collect();
    recorded_by(&forged, &header, &answers);
    let case = root.join(format!("case-{name}"));
    done(&[
        "marks",
        "test",
        "--marks",
        text(marks),
        "--channel",
        "api",
        "--suspect",
        text(&forged),
        "--out",
        text(&case),
    ]);
    case
}

fn compared(root: &Path, suspect: &str, case: &Path, out: &str, code: i32) -> (Value, PathBuf) {
    let family = concat!(env!("CARGO_MANIFEST_DIR"), "/models/family");
    let out = root.join(out);
    let output = parentage(&[
        "compare",
        "--protected",
        &format!("{family}/teacher"),
        "--suspect",
        &format!("{family}/{suspect}"),
        "--tier",
        "quick",
        "--access",
        "text",
        "--samples",
        "1",
        "--repeats",
        "2",
        "--marks",
        text(case),
        "--out",
        text(&out),
        "--json",
    ]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{error}");
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::String(error));
    let cases = fs::read_dir(out.join("cases")).map(|mut cases| cases.next());
    let bundle = cases
        .ok()
        .flatten()
        .map_or(out, |case| case.unwrap().path());
    (report, bundle)
}

#[test]
fn dated_marks_are_part_of_a_case_and_decide_it_without_controls() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let marks = marks(root);
    let (key, public) = signer(root);
    done(&["marks", "seal", text(&marks), "--key", text(&key)]);
    // Without a date they move nothing, and there are no controls.
    let undated = planted_test(root, &marks, "undated");
    let (report, _) = compared(root, "student-text", &undated, "undated", 5);
    assert_eq!(report["finding"], "inconclusive");
    assert!(
        report["marks"]["effect"]
            .as_str()
            .unwrap()
            .contains("nobody has dated")
    );
    dated(root, &marks);
    let case = planted_test(root, &marks, "dated");
    let (report, bundle) = compared(root, "student-text", &case, "dated", 0);
    assert_eq!(report["finding"], "distilled");
    assert_eq!(report["marks"]["without"], "inconclusive");
    // What the finding then rests on leads the limits.
    assert_eq!(report["caveats"][0]["code"], "marks_time_stamp");
    let sentence = report["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("Planted marks show") && sentence.contains("'api'"),
        "{sentence}"
    );
    let said = done(&["verify", text(&bundle)]);
    assert!(
        said.contains("planted marks, of which the commitment is signed by SHA256:"),
        "{said}"
    );
    for (format, words) in [
        ("terminal", "Planted marks"),
        ("md", "### Planted marks"),
        ("html", "<h3>Planted marks</h3>"),
    ] {
        let report = done(&["report", text(&bundle), "--format", format]);
        assert!(report.contains(words), "{format}");
    }
    if cfg!(feature = "pdf") {
        let print = root.join("report.pdf");
        done(&[
            "report",
            text(&bundle),
            "--format",
            "pdf",
            "--out",
            text(&print),
        ]);
        assert!(fs::read(&print).unwrap().starts_with(b"%PDF"));
    }
    // The test of one suspect is no test of another.
    let (error, _) = compared(root, "student-text-2", &case, "other", 1);
    assert!(
        error.to_string().contains("another model than the suspect"),
        "{error}"
    );
    redacted(root, &bundle, &key, &public);
    let result = bundle.join("data/marks/opening.json");
    let changed = fs::read_to_string(&result)
        .unwrap()
        .replacen("\"key\": \"", "\"key\": \"0", 1);
    fs::write(&result, changed).unwrap();
    refused(&["verify", text(&bundle)], 6);
}

/// A redacted copy tells the result and nothing of prompts, keys or answers.
fn redacted(root: &Path, bundle: &Path, key: &Path, public: &Path) {
    done(&["seal", text(bundle), "--key", text(key)]);
    done(&["verify", text(bundle), "--signer", text(public)]);
    let battery: Value =
        serde_json::from_slice(&fs::read(bundle.join("data/battery.json")).unwrap()).unwrap();
    let probe = battery["probes"][0]["id"].as_str().unwrap();
    let copy = root.join("redacted");
    done(&[
        "redact",
        text(bundle),
        "--probe",
        probe,
        "--reason",
        "private",
        "--out",
        text(&copy),
    ]);
    let output = parentage(&["verify", text(&copy), "--signer", text(public)]);
    assert_eq!(output.status.code(), Some(5));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("planted marks: found"), "{said}");
    let opening: Value =
        serde_json::from_slice(&fs::read(bundle.join("data/marks/opening.json")).unwrap()).unwrap();
    let leaves = opening["leaves"].as_array().unwrap();
    let mut secrets: Vec<&str> = Vec::new();
    for leaf in leaves {
        secrets.extend(leaf["channel"]["key"].as_str());
        secrets.extend(leaf["channel"]["salt"].as_str());
        secrets.extend(leaf["choice"]["choice"]["prompt"].as_str());
    }
    assert!(secrets.len() > 480);
    let case = fs::read_to_string(copy.join("data/case.jsonl")).unwrap();
    assert!(!copy.join("data/marks").exists());
    assert!(secrets.iter().all(|secret| !case.contains(secret)));
}
