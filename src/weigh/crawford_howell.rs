//! One case against few controls.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{Sample, moderated};

/// A single case compared with a small sample of controls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SingleCase {
    /// Distance of the case from the controls' centre, in standard errors of a new observation.
    pub t: f64,
    /// Controls minus one, and what a prior variance counts for.
    pub degrees_of_freedom: f64,
    /// One-sided probability of a `t` at least as large, if the case is one more control.
    pub p: f64,
    /// The controls' standard deviation that it rests on, in the scores' unit.
    pub sd: f64,
    /// Number of controls.
    pub controls: usize,
    /// The standard deviation of a case less the controls' centre, if it is one more control, in their standard
    /// deviation.
    pub widening: f64,
}

impl SingleCase {
    /// The test of a case that lies `gap` above the controls' centre, in the scores' unit as `sd` is; `None` if there is
    /// no such t.
    pub(super) fn new(gap: f64, sd: f64, sample: Sample) -> Option<Self> {
        let Sample {
            controls,
            degrees_of_freedom,
            widening,
        } = sample;
        let t = gap / (sd * widening);
        if !t.is_finite() {
            return None;
        }
        Some(Self {
            t,
            degrees_of_freedom,
            p: StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()?.sf(t),
            sd,
            controls,
            widening,
        })
    }

    /// How far the case lies from the controls' centre, in their standard deviation.
    pub fn distance(&self) -> f64 {
        self.t * self.widening
    }

    /// The controls, as far as the power of the test depends on them.
    pub fn sample(&self) -> Sample {
        Sample {
            controls: self.controls,
            degrees_of_freedom: self.degrees_of_freedom,
            widening: self.widening,
        }
    }
}

/// Tests whether a case scores higher than its controls, allowing for how few they are.
///
/// `t = (x - mean) / (sd * sqrt(1 + 1/m))` on `m - 1` degrees of freedom, `sd` with divisor
/// `m - 1`; dimensionless. It assumes that the controls' scores are normally distributed.
///
/// Source: Crawford and Howell, "Comparing an individual's test score against norms derived from
/// small samples", *The Clinical Neuropsychologist* 12 (1998) 482-486.
///
/// `None` with fewer than two controls, when all controls are equal (no spread is made up), and
/// when a number, or the spread itself, is not finite.
pub fn crawford_howell(case: f64, controls: &[f64]) -> Option<SingleCase> {
    moderated(case, controls, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(case: f64, controls: &[f64], t: f64, p: f64) {
        let found = crawford_howell(case, controls).unwrap();
        assert!((found.t / t - 1.0).abs() < 1e-12, "{found:?}");
        assert!((found.p / p - 1.0).abs() < 1e-10, "{found:?}");
        assert_eq!(found.controls, controls.len());
        assert!((found.degrees_of_freedom - (controls.len() - 1) as f64).abs() < 1e-12);
    }

    // t = (x - c.mean()) / (c.std(ddof=1) * np.sqrt(1 + 1/m)); scipy.stats.t.sf(t, m - 1)
    // SciPy 1.17.1.
    #[test]
    fn agrees_with_scipy() {
        let five = [1.0, 2.0, 2.5, 3.0, 4.5];
        check(7.5, &five, 3.456_193_517_707_131, 0.012_953_781_350_327_32);
        check(0.5, &five, -1.481_225_793_303_056, 0.893_666_873_517_214);
    }

    // The same, m = 2 and m = 40 with a tail of 1e-27.
    #[test]
    fn agrees_with_scipy_for_two_controls_and_far_out() {
        check(
            5.0,
            &[0.1, 0.3],
            27.712_812_921_102_04,
            0.011_481_037_294_577_287,
        );
        let forty: Vec<f64> = (0..40).map(|i| f64::from(i * 37 % 101) / 100.0).collect();
        check(
            9.0,
            &forty,
            28.119_446_013_739_836,
            8.304_112_937_371_242e-28,
        );
    }

    #[test]
    fn has_no_value_without_spread() {
        assert_eq!(crawford_howell(1.0, &[0.1, 0.1, 0.1]), None);
        assert_eq!(crawford_howell(1.0, &[0.0, -0.0]), None);
    }

    #[test]
    fn has_no_value_for_too_few_controls() {
        assert_eq!(crawford_howell(1.0, &[]), None);
        assert_eq!(crawford_howell(1.0, &[0.5]), None);
    }

    #[test]
    fn has_no_value_for_numbers_that_are_not_finite() {
        assert_eq!(crawford_howell(f64::NAN, &[0.0, 1.0]), None);
        assert_eq!(crawford_howell(f64::INFINITY, &[0.0, 1.0]), None);
        assert_eq!(crawford_howell(1.0, &[0.0, f64::NAN]), None);
        assert_eq!(crawford_howell(1.0, &[f64::MAX, -f64::MAX]), None);
    }
}
