//! Linear assignment: the best one-to-one match of rows with columns.

use ndarray::Array2;
use thiserror::Error;

/// A best match of every row with a column of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The column of each row.
    pub columns: Vec<usize>,
    /// Sum of the weights of the chosen cells, in the unit of the weights.
    pub total: f64,
}

/// Why there is no best match.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AssignmentError {
    /// Some rows would be left without a column.
    #[error("{rows} rows cannot each have one of {columns} columns")]
    MoreRowsThanColumns {
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        columns: usize,
    },
    /// A weight is infinite, not a number, or so large that sums of such weights are infinite.
    #[error("the weight at row {row}, column {column} is not finite, or too large to be added up")]
    NotFinite {
        /// Row of the weight.
        row: usize,
        /// Column of the weight.
        column: usize,
    },
}

/// No row, in the column's owner and the path's end.
const NONE: usize = usize::MAX;

/// Gives each row a column of its own so that the sum of the weights is largest.
///
/// Maximises `sum_i w[i, c(i)]` over one-to-one `c`, by shortest augmenting paths with dual
/// potentials: `O(rows^2 * columns)` at worst, about linear in the cells when the best cell of most
/// rows is free. Weights may be f32 or f64; sums are f64. Among equally good matches it takes one
/// that depends on the order of rows and columns; a caller to whom that matters shuffles them.
///
/// Sources: Jonker and Volgenant, *Computing* 38 (1987) 325-340; Crouse, "On implementing 2D
/// rectangular assignment algorithms", *IEEE Transactions on Aerospace and Electronic Systems* 52
/// (2016) 1679-1696. Same totals as `scipy.optimize.linear_sum_assignment(w, maximize=True)`.
///
/// # Errors
///
/// When there are more rows than columns, or a weight is not finite or too large to be
/// added up. No rows give no columns.
pub fn max_weight_assignment<T: Copy + Into<f64>>(
    weights: &Array2<T>,
) -> Result<Assignment, AssignmentError> {
    let (rows, columns) = weights.dim();
    if rows > columns {
        return Err(AssignmentError::MoreRowsThanColumns { rows, columns });
    }
    // A path's length is a sum of at most two costs a column.
    let largest = f64::MAX / (4 * columns) as f64;
    for ((row, column), weight) in weights.indexed_iter() {
        let magnitude = (*weight).into().abs();
        if magnitude.is_nan() || magnitude > largest {
            return Err(AssignmentError::NotFinite { row, column });
        }
    }
    let mut search = Search::new(weights);
    for row in 0..rows {
        if search.column_of[row] == NONE {
            search.augment(row);
        }
    }
    let total = (0..rows)
        .map(|row| weights[[row, search.column_of[row]]].into())
        .sum();
    Ok(Assignment {
        columns: search.column_of,
        total,
    })
}

/// The partial match and the potentials that prove it best; costs are negated weights.
struct Search<'a, T> {
    weights: &'a Array2<T>,
    column_of: Vec<usize>,
    row_of: Vec<usize>,
    row_potential: Vec<f64>,
    column_potential: Vec<f64>,
    /// Per column, length of the shortest path found to it and the row it comes from.
    reach: Vec<f64>,
    via: Vec<usize>,
}

impl<'a, T: Copy + Into<f64>> Search<'a, T> {
    /// Starts from each row's cheapest cell, where its column is still free.
    fn new(weights: &'a Array2<T>) -> Self {
        let (rows, columns) = weights.dim();
        let mut search = Self {
            weights,
            column_of: vec![NONE; rows],
            row_of: vec![NONE; columns],
            row_potential: vec![0.0; rows],
            column_potential: vec![0.0; columns],
            reach: vec![0.0; columns],
            via: vec![NONE; columns],
        };
        for row in 0..rows {
            let (mut best, mut least) = (0, f64::INFINITY);
            for (column, weight) in weights.row(row).iter().enumerate() {
                let cost = -(*weight).into();
                if cost < least {
                    (best, least) = (column, cost);
                }
            }
            // With this potential no reduced cost of the row is negative and the cheapest is 0, so
            // taking it keeps the partial match optimal.
            search.row_potential[row] = least;
            if search.row_of[best] == NONE {
                search.row_of[best] = row;
                search.column_of[row] = best;
            }
        }
        search
    }

    /// Finds the cheapest chain of exchanges that gives `start` a column, and makes it.
    fn augment(&mut self, start: usize) {
        self.reach.fill(f64::INFINITY);
        let mut open: Vec<usize> = (0..self.row_of.len()).collect();
        let mut closed_rows = vec![start];
        let mut closed_columns = Vec::new();
        let (mut row, mut length) = (start, 0.0);
        let end = loop {
            let nearest = self.relax(row, length, &open);
            let column = open.swap_remove(nearest);
            length = self.reach[column];
            if self.row_of[column] == NONE {
                break column;
            }
            closed_columns.push(column);
            row = self.row_of[column];
            closed_rows.push(row);
        };
        self.row_potential[start] += length;
        for &row in &closed_rows[1..] {
            self.row_potential[row] += length - self.reach[self.column_of[row]];
        }
        for &column in &closed_columns {
            self.column_potential[column] -= length - self.reach[column];
        }
        self.exchange(start, end);
    }

