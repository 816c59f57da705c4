//! Style: is the open text of two models written in one manner, whatever it says?
//!
//! From the answers to `write` probes every model gets a profile: relative frequencies of the usual
//! function words of English, of the commonest runs of three characters, of syntactic skeletons (two or
//! three words in a row of which only function words, endings, capitals and marks are kept), of marks,
//! and of layout (lines, lists, lengths, how answers begin and end). Profiles are compared by Burrows's
//! Delta in its cosine form:
//!
//! ```text
//! z[m, f] = (x[m, f] - mean over models of x[., f]) / sd over models of x[., f]
//! A[m, k, b] = z[m in block b] . z[k in all] / (|z[m in block b]| |z[k in all]|)
//! ```
//!
//! Sources: Burrows, *Literary and Linguistic Computing* 17 (2002) 267-287; Smith and Aldridge, *Journal
//! of Quantitative Linguistics* 18 (2011) 63-88, for the cosine; Evert et al., *Digital Scholarship in the
//! Humanities* 32 (2017) ii4-ii16, for why it works: that many features lean one way counts, not how far.
//!
//! Means, deviations and the choice of runs are taken over all models of the panel, each counted once,
//! whatever their role. The probes are dealt in turn, by their ids, into [`BLOCKS`] blocks, for a single
//! answer is too short for a profile; the table's third axis is blocks here. In every block the row's text
//! in it is compared with all that the column wrote, each among the texts of all models from the same
//! probes, so that what the probes are about cancels: a candidate parent's style is the better known, the
//! more of its text is used. A model without text in a block has no cells in it. A value is -1 to 1,
//! relative to the panel.
//!
//! Time and memory grow with the characters read, at most 4,096 of each sample, and with models times
//! blocks times about 800 features.

mod tally;
mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use ndarray::Array3;

use self::tally::Tally;
use super::{Affinity, Measure, Side};
use crate::fingerprint::Fingerprint;

/// Parts into which the probes are dealt, when there are as many probes.
const BLOCKS: usize = 12;
/// Runs of characters that are features.
const TRIGRAMS: usize = 300;
/// Skeletons that are features.
const SKELETONS: usize = 300;

/// Compares the style of every row with that of every column, as [`super::affinity()`] does.
pub(super) fn style(
    rows: &[Side<'_>],
    columns: &[Side<'_>],
    exists: &dyn Fn(&str, &str) -> bool,
) -> Affinity {
    let members: BTreeMap<&str, &Fingerprint> = rows
        .iter()
        .chain(columns)
        .map(|s| (s.id, s.print))
        .collect();
    let blocks = deal(&members);
    let all = blocks.concat();
    let whole: Vec<Tally> = members.values().map(|print| tally(print, &all)).collect();
    let trigrams = commonest(&whole, |t| &t.trigrams, TRIGRAMS);
    let skeletons = commonest(&whole, |t| &t.skeletons, SKELETONS);
    let z = |tallies: Vec<Tally>| -> BTreeMap<&str, Option<Vec<f64>>> {
        let profile = |t: Tally| (!t.is_empty()).then(|| t.profile(&trigrams, &skeletons));
        let profiles = tallies.into_iter().map(profile).collect();
        members.keys().copied().zip(standardise(profiles)).collect()
    };
    let mut cells = Array3::from_elem((rows.len(), columns.len(), blocks.len()), f64::NAN);
    let parents = z(whole);
    for (b, probes) in blocks.iter().enumerate() {
        let tested = z(members.values().map(|print| tally(print, probes)).collect());
        for (i, row) in rows.iter().enumerate() {
            for (k, column) in columns.iter().enumerate() {
                let sides = (&tested[row.id], &parents[column.id]);
                if let ((Some(own), Some(other)), true) = (sides, exists(row.id, column.id)) {
                    cells[[i, k, b]] = cosine(own, other).unwrap_or(f64::NAN);
                }
            }
        }
    }
    let blocks = (1..=blocks.len())
        .map(|b| format!("block-{b:02}"))
        .collect();
    Affinity::new(Measure::Style, rows, columns, blocks, cells)
}

/// The probes with text, dealt in turn.
fn deal<'a>(members: &BTreeMap<&str, &'a Fingerprint>) -> Vec<Vec<&'a str>> {
    let probes: BTreeSet<&str> = members
        .values()
        .flat_map(|print| print.texts.keys().map(String::as_str))
        .collect();
    let mut blocks = vec![Vec::new(); probes.len().min(BLOCKS)];
    for (n, probe) in probes.into_iter().enumerate() {
        blocks[n % BLOCKS].push(probe);
    }
    blocks
}

fn tally(print: &Fingerprint, probes: &[&str]) -> Tally {
    let mut tally = Tally::default();
    for text in probes.iter().filter_map(|p| print.texts.get(*p)).flatten() {
        tally.add(text);
    }
    tally
}

/// The keys with the largest mean share over the models; of equals, the first in order.
fn commonest<K: Eq + Hash + Ord + Copy>(
    models: &[Tally],
    counts: impl Fn(&Tally) -> &HashMap<K, usize>,
    limit: usize,
) -> Vec<K> {
    let mut shares: HashMap<K, f64> = HashMap::new();
    for model in models {
        let share = tally::shares(counts(model));
        for key in counts(model).keys() {
            *shares.entry(*key).or_default() += share(key);
        }
    }
    let mut keys: Vec<(K, f64)> = shares.into_iter().collect();
    keys.sort_by(|(k, a), (l, b)| b.total_cmp(a).then(k.cmp(l)));
    keys.into_iter().take(limit).map(|(k, _)| k).collect()
}

/// Every feature in units of its standard deviation from its mean, over the models that have a profile.
/// A feature in which all are equal is 0 for all.
fn standardise(mut profiles: Vec<Option<Vec<f64>>>) -> Vec<Option<Vec<f64>>> {
    let width = profiles.iter().flatten().map(Vec::len).min().unwrap_or(0);
    for f in 0..width {
        let values: Vec<f64> = profiles.iter().flatten().map(|p| p[f]).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let square: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
        let sd = (square / n).sqrt();
        // Equal values may differ from their mean by rounding, which is no spread.
        let varies = values.iter().any(|x| x.total_cmp(&values[0]).is_ne());
        for profile in profiles.iter_mut().flatten() {
            let z = (profile[f] - mean) / sd;
            profile[f] = if varies && z.is_finite() { z } else { 0.0 };
        }
    }
    profiles
}

/// The cosine of the angle between two vectors; nothing when one is nothing but zeros.
fn cosine(a: &[f64], b: &[f64]) -> Option<f64> {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(u, v)| u * v).sum::<f64>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    (lengths > 0.0).then(|| (dot(a, b) / lengths).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests;
