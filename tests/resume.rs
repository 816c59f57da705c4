//! Recordings that were cut off, damaged or meant for something else.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};

use parentage::battery::{Battery, Tier};
use parentage::collect::{collect, header};
use parentage::evidence::{EvidenceError, Header, Recording, Store, read};
use parentage::model::Seed;
use parentage::model::local::{LocalModel, Options};
use parentage::question::{Access, Posing, Question, Request, ask_all};
use serde_json::Value;
use tempfile::TempDir;

const POSING: Posing = Posing {
    chat: false,
    raw: true,
    access: Access::Scored,
    samples: 2,
    repeats: 0,
    top: 8,
};
const SEED: Seed = Seed(1);

/// A model with a few questions for it.
struct Bench {
    model: LocalModel,
    header: Header,
    questions: Vec<Question>,
    directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/family/kjv-1");
        let model = LocalModel::open("kjv-1", &path, Options::default()).unwrap();
        let mut battery = Battery::built_in("core-v1").unwrap().select(Tier::Quick);
        battery.probes.truncate(9);
        Self {
            header: header(&model, &battery, POSING, SEED),
            questions: ask_all(&battery, POSING),
            model,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// A bench with everything answered, the recording, and the bytes of its answers.
    fn whole() -> (Self, Recording, Vec<u8>) {
        let bench = Self::new();
        bench.run().unwrap();
        let (recording, bytes) = (bench.read().unwrap(), fs::read(bench.answers()).unwrap());
        assert_eq!(recording.entries.len(), bench.questions.len());
        assert!(bench.questions.len() > 12);
        (bench, recording, bytes)
    }

    fn answers(&self) -> std::path::PathBuf {
        self.directory.path().join("answers.jsonl")
    }

    /// Collects what is missing; how much was kept.
    fn run(&self) -> Result<usize, EvidenceError> {
        let mut store = Store::open(self.directory.path(), &self.header)?;
        let tally = collect(&self.model, &self.questions, SEED, &mut store, &|| {
            ControlFlow::Continue(())
        });
        Ok(tally.unwrap().kept)
    }

    fn read(&self) -> Result<Recording, EvidenceError> {
        read(self.directory.path())
    }

    /// The line that both a reader and a writer refuse.
    fn refused(&self) -> u64 {
        let line = |error| match error {
            EvidenceError::Line { line, path, .. } if path == self.answers() => line,
            other => panic!("{other:?}"),
        };
        let (reader, writer) = (self.read().map(drop), self.run().map(drop));
        let reader = line(reader.unwrap_err());
        assert_eq!(reader, line(writer.unwrap_err()));
        reader
    }
}

/// Same questions, and the same answers but for what was drawn at random.
fn assert_alike(found: &Recording, whole: &Recording, at: usize) {
    let sorted = |recording: &Recording| {
        let mut entries = recording.entries.clone();
        entries.sort_by(|a, b| a.question.cmp(&b.question));
        entries
    };
    let (found, whole) = (sorted(found), sorted(whole));
    assert_eq!(found.len(), whole.len(), "cut at {at}");
    for (a, b) in found.iter().zip(&whole) {
        assert_eq!(a.question, b.question, "cut at {at}");
        if !matches!(a.question.request, Request::Write { .. }) {
            let value = |e| serde_json::to_value(e).unwrap();
            assert_close(&value(&a.response), &value(&b.response), at);
        }
    }
}

fn assert_close(a: &Value, b: &Value, at: usize) {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            let difference = (x.as_f64().unwrap() - y.as_f64().unwrap()).abs();
            assert!(difference < 1e-5, "cut at {at}: {x} and {y}");
        }
        (Value::Array(x), Value::Array(y)) => {
            assert_eq!(x.len(), y.len(), "cut at {at}");
            x.iter().zip(y).for_each(|(x, y)| assert_close(x, y, at));
        }
        (Value::Object(x), Value::Object(y)) => {
            assert!(x.keys().eq(y.keys()), "cut at {at}");
            x.values()
                .zip(y.values())
                .for_each(|(x, y)| assert_close(x, y, at));
        }
        _ => assert_eq!(a, b, "cut at {at}"),
    }
}

/// Where each line ends, its line feed included.
fn ends(bytes: &[u8]) -> Vec<usize> {
    (1..=bytes.len())
        .filter(|i| bytes[i - 1] == b'\n')
        .collect()
}

