//! What a likelihood ratio says, in words.

use std::f64::consts::LOG10_2;

use schemars::JsonSchema;
use serde::Serialize;

/// The rungs of the ENFSI scale, of a likelihood ratio or, below 1, of its inverse; each from its lower end on.
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
///
/// Source: *ENFSI Guideline for Evaluative Reporting in Forensic Science* (European Network of Forensic
/// Science Institutes, 2015), the scale from 1, 2-10, ... to 1,000,000 and above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verbal {
    /// How much.
    pub support: Support,
    /// Of what.
    pub towards: Towards,
}

impl Support {
    /// The rungs above [`Support::None`] with the log10 ratio that each begins at.
    const RUNGS: [(f64, Self); 6] = [
        (LOG10_2, Self::Weak),
        (1.0, Self::Moderate),
        (2.0, Self::ModeratelyStrong),
        (3.0, Self::Strong),
        (4.0, Self::VeryStrong),
        (6.0, Self::ExtremelyStrong),
    ];

    /// In words: "moderately strong support".
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "no support",
            Self::Weak => "weak support",
            Self::Moderate => "moderate support",
            Self::ModeratelyStrong => "moderately strong support",
            Self::Strong => "strong support",
            Self::VeryStrong => "very strong support",
            Self::ExtremelyStrong => "extremely strong support",
        }
    }
}

impl Verbal {
    /// The rung of a log10 likelihood ratio; `None` if it is not a number.
    pub fn new(log10_lr: f64) -> Option<Self> {
        if log10_lr.is_nan() {
            return None;
        }
        let reached = |(from, _): &&(f64, Support)| log10_lr.abs() >= *from;
        let rung = Support::RUNGS.iter().take_while(reached).last();
        Some(match rung {
            None => Self {
                support: Support::None,
                towards: Towards::Neither,
            },
            Some((_, support)) => Self {
                support: *support,
                towards: if log10_lr > 0.0 {
                    Towards::First
                } else {
                    Towards::Second
                },
            },
        })
    }
}

/// "the findings are about x times more probable if FIRST than if SECOND", turned round below 1.
///
/// x has two digits, from 10^15 on one power of ten. A ratio that rounds to 1: "the findings are about as
/// probable if FIRST as if SECOND". `None` if the ratio is not finite.
pub fn sentence(log10_lr: f64, first: &str, second: &str) -> Option<String> {
    if !log10_lr.is_finite() {
        return None;
    }
    let (more, less) = if log10_lr < 0.0 {
        (second, first)
    } else {
        (first, second)
    };
    Some(match times(log10_lr.abs()) {
        None => format!("the findings are about as probable if {first} as if {second}"),
        Some(x) => {
            format!("the findings are about {x} times more probable if {more} than if {less}")
        }
    })
}

/// A ratio above 1 in two digits; `None` if it rounds to 1.
fn times(log10_lr: f64) -> Option<String> {
    const LARGEST: f64 = 15.0;
    if log10_lr >= LARGEST {
        return Some(format!("10^{log10_lr:.0}"));
    }
    let x = 10_f64.powf(log10_lr);
    if x < 9.95 {
        let x = format!("{x:.1}");
        let x = x.strip_suffix(".0").unwrap_or(&x);
        return (x != "1").then(|| x.to_owned());
    }
    let unit = 10_f64.powf(x.log10().floor() - 1.0).max(1.0);
    let digits = format!("{:.0}", (x / unit).round() * unit);
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    Some(groups.join(","))
}

/// Posterior odds beside the prior odds they come from, never without.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Posterior {
    /// Stated by the user.
    pub prior_odds: f64,
    /// Prior odds times likelihood ratio.
    pub odds: f64,
    /// `odds / (1 + odds)`.
    pub probability: f64,
}

/// Posterior odds (Bayes); `None` unless the prior odds are positive and finite and the ratio a number.
pub fn posterior(prior_odds: f64, log10_lr: f64) -> Option<Posterior> {
    if !prior_odds.is_finite() || prior_odds <= 0.0 || log10_lr.is_nan() {
        return None;
    }
    // As logarithms, so that large ones do not overflow half-way.
    let odds = 10_f64.powf(prior_odds.log10() + log10_lr);
    Some(Posterior {
        prior_odds,
        odds,
        probability: 1.0 / (1.0 + 1.0 / odds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weigh::calibration::tests::same;

    #[test]
    fn each_rung_begins_at_its_lower_end_and_is_mirrored() {
        use Support as S;
        for (lr, support) in [
            (1.0, S::None),
            (1.99, S::None),
            (2.0, S::Weak),
            (9.99, S::Weak),
            (10.0, S::Moderate),
            (99.9, S::Moderate),
            (100.0, S::ModeratelyStrong),
            (999.0, S::ModeratelyStrong),
            (1000.0, S::Strong),
            (9999.0, S::Strong),
            (1e4, S::VeryStrong),
            (999_999.0, S::VeryStrong),
            (1e6, S::ExtremelyStrong),
            (f64::INFINITY, S::ExtremelyStrong),
        ] {
            for (log, towards) in [(lr.log10(), Towards::First), (-lr.log10(), Towards::Second)] {
                let towards = match support {
                    S::None => Towards::Neither,
                    _ => towards,
                };
                assert_eq!(Verbal::new(log), Some(Verbal { support, towards }), "{lr}");
            }
        }
        assert_eq!(Verbal::new(f64::NAN), None);
        assert_eq!(S::VeryStrong.name(), "very strong support");
    }

    #[test]
    fn the_sentence_has_two_digits_and_never_a_ratio_below_one() {
        let told = |x: f64| sentence(x.log10(), "A", "B").unwrap();
        for (lr, x) in [
            (1.06, "1.1"),
            (2.0, "2"),
            (7.26, "7.3"),
            (9.96, "10"),
            (12.4, "12"),
            (99.6, "100"),
            (123.4, "120"),
            (45_678.0, "46,000"),
            (1_234_567.0, "1,200,000"),
            (3e16, "10^16"),
        ] {
            let sentence = format!("the findings are about {x} times more probable if A than if B");
            assert_eq!(told(lr), sentence);
            let turned = format!("the findings are about {x} times more probable if B than if A");
            assert_eq!(told(1.0 / lr), turned);
        }
        for same in [1.0, 1.04, 0.97] {
            assert_eq!(
                told(same),
                "the findings are about as probable if A as if B"
            );
        }
        for log in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            assert_eq!(sentence(log, "A", "B"), None);
        }
    }

    #[test]
    fn a_posterior_stands_beside_its_prior() {
        let found = posterior(0.01, 3.0).unwrap();
        assert!(
            (found.odds - 10.0).abs() < 1e-12 && (found.probability - 10.0 / 11.0).abs() < 1e-12
        );
        assert!(same(found.prior_odds, 0.01));
        assert!(same(posterior(1e300, 300.0).unwrap().probability, 1.0));
        let impossible = posterior(1.0, f64::NEG_INFINITY).unwrap();
        assert!(same(impossible.probability, 0.0));
        for (prior, lr) in [
            (0.0, 1.0),
            (-1.0, 1.0),
            (f64::INFINITY, 1.0),
            (f64::NAN, 1.0),
            (1.0, f64::NAN),
        ] {
            assert_eq!(posterior(prior, lr), None);
        }
    }
}
