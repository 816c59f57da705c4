//! Making a redacted copy of a sealed bundle: some pieces are withheld, the others shown as they were sealed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::CheckedBundle;
use super::bag;
use super::commit::{Secret, commitment};
use super::error::{CommitError, LayoutError};
use super::form::{
    COMMITMENTS_FILE, FORMAT, MAX_WHOLE, REDACTION_FILE, SEALED, SIGNATURE_FILE, STAMP_REPLY_FILE,
    TAG_MANIFEST_FILE, json,
};
use super::piece::{CasePiece, Pieces, Section};
use super::redacted::Redaction;
use crate::battery::Ask;
use crate::digest::{self, hex};
use crate::question::{Question, Request};
use crate::sentinel;

/// A redacted copy could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// Nothing to withhold was named.
    #[error("nothing is to be withheld; name a probe or a record")]
    Nothing,
    /// No seal, or one without commitments.
    #[error(
        "'{}' has no seal that commits to single pieces: seal it with `parentage seal` (of a bundle that an earlier version sealed, remove the signature and the statement first)",
        path.display()
    )]
    Uncommitted {
        /// The bundle.
        path: PathBuf,
    },
    /// A probe that was not asked.
    #[error("the battery has no probe '{id}'")]
    Probe {
        /// Its id.
        id: String,
    },
    /// A record that there is not.
    #[error("recording '{recording}' has no record {n}")]
    Record {
        /// The recording.
        recording: String,
        /// The number.
        n: u64,
    },
    /// The order of asking tells of the text of the probes.
    #[error(
        "the run could stop early, so its probes were asked in an order that follows from the text of all of them, and who guesses a withheld text could check the guess; single records can be withheld, probes cannot"
    )]
    Order,
    /// A digest of what is withheld stands in a name.
    #[error(
        "a name (of a model, say) holds '{digest}', which is a digest of the battery, by which a guess at withheld probes could be checked; compare under another name"
    )]
    Named {
        /// What was found.
        digest: String,
    },
    /// Something lies where the copy belongs.
    #[error("'{}' is there already", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// The copy would lie in the bundle.
    #[error("'{}' lies in the bundle, which would not verify any more with a copy in it", path.display())]
    Inside {
        /// The directory.
        path: PathBuf,
    },
    /// The bundle cannot be read in pieces.
    #[error("cannot take the bundle apart")]
    Commit(#[from] CommitError),
    /// The copy cannot be written.
    #[error("cannot write the copy")]
    Layout(#[from] LayoutError),
}

/// What is to be withheld, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Probes by id, with every record about them.
    pub probes: BTreeSet<String>,
    /// Single records, by recording and number, with every record in which a model reads the answers to
    /// the same probe.
    pub records: BTreeSet<(String, u64)>,
    /// The report as text is shown.
    pub figures: bool,
    /// Why, in the words of whoever withholds.
    pub reason: String,
}

/// Of a record what decides on it.
#[derive(Deserialize)]
struct Asked {
    question: Question,
}

/// A choice held against a bundle.
struct Selection<'a> {
    choice: &'a Choice,
    pieces: &'a Pieces,
    /// Probes of single records that are withheld.
    read: BTreeSet<String>,
    /// What no shown piece may contain.
    named: Vec<String>,
}

