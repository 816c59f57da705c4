//! Real models against llama.cpp: what follows a prompt, and how probable it is.
//!
//! Runs when `PARENTAGE_REAL_MODELS` names the directory that `scripts/fetch-real-models.sh` filled. The
//! expected numbers are those of `scripts/make-real-expectations.py`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests fail by panicking, and differences are reported"
)]

use std::collections::HashMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file;
use parentage::battery::Pose;
#[cfg(feature = "llamacpp")]
use parentage::model::local::EngineChoice;
use parentage::model::local::tokenizer::Tokenizer;
use parentage::model::local::{LocalModel, Options};
use parentage::model::{Model as _, Seed};
use parentage::question::{Prompt, Question, Request};
use parentage::response::{Continuation, Response};

#[derive(serde::Deserialize)]
struct Expected {
    file: String,
    rows: Vec<Row>,
}

#[derive(serde::Deserialize)]
struct Row {
    prompt: String,
    /// llama.cpp on the file as it is, with quantised activations.
    quantised: Following,
    /// llama.cpp on the tensors dequantised to float32.
    float32: Following,
}

#[derive(serde::Deserialize)]
struct Following {
    ids: Vec<u32>,
    log_probabilities: Vec<f64>,
    /// The logarithm of the probability of all other tokens.
    rest: f64,
}

/// Differences in nats over the kept tokens of all prompts.
#[derive(Debug, Default)]
struct Differences {
    largest: f64,
    sum: f64,
    count: usize,
    /// The same over tokens of at least one in a hundred.
    largest_of_probable: f64,
    /// The largest difference in the probability, not its logarithm, of all other tokens.
    rest: f64,
}

impl Differences {
    fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }

    /// Compares one prompt; tokens that are no text of their own have no answer of ours.
    fn add(&mut self, expected: &Following, top: &[Continuation], texts: &Texts) {
        let ours: HashMap<&str, f64> = top
            .iter()
            .map(|c| (c.text.as_str(), c.log_probability))
            .collect();
        let mut kept = 0.0;
        let mut hidden = 0.0;
        for (id, theirs) in expected.ids.iter().zip(&expected.log_probabilities) {
            let Some(ours) = texts.text(*id).and_then(|t| ours.get(t)) else {
                hidden += theirs.exp();
                continue;
            };
            let difference = (ours - theirs).abs();
            self.largest = self.largest.max(difference);
            if *theirs > 0.01f64.ln() {
                self.largest_of_probable = self.largest_of_probable.max(difference);
            }
            self.sum += difference;
            self.count += 1;
            kept += ours.exp();
        }
        let rest = 1.0 - kept - hidden;
        self.rest = self.rest.max((rest - expected.rest.exp()).abs());
    }
}

/// The texts of tokens; of several tokens with one text only the answer's would be found, so these are
/// left out.
struct Texts(HashMap<u32, String>);

impl Texts {
    fn read(path: &Path) -> Self {
        let content = gguf_file::Content::read(&mut File::open(path).unwrap()).unwrap();
        let tokenizer = Tokenizer::from_gguf(path, &content.metadata).unwrap();
        let mut texts: HashMap<u32, String> = HashMap::new();
        let mut count: HashMap<String, usize> = HashMap::new();
        for id in 0..u32::try_from(tokenizer.vocabulary()).unwrap() {
            if let Some(text) = tokenizer
                .token_bytes(id)
                .and_then(|b| std::str::from_utf8(b).ok())
            {
                *count.entry(text.to_owned()).or_default() += 1;
                texts.insert(id, text.to_owned());
            }
        }
        texts.retain(|_, text| count[text.as_str()] == 1);
        Self(texts)
    }

    fn text(&self, id: u32) -> Option<&str> {
        self.0.get(&id).map(String::as_str)
    }
}

