//! One case among controls of which up to half may not belong: centre and spread from their shortest half.
//!
//! In a panel of published models undeclared students of the protected model are the rule. They lie above the other
//! controls, draw the mean towards themselves and widen the standard deviation, and so hide the student that is asked
//! about. The shortest half of the scores does not see them, as long as they are fewer than half:
//!
//! ```text
//! [l, u] = the shortest interval that holds h = floor(n/2) + 1 of the n scores
//! centre = (l + u) / 2                           s = 1.4826 (1 + 5 / (n - 1)) (u - l) / 2
//! t = (x - centre) / (s sqrt(1 + 1.5 n^(-2/3)))  on 0.37 (n - 1) degrees of freedom
//! ```
//!
//! Centre and spread are those of least median of squares in one dimension, with its factor for small samples
//! (Rousseeuw and Leroy, *Robust Regression and Outlier Detection*, 1987, sections 4.1 and 5.1). The spread of normal
//! scores is known by it as well as by 0.37 as many scores and their standard deviation, which is the price in power
//! of believing no half of them; the centre's variance falls with n^(-2/3) only (Rousseeuw, *Journal of the American
//! Statistical Association* 79 (1984) 871-880), its factor is from a simulation. Of normal scores a nominal 1 % is
//! passed by 0.1 to 0.9 % up to 30 controls and by 1.0 to 1.3 % from 31 to 200, a nominal 0.1 % by at most 0.13 %
//! (numpy, 20 million scores for every number of controls).

use super::{Sample, SingleCase};

/// The median distance of a standard normal variable from 0, inverted.
const CONSISTENT: f64 = 1.482_6;
/// The share of the scores whose standard deviation would tell as much.
const EFFICIENCY: f64 = 0.37;
/// The centre's variance times n^(2/3), in the scores' own.
const CENTRE: f64 = 1.5;

/// The constants of this file that can move a finding, by name.
pub(super) const CONSTANTS: [(&str, f64); 3] = [
    ("shortest_half.consistent", CONSISTENT),
    ("shortest_half.efficiency", EFFICIENCY),
    ("shortest_half.centre", CENTRE),
];

/// Centre and spread of scores by their shortest half; of several shortest halves the lowest counts.
///
/// `None` with fewer than three scores, if half of them are equal, or if one is not finite.
pub fn shortest_half(scores: &[f64]) -> Option<(f64, f64)> {
    let n = scores.len();
    if n < 3 || scores.iter().any(|s| !s.is_finite()) {
        return None;
    }
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let held = n / 2 + 1;
    let (low, high) = sorted
        .windows(held)
        .map(|half| (half[0], half[held - 1]))
        .min_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)))?;
    let spread = CONSISTENT * (1.0 + 5.0 / (n - 1) as f64) * (high - low) / 2.0;
    (spread > 0.0 && spread.is_finite()).then_some((low.midpoint(high), spread))
}

/// What so many controls are to the power of the test: the spread has `0.37 (n - 1)` degrees of freedom, and a case less
/// the centre the standard deviation `sqrt(1 + 1.5 n^(-2/3))` of theirs.
pub(super) fn sample(controls: usize) -> Sample {
    Sample {
        controls,
        degrees_of_freedom: EFFICIENCY * controls.saturating_sub(1) as f64,
        widening: (1.0 + CENTRE * (controls as f64).powf(-2.0 / 3.0)).sqrt(),
    }
}

/// Tests whether a case scores higher than most of its controls; formula and sources in this module.
///
/// `None` where [`shortest_half`] is, if the case is not finite, or if there is less than one degree of freedom, which
/// four controls are the fewest to have.
pub fn among_most(case: f64, controls: &[f64]) -> Option<SingleCase> {
    let (centre, sd) = shortest_half(controls)?;
    let sample = sample(controls.len());
    if sample.degrees_of_freedom < 1.0 {
        return None;
    }
    SingleCase::new(case - centre, sd, sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-10, "{found} {expected}");
    }

    const SCORES: [f64; 9] = [0.3, -1.2, 0.8, 0.1, -0.4, 1.5, -0.9, 4.0, 5.5];

    const EXPECTED: [f64; 4] = [
        -0.45,
        1.806_918_75,
        1.645_311_611_526_547,
        0.099_839_989_196_012_35,
    ];

    // numpy 2.4, SciPy 1.17.1, by the formulas above: x = np.sort(c); w = x[h-1:] - x[:n-h+1]; i = w.argmin(); ...
    #[test]
    fn agrees_with_scipy() {
        let (centre, spread) = shortest_half(&SCORES).unwrap();
        near(centre, EXPECTED[0]);
        near(spread, EXPECTED[1]);
        let found = among_most(3.0, &SCORES).unwrap();
        near(found.t, EXPECTED[2]);
        near(found.degrees_of_freedom, 2.96);
        near(found.p, EXPECTED[3]);
        assert_eq!((found.controls, found.sd), (9, spread));
        near(found.distance(), (3.0 - centre) / spread);
    }

    #[test]
    fn what_lies_beyond_half_moves_nothing() {
        let of = |far: f64| {
            let mut scores: Vec<f64> = (0..20).map(|i| f64::from(i) * 0.1).collect();
            scores.extend([far, far + 1.0, far * 2.0, far + 7.0]);
            shortest_half(&scores).unwrap()
        };
        assert_eq!(of(30.0), of(3000.0));
        // Nor does the side matter, but for which of two equally short halves is the first.
        let (_, above) = of(30.0);
        let (_, below) = of(-30.0);
        near(above, below);
    }

    #[test]
    fn what_has_no_spread_has_no_t() {
        assert_eq!(shortest_half(&[1.0, 2.0]), None);
        assert_eq!(shortest_half(&[1.0, 1.0, 1.0, 2.0]), None);
        assert_eq!(shortest_half(&[1.0, f64::NAN, 2.0]), None);
        assert_eq!(shortest_half(&[]), None);
        assert!(among_most(1.0, &[1.0, 2.0, 3.0]).is_none());
        assert!(among_most(f64::INFINITY, &SCORES).is_none());
        assert!(among_most(1.0, &[0.0, 1.0, 2.0, 4.0]).is_some());
    }

    #[test]
    fn of_normal_scores_a_hundredth_passes_a_hundredth() {
        // Knuth's congruential generator and the transform of Box and Muller.
        let mut state = 1_u64;
        let mut uniform = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut normal = || {
            let (u, v) = (uniform(), uniform());
            (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
        };
        for (controls, least, most) in [(12, 0.001, 0.006), (30, 0.005, 0.011), (77, 0.008, 0.016)]
        {
            let trials = 20_000;
            let passed = (0..trials)
                .filter(|_| {
                    let scores: Vec<f64> = (0..controls).map(|_| normal()).collect();
                    among_most(normal(), &scores).unwrap().p < 0.01
                })
                .count();
            let share = passed as f64 / f64::from(trials);
            assert!(least < share && share < most, "{controls}: {share}");
        }
    }
}
