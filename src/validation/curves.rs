//! The validation's curves that one case stands on.

use schemars::JsonSchema;
use serde::Serialize;

use super::calibration::{Fitted, Ratio};
use super::{Validated, Validation};
use crate::weigh::{Bounds, EcePoint, Tippett};

/// What keeps a ratio from being what its curve gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    /// Nothing: it is what the curve gives.
    Nothing,
    /// A bound of the curve.
    Bound,
    /// The cap on cases outside what was validated.
    Cap,
}

/// The curves, all of the validation's models and none of the case's.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Curves {
    /// Sources of the models that `fitted` was fitted on.
    pub fitted_on: Vec<String>,
    /// From deviate to log10 likelihood ratio, against the explanation that leads.
    pub fitted: Fitted,
    /// The most that the log10 likelihood ratio may be either way; null for a case within what was
    /// validated.
    pub cap: Option<f64>,
    /// What keeps the case's ratio from being what `fitted` gives.
    pub held_by: HeldBy,
    /// Sources of the models of `tippett` and `ece`, which had no part in the fit.
    pub tried_on: Vec<String>,
    /// Shares of students and innocents at or above each log10 likelihood ratio.
    pub tippett: Option<Tippett>,
    /// Empirical cross-entropy over prior odds.
    pub ece: Option<Vec<EcePoint>>,
}

impl Curves {
    /// `None` if the leading explanation has no curve.
    pub(super) fn new(
        validation: &Validation,
        validated: &Validated,
        leading: &Ratio,
        extrapolated: bool,
    ) -> Option<Self> {
        let mut fitted = validated.calibration.against.iter();
        let fitted = *fitted.find(|f| f.against == leading.against)?;
        let bounded = leading.unbounded.clamp(fitted.lower, fitted.upper);
        let differ = |a: f64, b: f64| (a - b).abs() > 0.0;
        let held_by = if differ(leading.log10_lr, bounded) {
            HeldBy::Cap
        } else if differ(bounded, leading.unbounded) {
            HeldBy::Bound
        } else {
            HeldBy::Nothing
        };
        Some(Self {
            fitted_on: validation.fit.clone(),
            fitted,
            cap: extrapolated.then(|| Bounds::extrapolated().upper),
            held_by,
            tried_on: validation.test.clone(),
            tippett: validated.tippett.clone(),
            ece: validated.ece.clone(),
        })
    }

    /// The least and the most log10 likelihood ratio that may be stated.
    pub fn limits(&self) -> (f64, f64) {
        let cap = self.cap.unwrap_or(f64::INFINITY);
        (self.fitted.lower.max(-cap), self.fitted.upper.min(cap))
    }
}
