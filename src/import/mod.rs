//! Answers that somebody else collected, as recordings.
//!
//! ```text
//! find: which files   ->  one reader a format  ->  gather: answers by model and prompt, within limits
//!                                                      |
//!                          write: recordings   <-   settle: names, battery, posing
//! ```
//!
//! A prompt is in the battery when two models answered it (or the only one, where the files are of one). What a model
//! was not asked is unavailable in its recording; repeats are samples; what was refused, cut off, failed, or answered
//! by another model than the one that was asked says so. Files come from anywhere: everything is bounded before it
//! is allocated, and the same files give the same bytes.

mod alpaca_eval;
mod error;
mod find;
mod gather;
mod inspect;
mod json;
mod jsonl;
mod lm_eval;
mod promptfoo;
mod settle;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};

use self::find::{Found, find};
use self::gather::Gathered;
use crate::digest;
use crate::identity::{AnswerFormat, FileDigest};

pub use error::{At, ImportError, Place};
pub use gather::LeftOut;
pub use settle::Imported;
pub use write::{Written, WrittenModel};

/// Names of fields, where files may have others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// Which model answered.
    pub model: String,
    /// What it was asked: a text, or a list of messages.
    pub prompt: String,
    /// What it answered: a text, a list of samples, or null.
    pub answer: String,
    /// Which of several samples it is.
    pub sample: String,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            model: "model".to_owned(),
            prompt: "prompt".to_owned(),
            answer: "answer".to_owned(),
            sample: "sample".to_owned(),
        }
    }
}

/// How files are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Their form.
    pub format: AnswerFormat,
    /// Names of fields, for [`AnswerFormat::Jsonl`].
    pub fields: Fields,
    /// The model, where files do not name it.
    pub model: Option<String>,
}

/// Reads files and directories of them.
///
/// # Errors
///
/// When one cannot be read, is not of the form, holds more than is taken in, or the models have no prompt in common.
pub fn read(files: &[PathBuf], settings: &Settings) -> Result<Imported, ImportError> {
    let mut gathered = Gathered::default();
    for file in find(files, settings.format)? {
        read_file(&file, settings, &mut gathered)?;
    }
    settle::settle(gathered, settings.format)
}

fn read_file(
    file: &Found,
    settings: &Settings,
    gathered: &mut Gathered,
) -> Result<(), ImportError> {
    let is_archive = file.path.extension().is_some_and(|e| e == "eval");
    let whole = match settings.format {
        AnswerFormat::Jsonl | AnswerFormat::LmEval => None,
        AnswerFormat::Inspect if is_archive => None,
        AnswerFormat::AlpacaEval | AnswerFormat::Inspect | AnswerFormat::Promptfoo => {
            Some(json::whole(&file.path)?)
        }
    };
    let digest = match &whole {
        Some(bytes) => (digest::of_bytes(bytes), bytes.len() as u64),
        None => digest_of(&file.path)?,
    };
    let home = match settings.format {
        AnswerFormat::AlpacaEval => file.home().map(str::to_owned),
        _ => None,
    };
    let named = FileDigest {
        name: file.name.clone(),
        bytes: digest.1,
        sha256: digest.0,
    };
    if !gathered.begin(named, home) {
        return Ok(());
    }
    match (settings.format, whole) {
        (AnswerFormat::AlpacaEval, Some(bytes)) => {
            alpaca_eval::read(file, &bytes, settings, gathered)
        }
        (AnswerFormat::Inspect, Some(bytes)) => {
            inspect::read_json(file, &bytes, settings, gathered)
        }
        (AnswerFormat::Promptfoo, Some(bytes)) => promptfoo::read(file, &bytes, settings, gathered),
        (AnswerFormat::Inspect, None) => inspect::read_archive(file, settings, gathered),
        (AnswerFormat::LmEval, _) => lm_eval::read(file, settings, gathered),
        _ => jsonl::read(file, settings, gathered),
    }
}

fn digest_of(path: &Path) -> Result<(String, u64), ImportError> {
    digest::of_file(path).map_err(|source| ImportError::Read {
        path: path.to_owned(),
        source,
    })
}
