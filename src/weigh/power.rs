//! What can be seen with so many controls: power of the test of one case, and what it takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{Continuous, ContinuousCDF, Normal, StudentsT};
use statrs::function::gamma::ln_gamma;

/// Steps of the numerical integral; an even number.
const STEPS: usize = 2000;
/// Effects beyond this many standard deviations are not looked for.
const MAX_EFFECT: f64 = 1e4;

/// The probability that a noncentral t variable is larger than `t`.
///
/// With `Z` standard normal and `S = sqrt(chi2(df) / df)` independent of it, `T = (Z + shift) / S`, so
/// `P(T > t) = integral over s of Phi(shift - t s) f(s) ds`, where
/// `f(s) = 2 (df/2)^(df/2) / Gamma(df/2) s^(df - 1) exp(-df s^2 / 2)` is the density of `S`. Composite
/// Simpson over the part of `f` that carries weight.
///
/// Source: Johnson, Kotz and Balakrishnan, *Continuous Univariate Distributions* 2 (2nd ed., 1995),
/// chapter 31 (the definition).
///
/// `None` for less than one degree of freedom or numbers that are not finite.
pub fn noncentral_t_sf(t: f64, degrees_of_freedom: f64, shift: f64) -> Option<f64> {
    let df = degrees_of_freedom;
    if !(df >= 1.0 && df.is_finite() && t.is_finite() && shift.is_finite()) {
        return None;
    }
    let normal = Normal::standard();
    let log_scale = std::f64::consts::LN_2 + df / 2.0 * (df / 2.0).ln() - ln_gamma(df / 2.0);
    let density = |s: f64| {
        if s > 0.0 {
            (log_scale + (df - 1.0) * s.ln() - df * s * s / 2.0).exp()
        } else if df <= 1.0 {
            log_scale.exp()
        } else {
            0.0
        }
    };
    // The variable has mean near 1 and a standard deviation of about 1 / sqrt(2 df); its tails fall
    // faster than a normal's to the right of 1 + 12 of them.
    let reach = 12.0 / (2.0 * df).sqrt();
    let (low, high) = ((1.0 - reach).max(0.0), 1.0 + reach);
    let width = (high - low) / STEPS as f64;
    let sum: f64 = (0..=STEPS)
        .map(|i| {
            let s = low + width * i as f64;
            let weight = match i {
                0 | STEPS => 1.0,
                i if i % 2 == 1 => 4.0,
                _ => 2.0,
            };
            weight * density(s) * normal.cdf(shift - t * s)
        })
        .sum();
    Some((sum * width / 3.0).clamp(0.0, 1.0))
}

/// The probability that a suspect whose true score lies `effect` standard deviations of the controls
/// above their mean gets a p of at most `alpha` among so many controls, with a variance on so many degrees of freedom.
///
/// `t = (x - centre) / (sd k)` is then noncentral t with shift `effect / k`, k being the sample's widening: with
/// `k = sqrt(1 + 1/m)`, on `m - 1` degrees of freedom, it is Crawford and Howell's, on more it is moderated. It assumes, as the test does, that scores vary
/// normally, the suspect's with the controls' standard deviation.
///
/// Source: the statistic of Crawford and Howell (1998) put into the definition of the noncentral t.
///
/// `None` with fewer than two controls or an `alpha` that is not between 0 and 1.
pub fn power(effect: f64, sample: Sample, alpha: f64) -> Option<f64> {
    if sample.controls < 2 {
        return None;
    }
    let shift = effect / sample.widening;
    let critical = critical_t(sample.degrees_of_freedom, alpha)?;
    noncentral_t_sf(critical, sample.degrees_of_freedom, shift)
}

/// The controls of a test, as far as its power depends on them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// How many there are.
    pub controls: usize,
    /// The degrees of freedom of their variance.
    pub degrees_of_freedom: f64,
    /// The standard deviation of a case less their centre, in theirs.
    pub widening: f64,
}

/// The t beyond which the one-sided p on so many degrees of freedom is at most `alpha`.
pub fn critical_t(degrees_of_freedom: f64, alpha: f64) -> Option<f64> {
    if !(degrees_of_freedom >= 1.0 && alpha > 0.0 && alpha < 1.0) {
        return None;
    }
    let t = StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()?;
    // One Newton step takes off what the library's quantile leaves in the far tail.
    let rough = -t.inverse_cdf(alpha);
    let fine = rough + (t.sf(rough) - alpha) / t.pdf(rough);
    Some(if fine.is_finite() { fine } else { rough })
}

