//! A test of planted marks as part of a bundle: the files that `marks test` wrote, byte for byte.

use std::path::Path;

use super::bag::{self, Manifest};
use super::detached::{FileSeal, FileSealError, check_file_seal, seal_files};
use super::form::{MARKS, MAX_WHOLE, Plan};
use super::{Demand, LayoutError};
use crate::identity::Source;
use crate::marks::store::{
    COMMITMENT_FILE, Outcome, RESULT_FILE, StoreError, case_files, check_case,
};

/// What the seals of marks are made for.
pub const MARKS_NAMESPACE: &str = "parentage-marks";

/// A test of planted marks is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum MarksError {
    /// It does not follow from its evidence.
    #[error("the test of planted marks does not hold")]
    Case(#[source] Box<StoreError>),
    /// Its seal does not hold.
    #[error("the seal of the planted marks does not hold")]
    Seal(#[source] Box<FileSealError>),
    /// The plan has another, or there is one that it does not have.
    #[error("the plan names another test of planted marks than the one that is there")]
    Planned,
    /// Somebody else answered.
    #[error("the marked prompts were answered by another model than the suspect of this case")]
    Suspect,
}

/// A test of planted marks that holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Tested {
    /// What it concludes.
    pub outcome: Outcome,
    /// The seal of the commitment.
    pub seal: FileSeal,
}

/// The files that may stand in such a test.
fn files() -> Vec<String> {
    let seals = [COMMITMENT_FILE, RESULT_FILE].map(seal_files).concat();
    let files = case_files().into_iter().map(str::to_owned);
    files.chain(seals).collect()
}

/// Whether a file of a bundle may be one of them.
pub(super) fn is_place(file: &str) -> bool {
    let name = file
        .strip_prefix(MARKS)
        .and_then(|rest| rest.strip_prefix('/'));
    name.is_some_and(|name| files().iter().any(|file| file == name))
}

/// Checks a test of planted marks in a directory of its own.
///
/// # Errors
///
/// When it does not follow from its evidence, or a seal is of something else.
pub fn check_marks(directory: &Path) -> Result<Tested, MarksError> {
    let seals = [COMMITMENT_FILE, RESULT_FILE].map(seal_files).concat();
    let (_, outcome) = check_case(directory, &seals).map_err(|e| MarksError::Case(Box::new(e)))?;
    let demand = Demand {
        namespace: MARKS_NAMESPACE.to_owned(),
        ..Demand::default()
    };
    let sealed = |file| {
        let sealed = check_file_seal(directory, file, &demand);
        sealed.map_err(|e| MarksError::Seal(Box::new(e)))
    };
    sealed(RESULT_FILE)?;
    Ok(Tested {
        seal: sealed(COMMITMENT_FILE)?,
        outcome,
    })
}

/// The test in a bundle: the one that the plan names, of answers by the suspect; `None` if there is none.
pub(super) fn of_bundle(
    root: &Path,
    plan: &Plan,
    digests: &Manifest,
    suspect: &Source,
) -> Result<Option<Tested>, MarksError> {
    let result = digests.get(&format!("{MARKS}/{RESULT_FILE}"));
    if plan.marks.as_ref() != result {
        return Err(MarksError::Planned);
    }
    if result.is_none() {
        let stray = digests.keys().any(|file| file.starts_with(MARKS));
        return if stray {
            Err(MarksError::Planned)
        } else {
            Ok(None)
        };
    }
    let tested = check_marks(&root.join(MARKS))?;
    if tested.outcome.suspect.source.item() != suspect.item() {
        return Err(MarksError::Suspect);
    }
    Ok(Some(tested))
}

/// Takes a test into a bundle in the making, byte for byte.
pub(super) fn take(from: &Path, root: &Path) -> Result<(), LayoutError> {
    for file in files() {
        if from.join(&file).exists() {
            let bytes = bag::whole(from, &file, MAX_WHOLE)?;
            bag::put(root, &format!("{MARKS}/{file}"), &bytes)?;
        }
    }
    Ok(())
}
