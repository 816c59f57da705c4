//! Additive two-way fit of a table with missing cells.

use std::collections::BTreeSet;

use ndarray::{Array1, Array2};
use thiserror::Error;

/// A table taken apart into a level, row effects, column effects and what is left.
///
/// All numbers have the unit of the table's cells.
#[derive(Debug, Clone, PartialEq)]
pub struct TwoWay {
    /// The common level.
    pub grand: f64,
    /// How far each row lies above the level; they sum to zero.
    pub rows: Vec<f64>,
    /// How far each column lies above the level; they sum to zero.
    pub columns: Vec<f64>,
    /// Interaction left in each cell; NaN where the cell is missing.
    pub residuals: Array2<f64>,
}

/// Why a table has no additive fit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TwoWayError {
    /// The table has no row or no column.
    #[error("the table has {rows} rows and {columns} columns")]
    NoCells {
        /// Rows of the table.
        rows: usize,
        /// Columns of the table.
        columns: usize,
    },
    /// A cell is infinite. (NaN is a missing cell.)
    #[error("the cell at row {row}, column {column} is infinite")]
    Infinite {
        /// Row of the cell.
        row: usize,
        /// Column of the cell.
        column: usize,
    },
    /// All cells of a row are missing.
    #[error("row {row} has no cell")]
    EmptyRow {
        /// The row.
        row: usize,
    },
    /// All cells of a column are missing.
    #[error("column {column} has no cell")]
    EmptyColumn {
        /// The column.
        column: usize,
    },
    /// The table falls into parts that share neither row nor column, so effects in one part cannot
    /// be compared with effects in another.
    #[error("rows {rows:?} with columns {columns:?} share no cell with the rest of the table")]
    NotConnected {
        /// Rows of the part that holds row 0.
        rows: Vec<usize>,
        /// Columns of that part.
        columns: Vec<usize>,
    },
}

/// Fits a level, row effects and column effects to the cells that exist, by least squares.
///
/// Minimises `sum (y_ij - g - r_i - c_j)^2` over cells that are not NaN, with `sum r = sum c = 0`.
/// For a complete table this is double centring: `y_ij - mean_i. - mean_.j + mean_..` is left. A
/// missing cell is no data point; it neither counts as zero nor takes its row or column with it.
/// Units are those of the cells.
///
/// Sources: Yates, "The analysis of multiple classifications with unequal numbers in the different
/// classes", *Journal of the American Statistical Association* 29 (1934) 51-66; Gower, *Biometrika*
/// 53 (1966) 325-338 for double centring.
///
/// Cost grows with the cube of rows plus columns: for tables of models, not of probes.
///
/// # Errors
///
/// When there is no table, a cell is infinite, a row or column has no cell, or the table is not
/// connected as a graph whose nodes are rows and columns and whose edges are the cells.
pub fn fit_two_way(table: &Array2<f64>) -> Result<TwoWay, TwoWayError> {
    check(table)?;
    let (rows, columns) = table.dim();
    let present = table.iter().filter(|cell| !cell.is_nan()).count();
    let mean = table.iter().filter(|cell| !cell.is_nan()).sum::<f64>() / present as f64;
    let factor = cholesky(normal_matrix(table));
    let mut effects = Array1::<f64>::zeros(1 + rows + columns);
    effects[0] = mean;
    let mut residuals = left_over(table, &effects);
    // The second round removes what rounding left of the first, the third that of the second.
    for _ in 0..3 {
        effects = effects + solve(&factor, marginal_sums(&residuals));
        residuals = left_over(table, &effects);
    }
    Ok(TwoWay {
        grand: effects[0],
        rows: effects.iter().skip(1).take(rows).copied().collect(),
        columns: effects.iter().skip(1 + rows).copied().collect(),
        residuals,
    })
}

fn check(table: &Array2<f64>) -> Result<(), TwoWayError> {
    let (rows, columns) = table.dim();
    if table.is_empty() {
        return Err(TwoWayError::NoCells { rows, columns });
    }
    if let Some(((row, column), _)) = table.indexed_iter().find(|(_, cell)| cell.is_infinite()) {
        return Err(TwoWayError::Infinite { row, column });
    }
    if let Some(row) = (0..rows).find(|&i| table.row(i).iter().all(|cell| cell.is_nan())) {
        return Err(TwoWayError::EmptyRow { row });
    }
    if let Some(column) = (0..columns).find(|&j| table.column(j).iter().all(|cell| cell.is_nan())) {
        return Err(TwoWayError::EmptyColumn { column });
    }
    let (seen_rows, seen_columns) = part_of_row_zero(table);
    if seen_rows.len() < rows || seen_columns.len() < columns {
        return Err(TwoWayError::NotConnected {
            rows: seen_rows.into_iter().collect(),
            columns: seen_columns.into_iter().collect(),
        });
    }
    Ok(())
}

