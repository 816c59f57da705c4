//! From scores of known truth to likelihood ratios, and how good those are.
//!
//! ```text
//! Scored (score, student or not, source)
//!    |  Logistic | Isotonic | Fusion          fitted; leave_one_source_out says what each item would get
//! log10 likelihood ratio
//!    |  elub, bound_by_sources -> bounded     no further than the sources carry
//! Bounded -> Verbal, Posterior                what it says
//!    |
//! cllr, cllr_min, ece, tippett, auroc, tpr_at_fpr, misleading    of held-out sources,
//!    Bootstrap (over sources), rate (exact), jackknife           each with what it leaves open
//! ```
//!
//! H1 is "student", H2 is "not". Logarithms of likelihood ratios are to base 10 throughout. The unit of
//! evidence is the *source* (a teacher, a family of data), not the item: items of one source are alike.

mod bounds;
mod fusion;
mod isotonic;
mod logistic;
mod metrics;
mod resample;
mod roc;
mod solve;
mod verbal;

pub use bounds::{Bounded, Bounds, Limit, bound_by_sources, bounded, elub};
pub use fusion::{FusedMeasure, Fusion, Measured};
pub use isotonic::Isotonic;
pub use logistic::{Logistic, PENALTY};
pub use metrics::{
    EcePoint, Misleading, Tippett, cllr, cllr_cal, cllr_min, ece_curve, misleading, tippett,
};
pub use resample::{
    Bootstrap, Estimated, Interval, Jackknife, Rate, jackknife, leave_one_source_out, rate,
};
pub use roc::{Discrimination, auroc, tpr_at_fpr};
pub use verbal::{Posterior, Support, Towards, Verbal, posterior, sentence};

/// A number of one item whose truth is known: a score, or the log10 of its likelihood ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The number; it may be infinite.
    pub score: f64,
    /// Whether the item is a student (H1).
    pub student: bool,
    /// What the item shares with others: items of one source are never split between fitting and testing.
    pub source: usize,
}

/// Why nothing could be fitted.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    /// A score is not a number.
    #[error("item {item} has a score that is not a number")]
    NotANumber {
        /// Its place among the items.
        item: usize,
    },
    /// A score is infinite where only finite ones can be used.
    #[error("item {item} has an infinite score")]
    Infinite {
        /// Its place among the items.
        item: usize,
    },
    /// An infinite score is on the wrong side: no finite ratio can be right about it.
    #[error("item {item} has an infinite score on the wrong side")]
    InfinitelyMisled {
        /// Its place among the items.
        item: usize,
    },
    /// There are no students with a score to fit.
    #[error("there are no students to calibrate on")]
    NoStudents,
    /// All with a score to fit are students.
    #[error("there are only students to calibrate on")]
    NoOthers,
    /// An item has another number of measures than the first.
    #[error("item {item} has {found} measures where {expected} were expected")]
    Ragged {
        /// Its place among the items.
        item: usize,
        /// How many it has.
        found: usize,
        /// How many the first has.
        expected: usize,
    },
    /// A penalty must be positive and finite.
    #[error("a penalty must be positive and finite")]
    Penalty,
    /// The fit did not settle.
    #[error("the fit did not settle within {steps} steps")]
    Unsettled {
        /// How many were taken.
        steps: usize,
    },
}

/// The numbers of the students and of the others, rising.
struct Classes {
    students: Vec<f64>,
    others: Vec<f64>,
}

impl Classes {
    fn new(items: &[Scored]) -> Result<Self, CalibrationError> {
        if let Some(item) = items.iter().position(|i| i.score.is_nan()) {
            return Err(CalibrationError::NotANumber { item });
        }
        let of = |student: bool| {
            let scores = items.iter().filter(|i| i.student == student);
            let mut scores: Vec<f64> = scores.map(|i| i.score).collect();
            scores.sort_by(f64::total_cmp);
            scores
        };
        let (students, others) = (of(true), of(false));
        if students.is_empty() {
            return Err(CalibrationError::NoStudents);
        }
        if others.is_empty() {
            return Err(CalibrationError::NoOthers);
        }
        Ok(Self { students, others })
    }
}

/// How many of rising numbers are at least a number.
fn reach(rising: &[f64], number: f64) -> usize {
    rising.len() - rising.partition_point(|r| *r < number)
}

#[cfg(test)]
mod tests;
