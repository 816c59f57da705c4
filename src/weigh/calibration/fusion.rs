//! Several measures, one likelihood ratio.

use std::f64::consts::LN_10;

use super::CalibrationError;
use super::solve::Rows;

/// One item's scores by several measures, in one order for all items.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// A score a measure, finite; `None` if the measure says nothing of the item.
    pub scores: Vec<Option<f64>>,
    /// Whether the item is a student (H1).
    pub student: bool,
    /// What the item shares with others.
    pub source: usize,
}

/// What a fusion makes of one measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FusedMeasure {
    /// Its mean over the fitting items that have it.
    pub mean: f64,
    /// Its standard deviation over them (divisor n - 1); 0 where they do not vary.
    pub sd: f64,
    /// What one standard deviation adds to the log10 likelihood ratio; never negative.
    pub weight: f64,
}

/// `log10 LR = intercept + sum of weight * (score - mean) / sd`, no weight negative: no measure speaks less
/// for "student" when it is higher, whatever the others say.
///
/// All numbers come from the items it was fitted on. A measure that an item lacks counts as its mean there,
/// 0 after standardisation: it moves the ratio neither way.
#[derive(Debug, Clone, PartialEq)]
pub struct Fusion {
    /// The log10 likelihood ratio of an item at all means.
    pub intercept: f64,
    /// The measures, in their order.
    pub measures: Vec<FusedMeasure>,
}

impl Fusion {
    /// Fits means, deviations and weights: [`Logistic::fit`](super::Logistic::fit) with the standardised
    /// measures in the place of the score. A measure that does not vary gets no weight.
    ///
    /// Source: Morrison (2013), as there; Brümmer et al., "Fusion of heterogeneous speaker recognition
    /// systems in the STBU submission for the NIST SRE 2006", *IEEE TASLP* 15 (2007) 2072-2084. The numbers of
    /// scikit-learn's balanced `LogisticRegression` where no weight would be negative, of SciPy's bounded
    /// L-BFGS-B elsewhere.
    ///
    /// # Errors
    /// As there; and a score that is infinite, or items with different numbers of measures.
    pub fn fit(items: &[Measured], penalty: f64) -> Result<Self, CalibrationError> {
        let width = items.first().map_or(0, |i| i.scores.len());
        for (item, Measured { scores, .. }) in items.iter().enumerate() {
            if scores.len() != width {
                return Err(CalibrationError::Ragged {
                    item,
                    found: scores.len(),
                    expected: width,
                });
            }
            if scores.iter().flatten().any(|s| s.is_nan()) {
                return Err(CalibrationError::NotANumber { item });
            }
            if scores.iter().flatten().any(|s| s.is_infinite()) {
                return Err(CalibrationError::Infinite { item });
            }
        }
        let mut measures: Vec<FusedMeasure> = (0..width)
            .map(|j| {
                let scores: Vec<f64> = items.iter().filter_map(|i| i.scores[j]).collect();
                FusedMeasure::over(&scores)
            })
            .collect();
        let rows = items.iter().map(|i| {
            let standard = measures.iter().zip(&i.scores).map(|(m, s)| m.standard(*s));
            (standard.collect(), i.student)
        });
        let b = Rows::new(rows, penalty)?.solve()?;
        for (measure, b) in measures.iter_mut().zip(&b[1..]) {
            measure.weight = b / LN_10;
        }
        Ok(Self {
            intercept: b[0] / LN_10,
            measures,
        })
    }

    /// The log10 likelihood ratio of scores. `None` if there are more or fewer measures, none of them
    /// has a score, or they come to no number (infinite in both directions).
    pub fn log10_lr(&self, scores: &[Option<f64>]) -> Option<f64> {
        if scores.len() != self.measures.len() || scores.iter().all(Option::is_none) {
            return None;
        }
        let weighed = self
            .measures
            .iter()
            .zip(scores)
            .filter(|(m, _)| m.weight > 0.0);
        let sum: f64 = weighed.map(|(m, s)| m.weight * m.standard(*s)).sum();
        let log10_lr = self.intercept + sum;
        (!log10_lr.is_nan()).then_some(log10_lr)
    }
}

