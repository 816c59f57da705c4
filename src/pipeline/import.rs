//! Answers that somebody else collected, as recordings.

use std::path::PathBuf;

use super::error::PipelineError;
use super::watch::{Event, Stage, Watch};
use crate::import::{self as files, Settings, Written};

/// Files of answers, and where their recordings go.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// Files, or directories to look for files of the format in.
    pub files: Vec<PathBuf>,
    /// How the files are read.
    pub settings: Settings,
    /// Where recordings and battery go.
    pub out: PathBuf,
}

/// What came of an import.
#[derive(Debug)]
pub struct Imported {
    /// The form of the files.
    pub format: &'static str,
    /// What was written.
    pub written: Written,
}

/// Takes in answers that somebody else collected.
///
/// # Errors
///
/// When a file cannot be read or is not of its form, or a recording cannot be written.
pub fn import(request: &ImportRequest, watch: &dyn Watch) -> Result<Imported, PipelineError> {
    watch.see(Event::Begun {
        stage: Stage::Importing,
        steps: 0,
    });
    let answers = files::read(&request.files, &request.settings)?;
    watch.see(Event::Note("writing recordings"));
    let written = answers.write(&request.out)?;
    watch.see(Event::Ended);
    Ok(Imported {
        format: answers.format(),
        written,
    })
}
