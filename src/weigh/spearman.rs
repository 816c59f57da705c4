//! Spearman's rank correlation.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::ranks::mid_ranks;

/// Up to this many pairs without ties all orders are enumerated (9! = 362,880).
const EXACT_UP_TO: usize = 9;

/// A rank correlation with its one-sided test of "the two rise together".
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankCorrelation {
    /// Correlation of the ranks, from -1 to 1.
    pub rho: f64,
    /// One-sided probability of a correlation at least as large, if the two are independent.
    pub p: f64,
    /// Number of pairs.
    pub pairs: usize,
}

/// Correlates the ranks of two samples and tests whether they rise together.
///
/// `rho` is Pearson's correlation of the mid-ranks (dimensionless). Without ties and for
/// `n <= 9` pairs, `p` is exact: the share of the `n!` orders with a correlation at least as large.
/// Otherwise `t = rho * sqrt((n - 2) / ((1 + rho)(1 - rho)))` is referred to Student's distribution
/// on `n - 2` degrees of freedom, and `p` is kept at or above `1 / n!` (or the smallest positive
/// f64): no order of `n` items is rarer, while the approximation falls to zero as `rho` nears 1.
///
/// Sources: Spearman, *American Journal of Psychology* 15 (1904) 72-101; Kendall and Gibbons, *Rank
/// Correlation Methods* (1990), chapter 4. Above the floor it gives the numbers of
/// `scipy.stats.spearmanr(x, y, alternative="greater")`.
///
/// `None` for samples of unequal length, of fewer than two, without spread, or with a number that is
/// not finite.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<RankCorrelation> {
    let n = x.len();
    if n != y.len() || n < 2 || x.iter().chain(y).any(|v| !v.is_finite()) {
        return None;
    }
    let (x, y) = (mid_ranks(x), mid_ranks(y));
    let mean = (n + 1) as f64 / 2.0;
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (rank_x, rank_y) in x.ranks.iter().zip(&y.ranks) {
        let (dx, dy) = (rank_x - mean, rank_y - mean);
        xy += dx * dy;
        xx += dx * dx;
        yy += dy * dy;
    }
    if xx == 0.0 || yy == 0.0 {
        return None;
    }
    let rho = (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0);
    let p = if x.ties.is_empty() && y.ties.is_empty() && n <= EXACT_UP_TO {
        exact_tail(n, xy)
    } else {
        student_tail(n, rho)?.max(rarest_order(n))
    };
    Some(RankCorrelation { rho, p, pairs: n })
}

fn student_tail(n: usize, rho: f64) -> Option<f64> {
    let freedom = (n - 2) as f64;
    let t = rho * (freedom / ((1.0 + rho) * (1.0 - rho))).sqrt();
    // At rho = 1 and -1 the distribution function would be asked for an infinite t.
    if t.is_infinite() {
        return Some(if rho > 0.0 { 0.0 } else { 1.0 });
    }
    Some(StudentsT::new(0.0, 1.0, freedom).ok()?.sf(t))
}

/// `1 / n!`, or the smallest positive f64 where that is smaller still.
fn rarest_order(n: usize) -> f64 {
    (2..=n)
        .fold(1.0, |share, k| share / k as f64)
        .max(f64::MIN_POSITIVE)
}

/// Share of the orders of `n` items whose centred cross product is at least `observed`.
fn exact_tail(n: usize, observed: f64) -> f64 {
    let mut orders = Orders {
        n,
        // Cross products are multiples of 1/4, so a tolerance this small only absorbs rounding.
        at_least: observed - 1e-9,
        found: 0,
        all: 0,
    };
    orders.extend(0, 0, 0.0);
    f64::from(orders.found) / f64::from(orders.all)
}

struct Orders {
    n: usize,
    at_least: f64,
    found: u32,
    all: u32,
}

