//! Writing a recording: append, sync, resume.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::reader::{is_file, read_header, scan};
use super::{ANSWERS_FILE, Entry, EvidenceError, HEADER_FILE, Header, Lent, Moment};
use crate::digest;
use crate::files::write_whole;
use crate::identity::Source;
use crate::model::Answer;
use crate::question::Question;

/// Answers between two syncs to disk: what a power failure may cost, in answers of local weights. Those of
/// endpoints were paid for, so each is synced.
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
    sync_every: u64,
    clock: fn() -> Option<Moment>,
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
        let path = directory.join(ANSWERS_FILE);
        match is_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(EvidenceError::Read {
                    path,
                    source: error,
                });
            }
            _ => {}
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(write_error(&path))?;
        // Two names of one model, or two runs with one --out, may want the same recording: the second
        // waits and then finds the answers. Where files cannot be locked, that is left to the user.
        match file.lock() {
            Err(error) if error.kind() != io::ErrorKind::Unsupported => {
                return Err(write_error(&path)(error));
            }
            _ => {}
        }
        let head_path = directory.join(HEADER_FILE);
        if !head_path.is_file() {
            let head = pretty(header).map_err(io::Error::from);
            let written = head.and_then(|head| write_whole(&head_path, &head));
            written.map_err(write_error(&head_path))?;
        }
        let (found, mark) = read_header(directory)?;
        if let Some(what) = difference(&found, header) {
            return Err(EvidenceError::Other {
                path: directory.to_owned(),
                what,
            });
        }
        let mut answered = BTreeSet::new();
        let scan = scan::<Lent>(directory, &mark, &mut |entry| {
            answered.insert(key(&entry.question));
        })?;
        file.set_len(scan.bytes).map_err(write_error(&path))?;
        Ok(Self {
            directory: directory.to_owned(),
            file,
            lines: scan.lines,
            head: scan.head,
            answered,
            unsynced: 0,
            sync_every: match header.identity.source {
                Source::Endpoint { .. } => 1,
                _ => SYNC_EVERY,
            },
            clock: || None,
        })
    }

    /// The same, which writes down with every answer when it came.
    #[must_use]
    pub fn dated(self, clock: fn() -> Option<Moment>) -> Self {
        Self { clock, ..self }
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
            exchange: answer.exchange,
            at: (self.clock)(),
        };
        let mut line = serde_json::to_vec(&entry)
            .map_err(io::Error::from)
            .map_err(|source| self.error(source))?;
        let head = digest::of_bytes(&line);
        line.push(b'\n');
        self.file
            .write_all(&line)
            .map_err(|source| self.error(source))?;
        self.head = head;
        self.lines += 1;
        self.answered.insert(key(question));
        self.unsynced += 1;
        if self.unsynced >= self.sync_every {
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

/// Writes a whole recording at once, or finds it there, byte for byte. The header comes last, so that what was
/// broken off is no recording.
///
/// # Errors
///
/// When the directory holds another recording, or cannot be written.
pub fn put(
    directory: &Path,
    header: &Header,
    answers: impl IntoIterator<Item = (Question, Answer)>,
) -> Result<(), EvidenceError> {
    let head = pretty(header).map_err(io::Error::from);
    let head_path = directory.join(HEADER_FILE);
    let head = head.map_err(|source| EvidenceError::Write {
        path: head_path.clone(),
        source,
    })?;
    let path = directory.join(ANSWERS_FILE);
    let partial = path.with_added_extension("partial");
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| EvidenceError::Write { path, source }
    };
    let other = |what| {
        Err(EvidenceError::Other {
            path: directory.to_owned(),
            what,
        })
    };
    if head_path.exists() {
        let found = fs::read(&head_path).map_err(|source| EvidenceError::Read {
            path: head_path.clone(),
            source,
        })?;
        if found != head {
            return other("where its answers come from");
        }
    }
    fs::create_dir_all(directory).map_err(failed(directory))?;
    let written = write_lines(&partial, digest::of_bytes(&head), answers);
    let written = written.map_err(failed(&partial))?;
    if path.exists() {
        let (found, _) = digest::of_file(&path).map_err(|source| EvidenceError::Read {
            path: path.clone(),
            source,
        })?;
        fs::remove_file(&partial).map_err(failed(&partial))?;
        if found != written {
            return other("an answer");
        }
    } else {
        fs::rename(&partial, &path).map_err(failed(&path))?;
    }
    if !head_path.exists() {
        write_whole(&head_path, &head).map_err(failed(&head_path))?;
    }
    Ok(())
}

