//! Bundles checked as `verify` checks them, and what came out, kept while their files stay as they are.

use std::collections::VecDeque;
use std::error::Error as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::bundle::{Bundle, Demand, Rendering, Step, VerifyError, recompute};

/// Bundles whose outcome is kept.
const KEPT: usize = 16;
/// Entries that a bundle is stamped over; one with more is checked every time.
const STAMPED: usize = 100_000;

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

/// Path, length and time of every file.
type Stamp = Vec<(PathBuf, u64, Option<SystemTime>)>;

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
        let checked = Arc::new(check(path));
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
            stamp.push((entry.path(), metadata.len(), metadata.modified().ok()));
            if stamp.len() > STAMPED {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
    }
    stamp.sort();
    Ok(stamp)
}
