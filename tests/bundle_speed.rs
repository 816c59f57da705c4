//! How fast a bundle is verified, beside `sha256sum` on the same files in the same run, and how time and
//! memory grow with the number of records:
//!
//! `cargo test --release --test bundle_speed -- --ignored --nocapture`
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use parentage::battery::{Ask, Battery, Family, Pose, Probe};
use parentage::bundle::{Draft, Plan, Source};
use parentage::case::Gates;
use parentage::evidence::{BatteryMark, FORMAT, Header, Store, read};
use parentage::fingerprint::Fingerprint;
use parentage::identity::{ModelIdentity, Source as Origin};
use parentage::model::{Answer, Seed};
use parentage::panel::{Matching, Member, Panel};
use parentage::passes::SecondPass;
use parentage::question::{Access, Posing, Question, Request, ask_all};
use parentage::response::{Continuation, Finish, Response, Scored};

const POSING: Posing = Posing {
    chat: false,
    raw: true,
    access: Access::Scored,
    samples: 2,
    repeats: 0,
    top: 8,
};
const MODELS: usize = 8;

fn battery(probes: usize) -> Battery {
    let probe = |i: usize| Probe {
        id: format!("p-{i}"),
        family: "p".to_owned(),
        ask: match i % 3 {
            0 => Ask::Choose {
                options: ["yes", "no", "perhaps"].map(str::to_owned).to_vec(),
            },
            1 => Ask::Next,
            _ => Ask::Write { max_tokens: 32 },
        },
        pose: Pose::Raw,
        prompt: format!(
            "Question number {i}, long enough to look like one that somebody would put:"
        ),
        lead: String::new(),
    };
    Battery {
        name: "speed".to_owned(),
        version: 1,
        families: vec![Family {
            name: "p".to_owned(),
            title: "t".to_owned(),
            why: "w".to_owned(),
            source: "s".to_owned(),
        }],
        probes: (0..probes).map(probe).collect(),
    }
}

fn member(i: usize) -> Member {
    Member {
        id: format!("m-{i}"),
        model: format!("model-{i}"),
        kind: String::new(),
        matching: Matching::None,
        base: None,
        known_parents: Vec::new(),
        kinds: Vec::new(),
        group: None,
    }
}

fn panel() -> Panel {
    Panel {
        protected: member(0),
        suspect: member(1),
        base: None,
        controls: (2..MODELS).map(member).collect(),
        alternatives: vec![member(2)],
        left_out: Vec::new(),
        decidable: Vec::new(),
        family: Vec::new(),
    }
}

/// A number between 0 and 1 that depends on everything given.
fn unit(model: usize, text: &str) -> f64 {
    let seed = parentage::digest::seed(&(model, text));
    f64::from(u32::from_le_bytes([seed[0], seed[1], seed[2], seed[3]])) / f64::from(u32::MAX)
}

fn answer(model: usize, question: &Question) -> Answer {
    let response = match &question.request {
        Request::Score { texts } => Response::Scored {
            scores: texts
                .iter()
                .map(|text| Scored {
                    log_probability: Some(-4.0 * unit(model, &format!("{}{text}", question.probe))),
                    tokens: 2,
                })
                .collect(),
        },
        Request::Next { top } => Response::Next {
            top: (0..*top)
                .map(|i| Continuation {
                    text: format!(" word{i}"),
                    log_probability: -unit(model, &question.probe) - i as f64,
                })
                .collect(),
        },
        Request::Write { sample, .. } => Response::Text {
            text: format!(
                "What model {model} would say in sample {sample} about {}, and a few words more to fill a line.",
                question.probe
            ),
            tokens: 20,
            finish: Finish::Stop,
        },
    };
    Answer {
        rendered: question.prompt.text.clone(),
        response,
        exchange: None,
    }
}

