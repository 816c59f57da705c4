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

use foldhash::fast::RandomState;
use ndarray::Array3;
use rayon::prelude::*;

use self::tally::{Counts, Run, Tally};
use super::{Affinity, Measure, Side};
use crate::fingerprint::Fingerprint;

/// Parts into which the probes are dealt, when there are as many probes.
const BLOCKS: usize = 12;
/// Runs of characters that are features.
const TRIGRAMS: usize = 300;
/// Skeletons that are features.
const SKELETONS: usize = 300;

/// The constants by name.
pub(super) fn constants() -> [(&'static str, f64); 5] {
    [
        ("style.blocks", BLOCKS as f64),
        ("style.trigrams", TRIGRAMS as f64),
        ("style.skeletons", SKELETONS as f64),
        ("style.max_chars", tally::MAX_CHARS as f64),
        ("style.max_word", tally::MAX_WORD as f64),
    ]
}

/// Compares the style of every row with that of every column, as [`super::affinity()`] does.
pub(super) fn style(
    rows: &[Side<'_>],
    columns: &[Side<'_>],
    exists: &dyn Fn(&str, &str) -> bool,
) -> Affinity {
    let sides: Vec<Side<'_>> = rows.iter().chain(columns).copied().collect();
    let manners = Manners::new(&sides);
    let cells = manners.cells(&ids(rows), &ids(columns));
    manners.table(rows, columns, cells, exists)
}

fn ids<'a>(sides: &[Side<'a>]) -> Vec<&'a str> {
    sides.iter().map(|s| s.id).collect()
}

/// What every one of some models wrote, counted.
#[derive(Debug)]
pub(super) struct Manners {
    blocks: usize,
    counts: BTreeMap<String, Counted>,
    trigrams: Kinds,
    skeletons: Kinds,
}

/// Every key that some model has, in order, and by model how large a share which of them is.
#[derive(Debug)]
struct Kinds {
    keys: Vec<Run>,
    shares: BTreeMap<String, Vec<(usize, f64)>>,
}

/// What one model wrote.
#[derive(Debug)]
struct Counted {
    whole: Tally,
    blocks: Vec<Tally>,
}

impl Manners {
    /// Counts what models wrote, each once.
    pub(super) fn new(sides: &[Side<'_>]) -> Self {
        let members: BTreeMap<&str, &Fingerprint> = sides.iter().map(|s| (s.id, s.print)).collect();
        let blocks = deal(&members);
        let count = |(id, print): (&str, &Fingerprint)| {
            let mut whole = Tally::default();
            let count = |probes: &Vec<&str>| {
                let mut block = tally(print, probes);
                whole.join(&block);
                block.pack();
                block
            };
            let blocks: Vec<Tally> = blocks.iter().map(count).collect();
            whole.pack();
            (id.to_owned(), Counted { whole, blocks })
        };
        let counts: BTreeMap<String, Counted> = members.into_par_iter().map(count).collect();
        Self {
            blocks: blocks.len(),
            trigrams: Kinds::new(&counts, |t| &t.trigrams),
            skeletons: Kinds::new(&counts, |t| &t.skeletons),
            counts,
        }
    }

    /// Compares some of the models as a panel; `model` is a side's name here. `None` if one was not counted.
    pub(super) fn compare<'m>(
        &self,
        rows: &[Side<'_>],
        columns: &[Side<'_>],
        model: &dyn Fn(&str) -> &'m str,
        exists: &dyn Fn(&str, &str) -> bool,
    ) -> Option<Affinity> {
        let names =
            |sides: &[Side<'_>]| -> Vec<&'m str> { sides.iter().map(|s| model(s.id)).collect() };
        let (own, others) = (names(rows), names(columns));
        let counted = |name: &&str| self.counts.contains_key(*name);
        if !own.iter().chain(&others).all(counted) {
            return None;
        }
        let cells = self.cells(&own, &others);
        Some(self.table(rows, columns, cells, exists))
    }

    /// All cells of a panel of these models.
    fn cells(&self, rows: &[&str], columns: &[&str]) -> Array3<f64> {
        let members: BTreeSet<&str> = rows.iter().chain(columns).copied().collect();
        let members: BTreeMap<&str, &Counted> =
            members.into_iter().map(|m| (m, &self.counts[m])).collect();
        let trigrams = self.trigrams.commonest(members.keys(), TRIGRAMS);
        let skeletons = self.skeletons.commonest(members.keys(), SKELETONS);
        let z = |tallies: Vec<&Tally>| -> BTreeMap<&str, Option<Vec<f64>>> {
            let profile = |t: &Tally| (!t.is_empty()).then(|| t.profile(&trigrams, &skeletons));
            let profiles = tallies.into_iter().map(profile).collect();
            members.keys().copied().zip(standardise(profiles)).collect()
        };
        let mut cells = Array3::from_elem((rows.len(), columns.len(), self.blocks), f64::NAN);
        let parents = z(members.values().map(|c| &c.whole).collect());
        for b in 0..self.blocks {
            let tested = z(members.values().map(|c| &c.blocks[b]).collect());
            for (i, row) in rows.iter().enumerate() {
                for (k, column) in columns.iter().enumerate() {
                    if let (Some(own), Some(other)) = (&tested[row], &parents[column]) {
                        cells[[i, k, b]] = cosine(own, other).unwrap_or(f64::NAN);
                    }
                }
            }
        }
        cells
    }

    /// The cells that exist.
    fn table(
        &self,
        rows: &[Side<'_>],
        columns: &[Side<'_>],
        cells: Array3<f64>,
        exists: &dyn Fn(&str, &str) -> bool,
    ) -> Affinity {
        let blocks = (1..=self.blocks).map(|b| format!("block-{b:02}")).collect();
        Affinity::new(Measure::Style, rows, columns, blocks, cells).existing(exists)
    }
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

impl Kinds {
    fn new(counts: &BTreeMap<String, Counted>, of: impl Fn(&Tally) -> &Counts) -> Self {
        let mut keys: Vec<Run> = counts.values().flat_map(|c| of(&c.whole).keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let places: HashMap<Run, usize, RandomState> = keys.iter().copied().zip(0..).collect();
        let shares = |counted: &Counted| {
            let shares = of(&counted.whole).shares();
            shares.map(|(key, share)| (places[&key], share)).collect()
        };
        Self {
            shares: counts
                .iter()
                .map(|(id, c)| (id.clone(), shares(c)))
                .collect(),
            keys,
        }
    }

    /// The keys with the largest mean share over some of the models; of equals, the first in order.
    fn commonest<'m>(&self, models: impl Iterator<Item = &'m &'m str>, limit: usize) -> Vec<Run> {
        let mut sums = vec![0.0; self.keys.len()];
        for (key, share) in models.flat_map(|m| &self.shares[*m]) {
            sums[*key] += share;
        }
        let mut order: Vec<usize> = (0..sums.len()).filter(|i| sums[*i] > 0.0).collect();
        order.sort_by(|i, j| sums[*j].total_cmp(&sums[*i]));
        order.truncate(limit);
        order.into_iter().map(|i| self.keys[i]).collect()
    }
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

/// The cosine of the angle between two vectors; `None` if one is nothing but zeros.
fn cosine(a: &[f64], b: &[f64]) -> Option<f64> {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(u, v)| u * v).sum::<f64>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    (lengths > 0.0).then(|| (dot(a, b) / lengths).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests;