/// Rows and columns that can be reached from row 0 through cells that exist.
fn part_of_row_zero(table: &Array2<f64>) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let (mut rows, mut columns) = (BTreeSet::from([0]), BTreeSet::new());
    let mut waiting = vec![0];
    while let Some(row) = waiting.pop() {
        for (column, _) in table.row(row).indexed_iter().filter(|(_, c)| !c.is_nan()) {
            if columns.insert(column) {
                let met = table.column(column);
                let met = met.indexed_iter().filter(|(_, cell)| !cell.is_nan());
                waiting.extend(met.map(|(row, _)| row).filter(|row| rows.insert(*row)));
            }
        }
    }
    (rows, columns)
}

/// The normal equations' matrix over (level, rows, columns), made definite by adding the squares of
/// both sums of effects: adding them to the loss picks, among the equally good fits of a connected
/// table, exactly the one where both sums are zero.
fn normal_matrix(table: &Array2<f64>) -> Array2<f64> {
    let (rows, columns) = table.dim();
    let size = 1 + rows + columns;
    let mut normal = Array2::zeros((size, size));
    for ((row, column), _) in table.indexed_iter().filter(|(_, cell)| !cell.is_nan()) {
        let terms = [0, 1 + row, 1 + rows + column];
        for a in terms {
            for b in terms {
                normal[[a, b]] += 1.0;
            }
        }
    }
    for effects in [1..=rows, 1 + rows..=rows + columns] {
        for a in effects.clone() {
            for b in effects.clone() {
                normal[[a, b]] += 1.0;
            }
        }
    }
    normal
}

fn left_over(table: &Array2<f64>, effects: &Array1<f64>) -> Array2<f64> {
    let rows = table.nrows();
    // NaN less anything stays NaN, so missing cells stay missing.
    Array2::from_shape_fn(table.dim(), |(i, j)| {
        table[[i, j]] - effects[0] - effects[1 + i] - effects[1 + rows + j]
    })
}

fn marginal_sums(residuals: &Array2<f64>) -> Array1<f64> {
    let (rows, columns) = residuals.dim();
    let mut sums = Array1::zeros(1 + rows + columns);
    for ((row, column), value) in residuals.indexed_iter().filter(|(_, v)| !v.is_nan()) {
        sums[0] += value;
        sums[1 + row] += value;
        sums[1 + rows + column] += value;
    }
    sums
}

/// Lower factor of a positive definite matrix.
pub(super) fn cholesky(mut matrix: Array2<f64>) -> Array2<f64> {
    let size = matrix.nrows();
    for j in 0..size {
        for k in 0..j {
            let factor = matrix[[j, k]];
            for i in j..size {
                matrix[[i, j]] -= matrix[[i, k]] * factor;
            }
        }
        let pivot = matrix[[j, j]].sqrt();
        for i in j..size {
            matrix[[i, j]] /= pivot;
        }
    }
    matrix
}

pub(super) fn solve(factor: &Array2<f64>, mut right: Array1<f64>) -> Array1<f64> {
    let size = right.len();
    for i in 0..size {
        for k in 0..i {
            right[i] -= factor[[i, k]] * right[k];
        }
        right[i] /= factor[[i, i]];
    }
    for i in (0..size).rev() {
        for k in i + 1..size {
            right[i] -= factor[[k, i]] * right[k];
        }
        right[i] /= factor[[i, i]];
    }
    right
}

#[cfg(test)]
mod tests {
    use ndarray::{Axis, array};

    use super::*;

    const NO: f64 = f64::NAN;

