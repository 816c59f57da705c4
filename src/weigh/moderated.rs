//! What is borrowed of how controls scatter, where there are few of them.
//!
//! With seven controls the standard deviation of their scores is known to a third or so, and Crawford and Howell's t
//! on six degrees of freedom pays for it. But the same controls have scores at the other candidate parents too, and
//! scatter there much as they do at the protected model. So the variance is moderated, as limma does it for genes:
//!
//! ```text
//! s~^2 = (d0 s0^2 + d s^2) / (d0 + d)          t = (x - mean) / (s~ sqrt(1 + 1/n))   on d0 + d degrees of freedom
//! ```
//!
//! where `s^2` is the controls' variance at the protected model on `d = n - 1` degrees of freedom, `s0^2` the mean of
//! their variances at the other candidate parents, and `d0` says how much that counts. How much variances differ
//! between columns of one panel was fitted (`d_f`, [`Scatter`]): the logarithms of ratios `s^2 / s0^2` have the
//! variance `trigamma(d/2) + trigamma(d_f/2) + trigamma(e/2)`, `e` being the degrees of freedom of `s0^2` itself. As
//! `trigamma(x/2)` is close to `2/x`, what is known of `s0^2` and how it carries over are joined as
//! `1/d0 = 1/d_f + 1/e`.
//!
//! Source: Smyth, *Statistical Applications in Genetics and Molecular Biology* 3 (2004), article 3, sections 3 to 6;
//! the term `1 + 1/n`, for a case that is not among the controls, is Crawford and Howell's (1998).

use super::{Sample, SingleCase};

/// How much is borrowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scatter {
    /// Prior degrees of freedom of one measure's variance.
    pub measure: f64,
    /// Prior degrees of freedom of the pooled score's variance.
    pub pooled: f64,
    /// Other candidate parents that are looked at, at most.
    pub columns: usize,
}

/// A variance that is expected before the controls at hand are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// The variance, in the square of the scores' unit.
    pub variance: f64,
    /// How many degrees of freedom it counts for.
    pub degrees_of_freedom: f64,
}

impl Prior {
    /// From the scores of controls elsewhere, a list a column: their pooled variance, counting for
    /// `1 / (1 / carries + 1 / e)` degrees of freedom, `e` being those of the pooled variance.
    ///
    /// `None` if no column has three scores or nothing varies.
    pub fn from_columns(columns: &[Vec<f64>], carries: f64) -> Option<Self> {
        let (mut squares, mut freedom) = (0.0, 0.0);
        for scores in columns.iter().filter(|c| c.len() >= 3) {
            squares += sum_of_squares(scores);
            freedom += (scores.len() - 1) as f64;
        }
        let variance = squares / freedom;
        let sound = freedom > 0.0 && variance > 0.0 && variance.is_finite() && carries > 0.0;
        sound.then(|| Self {
            variance,
            degrees_of_freedom: 1.0 / (1.0 / carries + 1.0 / freedom),
        })
    }
}

/// The sum of squared differences from the mean.
fn sum_of_squares(scores: &[f64]) -> f64 {
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    scores.iter().map(|s| (s - mean) * (s - mean)).sum()
}

/// The variance of some scores, moderated, with its degrees of freedom; without a prior it is the plain one.
///
/// `None` with fewer than two scores, if there is no prior and they do not vary, or if a number is not finite.
pub fn moderated_variance(scores: &[f64], prior: Option<Prior>) -> Option<(f64, f64)> {
    if scores.len() < 2 || scores.iter().any(|s| !s.is_finite()) {
        return None;
    }
    let own = (scores.len() - 1) as f64;
    // The mean of equal numbers can differ from them by a rounding error.
    let flat = scores.iter().all(|s| s - scores[0] == 0.0);
    let squares = if flat { 0.0 } else { sum_of_squares(scores) };
    let (variance, freedom) = match prior {
        Some(prior) => {
            let known = prior.degrees_of_freedom;
            (
                (known * prior.variance + squares) / (known + own),
                known + own,
            )
        }
        None => (squares / own, own),
    };
    (variance > 0.0 && variance.is_finite()).then_some((variance, freedom))
}

