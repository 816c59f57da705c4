//! Reading: probabilities of given texts and of what follows a prompt.
//!
//! Prompts and the texts that follow them are packed into one matrix of rows. What all prompts of a
//! pack begin with is computed once, and so is a prompt that several texts follow. The output head is
//! applied only to the rows whose predictions are asked for, a few at a time, and each row of logits is
//! reduced at once to the numbers that are kept.
//!
//! Weights take the bytes of their files, because they stay as they are stored. Peak memory beyond them, in
//! f32 values, for a pack of T rows (at most [`PACK_ROWS`] unless one text alone is longer):
//! `T * (4 * hidden + 2 * qkv + 3 * ffn)` for a layer in flight, `heads * 128 * longest` for attention scores,
//! [`HEAD_VALUES`] for logits, and `60 * 1024` a thread for the weights that are being multiplied. It does not
//! grow with vocabulary times length, nor with the number of questions.

use std::collections::BTreeMap;
use std::ops::Range;

use super::attention::{Pack, Past};
use super::decoder::Decoder;
use super::error::{LocalError, Step};
use super::ops::Values;
use super::sampler::top_of;
use super::simd;

/// Rows of a pack.
pub(super) const PACK_ROWS: usize = 1024;
/// Logits held at once: 6 million values, 25 MB. glibc gives back larger pieces at once and takes them
/// anew, which costs a page fault every 4 KB.
const HEAD_VALUES: usize = 128 * 49_152;
/// The most rows that the head is applied to at once.
const HEAD_ROWS: usize = 256;
/// A shared beginning shorter than this is not worth a segment of its own.
pub(super) const MIN_SHARED: usize = 8;

/// One prompt, with what is asked about its continuation.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The prompt's tokens, at least one.
    pub(crate) prompt: Vec<u32>,
    /// Texts whose probability is asked.
    pub(crate) texts: Vec<Vec<u32>>,
    /// How many of the most probable next tokens are asked.
    pub(crate) top: usize,
}

/// The answer to a [`Reading`].
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct ReadingResult {
    /// The log-probability of every token of every text, in nats.
    pub(crate) texts: Vec<Vec<f64>>,
    /// The most probable next tokens with their log-probabilities in nats, most probable first.
    pub(crate) top: Vec<(u32, f64)>,
}

impl Reading {
    fn rows(&self) -> usize {
        self.prompt.len()
            + self
                .texts
                .iter()
                .map(|t| t.len().saturating_sub(1))
                .sum::<usize>()
    }
}

/// What is asked of one row of logits: (reading, text, token) triples and the top of a reading.
#[derive(Default)]
struct Wanted {
    targets: Vec<(usize, usize, usize, u32)>,
    top: Option<(usize, usize)>,
}

