//! Phrases: how much of its wording a model shares with another on the same prompt, beyond what others share.
//!
//! For prompt q and model m, G is the set of pairs and triples of words in the first 1,000 characters of an answer.
//! Kept are those that at least two and at most 30 % of the n models with an answer have on q; each weighs
//! `ln(n / models that have it)`:
//!
//! ```text
//! S_q(a, b) = cosine of the weighted indicator vectors of a and b      (the mean over pairs of samples)
//! K(a, b)   = mean over q of S_q(a, b)
//! ```
//!
//! A phrase that one model has tells nothing about two, and one that many have is the prompt's. With several samples
//! the inner product of the mean unit vectors is the mean of the samples' cosines. Source of the weights: Spärck Jones,
//! *Journal of Documentation* 28 (1972) 11-21.

use ndarray::{Array2, Array3, Axis};
use rayon::prelude::*;

use super::Panel;

/// A phrase counts if at most this share of the models has it.
pub(super) const MOST: f64 = 0.3;
/// A phrase counts if at least so many models have it.
pub(super) const LEAST: usize = 2;
/// Prompts whose inner products are held at a time.
const AT_A_TIME: usize = 64;

/// The mean inner products of every pair of members, and the inner products by prompt, [members, columns, prompts], with
/// the members at some places as columns; NaN for who takes no part.
pub(super) fn inner(panel: &Panel<'_>, columns: &[Option<usize>]) -> (Array2<f64>, Array3<f64>) {
    let members = panel.members.len();
    let mut total = Array2::zeros((members, members));
    let mut cells = Array3::from_elem((members, columns.len(), panel.probes.len()), f64::NAN);
    for (chunk, probes) in panel.probes.chunks(AT_A_TIME).enumerate() {
        let found: Vec<Array2<f64>> = probes.par_iter().map(|p| of_prompt(panel, p)).collect();
        for (at, inner) in found.into_iter().enumerate() {
            let mut lane = cells.index_axis_mut(Axis(2), chunk * AT_A_TIME + at);
            for ((i, k), cell) in lane.indexed_iter_mut() {
                if let Some(column) = columns[k] {
                    *cell = inner[[i, column]];
                }
            }
            total += &inner;
        }
    }
    let prompts = panel.probes.len().max(1) as f64;
    (total / prompts, cells)
}

/// A phrase of one answer.
#[derive(Clone, Copy)]
struct Held {
    phrase: u64,
    member: usize,
    /// The place of the answer among all members' answers.
    answer: usize,
}

/// `S_q` of every pair of members.
fn of_prompt(panel: &Panel<'_>, probe: &str) -> Array2<f64> {
    let n = panel.members.len();
    let mut samples = vec![0.0; n];
    let mut held: Vec<Held> = Vec::new();
    let mut answers = 0;
    for (member, (_, of)) in panel.members.iter().enumerate() {
        for features in &of[probe] {
            let phrases = features.phrases.iter();
            held.extend(phrases.map(|phrase| Held {
                phrase: *phrase,
                member,
                answer: answers,
            }));
            samples[member] += 1.0;
            answers += 1;
        }
    }
    // Keeps a model's answers together, for they came so.
    radsort::sort_by_key(&mut held, |one| one.phrase);
    let runs: Vec<(&[Held], f64)> = held
        .chunk_by(|a, b| a.phrase == b.phrase)
        .filter_map(|run| Some((run, weight(run, n)?)))
        .collect();
    // The length of every answer's vector, then the sums over phrases of the products of two answers' parts.
    let mut squares = vec![0.0; answers];
    for (run, weight) in &runs {
        for one in *run {
            squares[one.answer] += weight * weight;
        }
    }
    let mut inner = Array2::zeros((n, n));
    for (run, weight) in &runs {
        let parts = unit_parts(run, *weight, &squares, &samples);
        for (a, x) in &parts {
            for (b, y) in &parts {
                inner[[*a, *b]] += x * y;
            }
        }
    }
    inner
}

/// `ln(n / models that have it)` of a phrase that counts.
fn weight(run: &[Held], n: usize) -> Option<f64> {
    let models = run.chunk_by(|a, b| a.member == b.member).count();
    let counts = models >= LEAST && models as f64 <= MOST * n as f64;
    counts.then(|| (n as f64 / models as f64).ln())
}

/// A phrase's part of each member's mean unit vector.
fn unit_parts(run: &[Held], weight: f64, squares: &[f64], samples: &[f64]) -> Vec<(usize, f64)> {
    run.chunk_by(|a, b| a.member == b.member)
        .map(|of_member| {
            let parts = of_member
                .iter()
                .map(|one| weight / squares[one.answer].sqrt());
            let member = of_member[0].member;
            (member, parts.sum::<f64>() / samples[member])
        })
        .collect()
}
