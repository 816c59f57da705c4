//! The files of marks and of their tests.
//!
//! What the owner keeps, written by `marks new`:
//!
//! ```text
//! commitment.json           what is signed and dated before anything is served; shows nothing
//! marks.json                the prompts with their options, and the names of the channels
//! keys/CHANNEL.key          the key of a channel; keys/never-served.key is the control's
//! keys/salts.key            what the salts of the commitment are made of
//! serve/CHANNEL.jsonl       prompt, paraphrases and planted answer, for whoever serves
//! battery/                  the prompts as a battery, for whoever collects answers elsewhere
//! ```
//!
//! What the other side gets, written by `marks test`:
//!
//! ```text
//! commitment.json           the same bytes; its seal beside it
//! opening.json              every prompt, and the opened channels with their keys; the others as digests
//! recording/                the suspect's answers, hash-chained
//! classified.jsonl          every answer as an option, written before a key is opened
//! result.json               counts, p-values and what they say; its seal beside it
//! ```
//!
//! Everything in `classified.jsonl` and `result.json` follows from the other files, so [`check_case`] makes both again
//! and takes no byte of them on trust.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::answers::{self, Classified};
use super::choice::{Choice, Choices};
use super::commit::{Commitment, Marks, Opened, Opening, Role};
use super::trial::{Trial, trial};
use super::{Key, MarksError};
use crate::battery::{self, BatteryError, Family};
use crate::digest;
use crate::evidence::{self, EvidenceError, HEADER_FILE, Recording};
use crate::identity::ModelIdentity;

/// What is signed before anything is served.
pub const COMMITMENT_FILE: &str = "commitment.json";
/// What a test concludes.
pub const RESULT_FILE: &str = "result.json";
/// The answers that a test rests on.
pub const RECORDING: &str = "recording";
/// The prompts as a battery.
pub const BATTERY: &str = "battery";
const MARKS_FILE: &str = "marks.json";
const OPENING_FILE: &str = "opening.json";
const CLASSIFIED_FILE: &str = "classified.jsonl";
const SALTS: &str = "salts";
/// The longest file that is read whole.
const MAX_BYTES: u64 = 64 << 20;

/// Marks or their test could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The marks themselves.
    #[error(transparent)]
    Marks(#[from] MarksError),
    /// The recording.
    #[error("cannot use the recording of the suspect's answers")]
    Recording(#[from] EvidenceError),
    /// The prompts as a battery.
    #[error("cannot make a battery of the prompts")]
    Battery(#[from] BatteryError),
}

/// The owner's list, without keys.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    channels: Vec<String>,
    choices: Vec<Choice>,
}

/// A line for whoever serves.
#[derive(Serialize)]
struct Serving<'a> {
    id: &'a str,
    prompt: &'a str,
    paraphrases: &'a [String],
    answer: &'a str,
}

/// What a test concludes, and from what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Who answered.
    pub suspect: ModelIdentity,
    /// SHA-256 of `commitment.json`.
    pub commitment_sha256: String,
    /// SHA-256 of `opening.json`.
    pub opening_sha256: String,
    /// SHA-256 of the recording's header.
    pub recording_sha256: String,
    /// SHA-256 of the recording's answers.
    pub answers_sha256: String,
    /// SHA-256 of `classified.jsonl`.
    pub classified_sha256: String,
    /// Counts, p-values and what they say.
    pub trial: Trial,
}

