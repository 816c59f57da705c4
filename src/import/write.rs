//! Recordings and battery as files. What lies there already stays, if it is the same to the byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;

use super::error::ImportError;
use super::gather::LeftOut;
use super::settle::{BATTERY, Imported, Model};
use crate::battery::Probe;
use crate::evidence::{BatteryMark, FORMAT, Header, put};
use crate::files::write_whole;
use crate::model::{Answer, Seed};
use crate::question::{Posing, Question, SEED, ask};
use crate::response::Response;

/// Why there is no answer where a model was not asked.
const LACKING: &str = "not in the imported answers";
/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The models, in the order of their directories.
    pub models: Vec<WrittenModel>,
    /// Prompts of the battery.
    pub prompts: usize,
    /// Samples of a prompt at most.
    pub samples: usize,
    /// What of the files is in no recording, by reason.
    pub left_out: BTreeMap<LeftOut, u64>,
}

/// What was written of one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrittenModel {
    /// What the files call it.
    pub name: String,
    /// Its recording, below the directory of the import.
    pub directory: String,
    /// Answers.
    pub answered: usize,
    /// Prompts that it refused.
    pub refused: usize,
    /// Prompts without an answer for another reason.
    pub unavailable: usize,
}

impl Imported {
    /// Writes a recording a model, and the battery, below a directory.
    ///
    /// # Errors
    ///
    /// When something else lies there, or it cannot be written. What was written so far stays, and the same import
    /// goes on with it.
    pub fn write(&self, out: &Path) -> Result<Written, ImportError> {
        let directory = out.join(BATTERY);
        fs::create_dir_all(&directory).map_err(|source| ImportError::Write {
            path: directory.clone(),
            source,
        })?;
        for (name, text) in &self.files {
            put_file(&directory.join(name), text.as_bytes())?;
        }
        let mark = BatteryMark::of(&self.battery);
        let models = self.models.par_iter().map(|model| {
            let header = Header {
                format: FORMAT,
                tool: env!("CARGO_PKG_VERSION").to_owned(),
                identity: model.identity.clone(),
                battery: mark.clone(),
                posing: self.posing,
                // Nothing was drawn; this is what a comparison has when nobody names a seed.
                seed: Seed(SEED),
            };
            let probes = self.battery.probes.iter();
            let answers = probes.flat_map(|probe| model.about(probe, self.posing));
            let mut written = WrittenModel {
                name: model.identity.name.clone(),
                directory: model.directory.clone(),
                answered: 0,
                refused: 0,
                unavailable: 0,
            };
            let answers = answers.inspect(|(_, answer)| written.count(&answer.response));
            put(&out.join(&model.directory), &header, answers).map_err(|source| {
                ImportError::Recording {
                    model: model.identity.name.clone(),
                    source,
                }
            })?;
            Ok(written)
        });
        Ok(Written {
            models: models.collect::<Result<_, ImportError>>()?,
            prompts: self.battery.probes.len(),
            samples: self.posing.samples,
            left_out: self.left_out.clone(),
        })
    }

    /// The form of the files.
    pub fn format(&self) -> &'static str {
        self.format.name()
    }
}

impl WrittenModel {
    fn count(&mut self, response: &Response) {
        match response {
            Response::Refused { .. } => self.refused += 1,
            Response::Unavailable { .. } => self.unavailable += 1,
            _ => self.answered += 1,
        }
    }
}

impl Model {
    /// The questions about a probe with what the model answered.
    fn about(&self, probe: &Probe, posing: Posing) -> Vec<(Question, Answer)> {
        let lacking = [Response::Unavailable {
            reason: LACKING.to_owned(),
        }];
        let responses = self.answers.get(&probe.id);
        let responses = responses.map_or(&lacking[..], Vec::as_slice);
        let asked = Posing {
            samples: responses.len(),
            ..posing
        };
        let answer = |response: &Response| Answer {
            // Which words the model really saw nobody knows.
            rendered: String::new(),
            response: response.clone(),
            exchange: None,
        };
        let questions = ask(probe, asked).into_iter();
        questions.zip(responses.iter().map(answer)).collect()
    }
}

/// Writes a file whole or not at all; one that is there must be the same.
fn put_file(path: &Path, bytes: &[u8]) -> Result<(), ImportError> {
    if path.exists() {
        let found = fs::read(path).map_err(|source| ImportError::Read {
            path: path.to_owned(),
            source,
        })?;
        if found == bytes {
            return Ok(());
        }
        return Err(ImportError::Taken {
            path: path.to_owned(),
        });
    }
    write_whole(path, bytes).map_err(|source| ImportError::Write {
        path: path.to_owned(),
        source,
    })
}