/// Makes a bundle; gives its records and bytes of payload.
fn make(out: &Path, probes: usize) -> (std::path::PathBuf, usize, u64) {
    let (battery, panel) = (battery(probes), panel());
    let plan = Plan {
        readers: (0..MODELS).map(|i| format!("model-{i}")).collect(),
        ..Plan::new(panel.clone(), &battery, POSING, Seed(1))
    };
    let draft = Draft::begin(out, plan, &battery).unwrap();
    let mut sources = BTreeMap::new();
    let mut prints = BTreeMap::new();
    let first = ask_all(&battery, POSING);
    let mut stores = Vec::new();
    for i in 0..MODELS {
        let header = Header {
            format: FORMAT,
            tool: "speed".to_owned(),
            identity: ModelIdentity {
                name: format!("model-{i}"),
                source: Origin::Scripted {
                    script: i.to_string(),
                },
            },
            battery: BatteryMark::of(&battery),
            posing: POSING,
            seed: Seed(1),
        };
        let source = Source {
            name: format!("model-{i}"),
            directory: out.join(format!("recordings/model-{i}")),
        };
        draft.begun(&header.identity.name, &source);
        let mut store = Store::open(&source.directory, &header).unwrap();
        for question in &first {
            store.append(question, answer(i, question)).unwrap();
        }
        let recording = read(&source.directory).unwrap();
        prints.insert(
            header.identity.name.clone(),
            Fingerprint::new(&recording, &battery),
        );
        sources.insert(header.identity.name, source);
        stores.push(store);
    }
    let second = SecondPass::new(&panel, &prints, POSING.access);
    let mut records = 0;
    for (i, store) in stores.iter_mut().enumerate() {
        let questions = second.questions(&format!("model-{i}"), &battery, POSING);
        for question in &questions {
            store.append(question, answer(i, question)).unwrap();
        }
        records += first.len() + questions.len();
    }
    drop(stores);
    let path = draft.path().to_owned();
    draft
        .finish(&sources, &battery, &Gates::default(), battery.probes.len())
        .unwrap();
    fs::remove_dir_all(out.join("recordings")).unwrap();
    let info = fs::read_to_string(path.join("bag-info.txt")).unwrap();
    let oxum = info
        .lines()
        .find_map(|l| l.strip_prefix("Payload-Oxum: "))
        .unwrap();
    let bytes = oxum.split_once('.').unwrap().0.parse().unwrap();
    (path, records, bytes)
}

/// What a command took.
struct Took {
    seconds: f64,
    /// Until it said that all planned questions have a record, the last step before the verdict is drawn again.
    sealed: f64,
    /// Its largest resident memory in MB, where `time` tells it.
    peak: Option<f64>,
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn timed(command: &mut Command) -> Took {
    let start = Instant::now();
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut sealed = 0.0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if line.unwrap().contains("completeness") {
            sealed = start.elapsed().as_secs_f64();
        }
    }
    let output = child.wait_with_output().unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let kilobytes = stderr.lines().last();
    let kilobytes = kilobytes.and_then(|l| l.trim().parse::<f64>().ok());
    Took {
        seconds,
        sealed,
        peak: kilobytes.map(|k| k / 1e3),
    }
}

/// The quickest of five.
fn best(mut command: impl FnMut() -> Command) -> Took {
    let runs = (0..5).map(|_| timed(&mut command()));
    runs.min_by(|a, b| a.seconds.total_cmp(&b.seconds)).unwrap()
}

#[test]
#[ignore = "a benchmark: minutes, and a gigabyte of disk"]
#[expect(clippy::print_stdout, reason = "the table is the result")]
fn verify_beside_sha256sum() {
    let largest = std::env::var("PARENTAGE_RECORDS").map_or(1_000_000, |n| n.parse().unwrap());
    let timing = Path::new("/usr/bin/time").exists();
    let mut table = String::from(
        "records,MB,steps 1-6 s,verify s,verify MB/s,verify peak MB,report s,sha256sum s,sha256sum MB/s,steps 1-6/sha256sum,verify/sha256sum\n",
    );
    for records in [10_000_usize, 100_000, 1_000_000] {
        if records > largest {
            continue;
        }
        let directory = tempfile::tempdir().unwrap();
        // 68 records for three probes, over the eight models.
        let (path, records, bytes) = make(directory.path(), (records * 3).div_ceil(68));
        let megabytes = bytes as f64 / 1e6;
        let ours = |name: &str| {
            let program = env!("CARGO_BIN_EXE_parentage");
            let mut command = if timing {
                let mut command = Command::new("/usr/bin/time");
                command.args(["-f", "%M", program]);
                command
            } else {
                Command::new(program)
            };
            command.arg(name).arg(&path);
            command
        };
        let verify = best(|| ours("verify"));
        let report = best(|| ours("report"));
        let sum = best(|| {
            let mut command = Command::new("sha256sum");
            command
                .args(["--check", "--quiet", "manifest-sha256.txt"])
                .current_dir(&path);
            command
        });
        writeln!(
            table,
            "{records},{megabytes:.1},{:.3},{:.3},{:.0},{},{:.3},{:.3},{:.0},{:.2},{:.2}",
            verify.sealed,
            verify.seconds,
            megabytes / verify.seconds,
            verify
                .peak
                .map_or_else(|| "-".to_owned(), |p| format!("{p:.0}")),
            report.seconds,
            sum.seconds,
            megabytes / sum.seconds,
            verify.sealed / sum.seconds,
            verify.seconds / sum.seconds
        )
        .unwrap();
    }
    println!("{table}");
}
