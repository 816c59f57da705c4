//! Where a case stands among controls.

use super::null::Of;
use super::{Null, SingleCase, conformal_p, crawford_howell};

/// A score beside those of the controls.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The case's score.
    pub score: f64,
    /// The controls' scores.
    pub controls: Vec<f64>,
    /// Conformal p over controls; `None` without controls.
    pub conformal_p: Option<f64>,
    /// The test of one case among the controls, after [`Null`]; `None` if they do not vary.
    pub t: Option<SingleCase>,
}

impl Standing {
    /// The standing of `score` among `controls`, larger being more extreme.
    pub fn new(score: f64, controls: Vec<f64>) -> Self {
        let t = crawford_howell(score, &controls);
        Self::with(score, controls, t)
    }

    /// The same with a test of its own.
    pub(super) fn with(score: f64, controls: Vec<f64>, t: Option<SingleCase>) -> Self {
        Self {
            conformal_p: conformal_p(score, &controls),
            t,
            score,
            controls,
        }
    }
}

/// The scores of one measure, the case first, then the controls in one order.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What it counts beside others, from 0.
    pub weight: f64,
    /// The scores, in the measure's unit.
    pub scores: Vec<f64>,
    /// The controls' scores at other candidate parents, a list a candidate, in the same order; NaN where a control
    /// has none there, or learned from it. They say how controls scatter.
    pub elsewhere: Vec<Vec<f64>>,
}

impl Row {
    /// Scores of which nothing else is known.
    pub fn plain(weight: f64, scores: Vec<f64>) -> Self {
        Self {
            weight,
            scores,
            elsewhere: Vec::new(),
        }
    }

    /// Without the control at one place, counted from 0.
    #[must_use]
    pub fn without(&self, place: usize) -> Self {
        let mut row = self.clone();
        row.scores.remove(place + 1);
        for scores in &mut row.elsewhere {
            scores.remove(place);
        }
        row
    }
}

/// The weighted mean over measures of scores in units of the controls' standard deviation, and where the case stands
/// by it.
///
/// `z[i] = sum over j of w_j (x[j, i] - c_j) / s_j, over sum of w_j`, where `c_j` and `s_j` are centre and standard
/// deviation of the controls by measure j, after [`Null`]: they may be moderated by how the same controls scatter
/// elsewhere ([`super::moderated()`]). The variance of `z` over the controls is then moderated likewise by that of `z`
/// elsewhere, in the same units: given standardised measures it depends on nothing but how measures go together. A measure without weight, or whose
/// controls do not vary, is left out; `None` if none is left.
pub fn pooled(measures: &[Row], null: &Null) -> Option<Standing> {
    let width = measures.first()?.scores.len();
    let sound = |row: &Row| row.scores.len() == width && width > 2;
    if !measures.iter().all(sound) {
        return None;
    }
    let mut total = vec![0.0; width];
    let mut used: Vec<(&Row, f64)> = Vec::new();
    for row in measures.iter().filter(|row| row.weight > 0.0) {
        let controls = &row.scores[1..];
        let columns: Vec<Vec<f64>> = row.elsewhere.iter().map(|c| finite(c)).collect();
        let Some((centre, sd)) = null.centre_and_sd(controls, &columns, Of::Measure) else {
            continue;
        };
        let scale = row.weight / sd;
        for (sum, x) in total.iter_mut().zip(&row.scores) {
            *sum += scale * (x - centre);
        }
        used.push((row, scale));
    }
    let weights: f64 = used.iter().map(|(row, _)| row.weight).sum();
    if used.is_empty() {
        return None;
    }
    let z: Vec<f64> = total.into_iter().map(|sum| sum / weights).collect();
    let elsewhere = pooled_elsewhere(&used);
    Some(null.standing(z[0], z[1..].to_vec(), &elsewhere, Of::Pooled))
}

/// Where the case stands by one measure alone.
pub fn standing(row: &Row, null: &Null) -> Option<Standing> {
    let (score, controls) = row.scores.split_first()?;
    let columns: Vec<Vec<f64>> = row.elsewhere.iter().map(|c| finite(c)).collect();
    Some(null.standing(*score, controls.to_vec(), &columns, Of::Measure))
}

