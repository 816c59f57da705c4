//! Redacted copies: what is withheld is nowhere in them, what is shown is what was sealed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use parentage::bundle::{
    Choice, Demand, NAMESPACE, RedactError, Secret, Share, Signer, redact, seal,
};
use parentage::digest;
use serde_json::Value;

use super::bench::{Copy, FIXTURE, failure, key, verify, verify_redacted};

/// The probe that most tests withhold: open text, which other models read.
const PROBE: &str = "small-3";

fn choice(probes: &[&str]) -> Choice {
    Choice {
        probes: probes.iter().map(|p| (*p).to_owned()).collect(),
        reason: "privileged".to_owned(),
        ..Choice::default()
    }
}

fn record(recording: &str, n: u64) -> Choice {
    Choice {
        records: [(recording.to_owned(), n)].into(),
        ..choice(&[])
    }
}

fn redacted() -> Copy {
    Copy::committed(1).redacted(&choice(&[PROBE]))
}

fn answers(name: &str) -> String {
    format!("data/recordings/{name}/answers.jsonl")
}

#[test]
fn a_redacted_copy_shows_what_was_sealed_and_counts_the_rest() {
    let whole = Copy::committed(1);
    assert_eq!(verify(whole.path()).unwrap(), "undecided");
    let about = |line: &Value| line["question"]["probe"] == PROBE;
    let lines = whole.recordings().into_iter();
    let lines: Vec<Value> = lines
        .flat_map(|name| whole.lines(&answers(&name)))
        .collect();
    let records = Share {
        withheld: lines.iter().filter(|line| about(line)).count() as u64,
        of: lines.len() as u64,
    };
    assert!(records.withheld > 7 && records.withheld < records.of);
    let keys = tempfile::tempdir().unwrap();
    let [_, public] = key(keys.path(), 1, None);
    let demand = Demand {
        signer: Some(Signer::read(&public).unwrap()),
        ..Demand::default()
    };
    let copy = whole.redacted(&choice(&[PROBE]));
    let disclosed = verify_redacted(copy.path(), &demand).unwrap();
    assert_eq!(disclosed.found.finding.name(), "undecided");
    assert_eq!(disclosed.records, records);
    assert_eq!(disclosed.probes, Share { withheld: 1, of: 6 });
    assert_eq!(
        (disclosed.reason.as_str(), disclosed.figures),
        ("privileged", None)
    );
    // The same secret and the same choice give the same bytes.
    let again = Copy::committed(1).redacted(&choice(&[PROBE]));
    for file in copy.files() {
        assert!(copy.read(&file) == again.read(&file), "{file}");
    }
}

#[test]
fn shown_records_are_those_of_the_bundle_byte_for_byte() {
    let whole = Copy::committed(1);
    let copy = whole.redacted(&choice(&[PROBE]));
    let teacher = whole
        .recordings()
        .into_iter()
        .find(|r| r.starts_with("teacher"));
    let original = String::from_utf8(whole.read(&answers(&teacher.unwrap()))).unwrap();
    let mut seen = 0;
    for file in copy
        .files()
        .iter()
        .filter(|f| f.starts_with("data/recordings/"))
    {
        let text = String::from_utf8(copy.read(file)).unwrap();
        for line in text.lines().filter(|line| line.contains("\"n\":")) {
            let record = line.split_once(",\"question\":").unwrap().1;
            let record = record.strip_suffix('}').unwrap();
            seen += usize::from(original.contains(record));
        }
    }
    let about = |line: &&str| !line.contains(&format!("\"probe\":\"{PROBE}\""));
    assert_eq!(seen, original.lines().filter(about).count());
}