/// The smallest true effect, in standard deviations of the controls, that [`power`] finds with
/// probability `wanted`.
///
/// `None` where [`power`] is, when `wanted` is not between `alpha` and 1, and when no effect up to ten
/// thousand standard deviations is enough.
pub fn detectable_effect(sample: Sample, alpha: f64, wanted: f64) -> Option<f64> {
    if !(wanted > alpha && wanted < 1.0) {
        return None;
    }
    let reaches = |effect: f64| power(effect, sample, alpha).map(|p| p >= wanted);
    let (mut low, mut high) = (0.0, 1.0);
    while !reaches(high)? {
        low = high;
        high *= 2.0;
        if high > MAX_EFFECT {
            return None;
        }
    }
    while high - low > 1e-9 * high {
        let middle = low.midpoint(high);
        if reaches(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// The effect that one dose of the protected model's text has.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DoseEffect {
    /// Share of the training text, between 0 and 1.
    pub dose: f64,
    /// The effect, in any one unit.
    pub effect: f64,
}

/// The smallest dose whose effect is at least `effect`, by straight lines between the rows of `table`
/// and from no effect at no dose.
///
/// `None` when no dose in the table has so much. A table that is not in ascending order of dose, or has a
/// value that is not finite, gives nothing; where effects fall again with the dose, the first crossing
/// counts.
pub fn detectable_dose(effect: f64, table: &[DoseEffect]) -> Option<f64> {
    let finite = |row: &DoseEffect| row.dose.is_finite() && row.effect.is_finite();
    let ascends = table.windows(2).all(|w| w[0].dose < w[1].dose);
    if !effect.is_finite() || !table.iter().all(finite) || !ascends {
        return None;
    }
    let mut below = DoseEffect {
        dose: 0.0,
        effect: 0.0,
    };
    if effect <= 0.0 {
        return Some(0.0);
    }
    for row in table {
        if row.effect >= effect {
            let share = (effect - below.effect) / (row.effect - below.effect);
            return Some(below.dose + share * (row.dose - below.dose));
        }
        below = *row;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(controls: usize) -> Sample {
        Sample {
            controls,
            degrees_of_freedom: controls.saturating_sub(1) as f64,
            widening: (1.0 + 1.0 / controls as f64).sqrt(),
        }
    }

    #[test]
    fn noncentral_t_agrees_with_scipy() {
        // scipy.stats.nct.sf(t, df, shift).
        for (t, df, shift, sf) in NCT {
            let found = noncentral_t_sf(t, df, shift).unwrap();
            assert!((found - sf).abs() < 1e-9, "{t} {df} {shift}: {found} {sf}");
        }
    }

    #[test]
    fn without_shift_it_is_the_central_t() {
        for df in [1.0, 2.0, 4.0, 11.5, 30.0, 400.0] {
            for t in [-2.0, 0.0, 1.5, 6.0] {
                let central = StudentsT::new(0.0, 1.0, df).unwrap().sf(t);
                let found = noncentral_t_sf(t, df, 0.0).unwrap();
                assert!((found - central).abs() < 1e-9, "{t} {df}: {found}");
            }
        }
    }

    #[test]
    fn detectable_effects_agree_with_scipy() {
        // brentq over nct.sf(t.isf(1e-3, m - 1), m - 1, d / sqrt(1 + 1/m)) = 0.8.
        for (controls, effect) in EFFECTS {
            let found = detectable_effect(plain(controls), 1e-3, 0.8).unwrap();
            assert!((found / effect - 1.0).abs() < 1e-7, "{controls}: {found}");
            assert!((power(found, plain(controls), 1e-3).unwrap() - 0.8).abs() < 1e-6);
        }
    }

    #[test]
    fn a_power_below_the_false_positive_rate_is_no_power() {
        assert_eq!(detectable_effect(plain(10), 1e-3, 1e-4), None);
        assert_eq!(detectable_effect(plain(10), 1e-3, 1.0), None);
        assert_eq!(detectable_effect(plain(1), 1e-3, 0.8), None);
        assert_eq!(detectable_effect(plain(10), 0.0, 0.8), None);
        assert_eq!(power(f64::NAN, plain(10), 1e-3), None);
        assert_eq!(noncentral_t_sf(1.0, 0.0, 0.0), None);
        // Without an effect the test errs as often as it says.
        assert!((power(0.0, plain(12), 1e-3).unwrap() - 1e-3).abs() < 1e-9);
    }

    #[test]
    fn the_first_dose_with_the_effect_is_the_one() {
        let row = |dose, effect| DoseEffect { dose, effect };
        let table = [row(0.1, 2.0), row(0.5, 6.0), row(1.0, 8.0)];
        for (effect, dose) in [(1.0, 0.05), (2.0, 0.1), (4.0, 0.3), (7.0, 0.75), (8.0, 1.0)] {
            let found = detectable_dose(effect, &table).unwrap();
            assert!((found - dose).abs() < 1e-12, "{effect}: {found}");
        }
        assert_eq!(detectable_dose(8.1, &table), None);
        assert_eq!(detectable_dose(-1.0, &table), Some(0.0));
        assert_eq!(detectable_dose(1.0, &[]), None);
        assert_eq!(detectable_dose(1.0, &[row(0.5, 2.0), row(0.1, 3.0)]), None);
        assert_eq!(detectable_dose(1.0, &[row(0.5, f64::NAN)]), None);
        // A dip on the way does not hide the first crossing.
        let dip = [row(0.1, 2.0), row(0.2, 1.0), row(0.4, 3.0)];
        assert_eq!(detectable_dose(1.0, &dip), Some(0.05));
    }

    // SciPy 1.17.1.
    const NCT: [(f64, f64, f64, f64); 8] = [
        (2.0, 4.0, 1.0, 0.235_432_546_175_675_72),
        (7.173_182_219_782_307, 4.0, 8.0, 0.695_611_283_705_338_8),
        (3.5, 19.0, 4.0, 0.683_637_945_445_502_5),
        (-1.0, 10.0, 0.5, 0.925_224_554_117_421_3),
        (3.3, 40.0, 4.2, 0.806_253_930_807_361_5),
        (0.0, 5.0, -2.0, 0.022_750_131_948_179_22),
        (1.0, 1.0, 2.0, 0.848_886_553_084_377),
        (3.1, 200.0, 3.5, 0.655_104_172_634_381_5),
    ];
    const EFFECTS: [(usize, f64); 5] = [
        (5, 9.794_907_587_063_62),
        (10, 5.624_657_776_124_73),
        (20, 4.614_253_367_497_298),
        (30, 4.358_340_308_850_471_5),
        (100, 4.049_377_342_870_787),
    ];
}
