//! Isotonic calibration: pool adjacent violators.

use super::{CalibrationError, Classes, Scored};

/// A rising curve from score to log10 likelihood ratio.
#[derive(Debug, Clone, PartialEq)]
pub struct Isotonic {
    /// Scores, rising, each with its log10 likelihood ratio.
    knots: Vec<(f64, f64)>,
}

/// Adjacent scores with one likelihood ratio.
struct Block {
    low: f64,
    high: f64,
    students: usize,
    others: usize,
}

impl Isotonic {
    /// Fits the curve by pooling adjacent violators (PAV).
    ///
    /// Among all rising curves it is the one that predicts the truth best, both classes given the same
    /// weight: the log10 ratio of a block of pooled scores is that of the share of students in it to the
    /// share of the others in it. Equal scores are one block from the start. Without made-up items the lowest and
    /// the highest block say minus and plus infinity where the classes overlap no more.
    ///
    /// With `misleading` (1 is usual), that many made-up students lie 1 below the lowest score and as many
    /// made-up others 1 above the highest, and no ratio is infinite.
    ///
    /// Sources: Ayer et al., *Annals of Mathematical Statistics* 26 (1955) 641-647, for PAV; Brümmer and du
    /// Preez, *Computer Speech & Language* 20 (2006) 230-275, for ratios from it. The numbers of lir's
    /// `IsotonicCalibrator(add_misleading = misleading)`.
    ///
    /// # Errors
    /// A score that is no number, or a class without items.
    pub fn fit(items: &[Scored], misleading: usize) -> Result<Self, CalibrationError> {
        let mut classes = Classes::new(items)?;
        let (students, others) = (&mut classes.students, &mut classes.others);
        let lowest = students[0].min(others[0]);
        let highest = students[students.len() - 1].max(others[others.len() - 1]);
        students.splice(0..0, vec![lowest - 1.0; misleading]);
        others.extend(vec![highest + 1.0; misleading]);
        let balance = (others.len() as f64).log10() - (students.len() as f64).log10();
        let mut knots = Vec::new();
        for block in pool(&classes) {
            let ratio = (block.students as f64).log10() - (block.others as f64).log10();
            knots.push((block.low, ratio + balance));
            if block.high > block.low {
                knots.push((block.high, ratio + balance));
            }
        }
        Ok(Self { knots })
    }

    /// The log10 likelihood ratio of a score; not a number for a score that is not one.
    ///
    /// Between two scores that were fitted the probability at equal priors is on the straight line between
    /// theirs; beyond the last it stays.
    pub fn log10_lr(&self, score: f64) -> f64 {
        if score.is_nan() {
            return score;
        }
        let after = self.knots.partition_point(|k| k.0 < score);
        let Some(&(high, above)) = self.knots.get(after) else {
            return self.knots.last().map_or(0.0, |k| k.1);
        };
        if after == 0 || high <= score {
            return above;
        }
        let (low, below) = self.knots[after - 1];
        if low.is_infinite() || high.is_infinite() {
            // There is no line to infinity: the end that is near.
            return if low.is_infinite() { above } else { below };
        }
        if below.total_cmp(&above).is_eq() {
            return below;
        }
        let share = (score - low) / (high - low);
        let probability = |log10_odds: f64| 1.0 / (1.0 + 10_f64.powf(-log10_odds));
        let (p, q) = (probability(below), probability(above));
        let p = p + share * (q - p);
        p.log10() - (1.0 - p).log10()
    }
}

/// Blocks with rising shares of students.
fn pool(classes: &Classes) -> Vec<Block> {
    let (students, others) = (&classes.students, &classes.others);
    let mut blocks: Vec<Block> = Vec::new();
    let (mut s, mut o) = (0, 0);
    while s < students.len() || o < others.len() {
        let next = |class: &[f64], at: usize| class.get(at).copied().unwrap_or(f64::INFINITY);
        let score = next(students, s).min(next(others, o));
        let tied = |class: &[f64], at: usize| class[at..].partition_point(|c| *c <= score);
        let mut block = Block {
            low: score,
            high: score,
            students: tied(students, s),
            others: tied(others, o),
        };
        s += block.students;
        o += block.others;
        // The ratio of a block is not above that of the one below: multiplied out, for whole numbers.
        while let Some(last) = blocks.pop_if(|last| {
            let (last_students, last_others) = (last.students as u128, last.others as u128);
            last_students * block.others as u128 >= block.students as u128 * last_others
        }) {
            block.low = last.low;
            block.students += last.students;
            block.others += last.others;
        }
        blocks.push(block);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weigh::calibration::tests::{items, same};

    #[test]
    fn between_finite_and_infinite_scores_the_near_end_counts() {
        let inf = f64::INFINITY;
        let found = Isotonic::fit(&items(&[inf, 0.0], &[-inf, 0.0]), 0).unwrap();
        // Infinite at the ends, a ratio of 1 at 0.
        for (score, ratio) in [
            (-inf, -inf),
            (-5.0, 0.0),
            (0.0, 0.0),
            (5.0, 0.0),
            (inf, inf),
        ] {
            assert!(same(found.log10_lr(score), ratio), "{score}");
        }
        assert!(found.log10_lr(f64::NAN).is_nan());
    }

    #[test]
    fn one_item_in_each_class_is_no_evidence_once_smoothed() {
        // Shares are 1/2 everywhere: the made-up items are as many as the real ones.
        let apart = Isotonic::fit(&items(&[1.0], &[0.0]), 1).unwrap();
        assert_eq!((apart.log10_lr(0.0), apart.log10_lr(9.0)), (0.0, 0.0));
        let plain = Isotonic::fit(&items(&[1.0], &[0.0]), 0).unwrap();
        assert!(same(plain.log10_lr(0.0), f64::NEG_INFINITY));
        assert!(same(plain.log10_lr(9.0), f64::INFINITY));
        assert!(plain.log10_lr(0.5).abs() < 1e-15);
    }

    #[test]
    fn a_class_without_items_is_named() {
        assert_eq!(Isotonic::fit(&[], 1), Err(CalibrationError::NoStudents));
        let only = Isotonic::fit(&items(&[1.0], &[]), 1);
        assert_eq!(only, Err(CalibrationError::NoOthers));
    }

    #[test]
    fn signed_zeros_are_tied() {
        let found = Isotonic::fit(&items(&[0.0], &[-0.0]), 0).unwrap();
        assert!(same(found.log10_lr(0.0), 0.0));
    }
}
