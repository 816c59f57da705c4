//! Writing a recording: append, sync, resume.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::reader::{read_header, scan};
use super::{ANSWERS_FILE, Entry, EvidenceError, HEADER_FILE, Header};
use crate::digest;
use crate::model::Answer;
use crate::question::Question;

/// Answers between two syncs to disk: what a power failure may cost, in answers of local weights.
const SYNC_EVERY: u64 = 64;

/// A recording that is being written.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    file: File,
    lines: u64,
    head: String,
    answered: BTreeSet<String>,
    unsynced: u64,
}

impl Store {
    /// Begins a recording, or goes on with one of the same header, dropping a torn last line.
    ///
    /// # Errors
    ///
    /// When the directory holds another recording, a damaged one, or cannot be written.
    pub fn open(directory: &Path, header: &Header) -> Result<Self, EvidenceError> {
        let write_error = |path: &Path| {
            let path = path.to_owned();
            move |source| EvidenceError::Write { path, source }
        };
        fs::create_dir_all(directory).map_err(write_error(directory))?;
        let head_path = directory.join(HEADER_FILE);
        if !head_path.is_file() {
            write_whole(&head_path, header).map_err(write_error(&head_path))?;
        }
        let (found, mark) = read_header(directory)?;
        if let Some(what) = difference(&found, header) {
            return Err(EvidenceError::Other {
                path: directory.to_owned(),
                what,
            });
        }
        let mut answered = BTreeSet::new();
        let scan = scan(directory, &mark, &mut |entry| {
            answered.insert(key(&entry.question));
        })?;
        let path = directory.join(ANSWERS_FILE);
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(write_error(&path))?;
        file.set_len(scan.bytes).map_err(write_error(&path))?;
        Ok(Self {
            directory: directory.to_owned(),
            file,
            lines: scan.lines,
            head: scan.head,
            answered,
            unsynced: 0,
        })
    }

    /// Whether the question has been answered.
    pub fn has(&self, question: &Question) -> bool {
        self.answered.contains(&key(question))
    }

    /// Where the recording lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Appends an answer.
    ///
    /// # Errors
    ///
    /// When it cannot be written whole; the recording then ends before it.
    pub fn append(&mut self, question: &Question, answer: Answer) -> Result<(), EvidenceError> {
        let entry = Entry {
            n: self.lines,
            previous: self.head.clone(),
            question: question.clone(),
            rendered: answer.rendered,
            response: answer.response,
        };
        let mut line = serde_json::to_vec(&entry)
            .map_err(io::Error::from)
            .map_err(|source| self.error(source))?;
        self.head = digest::of_bytes(&line);
        line.push(b'\n');
        self.file
            .write_all(&line)
            .map_err(|source| self.error(source))?;
        self.lines += 1;
        self.answered.insert(key(question));
        self.unsynced += 1;
        if self.unsynced >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    /// Makes sure that everything appended is on disk.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn sync(&mut self) -> Result<(), EvidenceError> {
        self.unsynced = 0;
        self.file.sync_data().map_err(|source| self.error(source))
    }

    fn error(&self, source: io::Error) -> EvidenceError {
        EvidenceError::Write {
            path: self.directory.join(ANSWERS_FILE),
            source,
        }
    }
}

fn key(question: &Question) -> String {
    digest::of_value(question)
}

/// Writes a file whole or not at all.
fn write_whole(path: &Path, header: &Header) -> io::Result<()> {
    let partial = path.with_extension("json.partial");
    let mut text = serde_json::to_vec_pretty(header)?;
    text.push(b'\n');
    let mut file = File::create(&partial)?;
    file.write_all(&text)?;
    file.sync_data()?;
    fs::rename(&partial, path)
}

fn difference(found: &Header, wanted: &Header) -> Option<&'static str> {
    let pairs = [
        (found.identity.source == wanted.identity.source, "the model"),
        (found.battery == wanted.battery, "the battery"),
        (found.posing == wanted.posing, "the posing"),
        (found.seed == wanted.seed, "the seed"),
    ];
    pairs
        .into_iter()
        .find(|(same, _)| !same)
        .map(|(_, what)| what)
}