/// Writes the answers behind a header of this digest; gives the digest of the file.
fn write_lines(
    path: &Path,
    mark: String,
    answers: impl IntoIterator<Item = (Question, Answer)>,
) -> io::Result<String> {
    let mut file = BufWriter::with_capacity(1 << 18, File::create(path)?);
    let (mut all, mut previous) = (Sha256::new(), mark);
    for (n, (question, answer)) in (0..).zip(answers) {
        let entry = Entry {
            n,
            previous,
            question,
            rendered: answer.rendered,
            response: answer.response,
            exchange: answer.exchange,
            at: None,
        };
        let mut line = serde_json::to_vec(&entry)?;
        previous = digest::of_bytes(&line);
        line.push(b'\n');
        all.update(&line);
        file.write_all(&line)?;
    }
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_data()?;
    Ok(digest::hex(&all.finalize()))
}

fn key<S: Serialize>(question: &Question<S>) -> String {
    digest::of_value(question)
}

/// A header as it stands in its file.
fn pretty(header: &Header) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(header)?;
    text.push(b'\n');
    Ok(text)
}

fn difference(found: &Header, wanted: &Header) -> Option<&'static str> {
    let pairs = [
        (
            found.identity.source.item() == wanted.identity.source.item(),
            "the model",
        ),
        (found.battery == wanted.battery, "the battery"),
        (found.posing == wanted.posing, "the posing"),
        (found.seed == wanted.seed, "the seed"),
    ];
    pairs
        .into_iter()
        .find(|(same, _)| !same)
        .map(|(_, what)| what)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::battery::Pose;
    use crate::evidence::{BatteryMark, FORMAT, read};
    use crate::identity::ModelIdentity;
    use crate::model::Seed;
    use crate::question::{Access, Posing, Prompt, Request};
    use crate::response::{Finish, Response};

    fn header() -> Header {
        Header {
            format: FORMAT,
            tool: "0".to_owned(),
            identity: ModelIdentity {
                name: "m".to_owned(),
                source: Source::Scripted {
                    script: "s".to_owned(),
                },
            },
            battery: BatteryMark {
                name: "b".to_owned(),
                version: 1,
                probes: 1,
                digest: String::new(),
            },
            posing: Posing {
                chat: false,
                raw: true,
                access: Access::Scored,
                samples: 1,
                repeats: 0,
                top: 1,
            },
            seed: Seed(1),
        }
    }

    fn question(sample: usize) -> Question {
        Question {
            probe: "p".to_owned(),
            variant: 0,
            prompt: Prompt {
                pose: Pose::Raw,
                text: "t".to_owned(),
                lead: String::new(),
            },
            request: Request::Write {
                sample,
                max_tokens: 1,
            },
        }
    }

    fn answer() -> Answer {
        Answer {
            rendered: "t".to_owned(),
            response: Response::Text {
                text: "x".to_owned(),
                tokens: 1,
                finish: Finish::Stop,
            },
            exchange: None,
        }
    }

    #[test]
    fn a_full_disk_is_an_error_of_writing_and_costs_nothing_before() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::open(directory.path(), &header()).unwrap();
        store.append(&question(0), answer()).unwrap();
        store.append(&question(1), answer()).unwrap();
        let before = read(directory.path()).unwrap();
        let real = std::mem::replace(
            &mut store.file,
            OpenOptions::new().append(true).open("/dev/full").unwrap(),
        );
        let failed = store.append(&question(2), answer());
        assert!(
            matches!(&failed, Err(EvidenceError::Write { source, .. }) if source.kind() == io::ErrorKind::StorageFull),
            "{failed:?}"
        );
        assert!(!store.has(&question(2)));
        assert_eq!(read(directory.path()).unwrap(), before);
        // Room was made: what follows is a whole line of the same chain.
        store.file = real;
        store.append(&question(2), answer()).unwrap();
        drop(store);
        let after = read(directory.path()).unwrap();
        assert_eq!(after.entries[..2], before.entries);
        assert_eq!(after.entries.len(), 3);
    }

    #[test]
    fn the_second_writer_of_a_recording_waits_and_finds_the_answers() {
        let directory = tempfile::tempdir().unwrap();
        let mut first = Store::open(directory.path(), &header()).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                let mut second = Store::open(directory.path(), &header()).unwrap();
                assert!(second.has(&question(0)));
                second.append(&question(1), answer()).unwrap();
            });
            std::thread::sleep(std::time::Duration::from_millis(50));
            first.append(&question(0), answer()).unwrap();
            assert!(!second.is_finished());
            drop(first);
        });
        assert_eq!(read(directory.path()).unwrap().entries.len(), 2);
    }
}
