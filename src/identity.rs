//! Who answered: what was claimed and what was seen.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A file that a model or its answers came from, by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileDigest {
    /// Its name within the model or below the directory that was searched, with forward slashes.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// The identity of a model in a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelIdentity {
    /// The name by which the user pointed at it.
    pub name: String,
    /// What it is.
    pub source: Source,
}

/// Conditions that stand behind the answers of a model and are not the asker's to choose. Weights are run as they
/// are asked; the other conditions exist to see what they would do to a finding
/// ([`crate::population`]).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Served {
    /// Nothing is set: texts are drawn at temperature 1, and the model reads the question alone.
    #[default]
    Plain,
    /// Texts are drawn at temperature 0.7.
    Cooler,
    /// A system prompt stands before every question.
    Instructed,
}

impl Served {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Cooler, Self::Instructed];

    /// What logits are divided by before a token is drawn. Probabilities that are asked for are not changed, as
    /// servers commonly have it.
    pub fn temperature(self) -> f64 {
        match self {
            Self::Plain | Self::Instructed => 1.0,
            Self::Cooler => 0.7,
        }
    }

    /// The system prompt.
    pub fn system(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Cooler => None,
            Self::Instructed => Some("You are a helpful assistant."),
        }
    }

    /// In words: "suspects ...".
    pub fn words(self) -> &'static str {
        match self {
            Self::Plain => "asked like the others",
            Self::Cooler => "at temperature 0.7",
            Self::Instructed => "behind a system prompt",
        }
    }

    /// Nothing is set.
    pub fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}

/// Where a model's answers come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Source {
    /// Weights run by the local engine.
    Weights {
        /// SHA-256 over the digests of the weight files.
        digest: String,
        /// The weight files, in order of name.
        files: Vec<FileDigest>,
        /// The decoder family.
        architecture: String,
        /// Stored tensors of each number format.
        formats: BTreeMap<String, usize>,
        /// The arithmetic that was used, in words.
        arithmetic: String,
        /// Where the tokenizer came from.
        tokenizer: String,
        /// SHA-256 of its vocabulary.
        tokenizer_digest: String,
        /// SHA-256 of its chat template, if it has one.
        template_digest: Option<String>,
        /// What was set beside what was asked.
        #[serde(default, skip_serializing_if = "Served::is_plain")]
        served: Served,
    },
    /// An endpoint, asked over HTTP.
    Endpoint {
        /// The provider or the kind of server.
        provider: String,
        /// The dialect spoken.
        dialect: String,
        /// The address, without key.
        url: String,
        /// The model asked for.
        asked: String,
        /// The model that the server says answers.
        served: Option<String>,
        /// What the access check found: ability to what became of it.
        access: BTreeMap<String, Ability>,
        /// Sampling parameters as sent; those that the provider refused are missing.
        sampling: BTreeMap<String, serde_json::Value>,
    },
    /// The deterministic fake, for tests and demonstrations.
    Scripted {
        /// Its script.
        script: String,
    },
    /// Answers that somebody else collected, taken out of files: this tool asked nothing.
    Imported {
        /// The form of the files.
        format: AnswerFormat,
        /// What the files call the model.
        model: String,
        /// The files, in order of name.
        files: Vec<FileDigest>,
        /// What the files say of how it was asked, every value that occurs; empty if they say nothing.
        settings: BTreeMap<String, BTreeSet<String>>,
        /// Names under which replies came, where the files hold any.
        served: BTreeSet<String>,
    },
}

/// A form of files that answers are imported from.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerFormat {
    /// One JSON object a line with named fields.
    Jsonl,
    /// Lists of instruction, output and generator.
    AlpacaEval,
    /// What the lm-evaluation-harness writes with `--log_samples`.
    LmEval,
    /// Logs of Inspect.
    Inspect,
    /// What promptfoo writes with `--output`.
    Promptfoo,
}

impl AnswerFormat {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Jsonl,
        Self::AlpacaEval,
        Self::LmEval,
        Self::Inspect,
        Self::Promptfoo,
    ];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::AlpacaEval => "alpaca-eval",
            Self::LmEval => "lm-eval",
            Self::Inspect => "inspect",
            Self::Promptfoo => "promptfoo",
        }
    }
}

/// The last part of a model's name as a plain name for files: at most 60 letters, digits, `-`, `_` and `.`, not
/// beginning with a dot. It may be empty, and two names may have the same.
pub fn plain_name(name: &str) -> String {
    let name = name.trim_end_matches('/');
    let last = name.rsplit(['/', ':']).next().unwrap_or(name);
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    let plain: String = last.chars().map(plain).take(60).collect();
    // A leading point hides a file, and a leading dash makes an option of it.
    match plain.trim_start_matches(['.', '-']) {
        "" => "model".to_owned(),
        plain => plain.to_owned(),
    }
}

/// What became of one ability in the access check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ability {
    /// The outcome.
    pub status: AbilityStatus,
    /// What was seen, in words.
    pub seen: String,
}

/// The outcome of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AbilityStatus {
    /// A positive control showed it.
    Verified,
    /// The server said no.
    Refused,
    /// The server took the parameter and did nothing with it.
    SilentlyIgnored,
    /// Not checked, or the check could not tell.
    Untested,
}

impl Source {
    /// What must stay the same for answers to be of one item. An access check may see something else
    /// another time without the item being another one.
    #[must_use]
    pub fn item(&self) -> Self {
        let mut item = self.clone();
        if let Self::Endpoint {
            access, sampling, ..
        } = &mut item
        {
            access.clear();
            sampling.clear();
        }
        item
    }

    /// Whether the answers were imported.
    pub fn is_imported(&self) -> bool {
        matches!(self, Self::Imported { .. })
    }

    /// Takes away what is made of answers: whoever guesses one that is withheld could check the guess by it.
    pub(crate) fn forget_answers(&mut self) {
        if let Self::Imported { files, .. } = self {
            for file in files {
                file.bytes = 0;
                file.sha256.clear();
            }
        }
    }

    /// Bytes of the weight files, if this is a model of weights.
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Self::Weights { files, .. } => Some(files.iter().map(|f| f.bytes).sum()),
            Self::Endpoint { .. } | Self::Scripted { .. } | Self::Imported { .. } => None,
        }
    }

    /// The digest of the weights, if this is a model of weights.
    pub fn digest(&self) -> Option<&str> {
        match self {
            Self::Weights { digest, .. } => Some(digest),
            Self::Endpoint { .. } | Self::Scripted { .. } | Self::Imported { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_no_option_and_hides_nothing() {
        for (name, plain) in [
            ("org/model-1.5", "model-1.5"),
            ("-rf", "rf"),
            ("models/--\u{1b}[31mred", "31mred"),
            ("a/..", "model"),
            ("hf:org/.hidden/", "hidden"),
        ] {
            assert_eq!(plain_name(name), plain, "{name}");
        }
    }
}
