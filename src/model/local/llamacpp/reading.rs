//! Probabilities of given texts and of what follows a prompt; what [`crate::model::local::read`] is to the own decoder.

use std::ops::{ControlFlow, Range};

use super::engine::Engine;
use super::session::{Row, Session, rows};
use crate::model::local::error::LocalError;
use crate::model::local::read::{PACK_ROWS, Reading, ReadingResult, shared};
use crate::model::local::sampler::top_of;
use crate::model::local::simd;

/// Tokens of texts that are run together behind their prompts.
const TEXT_ROWS: usize = PACK_ROWS;

/// What is asked of a row: (reading, text, place, token), or the top of a reading.
enum Want {
    Token(usize, usize, usize, u32),
    Top(usize, usize),
}

/// Answers readings pack by pack; `done` gets each reading's index and result in order.
pub(super) fn read(
    engine: &Engine,
    readings: &[Reading],
    done: &mut dyn FnMut(usize, ReadingResult) -> ControlFlow<()>,
) -> Result<(), LocalError> {
    let sequences = engine.sequences();
    let packs = packs(readings, sequences);
    let tokens = packs.iter().map(|pack| cells(&readings[pack.clone()]));
    let Some(most) = tokens.max() else {
        return Ok(());
    };
    let mut session = Session::new(engine, most, sequences)?;
    for pack in packs {
        session.clear();
        let results = read_pack(&mut session, sequences, &readings[pack.clone()])?;
        for (index, result) in pack.zip(results) {
            if done(index, result).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Tokens of a pack that are in the context at once.
fn cells(readings: &[Reading]) -> usize {
    let prompts: usize = readings.iter().map(|r| r.prompt.len()).sum();
    let texts = || readings.iter().flat_map(|r| &r.texts).map(Vec::len);
    prompts
        + texts()
            .sum::<usize>()
            .min(TEXT_ROWS + texts().max().unwrap_or(0))
}

/// The end of the texts that are run together, one at least.
fn texts_end(texts: &[(usize, usize, &Vec<u32>)], most: usize) -> usize {
    let mut rows = 0;
    let fits = |(.., text): &&(usize, usize, &Vec<u32>)| {
        rows += text.len();
        rows <= TEXT_ROWS
    };
    let count = texts.iter().take(most).take_while(fits).count();
    count.max(1).min(texts.len())
}

/// Consecutive readings that fit into one pack. One text has the shared beginning, and one is kept for what follows.
fn packs(readings: &[Reading], sequences: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut rows) = (0, 0);
    for (index, reading) in readings.iter().enumerate() {
        let own = reading.prompt.len() + reading.texts.iter().map(Vec::len).sum::<usize>();
        if index > start && (rows + own > PACK_ROWS || index - start + 2 >= sequences) {
            ranges.push(start..index);
            (start, rows) = (index, 0);
        }
        rows += own;
    }
    if start < readings.len() {
        ranges.push(start..readings.len());
    }
    ranges
}

fn read_pack(
    session: &mut Session<'_>,
    sequences: usize,
    readings: &[Reading],
) -> Result<Vec<ReadingResult>, LocalError> {
    let mut results: Vec<ReadingResult> = readings
        .iter()
        .map(|r| ReadingResult {
            texts: r.texts.iter().map(|t| vec![0.0; t.len()]).collect(),
            top: Vec::new(),
        })
        .collect();
    let head = shared(readings);
    let first = readings.first().map_or(&[][..], |r| &r.prompt[..head]);
    let beginning: Vec<Row> = rows(first, 0, 0, |_| false).collect();
    session.run(&beginning, &mut |_, _| {})?;
    run_prompts(session, readings, head, &mut results)?;
    run_texts(session, sequences, readings, &mut results)?;
    Ok(results)
}

fn run_prompts(
    session: &mut Session<'_>,
    readings: &[Reading],
    head: usize,
    results: &mut [ReadingResult],
) -> Result<(), LocalError> {
    let (mut prompts, mut wants) = (Vec::new(), Vec::new());
    for (index, reading) in readings.iter().enumerate() {
        if head > 0 {
            session.copy(0, index + 1)?;
        }
        let last = reading.prompt.len() - head - 1;
        prompts.extend(rows(&reading.prompt[head..], head, index + 1, |place| {
            place == last
        }));
        let mut asked = Vec::new();
        if reading.top > 0 {
            asked.push(Want::Top(index, reading.top));
        }
        let firsts = reading.texts.iter().enumerate();
        asked.extend(
            firsts.filter_map(|(text, tokens)| Some(Want::Token(index, text, 0, *tokens.first()?))),
        );
        wants.push(asked);
    }
    let mut wants = wants.into_iter();
    session.run(&prompts, &mut |_, logits| {
        keep(results, wants.next().unwrap_or_default(), logits);
    })
}

/// Runs what follows the prompts, as many texts at once as there is room for.
fn run_texts(
    session: &mut Session<'_>,
    sequences: usize,
    readings: &[Reading],
    results: &mut [ReadingResult],
) -> Result<(), LocalError> {
    let texts = readings.iter().enumerate().flat_map(|(index, reading)| {
        let texts = reading.texts.iter().enumerate();
        texts.map(move |(number, text)| (index, number, text))
    });
    // Of the last token nothing is wanted, and the first was told behind the prompt.
    let texts: Vec<_> = texts.filter(|(.., text)| text.len() > 1).collect();
    let free = readings.len() + 1..sequences.max(readings.len() + 2);
    let mut rest = &texts[..];
    while !rest.is_empty() {
        let (texts, later) = rest.split_at(texts_end(rest, free.len()));
        rest = later;
        let (mut inner, mut wants) = (Vec::new(), Vec::new());
        for ((index, number, text), sequence) in texts.iter().zip(free.clone()) {
            session.copy(index + 1, sequence)?;
            let from = readings[*index].prompt.len();
            inner.extend(rows(&text[..text.len() - 1], from, sequence, |_| true));
            let targets = text.iter().enumerate().skip(1);
            wants.extend(
                targets.map(|(place, token)| vec![Want::Token(*index, *number, place, *token)]),
            );
        }
        let mut wants = wants.into_iter();
        session.run(&inner, &mut |_, logits| {
            keep(results, wants.next().unwrap_or_default(), logits);
        })?;
        for (_, sequence) in texts.iter().zip(free.clone()) {
            session.forget(sequence)?;
        }
    }
    Ok(())
}

/// Keeps what is asked of a row.
fn keep(results: &mut [ReadingResult], wants: Vec<Want>, logits: &[f32]) {
    let total = simd::log_sum_exp(logits);
    for want in wants {
        match want {
            Want::Token(reading, text, place, token) => {
                let logit = logits.get(token as usize).copied();
                let logit = logit.unwrap_or(f32::NEG_INFINITY);
                results[reading].texts[text][place] = f64::from(logit) - total;
            }
            Want::Top(reading, count) => {
                results[reading].top = top_of(logits, count, total);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_leave_a_text_for_what_follows() {
        let reading = |tokens| Reading {
            prompt: vec![1; tokens],
            texts: vec![vec![2; 3]],
            top: 0,
        };
        let short: Vec<Reading> = (0..9).map(|_| reading(2)).collect();
        assert_eq!(packs(&short, 8), [0..6, 6..9]);
        let long: Vec<Reading> = (0..3).map(|_| reading(500)).collect();
        assert_eq!(packs(&long, 64), [0..2, 2..3]);
        assert!(packs(&[], 64).is_empty());
    }
}
