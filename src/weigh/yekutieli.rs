//! q-values that hold the false discovery rate whatever the tests have in common.
//!
//! Of m tests with the p-values `p(1) <= ... <= p(m)` in their order:
//!
//! ```text
//! q(i) = min(1, min over j >= i of  m c(m) p(j) / j),     c(m) = 1 + 1/2 + ... + 1/m
//! ```
//!
//! Whoever calls all tests with q at most a discoveries has an expected share of false ones among them of at most a,
//! under any dependence between the tests. Source: Benjamini and Yekutieli, *Annals of Statistics* 29 (2001) 1165-1188,
//! theorem 1.3. The same figures as SciPy's `false_discovery_control(p, method='by')`.

/// The q-value of every p-value, in their order; `None` where there is none, or one is no probability.
pub fn yekutieli(ps: &[f64]) -> Option<Vec<f64>> {
    if ps.is_empty() || !ps.iter().all(|p| (0.0..=1.0).contains(p)) {
        return None;
    }
    let m = ps.len();
    // From the smallest part on, so that nothing is lost in the sum.
    let harmonic: f64 = (1..=m).rev().map(|i| 1.0 / i as f64).sum();
    let mut order: Vec<usize> = (0..m).collect();
    order.sort_by(|a, b| ps[*a].total_cmp(&ps[*b]));
    let mut qs = vec![1.0; m];
    let mut least: f64 = 1.0;
    for (rank, place) in order.into_iter().enumerate().rev() {
        least = least.min(m as f64 * harmonic * ps[place] / (rank + 1) as f64);
        qs[place] = least;
    }
    Some(qs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() <= 1e-12 * b.abs().max(1e-3), "{found:?}");
        }
    }

    /// `scipy.stats.false_discovery_control(p, method='by')`, SciPy 1.17.1; statsmodels' `fdr_by` gives the same.
    #[test]
    fn the_figures_are_those_of_scipy() {
        near(
            &yekutieli(&[
                0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216, 0.222, 0.251,
                0.269, 0.275, 0.34, 0.341, 0.384, 0.569, 0.594, 0.696, 0.762, 0.94, 0.942, 0.975,
                0.986,
            ])
            .unwrap(),
            &[
                0.095_398_954_443_837_7,
                0.381_595_817_775_351,
                0.801_351_217_328_237,
                0.801_351_217_328_237,
                0.801_351_217_328_237,
                0.953_989_544_438_377,
                1.0,
                1.0,
                1.0,
                1.0,
                1.0,
                1.0,
                1.0,
                1.0,
                1.0,
                1.0,
                1.0,
                1.0,
                1.0,
                1.0,
                1.0,
                1.0,
                1.0,
                1.0,
                1.0,
            ],
        );
        near(
            &yekutieli(&[1e-12, 3e-09, 0.2, 1e-05, 0.05, 0.0002]).unwrap(),
            &[1.47e-11, 2.205e-08, 0.49, 4.9e-05, 0.147, 0.000_735],
        );
        near(&yekutieli(&[0.03]).unwrap(), &[0.03]);
        near(&yekutieli(&[0.9, 0.9, 0.001]).unwrap(), &[1.0, 1.0, 0.0055]);
    }

    #[test]
    fn equal_ps_have_equal_qs_and_order_does_not_matter() {
        let qs = yekutieli(&[0.02, 0.001, 0.02, 0.5]).unwrap();
        assert!((qs[0] - qs[2]).abs() < 1e-15);
        let turned = yekutieli(&[0.5, 0.02, 0.02, 0.001]).unwrap();
        near(&turned, &[qs[3], qs[0], qs[0], qs[1]]);
    }

    #[test]
    fn what_is_no_probability_has_no_q() {
        assert_eq!(yekutieli(&[]), None);
        assert_eq!(yekutieli(&[0.1, f64::NAN]), None);
        assert_eq!(yekutieli(&[0.1, 1.5]), None);
        assert_eq!(yekutieli(&[-1e-9]), None);
        assert_eq!(yekutieli(&[0.0, 1.0]), Some(vec![0.0, 1.0]));
    }

    proptest! {
        #[test]
        fn a_q_is_no_less_than_its_p_and_keeps_the_order(ps in proptest::collection::vec(0.0_f64..=1.0, 1..60)) {
            let qs = yekutieli(&ps).unwrap();
            for (p, q) in ps.iter().zip(&qs) {
                prop_assert!(*q >= p * (1.0 - 1e-12) && *q <= 1.0);
            }
            for (i, j) in (0..ps.len()).zip(1..ps.len()) {
                prop_assert!((ps[i] <= ps[j]) <= (qs[i] <= qs[j]));
            }
        }
    }
}
