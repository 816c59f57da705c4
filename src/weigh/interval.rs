//! A mean with what it leaves open.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// How much of repeated intervals shall hold the mean.
const COVERAGE: f64 = 0.95;

/// A mean and its 95 % interval, in the unit of the values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanInterval {
    /// The mean.
    pub mean: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Number of values.
    pub values: usize,
}

/// The mean of some values with Student's 95 % interval.
///
/// `mean +- t(0.975, n - 1) * sd / sqrt(n)`, `sd` with divisor `n - 1`; in the unit of the values. It
/// assumes that they vary normally and independently. The values are the unit: over probes it says what
/// more probes like these would give, not what another model would.
///
/// Source: Student (1908), *Biometrika* 6, 1-25; the numbers of
/// `scipy.stats.t.interval(0.95, n - 1, mean, sem)`.
///
/// `None` for fewer than two values, or when one, or the spread, is not finite. Equal values give an
/// interval without width.
pub fn mean_interval(values: &[f64]) -> Option<MeanInterval> {
    let n = values.len();
    if n < 2 || values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let error = (squares / (n - 1) as f64 / n as f64).sqrt();
    let reach = StudentsT::new(0.0, 1.0, (n - 1) as f64)
        .ok()?
        .inverse_cdf(f64::midpoint(1.0, COVERAGE));
    let half = reach * error;
    half.is_finite().then_some(MeanInterval {
        mean,
        low: mean - half,
        high: mean + half,
        values: n,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], mean: f64, low: f64, high: f64) {
        let found = mean_interval(values).unwrap();
        for (found, expected) in [(found.mean, mean), (found.low, low), (found.high, high)] {
            assert!((found - expected).abs() < 1e-8, "{found} {expected}");
        }
        assert_eq!(found.values, values.len());
    }

    // scipy.stats.t.interval(0.95, n - 1, x.mean(), x.std(ddof=1) / sqrt(n)), SciPy 1.17.1
    #[test]
    fn agrees_with_scipy() {
        let five = [1.0, 2.0, 2.5, 3.0, 4.5];
        check(&five, 2.6, 0.993_016_214_634_004_7, 4.206_983_785_365_995_5);
        check(
            &[0.1, 0.3],
            0.2,
            -1.070_620_473_617_469_4,
            1.470_620_473_617_469_3,
        );
    }

    #[test]
    fn equal_values_leave_nothing_open() {
        check(&[2.0, 2.0, 2.0], 2.0, 2.0, 2.0);
    }

    #[test]
    fn has_no_value_for_less_than_two_or_what_is_not_finite() {
        assert_eq!(mean_interval(&[]), None);
        assert_eq!(mean_interval(&[1.0]), None);
        assert_eq!(mean_interval(&[1.0, f64::NAN]), None);
        assert_eq!(mean_interval(&[f64::MAX, -f64::MAX]), None);
    }
}
