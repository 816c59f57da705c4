//! How good log10 likelihood ratios are.

use super::{Rate, Scored};

/// The cost of log likelihood ratios.
pub fn cllr(log10_lrs: &[Scored]) -> Option<f64> {
    unimplemented!("{}", log10_lrs.len())
}

/// The cost left after the best monotone calibration: discrimination alone.
pub fn cllr_min(scores: &[Scored]) -> Option<f64> {
    unimplemented!("{}", scores.len())
}

/// The cost of calibration: [`cllr`] less [`cllr_min`].
pub fn cllr_cal(log10_lrs: &[Scored]) -> Option<f64> {
    unimplemented!("{}", log10_lrs.len())
}

/// Empirical cross-entropy at one prior, in bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EcePoint {
    /// log10 of the prior odds.
    pub log10_prior_odds: f64,
    /// Of the likelihood ratios.
    pub ece: f64,
    /// Of the same after pool adjacent violators.
    pub ece_min: f64,
    /// Of a likelihood ratio of 1 throughout.
    pub neutral: f64,
}

/// Empirical cross-entropy at some log10 prior odds.
pub fn ece_curve(log10_lrs: &[Scored], log10_prior_odds: &[f64]) -> Option<Vec<EcePoint>> {
    unimplemented!("{} {}", log10_lrs.len(), log10_prior_odds.len())
}

/// Shares of either class at or above each log10 likelihood ratio.
#[derive(Debug, Clone, PartialEq)]
pub struct Tippett {
    /// (log10 likelihood ratio, share of students that reach it), rising.
    pub students: Vec<(f64, f64)>,
    /// (log10 likelihood ratio, share of the others that reach it), rising.
    pub others: Vec<(f64, f64)>,
}

/// The Tippett curves.
pub fn tippett(log10_lrs: &[Scored]) -> Option<Tippett> {
    unimplemented!("{}", log10_lrs.len())
}

/// How often evidence points the wrong way, at least so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Misleading {
    /// How far: log10, not negative.
    pub log10_lr: f64,
    /// Others whose ratio says "student" that strongly.
    pub others: Rate,
    /// Students whose ratio says "not" that strongly.
    pub students: Rate,
}

/// Rates of misleading evidence of at least a log10 likelihood ratio (above it where it is 0).
pub fn misleading(log10_lrs: &[Scored], log10_lr: f64) -> Option<Misleading> {
    unimplemented!("{} {log10_lr}", log10_lrs.len())
}
