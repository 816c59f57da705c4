//! Whatever is changed in a bundle by someone who does not mend the manifests.

use std::fs;
use std::os::unix::fs::symlink;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use parentage::bundle::{Choice, Demand, VerifyError};

use super::bench::{Copy, failure, verify, verify_redacted};

/// Changed bytes that are tried in every file.
const CHANGES: usize = 5;
const MANIFESTS: [&str; 2] = ["manifest-sha256.txt", "tagmanifest-sha256.txt"];

/// A check of a copy, its error in words.
type Check = fn(&Copy) -> Result<(), VerifyError>;

/// The error's words, which name the file, or a manifest if that was changed or disagrees.
fn refused(check: Check, copy: &Copy, file: &str, what: &str) -> String {
    let error = check(copy).expect_err(&format!("{what} of {file}"));
    let text = failure(&error);
    let named = text.contains(file) || MANIFESTS.iter().any(|m| text.contains(m));
    assert!(named, "{what} of {file}: {text}");
    text
}

/// Touches every file in many ways; how many were tried.
fn touched(copy: &Copy, check: Check) -> usize {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut tried = 0;
    for file in copy.files() {
        let whole = copy.read(&file);
        assert!(!whole.is_empty(), "{file}");
        let mut spoil = |what: &str, bytes: &[u8]| {
            copy.write(&file, bytes);
            refused(check, copy, &file, what);
            tried += 1;
        };
        for _ in 0..CHANGES {
            let mut changed = whole.clone();
            let at = rng.random_range(0..whole.len());
            changed[at] ^= 1 << rng.random_range(0..8);
            spoil("a changed byte", &changed);
        }
        spoil("a lost end", &whole[..rng.random_range(0..whole.len())]);
        spoil("the last byte lost", &whole[..whole.len() - 1]);
        spoil("a byte too many", &[&whole[..], b"\n"].concat());
        spoil("nothing left", b"");
        let lines: Vec<&[u8]> = whole.split_inclusive(|b| *b == b'\n').collect();
        if lines.len() > 1 {
            let at = rng.random_range(0..lines.len());
            spoil(
                "a repeated line",
                &[&lines[..=at], &lines[at..]].concat().concat(),
            );
            let fewer = [&lines[..at], &lines[at + 1..]].concat().concat();
            spoil("a lost line", &fewer);
        }
        fs::remove_file(copy.at(&file)).unwrap();
        refused(check, copy, &file, "the loss");
        symlink("/etc/hostname", copy.at(&file)).unwrap();
        assert!(refused(check, copy, &file, "a link instead").contains("symbolic link"));
        fs::remove_file(copy.at(&file)).unwrap();
        copy.write(&file, &whole);
        tried += 2;
    }
    assert!(check(copy).is_ok());
    tried
}

fn choice() -> Choice {
    Choice {
        probes: ["small-3".to_owned()].into(),
        reason: "privileged".to_owned(),
        ..Choice::default()
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "how much was tried is worth knowing")]
fn a_touched_file_is_refused_by_name() {
    let whole: Check = |copy| verify(copy.path()).map(|_| ());
    let redacted: Check = |copy| verify_redacted(copy.path(), &Demand::default()).map(|_| ());
    let committed = Copy::committed(1);
    let choice = choice();
    let tried = [
        touched(&Copy::new(), whole),
        touched(&committed, whole),
        touched(&committed.redacted(&choice), redacted),
    ];
    println!("{tried:?} mutations");
    assert!(tried.iter().all(|tried| *tried >= 200), "{tried:?}");
}

