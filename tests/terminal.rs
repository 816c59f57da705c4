//! One hostile text through every way on which text from outside reaches a terminal: nothing of it arrives that could
//! move the cursor, turn the direction of text or hide.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[expect(dead_code, reason = "the tests of bundles use the rest")]
#[path = "bundle/bench.rs"]
mod bench;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use assert_cmd::Command;
use bench::{Copy, copy};
use parentage::digest;
use serde_json::{Value, json};

/// It clears the screen, goes home, shows a passed step, goes back to the line's beginning, rings, clears by C1, deletes,
/// turns and hides.
const HOSTILE: &str =
    "\u{1b}[2J\u{1b}[Hok  7 verdict\r\u{7}\u{9b}2J\u{7f}\u{202e}\u{200b}\u{1b}[8m";
/// What is seen of a character that no parser takes out or escapes.
const SEEN: &str = "\u{2039}U+202E\u{203a}";

/// Runs a command that meets the hostile text, which must be seen and must do nothing.
fn shown(what: &str, command: &mut Command) {
    let output = command
        .timeout(std::time::Duration::from_mins(2))
        .output()
        .unwrap();
    let mut seen = false;
    for bytes in [&output.stdout, &output.stderr] {
        let text = std::str::from_utf8(bytes).unwrap();
        let bad = |c: &char| {
            (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{202e}' | '\u{200b}')
        };
        assert_eq!(text.chars().find(bad), None, "{what}: {text:?}");
        for line in text.lines() {
            assert!(!line.starts_with("ok  7"), "{what}: {text}");
        }
        seen |= text.contains(SEEN);
    }
    assert!(seen, "{what}: {output:?}");
}

fn parentage(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parentage"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args);
    command
}

#[test]
fn of_a_bundle() {
    // The kind of a record, in a chain that holds.
    let bundle = Copy::unsealed();
    let name = bundle.recordings()[0].clone();
    let (header, answers) = (
        format!("data/recordings/{name}/recording.json"),
        format!("data/recordings/{name}/answers.jsonl"),
    );
    let mut lines = bundle.lines(&answers);
    lines[3]["response"] = json!({ "kind": HOSTILE });
    bundle.chain(&answers, &digest::of_bytes(&bundle.read(&header)), &lines);
    bundle.rebag();
    let path = bundle.path().to_str().unwrap();
    for command in ["verify", "report"] {
        shown("record kind", &mut parentage(&[command, path]));
    }
    shown("record kind", &mut parentage(&["diff", path, path]));

    // A name in a manifest, and one of a file.
    let bundle = Copy::unsealed();
    let manifest = String::from_utf8(bundle.read("manifest-sha256.txt")).unwrap();
    bundle.write(
        "manifest-sha256.txt",
        format!("{manifest}{}  data/{HOSTILE}\n", "0".repeat(64)),
    );
    bundle.retag();
    shown(
        "manifest",
        &mut parentage(&["verify", bundle.path().to_str().unwrap()]),
    );
    let bundle = Copy::unsealed();
    bundle.write(&format!("data/{HOSTILE}"), "");
    shown(
        "file name",
        &mut parentage(&["verify", bundle.path().to_str().unwrap()]),
    );
}

/// A copy of a model of the family with one file made anew.
fn model(place: &Path, file: &str, bytes: &[u8]) -> String {
    let path = place.join(format!("model-{file}"));
    copy("models/family/kjv-1".as_ref(), &path);
    fs::write(path.join(file), bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn of_a_model() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let collect = |model: &str| {
        let mut command = parentage(&["collect", model, "--tier", "quick", "--samples", "1"]);
        command.arg("--out").arg(&out);
        command
    };
    let config = fs::read("models/family/kjv-1/config.json").unwrap();
    let mut config: Value = serde_json::from_slice(&config).unwrap();
    config["model_type"] = HOSTILE.into();
    let path = model(place.path(), "config.json", config.to_string().as_bytes());
    shown("model_type", &mut collect(&path));

    let header = json!({ HOSTILE: { "dtype": HOSTILE, "shape": [1], "data_offsets": [0, 4] } });
    let header = header.to_string();
    let mut weights = (header.len() as u64).to_le_bytes().to_vec();
    weights.extend(header.as_bytes());
    weights.extend([0; 4]);
    shown(
        "safetensors",
        &mut collect(&model(place.path(), "model.safetensors", &weights)),
    );

    // A model's name, in the line that says how far the work has come.
    let path = place.path().join(HOSTILE);
    copy("models/family/kjv-1".as_ref(), &path);
    shown("progress", &mut collect(path.to_str().unwrap()));

    // The header of a recording, and a line of it.
    let recording = place.path().join("recording");
    fs::create_dir(&recording).unwrap();
    let header = json!({ "format": 1, HOSTILE: 1, "identity": { "source": { "kind": HOSTILE } } });
    fs::write(recording.join("recording.json"), header.to_string()).unwrap();
    fs::write(recording.join("answers.jsonl"), "").unwrap();
    shown(
        "recording",
        &mut parentage(&[
            "tree",
            recording.to_str().unwrap(),
            recording.to_str().unwrap(),
        ]),
    );
}

#[test]
fn of_files_that_are_shared() {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = place.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let escaped = HOSTILE.chars().fold(String::new(), |all, c| {
        all + &format!("\\u{:04x}", u32::from(c))
    });
    let quoted = format!("\"{escaped}\"");
    let compare = |controls: &str| {
        parentage(&[
            "compare",
            "--protected",
            "models/family/teacher",
            "--suspect",
            "models/family/kjv-1",
            "--controls",
            controls,
            "--tier",
            "quick",
            "--out",
            place.path().join("out").to_str().unwrap(),
        ])
    };
    let lineage = file("lineage.toml", &format!("schema = 1\n[{HOSTILE}\n"));
    shown("lineage", &mut compare(&lineage));

    let battery = file(
        "battery/battery.toml",
        &format!("name = \"mine\"\nversion = 1\nabout = \"x\"\nfamilies = [\"f\"]\n{quoted} = 1\n"),
    );
    let directory = Path::new(&battery)
        .parent()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    for action in ["list", "lint"] {
        shown("battery", &mut parentage(&["battery", action, &directory]));
    }
    file(
        "battery/battery.toml",
        "name = \"mine\"\nversion = 1\nabout = \"x\"\nfamilies = [\"f\"]\n",
    );
    file(
        "battery/f.toml",
        &format!(
            "family = \"f\"\ntitle = {quoted}\nwhy = {quoted}\nsource = {quoted}\n[[probe]]\nid = \"f-1\"\nask = \"write\"\n\
             prompt = {quoted}\nmax_tokens = 4\n"
        ),
    );
    shown(
        "battery list",
        &mut parentage(&["battery", "list", &directory]),
    );
    shown(
        "battery show",
        &mut parentage(&["battery", "show", "f-1", "--battery", &directory]),
    );

    let line = |model: &str| json!({ "model": model, "prompt": "p", "answer": "y" }).to_string();
    let log = file("log.jsonl", &format!("{}\n{}\n", line(HOSTILE), line("b")));
    let out = place.path().join(format!("import-{HOSTILE}"));
    let mut import = parentage(&["import", &log, "--format", "jsonl", "--out"]);
    shown("imported log", import.arg(&out));
    let renamed = place.path().join(format!("{HOSTILE}.jsonl"));
    fs::write(&renamed, "{\"model\": \"a\", \"prompt\": 1}\n").unwrap();
    let mut import = parentage(&[
        "import",
        renamed.to_str().unwrap(),
        "--format",
        "jsonl",
        "--out",
    ]);
    shown("imported name", import.arg(&out));
}

#[test]
fn of_the_command_line() {
    let missing = format!("/no/such/{HOSTILE}");
    shown(
        "model",
        &mut parentage(&["collect", &missing, "--out", "/no/such/place"]),
    );
    shown("bundle", &mut parentage(&["verify", &missing]));
    shown(
        "hub",
        &mut parentage(&[
            "collect",
            &format!("hf:a/b@{HOSTILE}"),
            "--out",
            "/no/such/place",
        ]),
    );
    shown("flag", &mut parentage(&["collect", "x", "--tier", HOSTILE]));
    shown(
        "unknown flag",
        &mut parentage(&["collect", &format!("--{HOSTILE}")]),
    );
    shown("command", &mut parentage(&[HOSTILE]));
}

#[test]
fn of_an_endpoint() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).unwrap_or(0) > 2 {
                let lower = line.to_lowercase();
                if let Some(n) = lower.strip_prefix("content-length:") {
                    length = n.trim().parse().unwrap();
                }
                line.clear();
            }
            let _ = std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink());
            let body = json!({ "error": { "message": HOSTILE, "code": HOSTILE } }).to_string();
            let reply = format!(
                "HTTP/1.1 401 No\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = reader.get_mut().write_all(reply.as_bytes());
        }
    });
    let mut command = parentage(&["probe", "openai-api/mock/m"]);
    command
        .env("MOCK_BASE_URL", format!("http://{address}/v1"))
        .env("MOCK_API_KEY", "sk-0123456789abcdef");
    shown("endpoint", &mut command);
}
