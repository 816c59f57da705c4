//! The nearest innocent explanation of each measure: the synthetic control, with the models by name.

use super::{Affinity, Scores};
use crate::weigh::{Fitted, NoSynthetic, SyntheticFit, fitted, synthetic_fit};

/// One model's gap.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// The model.
    pub id: String,
    /// How much closer it is to the protected model than its mix of innocent models, in the measure's unit.
    pub gap: f64,
    /// How badly the mix fits it on the other candidate parents: root mean square over probes, same unit.
    pub error: f64,
    /// The models of its mix: without any other model the mix is the same.
    pub mix: Vec<String>,
}

impl Gap {
    /// Gap over error; `None` if the mix fits exactly and leaves a gap.
    pub fn over_error(&self) -> Option<f64> {
        match (self.gap, self.error) {
            (gap, error) if error > 0.0 => Some(gap / error),
            (0.0, _) => Some(0.0),
            _ => None,
        }
    }
}

/// The suspect as a mix of innocent models.
#[derive(Debug, Clone, PartialEq)]
pub struct Synthetic {
    /// The models of the mix with their weights, the heaviest first; they sum to one where the suspect is as
    /// pronounced as they are, to more where it is more so.
    pub mix: Vec<(String, f64)>,
    /// The suspect.
    pub suspect: Gap,
    /// The controls, each as a mix of the others.
    pub controls: Vec<Gap>,
    /// Whether the suspect is fitted well enough to be judged.
    pub fitted: Fitted,
    /// Probes that the gap is a mean over.
    pub probes: usize,
    /// Models that could have had weight.
    pub donors: usize,
    /// Models that could not, because they lack answers that the fit needs.
    pub lacking: Vec<String>,
}

impl Synthetic {
    /// What is pooled: the gaps.
    pub fn scores(&self) -> Scores {
        Scores {
            suspect: self.suspect.gap,
            controls: scores_of(&self.controls).collect(),
        }
    }
}

/// What is pooled of gaps, by model.
pub fn scores_of(gaps: &[Gap]) -> impl Iterator<Item = (String, f64)> {
    gaps.iter().map(|gap| (gap.id.clone(), gap.gap))
}

/// Writes `suspect` as a mix of the other rows and judges what is left at `protected` by what is left of
/// every control. A `base` is an innocent of the mix but no control: the suspect descends from it.
///
/// # Errors
///
/// When the answers do not allow a mix, or fewer than two controls have one.
pub fn synthetic(
    affinity: &Affinity,
    suspect: &str,
    protected: &str,
    base: Option<&str>,
) -> Result<Synthetic, NoSynthetic> {
    let table = Table::new(affinity, suspect, protected, base, None)?;
    let own = table.fit(table.suspect)?;
    let controls = table.placebos(&[]);
    Synthetic {
        mix: table.named(&own),
        suspect: table.gap(&own),
        controls: Vec::new(),
        fitted: Fitted::Enough,
        probes: own.probes,
        donors: own.donors,
        lacking: own.lacking.iter().map(|i| table.id(*i)).collect(),
    }
    .judged(controls)
}

/// The gaps of the controls alone at a candidate parent: how controls scatter there. The suspect takes no part.
pub fn gaps_of_controls(
    affinity: &Affinity,
    suspect: &str,
    parent: &str,
    base: Option<&str>,
) -> Vec<Gap> {
    let table = Table::new(affinity, suspect, parent, base, None);
    table.map_or_else(|_| Vec::new(), |table| table.placebos(&[]))
}

/// The same without one control, out of the others' mixes as well: `known` has them with it.
pub fn gaps_without(
    affinity: &Affinity,
    suspect: &str,
    parent: &str,
    base: Option<&str>,
    (out, known): (&str, &[Gap]),
) -> Vec<Gap> {
    let table = Table::new(affinity, suspect, parent, base, Some(out));
    table.map_or_else(|_| Vec::new(), |table| table.placebos(known))
}

impl Synthetic {
    /// The same without one control, out of every mix as well.
    ///
    /// # Errors
    ///
    /// As [`synthetic`] without its row.
    pub fn without(
        &self,
        affinity: &Affinity,
        protected: &str,
        base: Option<&str>,
        out: &str,
    ) -> Result<Self, NoSynthetic> {
        let table = Table::new(affinity, &self.suspect.id, protected, base, Some(out))?;
        let mut less = self.clone();
        less.lacking.retain(|id| id != out);
        if !table.keeps(&self.suspect) {
            let own = table.fit(table.suspect)?;
            less.mix = table.named(&own);
            less.suspect = table.gap(&own);
        }
        less.judged(table.placebos(&self.controls))
    }