/// Writes a redacted copy of a sealed bundle that was checked, the verdict included.
///
/// # Errors
///
/// When the bundle was sealed without commitments, the choice names what is not there or cannot be
/// withheld, or the copy cannot be written.
pub fn redact(bundle: &CheckedBundle, choice: &Choice, out: &Path) -> Result<(), RedactError> {
    let root = bundle.path();
    let sealed = root.join(SIGNATURE_FILE).exists() && root.join(COMMITMENTS_FILE).exists();
    let secret = Secret::read(root)?.filter(|_| sealed);
    let secret = secret.ok_or_else(|| RedactError::Uncommitted {
        path: root.to_owned(),
    })?;
    let whole = |path: &Path| std::path::absolute(path).map_err(writing(path));
    if whole(out)?.starts_with(whole(root)?) {
        return Err(RedactError::Inside {
            path: out.to_owned(),
        });
    }
    let pieces = Pieces::of(root)?;
    let selection = Selection::of(bundle, &pieces, choice)?;
    let made = out.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::create_dir(out))
        .map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => RedactError::Exists {
                path: out.to_owned(),
            },
            _ => writing(out)(source).into(),
        })?;
    let written = selection.write(root, &secret, out);
    if written.is_err() {
        // Half a copy is of no use, and the first error is the one to tell.
        let _ = fs::remove_dir_all(out);
    }
    written
}

fn writing(path: &Path) -> impl FnOnce(io::Error) -> LayoutError {
    let path = path.to_owned();
    move |source| LayoutError::Write { path, source }
}

impl<'a> Selection<'a> {
    fn of(
        bundle: &CheckedBundle,
        pieces: &'a Pieces,
        choice: &'a Choice,
    ) -> Result<Self, RedactError> {
        let mut selection = Self {
            choice,
            pieces,
            read: BTreeSet::new(),
            named: Vec::new(),
        };
        if choice.probes.is_empty() && choice.records.is_empty() {
            return Err(RedactError::Nothing);
        }
        let is_probe = |id: &String| pieces.probes().iter().any(|probe| probe.id == *id);
        if let Some(id) = choice.probes.iter().find(|id| !is_probe(id)) {
            return Err(RedactError::Probe { id: id.clone() });
        }
        if !choice.probes.is_empty() {
            if bundle.plan.stop_when_decided {
                return Err(RedactError::Order);
            }
            let case = bundle.plan.case();
            let names = pieces.recordings().chain([case.as_str()]);
            selection.named = names.filter_map(tail).map(str::to_owned).collect();
        }
        let mut open = choice.records.clone();
        for section in pieces.sections() {
            let Section::Recording(name, _) = &section else {
                continue;
            };
            if !choice
                .records
                .iter()
                .any(|(recording, _)| recording == name)
            {
                continue;
            }
            pieces.each(&section, &mut |n, piece| {
                if n > 0 && open.remove(&(name.clone(), n - 1)) {
                    let probe = asked(piece)?.question.probe;
                    selection.read.insert(bare(&probe).to_owned());
                }
                Ok::<_, RedactError>(())
            })?;
        }
        match open.pop_first() {
            None => Ok(selection),
            Some((recording, n)) => Err(RedactError::Record { recording, n }),
        }
    }

    /// Whether a piece is withheld.
    fn withholds(&self, section: &Section, n: u64, piece: &[u8]) -> Result<bool, CommitError> {
        Ok(match section {
            Section::Case => {
                let parsed = serde_json::from_slice::<CasePiece>(piece);
                !self.choice.figures && matches!(parsed, Ok(CasePiece::Figures(_)))
            }
            Section::Log => false,
            Section::Battery => {
                let probe = usize::try_from(n).ok().and_then(|n| n.checked_sub(1));
                let probe = probe.and_then(|n| self.pieces.probes().get(n));
                probe.is_some_and(|probe| self.choice.probes.contains(&probe.id))
            }
            Section::Recording(_, _) if n == 0 => false,
            Section::Recording(name, _) => {
                let question = asked(piece)?.question;
                let probe = bare(&question.probe);
                self.choice.probes.contains(probe)
                    || self.choice.records.contains(&(name.clone(), n - 1))
                    || self.read.contains(probe) && self.is_reading(&question)
            }
        })
    }

    /// Whether a question holds answers of other models to the same probe.
    fn is_reading(&self, question: &Question) -> bool {
        let mut probes = self.pieces.probes().iter();
        let listed = probes
            .find(|probe| probe.id == question.probe)
            .is_some_and(|probe| matches!(probe.ask, Ask::Choose { .. }));
        matches!(question.request, Request::Score { .. }) && !listed
    }

