//! Conformal rank of one case among controls.

/// The share of models, the case counted as one of them, that score at least as high as the case.
///
/// `p = (1 + #{controls >= case}) / (m + 1)` for `m` controls; a probability, never below
/// `1 / (m + 1)`. It is valid when case and controls are exchangeable under the null hypothesis;
/// controls that equal the case count against it.
///
/// Source: Vovk, Gammerman and Shafer, *Algorithmic Learning in a Random World* (2005), section 2.2
/// (deterministic, conservative form).
///
/// `None` without controls, or when the case or a control is not finite.
pub fn conformal_p(case: f64, controls: &[f64]) -> Option<f64> {
    if controls.is_empty() || !case.is_finite() || controls.iter().any(|c| !c.is_finite()) {
        return None;
    }
    let at_least = controls.iter().filter(|&&control| control >= case).count();
    Some((1 + at_least) as f64 / (controls.len() + 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, expected: f64) {
        assert!((found.unwrap() - expected).abs() < 1e-15, "{found:?}");
    }

    #[test]
    fn counts_the_case_as_one_of_the_models() {
        close(conformal_p(5.0, &[1.0, 2.0, 3.0, 4.0]), 0.2);
        close(conformal_p(2.5, &[1.0, 2.0, 3.0, 4.0]), 0.6);
        close(conformal_p(0.0, &[1.0, 2.0, 3.0, 4.0]), 1.0);
    }

    #[test]
    fn ties_count_against_the_case() {
        close(conformal_p(3.0, &[3.0, 3.0, 1.0]), 0.75);
        close(conformal_p(0.0, &[-0.0]), 1.0);
    }

    #[test]
    fn one_control_cannot_go_below_a_half() {
        close(conformal_p(1e300, &[-1e300]), 0.5);
    }

    #[test]
    fn has_no_value_without_controls_or_with_numbers_that_are_not_finite() {
        assert_eq!(conformal_p(1.0, &[]), None);
        assert_eq!(conformal_p(f64::NAN, &[1.0]), None);
        assert_eq!(conformal_p(f64::INFINITY, &[1.0]), None);
        assert_eq!(conformal_p(1.0, &[0.0, f64::NAN]), None);
        assert_eq!(conformal_p(1.0, &[0.0, f64::NEG_INFINITY]), None);
    }
}
