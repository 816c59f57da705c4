//! Least squares over mixes: weights that are not negative and have a bounded sum.

use ndarray::{Array1, Array2};

use super::two_way::{cholesky, solve};

/// The weights are found when no single donor could improve the sum of squares by more than this share
/// of the largest squared distance of a donor from the target.
const TOLERANCE: f64 = 1e-12;
/// Weights below this are nothing.
const NO_WEIGHT: f64 = 1e-12;

/// A mix of donors that comes nearest to a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix {
    /// The weight of each donor: none is negative.
    pub weights: Vec<f64>,
    /// Root mean square of what the mix leaves of the target, in the target's unit.
    pub rms: f64,
    /// What the sum of squares is at most above the least possible: the duality gap of Frank and Wolfe.
    pub excess: f64,
}

/// The mix of `donors` that is nearest to `target`, as pronounced as it takes: minimises
/// `sum_t (y_t - sum_j w_j x_jt)^2` over `w_j >= 0`, `sum_j w_j <= most`.
///
/// It is the nearest convex mix of the donors `most` times as large and of nothing.
///
/// `None` without donors or values, for lengths that differ, when a number is not finite, and for a bound that is not
/// a positive number.
pub fn nearest_scaled_mix(donors: &[Vec<f64>], target: &[f64], most: f64) -> Option<Mix> {
    if donors.is_empty() || !(most.is_finite() && most > 0.0) {
        return None;
    }
    let larger = |donor: &Vec<f64>| donor.iter().map(|x| most * x).collect();
    let mut hull: Vec<Vec<f64>> = donors.iter().map(larger).collect();
    hull.push(vec![0.0; target.len()]);
    let mut found = nearest_mix(&hull, target)?;
    found.weights.pop();
    for weight in &mut found.weights {
        *weight *= most;
    }
    Some(found)
}

/// The convex mix of `donors` that is nearest to `target`: minimises `sum_t (y_t - sum_j w_j x_jt)^2`
/// over `w_j >= 0`, `sum_j w_j = 1`.
///
/// With `d_j = x_j - y` this is the point nearest to the origin in the hull of the `d_j`, which Wolfe's
/// active-set method finds in finitely many steps: it holds a set of donors without affine dependence,
/// goes to the nearest point of their affine hull, drops those whose weight would become negative, and
/// takes in the donor that improves most. It is deterministic; of equally good donors the first is taken,
/// so two equal donors never share a weight. What is left above the least sum of squares is in
/// [`Mix::excess`].
///
/// Source: Wolfe, "Finding the nearest point in a polytope", *Mathematical Programming* 11 (1976)
/// 128-149. Its use on donors: Abadie, Diamond and Hainmueller, *Journal of the American Statistical
/// Association* 105 (2010) 493-505.
///
/// `None` without donors or values, for lengths that differ, and when a number is not finite.
fn nearest_mix(donors: &[Vec<f64>], target: &[f64]) -> Option<Mix> {
    let finite = |values: &[f64]| values.iter().all(|v| v.is_finite());
    let fits = |donor: &Vec<f64>| donor.len() == target.len() && finite(donor);
    if donors.is_empty() || target.is_empty() || !finite(target) || !donors.iter().all(fits) {
        return None;
    }
    let mut distances = Array2::zeros((donors.len(), target.len()));
    for (mut row, donor) in distances.outer_iter_mut().zip(donors) {
        for (distance, (x, y)) in row.iter_mut().zip(donor.iter().zip(target)) {
            *distance = x - y;
        }
    }
    let products: Array2<f64> = distances.dot(&distances.t());
    let scale = products.diag().iter().copied().fold(0.0, f64::max);
    if !scale.is_finite() {
        return None;
    }
    let weights = nearest_to_origin(&products, TOLERANCE * scale);
    let left = products.dot(&weights);
    let square = weights.dot(&left).max(0.0);
    let least = left.iter().copied().fold(f64::INFINITY, f64::min);
    Some(Mix {
        weights: weights.to_vec(),
        rms: (square / target.len() as f64).sqrt(),
        excess: 2.0 * (square - least).max(0.0),
    })
}

/// Weights of the point nearest to the origin, from the points' inner products.
fn nearest_to_origin(products: &Array2<f64>, tolerance: f64) -> Array1<f64> {
    let size = products.nrows();
    let mut weights = Array1::zeros(size);
    let first = smallest(products.diag().iter().copied());
    weights[first] = 1.0;
    let mut held = vec![first];
    // Each round ends nearer to the origin, so no set is held twice; the bound only stands guard over
    // rounding.
    for _ in 0..16 * (size + 1) {
        let left = products.dot(&weights);
        let next = smallest(left.iter().copied());
        if weights.dot(&left) - left[next] <= tolerance || held.contains(&next) {
            break;
        }
        held.push(next);
        if settle(products, &mut held, &mut weights).is_none() {
            break;
        }
    }
    weights
}

