//! From a bundle that was found to one that was checked, in numbered steps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::bag::{self, Kind, Manifest};
use super::complete::Missing;
use super::error::{CompletenessError, StepError, VerifyError};
use super::form::{Plan, WEIGHTS, weight_manifest};
use super::log::Log;
use super::marks::Tested;
use super::payload::{read, tags};
use super::seal::{self, Signer};
use crate::battery::Battery;
use crate::case::Gates;
use crate::digest;
use crate::evidence::Recording;
use crate::fingerprint::Fingerprint;

/// A step of the check, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The files are those of a bundle, all listed, none beside them.
    Layout,
    /// Every byte is the one that was listed.
    Digests,
    /// Recordings and log are unbroken chains, and the log's marks lie on them.
    Chain,
    /// The seal is by who should have sealed it.
    Signature,
    /// The plan was committed first, and battery and recordings are the plan's.
    Plan,
    /// Every planned question has its record.
    Completeness,
    /// The report is the one that the recordings give, to the last byte.
    Verdict,
}

impl Step {
    /// All steps, in order.
    pub const ALL: [Self; 7] = [
        Self::Layout,
        Self::Digests,
        Self::Chain,
        Self::Signature,
        Self::Plan,
        Self::Completeness,
        Self::Verdict,
    ];

    /// Its number, from 1.
    pub fn number(self) -> usize {
        self as usize + 1
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Layout => "layout",
            Self::Digests => "digests",
            Self::Chain => "chain",
            Self::Signature => "signature",
            Self::Plan => "plan",
            Self::Completeness => "completeness",
            Self::Verdict => "verdict",
        }
    }
}

/// What is asked of a bundle beyond being whole.
#[derive(Debug, Clone)]
pub struct Demand {
    /// It must be sealed by this key.
    pub signer: Option<Signer>,
    /// It must be sealed, by whomever.
    pub sealed: bool,
    /// The namespace that a seal must have been made for.
    pub namespace: String,
}

impl Default for Demand {
    fn default() -> Self {
        Self {
            signer: None,
            sealed: false,
            namespace: seal::NAMESPACE.to_owned(),
        }
    }
}

impl Demand {
    /// Whether a bundle without a seal is refused.
    pub(super) fn needs_seal(&self) -> bool {
        self.sealed || self.signer.is_some()
    }
}

/// A bundle that was found; nothing is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    path: PathBuf,
}

/// A bundle that went through the steps up to completeness.
#[derive(Debug)]
pub struct CheckedBundle {
    pub(super) path: PathBuf,
    /// What was settled before anything was asked.
    pub plan: Plan,
    /// The probes asked.
    pub battery: Battery,
    /// What the gates saw.
    pub gates: Gates,
    /// Header and head of each recording, by model; the entries went by and are not held.
    pub recordings: BTreeMap<String, Recording>,
    /// What each model answered, by model.
    pub prints: BTreeMap<String, Fingerprint>,
    /// The suspect had answered before the plan was committed.
    pub planned_after: bool,
    /// What recordings that stand for a model lack, by model.
    pub missing: BTreeMap<String, Missing>,
    /// Probes asked: the first of the plan's order.
    pub asked: usize,
    /// The test of planted marks that is part of the case.
    pub marks: Option<Tested>,
    pub(super) log: Log,
    /// SHA-256 of every file below `data/`.
    pub(super) digests: Manifest,
}

impl Bundle {
    /// A bundle at a path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Goes through the steps up to completeness; `told` hears of each step that was passed,
    /// with a few words on it. [`super::recompute`]
    /// is the last one.
    ///
    /// # Errors
    ///
    /// At the first step that fails.
    pub fn check(
        self,
        demand: &Demand,
        told: &mut dyn FnMut(Step, &str),
    ) -> Result<CheckedBundle, VerifyError> {
        let at = |step| move |source: StepError| VerifyError { step, source };
        let layout =
            bag::layout(&self.path, Kind::Whole).map_err(|e| at(Step::Layout)(e.into()))?;
        let files = &layout.files;
        told(
            Step::Layout,
            &format!("{} files, none beside them", files.len()),
        );
        let read = tags(&self.path)
            .and_then(|()| read(&self.path, files, Some(&layout.payload)))
            .and_then(|read| Ok(bag::oxum(&layout).map(|()| read)?))
            .map_err(at(Step::Digests))?;
        let listed = layout.payload.len();
        told(Step::Digests, &format!("SHA-256 of {listed} files"));
        let (linked, note) = read.link().map_err(at(Step::Chain))?;
        told(Step::Chain, &note);
        let note =
            seal::check(&self.path, demand, files).map_err(|e| at(Step::Signature)(e.into()))?;
        told(Step::Signature, &note);
        let (planned, note) = linked.plan(self.path, None).map_err(at(Step::Plan))?;
        told(Step::Plan, &note);
        let (checked, note) = planned.complete().map_err(at(Step::Completeness))?;
        told(Step::Completeness, &note);
        Ok(checked)
    }
}

impl CheckedBundle {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of a file below `data/`.
    pub(super) fn digest(&self, file: &str) -> Option<&str> {
        self.digests.get(file).map(String::as_str)
    }

    /// The weight manifests are those of the recordings: no more, no fewer, no other.
    pub(super) fn weight_manifests(&self) -> Result<(), CompletenessError> {
        let last = self.log.last();
        let mut wanted = BTreeMap::new();
        for (model, recording) in &self.recordings {
            if let (Some(mark), Some(bytes)) =
                (last.get(model.as_str()), weight_manifest(&recording.header))
            {
                let file = format!("{WEIGHTS}/{}.json", mark.recording);
                wanted.insert(file, digest::of_bytes(&bytes));
            }
        }
        let below = |file: &str| file.starts_with(&format!("{WEIGHTS}/"));
        let found = self.digests.keys().filter(|file| below(file));
        let wrong = found.clone().find(|file| !wanted.contains_key(*file));
        let lacking = wanted
            .iter()
            .find(|(file, digest)| self.digests.get(*file) != Some(digest));
        match wrong.or(lacking.map(|(file, _)| file)) {
            None => Ok(()),
            Some(file) => Err(CompletenessError::Weights { file: file.clone() }),
        }
    }
}
