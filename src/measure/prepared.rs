//! Comparisons worked out once for many panels of the same models.
//!
//! What two models give beside each other does not depend on who else is in the panel, but for style, where what
//! every model wrote is counted once and the panel decides what is usual.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use ndarray::{Array3, Axis};
use rayon::prelude::*;

use super::affinity::pairwise;
use super::equality::{Equality, equality, is_copy};
use super::open_text::Written;
use super::style::Manners;
use super::text_equality::TextEquality;
use super::{Affinity, Measure, Side};
use crate::fingerprint::Fingerprint;
use crate::rules::Screen;

/// All models of several panels, compared with all candidate parents of them.
#[derive(Debug)]
pub struct Prepared {
    tables: Vec<Affinity>,
    manners: Manners,
    written: Written,
    /// How alike each model's answers are to each parent's, by parent and model.
    likeness: BTreeMap<(String, String), Option<Equality>>,
    /// Models that answer as another does, by both names, the first of them first.
    copies: BTreeSet<(String, String)>,
    /// What the two-sample test of texts said of two models, by both names, where it was asked.
    texts: Mutex<BTreeMap<(String, String), Option<TextEquality>>>,
}

impl Prepared {
    /// Compares every model with those named.
    pub fn new(prints: &BTreeMap<String, Fingerprint>, parents: &[&str], screen: &Screen) -> Self {
        let rows: Vec<Side<'_>> = prints
            .iter()
            .map(|(id, print)| Side { id, print })
            .collect();
        let is_parent = |s: &&Side<'_>| parents.contains(&s.id);
        let columns: Vec<Side<'_>> = rows.iter().filter(is_parent).copied().collect();
        let pairs = columns
            .iter()
            .flat_map(|c| rows.iter().map(move |r| (c, r)));
        let pairs: Vec<(&Side<'_>, &Side<'_>)> = pairs.collect();
        let alike = |(parent, model): &(&Side<'_>, &Side<'_>)| {
            let names = (parent.id.to_owned(), model.id.to_owned());
            (names, equality(parent.print, model.print))
        };
        let all: Vec<(&Side<'_>, &Side<'_>)> = (0..rows.len())
            .flat_map(|i| (i + 1..rows.len()).map(move |j| (i, j)))
            .map(|(i, j)| (&rows[i], &rows[j]))
            .collect();
        let copies = all
            .par_iter()
            .filter(|(a, b)| is_copy(a.print, b.print, screen));
        let copies = copies.map(|(a, b)| (a.id.to_owned(), b.id.to_owned()));
        Self {
            copies: copies.collect(),
            likeness: pairs.par_iter().map(alike).collect(),
            tables: pairwise(&rows, &columns, &|_, _| true),
            manners: Manners::new(&rows),
            written: Written::new(&rows),
            texts: Mutex::default(),
        }
    }

    /// The two-sample test of two models' texts, by their names, made once.
    pub(crate) fn texts(
        &self,
        a: &str,
        b: &str,
        test: impl FnOnce() -> Option<TextEquality>,
    ) -> Option<TextEquality> {
        // Nobody who holds the lock can fail.
        let known = || self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let names = (a.to_owned(), b.to_owned());
        let found = known().get(&names).copied();
        found.unwrap_or_else(|| {
            // The lock is not held meanwhile: the test takes long.
            let made = test();
            known().insert(names, made);
            made
        })
    }

    /// How alike a model's answers are to a parent's, by their names; `None` if they cannot be compared, or were
    /// not.
    pub(crate) fn likeness(&self, parent: &str, model: &str) -> Option<Equality> {
        let names = (parent.to_owned(), model.to_owned());
        self.likeness.get(&names).copied().flatten()
    }

    /// Whether two models answer as one.
    pub(crate) fn is_copy(&self, a: &str, b: &str) -> bool {
        let (first, second) = if a < b { (a, b) } else { (b, a) };
        let names = (first.to_owned(), second.to_owned());
        self.copies.contains(&names)
    }

