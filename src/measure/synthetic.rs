//! The nearest innocent explanation of each measure: the synthetic control, with the models by name.

use super::{Affinity, Scores};
use crate::weigh::{Fitted, NoSynthetic, Standing, SyntheticFit, synthetic_control};

/// One model's gap.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// The model.
    pub id: String,
    /// How much closer it is to the protected model than its mix of innocent models, in the measure's unit.
    pub gap: f64,
    /// How badly the mix fits it on the other candidate parents: root mean square over probes, same unit.
    pub error: f64,
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
    /// Gap over error among theirs; its conformal p is the placebo p.
    pub ratio: Standing,
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
    /// The gaps.
    pub fn gaps(&self) -> Scores {
        let controls = self.controls.iter().map(|c| (c.id.clone(), c.gap));
        Scores {
            suspect: self.suspect.gap,
            controls: controls.collect(),
        }
    }

    /// Gaps over errors.
    pub fn ratios(&self) -> Scores {
        let ids = self.controls.iter().map(|c| c.id.clone());
        Scores {
            suspect: self.ratio.score,
            controls: ids.zip(self.ratio.controls.iter().copied()).collect(),
        }
    }
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
    let place = |ids: &[String], id: &str| ids.iter().position(|x| x == id);
    let (Some(row), Some(column)) = (
        place(&affinity.rows, suspect),
        place(&affinity.columns, protected),
    ) else {
        return Err(NoSynthetic::NoCell);
    };
    let donors: Vec<usize> = (0..affinity.rows.len()).filter(|i| *i != row).collect();
    let is_base = |i: &usize| base == Some(affinity.rows[*i].as_str());
    let controls: Vec<usize> = donors.iter().copied().filter(|i| !is_base(i)).collect();
    let found = synthetic_control(&affinity.cells, row, column, &donors, &controls)?;
    let id = |i: usize| affinity.rows[i].clone();
    let gap = |fit: &SyntheticFit| Gap {
        id: id(fit.row),
        gap: fit.gap,
        error: fit.error,
    };
    let own = &found.own;
    Ok(Synthetic {
        mix: own
            .mix
            .iter()
            .map(|(i, weight)| (id(*i), *weight))
            .collect(),
        suspect: gap(own),
        controls: found.placebos.iter().map(gap).collect(),
        probes: own.probes,
        donors: own.donors,
        lacking: own.lacking.iter().map(|i| id(*i)).collect(),
        ratio: found.ratio,
        fitted: found.fitted,
    })
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
        assert_eq!(found.ratio.conformal_p, Some(1.0 / 8.0));
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
    fn strangers_have_no_cell() {
        let missing = Err(NoSynthetic::NoCell);
        assert_eq!(synthetic(&table(), "stranger", "c0", None), missing);
        assert_eq!(synthetic(&table(), "r0", "stranger", None), missing);
    }
}
