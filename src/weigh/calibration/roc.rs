//! Telling the classes apart, whatever the scale of scores.

use super::{Rate, Scored};

/// The area under the receiver operating characteristic; ties count half.
pub fn auroc(scores: &[Scored]) -> Option<f64> {
    unimplemented!("{}", scores.len())
}

/// True positives where false positives are held down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Discrimination {
    /// Scores strictly above it are called.
    pub threshold: f64,
    /// How many false positives the wanted rate allows among the others; 0 when they are too few to show it.
    pub allowed: usize,
    /// Students called.
    pub students: Rate,
    /// Others called; never more than allowed.
    pub others: Rate,
}

/// The true positive rate where the false positive rate is at most `at_most`.
pub fn tpr_at_fpr(scores: &[Scored], at_most: f64) -> Option<Discrimination> {
    unimplemented!("{} {at_most}", scores.len())
}
