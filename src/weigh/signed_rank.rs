//! Wilcoxon's signed-rank test of paired differences.

use statrs::distribution::{ContinuousCDF, Normal};

use super::ranks::mid_ranks;

/// With more differences than this the exact distribution is left for the normal one.
pub(super) const EXACT_UP_TO: usize = 50;

/// A paired test of "the first is larger than the second".
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedTest {
    /// Pairs given, those without a difference included.
    pub pairs: usize,
    /// Mean difference over all pairs, in the unit of the differences.
    pub mean: f64,
    /// Sum of the ranks of the positive differences.
    pub statistic: f64,
    /// One-sided probability of a statistic at least as large, if differences are symmetric about 0.
    pub p: f64,
}

/// Tests whether paired differences lie above zero, by their signed ranks.
///
/// With the zeros dropped, `n` differences left and `|d|` given mid-ranks, the statistic is
/// `W+ = sum of ranks where d > 0` (dimensionless). Without zeros or ties and for `n <= 50`, `p` is
/// exact: the share of the `2^n` sign patterns with a sum of at least `W+`. Otherwise it is
/// `1 - Phi((W+ - n(n+1)/4) / s)`, `s^2 = (n(n+1)(2n+1) - sum(t^3 - t)/2) / 24` over tied groups of
/// size `t`, without continuity correction.
///
/// Sources: Wilcoxon, *Biometrics Bulletin* 1 (1945) 80-83; Hollander, Wolfe and Chicken,
/// *Nonparametric Statistical Methods* (2014), section 3.1. It gives the numbers of
/// `scipy.stats.wilcoxon(d, alternative="greater", zero_method="wilcox", correction=False)`.
///
/// The pairs are the unit: it says whether the difference is there for more probes like these, not
/// whether it would be there for another model. `None` when no difference is left or one is not
/// finite.
pub fn signed_rank(differences: &[f64]) -> Option<PairedTest> {
    if differences.iter().any(|d| !d.is_finite()) {
        return None;
    }
    let kept: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    if kept.is_empty() {
        return None;
    }
    let magnitudes: Vec<f64> = kept.iter().map(|d| d.abs()).collect();
    let ranked = mid_ranks(&magnitudes);
    let statistic: f64 = kept
        .iter()
        .zip(&ranked.ranks)
        .filter(|(d, _)| **d > 0.0)
        .map(|(_, rank)| rank)
        .sum();
    let untouched = kept.len() == differences.len() && ranked.ties.is_empty();
    let p = if untouched && kept.len() <= EXACT_UP_TO {
        exact_tail(kept.len(), statistic)
    } else {
        normal_tail(kept.len(), statistic, &ranked.ties)?
    };
    Some(PairedTest {
        pairs: differences.len(),
        mean: differences.iter().sum::<f64>() / differences.len() as f64,
        statistic,
        p,
    })
}

/// Share of sign patterns of the ranks `1..=n` whose positive ranks sum to at least `statistic`.
fn exact_tail(n: usize, statistic: f64) -> f64 {
    // ways[s]: subsets of the ranks seen so far that sum to s. At most 2^50, so exact in an f64.
    let mut ways = vec![0.0_f64; n * (n + 1) / 2 + 1];
    ways[0] = 1.0;
    for rank in 1..=n {
        for sum in (rank..ways.len()).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    let at_least: f64 = ways
        .iter()
        .enumerate()
        .filter(|(sum, _)| *sum as f64 >= statistic)
        .map(|(_, count)| count)
        .sum();
    at_least / ways.iter().sum::<f64>()
}

fn normal_tail(n: usize, statistic: f64, ties: &[usize]) -> Option<f64> {
    let n = n as f64;
    let tied: f64 = ties
        .iter()
        .map(|&t| (t as f64).powi(3) - t as f64)
        .sum::<f64>();
    let variance = (n * (n + 1.0) * (2.0 * n + 1.0) - tied / 2.0) / 24.0;
    let z = (statistic - n * (n + 1.0) / 4.0) / variance.sqrt();
    Some(Normal::new(0.0, 1.0).ok()?.sf(z))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(differences: &[f64], statistic: f64, p: f64) {
        let found = signed_rank(differences).unwrap();
        assert!((found.statistic - statistic).abs() < 1e-12, "{found:?}");
        assert!((found.p / p - 1.0).abs() < 1e-10, "{found:?}");
        assert_eq!(found.pairs, differences.len());
    }

    fn many(n: i32) -> Vec<f64> {
        (0..n)
            .map(|i| 0.31 * f64::from(i * i % 53) - 4.1 + 0.001 * f64::from(i))
            .collect()
    }

    // scipy.stats.wilcoxon(d, alternative="greater", method="exact"), SciPy 1.17.1
    #[test]
    fn exact_agrees_with_scipy() {
        check(&[1.5, -0.5, 2.5, 3.0, -1.0, 4.0, 0.7], 24.0, 0.054_687_5);
        check(&many(40), 701.0, 1.772_793_166_310_293_6e-5);
        check(&many(50), 1102.0, 8.748_398_379_054_834e-7);
    }

    // scipy.stats.wilcoxon(d, alternative="greater", method="approx", correction=False,
    //                      zero_method="wilcox"), SciPy 1.17.1
    #[test]
    fn approximate_agrees_with_scipy() {
        check(&many(51), 1132.0, 5.509_238_935_952_09e-6);
        let one_zero = [1.5, -0.5, 2.5, 0.0, 3.0, -1.0, 4.0, 0.7];
        check(&one_zero, 24.0, 0.045_484_473_987_678_874);
        let zeros_and_ties = [1.0, -1.0, 2.0, 2.0, 0.0, 3.0, -2.0, 4.0, 0.0, 5.0];
        check(&zeros_and_ties, 30.5, 0.039_104_403_811_496_304);
        let long: Vec<f64> = (0..200).map(|i| f64::from(i % 7 - 1)).collect();
        check(&long, 13850.5, 2.956_966_024_688_237_5e-24);
    }

    #[test]
    fn one_pair_is_a_coin() {
        check(&[3.0], 1.0, 0.5);
        check(&[-3.0], 0.0, 1.0);
    }

    #[test]
    fn the_mean_is_over_all_pairs() {
        let found = signed_rank(&[2.0, 0.0, 4.0, 0.0]).unwrap();
        assert!((found.mean - 1.5).abs() < 1e-15);
        assert_eq!(found.pairs, 4);
    }

    #[test]
    fn has_no_value_without_differences_or_with_numbers_that_are_not_finite() {
        assert_eq!(signed_rank(&[]), None);
        assert_eq!(signed_rank(&[0.0, -0.0]), None);
        assert_eq!(signed_rank(&[1.0, f64::NAN]), None);
        assert_eq!(signed_rank(&[1.0, f64::INFINITY]), None);
    }
}
