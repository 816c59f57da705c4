//! What a case says of itself, unchecked: for lists of cases, and for runs that are under way.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::assess::Rendering;
use super::bag;
use super::error::{PlanError, StepError};
use super::form::{
    BATTERY_FILE, LOG_FILE, MANIFEST_FILE, MAX_WHOLE, PLAN_FILE, Plan, RECORDINGS, SIGNATURE_FILE,
};
use super::log::{Event, Log};
use crate::battery::Battery;
use crate::digest;
use crate::evidence::{HEADER_FILE, is_recording};

/// How far a case has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The plan is committed and there is no verdict yet; a run holds the case now.
    Running,
    /// The same, and no run holds it: it was ended, or has not been begun.
    Stopped,
    /// There is a verdict.
    Closed,
    /// The verdict was signed.
    Sealed,
}

/// Where the answers of a model lie, as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The recording's name.
    pub recording: String,
    /// The directory, where it lies in the case or beside the cases of its run.
    pub directory: Option<PathBuf>,
    /// Answers when the log last spoke of it.
    pub logged: u64,
}

/// A case as its files say, none of it checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// What is asked, and of whom.
    pub plan: Plan,
    /// How far it has come.
    pub stage: Stage,
    /// The finding that its report names.
    pub finding: Option<String>,
    /// Where answers lie, by model.
    pub places: BTreeMap<String, Place>,
}

/// What of the report is looked at.
#[derive(Deserialize)]
struct Said {
    finding: String,
}

impl Outline {
    /// Whether a directory holds a case: a plan and a log.
    pub fn is_case(directory: &Path) -> bool {
        let is_file = |file: &str| {
            let metadata = directory.join(file).symlink_metadata();
            metadata.is_ok_and(|m| m.is_file())
        };
        is_file(PLAN_FILE) && is_file(LOG_FILE)
    }

    /// Reads what a case says of itself.
    ///
    /// # Errors
    ///
    /// When plan or log cannot be read, or say nothing that can be understood.
    pub fn read(directory: &Path) -> Result<Self, StepError> {
        let bytes = bag::whole(directory, PLAN_FILE, MAX_WHOLE)?;
        let plan: Plan = parse(PLAN_FILE, &bytes)?;
        let log = bag::whole(directory, LOG_FILE, MAX_WHOLE)?;
        let log = Log::parse(&log, &digest::of_bytes(&bytes))?;
        let closed = matches!(log.events.last(), Some(Event::Assessed { .. }))
            && directory.join(MANIFEST_FILE).is_file();
        let stage = match (closed, directory.join(SIGNATURE_FILE).is_file()) {
            (true, true) => Stage::Sealed,
            (true, false) => Stage::Closed,
            (false, _) if is_held(directory) => Stage::Running,
            (false, _) => Stage::Stopped,
        };
        let report = bag::whole(directory, Rendering::Json.file(), MAX_WHOLE);
        let said = report.ok().filter(|_| closed);
        let said = said.and_then(|bytes| serde_json::from_slice::<Said>(&bytes).ok());
        let last = log.last().into_iter();
        let places = last.map(|(model, mark)| {
            let place = Place {
                recording: mark.recording.clone(),
                directory: place(directory, &mark.recording),
                logged: mark.answers,
            };
            (model.to_owned(), place)
        });
        Ok(Self {
            stage,
            finding: said.map(|said| said.finding),
            places: places.collect(),
            plan,
        })
    }

    /// The probes of a case.
    ///
    /// # Errors
    ///
    /// When they are not there, or are no battery.
    pub fn battery(directory: &Path) -> Result<Battery, StepError> {
        let bytes = bag::whole(directory, BATTERY_FILE, MAX_WHOLE)?;
        parse(BATTERY_FILE, &bytes)
    }
}

fn parse<T: serde::de::DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<T, StepError> {
    let parsed = serde_json::from_slice(bytes).map_err(|source| PlanError::Parse {
        file: file.to_owned(),
        source,
    });
    Ok(parsed?)
}

/// Whether a run holds the log, as every run does from its first line to the last. Where files cannot be
/// locked, none is seen to.
fn is_held(directory: &Path) -> bool {
    let file = File::open(directory.join(LOG_FILE));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// A recording in the case, or else in the output directory that the case lies in (`OUT/cases/NAME`).
fn place(directory: &Path, recording: &str) -> Option<PathBuf> {
    if !super::form::is_plain_name(recording) {
        return None;
    }
    let inside = directory.join(RECORDINGS).join(recording);
    let beside = directory.parent().and_then(Path::parent);
    let beside = beside.map(|out| out.join("recordings").join(recording));
    [Some(inside), beside]
        .into_iter()
        .flatten()
        .find(|path| is_recording(path) && !path.join(HEADER_FILE).is_symlink())
}