/// The pooled scores of controls at each other candidate parent, in the units of the measures' `scale`: of the
/// controls that every measure has there.
fn pooled_elsewhere(used: &[(&Row, f64)]) -> Vec<Vec<f64>> {
    let columns = used.iter().map(|(row, _)| row.elsewhere.len()).min();
    let weights: f64 = used.iter().map(|(row, _)| row.weight).sum();
    let column = |k: usize| {
        let controls = used.first().map_or(0, |(row, _)| row.elsewhere[k].len());
        let whole = |i: &usize| {
            used.iter()
                .all(|(row, _)| row.elsewhere[k].get(*i).is_some_and(|s| s.is_finite()))
        };
        let kept: Vec<usize> = (0..controls).filter(whole).collect();
        let mut sums = vec![0.0; kept.len()];
        for (row, scale) in used {
            let scores: Vec<f64> = kept.iter().map(|i| row.elsewhere[k][*i]).collect();
            let mean = mean(&scores);
            for (sum, score) in sums.iter_mut().zip(&scores) {
                *sum += scale * (score - mean) / weights;
            }
        }
        sums
    };
    (0..columns.unwrap_or(0)).map(column).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn finite(values: &[f64]) -> Vec<f64> {
    values.iter().copied().filter(|v| v.is_finite()).collect()
}

/// Fewer controls than this cannot carry a slope beside their mean.
pub(super) const MIN_FOR_SLOPE: usize = 10;

/// Scores with what their level predicts taken out, the case first.
///
/// `e[i] = x[i] - (a + b level[i])`, where `a` and `b` are the least-squares line through the controls
/// *other than i*: every score is compared with what the remaining controls predict for a model of its
/// level. Models far from all candidate parents differ more between them for no other reason than
/// being far (Tukey's one degree of freedom for non-additivity), and such a model must not widen or
/// fake a contrast. Source: Crawford, Garthwaite and Ryan (2011), Cortex 47, 1166-1178, for a single case
/// with a covariate; leaving each control out of its own line keeps case and controls comparable.
///
/// Items are (score, level). The scores come back unchanged when there are fewer than ten controls or
/// the levels do not vary.
pub fn level_adjusted(case: (f64, f64), controls: &[(f64, f64)]) -> (f64, Vec<f64>) {
    let plain = || (case.0, controls.iter().map(|c| c.0).collect());
    if controls.len() < MIN_FOR_SLOPE {
        return plain();
    }
    let residual = |item: (f64, f64), out: Option<usize>| {
        let others: Vec<(f64, f64)> = controls
            .iter()
            .enumerate()
            .filter(|(i, _)| Some(*i) != out)
            .map(|(_, c)| *c)
            .collect();
        let n = others.len() as f64;
        let mean = |f: fn(&(f64, f64)) -> f64| others.iter().map(f).sum::<f64>() / n;
        let (x, level) = (mean(|c| c.0), mean(|c| c.1));
        let square: f64 = others.iter().map(|c| (c.1 - level).powi(2)).sum();
        let cross: f64 = others.iter().map(|c| (c.1 - level) * (c.0 - x)).sum();
        (square > 0.0).then(|| item.0 - x - cross / square * (item.1 - level))
    };
    let adjusted = || {
        let own = residual(case, None)?;
        let rest = controls
            .iter()
            .enumerate()
            .map(|(i, c)| residual(*c, Some(i)));
        Some((own, rest.collect::<Option<Vec<f64>>>()?))
    };
    adjusted().unwrap_or_else(plain)
}

#[cfg(test)]
mod tests {
    use super::super::Scatter;
    use super::*;

    const NULL: Null = Null::Moderated(Scatter {
        measure: 5.0,
        pooled: 8.0,
        columns: 3,
    });

    /// The pooled scores, the case's first.
    fn pooled(measures: &[Row]) -> Option<Vec<f64>> {
        let standing = super::pooled(measures, &NULL)?;
        Some(
            std::iter::once(standing.score)
                .chain(standing.controls)
                .collect(),
        )
    }

    // NumPy 2.4 and SciPy 1.17.1: two measures, five controls, two other columns of which one control lacks a score;
    // the formulas of this file and of moderated.rs written out anew in scripts/make-scatter-answers.py.
    #[test]
    fn a_standing_borrows_from_other_columns_as_computed_elsewhere() {
        let mut a = row(1.0, &[3.0, 0.2, -0.4, 0.9, -0.1, 0.5]);
        a.elsewhere = vec![
            vec![0.5, -0.5, 1.5, 0.0, -1.0],
            vec![f64::NAN, 1.0, -2.0, 0.5, 0.25],
        ];
        let mut b = row(2.0, &[20.0, 4.0, -6.0, 2.0, 1.0, -3.0]);
        b.elsewhere = vec![
            vec![7.0, -2.0, 1.0, 3.0, -5.0],
            vec![2.0, 2.5, -8.0, 1.0, 4.0],
        ];
        let standing = super::pooled(&[a, b], &NULL).unwrap();
        let t = standing.t.unwrap();
        for (found, expected) in [standing.score, t.sd, t.t, t.degrees_of_freedom, t.p]
            .into_iter()
            .zip(EXPECTED)
        {
            assert!((found / expected - 1.0).abs() < 1e-10, "{found} {expected}");
        }
    }

    const EXPECTED: [f64; 5] = [
        4.255_324_645_511_732,
        0.961_095_113_310_853_6,
        4.041_808_255_281_744,
        7.733_333_333_333_333,
        0.001_999_261_379_157_326,
    ];

    fn row(weight: f64, scores: &[f64]) -> Row {
        Row::plain(weight, scores.to_vec())
    }

    #[test]
    fn what_the_level_predicts_is_taken_out() {
        let level = |i: i32| f64::from(i * i % 7);
        let on_line = |l: f64| 3.0 - 2.0 * l;
        let controls: Vec<(f64, f64)> = (0..12).map(|i| (on_line(level(i)), level(i))).collect();
        let (case, rest) = level_adjusted((on_line(5.0) + 0.5, 5.0), &controls);
        assert!((case - 0.5).abs() < 1e-12);
        assert!(rest.iter().all(|e| e.abs() < 1e-12));
    }

    #[test]
    fn residuals_leave_each_control_out_of_its_own_line() {
        // numpy 2.4: np.polyfit(level[others], score[others], 1), then score - line, for controls 0 and 11.
        let score = [1.0, 2.5, 0.3, 4.0, 2.2, 1.9, 3.3, 0.7, 2.8, 1.1, 5.0, 2.0];
        let level = [0.1, 0.9, 0.2, 1.4, 1.1, 0.8, 1.2, 0.3, 1.0, 0.5, 1.5, 0.6];
        let controls: Vec<(f64, f64)> = score.into_iter().zip(level).collect();
        let (case, rest) = level_adjusted((4.0, 0.5), &controls);
        assert!((case - 2.614_985_994_397_758_7).abs() < 1e-10, "{case}");
        assert!(
            (rest[0] - 1.049_655_172_413_792_8).abs() < 1e-10,
            "{}",
            rest[0]
        );
        assert!(
            (rest[11] - 0.369_182_879_377_432_1).abs() < 1e-10,
            "{}",
            rest[11]
        );
    }

    #[test]
    fn too_few_controls_or_one_level_leave_scores_alone() {
        let few = [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)];
        assert_eq!(level_adjusted((9.0, 0.0), &few), (9.0, vec![1.0, 2.0, 3.0]));
        let flat: Vec<(f64, f64)> = (0..12).map(|i| (f64::from(i), 1.0)).collect();
        assert!((level_adjusted((9.0, 0.0), &flat).0 - 9.0).abs() < 1e-15);
    }

    #[test]
    fn pooling_puts_measures_on_one_scale() {
        let a = vec![5.0, 1.0, 2.0, 3.0];
        let b: Vec<f64> = a.iter().map(|x| 100.0 * x - 7.0).collect();
        let z = pooled(&[row(1.0, &a), row(1.0, &b)]).unwrap();
        // Controls 1, 2, 3: mean 2, sd 1.
        for (found, expected) in z.iter().zip([3.0, -1.0, 0.0, 1.0]) {
            assert!((found - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn measures_without_spread_carry_nothing() {
        let flat = row(3.0, &[9.0, 1.0, 1.0]);
        assert_eq!(pooled(std::slice::from_ref(&flat)), None);
        let live = row(1.0, &[2.0, 0.0, 1.0]);
        let unheard = row(0.0, &[7.0, 0.0, 2.0]);
        assert_eq!(pooled(std::slice::from_ref(&unheard)), None);
        let alone = pooled(std::slice::from_ref(&live));
        assert_eq!(pooled(&[flat, live, unheard]), alone);
        assert_eq!(pooled(&[]), None);
        assert_eq!(pooled(&[row(1.0, &[1.0, 2.0])]), None);
    }

    #[test]
    fn a_measure_counts_by_its_weight() {
        // Controls 1, 2, 3 and 3, 2, 1: the case lies 3 above one and 1 below the other.
        let (a, b) = ([5.0, 1.0, 2.0, 3.0], [1.0, 3.0, 2.0, 1.0]);
        let z = pooled(&[row(3.0, &a), row(1.0, &b)]).unwrap();
        for (found, expected) in z.iter().zip([2.0, -0.5, 0.0, 0.5]) {
            assert!((found - expected).abs() < 1e-12, "{z:?}");
        }
    }
}
