//! What a likelihood ratio says, in words.

/// The rungs of the ENFSI scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Support {
    /// Ratio below 2.
    None,
    /// 2 to 10.
    Weak,
    /// 10 to 100.
    Moderate,
    /// 100 to 1,000.
    ModeratelyStrong,
    /// 1,000 to 10,000.
    Strong,
    /// 10,000 to 1,000,000.
    VeryStrong,
    /// 1,000,000 and above.
    ExtremelyStrong,
}

/// Which proposition the findings support.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Towards {
    /// The first, "student".
    First,
    /// The second, "not".
    Second,
    /// Neither.
    Neither,
}

/// A likelihood ratio on the verbal scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verbal {
    /// How much.
    pub support: Support,
    /// Of what.
    pub towards: Towards,
}

impl Support {
    /// In words: "moderately strong support".
    pub fn name(self) -> &'static str {
        unimplemented!()
    }
}

impl Verbal {
    /// The rung of a log10 likelihood ratio; nothing when it is not a number.
    pub fn new(log10_lr: f64) -> Option<Self> {
        unimplemented!("{log10_lr}")
    }
}

/// "the findings are about x times more probable if FIRST than if SECOND", turned round below 1.
///
/// Nothing when the ratio is not finite.
pub fn sentence(log10_lr: f64, first: &str, second: &str) -> Option<String> {
    unimplemented!("{log10_lr} {first} {second}")
}

/// Posterior odds beside the prior odds they come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Posterior {
    /// Stated by the user.
    pub prior_odds: f64,
    /// Prior odds times likelihood ratio.
    pub odds: f64,
    /// `odds / (1 + odds)`.
    pub probability: f64,
}

/// Posterior odds; nothing unless the prior odds are positive and finite and the ratio a number.
pub fn posterior(prior_odds: f64, log10_lr: f64) -> Option<Posterior> {
    unimplemented!("{prior_odds} {log10_lr}")
}
