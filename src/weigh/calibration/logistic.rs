//! Logistic calibration of one score.

use std::f64::consts::LN_10;

use super::solve::Rows;
use super::{CalibrationError, Scored};

/// The usual penalty: the `C = 1` of scikit-learn and lir.
pub const PENALTY: f64 = 1.0;

/// `log10 LR = intercept + slope * score`, the slope never negative: a higher score never speaks less for
/// "student". Where it would be negative the score says nothing, and every ratio is 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Logistic {
    /// The log10 likelihood ratio of a score of 0.
    pub intercept: f64,
    /// What one unit of the score adds.
    pub slope: f64,
}

impl Logistic {
    /// Fits both coefficients.
    ///
    /// Logistic regression of the truth on the score, each class given the same weight in all. The log odds
    /// it gives are then those at equal priors, which is the log likelihood ratio. The square of the slope
    /// (per unit of the score, natural logarithms) is penalised by `penalty / 2` against a log-likelihood
    /// whose weights sum to the number of items, so that classes that are perfectly apart still have a
    /// finite slope; the intercept is not penalised. Scores shall therefore be standardised, such as in
    /// standard deviations of controls. Newton's method, until a step changes no coefficient by more than
    /// 1e-10 of the larger one (or of 1).
    ///
    /// An infinite score on the right side costs any rising line nothing and is left out. Sources: Brümmer
    /// and du Preez, "Application-independent evaluation of speaker detection", *Computer Speech &
    /// Language* 20 (2006) 230-275; Morrison, "Tutorial on logistic-regression calibration and fusion",
    /// *Australian Journal of Forensic Sciences* 45 (2013) 173-197. The numbers of lir's
    /// `LogitCalibrator(C = 1 / penalty)`.
    ///
    /// # Errors
    /// A score that is no number or infinite on the wrong side, a class without a finite score, a penalty
    /// that is not positive, or a fit that does not settle (scores beyond about 1e150).
    pub fn fit(items: &[Scored], penalty: f64) -> Result<Self, CalibrationError> {
        for (item, Scored { score, student, .. }) in items.iter().enumerate() {
            if score.is_nan() {
                return Err(CalibrationError::NotANumber { item });
            }
            if score.is_infinite() && (*score > 0.0) != *student {
                return Err(CalibrationError::InfinitelyMisled { item });
            }
        }
        let finite = items.iter().filter(|i| i.score.is_finite());
        let b = Rows::new(finite.map(|i| (vec![i.score], i.student)), penalty)?.solve()?;
        Ok(Self {
            intercept: b[0] / LN_10,
            slope: b[1] / LN_10,
        })
    }

    /// The log10 likelihood ratio of a score; not a number for a score that is not one.
    pub fn log10_lr(&self, score: f64) -> f64 {
        if self.slope == 0.0 && !score.is_nan() {
            // Not 0 * infinity.
            return self.intercept;
        }
        self.intercept + self.slope * score
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weigh::calibration::tests::{items, same};

    #[test]
    fn infinite_scores_keep_their_side() {
        let rising = Logistic {
            intercept: 0.5,
            slope: 2.0,
        };
        assert!(same(rising.log10_lr(1.0), 2.5));
        let lowest = f64::NEG_INFINITY;
        assert!(same(rising.log10_lr(lowest), lowest));
        assert!(rising.log10_lr(f64::NAN).is_nan());
        let flat = Logistic {
            intercept: 0.5,
            slope: 0.0,
        };
        assert!(same(flat.log10_lr(f64::INFINITY), 0.5));
        assert!(flat.log10_lr(f64::NAN).is_nan());
    }

    #[test]
    fn a_score_that_falls_where_it_should_rise_says_nothing() {
        let found = Logistic::fit(&items(&[-2.0, -1.0], &[1.0, 2.0, 3.0]), PENALTY).unwrap();
        assert!(
            found.slope == 0.0 && found.intercept.abs() < 1e-12,
            "{found:?}"
        );
    }

    #[test]
    fn what_cannot_be_fitted_is_named() {
        use CalibrationError as Error;
        let inf = f64::INFINITY;
        let fit = |students: &[f64], others: &[f64]| Logistic::fit(&items(students, others), 1.0);
        assert_eq!(fit(&[], &[1.0]), Err(Error::NoStudents));
        assert_eq!(fit(&[inf], &[1.0]), Err(Error::NoStudents));
        assert_eq!(fit(&[1.0], &[-inf]), Err(Error::NoOthers));
        assert_eq!(
            fit(&[1.0, -inf], &[0.0]),
            Err(Error::InfinitelyMisled { item: 1 })
        );
        assert_eq!(
            fit(&[1.0], &[0.0, inf]),
            Err(Error::InfinitelyMisled { item: 2 })
        );
        assert_eq!(fit(&[1.0], &[f64::NAN]), Err(Error::NotANumber { item: 1 }));
        assert!(matches!(
            fit(&[1e200], &[-1e200]),
            Err(Error::Unsettled { .. })
        ));
        for penalty in [0.0, -1.0, inf, f64::NAN] {
            let found = Logistic::fit(&items(&[1.0], &[0.0]), penalty);
            assert_eq!(found, Err(Error::Penalty));
        }
    }
}
