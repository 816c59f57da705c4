//! A population: models of known descent from several sources, split into a part that calibrations are
//! fitted on and a part that they are tried on.
//!
//! A population is a directory with a lineage file whose entries name their `source`, and `split.toml`,
//! which puts every source into the part `fit` or `test` and may list models that no panel shows. A
//! source is a group of teachers alike in data and kind with everything made from them, so that what is
//! learned from one source is tried on teachers, texts and seeds that had no part in it.
//!
//! [`cases`](Population::cases) makes every question that has a known answer; [`score()`] weighs each as a
//! comparison would; [`crate::validation`] says how often that is right.

mod cases;
mod houses;
mod score;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::panel::{Declared, Lineage, LineageError};

pub use cases::{Case, Relation, Thinning};
pub use houses::Houses;
pub use score::{Asked, OtherScore, Score, asked_as, read_scores, score};

/// The lineage file of a population.
pub const LINEAGE_FILE: &str = "lineage.toml";
/// The file that says which sources are fitted on and which are tried on.
pub const SPLIT_FILE: &str = "split.toml";

/// A file of a population beyond this size is refused.
const MAX_BYTES: u64 = 256 << 20;

/// What a source is used for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Rules and calibrations are fitted on it.
    Fit,
    /// They are tried on it.
    Test,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Split {
    fit: Vec<String>,
    test: Vec<String>,
    #[serde(default)]
    unlisted: Vec<String>,
}

/// A population could not be used.
#[derive(Debug, thiserror::Error)]
pub enum PopulationError {
    /// Its lineage file could not be used.
    #[error(transparent)]
    Lineage(#[from] LineageError),
    /// Its split could not be read.
    #[error("cannot read '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Its split is not of the right form.
    #[error("cannot parse '{}'", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A line of a file that has one value a line (scores) is not of the right form.
    #[error("cannot parse line {line} of '{}'", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// Lineage and split contradict each other.
    #[error("'{}': {what}", path.display())]
    Split {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// Models of known descent, by source. A model's name in panels is its id.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    lineage: Lineage,
    fit: Vec<String>,
    test: Vec<String>,
    unlisted: Vec<String>,
}

impl Population {
    /// Reads and checks the lineage and the split of a population. Gives the population and, by id, what
    /// the command line would call each model.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, a source is in neither or both parts, or a model of one part descends
    /// from a model of the other.
    pub fn read(directory: &Path) -> Result<(Self, Vec<(String, String)>), PopulationError> {
        let mut lineage = Lineage::read(&directory.join(LINEAGE_FILE))?;
        let path = directory.join(SPLIT_FILE);
        let text = text(&path)?;
        let split: Split = toml::from_str(&text).map_err(|source| PopulationError::Parse {
            path: path.clone(),
            source: Box::new(source),
        })?;
        let mut places = Vec::new();
        for entry in &mut lineage.models {
            places.push((entry.id.clone(), entry.model.clone()));
            entry.model.clone_from(&entry.id);
        }
        let population = Self {
            lineage,
            fit: split.fit,
            test: split.test,
            unlisted: split.unlisted,
        };
        population
            .check()
            .map_err(|what| PopulationError::Split { path, what })?;
        Ok((population, places))
    }

    fn check(&self) -> Result<(), String> {
        if let Some(both) = self.fit.iter().find(|s| self.test.contains(s)) {
            return Err(format!("source '{both}' is in both parts"));
        }
        for id in &self.unlisted {
            if self.lineage.get(id).is_none() {
                return Err(format!("the unlisted '{id}' is not in the lineage file"));
            }
        }
        for model in &self.lineage.models {
            let Some(part) = self.part(model) else {
                let source = model.source.as_deref().unwrap_or("(none)");
                let id = &model.id;
                return Err(format!("source '{source}' of '{id}' is in neither part"));
            };
            for ancestor in model.base.iter().chain(&model.parents) {
                let other = self.lineage.get(ancestor).and_then(|a| self.part(a));
                if other != Some(part) {
                    let id = &model.id;
                    return Err(format!(
                        "'{id}' and its '{ancestor}' are in different parts"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The part that a model belongs to.
    pub fn part(&self, model: &Declared) -> Option<Part> {
        let source = model.source.as_ref()?;
        if self.fit.contains(source) {
            Some(Part::Fit)
        } else {
            self.test.contains(source).then_some(Part::Test)
        }
    }

    /// The sources of a part, in the order of the split.
    pub fn sources(&self, part: Part) -> &[String] {
        match part {
            Part::Fit => &self.fit,
            Part::Test => &self.test,
        }
    }

    /// The models of a part, in the order of the lineage file.
    pub fn models(&self, part: Part) -> impl Iterator<Item = &Declared> {
        let models = self.lineage.models.iter();
        models.filter(move |m| self.part(m) == Some(part))
    }

    /// The candidate parents of a source: its models that belong to a group.
    pub fn parents(&self, source: &str) -> Vec<&Declared> {
        let models = self.lineage.models.iter();
        models
            .filter(|m| m.source.as_deref() == Some(source) && m.group.is_some())
            .collect()
    }

    /// Whether no panel shows a model: it is unlisted, or made from one that is.
    fn is_unlisted(&self, id: &str) -> bool {
        let hidden = |other: &String| other == id || self.lineage.descends(id, other);
        self.unlisted.iter().any(hidden)
    }
}

/// Values that stand a line each in a file.
fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, PopulationError> {
    let text = text(path)?;
    let parse = |(line, text): (usize, &str)| {
        serde_json::from_str(text).map_err(|source| PopulationError::Line {
            path: path.to_owned(),
            line: line + 1,
            source,
        })
    };
    text.lines().enumerate().map(parse).collect()
}

/// Values as they are kept: a line each.
pub fn write_lines<T: Serialize>(values: &[T]) -> String {
    let mut text = String::new();
    for value in values {
        // Scores are plain data; serialising them cannot fail.
        text.push_str(&serde_json::to_string(value).unwrap_or_default());
        text.push('\n');
    }
    text
}

/// A file as text, up to a bound.
fn text(path: &Path) -> Result<String, PopulationError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
    let read = read.and_then(|bytes| match u64::try_from(bytes) {
        Ok(bytes) if bytes <= MAX_BYTES => Ok(()),
        _ => Err(io::Error::other(format!(
            "it is longer than {MAX_BYTES} bytes"
        ))),
    });
    read.map_err(|source| PopulationError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(text)
}

#[cfg(test)]
mod tests;
