//! Residual correlation: what two models have in common that all the others do not explain.

use nalgebra::{Cholesky, DMatrix, DVector};
use ndarray::Array2;

/// Models whose vectors explain others', ready to be asked about.
#[derive(Debug)]
pub struct Given<'a> {
    gram: &'a Array2<f64>,
    places: Vec<usize>,
    /// `(K[C, C] + ridge trace I)^-1`.
    inverse: DMatrix<f64>,
}

impl<'a> Given<'a> {
    /// Takes some models of a Gram matrix as given. `None` if there is none or the matrix is no Gram matrix.
    ///
    /// `ridge` is the share of the trace that is added to every diagonal element: the larger it is, the less is taken
    /// to be explained.
    pub fn new(gram: &'a Array2<f64>, places: Vec<usize>, ridge: f64) -> Option<Self> {
        let n = places.len();
        let trace: f64 = places.iter().map(|i| gram[[*i, *i]]).sum();
        if n == 0 || !trace.is_finite() || trace <= 0.0 {
            return None;
        }
        let matrix = DMatrix::from_fn(n, n, |i, j| {
            gram[[places[i], places[j]]] + if i == j { ridge * trace } else { 0.0 }
        });
        let inverse = Cholesky::new(matrix)?.inverse();
        Some(Self {
            gram,
            places,
            inverse,
        })
    }

    /// The correlation of a model with the mean of some others in what is left of them given these models. Where the
    /// model is one of the given ones, it is given the rest of them.
    ///
    /// With K the Gram matrix, C the given models, s the share `ridge`, u = 1 at the model and v = 1/|G| at the others:
    ///
    /// ```text
    /// R = K - K[., C] (K[C, C] + s trace I)^-1 K[C, .]
    /// r = u R v / sqrt(u R u * v R v)                                   -1 to 1
    /// ```
    ///
    /// R is the covariance of a Gaussian process given noisy values at C (Rasmussen and Williams, *Gaussian Processes
    /// for Machine Learning*, 2006, equation 2.24), and r a partial correlation with a ridge. What many given models
    /// share is a direction that they explain well and counts little; what only the two share counts in full. The
    /// inverse without one row is had from that with all, `(A without m)^-1 = B - b b' / B[m, m]` with `B = A^-1` and
    /// `b` its column (the partitioned inverse). `None` without others, or if nothing is left of a side.
    pub fn correlation(&self, model: usize, others: &[usize]) -> Option<f64> {
        let n = self.places.len();
        let out = self.places.iter().position(|place| *place == model);
        if others.is_empty() || n == usize::from(out.is_some()) {
            return None;
        }
        let share = 1.0 / others.len() as f64;
        let of_others = |i: usize| others.iter().map(|g| self.gram[[i, *g]]).sum::<f64>() * share;
        let side = |of: &dyn Fn(usize) -> f64| {
            DVector::from_fn(n, |i, _| {
                if Some(i) == out {
                    0.0
                } else {
                    of(self.places[i])
                }
            })
        };
        let own = side(&|place| self.gram[[place, model]]);
        let their = side(&of_others);
        let explained = |a: &DVector<f64>, b: &DVector<f64>| {
            let all = a.dot(&(&self.inverse * b));
            out.map_or(all, |m| {
                let column = self.inverse.column(m);
                all - a.dot(&column) * b.dot(&column) / self.inverse[(m, m)]
            })
        };
        let left = self.gram[[model, model]] - explained(&own, &own);
        let between = of_others(model) - explained(&own, &their);
        let theirs = others.iter().map(|g| of_others(*g)).sum::<f64>() * share;
        let theirs = theirs - explained(&their, &their);
        let r = between / (left * theirs).sqrt();
        (left > 0.0 && theirs > 0.0 && r.is_finite()).then(|| r.clamp(-1.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inner products of six vectors in three dimensions.
    fn gram() -> Array2<f64> {
        let x: [[f64; 3]; 6] = [
            [1.0, 0.2, -0.3],
            [0.8, -0.1, 0.4],
            [-0.5, 0.9, 0.1],
            [0.3, 0.3, -1.1],
            [-0.7, -0.6, 0.2],
            [0.1, -0.7, 0.7],
        ];
        Array2::from_shape_fn((6, 6), |(i, j)| (0..3).map(|d| x[i][d] * x[j][d]).sum())
    }

    // numpy 2.4, by the formula: np.linalg.solve(K[C, C] + s * trace * I, K[C, :]).
    #[test]
    fn correlations_agree_with_numpy() {
        let gram = gram();
        for (ridge, others, expected) in EXPECTED {
            let given = Given::new(&gram, vec![3, 4, 5], ridge).unwrap();
            let found = given.correlation(0, others).unwrap();
            assert!(
                (found - expected).abs() < 1e-10,
                "{ridge} {others:?}: {found}"
            );
        }
    }

    const EXPECTED: [(f64, &[usize], f64); 3] = [
        (0.3, &[1], 0.846_201_504_408),
        (0.01, &[1], 0.922_766_057_933),
        (0.3, &[1, 2], 0.186_194_209_908),
    ];

    #[test]
    fn a_given_model_is_explained_by_the_rest_of_them() {
        let gram = gram();
        let trace: f64 = [3, 4, 5].iter().map(|i| gram[[*i, *i]]).sum();
        let of_two: f64 = [4, 5].iter().map(|i| gram[[*i, *i]]).sum();
        let all = Given::new(&gram, vec![3, 4, 5], 0.3).unwrap();
        // The ridge is that of all three.
        let rest = Given::new(&gram, vec![4, 5], 0.3 * trace / of_two).unwrap();
        let found = all.correlation(3, &[1, 2]).unwrap();
        assert!(
            (found - rest.correlation(3, &[1, 2]).unwrap()).abs() < 1e-12,
            "{found}"
        );
        let alone = Given::new(&gram, vec![3], 0.3).unwrap();
        assert_eq!(alone.correlation(3, &[1]), None);
    }

    #[test]
    fn a_large_ridge_leaves_the_plain_correlation() {
        let gram = gram();
        let given = Given::new(&gram, vec![3, 4, 5], 1e12).unwrap();
        let plain = gram[[0, 1]] / (gram[[0, 0]] * gram[[1, 1]]).sqrt();
        assert!((given.correlation(0, &[1]).unwrap() - plain).abs() < 1e-9);
    }

    #[test]
    fn what_is_missing_gives_none() {
        let gram = gram();
        assert!(Given::new(&gram, Vec::new(), 0.3).is_none());
        assert!(Given::new(&Array2::zeros((6, 6)), vec![3], 0.3).is_none());
        assert!(Given::new(&(gram.clone() * f64::NAN), vec![3], 0.3).is_none());
        let given = Given::new(&gram, vec![3, 4], 0.3).unwrap();
        assert_eq!(given.correlation(0, &[]), None);
        let mut nothing = gram.clone();
        nothing.row_mut(1).fill(0.0);
        nothing.column_mut(1).fill(0.0);
        let given = Given::new(&nothing, vec![3, 4], 0.3).unwrap();
        assert_eq!(given.correlation(0, &[1]), None);
    }
}
