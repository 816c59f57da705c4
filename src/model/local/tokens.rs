//! The engine by tokens: what a server needs to know of every token that was read or drawn.
//!
//! [`LocalModel::read_passages`] gives the probability of given tokens and draws single ones behind
//! them; a [`Writer`] writes longer samples, which may join and leave at any step, so that short answers
//! do not wait for long ones.

use super::LocalModel;
use super::documents::Document;
use super::error::LocalError;
use super::sampler::Seen;
use super::template::{Message, TemplateError};
use super::tokenizer::{Reading as Markup, Start, Tokenizer, TokenizerError};
use super::write::{Drawing, Joining, Sample, Together};
use crate::model::ModelError;
use crate::response::Finish;

/// Tokens with what is asked about them.
#[derive(Debug, Clone, Default)]
pub struct Passage {
    /// The tokens, at least one.
    pub tokens: Vec<u32>,
    /// The place of the first token whose probability is asked. The first token of all has none, so 0
    /// means the same as 1; with the length or more nothing is asked.
    pub from: usize,
    /// How many of the most probable tokens are named at each of these places.
    pub top: usize,
    /// What is drawn behind the passage: one token each, whatever their limit.
    pub drawings: Vec<Drawing>,
}

/// The answer to a [`Passage`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PassageRead {
    /// The tokens asked about, in order.
    pub seen: Vec<Seen>,
    /// One sample for every drawing, in order.
    pub drawn: Vec<Drawn>,
}

/// A drawn sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// All tokens, the one that ended the text included.
    pub tokens: Vec<u32>,
    /// The same with their probabilities, where the drawing asked for them.
    pub seen: Vec<Seen>,
    /// The bytes of the text, up to the text that stopped it.
    pub text: Vec<u8>,
    /// Why it ended.
    pub finish: Finish,
}

/// Messages that cannot be made a prompt.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The model takes plain text only.
    #[error("the model has no chat template")]
    NoTemplate,
    /// A message would be read as structure.
    #[error("the prompt spells a control token of this model")]
    Control,
    /// The template did not render.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The tokenizer refused the text.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

impl LocalModel {
    /// The most tokens of prompt and answer together.
    pub fn context(&self) -> usize {
        self.engine.context()
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Renders and encodes a conversation; with `answer`, up to where the model's answer begins, and
    /// `lead` is then the beginning of that answer.
    ///
    /// # Errors
    ///
    /// When the model has no chat template, a message spells one of its control tokens, or the template
    /// refuses the messages.
    pub fn chat(
        &self,
        messages: &[Message],
        answer: bool,
        lead: &str,
    ) -> Result<(String, Vec<u32>), ChatError> {
        let template = self.template.as_ref().ok_or(ChatError::NoTemplate)?;
        let spells = |m: &Message| self.tokenizer.spelled_control(&m.content).is_some();
        if messages.iter().any(spells) {
            return Err(ChatError::Control);
        }
        let mut rendered = template.render(messages, answer, self.tokenizer.specials())?;
        let mut tokens = self.tokenizer.encode_rendered(&rendered)?;
        tokens.extend(self.tokenizer.encode(lead, Start::Inside, Markup::Plain)?);
        rendered.push_str(lead);
        Ok((rendered, tokens))
    }

    /// Reads passages together; the results are in their order.
    ///
    /// What passages begin with in common is computed once. Memory is bounded by the longest passage
    /// and by what is asked to be kept, not by vocabulary times length.
    ///
    /// # Errors
    ///
    /// When the engine fails.
    pub fn read_passages(&self, passages: &[Passage]) -> Result<Vec<PassageRead>, ModelError> {
        let documents: Vec<Document<'_>> = passages
            .iter()
            .map(|passage| {
                let tokens = &passage.tokens;
                // The last token's own distribution matters only to what is drawn behind it.
                let spare = usize::from(passage.drawings.is_empty()).min(tokens.len());
                let end = tokens.len() - spare;
                Document {
                    tokens: &tokens[..end],
                    wanted: passage.from.max(1).min(tokens.len().max(1)) - 1..end,
                }
            })
            .collect();
        let mut results = vec![PassageRead::default(); passages.len()];
        let mut take = |index: usize, position: usize, logits: &[f32]| {
            let (passage, result) = (&passages[index], &mut results[index]);
            match passage.tokens.get(position + 1) {
                Some(token) => result.seen.push(Seen::of(logits, *token, passage.top)),
                None => {
                    for drawing in &passage.drawings {
                        let mut sample = Sample::new(0, drawing.clone(), passage.tokens.len());
                        sample.take(logits);
                        result.drawn.push(self.drawn(sample));
                    }
                }
            }
        };
        self.engine
            .each_position(&documents, &mut take)
            .map_err(|source| self.failed(source))?;
        Ok(results)
    }

    /// A writer without samples.
    pub fn writer(&self) -> Writer<'_> {
        Writer {
            model: self,
            wave: self.engine.wave(),
        }
    }

