//! The local engine: weights on this machine, every position's distribution at hand.
//!
//! [`LocalModel::open`] turns a path into a [`Model`]: `spec` describes the decoder, `weights` reads
//! the tensors, `load` builds the `decoder`, [`tokenizer`] and [`template`] make token ids of
//! prompts; `read` gives probabilities of texts, `write` samples them. What the decoder does not know of GGUF,
//! `llamacpp` runs (`engine` is either). Candle is named only below this module.

mod attention;
mod decoder;
mod documents;
mod engine;
mod error;
mod feed_forward;
mod forecast;
mod foreign;
pub mod hub;
mod linear;
mod llamacpp;
mod load;
mod matmul;
mod matrix;
mod open;
mod ops;
mod product;
mod read;
mod sampler;
mod simd;
mod spec;
pub mod template;
pub mod tokenizer;
mod tokens;
mod weights;
mod widen;
mod write;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use ndarray::Array2;

use self::engine::Engine;
use self::read::{Reading, ReadingResult};
use self::template::{ChatTemplate, Message};
use self::tokenizer::{Reading as Markup, Start, Tokenizer};
use self::write::{Writing, Written};
use super::{Abilities, Answer, Failure, Model, ModelError, Seed};
use crate::battery::Pose;
use crate::digest;
use crate::identity::{ModelIdentity, Served};
use crate::question::{Prompt, Question, Request};
use crate::response::{Continuation, Response, Scored};

pub use error::LocalError;
pub(crate) use error::without_backtrace;
pub use forecast::forecast;
pub use foreign::Foreign;
pub(crate) use foreign::stored_bytes;
pub use llamacpp::trial_asked;
pub use open::{DeviceChoice, EngineChoice, Options};
pub use sampler::Seen;
pub use tokens::{ChatError, Drawn, Passage, PassageRead, Writer};
pub use write::{Drawing, Joining};

/// A model whose weights are loaded.
#[derive(Debug)]
pub struct LocalModel {
    identity: ModelIdentity,
    engine: Engine,
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    served: Served,
}

/// A prompt made ready for the decoder.
struct Ready {
    rendered: String,
    tokens: Vec<u32>,
}

/// Questions that share a prompt: their indices, and the prompt.
type Group = (Vec<usize>, Ready);

impl LocalModel {
    /// How many layers have a gate and an up projection. None if the feed-forward blocks are not gated or
    /// hold several experts, or llama.cpp runs the model.
    pub fn gated_layers(&self) -> Option<usize> {
        self.engine.decoder().and_then(open::gated_layers)
    }

    /// The gate and up projection of a layer, [ffn, hidden] each. None if the layer has none.
    ///
    /// # Errors
    ///
    /// When the tensors cannot be read back from the device.
    pub fn gated_layer(&self, number: usize) -> Result<Option<[Array2<f32>; 2]>, ModelError> {
        let Some(decoder) = self.engine.decoder() else {
            return Ok(None);
        };
        open::gated_layer(decoder, number)
            .map_err(|source| source.of(&self.identity.name, Failure::Unusable))
    }

    fn failed(&self, source: LocalError) -> ModelError {
        source.of(&self.identity.name, Failure::Unfinished)
    }

    /// Renders and encodes a prompt; the error is the reason why it cannot be asked.
    fn ready(&self, prompt: &Prompt) -> Result<Ready, String> {
        // The cause says what to mend: which filter, at which line.
        let reason = |error: &dyn std::error::Error| {
            let causes = std::iter::successors(error.source(), |cause| cause.source());
            causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
        };
        let (rendered, tokens) = match prompt.pose {
            Pose::Raw => {
                let text = match self.served.system() {
                    Some(system) => format!("{system}\n\n{}", prompt.text),
                    None => prompt.text.clone(),
                };
                let encoded = self.tokenizer.encode(&text, Start::Document, Markup::Plain);
                (text, encoded.map_err(|e| reason(&e))?)
            }
            Pose::Chat => {
                let system = self.served.system().map(|s| Message::new("system", s));
                let turn = Message::new("user", prompt.text.as_str());
                let turns: Vec<Message> = system.into_iter().chain([turn]).collect();
                self.chat(&turns, true, &prompt.lead)
                    .map_err(|e| reason(&e))?
            }
        };
        if tokens.is_empty() {
            return Err("the prompt has no tokens".to_owned());
        }
        Ok(Ready { rendered, tokens })
    }

    /// Groups questions by prompt, in order of first appearance; those that cannot be asked are
    /// answered at once.
    fn group(
        &self,
        questions: &[Question],
        sink: &mut dyn FnMut(usize, Answer) -> ControlFlow<()>,
    ) -> ControlFlow<(), Vec<Group>> {
        let mut groups: Vec<Group> = Vec::new();
        let mut places: BTreeMap<&Prompt, usize> = BTreeMap::new();
        for (index, question) in questions.iter().enumerate() {
            if let Some(place) = places.get(&question.prompt) {
                groups[*place].0.push(index);
                continue;
            }
            match self.ready(&question.prompt) {
                Ok(ready) => {
                    places.insert(&question.prompt, groups.len());
                    groups.push((vec![index], ready));
                }
                Err(reason) => sink(index, unavailable(String::new(), reason))?,
            }
        }
        ControlFlow::Continue(groups)
    }

