//! The contrast: is a model closer to the protected one *than to comparable models*, more than controls are?
//!
//! Raw likeness proves nothing: good models resemble each other, and some parents are easy to resemble.
//! So column effects, estimated on the controls by an additive fit with missing cells (Tukey's
//! double-centring where none is missing), and each row's own level on the other columns are taken out.
//! What is left in the protected column is the interaction
//!
//! ```text
//! x[m, t] = A[m, P, t] - c[P, t] - mean over k of (A[m, k, t] - c[k, t])
//! ```
//!
//! for model m and probe t, k running over the alternatives whose cell with m exists. With no
//! alternative it is `A[m, P, t] - c[P, t]`: mere likeness beyond the controls', which cannot tell
//! distillation from shared data. The interaction of a model is its mean over the probes.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2, Axis};

use super::{Affinity, Measure, Scores};
use crate::weigh::{PairedTest, fit_two_way, signed_rank};

/// A control must have a cell on this share of the probes to take part.
pub(super) const MIN_PRESENT: f64 = 0.8;

/// One model's interaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Interaction {
    /// The model.
    pub id: String,
    /// Mean over the probes, in the unit of the measure.
    pub mean: f64,
    /// Mean level on the other columns, their effects taken out; `None` without other columns.
    pub level: Option<f64>,
    /// The interaction on each probe of the contrast; NaN where a cell does not exist. What is later
    /// taken from the mean (level, base) is still in these.
    pub cells: Vec<f64>,
}

/// One measure's answer to the question of this module.
#[derive(Debug, Clone, PartialEq)]
pub struct Contrast {
    /// The measure.
    pub measure: Measure,
    /// The probes used, in order.
    pub probes: Vec<String>,
    /// The suspect's interaction.
    pub suspect: Interaction,
    /// The controls' interactions.
    pub controls: Vec<Interaction>,
    /// The probe-by-probe test against each alternative: is the suspect closer to the protected model
    /// than to this one, beyond what the controls are? The unit is the probe, so it says nothing about
    /// models not in the panel.
    pub against: Vec<(String, Option<PairedTest>)>,
    /// How much closer the suspect is to the protected model than to each alternative, beyond what the
    /// controls are: on each probe of the contrast, NaN where a cell does not exist.
    pub gaps: BTreeMap<String, Vec<f64>>,
}

/// Why a measure gives no contrast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoContrast {
    /// Nothing was compared.
    #[error("no probe has an answer of both the suspect and the protected model")]
    NoProbes,
    /// The controls lack answers.
    #[error("fewer than two controls have the answers that this measure needs")]
    NoControls,
}

impl Contrast {
    /// The interactions.
    pub fn scores(&self) -> Scores {
        let controls = self.controls.iter().map(|c| (c.id.clone(), c.mean));
        Scores {
            suspect: self.suspect.mean,
            controls: controls.collect(),
        }
    }
}