    /// Whether a token ends a text. Any control token does: what would follow it is another turn.
    pub(super) fn ends(&self, id: u32) -> bool {
        self.tokenizer.end_ids().contains(&id) || self.tokenizer.token_bytes(id).is_none()
    }

    fn ended(&self, sample: &Sample) -> bool {
        let ends = sample.tokens.last().is_some_and(|id| self.ends(*id));
        sample.is_full() || ends || self.stopped(sample).is_some()
    }

    /// Where in its text a sample comes upon a text that stops it.
    fn stopped(&self, sample: &Sample) -> Option<usize> {
        if sample.drawing.stop.is_empty() {
            return None;
        }
        let text = self.tokenizer.decode(&sample.tokens);
        let stop = sample.drawing.stop.iter().filter(|s| !s.is_empty());
        stop.filter_map(|stop| {
            let stop = stop.as_bytes();
            text.windows(stop.len()).position(|window| window == stop)
        })
        .min()
    }

    fn drawn(&self, sample: Sample) -> Drawn {
        let stopped = self.stopped(&sample);
        let ended = sample.tokens.last().is_some_and(|id| self.ends(*id));
        let mut text = match sample.tokens.split_last() {
            Some((_, before)) if ended => self.tokenizer.decode(before),
            _ => self.tokenizer.decode(&sample.tokens),
        };
        text.truncate(stopped.unwrap_or(usize::MAX));
        Drawn {
            tokens: sample.tokens,
            seen: sample.seen,
            text,
            finish: if ended || stopped.is_some() {
                Finish::Stop
            } else {
                Finish::Length
            },
        }
    }
}

/// Samples in the making. They may join and leave at any step.
pub struct Writer<'a> {
    model: &'a LocalModel,
    wave: Box<dyn Together + 'a>,
}

impl std::fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer<'_> {
    /// Whether nothing is being written.
    pub fn is_empty(&self) -> bool {
        self.wave.is_empty()
    }

    /// How many samples of so many tokens, prompt included, may join now beside those whose tokens are
    /// listed as `planned`; at least one where there is no other.
    pub fn room(&self, planned: &[usize], tokens: usize) -> usize {
        self.wave.room(planned, tokens)
    }

    /// Reads prompts together and draws the first token of each of their samples.
    ///
    /// # Errors
    ///
    /// When the engine fails; what was being written is lost then.
    pub fn begin(&mut self, joining: Vec<Joining<'_>>) -> Result<(), ModelError> {
        let done = self.wave.prefill(joining);
        done.map_err(|source| self.failed(source))
    }

    /// Takes out the samples that are complete, each with its mark.
    pub fn complete(&mut self) -> Vec<(u64, Drawn)> {
        let model = self.model;
        let done = self.wave.take_out(&|sample| model.ended(sample));
        done.into_iter()
            .map(|sample| (sample.owner, model.drawn(sample)))
            .collect()
    }

    /// Gives up the samples whose marks are not `wanted`.
    pub fn keep(&mut self, wanted: &dyn Fn(u64) -> bool) {
        self.wave.take_out(&|sample| !wanted(sample.owner));
    }

    /// Draws one more token for every sample.
    ///
    /// # Errors
    ///
    /// When the engine fails; what was being written is lost then.
    pub fn step(&mut self) -> Result<(), ModelError> {
        let done = self.wave.advance();
        done.map_err(|source| self.failed(source))
    }

    fn failed(&mut self, source: LocalError) -> ModelError {
        self.wave = self.model.engine.wave();
        self.model.failed(source)
    }
}