    /// What [`super::affinity()`] would give for a panel. `model` is the name of a side's model here.
    ///
    /// `None` for a measure that was not prepared, or a model that has no part in it.
    pub(crate) fn affinity<'m>(
        &self,
        measure: Measure,
        rows: &[Side<'_>],
        columns: &[Side<'_>],
        model: &dyn Fn(&str) -> &'m str,
        exists: &dyn Fn(&str, &str) -> bool,
    ) -> Option<Affinity> {
        match measure {
            Measure::Style => return self.manners.compare(rows, columns, model, exists),
            Measure::Habits | Measure::Phrases => {
                let found = self.written.compare(measure, rows, columns, model)?;
                return Some(found.existing(exists));
            }
            _ => {}
        }
        let table = self.tables.iter().find(|t| t.measure == measure)?;
        let places = |sides: &[Side<'_>], names: &[String]| -> Option<Vec<usize>> {
            let place = |side: &Side<'_>| names.iter().position(|n| n == model(side.id));
            sides.iter().map(place).collect()
        };
        let part = table.part(
            &places(rows, &table.rows)?,
            &places(columns, &table.columns)?,
        );
        // Under the names that the panel has for them.
        let part = Affinity::new(measure, rows, columns, part.probes, part.cells);
        let (probes, cells) = asked(&part.existing(exists));
        Some(Affinity::new(measure, rows, columns, probes, cells))
    }
}

/// The table without the probes that no cell is about.
fn asked(table: &Affinity) -> (Vec<String>, Array3<f64>) {
    let lanes = table.cells.axis_iter(Axis(2)).enumerate();
    let kept: Vec<usize> = lanes
        .filter(|(_, lane)| lane.iter().any(|c| c.is_finite()))
        .map(|(t, _)| t)
        .collect();
    let probes = kept.iter().map(|t| table.probes[*t].clone()).collect();
    (probes, table.cells.select(Axis(2), &kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::affinity;
    use crate::response::Continuation;
    use crate::rules::Rules;

    /// What a model of a number might have answered; every third has nothing on the last probe.
    fn print(number: usize) -> Fingerprint {
        let mut print = Fingerprint::default();
        let words = ["stone", "river", "and", "the", "which", "garden", "of", "a"];
        for probe in 0..14 {
            let name = format!("p{probe:02}");
            let word = |i: usize| words[(number * 3 + probe * 5 + i * (number + 2)) % words.len()];
            let text = |n: usize| {
                let words: Vec<&str> = (0..12).map(|i| word(i + n)).collect();
                words.join(" ")
            };
            if number % 3 == 2 && probe == 13 {
                continue;
            }
            let share = 0.1 + 0.05 * ((number * 7 + probe) % 9) as f64;
            print.choices.insert(name.clone(), vec![share, 1.0 - share]);
            let continuation = |text: &str, p: f64| Continuation {
                text: text.to_owned(),
                log_probability: p.ln(),
            };
            let next = vec![continuation(" a", share), continuation(" b", 1.0 - share)];
            print.next.insert(name.clone(), next);
            print.texts.insert(name, vec![text(0), text(5)]);
        }
        print
    }

    #[test]
    fn a_panel_of_prepared_models_is_compared_as_it_would_be_afresh() {
        let prints: BTreeMap<String, Fingerprint> =
            (0..8).map(|i| (format!("model-{i}"), print(i))).collect();
        let prepared = Prepared::new(
            &prints,
            &["model-0", "model-1", "model-2"],
            &Rules::HERE.screen,
        );
        // The suspect goes by another name in the panel, and is not compared with model-1.
        let side = |id| Side {
            id,
            print: &prints[if id == "suspect" { "model-7" } else { id }],
        };
        let rows = ["suspect", "model-1", "model-4", "model-5"].map(side);
        let columns = ["model-0", "model-1"].map(side);
        let model = |id: &str| -> &'static str {
            match id {
                "suspect" => "model-7",
                "model-0" => "model-0",
                "model-1" => "model-1",
                "model-4" => "model-4",
                _ => "model-5",
            }
        };
        let exists = |r: &str, c: &str| r != c && (r, c) != ("suspect", "model-1");
        let mut compared = 0;
        for measure in Measure::ALL {
            let known = prepared.affinity(measure, &rows, &columns, &model, &exists);
            let known = known.unwrap();
            let afresh = affinity(measure, &rows, &columns, &exists);
            assert_eq!(
                (&known.rows, &known.columns),
                (&afresh.rows, &afresh.columns)
            );
            for (t, probe) in afresh.probes.iter().enumerate() {
                let place = known.probes.iter().position(|p| p == probe);
                for (at, value) in afresh.cells.index_axis(Axis(2), t).indexed_iter() {
                    let found = place.map_or(f64::NAN, |t| known.cells[[at.0, at.1, t]]);
                    // Sums in another order differ by rounding.
                    let same = (found - value).abs() < 1e-12 || (found.is_nan() && value.is_nan());
                    assert!(same, "{measure:?} {at:?} {probe}: {found} {value}");
                    compared += usize::from(value.is_finite());
                }
            }
        }
        // 6 cells, 13 or 14 probes or 12 blocks: preference, style, and wording both ways.
        assert!(compared > 300, "{compared}");
        let known = prepared.likeness("model-0", "model-4");
        assert_eq!(known, equality(&prints["model-0"], &prints["model-4"]));
        assert!(known.is_some());
        assert_eq!(prepared.likeness("model-4", "model-0"), None);
        let stranger = [Side {
            id: "stranger",
            print: &prints["model-3"],
        }];
        let nobody = |_: &str| "stranger";
        for measure in [Measure::Style, Measure::Preference] {
            let found = prepared.affinity(measure, &stranger, &columns, &nobody, &exists);
            assert_eq!(found, None);
        }
    }
}
