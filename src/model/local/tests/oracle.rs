//! The tiny models with known answers.

use std::fs;
use std::path::{Path, PathBuf};

use crate::model::local::decoder::Decoder;
use crate::model::local::{LocalModel, Options};

/// The folders of `tests/data/oracle`.
pub(super) const NAMES: [&str; 24] = [
    "llama",
    "llama-rope3",
    "llama-linear",
    "mistral",
    "qwen2",
    "qwen2-sliding",
    "qwen3",
    "gemma2",
    "gemma3",
    "phi3",
    "phi3-longrope",
    "smollm3",
    "gpt2",
    "neox",
    "neox-sequential",
    "llama-yarn",
    "llama-dynamic",
    "mixtral",
    "qwen2moe",
    "qwen2moe-sparse",
    "qwen3moe",
    "olmo2",
    "granite",
    "gemma",
];

/// A tiny model and what transformers and llama.cpp say of it.
#[derive(serde::Deserialize)]
pub(super) struct Oracle {
    #[serde(skip)]
    name: String,
    pub(super) sequences: Vec<Sequence>,
    /// The whole distribution after the second sequence.
    last: Vec<f64>,
    /// The same by llama.cpp, from the GGUF form.
    pub(super) llama_cpp: Option<Vec<f64>>,
}

/// A token sequence with numbers at every position.
#[derive(serde::Deserialize)]
pub(super) struct Sequence {
    pub(super) tokens: Vec<u32>,
    /// The log-probability of the token that follows.
    next: Vec<f64>,
    /// The log-probability of one more token, `7 * position` modulo the vocabulary.
    picked: Vec<f64>,
    /// The entropy of the whole distribution.
    entropy: Vec<f64>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/oracle")
}

/// A file of `tests/data/llamacpp`.
#[cfg(feature = "llamacpp")]
pub(super) fn large(file: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/llamacpp");
    folder.join(file)
}

impl Oracle {
    pub(super) fn read(name: &str) -> Self {
        let text = fs::read_to_string(folder().join(name).join("expected.json")).unwrap();
        let oracle: Self = serde_json::from_str(&text).unwrap();
        Self {
            name: name.to_owned(),
            ..oracle
        }
    }

    /// One of those that `scripts/make-llamacpp-oracles.py` makes for llama.cpp.
    #[cfg(feature = "llamacpp")]
    pub(super) fn for_llamacpp(name: &str) -> Self {
        let text = fs::read_to_string(large(&format!("{name}.json"))).unwrap();
        let oracle: Self = serde_json::from_str(&text).unwrap();
        Self {
            name: name.to_owned(),
            ..oracle
        }
    }

    /// The model from safetensors.
    pub(super) fn open_directory(&self) -> LocalModel {
        let scratch = tempfile::tempdir().unwrap();
        for file in ["config.json", "model.safetensors"] {
            fs::copy(
                folder().join(&self.name).join(file),
                scratch.path().join(file),
            )
            .unwrap();
        }
        let tokenizer = "tokenizer.json";
        fs::copy(folder().join(tokenizer), scratch.path().join(tokenizer)).unwrap();
        LocalModel::open(&self.name, scratch.path(), Options::default()).unwrap()
    }

    /// Where the GGUF form lies, if there is one.
    pub(super) fn gguf(&self) -> PathBuf {
        folder().join(&self.name).join("model.gguf")
    }

    /// The model from GGUF, where there is one.
    pub(super) fn open_gguf(&self) -> Option<LocalModel> {
        let path = self.gguf();
        path.is_file()
            .then(|| LocalModel::open(&self.name, &path, Options::default()).unwrap())
    }

    /// The largest difference between a decoder and transformers, in nats.
    pub(super) fn difference(&self, decoder: &Decoder) -> f64 {
        self.difference_of(&|tokens| super::whole(decoder, tokens))
    }

    /// The same of anything that gives log-probabilities behind every token.
    pub(super) fn difference_of(&self, whole: &dyn Fn(&[u32]) -> Vec<Vec<f64>>) -> f64 {
        let mut worst = 0f64;
        for sequence in &self.sequences {
            let ours = whole(&sequence.tokens);
            assert_eq!(ours.len(), sequence.tokens.len());
            for (position, row) in ours.iter().enumerate() {
                let picked = row[position * 7 % row.len()];
                worst = worst.max((picked - sequence.picked[position]).abs());
                let entropy: f64 = row.iter().map(|x| -x.exp() * x).sum();
                worst = worst.max((entropy - sequence.entropy[position]).abs());
                if let Some(token) = sequence.tokens.get(position + 1) {
                    let next = row[*token as usize];
                    worst = worst.max((next - sequence.next[position]).abs());
                }
            }
        }
        let last = whole(&self.sequences[1].tokens).pop();
        worst.max(largest_difference(
            &[last.unwrap()],
            std::slice::from_ref(&self.last),
        ))
    }
}

/// The largest difference between two tables of log-probabilities, in nats.
pub(super) fn largest_difference(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .flat_map(|(a, b)| {
            assert_eq!(a.len(), b.len());
            a.iter().zip(b).map(|(x, y)| (x - y).abs())
        })
        .fold(0.0, f64::max)
}
