//! Several p-values at once: Fisher's combination and Holm's adjustment.

use std::f64::consts::LN_10;

/// Independent p-values combined into one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Combined {
    /// `-2 * sum(ln p)`.
    pub statistic: f64,
    /// Twice the number of p-values.
    pub degrees_of_freedom: usize,
    /// Combined p-value; 0 where it is below the smallest f64.
    pub p: f64,
    /// Its base-10 logarithm, which still holds where `p` has become 0.
    pub log10_p: f64,
}

/// Combines independent p-values by Fisher's method.
///
/// `X = -2 * sum(ln p_i)` is referred to chi-squared on `2k` degrees of freedom, whose upper tail
/// is the finite sum `exp(-X/2) * sum_{i<k} (X/2)^i / i!`; it is summed as logarithms, so there is
/// no tail too far out. Dimensionless.
///
/// Source: Fisher, *Statistical Methods for Research Workers* (1932), section 21.1. It gives the
/// numbers of `scipy.stats.combine_pvalues(p, method="fisher")`.
///
/// A p-value of 0 makes the statistic infinite and the combined p-value 0. `None` for no p-values,
/// or for one outside 0 to 1. Dependent p-values give a combined one that is too small.
pub fn fisher(p_values: &[f64]) -> Option<Combined> {
    if p_values.is_empty() || !all_probabilities(p_values) {
        return None;
    }
    // Adding 0.0 turns the -0.0 that p-values of 1 give into 0.0.
    let half = -p_values.iter().map(|p| p.ln()).sum::<f64>() + 0.0;
    let ln_p = ln_poisson_cdf(p_values.len(), half).min(0.0);
    Some(Combined {
        statistic: 2.0 * half,
        degrees_of_freedom: 2 * p_values.len(),
        p: ln_p.exp(),
        log10_p: ln_p / LN_10,
    })
}

/// `ln(exp(-rate) * sum_{i<terms} rate^i / i!)`.
fn ln_poisson_cdf(terms: usize, rate: f64) -> f64 {
    if rate.is_infinite() {
        return f64::NEG_INFINITY;
    }
    let mut logarithms = vec![0.0_f64];
    for i in 1..terms {
        logarithms.push(logarithms[i - 1] + rate.ln() - (i as f64).ln());
    }
    let largest = logarithms.iter().copied().fold(f64::MIN, f64::max);
    let rest: f64 = logarithms.iter().map(|l| (l - largest).exp()).sum();
    largest + rest.ln() - rate
}

/// Adjusts p-values for having looked at several, controlling the family-wise error rate.
///
/// With the p-values in ascending order, `p'_(i) = min(1, max_{j<=i} (k - j + 1) * p_(j))`, given
/// back in the order they came in. Dimensionless, valid under any dependence.
///
/// Source: Holm, "A simple sequentially rejective multiple test procedure", *Scandinavian Journal
/// of Statistics* 6 (1979) 65-70.
///
/// Nothing for nothing; `None` when one is outside 0 to 1.
pub fn holm(p_values: &[f64]) -> Option<Vec<f64>> {
    if !all_probabilities(p_values) {
        return None;
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut highest = 0.0_f64;
    for (position, &index) in order.iter().enumerate() {
        let remaining = (p_values.len() - position) as f64;
        highest = highest.max((remaining * p_values[index]).min(1.0));
        adjusted[index] = highest;
    }
    Some(adjusted)
}

fn all_probabilities(p_values: &[f64]) -> bool {
    // A NaN is in no range.
    p_values.iter().all(|p| (0.0..=1.0).contains(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(p_values: &[f64], statistic: f64, p: f64) {
        let found = fisher(p_values).unwrap();
        assert!((found.statistic - statistic).abs() < 1e-12 * (1.0 + statistic));
        assert!((found.p / p - 1.0).abs() < 1e-12, "{found:?}");
        assert!((found.log10_p - p.log10()).abs() < 1e-12);
        assert_eq!(found.degrees_of_freedom, 2 * p_values.len());
    }

    // scipy.stats.combine_pvalues(p, method="fisher"), SciPy 1.17.1
    #[test]
    fn fisher_agrees_with_scipy() {
        check(
            &[0.01, 0.2, 0.3],
            14.837_161_805_496_255,
            0.021_561_751_324_834_632,
        );
        check(
            &[0.04, 0.06, 0.9, 0.2, 0.5, 0.5, 0.3],
            20.674_704_270_331_98,
            0.110_263_820_194_266_67,
        );
    }

    #[test]
    fn one_p_value_is_itself_and_ones_give_one() {
        check(&[0.5], 1.386_294_361_119_890_6, 0.5);
        check(&[1.0, 1.0, 1.0], 0.0, 1.0);
        assert!(fisher(&[1.0]).unwrap().statistic.total_cmp(&0.0).is_eq());
    }

    // Python's decimal, 60 digits: log10(exp(-s) * (1 + s + s*s/2)), s = -sum(ln p); SciPy gives p = 0.
    #[test]
    fn the_logarithm_holds_where_the_p_value_is_lost() {
        let found = fisher(&[1e-200, 1e-150, 0.5]).unwrap();
        assert!((found.statistic - 1_613.195_859_456_952).abs() < 1e-9);
        assert!(found.p.abs() < f64::MIN_POSITIVE);
        let digits = -344.787_668_931_527_17;
        assert!((found.log10_p - digits).abs() < 1e-10, "{found:?}");
    }

    #[test]
    fn a_p_value_of_zero_is_certain() {
        let found = fisher(&[0.0, 0.5]).unwrap();
        assert!(found.statistic.is_infinite() && found.log10_p.is_infinite());
        assert!(found.p.abs() < f64::MIN_POSITIVE);
    }

    #[test]
    fn fisher_has_no_value_for_nothing_or_what_is_no_probability() {
        assert_eq!(fisher(&[]), None);
        assert_eq!(fisher(&[0.5, -0.1]), None);
        assert_eq!(fisher(&[0.5, 1.1]), None);
        assert_eq!(fisher(&[f64::NAN]), None);
    }

    // By the formula; statsmodels' multipletests(p, method="holm") documents the same.
    #[test]
    fn holm_keeps_the_order_given_and_never_decreases() {
        let found = holm(&[0.01, 0.04, 0.03, 0.005]).unwrap();
        for (found, expected) in found.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found - expected).abs() < 1e-15);
        }
        assert_eq!(holm(&[0.6, 0.6]).unwrap(), [1.0, 1.0]);
        assert_eq!(holm(&[0.2]).unwrap(), [0.2]);
        assert_eq!(holm(&[0.0, 1.0]).unwrap(), [0.0, 1.0]);
    }

    #[test]
    fn holm_of_nothing_is_nothing() {
        assert_eq!(holm(&[]).unwrap(), [0.0; 0]);
        assert_eq!(holm(&[f64::NAN]), None);
        assert_eq!(holm(&[2.0]), None);
    }
}