/// Goes to the nearest point of the hull of the donors held, dropping those in the way. Nothing, and
/// weights as they were, when they are dependent to within rounding.
fn settle(products: &Array2<f64>, held: &mut Vec<usize>, weights: &mut Array1<f64>) -> Option<()> {
    loop {
        let goal = nearest_affine(products, held)?;
        if goal.iter().all(|g| *g > NO_WEIGHT) {
            weights.fill(0.0);
            for (i, g) in held.iter().zip(&goal) {
                weights[*i] = *g;
            }
            return Some(());
        }
        let step = held
            .iter()
            .zip(&goal)
            .filter(|(_, g)| **g <= NO_WEIGHT)
            .map(|(i, g)| weights[*i] / (weights[*i] - g).max(f64::MIN_POSITIVE))
            .fold(1.0, f64::min);
        for (i, g) in held.iter().zip(&goal) {
            weights[*i] += step * (g - weights[*i]);
        }
        let before = held.len();
        held.retain(|i| weights[*i] > NO_WEIGHT);
        if held.len() == before {
            return None;
        }
        let total: f64 = held.iter().map(|i| weights[*i]).sum();
        for (i, weight) in weights.iter_mut().enumerate() {
            *weight = if held.contains(&i) {
                *weight / total
            } else {
                0.0
            };
        }
    }
}

/// Weights that sum to one, negative ones allowed, of the point nearest to the origin: with `G` the
/// inner products, `(G + s 1 1') u = 1` and `w = u / sum u`, for any `s > 0`.
fn nearest_affine(products: &Array2<f64>, held: &[usize]) -> Option<Vec<f64>> {
    let size = held.len();
    let shift = held.iter().map(|i| products[[*i, *i]]).sum::<f64>() / size as f64;
    if shift == 0.0 {
        return Some(vec![1.0 / size as f64; size]);
    }
    let matrix = Array2::from_shape_fn((size, size), |(a, b)| {
        products[[held[a], held[b]]] / shift + 1.0
    });
    let solved = solve(&cholesky(matrix), Array1::ones(size));
    let total = solved.sum();
    let weights: Vec<f64> = solved.iter().map(|u| u / total).collect();
    weights.iter().all(|w| w.is_finite()).then_some(weights)
}

