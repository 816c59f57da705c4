//! What can go wrong with answers from outside: always with the file, the place in it, and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use zip::result::ZipError;

use crate::battery::BatteryError;
use crate::evidence::EvidenceError;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Where in it.
    pub at: At,
}

/// Where in a file something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// The file as a whole.
    Whole,
    /// A line, from 1.
    Line(u64),
    /// An item of its list, from 1.
    Item(usize),
    /// A member of an archive.
    Member(String),
}

impl Place {
    /// A file as a whole.
    pub(super) fn of(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            at: At::Whole,
        }
    }

    /// A line of a file, from 1.
    pub(super) fn line(file: &Path, line: u64) -> Self {
        Self {
            file: file.to_owned(),
            at: At::Line(line),
        }
    }

    /// An item of a file's list, from 0.
    pub(super) fn item(file: &Path, index: usize) -> Self {
        Self {
            file: file.to_owned(),
            at: At::Item(index + 1),
        }
    }

    /// A member of an archive.
    pub(super) fn member(file: &Path, name: &str) -> Self {
        Self {
            file: file.to_owned(),
            at: At::Member(name.chars().take(200).collect()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match &self.at {
            At::Whole => write!(f, "'{file}'"),
            At::Line(line) => write!(f, "line {line} of '{file}'"),
            At::Item(item) => write!(f, "item {item} of '{file}'"),
            At::Member(name) => write!(f, "member '{name}' of '{file}'"),
        }
    }
}

/// Answers could not be imported. Nothing that was there before has been changed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file or directory could not be read.
    #[error("cannot read '{}'", path.display())]
    Read {
        /// It.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// An archive could not be read.
    #[error("cannot read {place}")]
    Archive {
        /// The archive, or the member.
        place: Place,
        /// The cause.
        #[source]
        source: ZipError,
    },
    /// A directory has no file of the format.
    #[error("'{}' holds no file for --format {format}: {wanted}", path.display())]
    NoFiles {
        /// The directory.
        path: PathBuf,
        /// The format.
        format: &'static str,
        /// What its files are called.
        wanted: &'static str,
    },
    /// Something is not JSON, or not of the form that it should have.
    #[error("{place} is not of the form that --format {format} reads")]
    Form {
        /// Where.
        place: Place,
        /// The format.
        format: &'static str,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A field is missing or is something else.
    #[error("{place}: the field '{field}' {fault}; {todo}")]
    Field {
        /// Where.
        place: Place,
        /// The field.
        field: String,
        /// What is wrong with it.
        fault: &'static str,
        /// What to do.
        todo: &'static str,
    },
    /// Nobody says whose answers these are.
    #[error("{place} does not say which model answered; name it with --model")]
    NoModel {
        /// Where.
        place: Place,
    },
    /// More than is taken in, before anything of it was allocated.
    #[error("{place} {what}, which is more than is imported (at most {limit})")]
    TooMuch {
        /// Where.
        place: Place,
        /// What it has too much of.
        what: &'static str,
        /// How much there may be.
        limit: u64,
    },
    /// There is nothing to make a battery of.
    #[error("no prompt was answered by two models; import the files of all models in one go")]
    NothingShared,
    /// The prompts make no battery.
    #[error("cannot make a battery of the prompts")]
    Battery(#[from] BatteryError),
    /// A recording could not be written.
    #[error("cannot keep the answers of '{model}'")]
    Recording {
        /// The model.
        model: String,
        /// The cause.
        #[source]
        source: EvidenceError,
    },
    /// Another import lies where this one goes.
    #[error("'{}' is of another import; choose another --out", path.display())]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error("cannot write '{}'", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}