    /// Answers the questions of some groups that ask for probabilities.
    fn read_groups(
        &self,
        groups: &[Group],
        questions: &[Question],
        sink: &mut dyn FnMut(usize, Answer) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, LocalError> {
        let mut readings = Vec::new();
        let mut owners = Vec::new();
        for (indices, ready) in groups {
            for &index in indices {
                let top = match &questions[index].request {
                    Request::Write { .. } => continue,
                    Request::Score { .. } => 0,
                    // Tokens that are no text of their own are dropped, so ask for some more.
                    Request::Next { top } => top + 64,
                };
                match self.reading(ready, &questions[index].request, top) {
                    Ok(reading) => {
                        readings.push(reading);
                        owners.push((index, ready));
                    }
                    Err(reason) => {
                        if sink(index, unavailable(ready.rendered.clone(), reason)).is_break() {
                            return Ok(ControlFlow::Break(()));
                        }
                    }
                }
            }
        }
        let mut flow = ControlFlow::Continue(());
        self.engine.read(&readings, &mut |place, result| {
            let (index, ready) = owners[place];
            let answer = Answer {
                rendered: ready.rendered.clone(),
                response: self.response(&questions[index].request, &result),
                exchange: None,
            };
            flow = sink(index, answer);
            flow
        })?;
        Ok(flow)
    }

    fn reading(&self, ready: &Ready, request: &Request, top: usize) -> Result<Reading, String> {
        let texts = match request {
            Request::Score { texts } => texts
                .iter()
                .map(|text| {
                    self.tokenizer
                        .encode(text, Start::Inside, Markup::Plain)
                        .map_err(|e| e.to_string())
                })
                .collect::<Result<Vec<_>, _>>()?,
            _ => Vec::new(),
        };
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        self.check_length(ready.tokens.len() + longest)?;
        Ok(Reading {
            prompt: ready.tokens.clone(),
            texts,
            top,
        })
    }

    fn check_length(&self, tokens: usize) -> Result<(), String> {
        let context = self.context();
        if tokens <= context {
            return Ok(());
        }
        Err(LocalError::TooLong { tokens, context }.to_string())
    }

    fn response(&self, request: &Request, result: &ReadingResult) -> Response {
        match request {
            Request::Next { top } => Response::Next {
                top: result
                    .top
                    .iter()
                    .filter_map(|(id, log_probability)| {
                        let bytes = self.tokenizer.token_bytes(*id)?;
                        let text = std::str::from_utf8(bytes).ok()?;
                        (!text.is_empty()).then(|| Continuation {
                            text: text.to_owned(),
                            log_probability: *log_probability,
                        })
                    })
                    .take(*top)
                    .collect(),
            },
            _ => Response::Scored {
                scores: result
                    .texts
                    .iter()
                    .map(|tokens| Scored {
                        log_probability: Some(tokens.iter().sum::<f64>()).filter(|l| l.is_finite()),
                        tokens: tokens.len(),
                    })
                    .collect(),
            },
        }
    }

    /// Answers the questions of some groups that ask for written text.
    fn write_groups(
        &self,
        groups: &[Group],
        questions: &[Question],
        seed: Seed,
        sink: &mut dyn FnMut(usize, Answer) -> ControlFlow<()>,
    ) -> Result<(), LocalError> {
        let mut writings = Vec::new();
        let mut owners = Vec::new();
        for (indices, ready) in groups {
            let mut samples: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for &index in indices {
                if let Request::Write { max_tokens, .. } = questions[index].request {
                    samples.entry(max_tokens).or_default().push(index);
                }
            }
            for (max_tokens, indices) in samples {
                if let Err(reason) = self.check_length(ready.tokens.len() + max_tokens) {
                    for index in indices {
                        let answer = unavailable(ready.rendered.clone(), reason.clone());
                        if sink(index, answer).is_break() {
                            return Ok(());
                        }
                    }
                    continue;
                }
                let seeds = indices
                    .iter()
                    .map(|i| digest::seed(&(seed, &questions[*i])))
                    .collect();
                writings.push(Writing {
                    prompt: ready.tokens.clone(),
                    seeds,
                    temperature: self.served.temperature(),
                    max_tokens,
                });
                owners.push((indices, ready));
            }
        }
        let mut done = |place: usize, sample: usize, written: Written| {
            let (indices, ready): &(Vec<usize>, &Ready) = &owners[place];
            sink(
                indices[sample],
                Answer {
                    rendered: ready.rendered.clone(),
                    response: self.written(&written),
                    exchange: None,
                },
            )
        };
        self.engine.write(&writings, &|id| self.ends(id), &mut done)
    }

    fn written(&self, written: &Written) -> Response {
        let bytes = self.tokenizer.decode(&written.tokens);
        Response::Text {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            tokens: written.tokens.len(),
            finish: written.finish,
        }
    }
}

fn unavailable(rendered: String, reason: String) -> Answer {
    Answer {
        rendered,
        response: Response::Unavailable { reason },
        exchange: None,
    }
}

impl Model for LocalModel {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn abilities(&self) -> Abilities {
        open::abilities(self.template.is_some())
    }

    fn answer(
        &self,
        questions: &[Question],
        seed: Seed,
        sink: &mut dyn FnMut(usize, Answer) -> ControlFlow<()>,
    ) -> Result<(), ModelError> {
        let ControlFlow::Continue(groups) = self.group(questions, sink) else {
            return Ok(());
        };
        let flow = self
            .read_groups(&groups, questions, sink)
            .map_err(|source| self.failed(source))?;
        if flow.is_break() {
            return Ok(());
        }
        self.write_groups(&groups, questions, seed, sink)
            .map_err(|source| self.failed(source))
    }
}

#[cfg(test)]
mod tests;
