//! Isotonic calibration: pool adjacent violators.

use super::{CalibrationError, Scored};

/// A rising step curve from score to log10 likelihood ratio.
#[derive(Debug, Clone, PartialEq)]
pub struct Isotonic {
    /// Scores, rising, with the probability of "student" at equal priors.
    knots: Vec<(f64, f64)>,
}

impl Isotonic {
    /// Fits the curve with `misleading` made-up items of either class at the far end of the other.
    pub fn fit(items: &[Scored], misleading: usize) -> Result<Self, CalibrationError> {
        unimplemented!("{} {misleading}", items.len())
    }

    /// The log10 likelihood ratio of a score; not a number for a score that is not one.
    pub fn log10_lr(&self, score: f64) -> f64 {
        unimplemented!("{score} {}", self.knots.len())
    }
}
