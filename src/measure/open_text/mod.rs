//! Measures of open text that need one answer to a prompt: `habits` and `phrases`.
//!
//! Both describe every model of a panel by a vector and compare models by inner products of these, so that what a
//! panel gives is a [`Gram`] matrix over all its models, whatever their roles. How close a suspect is to a candidate
//! parent is read off that matrix by [`nearness()`], given all the other models.
//!
//! The features of every answer are counted once ([`Written`]); which of them count, and how much, depends on who is in
//! the panel.

mod distance;
mod habits;
mod nearness;
mod phrases;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array2, Array3, Axis};
use rayon::prelude::*;

use self::words::Features;
use super::{Affinity, Measure, Side};
use crate::fingerprint::Fingerprint;

pub use distance::habit_distances;
pub use nearness::{Houses, NoNearness, nearness};

/// The number of first samples of a prompt that are looked at.
pub(super) const SAMPLES: usize = 32;
/// A model takes part if it answered this share of the prompts that most of the panel answered.
pub(super) const MIN_PRESENT: f64 = 0.8;

/// The constants of these measures that can move a finding, by name.
pub(super) fn constants() -> [(&'static str, f64); 9] {
    let [first, second] = words::WINDOWS;
    [
        ("habits.first_window", first as f64),
        ("habits.second_window", second as f64),
        ("habits.one_of", habits::ONE_OF),
        ("phrases.most", phrases::MOST),
        ("phrases.least", phrases::LEAST as f64),
        ("phrases.characters", words::PHRASES as f64),
        ("open_text.ridge", nearness::RIDGE),
        ("open_text.samples", SAMPLES as f64),
        ("open_text.min_present", MIN_PRESENT),
    ]
}

/// Inner products of the vectors of every pair of models of a panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Gram {
    /// The models' ids.
    pub ids: Vec<String>,
    /// One row and one column a model, in the order of `ids`, with the mean vector taken out.
    pub values: Array2<f64>,
}

impl Gram {
    /// The same without a model, of whose vector nothing stays in the mean.
    #[must_use]
    pub fn without(&self, id: &str) -> Self {
        let kept: Vec<usize> = (0..self.ids.len()).filter(|i| self.ids[*i] != id).collect();
        let values = self.values.select(Axis(0), &kept).select(Axis(1), &kept);
        Self {
            ids: kept.iter().map(|i| self.ids[*i].clone()).collect(),
            values: centred(&values),
        }
    }

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
pub struct Written {
    models: BTreeMap<String, BTreeMap<String, Vec<Features>>>,
    /// What was worked out before: cases of a population have the same models in other roles.
    known: Mutex<BTreeMap<Asked, Arc<Products>>>,
}

/// What [`Products`] are of: a measure, the models of a panel and its candidate parents, by name and in order.
type Asked = (Measure, Vec<String>, Vec<String>);

/// The features of what one member of a panel wrote, by probe.
type Answers<'a> = &'a BTreeMap<String, Vec<Features>>;

/// Inner products of the models that take part in a panel.
#[derive(Debug)]
struct Products {
    /// Their names.
    models: Vec<String>,
    /// The prompts that all of them answered.
    probes: Vec<String>,
    /// Of every pair, with the mean vector taken out.
    inner: Array2<f64>,
    /// By prompt, [models, candidate parents, prompts], for a measure that looks at one prompt at a time.
    by_prompt: Option<Array3<f64>>,
}

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
        Self {
            models: members.into_par_iter().map(read).collect(),
            known: Mutex::default(),
        }
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
        let names = |sides: &[Side<'_>]| -> BTreeSet<String> {
            sides.iter().map(|s| model(s.id).to_owned()).collect()
        };
        let parents = names(columns);
        let models: BTreeSet<String> = names(rows).union(&parents).cloned().collect();
        let asked = (
            measure,
            models.into_iter().collect(),
            parents.into_iter().collect(),
        );
        let products = self.products(asked)?;
        let ids: BTreeMap<&str, &str> = rows
            .iter()
            .chain(columns)
            .map(|s| (model(s.id), s.id))
            .collect();
        let gram = Gram {
            ids: products
                .models
                .iter()
                .map(|m| ids[m.as_str()].to_owned())
                .collect(),
            values: products.inner.clone(),
        };
        let mut affinity = products.affinity(measure, rows, columns, model);
        affinity.gram = Some(gram);
        Some(affinity)
    }

    fn products(&self, asked: Asked) -> Option<Arc<Products>> {
        // Nobody who holds the lock can fail.
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known().get(&asked).cloned();
        if found.is_some() {
            return found;
        }
        // The lock is not held meanwhile: what is worked out in parallel may want it.
        let products = Arc::new(self.worked_out(&asked)?);
        known().insert(asked, Arc::clone(&products));
        Some(products)
    }

    fn worked_out(&self, (measure, models, parents): &Asked) -> Option<Products> {
        let mut members: BTreeMap<&str, Answers<'_>> = BTreeMap::new();
        for name in models {
            members.insert(name, self.models.get(name)?);
        }
        let panel = Panel::new(members);
        let (inner, by_prompt) = match measure {
            Measure::Habits => (habits::inner(&panel), None),
            Measure::Phrases => {
                let place = |name: &String| panel.members.iter().position(|(m, _)| m == name);
                let columns: Vec<Option<usize>> = parents.iter().map(place).collect();
                let (inner, cells) = phrases::inner(&panel, &columns);
                (inner, Some(cells))
            }
            _ => return None,
        };
        Some(Products {
            models: panel.members.iter().map(|(m, _)| (*m).to_owned()).collect(),
            probes: panel.probes.iter().map(|p| (*p).to_owned()).collect(),
            inner: centred(&inner),
            by_prompt,
        })
    }
}

