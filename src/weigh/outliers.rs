//! How many of the largest values do not belong to the rest, where several may hide one another.

/// How many of the values that were taken away one after another are outliers.
///
/// `ps[i]` is the p of the largest of the `of - i` values that were left after i had been taken away, among the others
/// that were left. The value taken away at step i stands out by itself if `ps[i] < alpha / (of - i)`; the number of
/// outliers is the largest i + 1 for which one does, so that outliers that hide each other are found by what is left
/// once the first of them are gone.
///
/// Source: Rosner, *Technometrics* 25 (1983) 165-172, the generalised extreme Studentised deviate, for the upper tail:
/// `alpha` here is half of his. With independent normal values the probability that any is called an outlier is about
/// `alpha`.
pub fn outliers(ps: &[f64], of: usize, alpha: f64) -> usize {
    let stands_out = |i: &usize| ps[*i] < alpha / of.saturating_sub(*i).max(1) as f64;
    (0..ps.len())
        .rev()
        .find(stands_out)
        .map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weigh::crawford_howell;

    /// Rosner's example as in the NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.5.17.3.
    const ROSNER: [f64; 54] = [
        -0.25, 0.68, 0.94, 1.15, 1.20, 1.26, 1.26, 1.34, 1.38, 1.43, 1.49, 1.49, 1.55, 1.56, 1.58,
        1.65, 1.69, 1.70, 1.76, 1.77, 1.81, 1.91, 1.94, 1.96, 1.99, 2.06, 2.09, 2.10, 2.14, 2.15,
        2.23, 2.24, 2.26, 2.35, 2.37, 2.40, 2.47, 2.54, 2.62, 2.64, 2.90, 2.92, 2.92, 2.93, 3.21,
        3.26, 3.30, 3.59, 3.68, 4.30, 4.64, 5.34, 5.42, 6.01,
    ];

    /// The p of the largest value among the others, and again without it.
    fn path(values: &[f64], steps: usize) -> Vec<f64> {
        let mut left = values.to_vec();
        left.sort_by(f64::total_cmp);
        let step = |_| {
            let largest = left.pop().unwrap();
            crawford_howell(largest, &left).unwrap().p
        };
        (0..steps).map(step).collect()
    }

    #[test]
    fn the_published_example_has_three_though_the_first_two_hide_each_other() {
        let ps = path(&ROSNER, 10);
        assert_eq!(outliers(&ps, 54, 0.025), 3);
        // R1 = 3.118 is below 3.158 there, R2 = 2.942 below 3.151, R3 = 3.179 above 3.143, R4 = 2.810 below 3.136.
        let alone: Vec<bool> = (0..4).map(|i| ps[i] < 0.025 / (54 - i) as f64).collect();
        assert_eq!(alone, [false, false, true, false]);
    }

    #[test]
    fn without_one_that_stands_out_there_is_none() {
        assert_eq!(outliers(&path(&ROSNER[..40], 5), 40, 0.025), 0);
        assert_eq!(outliers(&[], 8, 0.01), 0);
        assert_eq!(outliers(&[1.0, f64::NAN], 8, 0.01), 0);
        // As many p as values, and more than there are.
        assert_eq!(outliers(&[1.0, 0.0], 1, 0.01), 2);
    }
}