fn following(model: &LocalModel, rows: &[Row]) -> Vec<Vec<Continuation>> {
    let questions: Vec<Question> = rows
        .iter()
        .map(|row| Question {
            probe: "p-1".to_owned(),
            variant: 0,
            prompt: Prompt {
                pose: Pose::Raw,
                text: row.prompt.clone(),
                lead: String::new(),
            },
            request: Request::Next { top: 5000 },
        })
        .collect();
    let mut answers = vec![Vec::new(); rows.len()];
    model
        .answer(&questions, Seed(0), &mut |index, answer| {
            let Response::Next { top } = answer.response else {
                panic!("{:?}", answer.response);
            };
            answers[index] = top;
            ControlFlow::Continue(())
        })
        .unwrap();
    answers
}

fn compare<'a>(
    answers: &[Vec<Continuation>],
    expected: impl Iterator<Item = &'a Following>,
    texts: &Texts,
) -> Differences {
    let mut differences = Differences::default();
    for (top, expected) in answers.iter().zip(expected) {
        differences.add(expected, top, texts);
    }
    differences
}

fn models() -> Option<PathBuf> {
    let directory = std::env::var_os("PARENTAGE_REAL_MODELS").map(PathBuf::from);
    if directory.is_none() {
        eprintln!("skipped: PARENTAGE_REAL_MODELS is not set");
    }
    directory
}

/// Differences to llama.cpp's two arithmetics. None without the models.
fn differences(expected: &str, options: Options) -> Option<[Differences; 2]> {
    let directory = models()?;
    let expected: Expected = serde_json::from_str(expected).unwrap();
    let path = directory.join(&expected.file);
    let texts = Texts::read(&path);
    let model = LocalModel::open(&expected.file, &path, options).unwrap();
    let answers = following(&model, &expected.rows);
    let float32 = compare(&answers, expected.rows.iter().map(|r| &r.float32), &texts);
    let quantised = compare(&answers, expected.rows.iter().map(|r| &r.quantised), &texts);
    for (theirs, found) in [("float32", &float32), ("as it is", &quantised)] {
        eprintln!(
            "{}, llama.cpp {theirs}: {} tokens, mean {:.5} nats, largest {:.5} ({:.5} of probable \
             ones), rest {:.6}",
            expected.file,
            found.count,
            found.mean(),
            found.largest,
            found.largest_of_probable,
            found.rest,
        );
        assert!(found.count > 20 * 42, "too few tokens were compared");
    }
    Some([float32, quantised])
}

/// Our arithmetic against llama.cpp's two.
fn check(expected: &str, float32_tolerance: f64, quantised_tolerance: f64) {
    let Some([float32, quantised]) = differences(expected, Options::default()) else {
        return;
    };
    assert!(float32.largest < float32_tolerance, "{float32:?}");
    assert!(float32.rest < float32_tolerance, "{float32:?}");
    assert!(quantised.largest < quantised_tolerance, "{quantised:?}");
}

#[test]
fn smollm2_agrees_with_llama_cpp() {
    check(include_str!("data/real-smollm2.json"), 2e-3, 1.2);
}

#[test]
fn gemma3_agrees_with_llama_cpp() {
    check(include_str!("data/real-gemma3.json"), 2e-2, 1.2);
}

/// llama.cpp as an engine, on the file as it is: against llama.cpp's figures of the dequantised tensors, from which the own
/// engine's differ by no more than [`check`] allows, so that this is what its rounded inputs of products do; and against
/// the figures of another build of it.
#[cfg(feature = "llamacpp")]
fn check_llamacpp(expected: &str, mean_tolerance: f64, tolerance: f64) {
    let options = Options {
        engine: EngineChoice::LlamaCpp,
        ..Options::default()
    };
    let Some([float32, quantised]) = differences(expected, options) else {
        return;
    };
    assert!(float32.mean() < mean_tolerance, "{float32:?}");
    assert!(float32.largest < tolerance, "{float32:?}");
    assert!(quantised.mean() < mean_tolerance, "{quantised:?}");
}

#[cfg(feature = "llamacpp")]
#[test]
fn smollm2_by_llamacpp_is_nearly_the_same() {
    check_llamacpp(include_str!("data/real-smollm2.json"), 0.2, 1.2);
}

#[cfg(feature = "llamacpp")]
#[test]
fn gemma3_by_llamacpp_is_nearly_the_same() {
    check_llamacpp(include_str!("data/real-gemma3.json"), 0.2, 1.2);
}