/// Answers readings pack by pack; `done` gets each reading's index and result in order.
pub(crate) fn read(
    decoder: &Decoder,
    readings: &[Reading],
    done: &mut dyn FnMut(usize, ReadingResult) -> std::ops::ControlFlow<()>,
) -> Result<(), LocalError> {
    for range in packs(readings) {
        let results = read_pack(decoder, &readings[range.clone()])?;
        for (index, result) in range.zip(results) {
            if done(index, result).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Consecutive readings that fit into one pack.
fn packs(readings: &[Reading]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut rows) = (0, 0);
    for (index, reading) in readings.iter().enumerate() {
        if index > start && rows + reading.rows() > PACK_ROWS {
            ranges.push(start..index);
            (start, rows) = (index, 0);
        }
        rows += reading.rows();
    }
    if start < readings.len() {
        ranges.push(start..readings.len());
    }
    ranges
}

/// How many tokens all prompts begin with, leaving each at least one of its own.
pub(super) fn shared(readings: &[Reading]) -> usize {
    let [first, rest @ ..] = readings else {
        return 0;
    };
    let common = rest.iter().fold(first.prompt.len(), |shared, reading| {
        let pairs = first.prompt.iter().zip(&reading.prompt).take(shared);
        pairs.take_while(|(a, b)| a == b).count()
    });
    let shortest = readings.iter().map(|r| r.prompt.len()).min().unwrap_or(0);
    let common = common.min(shortest.saturating_sub(1));
    if rest.is_empty() || common < MIN_SHARED {
        0
    } else {
        common
    }
}

fn at(wanted: &mut BTreeMap<u32, Wanted>, row: usize) -> &mut Wanted {
    wanted
        .entry(u32::try_from(row).unwrap_or(u32::MAX))
        .or_default()
}

fn read_pack(decoder: &Decoder, readings: &[Reading]) -> Result<Vec<ReadingResult>, LocalError> {
    let mut pack = Pack::default();
    let mut wanted: BTreeMap<u32, Wanted> = BTreeMap::new();
    let head = shared(readings);
    let before = if head > 0 {
        Past::Segment(pack.push(&readings[0].prompt[..head], 0, Past::Empty))
    } else {
        Past::Empty
    };
    for (index, reading) in readings.iter().enumerate() {
        let prompt = pack.push(&reading.prompt[head..], head, before);
        let last = pack.tokens.len() - 1;
        if reading.top > 0 {
            at(&mut wanted, last).top = Some((index, reading.top));
        }
        for (number, text) in reading.texts.iter().enumerate() {
            let Some((final_token, inner)) = text.split_last() else {
                continue;
            };
            let start = pack.tokens.len();
            if !inner.is_empty() {
                pack.push(inner, reading.prompt.len(), Past::Segment(prompt));
            }
            for (place, token) in inner.iter().chain([final_token]).enumerate() {
                let predictor = if place == 0 { last } else { start + place - 1 };
                at(&mut wanted, predictor)
                    .targets
                    .push((index, number, place, *token));
            }
        }
    }
    let mut results: Vec<ReadingResult> = readings
        .iter()
        .map(|r| ReadingResult {
            texts: r.texts.iter().map(|t| vec![0.0; t.len()]).collect(),
            top: Vec::new(),
        })
        .collect();
    let hidden = decoder.hidden(&pack, &mut []).step("run the decoder")?;
    let rows: Vec<u32> = wanted.keys().copied().collect();
    let mut wanted = wanted.into_values();
    each_row(decoder, &hidden, &rows, |logits| {
        let total = simd::log_sum_exp(logits);
        let Some(want) = wanted.next() else { return };
        for (reading, text, place, token) in want.targets {
            let logit = logits
                .get(token as usize)
                .copied()
                .unwrap_or(f32::NEG_INFINITY);
            results[reading].texts[text][place] = f64::from(logit) - total;
        }
        if let Some((reading, count)) = want.top {
            results[reading].top = top_of(logits, count, total);
        }
    })?;
    Ok(results)
}

/// Applies the head to some rows, in chunks, and hands over each row of logits in order.
///
/// A row that is not finite is an error: weights that overflow f32 have no probabilities.
pub(crate) fn each_row(
    decoder: &Decoder,
    hidden: &candle_core::Tensor,
    rows: &[u32],
    mut take: impl FnMut(&[f32]),
) -> Result<(), LocalError> {
    let vocabulary = decoder.spec().vocabulary;
    let chunk = (HEAD_VALUES / vocabulary).clamp(1, HEAD_ROWS);
    let mut capped = Vec::new();
    for rows in rows.chunks(chunk) {
        let logits = decoder
            .normalised(hidden, rows)
            .and_then(|x| decoder.logits(&x))
            .and_then(|x| x.to_device(&candle_core::Device::Cpu))
            .step("apply the output head")?;
        let values = Values::of(&logits);
        let values = values.get().step("read logits")?;
        for mut row in values.chunks_exact(vocabulary) {
            if let Some(cap) = decoder.spec().final_softcap {
                capped.clear();
                capped.extend_from_slice(row);
                #[expect(clippy::cast_possible_truncation, reason = "a cap near 30")]
                simd::softcap(&mut capped, cap as f32);
                row = &capped;
            }
            if !simd::all_finite(row) {
                return Err(LocalError::Overflow);
            }
            take(row);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(prompt: &[u32], texts: &[&[u32]]) -> Reading {
        Reading {
            prompt: prompt.to_vec(),
            texts: texts.iter().map(|t| t.to_vec()).collect(),
            top: 0,
        }
    }

    #[test]
    fn a_shared_beginning_leaves_every_prompt_a_token_of_its_own() {
        let long: Vec<u32> = (0..20).collect();
        let readings = [reading(&long, &[]), reading(&long[..12], &[])];
        assert_eq!(shared(&readings), 11);
        assert_eq!(shared(&readings[..1]), 0);
        assert_eq!(shared(&[reading(&long, &[]), reading(&[0, 1, 9], &[])]), 0);
    }

    #[test]
    fn packs_hold_whole_readings_and_cover_all() {
        let readings: Vec<Reading> = (0..10).map(|_| reading(&[1; 300], &[&[2; 51]])).collect();
        assert_eq!(packs(&readings), vec![0..2, 2..4, 4..6, 6..8, 8..10]);
        assert_eq!(packs(&[reading(&vec![1; 5000], &[])]), vec![0..1]);
        assert!(packs(&[]).is_empty());
    }
}