/// Everything that would tell of a withheld probe, or let a guess at it be checked.
fn telling(whole: &Copy, probe: &str) -> BTreeSet<String> {
    let mut telling = BTreeSet::new();
    let mut text = |value: &Value| {
        let Some(text) = value.as_str() else { return };
        // Shorter ones stand in other answers as well.
        if text.len() >= 12 {
            let json = value.to_string();
            telling.insert(json[1..json.len() - 1].to_owned());
            telling.insert(text.to_owned());
        }
        telling.insert(digest::of_bytes(text.as_bytes()));
        telling.insert(digest::of_value(&value));
    };
    let battery: Value = serde_json::from_slice(&whole.read("data/battery.json")).unwrap();
    for of in battery["probes"].as_array().unwrap() {
        if of["id"] == probe {
            text(&of["prompt"]);
        }
    }
    for name in whole.recordings() {
        for line in whole.lines(&answers(&name)) {
            if line["question"]["probe"] != probe {
                continue;
            }
            text(&line["question"]["prompt"]["text"]);
            text(&line["rendered"]);
            text(&line["response"]["text"]);
            for read in line["question"]["request"]["texts"]
                .as_array()
                .into_iter()
                .flatten()
            {
                text(read);
            }
        }
    }
    // Digests: of every file, of every line, and those that stand in the files.
    for file in whole.files() {
        let bytes = whole.read(&file);
        let known = ["bagit.txt", "commitments.txt", "bag-info.txt"];
        if !known.contains(&file.as_str()) && !file.starts_with("tagmanifest") {
            telling.insert(digest::of_bytes(&bytes));
        }
        let in_order = ["jsonl"].iter().any(|ending| file.ends_with(ending));
        for line in bytes.split(|b| *b == b'\n').filter(|_| in_order) {
            telling.insert(digest::of_bytes(line));
        }
    }
    let plan: Value = serde_json::from_slice(&whole.read("data/plan.json")).unwrap();
    telling.insert(plan["battery"]["digest"].as_str().unwrap().to_owned());
    telling.insert(plan["order"].to_string());
    for name in whole.recordings() {
        telling.insert(name.rsplit_once('-').unwrap().1.to_owned());
    }
    let info = String::from_utf8(whole.read("bag-info.txt")).unwrap();
    let field = |name: &str| {
        info.lines()
            .find_map(|l| l.strip_prefix(name))
            .unwrap()
            .to_owned()
    };
    let case = field("External-Identifier: ");
    telling.insert(case.rsplit_once('-').unwrap().1.to_owned());
    telling.insert(field("Payload-Oxum: "));
    telling.insert(field("Parentage-Blinding: "));
    let secret = String::from_utf8(whole.read("data/secret.txt")).unwrap();
    telling.insert(secret.trim().to_owned());
    telling
}

/// Files of a copy in which something stands, with what it is.
fn found(copy: &Copy, telling: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for file in copy.files() {
        let text = String::from_utf8(copy.read(&file)).unwrap();
        let standing = telling.iter().filter(|part| text.contains(*part));
        found.extend(standing.map(|part| format!("{file}: {part}")));
    }
    found
}

#[test]
fn nothing_tells_of_what_is_withheld() {
    let whole = Copy::committed(1);
    for probe in ["small-2", PROBE, "small-5", "small-6"] {
        let telling = telling(&whole, probe);
        assert!(telling.len() > 100, "{}", telling.len());
        // The search finds what is there to be found; the digests of some whole files stand in the tag
        // manifest, where they are covered by the secret.
        assert!(found(&whole, &telling).len() > 100);
        let mut figures = choice(&[probe]);
        figures.figures = true;
        for choice in [choice(&[probe]), figures] {
            let copy = whole.redacted(&choice);
            let mut found = found(&copy, &telling);
            let manifests = ["manifest-sha256.txt", "statement.dsse.json"];
            let covered = manifests.map(|file| {
                let digest = digest::of_bytes(&whole.read(file));
                format!("data/sealed/tagmanifest-sha256.txt: {digest}")
            });
            found.retain(|found| !covered.contains(found));
            assert!(found.is_empty(), "{found:#?}");
        }
        // Another probe's text is found, so the search is not blind to how the copy writes things.
        let shown = self::telling(&whole, "small-1");
        assert!(found(&whole.redacted(&choice(&[probe])), &shown).len() > 5);
    }
}

