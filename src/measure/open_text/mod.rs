//! Measures of open text that need one answer to a prompt: [`habits`] and [`phrases`].
//!
//! Both describe every model of a panel by a vector and compare models by inner products of these, so that what a
//! panel gives is a [`Gram`] matrix over all its models, whatever their roles. How close a suspect is to a candidate
//! parent is read off that matrix by [`nearness`], given all the other models.
//!
//! The features of every answer are counted once ([`Written`]); which of them count, and how much, depends on who is in
//! the panel.

mod habits;
mod nearness;
mod phrases;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{Array2, Array3};
use rayon::prelude::*;

use self::words::Features;
use super::{Affinity, Measure, Side};
use crate::fingerprint::Fingerprint;

pub use nearness::{Houses, NoNearness, nearness};

/// The number of first samples of a prompt that are looked at.
pub(super) const SAMPLES: usize = 32;
/// A model takes part if it answered this share of the prompts that most of the panel answered.
pub(super) const MIN_PRESENT: f64 = 0.8;

/// Inner products of the vectors of every pair of models of a panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Gram {
    /// The models' ids.
    pub ids: Vec<String>,
    /// One row and one column a model, in the order of `ids`, with the mean vector taken out.
    pub values: Array2<f64>,
}

impl Gram {
    /// The place of a model.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.ids.iter().position(|other| other == id)
    }
}

/// Inner products with the mean vector of all models taken out of each: `H K H` with `H = I - 1/n`.
fn centred(inner: &Array2<f64>) -> Array2<f64> {
    let n = inner.nrows() as f64;
    let means: Vec<f64> = inner.rows().into_iter().map(|r| r.sum() / n).collect();
    let mean = means.iter().sum::<f64>() / n;
    Array2::from_shape_fn(inner.dim(), |(i, j)| {
        inner[[i, j]] - means[i] - means[j] + mean
    })
}

/// The features of everything that some models wrote.
#[derive(Debug, Default)]
pub struct Written(BTreeMap<String, BTreeMap<String, Vec<Features>>>);

/// The features of what one member of a panel wrote, by probe.
type Answers<'a> = &'a BTreeMap<String, Vec<Features>>;

impl Written {
    /// Reads what models wrote, each once.
    pub fn new(sides: &[Side<'_>]) -> Self {
        let members: BTreeMap<&str, &Fingerprint> = sides.iter().map(|s| (s.id, s.print)).collect();
        let read = |(id, print): (&str, &Fingerprint)| {
            let texts = print.texts.iter();
            let answers = texts.filter_map(|(probe, samples)| {
                let kept = samples.iter().filter(|text| !text.trim().is_empty());
                let features: Vec<Features> = kept.take(SAMPLES).map(|t| Features::of(t)).collect();
                (!features.is_empty()).then(|| (probe.clone(), features))
            });
            (id.to_owned(), answers.collect())
        };
        Self(members.into_par_iter().map(read).collect())
    }

    /// Compares the models of a panel by a measure of open text; `model` is the name of a side's model here.
    ///
    /// `None` if a model was not read, or the measure is not one of open text.
    pub fn compare<'m>(
        &self,
        measure: Measure,
        rows: &[Side<'_>],
        columns: &[Side<'_>],
        model: &dyn Fn(&str) -> &'m str,
    ) -> Option<Affinity> {
        let mut members: BTreeMap<&str, Answers<'_>> = BTreeMap::new();
        for side in rows.iter().chain(columns) {
            members.insert(side.id, self.0.get(model(side.id))?);
        }
        let (members, probes) = shared(members);
        let panel = Panel { members, probes };
        let (gram, by_probe) = match measure {
            Measure::Habits => (habits::inner(&panel), None),
            Measure::Phrases => {
                let (total, by_probe) = phrases::inner(&panel, &places(&panel, rows, columns));
                (total, Some(by_probe))
            }
            _ => return None,
        };
        let gram = Gram {
            ids: panel
                .members
                .iter()
                .map(|(id, _)| (*id).to_owned())
                .collect(),
            values: centred(&gram),
        };
        let mut affinity = match by_probe {
            Some(cells) => {
                let probes = panel.probes.iter().map(|p| (*p).to_owned()).collect();
                Affinity::new(measure, rows, columns, probes, cells)
            }
            None => alike(measure, rows, columns, &gram),
        };
        affinity.gram = Some(gram);
        Some(affinity)
    }
}

/// The models that take part, in the order of their ids, with the prompts that all of them answered.
struct Panel<'a> {
    members: Vec<(&'a str, Answers<'a>)>,
    probes: Vec<&'a str>,
}

/// The models with answers to most of what half of the panel answered, and the prompts that all of these answered.
///
/// A profile over other prompts than the others' would tell the prompts, not the model.
fn shared<'a>(
    members: BTreeMap<&'a str, Answers<'a>>,
) -> (Vec<(&'a str, Answers<'a>)>, Vec<&'a str>) {
    let mut answered: BTreeMap<&str, usize> = BTreeMap::new();
    for answers in members.values() {
        for probe in answers.keys() {
            *answered.entry(probe).or_default() += 1;
        }
    }
    let usual: BTreeSet<&str> = answered
        .into_iter()
        .filter(|(_, n)| 2 * n > members.len())
        .map(|(probe, _)| probe)
        .collect();
    let enough = |answers: &Answers<'_>| {
        let present = usual.iter().filter(|p| answers.contains_key(**p)).count();
        present > 0 && present as f64 >= MIN_PRESENT * usual.len() as f64
    };
    let kept: Vec<(&str, Answers<'_>)> = members
        .into_iter()
        .filter(|(_, answers)| enough(answers))
        .collect();
    let by_all = |probe: &&str| kept.iter().all(|(_, answers)| answers.contains_key(*probe));
    let probes = usual.into_iter().filter(by_all).collect();
    (kept, probes)
}

/// The places among the members that take part of rows and of columns; `None` for who does not.
fn places(panel: &Panel<'_>, rows: &[Side<'_>], columns: &[Side<'_>]) -> [Vec<Option<usize>>; 2] {
    let place = |side: &Side<'_>| panel.members.iter().position(|(id, _)| *id == side.id);
    [rows, columns].map(|sides| sides.iter().map(place).collect())
}

/// Cosines of the vectors of rows and columns, as one cell for all prompts.
fn alike(measure: Measure, rows: &[Side<'_>], columns: &[Side<'_>], gram: &Gram) -> Affinity {
    let cell = |row: &Side<'_>, column: &Side<'_>| {
        let (i, k) = (gram.place(row.id)?, gram.place(column.id)?);
        let length = (gram.values[[i, i]] * gram.values[[k, k]]).sqrt();
        (length > 0.0).then(|| gram.values[[i, k]] / length)
    };
    let cells = Array3::from_shape_fn((rows.len(), columns.len(), 1), |(i, k, _)| {
        cell(&rows[i], &columns[k]).unwrap_or(f64::NAN)
    });
    Affinity::new(
        measure,
        rows,
        columns,
        vec!["all prompts".to_owned()],
        cells,
    )
}

#[cfg(test)]
mod tests;
