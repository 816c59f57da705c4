//! Writing: samples at temperature 1, many at a time.
//!
//! A prompt is prefilled once and its keys and values are copied for every sample. Each sample draws
//! from a generator of its own, seeded by the seed, the probe and the sample's number, so that samples
//! neither overlap nor depend on what else was asked.

use std::ops::ControlFlow;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::attention::{Cache, Pack, Past};
use super::decoder::Decoder;
use super::error::{LocalError, Step};
use super::read::each_row;
use super::simd;
use crate::response::Finish;

/// Samples written at once.
const LIVE: usize = 64;
/// Memory for keys and values of the samples written at once.
const CACHE_BYTES: usize = 2 << 30;

/// One prompt and the samples wanted of it.
#[derive(Debug)]
pub(crate) struct Writing {
    pub(crate) prompt: Vec<u32>,
    /// The seed of each sample.
    pub(crate) seeds: Vec<[u8; 32]>,
    pub(crate) max_tokens: usize,
}

/// A written sample.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) tokens: Vec<u32>,
    pub(crate) finish: Finish,
}

/// A sample in the making.
struct Sample {
    writing: usize,
    number: usize,
    rng: ChaCha8Rng,
    tokens: Vec<u32>,
    position: usize,
}

/// The samples written together, each with its keys and values.
#[derive(Default)]
struct Wave {
    samples: Vec<Sample>,
    caches: Vec<Cache>,
}

/// Writes all samples; `done` gets the writing's index, the sample's number and the text.
/// `ends` says which tokens end a text.
pub(crate) fn write(
    decoder: &Decoder,
    writings: &[Writing],
    ends: &dyn Fn(u32) -> bool,
    done: &mut dyn FnMut(usize, usize, Written) -> ControlFlow<()>,
) -> Result<(), LocalError> {
    let mut next = 0;
    while next < writings.len() {
        let until = wave_end(decoder, writings, next);
        let mut wave = Wave::default();
        for index in next..until {
            wave.prefill(decoder, writings, index)?;
        }
        next = until;
        loop {
            if wave.retire(writings, ends, done).is_break() {
                return Ok(());
            }
            if wave.samples.is_empty() {
                break;
            }
            wave.advance(decoder)?;
        }
    }
    Ok(())
}

/// The end of the run of writings whose samples are written together.
fn wave_end(decoder: &Decoder, writings: &[Writing], from: usize) -> usize {
    let spec = decoder.spec();
    let token_bytes = 8 * spec.layers.len() * spec.kv_heads * spec.head_dim;
    let (mut samples, mut bytes) = (0, 0);
    for (index, writing) in writings.iter().enumerate().skip(from) {
        let capacity = writing.prompt.len() + writing.max_tokens;
        samples += writing.seeds.len();
        bytes += writing.seeds.len() * capacity * token_bytes;
        if index > from && (samples > LIVE || bytes > CACHE_BYTES) {
            return index;
        }
    }
    writings.len()
}

impl Wave {
    /// Reads one prompt and draws the first token of each of its samples.
    fn prefill(
        &mut self,
        decoder: &Decoder,
        writings: &[Writing],
        index: usize,
    ) -> Result<(), LocalError> {
        let writing = &writings[index];
        let capacity = writing.prompt.len() + writing.max_tokens;
        let cache = Cache::new(decoder.spec(), capacity, decoder.device())
            .step("make room for keys and values")?;
        let mut caches = [cache];
        let mut pack = Pack::default();
        pack.push(&writing.prompt, 0, Past::Cache(0));
        let hidden = decoder.hidden(&pack, &mut caches).step("read a prompt")?;
        let last = u32::try_from(writing.prompt.len() - 1).unwrap_or(u32::MAX);
        let mut weights = Vec::new();
        each_row(decoder, &hidden, &[last], |logits| {
            weights = probabilities(logits);
        })?;
        for (number, seed) in writing.seeds.iter().enumerate() {
            let mut rng = ChaCha8Rng::from_seed(*seed);
            let first = draw(&weights, rng.random());
            self.caches
                .push(caches[0].fork().step("copy keys and values")?);
            self.samples.push(Sample {
                writing: index,
                number,
                rng,
                tokens: vec![first],
                position: writing.prompt.len(),
            });
        }
        Ok(())
    }

    /// Hands over the samples that are complete and keeps the others.
    fn retire(
        &mut self,
        writings: &[Writing],
        ends: &dyn Fn(u32) -> bool,
        done: &mut dyn FnMut(usize, usize, Written) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let samples = std::mem::take(&mut self.samples);
        let caches = std::mem::take(&mut self.caches);
        for (mut sample, cache) in samples.into_iter().zip(caches) {
            let finish = match sample.tokens.last() {
                Some(token) if ends(*token) => {
                    sample.tokens.pop();
                    Finish::Stop
                }
                _ if sample.tokens.len() >= writings[sample.writing].max_tokens => Finish::Length,
                _ => {
                    self.samples.push(sample);
                    self.caches.push(cache);
                    continue;
                }
            };
            let written = Written {
                tokens: sample.tokens,
                finish,
            };
            done(sample.writing, sample.number, written)?;
        }
        ControlFlow::Continue(())
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
                sample
                    .tokens
                    .push(draw(&probabilities(logits), sample.rng.random()));
                sample.position += 1;
            }
        })
    }
}

fn probabilities(logits: &[f32]) -> Vec<f32> {
    let mut weights = logits.to_vec();
    let all = 0..weights.len();
    simd::attention_softmax(&mut weights, all, 1.0, None);
    weights
}

/// The token at `point`, uniform in [0, 1), of the cumulative distribution.
fn draw(weights: &[f32], point: f64) -> u32 {
    let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
    let mut left = point * total;
    let mut last = 0;
    for (id, weight) in (0u32..).zip(weights) {
        let weight = f64::from(*weight);
        if weight > 0.0 {
            last = id;
            if left < weight {
                return id;
            }
        }
        left -= weight;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_cumulative_distribution() {
        let weights = [0.2, 0.0, 0.5, 0.3];
        assert_eq!(draw(&weights, 0.0), 0);
        assert_eq!(draw(&weights, 0.199), 0);
        assert_eq!(draw(&weights, 0.21), 2);
        assert_eq!(draw(&weights, 0.71), 3);
        assert_eq!(draw(&weights, 0.999_999_999), 3);
        assert_eq!(draw(&[0.0, 0.0], 0.5), 0);
    }
}
