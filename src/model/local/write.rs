//! Writing: samples, many at a time.
//!
//! A prompt is prefilled once, and all its samples share its keys and values. Each sample draws
//! from a generator of its own, seeded by the seed, the probe and the sample's number, so that samples
//! neither overlap nor depend on what else was asked.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::attention::{Cache, Pack, Past};
use super::decoder::Decoder;
use super::error::{LocalError, Step};
use super::read::each_row;
use super::sampler::{self, Seen};
use crate::response::Finish;

/// Samples written at once.
const LIVE: usize = 64;
/// Memory for keys and values of the samples that a server writes at once.
const CACHE_BYTES: usize = 2 << 30;
/// Elsewhere they take as much as the weights do, at least and at most so much: more samples at once are
/// faster, and a small model is to stay small.
const LEAST_CACHE_BYTES: usize = 64 << 20;
const MOST_CACHE_BYTES: usize = 512 << 20;

/// One prompt and the samples wanted of it.
#[derive(Debug)]
pub(crate) struct Writing {
    pub(crate) prompt: Vec<u32>,
    /// The seed of each sample.
    pub(crate) seeds: Vec<[u8; 32]>,
    pub(crate) temperature: f64,
    pub(crate) max_tokens: usize,
}

/// A written sample.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) tokens: Vec<u32>,
    pub(crate) finish: Finish,
}

/// How one sample is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// The seed of its own generator.
    pub seed: [u8; 32],
    /// Logits are divided by this before a token is drawn; at 0 the most probable token is taken.
    pub temperature: f64,
    /// Tokens are drawn from the fewest most probable ones that together have this probability.
    pub top_p: f64,
    /// The most tokens.
    pub max_tokens: usize,
    /// How many of the most probable tokens are named beside each drawn one; with nothing, no
    /// probabilities are kept at all.
    pub top: Option<usize>,
    /// Texts that end the sample where they appear.
    pub stop: Vec<String>,
}

impl Drawing {
    /// Without a record of probabilities.
    fn plain(seed: [u8; 32], temperature: f64, max_tokens: usize) -> Self {
        Self {
            seed,
            temperature,
            top_p: 1.0,
            max_tokens,
            top: None,
            stop: Vec::new(),
        }
    }
}

/// A sample in the making.
pub(super) struct Sample {
    /// The caller's mark.
    pub(super) owner: u64,
    pub(super) drawing: Drawing,
    pub(super) tokens: Vec<u32>,
    /// The same tokens with their probabilities, if these are kept.
    pub(super) seen: Vec<Seen>,
    rng: ChaCha8Rng,
    /// Where its next token will stand.
    pub(super) position: usize,
    /// Tokens that its keys and values have room for.
    pub(super) capacity: usize,
}

impl Sample {
    pub(super) fn new(owner: u64, drawing: Drawing, position: usize) -> Self {
        Self {
            owner,
            rng: ChaCha8Rng::from_seed(drawing.seed),
            drawing,
            tokens: Vec::new(),
            seen: Vec::new(),
            position,
            capacity: 0,
        }
    }

    /// Whether it has reached its length.
    pub(super) fn is_full(&self) -> bool {
        self.tokens.len() >= self.drawing.max_tokens
    }

    /// Draws the next token.
    pub(super) fn take(&mut self, logits: &[f32]) {
        let Drawing {
            temperature,
            top_p,
            top,
            ..
        } = self.drawing;
        let id = sampler::draw(logits, temperature, top_p, self.rng.random());
        if let Some(count) = top {
            self.seen.push(Seen::of(logits, id, count));
        }
        self.tokens.push(id);
    }
}

/// A prompt with the samples to be written behind it.
#[derive(Debug, Clone)]
pub struct Joining<'a> {
    /// The prompt's tokens, at least one.
    pub prompt: &'a [u32],
    /// The samples, each with the caller's mark.
    pub samples: Vec<(u64, Drawing)>,
}

/// The samples written together, each with its keys and values.
#[derive(Default)]
struct Wave {
    samples: Vec<Sample>,
    caches: Vec<Cache>,
}

/// Samples that are written together by one engine. They may join and leave at any step.
pub(super) trait Together {
    /// Whether nothing is being written.
    fn is_empty(&self) -> bool;

    /// How many samples of so many tokens, prompt included, may join beside those that are `planned` to;
    /// at least one where there is no other.
    fn room(&self, planned: &[usize], tokens: usize) -> usize;

    /// Reads some prompts together and draws the first token of each of their samples.
    fn prefill(&mut self, joining: Vec<Joining<'_>>) -> Result<(), LocalError>;

    /// Takes out the samples that `leave` and keeps the others.
    fn take_out(&mut self, leave: &dyn Fn(&Sample) -> bool) -> Vec<Sample>;

    /// Draws one more token for every sample.
    fn advance(&mut self) -> Result<(), LocalError>;
}

/// What samples take, and how many are written at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Costs {
    /// Bytes of keys and values for a token.
    pub(super) token: usize,
    /// Bytes of keys and values of all samples.
    pub(super) most: usize,
    /// Samples.
    pub(super) live: usize,
}