impl FusedMeasure {
    fn over(scores: &[f64]) -> Self {
        let n = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / n.max(1.0);
        let squares: f64 = scores.iter().map(|s| (s - mean).powi(2)).sum();
        Self {
            mean,
            sd: (squares / (n - 1.0).max(1.0)).sqrt(),
            weight: 0.0,
        }
    }

    fn standard(&self, score: Option<f64>) -> f64 {
        match score {
            Some(score) if self.sd > 0.0 => (score - self.mean) / self.sd,
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weigh::calibration::tests::same;

    fn measured(scores: &[Option<f64>], student: bool) -> Measured {
        Measured {
            scores: scores.to_vec(),
            student,
            source: 0,
        }
    }

    fn two() -> Vec<Measured> {
        [
            (3.0, true),
            (2.0, true),
            (2.5, false),
            (0.0, false),
            (1.0, false),
        ]
        .map(|(s, student)| measured(&[Some(s), Some(7.0)], student))
        .to_vec()
    }

    #[test]
    fn a_measure_that_does_not_vary_has_no_weight() {
        let found = Fusion::fit(&two(), 1.0).unwrap();
        assert!(found.measures[0].weight > 0.1, "{found:?}");
        assert_eq!((found.measures[1].sd, found.measures[1].weight), (0.0, 0.0));
        let at = |second| found.log10_lr(&[Some(2.0), second]).unwrap();
        assert!(same(at(Some(f64::INFINITY)), at(None)));
    }

    #[test]
    fn a_measure_without_weight_says_nothing_even_when_infinite() {
        let measure = FusedMeasure {
            mean: 0.0,
            sd: 1.0,
            weight: 0.0,
        };
        let held = Fusion {
            intercept: 0.25,
            measures: vec![measure],
        };
        assert_eq!(held.log10_lr(&[Some(f64::INFINITY)]), Some(0.25));
    }

    #[test]
    fn a_measure_that_is_missing_counts_as_its_mean_and_no_measure_as_nothing() {
        let mut items = two();
        for (i, item) in items.iter_mut().enumerate() {
            item.scores[1] = (i != 3).then_some([1.0, 0.5, 0.2, 9.0, 0.1][i]);
        }
        let found = Fusion::fit(&items, 1.0).unwrap();
        let mean = found.measures[1].mean;
        assert!((mean - 0.45).abs() < 1e-15, "{mean}");
        assert_eq!(
            found.log10_lr(&[Some(2.0), None]),
            found.log10_lr(&[Some(2.0), Some(mean)])
        );
        assert_eq!(found.log10_lr(&[None, None]), None);
        assert_eq!(found.log10_lr(&[Some(1.0)]), None);
        let split = [Some(f64::INFINITY), Some(f64::NEG_INFINITY)];
        assert_eq!(found.log10_lr(&split), None);
        assert_eq!(found.log10_lr(&[None, Some(f64::NAN)]), None);
    }

    #[test]
    fn what_cannot_be_fused_is_named() {
        use CalibrationError as Error;
        assert_eq!(Fusion::fit(&[], 1.0), Err(Error::NoStudents));
        let with = |scores: &[Option<f64>]| {
            let mut items = two();
            items.push(measured(scores, true));
            Fusion::fit(&items, 1.0)
        };
        let ragged = Error::Ragged {
            item: 5,
            found: 1,
            expected: 2,
        };
        assert_eq!(with(&[Some(1.0)]), Err(ragged));
        let infinite = Err(Error::Infinite { item: 5 });
        assert_eq!(with(&[None, Some(f64::INFINITY)]), infinite);
        assert_eq!(
            with(&[Some(f64::NAN), None]),
            Err(Error::NotANumber { item: 5 })
        );
        assert!(with(&[None, None]).is_ok());
    }
}
