//! No further than the data carry.

use super::{CalibrationError, Classes, Scored};

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
    /// The bound that acted; `None` if none did.
    pub limit: Option<Limit>,
}

/// Step between thresholds, on the log10 scale; the source's.
const STEP: f64 = 0.01;
/// Ratios beyond this count as this.
const EXTREME: f64 = 9.0;
/// Rounding that makes no difference.
const ROUNDING: f64 = 1e-12;

/// The empirical lower and upper bound (ELUB) of log10 likelihood ratios.
///
/// Whoever decides by whether the ratio exceeds a threshold `t` (as one does whose prior odds and costs call
/// for it) expects the loss `1 - P(LR > t | student) + t * P(LR > t | other)`; whoever ignores the evidence
/// expects `min(1, t)`. With one made-up misleading item in each class that crosses every threshold, the
/// bounds are the last thresholds on either side of 1, in steps of 0.01 on the log10 scale, up to which
/// heeding the ratios was not worse than ignoring them. Ratios beyond 10^9 count as 10^9.
///
/// Source: Vergeer, van Es, de Jongh, Alberink and Stoel, "Numerical likelihood ratios outputted by LR
/// systems are often based on extrapolation: when to stop extrapolating?", *Science & Justice* 56 (2016)
/// 482-491; the numbers of `lir.algorithms.bayeserror.elub`. Items are counted, whatever their source: see
/// [`bound_by_sources`].
///
/// # Errors
/// A number that is not one, or a class without items.
pub fn elub(log10_lrs: &[Scored]) -> Result<Bounds, CalibrationError> {
    let classes = Classes::new(log10_lrs)?;
    let (students, others) = (&classes.students, &classes.others);
    let least = students[0].min(others[0]).max(-EXTREME);
    let most = students[students.len() - 1].max(others[others.len() - 1]);
    let (n, m) = (students.len() as f64, others.len() as f64);
    let low = (least.max(-(n + 1.0).log10()) / STEP).floor().min(0.0);
    let high = (most.min(EXTREME).min((m + 1.0).log10()) / STEP).floor() + 1.0;
    let worse = |step: f64| {
        let threshold = step * STEP;
        let odds = 10_f64.powf(threshold);
        let above = |class: &[f64]| exceed(class, threshold) as f64;
        let missed = 1.0 - above(students) / (n + 1.0);
        let loss = missed + odds * (above(others) + 1.0) / (m + 1.0);
        loss > odds.min(1.0) * (1.0 + ROUNDING)
    };
    let mut lower = low;
    let mut step = 0.0;
    while step >= low {
        if worse(step) {
            lower = step + 1.0;
            break;
        }
        step -= 1.0;
    }
    let mut upper = high.max(0.0);
    step = 0.0;
    while step <= high {
        if worse(step) {
            upper = step - 1.0;
            break;
        }
        step += 1.0;
    }
    Ok(Bounds {
        lower: (lower * STEP).min(0.0),
        upper: (upper * STEP).max(0.0),
        limit: Limit::Elub,
    })
}

/// How many of rising log10 ratios exceed a threshold; equal but for rounding does not.
fn exceed(rising: &[f64], threshold: f64) -> usize {
    let clamped = |r: f64| r.clamp(-EXTREME, EXTREME);
    rising.len() - rising.partition_point(|r| clamped(*r) <= threshold + ROUNDING)
}

/// Bounds by the number of independent sources of either class.
///
/// The ratio for "student" is at most `others + 1`, the ratio for "not" at most `students + 1`. Were a
/// suspect one more source of the other class, it would rank above all `n` of them with probability
/// `1 / (n + 1)`, whatever the scores are; no more than that can be known about how rare such a score is.
/// Sources: the rank bound of Vovk, Gammerman and Shafer, *Algorithmic Learning in a Random World* (2005),
/// section 2.2, as in [`conformal_p`](crate::weigh::conformal_p); it is also where [`elub`] ends for
/// classes that are perfectly separated. No source, no support.
pub fn bound_by_sources(students: usize, others: usize) -> Bounds {
    let most = |sources: usize| (sources as f64 + 1.0).log10();
    Bounds {
        // Taken from 0.0, so that no sources give 0.0 and not -0.0.
        lower: 0.0 - most(students),
        upper: most(others),
        limit: Limit::Sources,
    }
}