#[test]
fn what_does_not_belong_is_refused_by_name() {
    let copy = Copy::new();
    let with = |file: &str, part: &str| {
        let path = copy.at(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        let text = failure(&verify(copy.path()).unwrap_err());
        assert!(text.contains(part), "{file}: {text}");
        let top = file.split('/').next().unwrap();
        if copy.at(top).is_file() {
            fs::remove_file(copy.at(top)).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
            // Directories that were made for it must go too.
            for directory in path.ancestors().skip(1).take(5) {
                let _ = fs::remove_dir(directory);
            }
        }
        assert!(verify(copy.path()).is_ok(), "{file}");
    };
    with("notes.txt", "'notes.txt' is no part of a bundle");
    with("data/notes.txt", "'data/notes.txt' is no part of a bundle");
    // Whatever the build: one that makes PDFs holds a bundle to the same form as one that makes none.
    with(
        "data/report/report.pdf",
        "'data/report/report.pdf' is no part of a bundle, which holds only what every build",
    );
    with(
        "data/recordings/x/extra",
        "'data/recordings/x/extra' is no part",
    );
    with(
        "data/weights/x.json",
        "'data/weights/x.json' is not listed in 'manifest-sha256.txt'",
    );
    with(".hidden", "'.hidden' has a name");
    with("a b", "'a b' has a name");
    with("d1/d2/d3/d4/d5/x", "lies too deep");
    with(
        "tagmanifest-sha256.txt.tsr",
        "'tagmanifest-sha256.txt.tsr' is no time stamp",
    );
}

#[test]
fn a_manifest_that_says_more_than_it_may_is_refused() {
    let copy = Copy::new();
    let digest = "0".repeat(64);
    for manifest in MANIFESTS {
        let whole = copy.read(manifest);
        let with = |line: &str, part: &str| {
            copy.write(manifest, [&whole[..], line.as_bytes()].concat());
            let text = failure(&verify(copy.path()).unwrap_err());
            assert!(
                text.contains(part) && text.contains(manifest),
                "{line}: {text}"
            );
        };
        for path in [
            "../x",
            "zz/../../x",
            "/etc/passwd",
            "zz\\..\\x",
            "zz//x",
            "C:x",
            "zz/\u{202e}x",
        ] {
            with(
                &format!("{digest}  {path}\n"),
                "a path that leaves the bundle",
            );
        }
        with(
            &format!("{digest}  a\n"),
            "repeats a path or is out of order",
        );
        with(&format!("{digest}  zz\n"), "'zz' is listed in");
        with(&format!("{digest} zz\n"), "no digest with a path");
        with(
            &format!("{}  zz\n", "0".repeat(63)),
            "no digest with a path",
        );
        with(
            &format!("{}  zz\n", "G".repeat(64)),
            "no digest with a path",
        );
        with("\n", "no digest with a path");
        copy.write(manifest, [&whole[..], b"\xff\xfe  zz\n"].concat());
        let text = failure(&verify(copy.path()).unwrap_err());
        assert!(text.contains("no digest with a path"), "{text}");
        copy.write(manifest, &whole);
    }
}

#[test]
fn absurd_lengths_are_refused_before_anything_is_allocated() {
    let copy = Copy::unsealed();
    let info = String::from_utf8(copy.read("bag-info.txt")).unwrap();
    let oxum = info
        .lines()
        .find(|l| l.starts_with("Payload-Oxum"))
        .unwrap();
    for (declared, part) in [
        (
            "Payload-Oxum: 10000000000.3",
            "declares 10000000000 bytes in 3 files",
        ),
        ("Payload-Oxum: 99999999999999999999.3", "is not written as"),
        ("Payload-Oxum: -1.3", "is not written as"),
        ("Payload-Oxum: 1", "is not written as"),
    ] {
        copy.write("bag-info.txt", info.replace(oxum, declared));
        copy.retag();
        let text = failure(&verify(copy.path()).unwrap_err());
        assert!(text.contains(part), "{declared}: {text}");
    }
    copy.write("bag-info.txt", info.replace("Format: 1", "Format: 2"));
    let text = failure(&verify(copy.path()).unwrap_err());
    assert!(
        text.contains("says format 2; this version reads format 1"),
        "{text}"
    );
    copy.write("bag-info.txt", &info);
    copy.retag();

    let whole = copy.read("data/plan.json");
    let plan = fs::OpenOptions::new()
        .write(true)
        .open(copy.at("data/plan.json"))
        .unwrap();
    // A hole of 10 GB, which takes no room.
    plan.set_len(10_000_000_000).unwrap();
    let text = failure(&verify(copy.path()).unwrap_err());
    assert!(
        text.contains("'data/plan.json' is 10000000000 bytes long"),
        "{text}"
    );
    copy.write("data/plan.json", &whole);

    // The same of what may be of any length, in the whole and in a redacted one.
    let committed = Copy::committed(1);
    let redacted = committed.redacted(&choice());
    let records = format!("data/recordings/{}/answers.jsonl", copy.recordings()[0]);
    for (copy, file) in [
        (&copy, records.as_str()),
        (&redacted, "data/recordings/1.jsonl"),
    ] {
        let whole = copy.read(file);
        let open = fs::OpenOptions::new().write(true).open(copy.at(file));
        open.unwrap().set_len(1 << 40).unwrap();
        let error = if copy.at("data/sealed").exists() {
            verify_redacted(copy.path(), &Demand::default()).map(drop)
        } else {
            verify(copy.path()).map(drop)
        };
        let text = failure(&error.unwrap_err());
        assert!(
            text.contains(&format!("'{file}' is 1099511627776 bytes long")),
            "{text}"
        );
        copy.write(file, &whole);
    }

    copy.write(
        "bagit.txt",
        "BagIt-Version: 1.0\nTag-File-Character-Encoding: ISO-8859-1\n",
    );
    let text = failure(&verify(copy.path()).unwrap_err());
    assert!(
        text.contains("does not declare BagIt 1.0 in UTF-8"),
        "{text}"
    );
}