    /// With the controls that it is judged by.
    fn judged(mut self, mut controls: Vec<Gap>) -> Result<Self, NoSynthetic> {
        if self.suspect.over_error().is_none() {
            return Err(NoSynthetic::Exact);
        }
        controls.retain(|c| c.over_error().is_some());
        if controls.len() < 2 {
            return Err(NoSynthetic::NoPlacebos);
        }
        let errors = controls.iter().map(|c| c.error).collect();
        self.fitted = fitted(self.suspect.error, errors);
        self.controls = controls;
        Ok(self)
    }
}

/// A table of affinities with who is asked about whom.
struct Table<'a> {
    affinity: &'a Affinity,
    suspect: usize,
    column: usize,
    donors: Vec<usize>,
    controls: Vec<usize>,
    /// The model that is left out, and whether its row is whole, so that nothing else is left out with it.
    out: Option<(&'a str, bool)>,
}

impl<'a> Table<'a> {
    fn new(
        affinity: &'a Affinity,
        suspect: &str,
        parent: &str,
        base: Option<&str>,
        out: Option<&'a str>,
    ) -> Result<Self, NoSynthetic> {
        let place = |ids: &[String], id: &str| ids.iter().position(|x| x == id);
        let (Some(suspect), Some(column)) = (
            place(&affinity.rows, suspect),
            place(&affinity.columns, parent),
        ) else {
            return Err(NoSynthetic::NoCell);
        };
        let gone = out.and_then(|out| place(&affinity.rows, out));
        let whole = |row: usize| {
            let cells = affinity.cells.index_axis(ndarray::Axis(0), row);
            cells.iter().all(|c| c.is_finite())
        };
        let rows = 0..affinity.rows.len();
        let donors: Vec<usize> = rows.filter(|i| *i != suspect && Some(*i) != gone).collect();
        let is_base = |i: &usize| base == Some(affinity.rows[*i].as_str());
        let controls = donors.iter().copied().filter(|i| !is_base(i)).collect();
        Ok(Self {
            affinity,
            suspect,
            column,
            donors,
            controls,
            out: out.map(|out| (out, gone.is_none_or(whole))),
        })
    }

    fn id(&self, row: usize) -> String {
        self.affinity.rows[row].clone()
    }

    fn fit(&self, row: usize) -> Result<SyntheticFit, NoSynthetic> {
        synthetic_fit(&self.affinity.cells, row, self.column, &self.donors)
    }

    fn named(&self, fit: &SyntheticFit) -> Vec<(String, f64)> {
        let mix = fit.mix.iter();
        mix.map(|(row, weight)| (self.id(*row), *weight)).collect()
    }

    fn gap(&self, fit: &SyntheticFit) -> Gap {
        Gap {
            id: self.id(fit.row),
            gap: fit.gap,
            error: fit.error,
            mix: fit.mix.iter().map(|(row, _)| self.id(*row)).collect(),
        }
    }

    /// Whether a gap is the same without the model that is left out: a mix in which it has no weight stays the best,
    /// and where it lacks no answer no probe comes back.
    fn keeps(&self, known: &Gap) -> bool {
        self.out
            .is_some_and(|(out, whole)| whole && !known.mix.iter().any(|id| id == out))
    }

