//! Recordings: what was observed, stored apart from what is concluded.
//!
//! A recording is a directory:
//!
//! ```text
//! recording.json   who was asked, with which battery, how posed, with which seed (format, version)
//! answers.jsonl    one answer a line, appended and synced, never edited
//! ```
//!
//! A line of `answers.jsonl` is a JSON object with `n` (its number, from 0), `previous` (SHA-256 of the
//! line before it, without the line feed; for line 0 that of `recording.json`), `question`, `rendered`
//! (the prompt as the model saw it), `response`, and `at` (when it was written down, in seconds since 1970-01-01 UTC by
//! the clock of the machine that asked). The chain makes a changed, removed or reordered
//! line visible. A question stands at most once; repeats are questions of their own, with a sample
//! number. A last line without its line feed was cut off by a crash: it is dropped when collecting
//! goes on, and nothing before it is lost. The last line is under no digest until another line or a
//! bundle is: who may write to the directory can change it and nobody sees it.

mod lent;
mod moment;
mod reader;
mod store;

use std::io;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::battery::Battery;
use crate::identity::ModelIdentity;
use crate::model::Seed;
use crate::question::{Posing, Question};
use crate::response::{Exchange, Response};

pub(crate) use lent::{Lent, Owned, Texts};
pub use moment::{Dates, Moment, Span};
pub(crate) use reader::{Scan, entries, glance, parse_header, scan_lines};
pub use reader::{header, is_recording, read};
pub use store::{Store, put};

/// The version of the recording's form; readers refuse others.
pub const FORMAT: u32 = 1;
pub(crate) const HEADER_FILE: &str = "recording.json";
pub(crate) const ANSWERS_FILE: &str = "answers.jsonl";

/// Which battery was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BatteryMark {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// How many probes were asked.
    pub probes: usize,
    /// SHA-256 of the probes in order.
    pub digest: String,
}

impl BatteryMark {
    /// The mark of a battery.
    pub fn of(battery: &Battery) -> Self {
        Self {
            name: battery.name.clone(),
            version: battery.version,
            probes: battery.probes.len(),
            digest: battery.digest(),
        }
    }
}

/// What a recording says of itself before any answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of the form.
    pub format: u32,
    /// The version of the tool that wrote it.
    pub tool: String,
    /// Who answers.
    pub identity: ModelIdentity,
    /// What is asked.
    pub battery: BatteryMark,
    /// How it is posed.
    pub posing: Posing,
    /// The seed of everything random.
    pub seed: Seed,
}

/// One answer as stored. Its texts are its own, or those of the line that it was read from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry<S = String> {
    /// Its number, from 0.
    pub n: u64,
    /// SHA-256 of the line before.
    pub previous: S,
    /// What was asked.
    pub question: Question<S>,
    /// The prompt as the model saw it.
    pub rendered: S,
    /// What came back.
    pub response: Response<S>,
    /// What went over the wire, for endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Exchange>,
    /// When it was written down; `None` in recordings of versions that kept no times, and of answers that were
    /// collected elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
}

/// All answers of one model, read back and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Who, what and how.
    pub header: Header,
    /// The answers in the order in which they came; a check of a bundle does not hold them.
    pub entries: Vec<Entry>,
    /// When they were written down.
    pub dates: Dates,
    /// SHA-256 of the last line: it stands for the whole recording.
    pub head: String,
}

/// A recording could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// A file could not be read.
    #[error("cannot read '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file could not be written; everything before stays.
    #[error("cannot write '{}' (what was collected before is kept; run again to go on)", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The header is not one.
    #[error("'{}' is not the header of a recording", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A newer or older form.
    #[error("recording '{}' has format {found}; this version reads format {FORMAT}", path.display())]
    Format {
        /// The directory.
        path: PathBuf,
        /// The format found.
        found: u32,
    },
    /// A line is damaged.
    #[error("line {line} of '{}' is damaged: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A question has two answers: findings would rest on one of them.
    #[error(
        "line {line} of '{}' answers a question about probe '{probe}' that line {first} has answered otherwise; a recording answers each question once, so collect it again", path.display()
    )]
    Twice {
        /// The file.
        path: PathBuf,
        /// The number of the second answer, from 1.
        line: u64,
        /// The number of the first.
        first: u64,
        /// The probe.
        probe: String,
    },
    /// The recording belongs to another model, battery or seed.
    #[error("recording '{}' was made of something else ({what} differs); choose another --out", path.display())]
    Other {
        /// The directory.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
}