/// The place of the smallest value, the first of equal ones.
fn smallest(values: impl Iterator<Item = f64>) -> usize {
    let mut best = (0, f64::INFINITY);
    for (i, value) in values.enumerate() {
        if value < best.1 {
            best = (i, value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(place: usize, modulus: usize) -> f64 {
        (place % modulus) as f64 / modulus as f64
    }

    fn close(found: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < tolerance, "{found} {expected}");
        }
    }

    fn six() -> (Vec<Vec<f64>>, Vec<f64>) {
        let row = |i: usize| -> Vec<f64> {
            (0..30)
                .map(|t| cell(i * 37 + t * 53 + i * t * 7, 101))
                .collect()
        };
        let donors: Vec<Vec<f64>> = (0..6).map(row).collect();
        let other = row(9);
        let target = (0..30).map(|t| 0.5 * donors[1][t] + 0.3 * donors[4][t] + 0.2 * other[t]);
        let target = target.collect();
        (donors, target)
    }

    // scipy.optimize.minimize(method="SLSQP"), SciPy 1.17.1; the weights polished by solving the normal
    // equations on their support with numpy 2.4.6. See scripts/make-synthetic-answers.py.
    #[test]
    fn agrees_with_scipy() {
        let (donors, target) = six();
        let found = nearest_mix(&donors, &target).unwrap();
        let expected = [
            0.005_504_345_650,
            0.554_607_806_694,
            0.0,
            0.0,
            0.374_748_365_952,
            0.065_139_481_704,
        ];
        close(&found.weights, &expected, 1e-9);
        close(&[found.rms], &[0.051_520_882_756_251], 1e-12);
        assert!(found.excess < 1e-11, "{found:?}");
        assert!(found.weights[2] == 0.0 && found.weights[3] == 0.0);
    }

    // The same; twenty donors of which many are dependent, so only the distance is settled.
    #[test]
    fn more_donors_than_values_come_as_near_as_scipy_does() {
        let donors: Vec<Vec<f64>> = (0..20)
            .map(|i| {
                (0..12)
                    .map(|t| cell(i * 41 + t * 29 + i * t * 7, 97))
                    .collect()
            })
            .collect();
        let target: Vec<f64> = (0..12)
            .map(|t| cell(33 + t * 17 + 21 * t, 89) * 0.4 + 0.3)
            .collect();
        let found = nearest_mix(&donors, &target).unwrap();
        close(&[found.rms], &[0.082_869_878_730], 1e-9);
        close(&[found.weights.iter().sum()], &[1.0], 1e-12);
        assert!(found.weights.iter().all(|w| *w >= 0.0));
        assert_eq!(nearest_mix(&donors, &target), Some(found));
    }

    // scipy.optimize.nnls, SciPy 1.17.1; see scripts/make-synthetic-answers.py.
    #[test]
    fn a_mix_may_be_more_pronounced_than_its_donors() {
        let row = |i: usize| -> Vec<f64> {
            (0..30)
                .map(|t| cell(i * 37 + t * 53 + i * t * 7, 101) - 0.5)
                .collect()
        };
        let donors: Vec<Vec<f64>> = (0..6).map(row).collect();
        let other = row(9);
        let target = (0..30).map(|t| 1.4 * donors[1][t] + 0.3 * donors[4][t] + 0.2 * other[t]);
        let target: Vec<f64> = target.collect();
        let found = nearest_scaled_mix(&donors, &target, 4.0).unwrap();
        let expected = [
            0.000_543_024_720,
            1.439_504_657_319,
            0.0,
            0.0,
            0.360_320_973_971,
            0.056_556_414_713,
        ];
        close(&found.weights, &expected, 1e-9);
        close(&[found.rms], &[0.051_283_714_557_535], 1e-12);
        // Up to the bound, and no further.
        let found = nearest_scaled_mix(&[vec![1.0, -1.0]], &[9.0, -9.0], 4.0).unwrap();
        close(&found.weights, &[4.0], 1e-12);
        close(&[found.rms], &[5.0], 1e-12);
        // Nothing is nearest to what points the other way.
        let found = nearest_scaled_mix(&[vec![1.0, -1.0]], &[-1.0, 1.0], 4.0).unwrap();
        assert_eq!(found.weights, [0.0]);
        for most in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(nearest_scaled_mix(&donors, &target, most), None);
        }
        assert_eq!(nearest_scaled_mix(&[], &[1.0], 4.0), None);
    }

    #[test]
    fn a_target_among_its_donors_is_left_nothing_of() {
        let donors = vec![vec![0.0, 0.0], vec![4.0, 0.0], vec![0.0, 4.0]];
        let found = nearest_mix(&donors, &[1.0, 2.0]).unwrap();
        close(&found.weights, &[0.25, 0.25, 0.5], 1e-12);
        close(&[found.rms], &[0.0], 1e-7);
        // Beyond an edge the nearest point lies on it, beyond a corner it is the corner.
        let found = nearest_mix(&donors, &[4.0, 4.0]).unwrap();
        close(&found.weights, &[0.0, 0.5, 0.5], 1e-12);
        let found = nearest_mix(&donors, &[9.0, -1.0]).unwrap();
        close(&found.weights, &[0.0, 1.0, 0.0], 1e-12);
    }

    #[test]
    fn the_nearest_donor_need_not_be_in_the_mix() {
        let donors = vec![vec![0.0, 1.5], vec![-2.0, 1.0], vec![2.0, 1.0]];
        let found = nearest_mix(&donors, &[0.0, 0.0]).unwrap();
        close(&found.weights, &[0.0, 0.5, 0.5], 1e-12);
        close(&[found.rms], &[0.5_f64.sqrt()], 1e-12);
    }

    #[test]
    fn of_equal_donors_the_first_is_taken() {
        let found = nearest_mix(&[vec![3.0], vec![1.0], vec![1.0], vec![1.0]], &[1.5]).unwrap();
        close(&found.weights, &[0.25, 0.75, 0.0, 0.0], 1e-12);
        let found = nearest_mix(&[vec![1.0], vec![1.0]], &[1.0]).unwrap();
        close(&found.weights, &[1.0, 0.0], 1e-15);
    }

    #[test]
    fn far_scales_are_no_harder() {
        let (donors, target) = six();
        let plain = nearest_mix(&donors, &target).unwrap();
        for scale in [1e-9, 1e9] {
            let times = |v: &Vec<f64>| -> Vec<f64> { v.iter().map(|x| x * scale).collect() };
            let donors: Vec<Vec<f64>> = donors.iter().map(times).collect();
            let found = nearest_mix(&donors, &times(&target)).unwrap();
            close(&found.weights, &plain.weights, 1e-9);
        }
    }

    #[test]
    fn one_donor_has_all_weight() {
        let found = nearest_mix(&[vec![2.0, 2.0]], &[1.0, 5.0]).unwrap();
        close(&found.weights, &[1.0], 1e-15);
        close(&[found.rms], &[5.0_f64.sqrt()], 1e-12);
    }

    #[test]
    fn has_no_value_for_nothing_or_what_is_not_finite() {
        assert_eq!(nearest_mix(&[], &[1.0]), None);
        assert_eq!(nearest_mix(&[vec![]], &[]), None);
        assert_eq!(nearest_mix(&[vec![1.0, 2.0]], &[1.0]), None);
        assert_eq!(nearest_mix(&[vec![f64::NAN]], &[1.0]), None);
        assert_eq!(nearest_mix(&[vec![1.0]], &[f64::INFINITY]), None);
        assert_eq!(nearest_mix(&[vec![1e200]], &[-1e200]), None);
    }
}