#[test]
fn what_covers_the_digests_under_the_seal_cannot_be_guessed() {
    // Two seals of one bundle, with two secrets: nothing in a copy that was made of all of it is the same,
    // so nobody without the secret can make it again.
    let seals = [1, 2].map(|number| {
        let (copy, keys) = (Copy::unsealed(), tempfile::tempdir().unwrap());
        let [private, _] = key(keys.path(), 1, None);
        let none = || Err(std::io::Error::other("none"));
        let secret = Secret::new([number; 32]);
        seal(&copy.checked(), &private, NAMESPACE, Some(&secret), none).unwrap();
        copy.redacted(&choice(&[PROBE]))
    });
    let lines = |copy: &Copy, file: &str| -> Vec<String> {
        let text = String::from_utf8(copy.read(file)).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    for file in ["tagmanifest-sha256.txt", "commitments.txt"] {
        let [a, b] = [0, 1].map(|i| lines(&seals[i], &format!("data/sealed/{file}")));
        for (a, b) in a.iter().zip(&b) {
            assert!(a != b || a.ends_with("  bagit.txt"), "{a}");
        }
    }
    let stub = |copy: &Copy| {
        let lines = lines(copy, "data/recordings/1.jsonl");
        lines.into_iter().find(|line| line.len() == 81).unwrap()
    };
    assert_ne!(stub(&seals[0]), stub(&seals[1]));
}

#[test]
fn a_single_record_takes_its_readers_along() {
    let whole = Copy::committed(1);
    let names = whole.recordings();
    let teacher = names.iter().find(|r| r.starts_with("teacher")).unwrap();
    let lines = whole.lines(&answers(teacher));
    let at = |line: &&Value| {
        line["question"]["probe"] == PROBE && line["question"]["request"]["kind"] == "write"
    };
    let line = lines.iter().find(at).unwrap();
    let text = line["response"]["text"].as_str().unwrap().to_owned();
    let copy = whole.redacted(&record(teacher, line["n"].as_u64().unwrap()));
    let disclosed = verify_redacted(copy.path(), &Demand::default()).unwrap();
    assert_eq!(disclosed.probes, Share { withheld: 0, of: 6 });
    // Every model reads the teacher's text, and the teacher those of seven.
    assert_eq!(disclosed.records.withheld, 1 + 6 + 7);
    assert!(found(&copy, &[text].into()).is_empty());
    // The suspect's own answer to the same probe is shown.
    let suspect = names.iter().find(|r| r.starts_with("student")).unwrap();
    let lines = whole.lines(&answers(suspect));
    let own = lines.iter().find(at).unwrap()["response"].to_string();
    assert_eq!(found(&copy, &[own].into()).len(), 1);
}

#[test]
fn figures_are_shown_on_demand() {
    let mut choice = choice(&[PROBE]);
    choice.figures = true;
    let whole = Copy::committed(1);
    let copy = whole.redacted(&choice);
    let figures = verify_redacted(copy.path(), &Demand::default())
        .unwrap()
        .figures;
    assert_eq!(
        figures.unwrap().as_bytes(),
        whole.read("data/report/report.txt")
    );
}

#[test]
fn what_cannot_be_withheld_says_why() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("copy");
    let with = |copy: &Copy, choice: &Choice| {
        let error = redact(&copy.checked(), choice, &out).unwrap_err();
        assert!(!out.exists());
        error
    };
    let whole = Copy::committed(1);
    let name = whole.recordings().remove(0);
    assert!(matches!(with(&whole, &choice(&[])), RedactError::Nothing));
    assert!(matches!(with(&whole, &choice(&["x"])), RedactError::Probe { id } if id == "x"));
    let far = with(&whole, &record(&name, 1000));
    assert!(matches!(far, RedactError::Record { n: 1000, .. }), "{far}");
    assert!(matches!(
        with(&whole, &record("x", 0)),
        RedactError::Record { .. }
    ));
    // A bundle that was sealed without commitments, and one that was not sealed.
    for copy in [Copy::new(), Copy::unsealed()] {
        let error = with(&copy, &choice(&[PROBE]));
        assert!(
            error
                .to_string()
                .contains("no seal that commits to single pieces"),
            "{error}"
        );
    }
    // Where a run could stop early, the order of asking tells of the text of the probes.
    let early = recommitted(|copy| copy.replan(|plan| plan["stop_when_decided"] = true.into()));
    assert!(matches!(
        with(&early, &choice(&[PROBE])),
        RedactError::Order
    ));
    assert!(redact(&early.checked(), &record(&name, 0), &out).is_ok());
    let inside = whole.path().join("data/copy");
    let inside = redact(&whole.checked(), &choice(&[PROBE]), &inside);
    assert!(matches!(inside, Err(RedactError::Inside { .. })));
    assert_eq!(verify(whole.path()).unwrap(), "undecided");
    let there = redact(&whole.checked(), &choice(&[PROBE]), &out);
    assert!(matches!(there, Err(RedactError::Exists { .. })));
    fs::remove_dir_all(&out).unwrap();
    // A model that is called after a recording.
    let named = recommitted(|copy| {
        let model = "models/family/foldoc-1";
        let plan = String::from_utf8(copy.read("data/plan.json")).unwrap();
        copy.write(
            "data/plan.json",
            plan.replace(&format!("\"{model}\""), &format!("\"{name}\"")),
        );
        copy.relog(|lines| {
            for line in lines {
                *line = serde_json::from_str(
                    &line
                        .to_string()
                        .replace(&format!("\"{model}\""), &format!("\"{name}\"")),
                )
                .unwrap();
            }
        });
        copy.replan(|_| ());
    });
    let error = with(&named, &choice(&[PROBE]));
    assert!(
        matches!(&error, RedactError::Named { digest } if name.ends_with(&format!("-{digest}"))),
        "{error}"
    );
}

