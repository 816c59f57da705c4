//! Penalised logistic regression with weights that are not negative, shared by one measure and several.

use super::CalibrationError;

/// Steps before a fit is given up.
const STEPS: usize = 200;
/// A step that changes no coefficient by more than this share of the largest (or of 1) is the last.
const SETTLED: f64 = 1e-10;
/// Halvings of a step that does not lead down.
const HALVINGS: usize = 60;

/// A row an item: 1 for the intercept, then the measures.
pub(super) struct Rows {
    items: Vec<Vec<f64>>,
    /// 1 for a student, -1 for another.
    signs: Vec<f64>,
    /// Half the items over the number of items of the class: both classes weigh the same.
    weights: Vec<f64>,
    penalty: f64,
}

impl Rows {
    /// Rows of items of both classes.
    pub(super) fn new(
        items: impl Iterator<Item = (Vec<f64>, bool)>,
        penalty: f64,
    ) -> Result<Self, CalibrationError> {
        if !penalty.is_finite() || penalty <= 0.0 {
            return Err(CalibrationError::Penalty);
        }
        let (rows, classes): (Vec<_>, Vec<bool>) = items
            .map(|(measures, student)| ([vec![1.0], measures].concat(), student))
            .unzip();
        let students = classes.iter().filter(|s| **s).count();
        let others = classes.len() - students;
        if students == 0 {
            return Err(CalibrationError::NoStudents);
        }
        if others == 0 {
            return Err(CalibrationError::NoOthers);
        }
        let half = classes.len() as f64 / 2.0;
        let weight = |student| half / (if student { students } else { others }) as f64;
        Ok(Self {
            weights: classes.iter().map(|s| weight(*s)).collect(),
            signs: classes
                .iter()
                .map(|s| if *s { 1.0 } else { -1.0 })
                .collect(),
            items: rows,
            penalty,
        })
    }

    /// The coefficients, intercept first, in natural logarithms, where
    /// `sum of weight * ln(1 + exp(-sign * row . b)) + penalty / 2 * sum of b[j]^2 (j > 0)` is least among
    /// all with `b[j] >= 0` for `j > 0`.
    ///
    /// Newton's steps over the coefficients that are free, halved until they lead down; a coefficient is
    /// held at zero where a step would take it below. The function is strictly convex in the weights, so
    /// there is one such place.
    pub(super) fn solve(&self) -> Result<Vec<f64>, CalibrationError> {
        let unsettled = CalibrationError::Unsettled { steps: STEPS };
        let mut b = vec![0.0; self.items.first().map_or(1, Vec::len)];
        for _ in 0..STEPS {
            let (gradient, hessian) = self.derivatives(&b);
            let step = direction(&b, &gradient, &hessian).ok_or(unsettled)?;
            let largest = |v: &[f64]| v.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            let last = largest(&step) <= SETTLED * largest(&b).max(1.0);
            if last {
                return Ok(taken(&b, &step, 1.0));
            }
            b = self.descend(&b, &step, &gradient).ok_or(unsettled)?;
        }
        Err(unsettled)
    }

    fn value(&self, b: &[f64]) -> f64 {
        let items = self.items.iter().zip(&self.signs).zip(&self.weights);
        let loss: f64 = items
            .map(|((row, sign), weight)| {
                let z = -sign * predict(row, b);
                weight * (z.max(0.0) + (-z.abs()).exp().ln_1p())
            })
            .sum();
        loss + self.penalty / 2.0 * b[1..].iter().map(|b| b * b).sum::<f64>()
    }

    fn derivatives(&self, b: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
        let width = b.len();
        let mut gradient = vec![0.0; width];
        let mut hessian = vec![vec![0.0; width]; width];
        for ((row, sign), weight) in self.items.iter().zip(&self.signs).zip(&self.weights) {
            let wrong = 1.0 / (1.0 + (sign * predict(row, b)).exp());
            let bend = weight * wrong * (1.0 - wrong);
            for j in 0..width {
                gradient[j] -= weight * sign * wrong * row[j];
                for k in 0..width {
                    hessian[j][k] += bend * row[j] * row[k];
                }
            }
        }
        for j in 1..width {
            gradient[j] += self.penalty * b[j];
            hessian[j][j] += self.penalty;
        }
        (gradient, hessian)
    }

    /// Goes as much of a step as leads down (Armijo's rule).
    fn descend(&self, b: &[f64], step: &[f64], gradient: &[f64]) -> Option<Vec<f64>> {
        let here = self.value(b);
        let mut share = 1.0;
        for _ in 0..HALVINGS {
            let there = taken(b, step, share);
            let fall: f64 = (0..b.len()).map(|j| gradient[j] * (there[j] - b[j])).sum();
            if self.value(&there) <= here + 1e-4 * fall + 1e-14 * here.abs() {
                return Some(there);
            }
            share /= 2.0;
        }
        None
    }
}

fn predict(row: &[f64], b: &[f64]) -> f64 {
    row.iter().zip(b).map(|(x, b)| x * b).sum()
}

/// A share of a step, no weight below zero.
fn taken(b: &[f64], step: &[f64], share: f64) -> Vec<f64> {
    let moved = b.iter().zip(step).map(|(b, s)| b + share * s);
    let held = moved
        .enumerate()
        .map(|(j, b)| if j == 0 { b } else { b.max(0.0) });
    held.collect()
}