impl Products {
    /// The values of rows and columns: by prompt, or else the cosines of their vectors as one cell for all prompts.
    fn affinity<'m>(
        &self,
        measure: Measure,
        rows: &[Side<'_>],
        columns: &[Side<'_>],
        model: &dyn Fn(&str) -> &'m str,
    ) -> Affinity {
        // Looking a model up takes long, and there are many cells.
        let places = |sides: &[Side<'_>]| -> Vec<Option<usize>> {
            let names = sides.iter().map(|s| model(s.id));
            names
                .map(|name| self.models.iter().position(|m| m == name))
                .collect()
        };
        let (own, others) = (places(rows), places(columns));
        let names: Vec<&str> = columns.iter().map(|s| model(s.id)).collect();
        let parents: BTreeSet<&str> = names.iter().copied().collect();
        let of_parents: Vec<Option<usize>> = names
            .iter()
            .map(|name| parents.iter().position(|p| p == name))
            .collect();
        let cosine = |i: usize, k: usize| {
            let length = (self.inner[[i, i]] * self.inner[[k, k]]).sqrt();
            (length > 0.0).then(|| self.inner[[i, k]] / length)
        };
        let value = |i: usize, k: usize, t: usize| match &self.by_prompt {
            Some(cells) => Some(cells[[own[i]?, of_parents[k]?, t]]),
            None => cosine(own[i]?, others[k]?),
        };
        let probes = match &self.by_prompt {
            Some(_) => self.probes.clone(),
            None => vec!["all prompts".to_owned()],
        };
        let size = (rows.len(), columns.len(), probes.len());
        let cells = Array3::from_shape_fn(size, |(i, k, t)| value(i, k, t).unwrap_or(f64::NAN));
        Affinity::new(measure, rows, columns, probes, cells)
    }
}

/// The models that take part, in the order of their names, with the prompts that all of them answered.
struct Panel<'a> {
    members: Vec<(&'a str, Answers<'a>)>,
    probes: Vec<&'a str>,
}

impl<'a> Panel<'a> {
    /// The models with answers to most of what half of the panel answered, and the prompts that all of these answered.
    ///
    /// A profile over other prompts than the others' would tell the prompts, not the model.
    fn new(members: BTreeMap<&'a str, Answers<'a>>) -> Self {
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
        let kept = members.into_iter().filter(|(_, answers)| enough(answers));
        let members: Vec<(&str, Answers<'_>)> = kept.collect();
        let by_all = |probe: &&str| members.iter().all(|(_, of)| of.contains_key(*probe));
        let probes = usual.into_iter().filter(by_all).collect();
        Self { members, probes }
    }
}

#[cfg(test)]
mod tests;
