//! Answers as they come in, by model and prompt, within limits.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::error::{ImportError, Place};
use crate::battery::Pose;
use crate::digest;
use crate::identity::FileDigest;
use crate::response::Response;

/// Models at most.
const MAX_MODELS: usize = 10_000;
/// Answers at most, of all models together.
const MAX_ANSWERS: usize = 5_000_000;
/// Bytes of all texts together.
const MAX_BYTES: u64 = 8 << 30;
/// Samples of one prompt at most, of one model.
const MAX_SAMPLES: usize = 1_000;
/// Bytes of a prompt at most.
const MAX_PROMPT: usize = 1 << 20;
/// Bytes of an answer at most.
const MAX_ANSWER: usize = 8 << 20;
/// Bytes of a name, or of a setting.
const MAX_NAME: usize = 1_000;

/// What was put to a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub(super) struct Asked {
    pub(super) pose: Pose,
    pub(super) text: String,
    /// Closed answers, without space around them; none for open text.
    pub(super) options: Vec<String>,
}

impl Asked {
    /// A user's turn that is answered in open text.
    pub(super) fn chat(text: String) -> Self {
        Self {
            pose: Pose::Chat,
            text,
            options: Vec::new(),
        }
    }
}

/// One answer.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) model: String,
    pub(super) asked: Asked,
    /// What the prompt belongs to: a dataset, a task.
    pub(super) family: Option<String>,
    /// Which of several samples, where that is said.
    pub(super) sample: Option<u64>,
    pub(super) response: Response,
}

/// Why something of the files is not in the recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// A file with the same bytes as another one.
    CopiedFile,
    /// An answer from a cache.
    CachedCopy,
    /// The same answer, filtered in another way.
    OtherFilter,
    /// The same sample, or the same closed question, once more.
    Again,
    /// A likelihood that is part of no distribution over answers to one prompt.
    NoDistribution,
    /// A prompt with pictures, tools or other things that are no text.
    NotText,
    /// No prompt.
    EmptyPrompt,
    /// A prompt with `{options}` in it, which stands for a list in batteries.
    NamesOptions,
    /// A prompt of more than 1 MiB.
    LongPrompt,
    /// An answer to a prompt that no other model answered.
    OneModelAlone,
}

impl LeftOut {
    /// In words, after a number.
    pub fn words(self) -> &'static str {
        match self {
            Self::CopiedFile => "files that are copies of others",
            Self::CachedCopy => "answers out of a cache, which are copies and no samples",
            Self::OtherFilter => "rows that filter an answer in another way",
            Self::Again => "answers that stand twice",
            Self::NoDistribution => {
                "rows whose likelihoods are no distribution over answers to one prompt"
            }
            Self::NotText => "prompts that are not text alone",
            Self::EmptyPrompt => "empty prompts",
            Self::NamesOptions => {
                "prompts with '{options}' in them, which batteries read otherwise"
            }
            Self::LongPrompt => "prompts longer than 1 MiB",
            Self::OneModelAlone => "answers to prompts that no other model answered",
        }
    }
}

/// What is known of one model.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Files by place.
    pub(super) files: BTreeSet<usize>,
    pub(super) settings: BTreeMap<String, BTreeSet<String>>,
    pub(super) served: BTreeSet<String>,
    /// By prompt, in the order in which they came, each with its number where it has one.
    pub(super) answers: BTreeMap<usize, Vec<(Option<u64>, Response)>>,
}

/// A model as files name it, and the directory in which it is named so, where that may tell models apart.
pub(super) type Named = (String, Option<String>);

/// All that was read.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) files: Vec<FileDigest>,
    pub(super) asked: Vec<(Asked, Option<String>)>,
    pub(super) models: BTreeMap<Named, Held>,
    pub(super) left_out: BTreeMap<LeftOut, u64>,
    places: HashMap<u128, usize>,
    home: Option<String>,
    answers: usize,
    bytes: u64,
    digests: BTreeSet<String>,
}

impl Gathered {
    /// Begins a file; false for one with the same bytes as another. Models of different homes are different ones.
    pub(super) fn begin(&mut self, file: FileDigest, home: Option<String>) -> bool {
        if !self.digests.insert(file.sha256.clone()) {
            self.leave_out(LeftOut::CopiedFile);
            return false;
        }
        self.files.push(file);
        self.home = home;
        true
    }

    /// Counts something that is left out.
    pub(super) fn leave_out(&mut self, why: LeftOut) {
        *self.left_out.entry(why).or_default() += 1;
    }

