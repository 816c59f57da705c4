//! Every format with its traps, and what must not get through.

mod archives;
mod formats;
mod hostile;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::evidence::{self, Recording};
use crate::question::Request;
use crate::response::{Finish, Response};

/// Files of some names, in a directory of their own.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            directory.put(name, text.as_bytes());
        }
        directory
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.0.path().join("in").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn given(&self) -> PathBuf {
        self.0.path().join("in")
    }

    fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }

    fn read(&self, settings: &Settings) -> Result<Imported, ImportError> {
        read(&[self.given()], settings)
    }

    /// The recordings, by directory.
    fn import(&self, format: AnswerFormat) -> (Written, BTreeMap<String, Recording>) {
        self.import_with(&settings(format))
    }

    fn import_with(&self, settings: &Settings) -> (Written, BTreeMap<String, Recording>) {
        let written = self.read(settings).unwrap().write(&self.out()).unwrap();
        let models = written.models.iter().map(|m| m.directory.clone());
        let recordings = models.map(|name| {
            let recording = evidence::read(&self.out().join(&name)).unwrap();
            (name, recording)
        });
        let recordings = recordings.collect();
        (written, recordings)
    }

    fn error(&self, format: AnswerFormat) -> String {
        self.read(&settings(format)).unwrap_err().to_string()
    }
}

fn settings(format: AnswerFormat) -> Settings {
    Settings {
        format,
        fields: Fields::default(),
        model: None,
    }
}

/// What a model gave to a prompt, sample by sample.
fn to(recording: &Recording, prompt: &str) -> Vec<String> {
    let about = recording
        .entries
        .iter()
        .filter(|e| e.question.prompt.text == prompt);
    about.map(|e| in_short(&e.response)).collect()
}

fn in_short(response: &Response) -> String {
    match response {
        Response::Text { text, finish, .. } => match finish {
            Finish::Stop => text.clone(),
            Finish::Length => format!("{text} (cut)"),
        },
        Response::Refused { reason } => format!("refused: {reason}"),
        Response::Unavailable { reason } => format!("none: {reason}"),
        Response::Scored { scores } => {
            let logs: Vec<Option<f64>> = scores.iter().map(|s| s.log_probability).collect();
            format!("{logs:?}")
        }
        Response::Next { .. } => "next".to_owned(),
    }
}

fn bytes_below(directory: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes_below(&path, all);
        } else {
            all.insert(path.clone(), fs::read(path).unwrap());
        }
    }
}

#[test]
fn the_same_files_give_the_same_bytes_and_nothing_else_is_written_over() {
    let line = |model: &str, prompt: usize, answer: &str| {
        format!("{{\"model\":\"{model}\",\"prompt\":\"p{prompt}\",\"answer\":\"{answer}\"}}\n")
    };
    let text: String = (0..40)
        .flat_map(|i| [line("a", i, "x"), line("b", i, "y")])
        .collect();
    let files = Files::new(&[("a.jsonl", &text)]);
    files.import(AnswerFormat::Jsonl);
    let (mut first, mut again) = (BTreeMap::new(), BTreeMap::new());
    bytes_below(&files.out(), &mut first);
    // Broken off before the header of one recording was there.
    fs::remove_file(files.out().join("b/recording.json")).unwrap();
    files.import(AnswerFormat::Jsonl);
    bytes_below(&files.out(), &mut again);
    assert_eq!(first, again);
    assert_eq!(first.len(), 6);
    // An answer that was changed where it lies is not written over either.
    let kept = files.out().join("a/answers.jsonl");
    let whole = fs::read_to_string(&kept).unwrap();
    fs::write(&kept, whole.replacen("\"x\"", "\"w\"", 1)).unwrap();
    let refused = files.read(&settings(AnswerFormat::Jsonl)).unwrap();
    let refused = refused.write(&files.out()).unwrap_err();
    assert!(
        matches!(refused, ImportError::Recording { .. }),
        "{refused}"
    );
    assert!(fs::read_to_string(&kept).unwrap().contains("\"w\""));
    fs::write(&kept, whole).unwrap();
    // The same prompts, another answer: another import.
    files.put("a.jsonl", text.replacen("\"x\"", "\"z\"", 1).as_bytes());
    let refused = files.read(&settings(AnswerFormat::Jsonl)).unwrap();
    let refused = refused.write(&files.out()).unwrap_err();
    assert!(
        matches!(refused, ImportError::Recording { .. }),
        "{refused}"
    );
    // Another prompt: another battery.
    files.put("a.jsonl", text.replace("p39", "q").as_bytes());
    let refused = files.read(&settings(AnswerFormat::Jsonl)).unwrap();
    let refused = refused.write(&files.out()).unwrap_err();
    assert!(matches!(refused, ImportError::Taken { .. }), "{refused}");
    let mut after = BTreeMap::new();
    bytes_below(&files.out(), &mut after);
    assert_eq!(first, after);
}

#[test]
fn a_recording_says_where_its_answers_come_from_and_asks_what_the_battery_asks() {
    let files = Files::new(&[
        ("x/a.jsonl", r#"{"model":"m","prompt":"p","answer":"1"}"#),
        ("x/b.jsonl", r#"{"model":"n","prompt":"p","answer":"2"}"#),
    ]);
    let (_, recordings) = files.import(AnswerFormat::Jsonl);
    let header = &recordings["m"].header;
    let crate::identity::Source::Imported {
        format,
        files: named,
        model,
        ..
    } = &header.identity.source
    else {
        panic!("{header:?}");
    };
    assert_eq!((*format, model.as_str()), (AnswerFormat::Jsonl, "m"));
    assert_eq!(named.len(), 1);
    assert_eq!(named[0].name, "x/a.jsonl");
    assert_eq!(
        named[0].sha256,
        digest::of_bytes(br#"{"model":"m","prompt":"p","answer":"1"}"#)
    );
    assert_eq!(header.tool, env!("CARGO_PKG_VERSION"));
    let battery = files.out().join("battery");
    let battery = crate::battery::Battery::open(battery.to_str().unwrap()).unwrap();
    assert_eq!(header.battery, evidence::BatteryMark::of(&battery));
    let planned = crate::question::ask_all(&battery, header.posing);
    let asked: Vec<_> = recordings["m"]
        .entries
        .iter()
        .map(|e| e.question.clone())
        .collect();
    assert_eq!(asked, planned);
}
