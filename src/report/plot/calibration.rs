//! Likelihood ratios: how they are spread, what they cost, and where a score leads.

use crate::weigh::{EcePoint, Tippett};

/// The Tippett curves of `name` (a condition).
pub fn tippett(id: &str, name: &str, curves: &Tippett) -> Option<String> {
    unimplemented!("{id} {name} {curves:?}")
}

/// Empirical cross-entropy over priors, of `name` (a condition).
pub fn ece(id: &str, name: &str, curve: &[EcePoint]) -> Option<String> {
    unimplemented!("{id} {name} {}", curve.len())
}

/// A curve from score to log10 likelihood ratio with one case on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LrCurve<'a> {
    /// Unit of the score.
    pub unit: &'a str,
    /// (score, log10 likelihood ratio), by rising score.
    pub points: &'a [(f64, f64)],
    /// The case's.
    pub case: (f64, f64),
    /// Bounds of the log10 likelihood ratio, lower and upper.
    pub bounds: Option<(f64, f64)>,
}

/// Draws a [`LrCurve`].
pub fn lr_curve(id: &str, curve: &LrCurve<'_>) -> Option<String> {
    unimplemented!("{id} {curve:?}")
}