/// Crawford and Howell's test of one case among controls with a moderated variance; formula and sources in this
/// module. Without a prior it is theirs.
///
/// `None` where [`moderated_variance`] is, or if the case is not finite.
pub fn moderated(case: f64, controls: &[f64], prior: Option<Prior>) -> Option<SingleCase> {
    let (variance, degrees_of_freedom) = moderated_variance(controls, prior)?;
    let m = controls.len() as f64;
    let mean = controls.iter().sum::<f64>() / m;
    let sample = Sample {
        controls: controls.len(),
        degrees_of_freedom,
        widening: (1.0 + 1.0 / m).sqrt(),
    };
    SingleCase::new(case - mean, variance.sqrt(), sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTROLS: [f64; 7] = [0.3, -1.2, 0.8, 0.1, -0.4, 1.5, -0.9];

    fn near(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-10, "{found} {expected}");
    }

    // NumPy 2.4 and SciPy 1.17.1, by limma's formulas (squeezeVar's posterior variance, tmixture aside):
    // s2 = c.var(ddof=1); st = (d0*s02 + 6*s2)/(d0+6); t = (x - c.mean())/np.sqrt(st*(1+1/7)); stats.t.sf(t, d0+6)
    #[test]
    fn agrees_with_scipy() {
        let prior = Prior {
            variance: 0.4,
            degrees_of_freedom: 5.5,
        };
        let found = moderated(4.2, &CONTROLS, Some(prior)).unwrap();
        near(found.sd, EXPECTED[0]);
        near(found.t, EXPECTED[1]);
        near(found.degrees_of_freedom, 11.5);
        near(found.p, EXPECTED[2]);
        let plain = moderated(4.2, &CONTROLS, None).unwrap();
        near(plain.t, EXPECTED[3]);
        near(plain.p, EXPECTED[4]);
        near(plain.degrees_of_freedom, 6.0);
    }

    const EXPECTED: [f64; 5] = [
        0.812_633_171_121_788_2,
        4.801_691_920_273_098_5,
        0.000_243_526_937_682_725_6,
        4.115_262_003_315_488,
        0.003_124_677_947_088_098_2,
    ];

    #[test]
    fn a_prior_pools_the_columns_and_counts_for_no_more_than_it_is_known() {
        // Variances 1 and 4 of 3 and 5 scores: (2 * 1 + 4 * 4) / 6 on 6 degrees of freedom.
        let (one, two) = (vec![-1.0, 0.0, 1.0], vec![-2.0, -2.0, 0.0, 2.0, 2.0]);
        let prior = Prior::from_columns(&[one.clone(), two, vec![9.0, 1.0]], 12.0).unwrap();
        near(prior.variance, 3.0);
        near(prior.degrees_of_freedom, 4.0);
        assert_eq!(Prior::from_columns(&[vec![1.0, 1.0, 1.0]], 12.0), None);
        assert_eq!(Prior::from_columns(&[], 12.0), None);
        assert_eq!(Prior::from_columns(&[one], 0.0), None);
    }

    #[test]
    fn what_does_not_vary_has_a_variance_only_by_the_prior() {
        let flat = [1.0, 1.0, 1.0];
        assert_eq!(moderated(2.0, &flat, None), None);
        let prior = Prior {
            variance: 1.0,
            degrees_of_freedom: 2.0,
        };
        near(
            moderated(2.0, &flat, Some(prior)).unwrap().sd,
            0.5_f64.sqrt(),
        );
        assert_eq!(moderated(f64::NAN, &CONTROLS, None), None);
        assert_eq!(moderated(1.0, &[0.0, f64::NAN], Some(prior)), None);
        assert_eq!(moderated(1.0, &[0.5], Some(prior)), None);
    }
}
