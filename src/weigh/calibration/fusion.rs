//! Several measures, one likelihood ratio.

use super::CalibrationError;

/// One item's scores by several measures, in one order for all items.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// A score a measure, finite; nothing where the measure says nothing of the item.
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
    /// Its standard deviation over them.
    pub sd: f64,
    /// What one standard deviation adds to the log10 likelihood ratio; never negative.
    pub weight: f64,
}

/// `log10 LR = intercept + sum of weight * (score - mean) / sd`, weights never negative.
#[derive(Debug, Clone, PartialEq)]
pub struct Fusion {
    /// The log10 likelihood ratio of an item at all means.
    pub intercept: f64,
    /// The measures, in their order.
    pub measures: Vec<FusedMeasure>,
}

impl Fusion {
    /// Fits means, deviations and weights.
    pub fn fit(items: &[Measured], penalty: f64) -> Result<Self, CalibrationError> {
        unimplemented!("{} {penalty}", items.len())
    }

    /// The log10 likelihood ratio of scores. Nothing when their number differs or none is there.
    pub fn log10_lr(&self, scores: &[Option<f64>]) -> Option<f64> {
        unimplemented!("{}", scores.len())
    }
}
