//! Measures: ways to compare two fingerprints, and the gates that stand before them.
//!
//! A measure gives an [`Affinity`]: for every model under test (row) and every candidate parent
//! (column) one number a probe. What an affinity says about parentage is weighed elsewhere.

mod affinity;
mod contrast;
pub mod dependence;
pub mod distance;
pub mod drift;
pub mod equality;
pub mod lineage;
pub mod open_text;
mod pools;
mod prepared;
mod scores;
mod style;
mod synthetic;
pub mod text_equality;
mod wording;

pub use affinity::{Affinity, Side, affinities, affinity};
pub use contrast::{Contrast, Interaction, NoContrast, contrast};
pub use prepared::Prepared;
pub use scores::Scores;
pub use synthetic::{Gap, Synthetic, gaps_of_controls, gaps_without, scores_of, synthetic};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;

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
    /// Likeness of manner in open text (cosine of z-scored features, -1 to 1).
    Style,
    /// How well a small model of the row's texts predicts what the column wrote (minus bits per byte).
    Wording,
    /// How well a small model of the column's texts predicts what the row wrote (minus bits per byte).
    WordingReverse,
    /// Likeness of what answers begin with, whatever they are about (cosine of stabilised shares, -1 to 1).
    Habits,
    /// Wording shared on the same prompt, beyond what others share (cosine of weighted phrases, 0 to 1).
    Phrases,
}

/// What the models of a panel answered, and so by which measures they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// A battery of this tool: closed questions, contexts to go on with and open questions.
    Battery,
    /// Open text alone: answers to prompts, collected by whomever.
    OpenText,
}

impl Basis {
    /// What suspect and protected model allow: open text is the basis if either has nothing else.
    pub fn of(protected: &Fingerprint, suspect: &Fingerprint) -> Self {
        if protected.is_open_text() || suspect.is_open_text() {
            Self::OpenText
        } else {
            Self::Battery
        }
    }

    /// The measures that are looked at.
    pub fn measures(self) -> &'static [Measure] {
        let all = &Measure::ALL;
        match self {
            Self::Battery => &all[..7],
            Self::OpenText => &all[7..],
        }
    }
}

impl Measure {
    /// All measures, in the order of reports. Those of [`Basis::OpenText`] stand last.
    pub const ALL: [Self; 9] = [
        Self::Preference,
        Self::Next,
        Self::Likelihood,
        Self::LikelihoodReverse,
        Self::Style,
        Self::Wording,
        Self::WordingReverse,
        Self::Habits,
        Self::Phrases,
    ];

    /// What it counts in the pooled figure beside the others of its basis.
    ///
    /// Settled by text alone, with the contrast as the score: logistic regression on the fitting sources of
    /// `models/population` (`scripts/fusion_weights.py`) gave twice as much to wording as to style and next to nothing
    /// to the rest, which keeps a share, for what closed answers say differs between kinds of models. The same on
    /// `models/public-answers`, with any house left out, gave all to habits and nothing to phrases, which keep a quarter
    /// as much: they are the stronger where the very version taught, of which there are but three students.
    pub fn weight(self) -> f64 {
        match self {
            Self::Wording | Self::Habits => 4.0,
            Self::Style => 2.0,
            _ => 1.0,
        }
    }

    /// Whether its value on a probe takes nothing but the answers to that probe. The others look at all open
    /// text at once: their values are no steps of a bet.
    pub fn is_by_probe(self) -> bool {
        matches!(
            self,
            Self::Preference | Self::Next | Self::Likelihood | Self::LikelihoodReverse
        )
    }

    /// The name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preference => "preference",
            Self::Next => "next",
            Self::Likelihood => "likelihood",
            Self::LikelihoodReverse => "likelihood_reverse",
            Self::Style => "style",
            Self::Wording => "wording",
            Self::WordingReverse => "wording_reverse",
            Self::Habits => "habits",
            Self::Phrases => "phrases",
        }
    }

    /// The unit of its affinity.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Preference | Self::Next => "Bhattacharyya coefficient",
            Self::Likelihood | Self::LikelihoodReverse | Self::Wording | Self::WordingReverse => {
                "bits per byte, negated"
            }
            Self::Style => "cosine of z-scored features",
            Self::Habits => "cosine of stabilised shares",
            Self::Phrases => "cosine of weighted phrases",
        }
    }
}

/// The constants of the measures that can move a finding, by name, for the rules that a plan commits to.
pub fn constants() -> impl Iterator<Item = (&'static str, f64)> {
    let own = [
        ("contrast.min_present", contrast::MIN_PRESENT),
        ("dependence.least_ratio", dependence::LEAST_RATIO),
        ("dependence.most_one_text", dependence::MOST_ONE_TEXT),
    ];
    own.into_iter()
        .chain(wording::constants())
        .chain(style::constants())
        .chain(text_equality::constants())
        .chain(equality::constants())
        .chain(open_text::constants())
}