/// The fixture, changed and then sealed.
fn recommitted(change: impl FnOnce(&Copy)) -> Copy {
    let (copy, keys) = (Copy::unsealed(), tempfile::tempdir().unwrap());
    change(&copy);
    copy.rebag();
    let [private, _] = key(keys.path(), 1, None);
    let none = || Err(std::io::Error::other("none"));
    let secret = Secret::new([9; 32]);
    seal(&copy.checked(), &private, NAMESPACE, Some(&secret), none).unwrap();
    copy
}

/// A forgery of a redacted copy, its manifests mended: refused at a step, in words.
fn forge(step: usize, part: &str, forgery: impl FnOnce(&Copy)) {
    let copy = redacted();
    forgery(&copy);
    copy.rebag();
    let error = verify_redacted(copy.path(), &Demand::default()).unwrap_err();
    let (found, text) = (error.step.number(), failure(&error));
    assert!(
        found == step && text.contains(part),
        "wanted {step} {part}; {text}"
    );
}

const RECORDS: &str = "data/recordings/1.jsonl";

/// Changes the lines of a file.
fn lines(copy: &Copy, file: &str, change: impl FnOnce(&mut Vec<String>)) {
    let text = String::from_utf8(copy.read(file)).unwrap();
    let mut lines = text.lines().map(|line| format!("{line}\n")).collect();
    change(&mut lines);
    copy.write(file, lines.concat());
}

fn is_stub(line: &str) -> bool {
    !line.contains("\"open\"")
}

fn stub(line: &str) -> String {
    format!("{}}}\n", &line[..80])
}

/// A line that shows something else, its commitment mended.
fn another(line: &str) -> String {
    instead(line, "\"log_probability\":-", "\"log_probability\":-1")
}