    fn write(&self, root: &Path, secret: &Secret, out: &Path) -> Result<(), RedactError> {
        let mut redaction = Redaction {
            format: FORMAT,
            reason: self.choice.reason.clone(),
            withheld: BTreeMap::new(),
        };
        for section in self.pieces.sections() {
            let withheld = self.section(&section, secret, out)?;
            redaction.withheld.insert(section.path(), withheld);
        }
        bag::put(out, REDACTION_FILE, &json(&redaction))?;
        for file in [
            TAG_MANIFEST_FILE,
            SIGNATURE_FILE,
            COMMITMENTS_FILE,
            STAMP_REPLY_FILE,
        ] {
            if root.join(file).exists() {
                let bytes = bag::whole(root, file, MAX_WHOLE)?;
                bag::put(out, &format!("{SEALED}/{file}"), &bytes)?;
            }
        }
        // Not the case's own name, which ends in a digest of the plan.
        let commitments = bag::whole(root, COMMITMENTS_FILE, MAX_WHOLE)?;
        let name = format!("redacted-{}", &digest::of_bytes(&commitments)[..16]);
        bag::write_manifests(out, &name)?;
        Ok(())
    }

    /// Writes the file of a section; how many pieces it withholds.
    fn section(&self, section: &Section, secret: &Secret, out: &Path) -> Result<u64, RedactError> {
        let salts = secret.salts(&section.path());
        let path = out.join(section.path());
        let opened = fs::create_dir_all(path.parent().unwrap_or(out));
        let file = opened.and_then(|()| File::create_new(&path));
        let mut file = BufWriter::new(file.map_err(writing(&path))?);
        let mut withheld = 0;
        self.pieces.each(section, &mut |n, piece| {
            let salt = salts.of(n);
            let commitment = hex(&commitment(&salt, piece));
            let line = if self.withholds(section, n, piece)? {
                withheld += 1;
                format!("{{\"commitment\":\"{commitment}\"}}\n").into_bytes()
            } else {
                self.is_nameless(section, n, piece)?;
                let head = format!(
                    "{{\"commitment\":\"{commitment}\",\"salt\":\"{}\",\"open\":",
                    hex(&salt)
                );
                [head.as_bytes(), piece, b"}\n"].concat()
            };
            Ok::<_, RedactError>(file.write_all(&line).map_err(writing(&path))?)
        })?;
        let written = file.into_inner().map_err(io::IntoInnerError::into_error);
        let synced = written.and_then(|file| file.sync_data());
        synced.map_err(writing(&path))?;
        Ok(withheld)
    }

    /// No name in a shown piece holds a digest of the battery. Records hold no names.
    fn is_nameless(&self, section: &Section, n: u64, piece: &[u8]) -> Result<(), RedactError> {
        if matches!(section, Section::Recording(..)) && n > 0 || *section == Section::Battery {
            return Ok(());
        }
        let text = String::from_utf8_lossy(piece);
        match self.named.iter().find(|name| text.contains(*name)) {
            None => Ok(()),
            Some(digest) => Err(RedactError::Named {
                digest: digest.clone(),
            }),
        }
    }
}

/// The digits in which the name of a recording or a case ends.
fn tail(name: &str) -> Option<&str> {
    let (_, tail) = name.rsplit_once('-')?;
    let is_digest = tail.len() == 8 && tail.bytes().all(|b| b.is_ascii_hexdigit());
    is_digest.then_some(tail)
}

fn asked(piece: &[u8]) -> Result<Asked, CommitError> {
    serde_json::from_slice(piece).map_err(|source| CommitError::Parse {
        file: "a record".to_owned(),
        source,
    })
}

/// The probe of a record, a sentinel's being the one that it repeats.
fn bare(probe: &str) -> &str {
    probe.strip_prefix(sentinel::PREFIX).unwrap_or(probe)
}