/// Computes the contrast of `suspect` and of every other row for the column `protected`.
///
/// # Errors
///
/// When the suspect has no comparable probe or fewer than two controls have.
pub fn contrast(
    affinity: &Affinity,
    suspect: &str,
    protected: &str,
) -> Result<Contrast, NoContrast> {
    let find = |ids: &[String], id: &str| ids.iter().position(|x| x == id);
    let (Some(suspect_row), Some(column)) = (
        find(&affinity.rows, suspect),
        find(&affinity.columns, protected),
    ) else {
        return Err(NoContrast::NoProbes);
    };
    let control_rows: Vec<usize> = (0..affinity.rows.len())
        .filter(|i| *i != suspect_row)
        .collect();
    let mut used = Vec::new();
    let mut suspect_cells = Vec::new();
    let mut control_cells = vec![Vec::new(); control_rows.len()];
    let mut gaps: Vec<Vec<f64>> = vec![Vec::new(); affinity.columns.len()];
    for (t, probe) in affinity.probes.iter().enumerate() {
        let table = affinity.cells.index_axis(Axis(2), t);
        let Some(effects) = column_effects(&table, &control_rows, column) else {
            continue;
        };
        let row = |i: usize| table.row(i).to_vec();
        let Some(cell) = interaction(&row(suspect_row), &effects, column) else {
            continue;
        };
        used.push(probe.clone());
        suspect_cells.push(Some(cell));
        for (cells, i) in control_cells.iter_mut().zip(&control_rows) {
            cells.push(interaction(&row(*i), &effects, column));
        }
        for (k, gap) in gaps.iter_mut().enumerate() {
            let cells = table.row(suspect_row);
            let difference = (cells[column] - effects[column]) - (cells[k] - effects[k]);
            if k != column {
                gap.push(difference);
            }
        }
    }
    if used.is_empty() {
        return Err(NoContrast::NoProbes);
    }
    let several = affinity.columns.len() > 1;
    let controls: Vec<Interaction> = control_rows
        .iter()
        .zip(&control_cells)
        .filter(|(_, cells)| {
            let present = cells.iter().filter(|c| c.is_some()).count();
            present as f64 >= MIN_PRESENT * cells.len() as f64
        })
        .map(|(i, cells)| summary(&affinity.rows[*i], cells, several))
        .collect();
    if controls.len() < 2 {
        return Err(NoContrast::NoControls);
    }
    let gaps: BTreeMap<String, Vec<f64>> = gaps
        .into_iter()
        .enumerate()
        .filter(|(k, _)| *k != column)
        .map(|(k, gap)| (affinity.columns[k].clone(), gap))
        .collect();
    // In the order of the columns.
    let against = affinity
        .columns
        .iter()
        .filter_map(|id| {
            let finite = gaps.get(id)?.iter().copied().filter(|d| d.is_finite());
            Some((id.clone(), signed_rank(&finite.collect::<Vec<f64>>())))
        })
        .collect();
    Ok(Contrast {
        measure: affinity.measure,
        suspect: summary(suspect, &suspect_cells, several),
        probes: used,
        controls,
        against,
        gaps,
    })
}

/// One row's contrast and level on one probe.
#[derive(Clone, Copy)]
struct Cell {
    value: f64,
    level: f64,
}

fn summary(id: &str, cells: &[Option<Cell>], several: bool) -> Interaction {
    let present: Vec<Cell> = cells.iter().copied().flatten().collect();
    let mean = |f: fn(&Cell) -> f64| present.iter().map(f).sum::<f64>() / present.len() as f64;
    Interaction {
        id: id.to_owned(),
        mean: mean(|c| c.value),
        level: several.then(|| mean(|c| c.level)),
        cells: cells
            .iter()
            .map(|c| c.map_or(f64::NAN, |c| c.value))
            .collect(),
    }
}

/// Column effects by the additive fit over the usable controls; NaN for a column that none has.
fn column_effects(
    table: &ArrayView2<'_, f64>,
    controls: &[usize],
    protected: usize,
) -> Option<Vec<f64>> {
    let width = table.ncols();
    let usable: Vec<usize> = controls
        .iter()
        .copied()
        .filter(|i| {
            let others = (0..width).filter(|k| *k != protected && table[[*i, *k]].is_finite());
            table[[*i, protected]].is_finite() && (width == 1 || others.count() > 0)
        })
        .collect();
    if usable.len() < 2 {
        return None;
    }
    let filled: Vec<usize> = (0..width)
        .filter(|k| usable.iter().any(|i| table[[*i, *k]].is_finite()))
        .collect();
    let small = Array2::from_shape_fn((usable.len(), filled.len()), |(i, k)| {
        table[[usable[i], filled[k]]]
    });
    let fit = fit_two_way(&small).ok()?;
    let mut effects = vec![f64::NAN; width];
    for (k, effect) in filled.iter().zip(&fit.columns) {
        effects[*k] = fit.grand + effect;
    }
    Some(effects)
}

