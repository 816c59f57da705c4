//! Many suspects at once by the command line: from files of answers to a page, and from a row to its full case.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

fn run(place: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parentage"));
    command.current_dir(place).args(args).output().unwrap()
}

fn done(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
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

fn answer(own: &[String], other: &[String], share: f64, seed: u64) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut words = Vec::new();
    for _ in 0..60 {
        let of = if rng.random_bool(share) { other } else { own };
        let place = rng
            .random_range(0..of.len())
            .min(rng.random_range(0..of.len()));
        words.push(of[place].clone());
    }
    words.join(" ")
}

/// A student of `teacher`, another teacher of its like, and twelve others, each with thirty answers.
fn import(place: &Path) {
    let common = manner(1);
    let mut lines = String::new();
    let mut model = |name: &str, seed: u64, own: &[String], share: f64| {
        for prompt in 0..30 {
            let line = json!({
                "model": name,
                "prompt": format!("Question {prompt}?"),
                "answer": answer(own, &common, share, 1000 * seed + prompt),
            });
            writeln!(lines, "{line}").unwrap();
        }
    };
    let teacher = manner(2);
    model("teacher", 1, &teacher, 0.5);
    model("student", 2, &teacher, 0.5);
    model("rival", 3, &manner(3), 0.5);
    for stranger in 0..12 {
        model(
            &format!("stranger-{stranger}"),
            10 + stranger,
            &manner(10 + stranger),
            0.5,
        );
    }
    fs::write(place.join("answers.jsonl"), lines).unwrap();
    let args = [
        "import",
        "answers.jsonl",
        "--format",
        "jsonl",
        "--out",
        "imported",
        "-q",
    ];
    done(&run(place, &args));
}

fn screening(place: &Path) -> Value {
    serde_json::from_slice(&fs::read(place.join("out/screen.json")).unwrap()).unwrap()
}

/// Runs a row's command and holds the row against the report.
fn same_as_full_case(place: &Path, row: &Value) {
    let words = row["command"].as_array().unwrap();
    let mut words: Vec<&str> = words.iter().map(|w| w.as_str().unwrap()).collect();
    assert_eq!(words.remove(0), "parentage");
    words.extend(["--json", "-q"]);
    let report: Value = serde_json::from_str(&done(&run(place, &words))).unwrap();
    assert_eq!(report["finding"], row["finding"], "{row}");
    let near = |a: &Value, b: &Value| match (a.as_f64(), b.as_f64()) {
        // Sums in another order differ by rounding.
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * b.abs(),
        (a, b) => a.is_none() && b.is_none(),
    };
    let pooled = &report["pooled"];
    assert!(near(&row["p"], &pooled["t_p"]), "{row} {pooled}");
    assert!(near(&row["t"], &pooled["t"]), "{row} {pooled}");
    assert!(near(&row["log10_lr"], &report["log10_lr"]), "{row}");
}

/// Declares two houses among the imported models.
fn write_lineage(place: &Path) {
    let mut lineage = "schema = 1\nname = \"all\"\n".to_owned();
    let mut entry = |id: &str, group: Option<&str>| {
        write!(
            lineage,
            "[[model]]\nid = \"{id}\"\npath = \"imported/{id}\"\nkind = \"\"\n"
        )
        .unwrap();
        if let Some(group) = group {
            writeln!(lineage, "group = \"{group}\"").unwrap();
        }
    };
    entry("teacher", Some("school"));
    entry("stranger-0", Some("school"));
    entry("rival", Some("rivals"));
    entry("student", None);
    for stranger in 1..12 {
        entry(&format!("stranger-{stranger}"), None);
    }
    fs::write(place.join("lineage.toml"), lineage).unwrap();
}

#[test]
fn a_directory_of_imported_answers_is_screened_and_a_row_gives_its_full_case() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    import(place);
    // One was imported from elsewhere, by other prompts, and one is named that is not there.
    fs::write(
        place.join("other.jsonl"),
        "{\"model\":\"other\",\"prompt\":\"Another question?\",\"answer\":\"An answer.\"}\n",
    )
    .unwrap();
    let args = [
        "import",
        "other.jsonl",
        "--format",
        "jsonl",
        "--out",
        "elsewhere",
        "-q",
    ];
    done(&run(place, &args));
    let mut names: Vec<String> = (0..12).map(|n| format!("imported/stranger-{n}")).collect();
    names.extend(["imported/student", "elsewhere/other", "nowhere"].map(str::to_owned));
    fs::write(place.join("suspects.txt"), names.join("\n")).unwrap();
    let args = [
        "screen",
        "--protected",
        "imported/teacher",
        "imported/rival",
        "--suspects",
        "suspects.txt",
        "--out",
        "out",
        "-q",
    ];
    let text = done(&run(place, &args));
    assert!(
        text.contains("13 suspects against 2 protected models"),
        "{text}"
    );
    let screening = screening(place);
    assert_eq!(screening["schema"], "parentage.screening/1");
    let rows = screening["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 26);
    assert_eq!(rows[0]["suspect"], "student", "{text}");
    assert_eq!(rows[0]["protected"], "teacher");
    let aside = screening["aside"].as_array().unwrap();
    let why: Vec<&str> = aside.iter().map(|a| a["why"].as_str().unwrap()).collect();
    assert_eq!(why, ["other_questions", "unusable"], "{aside:?}");
    for file in ["screen.html", "screen.csv"] {
        let text = fs::read_to_string(place.join("out").join(file)).unwrap();
        assert!(
            text.contains("stranger-11") && text.contains("nowhere"),
            "{file}"
        );
    }
    // The commands of the first and the last row, as they stand there.
    for row in [&rows[0], &rows[25]] {
        same_as_full_case(place, row);
    }
    // The same bytes come out again, on one thread as well.
    let before = fs::read(place.join("out/screen.json")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_parentage"));
    command
        .env("RAYON_NUM_THREADS", "1")
        .current_dir(place)
        .args(args)
        .assert()
        .success();
    assert_eq!(fs::read(place.join("out/screen.json")).unwrap(), before);
}

#[test]
fn a_house_is_asked_about_as_one_and_a_plan_asks_nothing() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    import(place);
    write_lineage(place);
    let plan = [
        "screen",
        "--houses",
        "--suspects",
        "lineage.toml",
        "--out",
        "out",
        "--plan",
        "-q",
    ];
    let text = done(&run(place, &plan));
    // Fifteen models, those of a house not against it.
    assert!(
        text.contains("27 pairs of 15 models, 15 of them recordings"),
        "{text}"
    );
    assert!(text.contains("0 requests to endpoints"), "{text}");
    assert!(!place.join("out/screen.json").exists());
    let args = [
        "screen",
        "--houses",
        "--suspects",
        "lineage.toml",
        "--out",
        "out",
        "-q",
    ];
    done(&run(place, &args));
    let screening = screening(place);
    let rows = screening["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 27);
    let of_school = |row: &&Value| row["protected"] == "school";
    let row = rows.iter().find(of_school).unwrap();
    let command: Vec<&str> = row["command"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w.as_str().unwrap())
        .collect();
    assert!(command.contains(&"--family"), "{command:?}");
    assert!(
        !rows
            .iter()
            .any(|r| r["suspect"] == "teacher" && r["protected"] == "school")
    );
    let house = [
        "screen",
        "--protected",
        "house:none",
        "--suspects",
        "lineage.toml",
        "--out",
        "out",
        "-q",
    ];
    let output = run(place, &house);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("house 'none'") && error.contains("hint:"),
        "{error}"
    );
}