fn instead(line: &str, from: &str, to: &str) -> String {
    let (head, piece) = line.split_once(",\"open\":").unwrap();
    assert!(piece.contains(from), "{piece}");
    let piece = piece.replacen(from, to, 1);
    let salt = &head[head.len() - 65..head.len() - 1];
    let salt: Vec<u8> = (0..32)
        .map(|i| u8::from_str_radix(&salt[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    let shown = piece.strip_suffix("}\n").unwrap();
    let commitment = digest::of_bytes(&[&salt[..], shown.as_bytes()].concat());
    let (_, rest) = head.split_at(15 + 64);
    format!("{{\"commitment\":\"{commitment}{rest},\"open\":{piece}")
}

#[test]
fn a_touched_piece_is_refused_by_its_line() {
    for (from, to) in [
        ("\"log_probability\":-", "\"log_probability\":-1"),
        ("\"salt\":\"", "\"salt\":\"0"),
        ("{\"commitment\":\"", "{\"commitment\":\"0"),
    ] {
        forge(
            3,
            "line 3 of 'data/recordings/1.jsonl' does not show the piece",
            |copy| {
                lines(copy, RECORDS, |lines| {
                    assert!(!is_stub(&lines[2]));
                    let changed = lines[2].replacen(from, to, 1);
                    assert_ne!(changed, lines[2]);
                    // A digest keeps its length.
                    lines[2] = if to.ends_with('0') {
                        let at = changed.find(to).unwrap() + to.len() + 63;
                        [&changed[..at], &changed[at + 1..]].concat()
                    } else {
                        changed
                    };
                });
            },
        );
    }
    forge(
        3,
        "line 3 of 'data/recordings/1.jsonl' neither shows a piece",
        |copy| {
            lines(copy, RECORDS, |lines| {
                lines[2] = lines[2].replacen(',', ", ", 1);
            });
        },
    );
    // With the commitment mended, the list is another one.
    forge(
        3,
        "the commitments in 'data/recordings/1.jsonl' are not the sealed ones",
        |copy| {
            lines(copy, RECORDS, |lines| lines[2] = another(&lines[2]));
        },
    );
}

#[test]
fn moved_added_and_lost_pieces_are_refused() {
    for file in [
        RECORDS,
        "data/log.jsonl",
        "data/battery.jsonl",
        "data/case.jsonl",
    ] {
        let disorder = if file == RECORDS {
            // Records say their number themselves.
            "line 2 of 'data/recordings/1.jsonl' has number 1".to_owned()
        } else {
            format!("the commitments in '{file}' are not the sealed ones")
        };
        forge(3, &disorder, |copy| {
            lines(copy, file, |lines| lines.swap(1, 2));
        });
        let count = format!("'{file}' has ");
        forge(3, &count, |copy| {
            lines(copy, file, |lines| drop(lines.pop()));
        });
        forge(3, &count, |copy| {
            lines(copy, file, |lines| lines.insert(2, lines[1].clone()));
        });
        forge(3, &count, |copy| {
            lines(copy, file, |lines| lines.push(stub(&lines[1])));
        });
    }
    forge(3, "disagree about which files there are", |copy| {
        fs::remove_file(copy.at(RECORDS)).unwrap();
    });
    forge(3, "disagree about which files there are", |copy| {
        copy.write("data/recordings/99.jsonl", copy.read(RECORDS));
    });
    forge(
        3,
        "the commitments in 'data/recordings/1.jsonl' are not",
        |copy| {
            let [a, b] = [RECORDS, "data/recordings/2.jsonl"].map(|file| copy.read(file));
            copy.write(RECORDS, b);
            copy.write("data/recordings/2.jsonl", a);
        },
    );
}

#[test]
fn a_stub_too_many_is_refused_and_what_cannot_be_missed_must_be_shown() {
    forge(6, "of 'data/recordings/1.jsonl' withheld", |copy| {
        lines(copy, RECORDS, |lines| lines[2] = stub(&lines[2]));
    });
    forge(
        6,
        "declares 0 pieces of 'data/recordings/1.jsonl' withheld",
        |copy| {
            copy.edit("data/redaction.json", |r| r["withheld"][RECORDS] = 0.into());
        },
    );
    forge(6, "declares 1 pieces of 'data/x' withheld; 0 are", |copy| {
        copy.edit("data/redaction.json", |r| {
            r["withheld"]["data/x"] = 1.into();
        });
    });
    forge(6, "has format 2", |copy| {
        copy.edit("data/redaction.json", |r| r["format"] = 2.into());
    });
    for (file, at, step, what) in [
        ("data/case.jsonl", 0, 5, "plan"),
        ("data/case.jsonl", 3, 5, "finding"),
        ("data/log.jsonl", 0, 5, "log"),
        ("data/battery.jsonl", 0, 5, "battery's name"),
        (RECORDS, 0, 3, "header"),
    ] {
        forge(step, &format!("'{file}' withholds the {what}"), |copy| {
            lines(copy, file, |lines| lines[at] = stub(&lines[at]));
        });
    }
}

#[test]
fn more_may_be_withheld_from_a_copy_and_it_is_counted() {
    let copy = redacted();
    let before = verify_redacted(copy.path(), &Demand::default()).unwrap();
    lines(&copy, RECORDS, |lines| lines[2] = stub(&lines[2]));
    copy.edit("data/redaction.json", |r| {
        r["withheld"][RECORDS] = (r["withheld"][RECORDS].as_u64().unwrap() + 1).into();
    });
    copy.rebag();
    let after = verify_redacted(copy.path(), &Demand::default()).unwrap();
    assert_eq!(after.records.withheld, before.records.withheld + 1);
}

/// Mends the list of commitments for a file of pieces.
fn relist(copy: &Copy, file: &str) {
    let text = String::from_utf8(copy.read(file)).unwrap();
    let commitments = text.lines().flat_map(|line| {
        let hex = line.as_bytes()[15..79].chunks(2);
        hex.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
    });
    let digest = digest::of_bytes(&commitments.collect::<Vec<u8>>());
    lines(copy, "data/sealed/commitments.txt", |lines| {
        let line = lines.iter_mut().find(|l| l.ends_with(&format!("{file}\n")));
        line.unwrap().replace_range(..64, &digest);
    });
}

/// Mends what was signed.
fn relist_commitments(copy: &Copy) {
    let digest = digest::of_bytes(&copy.read("data/sealed/commitments.txt"));
    lines(copy, "data/sealed/tagmanifest-sha256.txt", |lines| {
        let line = lines
            .iter_mut()
            .find(|l| l.ends_with("  commitments.txt\n"));
        line.unwrap().replace_range(..64, &digest);
    });
}

/// What only whoever has the key can do: sign another list.
fn resign(copy: &Copy) {
    let keys = tempfile::tempdir().unwrap();
    let [private, _] = key(keys.path(), 1, None);
    let key = ssh_key::PrivateKey::from_openssh(fs::read(private).unwrap()).unwrap();
    let manifest = copy.read("data/sealed/tagmanifest-sha256.txt");
    let signature = key
        .sign(NAMESPACE, ssh_key::HashAlg::Sha512, &manifest)
        .unwrap();
    let pem = signature.to_pem(ssh_key::LineEnding::LF).unwrap();
    copy.write("data/sealed/tagmanifest-sha256.txt.sig", pem);
}

#[test]
fn what_a_sealer_forged_is_held_against_the_rest() {
    let seal = |copy: &Copy, file: &str, change: &dyn Fn(&mut Vec<String>)| {
        lines(copy, file, change);
        relist(copy, file);
        relist_commitments(copy);
        resign(copy);
    };
    let log = "data/log.jsonl";
    forge(
        6,
        "recording '1' has 11 answers; 'data/log.jsonl' ends it at 12",
        |copy| {
            seal(copy, log, &|lines| {
                let of = |line: &String| {
                    line.contains("\"ended\"") && line.contains("\"recording\":\"1\"")
                };
                let last = lines.iter().rposition(of).unwrap();
                lines[last] = instead(&lines[last], "\"answers\":11", "\"answers\":12");
            });
        },
    );
    forge(5, "something was asked before it was committed", |copy| {
        seal(copy, log, &|lines| lines.swap(0, 1));
    });
    forge(
        5,
        "'data/log.jsonl' and the recordings disagree about",
        |copy| {
            seal(copy, log, &|lines| {
                for line in lines {
                    if line.contains("\"recording\":\"1\"") {
                        *line = instead(line, "\"recording\":\"1\"", "\"recording\":\"88\"");
                    }
                }
            });
        },
    );
    forge(5, "recording '1' was made with another seed", |copy| {
        seal(copy, RECORDS, &|lines| {
            lines[0] = instead(&lines[0], "\"seed\":1", "\"seed\":2");
        });
    });
    // As many questions may be missing as records are withheld, and no more.
    for (others, refused) in [(2, false), (3, true)] {
        let copy = redacted();
        seal(&copy, RECORDS, &|lines| {
            let first = lines.iter_mut().skip(1).filter(|line| !is_stub(line));
            for line in first.take(others) {
                *line = instead(
                    line,
                    "\"question\":{\"probe\":\"",
                    "\"question\":{\"probe\":\"x",
                );
            }
        });
        copy.rebag();
        let checked = verify_redacted(copy.path(), &Demand::default());
        assert_eq!(checked.is_err(), refused, "{others}");
        if let Err(error) = checked {
            assert!(
                failure(&error).contains("recording '1' lacks 3 planned questions"),
                "{}",
                failure(&error)
            );
        }
    }
}

#[test]
fn other_commitments_are_not_covered_by_the_seal() {
    let forged = |copy: &Copy| {
        // A forger mends everything up to the list that was sealed.
        lines(copy, RECORDS, |lines| lines[2] = another(&lines[2]));
        relist(copy, RECORDS);
    };
    forge(
        4,
        "'data/sealed/commitments.txt' is not covered by the seal",
        forged,
    );
    forge(4, "does not sign this bundle", |copy| {
        forged(copy);
        relist_commitments(copy);
    });
    forge(
        3,
        "line 2 of 'data/sealed/commitments.txt' is no commitment",
        |copy| {
            lines(copy, "data/sealed/commitments.txt", |lines| {
                lines[1] = lines[1].replacen("  ", " ", 1);
            });
        },
    );
    // Another key seals another list: it holds, but not for who demands the right one.
    let keys = tempfile::tempdir().unwrap();
    let [_, public] = key(keys.path(), 1, None);
    let demand = Demand {
        signer: Some(Signer::read(&public).unwrap()),
        ..Demand::default()
    };
    let copy = Copy::committed(2).redacted(&choice(&[PROBE]));
    assert!(verify_redacted(copy.path(), &Demand::default()).is_ok());
    let error = verify_redacted(copy.path(), &demand).unwrap_err();
    assert!(failure(&error).contains("who is not the signer demanded"));
    let copy = redacted();
    let other = Copy::committed(2).redacted(&choice(&[PROBE]));
    let signature = "data/sealed/tagmanifest-sha256.txt.sig";
    copy.write(signature, other.read(signature));
    copy.rebag();
    let error = verify_redacted(copy.path(), &Demand::default()).unwrap_err();
    assert!(failure(&error).contains("does not sign this bundle"));
}

#[test]
fn commitments_to_something_else_are_refused_in_the_whole_bundle() {
    let with = |part: &str, change: fn(&Copy)| {
        let copy = Copy::committed(1);
        for file in ["tagmanifest-sha256.txt.sig", "statement.dsse.json"] {
            fs::remove_file(copy.at(file)).unwrap();
        }
        change(&copy);
        copy.rebag();
        let error = verify(copy.path()).unwrap_err();
        let text = failure(&error);
        assert!(
            error.step.number() == 4 && text.contains(part),
            "{part}: {text}"
        );
    };
    with(
        "does not commit to what this bundle holds: data/case.jsonl",
        |copy| {
            copy.edit("data/environment.json", |e| e["os"] = "another".into());
        },
    );
    with(
        "does not commit to what this bundle holds: data/battery.jsonl",
        |copy| {
            copy.write("data/secret.txt", format!("{}\n", "08".repeat(32)));
        },
    );
    with(
        "does not commit to what this bundle holds: more than there is",
        |copy| {
            let list = copy.read("commitments.txt");
            let more = format!("{}  1  data/zz\n", "0".repeat(64));
            copy.write("commitments.txt", [&list[..], more.as_bytes()].concat());
        },
    );
    with("'data/secret.txt' is missing", |copy| {
        fs::remove_file(copy.at("data/secret.txt")).unwrap();
    });
    with("'commitments.txt' is missing", |copy| {
        fs::remove_file(copy.at("commitments.txt")).unwrap();
    });
}

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

#[test]
fn the_command_line_does_not_let_a_copy_pass_for_verified() {
    let directory = tempfile::tempdir().unwrap();
    let [private, public] = key(directory.path(), 1, None);
    let [bundle, copy] = ["bundle", "copy"].map(|name| directory.path().join(name));
    super::bench::copy(Copy::unsealed().path(), &bundle);
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (bundle, copy) = (path(&bundle), path(&copy));
    let sealed = parentage(&["seal", &bundle, "--key", &path(&private)]);
    assert_eq!(sealed.status.code(), Some(0), "{}", text(&sealed.stderr));
    let redact = [
        "redact",
        &bundle,
        "--probe",
        PROBE,
        "--reason",
        "privileged\u{1b}",
        "--out",
        &copy,
    ];
    let redacted = parentage(&redact);
    assert_eq!(
        redacted.status.code(),
        Some(0),
        "{}",
        text(&redacted.stderr)
    );
    assert!(text(&redacted.stdout).contains("withholds 1 of 6 probes"));
    assert_eq!(parentage(&redact).status.code(), Some(2));

    let verified = parentage(&["verify", &copy, "--signer", &path(&public)]);
    let shown = text(&verified.stdout);
    assert_eq!(
        verified.status.code(),
        Some(5),
        "{shown}{}",
        text(&verified.stderr)
    );
    for part in [
        "ok  3 chain         ",
        "by the signer demanded",
        "\n--  7 verdict       NOT drawn again: ",
        "\nREDACTED  What is shown is what was sealed. Withheld are 1 of 6 probes",
        "Reason given: privileged\u{2039}U+001B\u{203a}\n",
        "That the finding is 'undecided' stands on the signature alone",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json = parentage(&["verify", &copy, "--json"]);
    assert_eq!(json.status.code(), Some(5));
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["redacted"]["verdict_drawn_again"], false);
    assert_eq!(json["steps"].as_array().unwrap().len(), 6);

    // Nothing else takes a copy for a bundle, and a bundle without commitments is not redacted.
    for args in [
        &["report", &copy][..],
        &["diff", &copy, FIXTURE],
        &["seal", &copy, "--tsa-request"],
    ] {
        let refused = parentage(args);
        assert_eq!(refused.status.code(), Some(6));
        assert!(text(&refused.stderr).contains("makes this a redacted copy"));
    }
    let out = path(&directory.path().join("other"));
    let refused = parentage(&[
        "redact", FIXTURE, "--probe", PROBE, "--reason", "x", "--out", &out,
    ]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("no seal that commits to single pieces"));
}