/// The interaction of one row; `None` if its cells do not allow one.
fn interaction(row: &[f64], effects: &[f64], protected: usize) -> Option<Cell> {
    let own = row[protected] - effects[protected];
    let others: Vec<f64> = (0..row.len())
        .filter(|k| *k != protected)
        .map(|k| row[k] - effects[k])
        .filter(|v| v.is_finite())
        .collect();
    let level = match (others.len(), row.len()) {
        (0, 1) => 0.0,
        (0, _) => return None,
        (n, _) => others.iter().sum::<f64>() / n as f64,
    };
    let value = own - level;
    value.is_finite().then_some(Cell { value, level })
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    /// Additive table plus noise, with a bonus for (row 0, column 0).
    fn table(bonus: f64, missing: &[(usize, usize)]) -> Affinity {
        let (rows, columns, probes) = (8, 3, 40);
        let noise = |i: usize, k: usize, t: usize| {
            let x = (i * 7 + k * 13 + t * 29) * 2_654_435_761 % 1_000;
            (x as f64 / 1_000.0 - 0.5) * 0.02
        };
        let mut cells = Array3::from_shape_fn((rows, columns, probes), |(i, k, t)| {
            0.1 * i as f64 + 0.3 * k as f64 + 0.01 * t as f64 + noise(i, k, t)
        });
        for t in 0..probes {
            cells[[0, 0, t]] += bonus;
            for (i, k) in missing {
                cells[[*i, *k, t]] = f64::NAN;
            }
        }
        Affinity {
            gram: None,
            measure: Measure::Next,
            rows: (0..rows).map(|i| format!("r{i}")).collect(),
            columns: (0..columns).map(|k| format!("c{k}")).collect(),
            probes: (0..probes).map(|t| format!("p{t:02}")).collect(),
            cells,
        }
    }

    #[test]
    fn row_and_column_effects_leave_only_the_interaction() {
        let result = contrast(&table(0.5, &[]), "r0", "c0").unwrap();
        assert!(
            (result.suspect.mean - 0.5).abs() < 0.01,
            "{}",
            result.suspect.mean
        );
        assert_eq!(result.controls.len(), 7);
        assert!(result.controls.iter().all(|c| c.mean.abs() < 0.01));
        assert_eq!(result.against.len(), 2);
        assert!(
            result
                .against
                .iter()
                .all(|(_, t)| t.as_ref().unwrap().p < 1e-6)
        );
    }

    #[test]
    fn missing_cells_do_not_shift_the_contrast() {
        let missing = [(2, 1), (3, 1), (4, 2), (5, 2)];
        let result = contrast(&table(0.5, &missing), "r0", "c0").unwrap();
        assert!((result.suspect.mean - 0.5).abs() < 0.01);
        assert!(result.controls.iter().all(|c| c.mean.abs() < 0.015));
    }

    #[test]
    fn a_control_without_any_other_column_is_left_out() {
        let result = contrast(&table(0.0, &[(2, 1), (2, 2)]), "r0", "c0").unwrap();
        assert!(result.controls.iter().all(|c| c.id != "r2"));
    }

    #[test]
    fn without_alternatives_it_is_likeness_beyond_the_controls() {
        let mut one = table(0.0, &[]);
        one.cells = one.cells.select(Axis(1), &[0]);
        one.columns.truncate(1);
        let result = contrast(&one, "r7", "c0").unwrap();
        // Rows 0 to 6 have a mean level of 0.3, row 7 has 0.7.
        assert!((result.suspect.mean - 0.4).abs() < 0.01);
        assert!(result.against.is_empty());
    }

    #[test]
    fn too_little_to_compare_is_an_error() {
        assert_eq!(
            contrast(&table(0.0, &[(0, 0)]), "r0", "c0"),
            Err(NoContrast::NoProbes)
        );
        let all_but_one: Vec<_> = (2..8).map(|i| (i, 0)).collect();
        assert_eq!(
            contrast(&table(0.0, &all_but_one), "r0", "c0"),
            Err(NoContrast::NoProbes)
        );
        assert_eq!(
            contrast(&table(0.0, &[]), "stranger", "c0"),
            Err(NoContrast::NoProbes)
        );
    }
}
