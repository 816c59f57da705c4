//! Logistic calibration of one score.

use super::{CalibrationError, Scored};

/// The usual penalty: scikit-learn's and lir's `C = 1`.
pub const PENALTY: f64 = 1.0;

/// `log10 LR = intercept + slope * score`, the slope never negative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Logistic {
    /// The log10 likelihood ratio of a score of 0.
    pub intercept: f64,
    /// What one unit of the score adds.
    pub slope: f64,
}

impl Logistic {
    /// Fits both coefficients.
    pub fn fit(items: &[Scored], penalty: f64) -> Result<Self, CalibrationError> {
        unimplemented!("{} {penalty}", items.len())
    }

    /// The log10 likelihood ratio of a score; not a number for a score that is not one.
    pub fn log10_lr(&self, score: f64) -> f64 {
        unimplemented!("{score}")
    }
}
