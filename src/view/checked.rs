//! Bundles checked as `verify` checks them, and what came out, kept while their files stay as they are.

use std::collections::VecDeque;
use std::error::Error as _;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::bundle::{Bundle, Demand, Rendering, Step, VerifyError, recompute};

/// Bundles whose outcome is kept.
const KEPT: usize = 16;
/// Entries that a bundle is stamped over; one with more is checked every time.
const STAMPED: usize = 100_000;
/// A bundle with more bytes is not checked here: what is compared of it would be held in memory beside other cases.
const MOST_BYTES: u64 = 4 << 30;

/// What the check of a bundle gave.
pub(super) struct Checked {
    /// The steps passed, each with a few words.
    pub(super) steps: Vec<(Step, String)>,
    /// The report, or the step that failed and why.
    pub(super) outcome: Result<Rendered, (Step, String)>,
}

/// A report in all its forms.
pub(super) struct Rendered {
    /// The finding in one sentence.
    pub(super) sentence: String,
    forms: Vec<(Rendering, Vec<u8>)>,
}

impl Rendered {
    pub(super) fn form(&self, rendering: Rendering) -> Option<&[u8]> {
        let form = self.forms.iter().find(|(r, _)| *r == rendering);
        form.map(|(_, bytes)| bytes.as_slice())
    }
}

/// What shows of every file that it was written to or put in another's place.
type Stamp = Vec<(PathBuf, Mark)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    length: u64,
    modified: Option<SystemTime>,
    /// Its number on the disk, and when its bytes, name or times were last changed, which nobody can set.
    changed: (u64, i64, i64),
}

impl Mark {
    fn of(metadata: &Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            changed: changed(metadata),
        }
    }
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> (u64, i64, i64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> (u64, i64, i64) {
    (0, 0, 0)
}

struct Kept {
    path: PathBuf,
    stamp: Stamp,
    checked: Arc<Checked>,
}

/// What is kept, the latest last.
#[derive(Default)]
pub(super) struct Checks(Mutex<VecDeque<Kept>>);

impl Checks {
    /// The outcome for a bundle, checked now unless nothing about its files has changed since.
    pub(super) fn of(&self, path: &Path) -> Arc<Checked> {
        let stamp = stamp(path).ok();
        {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let found = kept
                .iter()
                .find(|k| k.path == path && Some(&k.stamp) == stamp.as_ref());
            if let Some(found) = found {
                return Arc::clone(&found.checked);
            }
        }
        let bytes = stamp
            .as_ref()
            .map_or(0, |files| files.iter().map(|(_, mark)| mark.length).sum());
        let checked = Arc::new(if bytes > MOST_BYTES {
            too_large(bytes)
        } else {
            check(path)
        });
        if let Some(stamp) = stamp {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.retain(|k| k.path != path);
            while kept.len() >= KEPT {
                kept.pop_front();
            }
            kept.push_back(Kept {
                path: path.to_owned(),
                stamp,
                checked: Arc::clone(&checked),
            });
        }
        checked
    }
}

fn too_large(bytes: u64) -> Checked {
    let why = format!(
        "the bundle has {} MiB, and this page checks at most {} MiB; check it with 'parentage verify'",
        bytes >> 20,
        MOST_BYTES >> 20
    );
    Checked {
        steps: Vec::new(),
        outcome: Err((Step::Layout, why)),
    }
}

fn check(path: &Path) -> Checked {
    let mut steps = Vec::new();
    let outcome = rendered(path, &mut |step, note| steps.push((step, note.to_owned())));
    Checked {
        steps,
        outcome: outcome.map_err(|error| {
            let mut text = String::new();
            let mut cause = error.source();
            while let Some(error) = cause {
                let separator = if text.is_empty() { "" } else { ": " };
                text = format!("{text}{separator}{error}");
                cause = error.source();
            }
            (error.step, text)
        }),
    }
}

fn rendered(path: &Path, told: &mut dyn FnMut(Step, &str)) -> Result<Rendered, VerifyError> {
    let bundle = Bundle::at(path).check(&Demand::default(), told)?;
    let (_, _, report) = recompute(&bundle, told)?;
    let mut forms = Vec::new();
    for rendering in Rendering::ALL {
        let bytes = rendering.render(&report).map_err(|source| VerifyError {
            step: Step::Verdict,
            source: source.into(),
        })?;
        forms.push((rendering, bytes));
    }
    Ok(Rendered {
        sentence: report.sentence,
        forms,
    })
}

/// What would show that a file was written to.
fn stamp(root: &Path) -> io::Result<Stamp> {
    let (mut stamp, mut open) = (Stamp::new(), vec![root.to_owned()]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            // Of a link itself, not of what it leads to: the check refuses it.
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                open.push(entry.path());
            }
            stamp.push((entry.path(), Mark::of(&metadata)));
            if stamp.len() > STAMPED {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
    }
    stamp.sort();
    Ok(stamp)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn steps(checked: &Checked) -> (usize, String) {
        let failed = checked.outcome.as_ref().err().cloned();
        (
            checked.steps.len(),
            failed.map_or_else(String::new, |(_, why)| why),
        )
    }

    #[test]
    fn a_file_that_was_written_to_is_seen_whatever_its_times_say() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bagit.txt");
        fs::write(&file, "one").unwrap();
        let times = fs::metadata(&file).unwrap();
        let times = fs::FileTimes::new()
            .set_modified(times.modified().unwrap())
            .set_accessed(times.accessed().unwrap());
        let before = stamp(directory.path()).unwrap();
        assert_eq!(stamp(directory.path()).unwrap(), before);
        fs::write(&file, "two").unwrap();
        let open = fs::OpenOptions::new().write(true).open(&file).unwrap();
        open.set_times(times).unwrap();
        let after = stamp(directory.path()).unwrap();
        assert_eq!(
            before
                .iter()
                .map(|(_, m)| (m.length, m.modified))
                .collect::<Vec<_>>(),
            after
                .iter()
                .map(|(_, m)| (m.length, m.modified))
                .collect::<Vec<_>>()
        );
        assert_ne!(before, after);
    }

    #[test]
    fn a_bundle_that_is_too_large_is_a_case_that_failed() {
        let directory = tempfile::tempdir().unwrap();
        let file = fs::File::create(directory.path().join("bagit.txt")).unwrap();
        // A hole: it takes no room.
        file.set_len(MOST_BYTES + 1).unwrap();
        let checks = Checks::default();
        let (passed, why) = steps(&checks.of(directory.path()));
        assert_eq!(passed, 0);
        assert!(
            why.contains("4096 MiB") && why.contains("parentage verify"),
            "{why}"
        );
        file.set_len(1).unwrap();
        let (_, why) = steps(&checks.of(directory.path()));
        assert!(why.contains("is missing"), "{why}");
    }
}
