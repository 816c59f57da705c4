//! Telling the classes apart, whatever the scale of scores.

use super::{Classes, Rate, Scored, rate, reach};

/// Rounding in `rate * items` that makes no difference.
const ROUNDING: f64 = 1e-9;

/// The area under the receiver operating characteristic: how probable it is that a student's score is above
/// another's, equal scores counted half.
///
/// Source: Mann and Whitney (1947); Hanley and McNeil, *Radiology* 143 (1982) 29-36. The numbers of
/// scikit-learn's `roc_auc_score`. `None` if a class has no items or a score is no number.
pub fn auroc(scores: &[Scored]) -> Option<f64> {
    let Classes { students, others } = Classes::new(scores).ok()?;
    let (m, n) = (others.len() as f64, students.len() as f64);
    let below = students.iter().map(|s| {
        let less = others.partition_point(|o| o < s);
        let at_most = others.partition_point(|o| o <= s);
        (less + at_most) as f64 / 2.0
    });
    Some(below.sum::<f64>() / (m * n))
}

/// How many of rising numbers are above a number.
fn reach_above(rising: &[f64], number: f64) -> usize {
    rising.len() - rising.partition_point(|r| *r <= number)
}

/// True positives where false positives are held down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Discrimination {
    /// Scores strictly above it are called; minus infinity when all others may be.
    pub threshold: f64,
    /// How many false positives the wanted rate allows among the others; 0 when they are too few to show it.
    pub allowed: usize,
    /// Students called.
    pub students: Rate,
    /// Others called; never more than allowed.
    pub others: Rate,
}

/// The true positive rate where the false positive rate is at most `at_most`.
///
/// Of `m` others, `floor(at_most * m)` may be called. The threshold is the highest score among the rest of
/// them, and a student is called whose score is *strictly* above it. With fewer than `1 / at_most` others
/// none may be: a student then has to be above them all, and the false positive rate itself is known no better than
/// its interval says.
///
/// `None` as for [`auroc`], or unless `at_most` is from 0 to 1.
pub fn tpr_at_fpr(scores: &[Scored], at_most: f64) -> Option<Discrimination> {
    let Classes { students, others } = Classes::new(scores).ok()?;
    if !(0.0..=1.0).contains(&at_most) {
        return None;
    }
    let share = |called: usize| called as f64 <= at_most * others.len() as f64 + ROUNDING;
    let allowed = (0..=others.len()).rev().find(|called| share(*called))?;
    let rest = others.len() - allowed;
    let threshold = rest.checked_sub(1).map_or(f64::NEG_INFINITY, |i| others[i]);
    let called = |class: &[f64]| {
        // With no threshold minus infinity is called as well.
        let all = if rest == 0 {
            reach(class, threshold)
        } else {
            0
        };
        rate(all.max(reach_above(class, threshold)), class.len())
    };
    Some(Discrimination {
        threshold,
        allowed,
        students: called(&students)?,
        others: called(&others)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weigh::calibration::tests::items;

    #[test]
    fn ties_count_half() {
        assert_eq!(auroc(&items(&[1.0], &[1.0])), Some(0.5));
        assert_eq!(auroc(&items(&[0.0, 2.0], &[-0.0, 1.0])), Some(0.625));
        let inf = f64::INFINITY;
        assert_eq!(auroc(&items(&[inf, inf], &[-inf, inf])), Some(0.75));
        assert_eq!(auroc(&items(&[1.0], &[])), None);
    }

    #[test]
    fn few_others_must_all_be_exceeded() {
        let found = tpr_at_fpr(&items(&[3.0, 2.0, 1.0], &[2.0, 0.0]), 0.01).unwrap();
        assert_eq!((found.threshold, found.allowed), (2.0, 0));
        assert_eq!((found.students.count, found.others.count), (1, 0));
    }

    #[test]
    fn as_many_are_allowed_as_the_rate_and_ties_never_more() {
        let hundred: Vec<f64> = (0..100_u8).map(f64::from).collect();
        for (at_most, allowed) in [(0.01, 1), (0.05, 5), (0.29, 29), (0.019, 1), (0.0, 0)] {
            let found = tpr_at_fpr(&items(&[98.5, 99.0, 99.5, 0.0], &hundred), at_most).unwrap();
            assert_eq!((found.allowed, found.others.count), (allowed, allowed));
        }
        let found = tpr_at_fpr(&items(&[98.5, 99.0], &hundred), 0.01).unwrap();
        assert_eq!((found.threshold, found.students.count), (98.0, 2));
        // Two share the top: calling one calls both.
        let tied = tpr_at_fpr(&items(&[3.0, 2.0], &[2.0, 2.0, 1.0, 1.0]), 0.25).unwrap();
        assert_eq!(
            (tied.allowed, tied.others.count, tied.students.count),
            (1, 0, 1)
        );
    }

    #[test]
    fn the_ends_of_the_scale() {
        let inf = f64::INFINITY;
        let wrong = tpr_at_fpr(&items(&[inf, 1.0], &[inf, 0.0]), 0.01).unwrap();
        assert_eq!(wrong.students.count, 0);
        let all = tpr_at_fpr(&items(&[-inf, 1.0], &[-inf, 0.0]), 1.0).unwrap();
        assert_eq!((all.students.count, all.others.count), (2, 2));
        for at_most in [-0.1, 1.1, f64::NAN] {
            assert_eq!(tpr_at_fpr(&items(&[1.0], &[0.0]), at_most), None);
        }
    }
}