impl Costs {
    /// Of an engine whose keys and values take `token` bytes a token, beside weights of `stored` bytes.
    pub(super) fn new(token: usize, stored: usize) -> Self {
        Self {
            token,
            most: stored.clamp(LEAST_CACHE_BYTES, MOST_CACHE_BYTES),
            live: LIVE,
        }
    }

    fn bytes(&self, tokens: usize) -> usize {
        self.token.saturating_mul(tokens)
    }
}

/// The samples that the own decoder writes together.
pub(super) struct Running<'m> {
    decoder: &'m Decoder,
    wave: Wave,
}

impl<'m> Running<'m> {
    pub(super) fn new(decoder: &'m Decoder) -> Self {
        Self {
            decoder,
            wave: Wave::default(),
        }
    }
}

impl Together for Running<'_> {
    fn is_empty(&self) -> bool {
        self.wave.is_empty()
    }

    fn room(&self, planned: &[usize], tokens: usize) -> usize {
        self.wave.room(self.decoder, planned, tokens)
    }

    fn prefill(&mut self, joining: Vec<Joining<'_>>) -> Result<(), LocalError> {
        self.wave.prefill(self.decoder, joining)
    }

    fn take_out(&mut self, leave: &dyn Fn(&Sample) -> bool) -> Vec<Sample> {
        self.wave.take_out(leave)
    }

    fn advance(&mut self) -> Result<(), LocalError> {
        self.wave.advance(self.decoder)
    }
}

/// Writes all samples; `done` gets the writing's index, the sample's number and the text.
/// `ends` says which tokens end a text.
pub(crate) fn write(
    decoder: &Decoder,
    writings: &[Writing],
    ends: &dyn Fn(u32) -> bool,
    done: &mut dyn FnMut(usize, usize, Written) -> ControlFlow<()>,
) -> Result<(), LocalError> {
    let costs = Costs::new(cache_bytes(decoder, 1), decoder.stored);
    let begin = |_, _| -> Box<dyn Together> { Box::new(Running::new(decoder)) };
    write_by(costs, &begin, writings, ends, done)
}

/// What begins a wave that will hold so many tokens, of so many samples.
pub(super) type Begin<'b, 'm> = &'b dyn Fn(usize, usize) -> Box<dyn Together + 'm>;

/// The same by any engine.
pub(super) fn write_by(
    costs: Costs,
    begin: Begin<'_, '_>,
    writings: &[Writing],
    ends: &dyn Fn(u32) -> bool,
    done: &mut dyn FnMut(usize, usize, Written) -> ControlFlow<()>,
) -> Result<(), LocalError> {
    let runs = runs(costs, writings);
    let mut owners = Vec::new();
    let mut next = 0;
    while next < runs.len() {
        let until = wave_end(costs, writings, &runs, next);
        let size = |(index, numbers): &Run| {
            let writing = &writings[*index];
            (
                writing.prompt.len() + numbers.len() * writing.max_tokens,
                numbers.len(),
            )
        };
        let sizes = runs[next..until].iter().map(size);
        let (tokens, samples) = sizes.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        let mut wave = begin(tokens, samples);
        for (index, numbers) in &runs[next..until] {
            let writing = &writings[*index];
            let mut samples = Vec::new();
            for number in numbers.clone() {
                samples.push((
                    owners.len() as u64,
                    Drawing::plain(
                        writing.seeds[number],
                        writing.temperature,
                        writing.max_tokens,
                    ),
                ));
                owners.push((*index, number));
            }
            let prompt = &writing.prompt;
            wave.prefill(vec![Joining { prompt, samples }])?;
        }
        next = until;
        let last = |sample: &Sample| sample.tokens.last().copied();
        loop {
            for mut sample in wave.take_out(&|s| s.is_full() || last(s).is_some_and(ends)) {
                let finish = match last(&sample) {
                    Some(token) if ends(token) => {
                        sample.tokens.pop();
                        Finish::Stop
                    }
                    _ => Finish::Length,
                };
                let written = Written {
                    tokens: sample.tokens,
                    finish,
                };
                let (index, number) = owners[usize::try_from(sample.owner).unwrap_or(0)];
                if done(index, number, written).is_break() {
                    return Ok(());
                }
            }
            if wave.is_empty() {
                break;
            }
            wave.advance()?;
        }
    }
    Ok(())
}

/// Samples of one writing, by its index.
type Run = (usize, Range<usize>);

