//! Samples, many at a time; what [`crate::model::local::write`] is to the own decoder.
//!
//! Tokens are drawn by the same sampler from the same seeds. Every sample is a text of the context; those of one prompt
//! begin as copies of it, which share its keys and values.

use std::collections::BTreeSet;

use super::engine::Engine;
use super::session::{Row, Session, rows};
use crate::model::local::error::LocalError;
use crate::model::local::write::{Joining, Sample, Together};

/// Tokens that a wave has room for which samples join and leave, at most and at least.
const OPEN_TOKENS: [usize; 2] = [16_384, 2_048];
/// Bytes of keys and values of such a wave, about.
const OPEN_BYTES: usize = 1 << 30;

/// Samples that are written together.
pub(super) struct Wave<'m> {
    engine: &'m Engine,
    session: Option<Session<'m>>,
    /// Tokens and samples that a context is made for.
    tokens: usize,
    most: usize,
    samples: Vec<Sample>,
    /// The text of each sample.
    texts: Vec<usize>,
}

impl<'m> Wave<'m> {
    /// A wave of so many tokens and samples.
    pub(super) fn sized(engine: &'m Engine, tokens: usize, samples: usize) -> Self {
        Self {
            engine,
            session: None,
            tokens,
            most: samples.max(1),
            samples: Vec::new(),
            texts: Vec::new(),
        }
    }

    /// A wave that samples join and leave.
    pub(super) fn open(engine: &'m Engine) -> Self {
        let [most, least] = OPEN_TOKENS;
        let costs = engine.costs();
        let fit = OPEN_BYTES / costs.token.max(1);
        let tokens = fit.clamp(least, most);
        Self::sized(
            engine,
            tokens.min(costs.most / costs.token.max(1)).max(1),
            costs.live,
        )
    }

    /// The context, with room for what joins.
    fn session(&mut self, tokens: usize) -> Result<&mut Session<'m>, LocalError> {
        let small = |session: &Session<'_>| self.samples.is_empty() && session.cells < tokens;
        let mut session = self.session.take();
        if session.as_ref().is_none_or(small) {
            drop(session.take());
            let size = self.tokens.max(tokens);
            session = Some(Session::new(self.engine, size, self.most)?);
        }
        session.map_or_else(
            || Err(LocalError::Overflow),
            |session| Ok(self.session.insert(session)),
        )
    }
}

impl Together for Wave<'_> {
    fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    fn room(&self, planned: &[usize], tokens: usize) -> usize {
        let others = self.samples.len() + planned.len();
        let used: usize = self.samples.iter().map(|s| s.capacity).sum();
        let left = self
            .tokens
            .saturating_sub(used + planned.iter().sum::<usize>());
        let room = (left / tokens.max(1)).min(self.most.saturating_sub(others));
        room.max(usize::from(others == 0))
    }

    fn prefill(&mut self, joining: Vec<Joining<'_>>) -> Result<(), LocalError> {
        let needs = |joining: &Joining<'_>| {
            let own = |(_, drawing): &(u64, crate::model::local::Drawing)| drawing.max_tokens;
            joining.prompt.len() + joining.samples.iter().map(own).sum::<usize>()
        };
        let needed = joining.iter().map(needs).sum();
        let taken: BTreeSet<usize> = self.texts.iter().copied().collect();
        let mut free = (0..self.most).filter(|text| !taken.contains(text));
        let mut prompts: Vec<Row> = Vec::new();
        let mut texts = Vec::new();
        for Joining { prompt, samples } in &joining {
            let own: Vec<usize> = free.by_ref().take(samples.len()).collect();
            if own.len() < samples.len() {
                return Err(LocalError::LlamaCpp {
                    step: "write more samples at once",
                    what: format!("there is room for {}", self.most),
                });
            }
            let last = prompt.len().saturating_sub(1);
            if let Some(first) = own.first() {
                prompts.extend(rows(prompt, 0, *first, |place| place == last));
            }
            texts.push(own);
        }
        let session = self.session(needed)?;
        let mut begun = Vec::new();
        let mut waiting = joining.into_iter().filter(|j| !j.samples.is_empty());
        session.run(&prompts, &mut |_, logits| {
            let Some(Joining { prompt, samples }) = waiting.next() else {
                return;
            };
            for (owner, drawing) in samples {
                let mut sample = Sample::new(owner, drawing, prompt.len());
                sample.capacity = prompt.len() + sample.drawing.max_tokens;
                sample.take(logits);
                begun.push(sample);
            }
        })?;
        for own in &texts {
            if let [first, others @ ..] = &own[..] {
                for other in others {
                    session.copy(*first, *other)?;
                }
            }
        }
        self.samples.extend(begun);
        self.texts.extend(texts.into_iter().flatten());
        Ok(())
    }

    fn take_out(&mut self, leave: &dyn Fn(&Sample) -> bool) -> Vec<Sample> {
        let samples = std::mem::take(&mut self.samples);
        let texts = std::mem::take(&mut self.texts);
        let mut left = Vec::new();
        for (sample, text) in samples.into_iter().zip(texts) {
            if leave(&sample) {
                // A text that could not be forgotten is in nobody's way until the context is full, which is told then.
                let _ = self.session.as_mut().map(|session| session.forget(text));
                left.push(sample);
            } else {
                self.samples.push(sample);
                self.texts.push(text);
            }
        }
        left
    }

    fn advance(&mut self) -> Result<(), LocalError> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        let place = |(sample, text): (&Sample, &usize)| Row {
            token: sample.tokens.last().copied().unwrap_or(0),
            position: sample.position,
            sequence: *text,
            wanted: true,
        };
        let next: Vec<Row> = self.samples.iter().zip(&self.texts).map(place).collect();
        let mut samples = self.samples.iter_mut();
        session.run(&next, &mut |_, logits| {
            if let Some(sample) = samples.next() {
                sample.take(logits);
                sample.position += 1;
            }
        })
    }
}
