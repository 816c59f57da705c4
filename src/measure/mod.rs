//! Measures: ways to compare two fingerprints, and the gates that stand before them.
//!
//! A measure gives an [`Affinity`]: for every model under test (row) and every candidate parent
//! (column) one number a probe. What an affinity says about parentage is weighed elsewhere.

mod affinity;
mod contrast;
pub mod distance;
pub mod equality;
pub mod lineage;

pub use affinity::{Affinity, Side, affinity};
pub use contrast::{Contrast, Interaction, NoContrast, contrast};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A way to compare two models.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Likeness of the distributions over closed answers (Bhattacharyya coefficient, 0 to 1).
    Preference,
    /// Likeness of the distributions of what follows a context (Bhattacharyya coefficient, 0 to 1).
    Next,
    /// How well the row predicts what the column wrote (minus bits per byte).
    Likelihood,
    /// How well the column predicts what the row wrote (minus bits per byte).
    LikelihoodReverse,
}

impl Measure {
    /// All measures, in the order of reports.
    pub const ALL: [Self; 4] = [
        Self::Preference,
        Self::Next,
        Self::Likelihood,
        Self::LikelihoodReverse,
    ];

    /// The name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preference => "preference",
            Self::Next => "next",
            Self::Likelihood => "likelihood",
            Self::LikelihoodReverse => "likelihood_reverse",
        }
    }

    /// The unit of its affinity.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Preference | Self::Next => "Bhattacharyya coefficient",
            Self::Likelihood | Self::LikelihoodReverse => "bits per byte, negated",
        }
    }
}
