//! Where a case stands among controls.

use super::{SingleCase, conformal_p, crawford_howell};

/// A score beside those of the controls.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The case's score.
    pub score: f64,
    /// The controls' scores.
    pub controls: Vec<f64>,
    /// Conformal p over controls; nothing without controls.
    pub conformal_p: Option<f64>,
    /// Crawford-Howell t; nothing when the controls do not vary.
    pub t: Option<SingleCase>,
}

impl Standing {
    /// The standing of `score` among `controls`, larger being more extreme.
    pub fn new(score: f64, controls: Vec<f64>) -> Self {
        Self {
            conformal_p: conformal_p(score, &controls),
            t: crawford_howell(score, &controls),
            score,
            controls,
        }
    }
}

/// The mean over measures of scores in units of the controls' standard deviation.
///
/// `z[i] = mean over j of (x[j, i] - mean_j) / sd_j`, mean and standard deviation (n - 1) of measure j
/// taken over the controls. Row 0 of each measure is the case, the rest are the controls in one order.
/// A measure whose controls do not vary is left out; nothing when none is left.
pub fn pooled(measures: &[Vec<f64>]) -> Option<Vec<f64>> {
    let width = measures.first()?.len();
    let mut total = vec![0.0; width];
    let mut used = 0.0;
    for scores in measures {
        let controls = scores
            .get(1..)
            .filter(|c| c.len() >= 2 && scores.len() == width)?;
        let mean = controls.iter().sum::<f64>() / controls.len() as f64;
        let square = controls
            .iter()
            .map(|c| (c - mean) * (c - mean))
            .sum::<f64>();
        let sd = (square / (controls.len() - 1) as f64).sqrt();
        if sd > 0.0 {
            used += 1.0;
            for (t, x) in total.iter_mut().zip(scores) {
                *t += (x - mean) / sd;
            }
        }
    }
    (used > 0.0).then(|| total.into_iter().map(|t| t / used).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooling_puts_measures_on_one_scale() {
        let a = vec![5.0, 1.0, 2.0, 3.0];
        let b: Vec<f64> = a.iter().map(|x| 100.0 * x - 7.0).collect();
        let z = pooled(&[a, b]).unwrap();
        // Controls 1, 2, 3: mean 2, sd 1.
        for (found, expected) in z.iter().zip([3.0, -1.0, 0.0, 1.0]) {
            assert!((found - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn measures_without_spread_carry_nothing() {
        let flat = vec![9.0, 1.0, 1.0];
        assert_eq!(pooled(std::slice::from_ref(&flat)), None);
        let live = vec![2.0, 0.0, 1.0];
        assert_eq!(pooled(&[flat, live.clone()]), pooled(&[live]));
        assert_eq!(pooled(&[]), None);
        assert_eq!(pooled(&[vec![1.0, 2.0]]), None);
    }
}