    /// Extends the paths through `row` and gives the position in `open` of the nearest column.
    fn relax(&mut self, row: usize, length: f64, open: &[usize]) -> usize {
        let offset = length - self.row_potential[row];
        let weights = self.weights.row(row);
        let (mut nearest, mut least) = (0, f64::INFINITY);
        for (position, &column) in open.iter().enumerate() {
            let through = offset - weights[column].into() - self.column_potential[column];
            if through < self.reach[column] {
                self.reach[column] = through;
                self.via[column] = row;
            }
            let reach = self.reach[column];
            // A free column ends the search, so it is preferred among equals.
            if reach < least || (reach - least == 0.0 && self.row_of[column] == NONE) {
                (nearest, least) = (position, reach);
            }
        }
        nearest
    }

    /// Hands each column on the path to the row it was reached from.
    fn exchange(&mut self, start: usize, end: usize) {
        let mut column = end;
        loop {
            let row = self.via[column];
            self.row_of[column] = row;
            std::mem::swap(&mut self.column_of[row], &mut column);
            if row == start {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// Knuth's 64-bit congruential generator, so that NumPy can make the same matrix.
    fn generated(rows: usize, columns: usize) -> Array2<f64> {
        let mut state = 12345_u64;
        Array2::from_shape_fn((rows, columns), |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1_u32 << 31)
        })
    }

    fn check(weights: &Array2<f64>, total: f64) -> Vec<usize> {
        let found = max_weight_assignment(weights).unwrap();
        assert!((found.total - total).abs() < 1e-9, "{}", found.total);
        let mut columns = found.columns.clone();
        columns.sort_unstable();
        columns.dedup();
        assert_eq!(columns.len(), weights.nrows());
        found.columns
    }

    // r, c = scipy.optimize.linear_sum_assignment(w, maximize=True); w[r, c].sum(), SciPy 1.17.1
    #[test]
    fn agrees_with_scipy_on_small_matrices() {
        let weights = array![
            [7.0, 5.0, 9.0, 8.0],
            [4.0, 3.0, 8.0, 2.0],
            [6.0, 1.0, 3.0, 5.0],
            [2.0, 2.0, 2.0, 2.5]
        ];
        assert_eq!(check(&weights, 24.0), [3, 2, 0, 1]);
        let negative = array![[-1.5, 2.0, 0.25], [2.0, 2.0, -3.0], [0.0, 1.0, 1.0]];
        assert_eq!(check(&negative, 5.0), [1, 0, 2]);
    }

    // The same; weights by the generator above. Checksum: (c * np.arange(1, n + 1)).sum()
    #[test]
    fn agrees_with_scipy_on_generated_matrices() {
        for (rows, columns, total, checksum) in [
            (60, 60, 58.608_543_809_503_32, 55_912),
            (20, 35, 19.388_983_113_225_55, 4_207),
            (300, 300, 298.391_958_838_732_8, 6_592_418),
        ] {
            let found = check(&generated(rows, columns), total);
            let sum: usize = found.iter().enumerate().map(|(i, c)| c * (i + 1)).sum();
            assert_eq!(sum, checksum);
        }
    }

    // The size that the lineage statistic uses.
    #[test]
    fn agrees_with_scipy_at_two_thousand() {
        check(&generated(2000, 2000), 1_998.362_912_654_411);
    }

    #[test]
    fn single_precision_is_added_up_in_double() {
        let weights = array![[1e-3_f32, 0.0], [0.0, 1e8]];
        let found = max_weight_assignment(&weights).unwrap();
        assert_eq!(found.columns, [0, 1]);
        assert!((found.total - 100_000_000.001).abs() < 1e-6);
    }

    #[test]
    fn equal_weights_still_give_each_row_its_own_column() {
        check(&Array2::zeros((7, 7)), 0.0);
        check(&Array2::from_elem((3, 5), 0.1), 0.3);
    }

    #[test]
    fn nothing_and_one() {
        assert!(check(&Array2::zeros((0, 0)), 0.0).is_empty());
        assert_eq!(check(&array![[-4.0]], -4.0), [0]);
    }

    #[test]
    fn more_rows_than_columns_is_an_error() {
        assert_eq!(
            max_weight_assignment(&Array2::<f64>::zeros((3, 2))),
            Err(AssignmentError::MoreRowsThanColumns {
                rows: 3,
                columns: 2
            })
        );
    }

    #[test]
    fn a_weight_that_is_not_finite_is_named() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e308] {
            assert_eq!(
                max_weight_assignment(&array![[1.0, 2.0], [bad, 0.0]]),
                Err(AssignmentError::NotFinite { row: 1, column: 0 })
            );
        }
    }
}