/// The samples of every writing in runs that fit into memory, one at least.
fn runs(costs: Costs, writings: &[Writing]) -> Vec<Run> {
    let mut runs = Vec::new();
    for (index, writing) in writings.iter().enumerate() {
        let each = costs.bytes(writing.max_tokens).max(1);
        let most = (costs.most / each).clamp(1, costs.live);
        let count = writing.seeds.len();
        let starts = (0..count).step_by(most);
        runs.extend(starts.map(|start| (index, start..count.min(start + most))));
    }
    runs
}

/// The end of the runs whose samples are written together.
fn wave_end(costs: Costs, writings: &[Writing], runs: &[Run], from: usize) -> usize {
    let (mut samples, mut bytes) = (0, 0);
    for (place, (index, numbers)) in runs.iter().enumerate().skip(from) {
        let writing = &writings[*index];
        samples += numbers.len();
        bytes +=
            costs.bytes(writing.prompt.len()) + numbers.len() * costs.bytes(writing.max_tokens);
        if place > from && (samples > costs.live || bytes > costs.most) {
            return place;
        }
    }
    runs.len()
}

/// Memory for the keys and values of a text of so many tokens.
fn cache_bytes(decoder: &Decoder, tokens: usize) -> usize {
    let spec = decoder.spec();
    (8 * spec.layers.len() * spec.kv_heads * spec.head_dim).saturating_mul(tokens)
}

impl Wave {
    fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// How many samples of so many tokens, prompt included, may join beside those that are `planned` to;
    /// at least one where there is no other.
    fn room(&self, decoder: &Decoder, planned: &[usize], tokens: usize) -> usize {
        let others = self.samples.len() + planned.len();
        let used: usize = self.samples.iter().map(|s| s.capacity).sum();
        let used = cache_bytes(decoder, used + planned.iter().sum::<usize>());
        let each = cache_bytes(decoder, tokens).max(1);
        let room = (CACHE_BYTES.saturating_sub(used) / each).min(LIVE.saturating_sub(others));
        room.max(usize::from(others == 0))
    }

    /// Reads some prompts together and draws the first token of each of their samples.
    fn prefill(&mut self, decoder: &Decoder, joining: Vec<Joining<'_>>) -> Result<(), LocalError> {
        let mut pack = Pack::default();
        let (mut caches, mut rows) = (Vec::new(), Vec::new());
        for (index, Joining { prompt, .. }) in joining.iter().enumerate() {
            caches.push(
                Cache::new(decoder.spec(), prompt.len(), decoder.device())
                    .step("make room for keys and values")?,
            );
            pack.push(prompt, 0, Past::Cache(index));
            rows.push(u32::try_from(pack.tokens.len() - 1).unwrap_or(u32::MAX));
        }
        let hidden = decoder.hidden(&pack, &mut caches).step("read a prompt")?;
        let mut first = Vec::new();
        let mut joining = joining.into_iter();
        each_row(decoder, &hidden, &rows, |logits| {
            let Some(Joining { prompt, samples }) = joining.next() else {
                return;
            };
            let samples: Vec<Sample> = samples
                .into_iter()
                .map(|(owner, drawing)| {
                    let mut sample = Sample::new(owner, drawing, prompt.len());
                    sample.capacity = prompt.len() + sample.drawing.max_tokens;
                    sample.take(logits);
                    sample
                })
                .collect();
            first.push(samples);
        })?;
        for (samples, cache) in first.into_iter().zip(caches) {
            let prompt = Arc::new(cache);
            for sample in samples {
                self.caches.push(
                    Cache::behind(&prompt, decoder.spec(), sample.drawing.max_tokens)
                        .step("make room for keys and values")?,
                );
                self.samples.push(sample);
            }
        }
        Ok(())
    }

    /// Takes out the samples that `leave` and keeps the others.
    fn take_out(&mut self, leave: &dyn Fn(&Sample) -> bool) -> Vec<Sample> {
        let samples = std::mem::take(&mut self.samples);
        let caches = std::mem::take(&mut self.caches);
        let mut left = Vec::new();
        for (sample, cache) in samples.into_iter().zip(caches) {
            if leave(&sample) {
                left.push(sample);
            } else {
                self.samples.push(sample);
                self.caches.push(cache);
            }
        }
        left
    }

    /// Draws one more token for every sample.
    fn advance(&mut self, decoder: &Decoder) -> Result<(), LocalError> {
        let mut pack = Pack::default();
        for (index, sample) in self.samples.iter().enumerate() {
            let token = sample.tokens.last().copied().unwrap_or(0);
            pack.push(&[token], sample.position, Past::Cache(index));
        }
        let hidden = decoder
            .hidden(&pack, &mut self.caches)
            .step("write a token")?;
        let rows: Vec<u32> = (0..u32::try_from(self.samples.len()).unwrap_or(u32::MAX)).collect();
        let mut samples = self.samples.iter_mut();
        each_row(decoder, &hidden, &rows, |logits| {
            if let Some(sample) = samples.next() {
                sample.take(logits);
                sample.position += 1;
            }
        })
    }
}
