//! The log of what was asked: one line of JSON a request.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::printable::visible_json;

/// The status of a request whose client left before it was answered.
const GONE: u16 = 499;

/// A log file, appended to.
#[derive(Debug)]
pub(super) struct Log(Mutex<File>);

/// One line.
#[derive(Debug, Default, Serialize)]
struct Line {
    /// Counts the requests since the server was started.
    number: u64,
    /// Seconds since 1970.
    time: u64,
    route: String,
    status: u16,
    /// The prompts or their digests.
    prompts: Vec<String>,
    /// What else was asked for.
    parameters: Map<String, Value>,
    prompt_tokens: usize,
    completion_tokens: usize,
}

impl Log {
    /// Opens or makes a log, readable by its owner only: it may hold prompts.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self(Mutex::new(options.open(path)?)))
    }

    fn write(&self, line: &Line) -> io::Result<()> {
        // Somebody may read it on a terminal.
        let text = visible_json(&serde_json::to_string(line)?) + "\n";
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(text.as_bytes())
    }
}

/// The log's line of a request in hand. It is written when the request ends, in whichever way.
#[derive(Debug)]
pub(super) struct Entry {
    log: Option<Arc<Log>>,
    line: Line,
}

impl Entry {
    pub(super) fn new(log: Option<Arc<Log>>, number: u64, time: u64, route: String) -> Self {
        let line = Line {
            number,
            time,
            route,
            status: GONE,
            ..Line::default()
        };
        Self { log, line }
    }

    pub(super) fn asked(&mut self, prompts: Vec<String>, parameters: Map<String, Value>) {
        self.line.prompts = prompts;
        self.line.parameters = parameters;
    }

    pub(super) fn answered(&mut self, prompt_tokens: usize, completion_tokens: usize) {
        self.line.prompt_tokens = prompt_tokens;
        self.line.completion_tokens = completion_tokens;
    }

    /// Writes the line of an answer that is about to be given.
    pub(super) fn finish(mut self, status: u16) -> io::Result<()> {
        self.line.status = status;
        match self.log.take() {
            Some(log) => log.write(&self.line),
            None => Ok(()),
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(log) = self.log.take() {
            // There is nobody left to be told that it failed.
            let _ = log.write(&self.line);
        }
    }
}