    fn close(found: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            let both_missing = found.is_nan() && expected.is_nan();
            assert!(
                both_missing || (found - expected).abs() < tolerance,
                "{found} is not {expected}"
            );
        }
    }

    fn sparse() -> Array2<f64> {
        array![
            [NO, 2.5, 3.0, 1.0],
            [4.0, NO, 7.0, 2.0],
            [1.0, 0.5, NO, 6.0],
            [2.0, 8.0, 1.0, 3.0],
            [5.0, NO, 2.0, NO]
        ]
    }

    // numpy.linalg.lstsq over one indicator row a cell, plus the rows "sum r = 0" and "sum c = 0",
    // NumPy 2.4.6
    #[test]
    fn agrees_with_numpy_where_cells_are_missing() {
        let fit = fit_two_way(&sparse()).unwrap();
        close(&[fit.grand], &[3.3], 1e-13);
        let rows = [
            -1.345_454_545_454_545_5,
            1.381_818_181_818_182,
            -0.890_909_090_909_091,
            0.2,
            0.654_545_454_545_454_5,
        ];
        close(&fit.rows, &rows, 1e-13);
        let columns = [
            -0.636_363_636_363_636_4,
            1.045_454_545_454_545_4,
            -0.272_727_272_727_272_7,
            -0.136_363_636_363_636_35,
        ];
        close(&fit.columns, &columns, 1e-13);
        let first = [NO, -0.5, 1.318_181_818_181_818, -0.818_181_818_181_818];
        close(&fit.residuals.row(0).to_vec(), &first, 1e-13);
        let last = [1.681_818_181_818_182, NO, -1.681_818_181_818_182, NO];
        close(&fit.residuals.row(4).to_vec(), &last, 1e-13);
    }

    #[test]
    fn residuals_sum_to_zero_along_rows_and_columns() {
        let fit = fit_two_way(&sparse()).unwrap();
        let left = fit.residuals.mapv(|r| if r.is_nan() { 0.0 } else { r });
        close(&left.sum_axis(Axis(1)).to_vec(), &[0.0; 5], 1e-13);
        close(&left.sum_axis(Axis(0)).to_vec(), &[0.0; 4], 1e-13);
    }

    #[test]
    fn a_complete_table_is_double_centred() {
        let table = Array2::from_shape_fn((6, 4), |(i, j)| (i * i + 3 * i * j) as f64 / 7.0);
        let fit = fit_two_way(&table).unwrap();
        let by_row = table.mean_axis(Axis(1)).unwrap();
        let by_column = table.mean_axis(Axis(0)).unwrap();
        let grand = table.mean().unwrap();
        for ((i, j), found) in fit.residuals.indexed_iter() {
            let expected = table[[i, j]] - by_row[i] - by_column[j] + grand;
            assert!((found - expected).abs() < 1e-13);
        }
    }

    // Without interaction: g = 1000000 + 11/12, r = (5, 14, -19)/6, c = (-3, 3)/4.
    #[test]
    fn a_large_level_does_not_blur_the_effects() {
        let table = array![[1e6 + 1.0, 1e6 + 2.5], [NO, 1e6 + 4.0], [1e6 - 3.0, NO]];
        let fit = fit_two_way(&table).unwrap();
        close(&[fit.grand - 1e6], &[11.0 / 12.0], 1e-9);
        close(&fit.rows, &[5.0 / 6.0, 14.0 / 6.0, -19.0 / 6.0], 1e-9);
        close(&fit.columns, &[-0.75, 0.75], 1e-9);
    }

    #[test]
    fn one_cell_is_all_level() {
        let fit = fit_two_way(&array![[7.5]]).unwrap();
        close(
            &[fit.grand, fit.rows[0], fit.columns[0]],
            &[7.5, 0.0, 0.0],
            1e-15,
        );
    }

    #[test]
    fn a_table_in_two_parts_is_refused_with_one_of_them() {
        let table = array![[1.0, NO, NO], [NO, 2.0, 3.0], [4.0, NO, NO]];
        assert_eq!(
            fit_two_way(&table),
            Err(TwoWayError::NotConnected {
                rows: vec![0, 2],
                columns: vec![0]
            })
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |table: Array2<f64>| fit_two_way(&table).unwrap_err();
        assert_eq!(
            error(Array2::zeros((0, 3))),
            TwoWayError::NoCells {
                rows: 0,
                columns: 3
            }
        );
        assert_eq!(
            error(array![[1.0, f64::INFINITY]]),
            TwoWayError::Infinite { row: 0, column: 1 }
        );
        assert_eq!(error(array![[1.0], [NO]]), TwoWayError::EmptyRow { row: 1 });
        assert_eq!(
            error(array![[NO, 1.0]]),
            TwoWayError::EmptyColumn { column: 0 }
        );
    }
}