    /// What this file says of how a model was asked.
    pub(super) fn setting(
        &mut self,
        place: &Place,
        model: &str,
        name: &str,
        value: String,
    ) -> Result<(), ImportError> {
        let value = shortened(value);
        let values = self.held(place, model)?.settings.entry(name.to_owned());
        values.or_default().insert(value);
        Ok(())
    }

    /// The name under which a reply came.
    pub(super) fn served(
        &mut self,
        place: &Place,
        model: &str,
        served: String,
    ) -> Result<(), ImportError> {
        let served = shortened(served);
        self.held(place, model)?.served.insert(served);
        Ok(())
    }

    /// Takes an answer in, or counts why not.
    pub(super) fn row(&mut self, place: &Place, row: Row) -> Result<(), ImportError> {
        if let Some(why) = unusable(&row.asked) {
            self.leave_out(why);
            return Ok(());
        }
        let response = bounded(row.response);
        self.answers += 1;
        self.bytes += length(&response) as u64;
        let closed = !row.asked.options.is_empty();
        let asked = self.place(row.asked, row.family);
        let within = self.answers <= MAX_ANSWERS && self.bytes <= MAX_BYTES;
        if !within {
            return Err(too_much(place, "brings more answers", MAX_ANSWERS));
        }
        let held = self.held(place, &row.model)?;
        let samples = held.answers.entry(asked).or_default();
        let same = samples
            .iter()
            .find(|(n, _)| row.sample.is_some() && *n == row.sample);
        if same.is_some_and(|(_, other)| *other != response) {
            return Err(ImportError::Field {
                place: place.clone(),
                field: "sample".to_owned(),
                fault: "numbers an answer that stands already, with another text",
                todo: "number the answers of a model to a prompt differently, or leave the number out",
            });
        }
        // A distribution is not drawn anew.
        if same.is_some() || (closed && !samples.is_empty()) {
            self.leave_out(LeftOut::Again);
            return Ok(());
        }
        if samples.len() == MAX_SAMPLES {
            return Err(too_much(
                place,
                "brings more samples of a prompt",
                MAX_SAMPLES,
            ));
        }
        samples.push((row.sample, response));
        Ok(())
    }

    fn place(&mut self, asked: Asked, family: Option<String>) -> usize {
        let next = self.asked.len();
        let place = *self.places.entry(digest::key(&asked)).or_insert(next);
        if place == next {
            self.bytes += asked.text.len() as u64;
            self.asked.push((asked, family.map(shortened)));
        }
        place
    }

    fn held(&mut self, place: &Place, model: &str) -> Result<&mut Held, ImportError> {
        if model.trim().is_empty() || model.len() > MAX_NAME {
            return Err(ImportError::Field {
                place: place.clone(),
                field: "model".to_owned(),
                fault: "is empty or longer than 1000 bytes",
                todo: "give the model a name",
            });
        }
        let named = (model.to_owned(), self.home.clone());
        if self.models.len() >= MAX_MODELS && !self.models.contains_key(&named) {
            return Err(too_much(place, "brings more models", MAX_MODELS));
        }
        let file = self.files.len().saturating_sub(1);
        let held = self.models.entry(named).or_default();
        held.files.insert(file);
        Ok(held)
    }
}

fn too_much(place: &Place, what: &'static str, limit: usize) -> ImportError {
    ImportError::TooMuch {
        place: place.clone(),
        what,
        limit: limit as u64,
    }
}

fn unusable(asked: &Asked) -> Option<LeftOut> {
    let length = asked.text.len() + asked.options.iter().map(String::len).sum::<usize>();
    if asked.text.trim().is_empty() {
        Some(LeftOut::EmptyPrompt)
    } else if length > MAX_PROMPT {
        Some(LeftOut::LongPrompt)
    } else if asked.text.contains("{options}") {
        Some(LeftOut::NamesOptions)
    } else {
        None
    }
}

/// The response, if it is not so long that no recording would hold it.
fn bounded(response: Response) -> Response {
    if length(&response) > MAX_ANSWER {
        return Response::Unavailable {
            reason: "the answer is longer than 8 MiB".to_owned(),
        };
    }
    match response {
        Response::Unavailable { reason } => Response::Unavailable {
            reason: shortened(reason),
        },
        other => other,
    }
}

fn length(response: &Response) -> usize {
    match response {
        Response::Text { text, .. } => text.len(),
        Response::Refused { reason } | Response::Unavailable { reason } => reason.len(),
        Response::Scored { scores } => 64 * scores.len(),
        Response::Next { .. } => 0,
    }
}

/// What is only told of, at a length that can be told.
fn shortened(text: String) -> String {
    if text.len() <= MAX_NAME {
        return text;
    }
    let mut end = MAX_NAME;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}