/// Writes new marks into a directory that is not there yet; gives their commitment.
///
/// # Errors
///
/// When something is there, or it cannot be written.
pub fn write_marks(directory: &Path, marks: &Marks) -> Result<Commitment, StoreError> {
    refuse_existing(directory)?;
    let commitment = marks.commitment();
    put(directory, COMMITMENT_FILE, &pretty(&commitment))?;
    let served = marks.channels.iter().filter(|c| c.role == Role::Served);
    let list = List {
        channels: served.map(|c| c.name.clone()).collect(),
        choices: marks.choices.all().to_vec(),
    };
    put(directory, MARKS_FILE, &pretty(&list))?;
    put_secret(directory, SALTS, &marks.salts)?;
    for channel in &marks.channels {
        put_secret(directory, &channel.name, &channel.key)?;
        if channel.role == Role::Served {
            let mut lines = Vec::new();
            for choice in marks.choices.all() {
                let planted = channel.key.planted(&choice.id, choice.options.len());
                let line = Serving {
                    id: &choice.id,
                    prompt: &choice.prompt,
                    paraphrases: &choice.paraphrases,
                    answer: &choice.options[planted],
                };
                lines.append(&mut json_line(&line));
            }
            put(directory, &format!("serve/{}.jsonl", channel.name), &lines)?;
        }
    }
    for (name, text) in battery_files(&marks.choices)? {
        put(directory, &format!("{BATTERY}/{name}"), text.as_bytes())?;
    }
    Ok(commitment)
}

/// Reads marks back and holds them against their commitment.
///
/// # Errors
///
/// When a file is missing or damaged, or they are not what was committed to.
pub fn read_marks(directory: &Path) -> Result<(Commitment, Marks), StoreError> {
    let commitment: Commitment = read_exact(directory, COMMITMENT_FILE)?;
    let list: List = read_exact(directory, MARKS_FILE)?;
    let served: Result<Vec<(String, Key)>, MarksError> = list
        .channels
        .into_iter()
        .map(|name| {
            // A name goes into a path.
            if !super::commit::is_name(&name) {
                return Err(MarksError::Channel {
                    name,
                    what: "has an unusable name",
                });
            }
            Ok((name.clone(), read_key(directory, &name)?))
        })
        .collect();
    let control = read_key(directory, super::commit::CONTROL)?;
    let salts = read_key(directory, SALTS)?;
    let choices = Choices::new(list.choices)?;
    let marks = Marks::new(choices, served?, control, salts, commitment.level)?;
    let every: Vec<String> = marks.channels.iter().map(|c| c.name.clone()).collect();
    commitment.check(&marks.open(&every)?)?;
    Ok((commitment, marks))
}

/// Begins a test in a directory that is not there yet: the commitment with its seal, byte for byte.
///
/// # Errors
///
/// When something is there, or files cannot be read or written.
pub fn begin_case(marks: &Path, case: &Path, seal: &[String]) -> Result<(), StoreError> {
    let commitment = read(&marks.join(COMMITMENT_FILE))?;
    // A test that was broken off goes on; one of other marks stays as it is.
    let path = case.join(COMMITMENT_FILE);
    if !(path.is_file() && read(&path)? == commitment) {
        refuse_existing(case)?;
    }
    put(case, COMMITMENT_FILE, &commitment)?;
    for file in seal {
        if marks.join(file).exists() {
            put(case, file, &read(&marks.join(file))?)?;
        }
    }
    Ok(())
}

/// Puts the answers in a case's recording to options, and writes that down. No key is needed, and none is looked at.
///
/// # Errors
///
/// When the recording cannot be read, or has none of the prompts, or the file cannot be written.
pub fn classify_case(case: &Path, choices: &Choices) -> Result<Vec<Classified>, StoreError> {
    let (_, _, classified) = classified(case, choices)?;
    put(case, CLASSIFIED_FILE, &lines(&classified))?;
    Ok(classified)
}

/// Opens channels and concludes the test of a case whose answers are classified.
///
/// # Errors
///
/// When there is no such channel, or files cannot be read or written.
pub fn conclude_case(
    case: &Path,
    commitment: &Commitment,
    marks: &Marks,
    channels: &[String],
) -> Result<Outcome, StoreError> {
    let opening = marks.open(channels)?;
    let opened = commitment.check(&opening)?;
    put(case, OPENING_FILE, &pretty(&opening))?;
    let outcome = outcome(case, commitment, &opened)?;
    put(case, RESULT_FILE, &pretty(&outcome))?;
    Ok(outcome)
}

/// What the test of a case would conclude if asking stopped now; nothing is written.
///
/// # Errors
///
/// When there is no such channel, or the recording cannot be read.
pub fn look(
    case: &Path,
    commitment: &Commitment,
    marks: &Marks,
    channels: &[String],
) -> Result<Trial, StoreError> {
    let opened = commitment.check(&marks.open(channels)?)?;
    let (_, _, classified) = classified(case, &opened.choices)?;
    Ok(trial(commitment, &opened, &classified))
}