#[test]
fn a_recording_cut_anywhere_is_completed() {
    let (bench, whole, bytes) = Bench::whole();
    let mut cuts = vec![0, 1];
    let mut before = 0;
    for end in ends(&bytes) {
        cuts.extend([
            usize::midpoint(before, end),
            end - 1,
            end,
            (end + 1).min(bytes.len()),
        ]);
        before = end;
    }
    for cut in cuts {
        fs::write(bench.answers(), &bytes[..cut]).unwrap();
        let lines = ends(&bytes[..cut]).len();
        assert_eq!(bench.read().unwrap().entries[..], whole.entries[..lines]);
        assert_eq!(bench.run().unwrap(), lines, "cut at {cut}");
        let found = bench.read().unwrap();
        assert_eq!(found.entries[..lines], whole.entries[..lines]);
        assert_alike(&found, &whole, cut);
    }
}

#[test]
fn a_changed_byte_is_refused_by_line() {
    let (bench, _, bytes) = Bench::whole();
    let ends = ends(&bytes);
    for (line, pair) in (2_u64..).zip(ends.windows(2)).take(ends.len() - 2) {
        for place in [pair[0], usize::midpoint(pair[0], pair[1]), pair[1] - 2] {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            fs::write(bench.answers(), &changed).unwrap();
            let refused = bench.refused();
            // Unless the line itself shows it, the next one does.
            assert!(
                refused == line || refused == line + 1,
                "{refused} for {line}"
            );
            assert_eq!(fs::read(bench.answers()).unwrap(), changed);
        }
    }
}

#[test]
fn a_removed_or_swapped_line_is_refused() {
    let (bench, _, bytes) = Bench::whole();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    for place in 0..lines.len() - 1 {
        let mut fewer = lines.clone();
        fewer.remove(place);
        fs::write(bench.answers(), fewer.concat()).unwrap();
        assert_eq!(bench.refused(), place as u64 + 1);
        let mut swapped = lines.clone();
        swapped.swap(place, place + 1);
        fs::write(bench.answers(), swapped.concat()).unwrap();
        assert_eq!(bench.refused(), place as u64 + 1);
    }
}

#[test]
fn a_changed_header_is_refused() {
    let (bench, ..) = Bench::whole();
    let path = bench.directory.path().join("recording.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"kjv-1\"", "\"kjv-2\"")).unwrap();
    assert_eq!(bench.refused(), 1);
    fs::write(&path, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
    assert!(matches!(
        bench.read(),
        Err(EvidenceError::Format { found: 2, .. })
    ));
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    assert!(matches!(bench.read(), Err(EvidenceError::Header { .. })));
}

#[test]
fn another_recording_in_the_way_is_refused_and_kept() {
    let (bench, whole, _) = Bench::whole();
    let differs = |change: &dyn Fn(&mut Header)| {
        let mut other = bench.header.clone();
        change(&mut other);
        match Store::open(bench.directory.path(), &other) {
            Err(EvidenceError::Other { what, .. }) => what,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(differs(&|h| h.seed = Seed(2)), "the seed");
    assert_eq!(
        differs(&|h| h.battery.digest = "x".to_owned()),
        "the battery"
    );
    assert_eq!(differs(&|h| h.posing.samples = 9), "the posing");
    assert_eq!(bench.read().unwrap(), whole);
}

fn collecting(out: &Path, seed: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parentage"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "collect",
            "models/family/kjv-1",
            "--samples",
            "1",
            "--seed",
            seed,
        ])
        .arg("--out")
        .arg(out)
        .stdout(Stdio::null());
    command
}

#[test]
fn a_killed_run_is_completed_and_another_seed_is_sent_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path();
    let mut kills = 0;
    loop {
        let so_far = || fs::metadata(out.join("answers.jsonl")).map_or(0, |m| m.len());
        let before = so_far();
        let mut child = collecting(out, "1").stderr(Stdio::null()).spawn().unwrap();
        // Kill it as soon as it has written anything new, a few times over.
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if kills < 3 && so_far() > before {
                break None;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        };
        if let Some(status) = ended {
            assert!(status.success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 0);
    let recording = read(out).unwrap();
    let battery = Battery::built_in("core-v1").unwrap().select(Tier::Standard);
    let posing = recording.header.posing;
    let mut asked = ask_all(&battery, posing);
    let mut answered: Vec<_> = recording.entries.into_iter().map(|e| e.question).collect();
    asked.sort();
    answered.sort();
    assert_eq!(asked, answered);

    let other = collecting(out, "2").output().unwrap();
    assert_eq!(other.status.code(), Some(2));
    let stderr = String::from_utf8(other.stderr).unwrap();
    assert!(
        stderr.contains("the seed differs") && !stderr.contains("hint: what was answered"),
        "{stderr}"
    );
}
