//! How good log10 likelihood ratios are.

use std::f64::consts::{LN_2, LN_10};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Classes, Isotonic, Rate, Scored, rate, reach};

/// The cost of log likelihood ratios, in bits.
///
/// `(mean over students of log2(1 + 1/LR) + mean over others of log2(1 + LR)) / 2`: 0 for ratios that are
/// always right and sure, 1 for a ratio of 1 throughout, above 1 for ratios worse than none; infinite when one
/// is infinitely wrong. Source: Brümmer and du Preez, "Application-independent evaluation of speaker
/// detection", *Computer Speech & Language* 20 (2006) 230-275. The numbers of `lir.metrics.cllr`.
///
/// `None` if a class has no items or a number is not one; the same holds for all below.
pub fn cllr(log10_lrs: &[Scored]) -> Option<f64> {
    let classes = Classes::new(log10_lrs).ok()?;
    Some(f64::midpoint(
        cost(&classes.students, |x| -x),
        cost(&classes.others, |x| x),
    ))
}

/// The cost left after the best rising calibration of the very same items ([`Isotonic`], nothing made up):
/// discrimination alone, 0 to 1 bit. Any score will do.
pub fn cllr_min(scores: &[Scored]) -> Option<f64> {
    cllr(&recalibrated(scores)?)
}

/// The cost of calibration, in bits: [`cllr`] less [`cllr_min`].
pub fn cllr_cal(log10_lrs: &[Scored]) -> Option<f64> {
    Some(cllr(log10_lrs)? - cllr_min(log10_lrs)?)
}

fn recalibrated(scores: &[Scored]) -> Option<Vec<Scored>> {
    let best = Isotonic::fit(scores, 0).ok()?;
    let again = scores.iter().map(|item| Scored {
        score: best.log10_lr(item.score),
        ..*item
    });
    Some(again.collect())
}

/// The mean of `log2(1 + 10^x)`, `x` from the numbers.
fn cost(numbers: &[f64], x: impl Fn(f64) -> f64) -> f64 {
    let costs = numbers.iter().map(|n| {
        let z = x(*n) * LN_10;
        (z.max(0.0) + (-z.abs()).exp().ln_1p()) / LN_2
    });
    costs.sum::<f64>() / numbers.len() as f64
}

/// Empirical cross-entropy at one prior, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EcePoint {
    /// log10 of the prior odds.
    pub log10_prior_odds: f64,
    /// Of the likelihood ratios.
    pub ece: f64,
    /// Of the same after pool adjacent violators: what calibration could reach.
    pub ece_min: f64,
    /// Of a likelihood ratio of 1 throughout.
    pub neutral: f64,
}

/// Empirical cross-entropy at some log10 prior odds, such as -3 to 3.
///
/// With prior odds `o` and `p = o / (1 + o)`:
/// `p * mean over students of log2(1 + 1 / (LR o)) + (1 - p) * mean over others of log2(1 + LR o)`. At even
/// odds it is [`cllr`]. Where it lies above `neutral`, ignoring the ratios would be better. Source: Ramos and
/// Gonzalez-Rodriguez, "Reliable support: measuring calibration of likelihood ratios", *Forensic Science
/// International* 230 (2013) 156-169. The numbers of lir's `calculate_ece`.
///
/// `None` as for [`cllr`], or when prior odds are not finite.
pub fn ece_curve(log10_lrs: &[Scored], log10_prior_odds: &[f64]) -> Option<Vec<EcePoint>> {
    let given = Classes::new(log10_lrs).ok()?;
    let best = Classes::new(&recalibrated(log10_lrs)?).ok()?;
    let entropy = |classes: &Classes, odds: f64| {
        let prior = 1.0 / (1.0 + 10_f64.powf(-odds));
        prior * cost(&classes.students, |x| -(x + odds))
            + (1.0 - prior) * cost(&classes.others, |x| x + odds)
    };
    let none = Classes {
        students: vec![0.0],
        others: vec![0.0],
    };
    let points = log10_prior_odds.iter().map(|&odds| {
        odds.is_finite().then(|| EcePoint {
            log10_prior_odds: odds,
            ece: entropy(&given, odds),
            ece_min: entropy(&best, odds),
            neutral: entropy(&none, odds),
        })
    });
    points.collect()
}

/// Shares of either class at or above each log10 likelihood ratio that occurs in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tippett {
    /// (log10 likelihood ratio, share of students that reach it), rising.
    pub students: Vec<(f64, f64)>,
    /// (log10 likelihood ratio, share of the others that reach it), rising.
    pub others: Vec<(f64, f64)>,
}

impl Tippett {
    /// The shares of students and of the others whose log10 likelihood ratio is at least so large.
    pub fn at_least(&self, log10_lr: f64) -> (f64, f64) {
        let share = |curve: &[(f64, f64)]| {
            let reached = curve.iter().find(|p| p.0 >= log10_lr);
            reached.map_or(0.0, |p| p.1)
        };
        (share(&self.students), share(&self.others))
    }
}