impl Bounds {
    /// Moderate support at most, a ratio of 1/100 to 100: for a case outside what was validated.
    pub fn extrapolated() -> Self {
        Self {
            lower: -2.0,
            upper: 2.0,
            limit: Limit::Extrapolated,
        }
    }
}

/// Cuts a log10 likelihood ratio to several bounds; the tightest acts, the first of equals. `None` if it
/// is not a number.
pub fn bounded(log10_lr: f64, bounds: &[Bounds]) -> Option<Bounded> {
    let mut found = Bounded {
        log10_lr,
        unbounded: log10_lr,
        limit: None,
    };
    for bound in bounds {
        let cut = found.log10_lr.min(bound.upper).max(bound.lower);
        if (cut - found.log10_lr).abs() > 0.0 {
            found.log10_lr = cut;
            found.limit = Some(bound.limit);
        }
    }
    (!log10_lr.is_nan()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weigh::calibration::tests::{items, same};

    #[test]
    fn the_tightest_bound_acts_and_is_named() {
        let sources = bound_by_sources(9, 99);
        assert_eq!((sources.lower, sources.upper), (-1.0, 2.0));
        let elub = Bounds {
            lower: -1.5,
            upper: 1.2,
            limit: Limit::Elub,
        };
        let both = [sources, elub, Bounds::extrapolated()];
        for (given, stated, limit) in [
            (0.7, 0.7, None),
            (1.2, 1.2, None),
            (5.0, 1.2, Some(Limit::Elub)),
            (f64::INFINITY, 1.2, Some(Limit::Elub)),
            (-1.1, -1.0, Some(Limit::Sources)),
            (f64::NEG_INFINITY, -1.0, Some(Limit::Sources)),
        ] {
            let found = bounded(given, &both).unwrap();
            assert_eq!((found.log10_lr, found.limit), (stated, limit));
            assert!(same(found.unbounded, given));
        }
        let equal = [sources, Bounds::extrapolated()];
        assert_eq!(bounded(3.0, &equal).unwrap().limit, Some(Limit::Sources));
        assert_eq!(bounded(f64::NAN, &both), None);
        assert_eq!(bounded(3.0, &[]).unwrap().limit, None);
    }

    #[test]
    fn without_sources_nothing_is_supported() {
        let none = bound_by_sources(0, 0);
        assert!(none.lower.to_bits() == 0.0_f64.to_bits() && none.upper == 0.0);
    }

    // With all classes perfectly apart, heeding LR > t costs t / (m + 1) + 1 / (n + 1).
    #[test]
    fn separation_ends_below_the_bound_by_sources() {
        for n in [1_usize, 5, 30, 1000] {
            let found = elub(&items(&vec![9.0; n], &vec![-9.0; n])).unwrap();
            let sources = bound_by_sources(n, n);
            let exact = (n as f64).log10();
            assert!(
                found.upper <= sources.upper && found.upper > exact - STEP,
                "{found:?}"
            );
            assert!(
                found.lower >= sources.lower && found.lower < STEP - exact,
                "{found:?}"
            );
        }
    }

    #[test]
    fn ratios_of_no_use_are_bounded_at_one() {
        for useless in [
            items(&[-1.0, -2.0], &[1.0, 2.0]),
            items(&[0.3; 5], &[0.3; 5]),
            items(&[f64::NEG_INFINITY], &[f64::INFINITY]),
        ] {
            let found = elub(&useless).unwrap();
            assert_eq!((found.lower, found.upper), (0.0, 0.0), "{useless:?}");
        }
    }

    #[test]
    fn a_class_without_items_has_no_bound() {
        assert_eq!(elub(&[]), Err(CalibrationError::NoStudents));
        assert_eq!(elub(&items(&[1.0], &[])), Err(CalibrationError::NoOthers));
        let error = CalibrationError::NotANumber { item: 1 };
        assert_eq!(elub(&items(&[1.0], &[f64::NAN])), Err(error));
    }
}