    /// The controls' gaps, each as a mix of the others; those that are known and stay are not fitted again.
    fn placebos(&self, known: &[Gap]) -> Vec<Gap> {
        let gap = |row: &usize| {
            let id = &self.affinity.rows[*row];
            let kept = known.iter().find(|g| g.id == *id && self.keeps(g));
            let again = || self.fit(*row).ok().map(|fit| self.gap(&fit));
            kept.cloned().or_else(again)
        };
        self.controls.iter().filter_map(gap).collect()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::measure::Measure;

    fn table() -> Affinity {
        let ids = |prefix: &str, n: usize| (0..n).map(|i| format!("{prefix}{i}")).collect();
        let noise = |i: usize, k: usize, t: usize| {
            ((i * 37 + k * 53 + t * 29 + i * k * 7 + i * t * 11 + k * t * 5) % 101) as f64 / 101.0
        };
        Affinity {
            gram: None,
            measure: Measure::Next,
            rows: ids("r", 8),
            columns: ids("c", 3),
            probes: ids("p", 30),
            cells: Array3::from_shape_fn((8, 3, 30), |(i, k, t)| {
                // r0 is nearly between r3 and r6, and more at c0.
                if i == 0 {
                    let more = if k == 0 { 1.0 } else { 0.0 };
                    f64::midpoint(noise(3, k, t), noise(6, k, t)) + 0.01 * noise(9, k, t) + more
                } else {
                    noise(i, k, t)
                }
            }),
        }
    }

    #[test]
    fn the_mix_is_named_and_the_gap_stands_among_the_controls() {
        let found = synthetic(&table(), "r0", "c0", None).unwrap();
        let named: Vec<&str> = found.mix.iter().map(|(id, _)| id.as_str()).collect();
        assert!(
            named[..2].contains(&"r3") && named[..2].contains(&"r6"),
            "{named:?}"
        );
        assert!((found.suspect.gap - 1.0).abs() < 0.01, "{found:?}");
        assert_eq!(
            (found.controls.len(), found.donors, found.probes),
            (7, 7, 30)
        );
        assert_eq!(found.scores().standing().conformal_p, Some(1.0 / 8.0));
    }

    #[test]
    fn a_gap_is_put_in_relation_to_its_error() {
        let gap = |gap: f64, error: f64| Gap {
            id: String::new(),
            gap,
            error,
            mix: Vec::new(),
        };
        assert!((gap(-0.3, 0.1).over_error().unwrap() + 3.0).abs() < 1e-12);
        // What is fitted exactly and leaves nothing has nothing; what leaves a gap has no relation.
        assert_eq!(gap(0.0, 0.0).over_error(), Some(0.0));
        assert_eq!(gap(0.1, 0.0).over_error(), None);
    }

    #[test]
    fn a_base_takes_part_in_the_mix_but_not_in_the_judgement() {
        let found = synthetic(&table(), "r0", "c0", Some("r6")).unwrap();
        assert!(found.mix.iter().any(|(id, _)| id == "r6"));
        assert!(found.controls.iter().all(|c| c.id != "r6"));
        assert_eq!(found.controls.len(), 6);
    }

    #[test]
    fn who_lacks_answers_is_named() {
        let mut holes = table();
        for t in 0..30 {
            holes.cells[[4, 2, t]] = f64::NAN;
        }
        let found = synthetic(&holes, "r0", "c0", None).unwrap();
        assert_eq!(found.lacking, ["r4"]);
        // It is judged by the columns that it has.
        assert!(found.controls.iter().any(|c| c.id == "r4"));
    }

    #[test]
    fn without_a_control_it_is_the_case_without_its_row() {
        let mut full = table();
        // One row lacks some answers.
        for t in 0..4 {
            full.cells[[5, 1, t]] = f64::NAN;
        }
        let found = synthetic(&full, "r0", "c0", None).unwrap();
        for out in 1..8 {
            let kept: Vec<usize> = (0..8).filter(|i| *i != out).collect();
            let less = full.part(&kept, &[0, 1, 2]);
            let afresh = synthetic(&less, "r0", "c0", None).unwrap();
            let out = format!("r{out}");
            let without = found.without(&full, "c0", None, &out).unwrap();
            assert_eq!(without.controls.len(), 6);
            for (a, b) in without.controls.iter().zip(&afresh.controls) {
                assert!(a.id == b.id && (a.gap - b.gap).abs() < 1e-9, "{a:?} {b:?}");
            }
            assert!((without.suspect.gap - afresh.suspect.gap).abs() < 1e-9);
            assert!(without.mix.iter().all(|(id, _)| *id != out));
            let elsewhere = gaps_of_controls(&full, "r0", "c1", None);
            let elsewhere = gaps_without(&full, "r0", "c1", None, (&out, &elsewhere));
            for (a, b) in elsewhere
                .iter()
                .zip(gaps_of_controls(&less, "r0", "c1", None))
            {
                assert!(a.id == b.id && (a.gap - b.gap).abs() < 1e-9, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn strangers_have_no_cell() {
        let missing = Err(NoSynthetic::NoCell);
        assert_eq!(synthetic(&table(), "stranger", "c0", None), missing);
        assert_eq!(synthetic(&table(), "r0", "stranger", None), missing);
    }
}
