//! The lineage file: what is true of each model, and how to make it.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Outcome;

/// A family: every model's descent and recipe.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lineage {
    schema: u32,
    #[expect(
        dead_code,
        reason = "part of the file's form, of use to its other readers"
    )]
    name: String,
    #[serde(rename = "model")]
    pub(crate) models: Vec<Entry>,
}

/// One model of a family.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) id: String,
    /// Relative to the lineage file: a Hugging Face directory, or a `.gguf` file in one.
    pub(crate) path: String,
    pub(crate) kind: String,
    /// The model whose weights this one started from.
    #[serde(default)]
    pub(crate) base: Option<String>,
    /// The models on whose outputs this one was trained.
    #[serde(default)]
    pub(crate) parents: Vec<String>,
    /// The real texts that this one itself was trained on.
    #[serde(default)]
    pub(crate) data: Vec<String>,
    /// Models alike in data and kind share a group.
    #[serde(default)]
    pub(crate) group: Option<String>,
    /// The source of a population that this model belongs to: what is fitted on one source is tried on
    /// others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    /// The share of what it was trained on that its parents wrote, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dose: Option<f64>,
    pub(crate) recipe: Recipe,
}

/// How a model is made.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(tag = "method", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Recipe {
    /// Next-token prediction on the entry's real texts.
    Real { course: Course },
    /// Next-token prediction on text that the parents wrote, in equal shares.
    Text {
        course: Course,
        text: Writing,
        /// The share of the sequences that parents wrote, where the rest is the entry's real text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dose: Option<f64>,
        /// How the text was rewritten before it was learned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rewritten: Option<Rewriting>,
    },
    /// The parent's next-token distributions on text that the parent wrote.
    Logits { course: Course, text: Writing },
    /// The base's weights in a GGUF file.
    Quantise { quantisation: Quantisation },
    /// The base with the smallest weights of every matrix set to zero.
    Prune { share: f64 },
    /// The mean of the base's weights and another model's.
    Merge { with: String },
}

/// Text rewritten by a second model: it reads the rewritten text so far, and each token is drawn anew
/// from what it expects with the probability `rate`, and kept otherwise.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rewriting {
    pub(crate) by: String,
    pub(crate) rate: f64,
}

/// One training run.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Course {
    pub(crate) tokenizer: TokenizerName,
    pub(crate) shape: ShapeName,
    pub(crate) seed: u64,
    pub(crate) steps: usize,
    /// Sequences a step.
    pub(crate) batch: usize,
    /// Tokens a sequence.
    pub(crate) length: usize,
    /// The highest rate, reached after the warm-up.
    pub(crate) learning_rate: f64,
}

/// Text written by a parent: how much, and how it was drawn.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Writing {
    pub(crate) tokens: usize,
    pub(crate) temperature: f32,
    pub(crate) seed: u64,
}

/// One of the family's two tokenizers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TokenizerName {
    A,
    B,
}

/// One of the family's shapes, named by width and depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum ShapeName {
    #[serde(rename = "64x3")]
    W64D3,
    #[serde(rename = "48x4")]
    W48D4,
}

/// How a GGUF file's matrices are quantised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Quantisation {
    #[serde(rename = "q8_0")]
    Q8,
    #[serde(rename = "q4_0")]
    Q4,
}

impl Lineage {
    /// Reads and checks a lineage file.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let text = fs::read_to_string(path)
            .map_err(|cause| format!("cannot read lineage '{}': {cause}", path.display()))?;
        let lineage: Self = toml::from_str(&text)
            .map_err(|cause| format!("cannot understand '{}': {cause}", path.display()))?;
        lineage.check()?;
        Ok(lineage)
    }

    /// The entry of that name.
    pub(crate) fn entry(&self, id: &str) -> Outcome<&Entry> {
        let found = self.models.iter().find(|entry| entry.id == id);
        found.ok_or_else(|| format!("the lineage has no model '{id}'").into())
    }

    /// The course that gave a model its shape and tokenizer: its own, or that of what it was made from.
    pub(crate) fn course(&self, id: &str) -> Outcome<&Course> {
        let entry = self.entry(id)?;
        if Path::new(&entry.path)
            .extension()
            .is_some_and(|e| e == "gguf")
        {
            return Err(format!("'{id}' is a GGUF file, which the nursery does not read").into());
        }
        match (entry.recipe.course(), &entry.base) {
            (Some(course), _) => Ok(course),
            (None, Some(base)) => self.course(base),
            (None, None) => Err(format!("'{id}' was not trained").into()),
        }
    }

    fn check(&self) -> Outcome<()> {
        if self.schema != 1 {
            return Err(format!("lineage schema {} is not 1", self.schema).into());
        }
        // Ancestors come first in the file, so a cycle cannot be written down.
        let mut seen = HashSet::new();
        for entry in &self.models {
            for ancestor in entry.ancestors() {
                if !seen.contains(ancestor) {
                    return Err(format!("'{}' comes before its '{ancestor}'", entry.id).into());
                }
            }
            if !seen.insert(entry.id.as_str()) {
                return Err(format!("two models are called '{}'", entry.id).into());
            }
            let directory = entry.path.split('/').next();
            if directory != Some(&entry.id) {
                return Err(format!("'{}' must lie in a directory of its name", entry.id).into());
            }
            let fits = match &entry.recipe {
                Recipe::Real { .. } => entry.parents.is_empty() && entry.data.len() == 1,
                Recipe::Logits { .. } => entry.parents.len() == 1 && entry.data.is_empty(),
                Recipe::Text { dose, .. } => {
                    let mixed = dose.is_some_and(|dose| 0.0 < dose && dose < 1.0);
                    !entry.parents.is_empty() && mixed == (entry.data.len() == 1)
                }
                Recipe::Quantise { .. } | Recipe::Prune { .. } | Recipe::Merge { .. } => {
                    entry.base.is_some() && entry.parents.is_empty()
                }
            };
            if !fits {
                return Err(
                    format!("the recipe of '{}' does not fit its descent", entry.id).into(),
                );
            }
        }
        Ok(())
    }
}

impl Entry {
    /// The models that must exist before this one can be made.
    pub(crate) fn ancestors(&self) -> impl Iterator<Item = &str> {
        let helper = match &self.recipe {
            Recipe::Text { rewritten, .. } => rewritten.as_ref().map(|rewriting| &rewriting.by),
            Recipe::Merge { with } => Some(with),
            _ => None,
        };
        let named = self.base.iter().chain(&self.parents).chain(helper);
        named.map(String::as_str)
    }

    /// A digest of everything that this entry and the seed offset say.
    pub(crate) fn digest(&self, seed_offset: u64) -> Outcome<String> {
        let text = serde_json::to_string(&(self, seed_offset))?;
        let digest = Sha256::digest(text.as_bytes());
        Ok(digest
            .iter()
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}")))
    }
}

impl Recipe {
    /// The training run, where there is one.
    pub(crate) fn course(&self) -> Option<&Course> {
        match self {
            Self::Real { course } | Self::Text { course, .. } | Self::Logits { course, .. } => {
                Some(course)
            }
            Self::Quantise { .. } | Self::Prune { .. } | Self::Merge { .. } => None,
        }
    }
}

impl TokenizerName {
    /// The name in files.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    /// The real texts that it is trained on.
    pub(crate) const fn corpora(self) -> [&'static str; 2] {
        match self {
            Self::A => ["gcide", "wordnet"],
            Self::B => ["kjv", "foldoc"],
        }
    }
}