/// Newton's step over the coefficients that it does not take below zero from zero.
fn direction(b: &[f64], gradient: &[f64], hessian: &[Vec<f64>]) -> Option<Vec<f64>> {
    let mut free: Vec<usize> = (0..b.len())
        .filter(|&j| j == 0 || b[j] > 0.0 || gradient[j] < 0.0)
        .collect();
    loop {
        let matrix = free
            .iter()
            .map(|&j| free.iter().map(|&k| hessian[j][k]).collect());
        let against: Vec<f64> = free.iter().map(|&j| -gradient[j]).collect();
        let found = cholesky_solve(matrix.collect(), against)?;
        let before = free.len();
        let mut step = vec![0.0; b.len()];
        for (&j, s) in free.iter().zip(&found) {
            step[j] = *s;
        }
        free.retain(|&j| j == 0 || b[j] > 0.0 || step[j] >= 0.0);
        if free.len() == before {
            return Some(step);
        }
    }
}

/// Solves `a x = y` for a symmetric positive definite `a`; `None` if it is not, or not finite.
fn cholesky_solve(mut a: Vec<Vec<f64>>, mut y: Vec<f64>) -> Option<Vec<f64>> {
    let n = y.len();
    for j in 0..n {
        for k in 0..=j {
            let inner: f64 = (0..k).map(|i| a[j][i] * a[k][i]).sum();
            let left = a[j][k] - inner;
            a[j][k] = if j == k { left.sqrt() } else { left / a[k][k] };
        }
        if !a[j][j].is_normal() {
            return None;
        }
        let inner: f64 = (0..j).map(|i| a[j][i] * y[i]).sum();
        y[j] = (y[j] - inner) / a[j][j];
    }
    for j in (0..n).rev() {
        let inner: f64 = (j + 1..n).map(|i| a[i][j] * y[i]).sum();
        y[j] = (y[j] - inner) / a[j][j];
    }
    y.iter().all(|y| y.is_finite()).then_some(y)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

    use super::*;

    // numpy.linalg.solve
    #[test]
    fn a_definite_system_is_solved_and_no_other() {
        let a = vec![
            vec![4.0, 2.0, 0.4],
            vec![2.0, 3.0, 0.5],
            vec![0.4, 0.5, 1.0],
        ];
        let found = cholesky_solve(a, vec![1.0, 2.0, 3.0]).unwrap();
        for (found, expected) in found.iter().zip([
            -0.198_087_431_693_989_04,
            0.311_475_409_836_065_64,
            2.923_497_267_759_562_3,
        ]) {
            assert!((found - expected).abs() < 1e-14, "{found} {expected}");
        }
        let indefinite = vec![vec![1.0, 2.0], vec![2.0, 1.0]];
        assert_eq!(cholesky_solve(indefinite, vec![1.0, 1.0]), None);
        assert_eq!(cholesky_solve(vec![vec![f64::NAN]], vec![1.0]), None);
        assert_eq!(cholesky_solve(vec![vec![0.0]], vec![1.0]), None);
    }

    /// At the place found nothing leads down: gradients are zero, or not negative where held.
    fn stands(rows: &Rows) -> Vec<f64> {
        let b = rows.solve().unwrap();
        let (gradient, _) = rows.derivatives(&b);
        assert!(gradient[0].abs() < 1e-7, "{gradient:?}");
        for j in 1..b.len() {
            let held = b[j] == 0.0 && gradient[j] >= 0.0;
            let free = b[j] > 0.0 && gradient[j].abs() < 1e-7;
            assert!(held || free, "{b:?} {gradient:?}");
        }
        b
    }

    #[test]
    fn a_fit_stands_where_nothing_leads_down() {
        // The second measure repeats the first, the third points the wrong way.
        let items = (0..40_u16).map(|i| {
            let (student, x) = (i % 3 == 0, f64::from(i * 37 % 41) / 20.0 - 1.0);
            let shift = if student { 1.0 } else { 0.0 };
            (vec![x + shift, x + shift, 0.3 * x - shift], student)
        });
        let b = stands(&Rows::new(items, 0.5).unwrap());
        assert!(
            (b[1] - b[2]).abs() < 1e-9 && b[1] > 0.1 && b[3] == 0.0,
            "{b:?}"
        );
    }

    // Measures that share most of what they say: weights that rise at first are held in the end.
    #[test]
    fn measures_that_repeat_each_other_are_held_where_they_must() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut draw = || f64::from(rng.next_u32()) / f64::from(u32::MAX) - 0.5;
        let mut held = 0;
        for _ in 0..100 {
            let items: Vec<(Vec<f64>, bool)> = (0..24)
                .map(|i| {
                    let (student, common) = (i % 2 == 0, 8.0 * draw());
                    let shift = if student { 1.0 } else { 0.0 };
                    let measure = |_| common + shift + 2.0 * draw();
                    ((0..5).map(measure).collect(), student)
                })
                .collect();
            let b = stands(&Rows::new(items.into_iter(), 1e-3).unwrap());
            held += b[1..].iter().filter(|b| **b == 0.0).count();
        }
        assert!(held > 50, "{held}");
    }
}