/// The Tippett curves. Source: Tippett et al., *Journal of the Forensic Science Society* 8 (1968) 61-65;
/// Evett and Buckleton, *Advances in Forensic Haemogenetics* 6 (1996) 79-86.
pub fn tippett(log10_lrs: &[Scored]) -> Option<Tippett> {
    let classes = Classes::new(log10_lrs).ok()?;
    let curve = |rising: &[f64]| {
        let mut distinct = rising.to_vec();
        distinct.dedup();
        let share = |x: f64| reach(rising, x) as f64 / rising.len() as f64;
        distinct.into_iter().map(|x| (x, share(x))).collect()
    };
    Some(Tippett {
        students: curve(&classes.students),
        others: curve(&classes.others),
    })
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

/// Rates of misleading evidence: log10 ratios of others at or above `log10_lr`, and of students at or below
/// its negative. At 0, strictly above and below: a ratio of 1 misleads nobody. A ratio cut to a bound
/// counts at that bound. Source: Royall, *JASA* 95 (2000) 760-768, for the term.
///
/// `None` as for [`cllr`], or when `log10_lr` is negative or no number.
pub fn misleading(log10_lrs: &[Scored], log10_lr: f64) -> Option<Misleading> {
    let classes = Classes::new(log10_lrs).ok()?;
    let far = |x: f64| x >= log10_lr && x > 0.0;
    let count = |class: &[f64], sign: f64| {
        let misled = class.iter().filter(|x| far(**x * sign)).count();
        rate(misled, class.len())
    };
    let found = Misleading {
        log10_lr,
        others: count(&classes.others, 1.0)?,
        students: count(&classes.students, -1.0)?,
    };
    (log10_lr >= 0.0).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weigh::calibration::tests::{items, same};

    #[test]
    fn cost_is_one_for_no_evidence_and_none_for_certainty() {
        let inf = f64::INFINITY;
        assert!((cllr(&items(&[0.0; 3], &[0.0; 5])).unwrap() - 1.0).abs() < 1e-15);
        assert_eq!(cllr(&items(&[inf], &[-inf])), Some(0.0));
        assert_eq!(cllr(&items(&[-inf, 1.0], &[0.0])), Some(inf));
        // Far from zero it is the distance in bits, without overflow.
        let far = cllr(&items(&[-1000.0], &[-1000.0])).unwrap();
        assert!((far - 500.0 * 10_f64.log2()).abs() < 1e-9, "{far}");
    }

    #[test]
    fn cost_of_calibration_is_what_recalibration_saves() {
        let sure = items(&[6.0, 7.0, -2.0], &[-5.0, 3.0, -6.0]);
        let (all, least) = (cllr(&sure).unwrap(), cllr_min(&sure).unwrap());
        assert!(all > least && least > 0.0 && least < 1.0);
        assert_eq!(cllr_cal(&sure), Some(all - least));
        let infinitely = items(&[f64::NEG_INFINITY], &[0.0]);
        assert_eq!(cllr_cal(&infinitely), Some(f64::INFINITY));
    }

    #[test]
    fn nothing_is_measured_without_both_classes() {
        let nan = items(&[f64::NAN], &[0.0]);
        for items in [items(&[], &[]), items(&[1.0], &[]), items(&[], &[1.0]), nan] {
            assert_eq!(cllr(&items), None);
            assert_eq!(cllr_min(&items), None);
            assert_eq!(cllr_cal(&items), None);
            assert_eq!(ece_curve(&items, &[0.0]), None);
            assert_eq!(tippett(&items), None);
            assert_eq!(misleading(&items, 0.0), None);
        }
        assert_eq!(ece_curve(&items(&[1.0], &[0.0]), &[f64::NAN]), None);
        assert_eq!(misleading(&items(&[1.0], &[0.0]), -1.0), None);
        assert_eq!(misleading(&items(&[1.0], &[0.0]), f64::NAN), None);
    }

    #[test]
    fn entropy_at_even_odds_is_the_cost() {
        let given = items(&[2.0, 0.3, -0.4], &[-1.0, 0.1]);
        let point = ece_curve(&given, &[0.0]).unwrap()[0];
        assert!((point.ece - cllr(&given).unwrap()).abs() < 1e-14);
        assert!((point.ece_min - cllr_min(&given).unwrap()).abs() < 1e-14);
        assert!((point.neutral - 1.0).abs() < 1e-14);
    }

    #[test]
    fn tippett_curves_fall_from_all_to_the_share_of_the_highest() {
        let inf = f64::INFINITY;
        let found = tippett(&items(&[1.0, 2.0, 1.0, inf], &[-0.0, 0.0])).unwrap();
        assert_eq!(found.students, [(1.0, 1.0), (2.0, 0.5), (inf, 0.25)]);
        assert_eq!(found.others, [(0.0, 1.0)]);
        for (ratio, shares) in [
            (-9.0, (1.0, 1.0)),
            (0.0, (1.0, 1.0)),
            (0.1, (1.0, 0.0)),
            (2.0, (0.5, 0.0)),
            (inf, (0.25, 0.0)),
        ] {
            assert_eq!(found.at_least(ratio), shares, "{ratio}");
        }
    }

    #[test]
    fn evidence_misleads_from_the_ratio_on_and_a_ratio_of_one_does_not() {
        let given = items(&[-1.0, 0.0, 3.0], &[1.0, 0.5, 0.0, f64::INFINITY]);
        for (far, others, students) in [(0.0, 3, 1), (1.0, 2, 1), (1.1, 1, 0), (2.0, 1, 0)] {
            let found = misleading(&given, far).unwrap();
            assert_eq!(
                (found.others.count, found.students.count),
                (others, students)
            );
            assert_eq!((found.others.of, found.students.of), (4, 3));
            assert!(same(found.log10_lr, far));
        }
    }
}