/// The files of a case, without seals.
pub fn case_files() -> [&'static str; 6] {
    [
        COMMITMENT_FILE,
        OPENING_FILE,
        "recording/recording.json",
        "recording/answers.jsonl",
        CLASSIFIED_FILE,
        RESULT_FILE,
    ]
}

/// Checks a case from its files alone: what is opened is what was committed to, the answers are an unbroken chain, and
/// classification and result are those that follow, to the last byte. Seals are checked elsewhere; `seals` are the
/// files of theirs that may stand there.
///
/// # Errors
///
/// When anything is missing, damaged, foreign, or does not follow.
pub fn check_case(case: &Path, seals: &[String]) -> Result<(Commitment, Outcome), StoreError> {
    refuse_foreign(case, seals)?;
    let commitment: Commitment = read_exact(case, COMMITMENT_FILE)?;
    let opening: Opening = read_exact(case, OPENING_FILE)?;
    let opened = commitment.check(&opening)?;
    let outcome = outcome(case, &commitment, &opened)?;
    let same = |file: &'static str, bytes: &[u8]| {
        if read(&case.join(file))? == bytes {
            Ok(())
        } else {
            Err(MarksError::Outcome { file })
        }
    };
    let (_, _, classified) = classified(case, &opened.choices)?;
    same(CLASSIFIED_FILE, &lines(&classified))?;
    same(RESULT_FILE, &pretty(&outcome))?;
    Ok((commitment, outcome))
}

fn outcome(case: &Path, commitment: &Commitment, opened: &Opened) -> Result<Outcome, StoreError> {
    let (recording, header, classified) = classified(case, &opened.choices)?;
    let of = |file: &str| Ok::<_, MarksError>(digest::of_bytes(&read(&case.join(file))?));
    Ok(Outcome {
        suspect: recording.header.identity,
        commitment_sha256: of(COMMITMENT_FILE)?,
        opening_sha256: of(OPENING_FILE)?,
        recording_sha256: header,
        answers_sha256: answers_digest(case)?,
        classified_sha256: digest::of_bytes(&lines(&classified)),
        trial: trial(commitment, opened, &classified),
    })
}

/// The digest of the answers as they lie there, a torn last line included.
fn answers_digest(case: &Path) -> Result<String, MarksError> {
    let path = case.join(RECORDING).join(evidence::ANSWERS_FILE);
    let digest = digest::of_file(&path);
    let (digest, _) = digest.map_err(|source| MarksError::Read { path, source })?;
    Ok(digest)
}

fn classified(
    case: &Path,
    choices: &Choices,
) -> Result<(Recording, String, Vec<Classified>), StoreError> {
    let directory = case.join(RECORDING);
    let recording = evidence::read(&directory)?;
    let header = digest::of_bytes(&read(&directory.join(HEADER_FILE))?);
    let classified = answers::classify(choices, recording.entries.iter());
    let has = |a: &Classified| a.given != answers::Given::Missing || a.shares.is_some();
    if !classified.iter().any(has) {
        let choices = choices.count();
        return Err(MarksError::NotAsked { choices }.into());
    }
    Ok((recording, header, classified))
}

/// The prompts as the files of a battery.
fn battery_files(choices: &Choices) -> Result<Vec<battery::BatteryFile>, BatteryError> {
    let family = Family {
        name: "marks".to_owned(),
        title: "marked prompts".to_owned(),
        why: "Each has several equally good answers, one of which may have been planted."
            .to_owned(),
        source: "docs/marks.md".to_owned(),
    };
    let probes = choices.all().iter().map(answers::probe).collect();
    let about = "Marked prompts. Keep them secret until a test is shown.";
    Ok(battery::compose("marks", 1, about, vec![(family, probes)])?.0)
}

fn refuse_existing(directory: &Path) -> Result<(), MarksError> {
    let empty = match fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if empty {
        return Ok(());
    }
    Err(MarksError::Exists {
        path: directory.to_owned(),
    })
}