impl Orders {
    /// Places every unused rank at `position` in turn; `used` has a bit for each rank in use.
    fn extend(&mut self, position: usize, used: u32, product: f64) {
        if position == self.n {
            self.all += 1;
            self.found += u32::from(product >= self.at_least);
            return;
        }
        let mean = (self.n - 1) as f64 / 2.0;
        for rank in 0..self.n {
            if used & (1 << rank) == 0 {
                let step = (position as f64 - mean) * (rank as f64 - mean);
                self.extend(position + 1, used | (1 << rank), product + step);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(x: &[f64], y: &[f64], rho: f64, p: f64) {
        let found = spearman(x, y).unwrap();
        assert!((found.rho - rho).abs() < 1e-12, "{found:?}");
        assert!((found.p / p - 1.0).abs() < 1e-9, "{found:?}");
        assert_eq!(found.pairs, x.len());
    }

    fn numbers(of: impl Iterator<Item = u32>) -> Vec<f64> {
        of.map(f64::from).collect()
    }

    // scipy.stats.spearmanr(x, y, alternative="greater"), SciPy 1.17.1
    #[test]
    fn agrees_with_scipy() {
        check(
            &numbers(1..11),
            &[2.0, 1.0, 4.0, 3.0, 7.0, 5.0, 6.0, 10.0, 8.0, 9.0],
            0.903_030_303_030_302_8,
            0.000_171_806_098_881_641_2,
        );
        check(
            &numbers(0..60),
            &numbers((0..60).map(|i| i * 17 % 60)),
            -0.031_397_610_447_346_49,
            0.594_116_638_366_436,
        );
        check(
            &numbers(0..200),
            &numbers((0..200).map(|i| if i % 3 == 0 { i * 71 % 200 } else { i })),
            0.690_701_905_205_651_9,
            5.449_718_306_144_031e-30,
        );
    }

    // The same, with ties.
    #[test]
    fn agrees_with_scipy_on_ties() {
        check(
            &[1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 5.0, 5.0],
            &[2.0, 1.0, 4.0, 3.0, 3.0, 6.0, 8.0, 7.0],
            0.827_412_753_818_943_7,
            0.005_622_867_140_880_41,
        );
        check(
            &numbers(0..60),
            &numbers((0..60).map(|i| (i * 7 + 3 * (i % 2)) % 53)),
            0.060_968_154_658_860_386,
            0.321_770_432_699_290_57,
        );
    }

    // itertools.permutations, counting sum((x-y)**2) <= observed: 106/120, 86/5040, 1954/362880; the
    // second also by scipy.stats.permutation_test(permutation_type="pairings").
    #[test]
    fn few_pairs_are_enumerated() {
        let three = [3.0, 1.0, 2.0, 5.0, 4.0, 9.0, 6.0, 8.0, 7.0];
        check(
            &numbers(1..6),
            &[5.0, 4.0, 1.0, 2.0, 3.0],
            -0.6,
            106.0 / 120.0,
        );
        check(
            &numbers(1..8),
            &[2.0, 1.0, 4.0, 3.0, 7.0, 5.0, 6.0],
            0.821_428_571_428_571_5,
            86.0 / 5040.0,
        );
        let rho = spearman(&numbers(1..10), &three).unwrap().rho;
        check(&numbers(1..10), &three, rho, 1954.0 / 362_880.0);
        check(&[1.0, 2.0], &[5.0, 9.0], 1.0, 0.5);
        check(&[1.0, 2.0], &[9.0, 5.0], -1.0, 1.0);
    }

    #[test]
    fn no_order_is_rarer_than_one_in_n_factorial() {
        check(&numbers(0..10), &numbers(0..10), 1.0, 1.0 / 3_628_800.0);
        let many = numbers(0..2000);
        let same = spearman(&many, &many).unwrap();
        assert!((same.rho - 1.0).abs() < 1e-12);
        assert!(same.p > 0.0 && same.p < 1e-300);
        let reversed: Vec<f64> = many.iter().rev().copied().collect();
        assert!((spearman(&many, &reversed).unwrap().p - 1.0).abs() < 1e-12);
    }

    #[test]
    fn has_no_value_without_spread_or_pairs() {
        assert_eq!(spearman(&[], &[]), None);
        assert_eq!(spearman(&[1.0], &[1.0]), None);
        assert_eq!(spearman(&[1.0, 2.0], &[1.0]), None);
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[0.0, -0.0, 0.0]), None);
    }

    #[test]
    fn has_no_value_for_numbers_that_are_not_finite() {
        assert_eq!(spearman(&[1.0, f64::NAN], &[1.0, 2.0]), None);
        assert_eq!(spearman(&[1.0, 2.0], &[f64::INFINITY, 2.0]), None);
    }
}
