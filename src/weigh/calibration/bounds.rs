//! No further than the data carry.

use super::{CalibrationError, Scored};

/// What set a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The number of independent sources of the other class.
    Sources,
    /// The empirical lower and upper bound.
    Elub,
    /// The case lies outside the conditions that were validated.
    Extrapolated,
}

/// The least and the most that a log10 likelihood ratio may say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// At most 0.
    pub lower: f64,
    /// At least 0.
    pub upper: f64,
    /// What set them.
    pub limit: Limit,
}

/// A log10 likelihood ratio cut to its bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounded {
    /// The log10 likelihood ratio that may be stated.
    pub log10_lr: f64,
    /// Before it was cut.
    pub unbounded: f64,
    /// The bound that acted; nothing when none did.
    pub limit: Option<Limit>,
}

/// The empirical lower and upper bound of log10 likelihood ratios.
pub fn elub(log10_lrs: &[Scored]) -> Result<Bounds, CalibrationError> {
    unimplemented!("{}", log10_lrs.len())
}

/// Bounds by the number of independent sources of either class.
pub fn bound_by_sources(students: usize, others: usize) -> Bounds {
    unimplemented!("{students} {others}")
}

impl Bounds {
    /// Moderate support at most: -2 to 2.
    pub fn extrapolated() -> Self {
        Self {
            lower: -2.0,
            upper: 2.0,
            limit: Limit::Extrapolated,
        }
    }
}

/// Cuts a log10 likelihood ratio to several bounds; the tightest acts. Nothing when it is not a number.
pub fn bounded(log10_lr: f64, bounds: &[Bounds]) -> Option<Bounded> {
    unimplemented!("{log10_lr} {}", bounds.len())
}