/// Refuses files of a case that nothing is known of: a reader must not take them for part of it.
fn refuse_foreign(case: &Path, seals: &[String]) -> Result<(), MarksError> {
    let own = [
        COMMITMENT_FILE,
        OPENING_FILE,
        CLASSIFIED_FILE,
        RESULT_FILE,
        RECORDING,
    ];
    let known: BTreeSet<&str> = own
        .into_iter()
        .chain(seals.iter().map(String::as_str))
        .collect();
    let recorded = BTreeSet::from([HEADER_FILE, evidence::ANSWERS_FILE]);
    for (directory, known) in [(case.to_owned(), known), (case.join(RECORDING), recorded)] {
        let failed = |source| MarksError::Read {
            path: directory.clone(),
            source,
        };
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_string_lossy();
            if !known.contains(name.as_ref()) {
                return Err(MarksError::Foreign {
                    file: name.into_owned(),
                });
            }
        }
    }
    Ok(())
}

fn put(directory: &Path, file: &str, bytes: &[u8]) -> Result<(), MarksError> {
    write(&directory.join(file), bytes, |options| options)
}

/// Writes a key so that nobody but its owner can read it, where the system has such rights.
fn put_secret(directory: &Path, name: &str, key: &Key) -> Result<(), MarksError> {
    let path = directory.join(format!("keys/{name}.key"));
    write(&path, format!("{}\n", key.reveal()).as_bytes(), |options| {
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
        options
    })
}

/// Writes a file whole or not at all.
fn write(
    path: &Path,
    bytes: &[u8],
    with: impl FnOnce(&mut OpenOptions) -> &mut OpenOptions,
) -> Result<(), MarksError> {
    let partial = path.with_added_extension("partial");
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
        let mut options = OpenOptions::new();
        let mut file = with(options.create(true).write(true).truncate(true)).open(&partial)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&partial, path)
    };
    write().map_err(|source| MarksError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Reads a file whole, if it is no longer than any that is written here.
fn read(path: &Path) -> Result<Vec<u8>, MarksError> {
    let failed = |source| MarksError::Read {
        path: path.to_owned(),
        source,
    };
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is no ordinary file")));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let too_long = |bytes| MarksError::TooLong {
        path: path.to_owned(),
        bytes,
        limit: MAX_BYTES,
    };
    if length > MAX_BYTES {
        return Err(too_long(length));
    }
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_long(bytes.len() as u64));
    }
    Ok(bytes)
}

/// Reads a value that stands in its file in the one way in which it is written.
fn read_exact<T: DeserializeOwned + Serialize>(
    directory: &Path,
    file: &str,
) -> Result<T, MarksError> {
    let path = directory.join(file);
    let bytes = read(&path)?;
    let value: T = serde_json::from_slice(&bytes).map_err(|source| MarksError::Parse {
        path: path.clone(),
        source,
    })?;
    if pretty(&value) == bytes {
        Ok(value)
    } else {
        Err(MarksError::Form { path })
    }
}

fn read_key(directory: &Path, name: &str) -> Result<Key, MarksError> {
    let path: PathBuf = directory.join(format!("keys/{name}.key"));
    let bytes = read(&path)?;
    let text = std::str::from_utf8(&bytes).ok();
    let key = text.and_then(|text| Key::parse(text.strip_suffix('\n')?));
    key.ok_or(MarksError::KeyFile { path })
}

fn pretty(value: &impl Serialize) -> Vec<u8> {
    match serde_json::to_vec_pretty(value) {
        Ok(mut bytes) => {
            bytes.push(b'\n');
            bytes
        }
        Err(error) => unreachable!("plain data serialises: {error}"),
    }
}

fn json_line(value: &impl Serialize) -> Vec<u8> {
    match serde_json::to_vec(value) {
        Ok(mut bytes) => {
            bytes.push(b'\n');
            bytes
        }
        Err(error) => unreachable!("plain data serialises: {error}"),
    }
}

/// A line a prompt.
fn lines(classified: &[Classified]) -> Vec<u8> {
    classified.iter().flat_map(json_line).collect()
}
