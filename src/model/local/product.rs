//! Products of activations with stored weights, in f32.
//!
//! An output is the inner product of a row of activations with a row of weights, both of which lie in the
//! order in which they are read. Some rows of weights at a time are widened to f32, a stretch of at most
//! [`DEPTH`] values each, and multiplied with every row of activations while they lie in the cache. So
//! weights are read once, and no more than [`OUTPUTS`] times [`DEPTH`] of them a thread are held in f32:
//! 240 KB.
//!
//! Every sum is taken in one order, whatever else is computed beside it: a result does not depend on how
//! many rows or threads there are, nor on how the weights are stored.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined is not compiled for the instruction set picked"
)]

use std::ops::Range;
use std::sync::Arc;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::matmul::Rows;
use super::matrix::Matrix;

/// Values of a row of weights that are multiplied at once: whole blocks of every format.
const DEPTH: usize = 1024;
/// Rows of weights that are widened together: 240 KB stay in a level-2 cache. A multiple of what the
/// tiles below have, but for the last.
const OUTPUTS: usize = 60;
/// For few rows of activations fewer, which stay in a level-1 cache.
const OUTPUTS_OF_FEW: usize = 6;
const FEW: usize = 8;
/// Values of a row that are widened at once for few rows: whole rows of most models, so that memory is
/// read in one sweep.
const DEPTH_OF_FEW: usize = 8 * DEPTH;
/// Less work than this, in multiplications, stays on one thread.
const PARALLEL_WORK: usize = 1 << 19;

/// `rows` rows of activations times the transpose of matrices whose outputs lie side by side:
/// [rows, outputs of all].
pub(super) fn product(x: &[f32], rows: usize, matrices: &[Arc<Matrix>]) -> Vec<f32> {
    let columns = matrices.first().map_or(0, |matrix| matrix.columns());
    let outputs = matrices.iter().map(|matrix| matrix.rows()).sum::<usize>();
    let threads = match rayon::current_num_threads() {
        threads if rows * columns * outputs >= PARALLEL_WORK => threads,
        _ => 1,
    };
    // Two shares a thread, so that one that is held up does not hold up all.
    let share = match threads {
        1 => usize::MAX,
        threads => outputs.div_ceil(2 * threads).next_multiple_of(OUTPUTS),
    };
    let mut out = vec![0f32; rows * outputs];
    let mut jobs = Vec::new();
    for matrix in matrices {
        let mut start = 0;
        while start < matrix.rows() {
            let end = matrix.rows().min(start.saturating_add(share));
            jobs.push(Job {
                x: Rows::new(x, 0, columns),
                matrix,
                outputs: start..end,
                out: Vec::with_capacity(rows),
            });
            start = end;
        }
    }
    for mut row in out.chunks_exact_mut(outputs.max(1)) {
        for job in &mut jobs {
            let (place, rest) = row.split_at_mut(job.outputs.len());
            job.out.push(place);
            row = rest;
        }
    }
    if threads == 1 {
        jobs.into_iter().for_each(Job::run);
    } else {
        jobs.into_par_iter().for_each(Job::run);
    }
    out
}

/// Some outputs for all rows of activations.
struct Job<'a, 'o> {
    x: Rows<'a>,
    matrix: &'a Matrix,
    outputs: Range<usize>,
    /// Their place in every row of the result.
    out: Vec<&'o mut [f32]>,
}

impl Job<'_, '_> {
    fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for Job<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let columns = self.matrix.columns();
        let (together, span) = if self.out.len() > FEW {
            (OUTPUTS, DEPTH)
        } else {
            (OUTPUTS_OF_FEW, DEPTH_OF_FEW)
        };
        let mut widened = vec![0f32; together * span.min(columns)];
        for start in self.outputs.clone().step_by(together) {
            let count = together.min(self.outputs.end - start);
            for reach in (0..columns).step_by(span) {
                let length = span.min(columns - reach);
                let weights = if let Some(values) = self.matrix.plain() {
                    Rows::new(values, start * columns + reach, columns)
                } else {
                    for (i, row) in widened.chunks_exact_mut(length).take(count).enumerate() {
                        self.matrix.widen(start + i, reach, row);
                    }
                    Rows::new(&widened, 0, length)
                };
                for from in (reach..reach + length).step_by(DEPTH) {
                    let block = Block {
                        x: self.x,
                        from,
                        depth: DEPTH.min(reach + length - from),
                        weights: weights.from(from - reach),
                        first: start - self.outputs.start,
                        count,
                    };
                    block.multiply(simd, &mut self.out);
                }
            }
        }
    }
}

/// A stretch of some rows of weights, in f32.
struct Block<'a> {
    x: Rows<'a>,
    from: usize,
    depth: usize,
    weights: Rows<'a>,
    /// Where the outputs stand among those of the job.
    first: usize,
    count: usize,
}

impl Block<'_> {
    /// Adds the products with all rows of activations, tile by tile: as many sums as the registers hold.
    #[inline(always)]
    fn multiply<S: Simd>(&self, simd: S, out: &mut [&mut [f32]]) {
        let rows = out.len();
        let mut row = 0;
        while row < rows {
            row += if S::REGISTER_COUNT >= 32 {
                match rows - row {
                    1 => self.across::<S, 1, 6>(simd, row, out),
                    2 => self.across::<S, 2, 6>(simd, row, out),
                    3 => self.across::<S, 3, 6>(simd, row, out),
                    _ => self.across::<S, 4, 6>(simd, row, out),
                }
            } else {
                match rows - row {
                    1 => self.across::<S, 1, 6>(simd, row, out),
                    2 => self.across::<S, 2, 3>(simd, row, out),
                    3 => self.across::<S, 3, 3>(simd, row, out),
                    _ => self.across::<S, 4, 3>(simd, row, out),
                }
            };
        }
    }

    /// All outputs of `R` rows, `C` at a time; gives `R`.
    #[inline(always)]
    fn across<S: Simd, const R: usize, const C: usize>(
        &self,
        simd: S,
        row: usize,
        out: &mut [&mut [f32]],
    ) -> usize {
        let whole = self.count - self.count % C;
        for column in (0..whole).step_by(C) {
            self.tile::<S, R, C>(simd, row, column, out);
        }
        for column in whole..self.count {
            self.tile::<S, R, 1>(simd, row, column, out);
        }
        R
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const C: usize>(
        &self,
        simd: S,
        row: usize,
        column: usize,
        out: &mut [&mut [f32]],
    ) {
        // Loops, because closures are not always compiled for the instruction set picked.
        let (mut x, mut w): ([&[f32]; R], [&[f32]; C]) = ([&[]; R], [&[]; C]);
        for (i, x) in x.iter_mut().enumerate() {
            *x = self.x.row(row + i, self.from, self.depth);
        }
        for (j, w) in w.iter_mut().enumerate() {
            *w = self.weights.row(column + j, 0, self.depth);
        }
        let steps = self.depth / S::F32_LANES;
        let mut x_vectors: [&[S::f32s]; R] = [&[]; R];
        let mut w_vectors: [&[S::f32s]; C] = [&[]; C];
        for i in 0..R {
            x_vectors[i] = &S::as_simd_f32s(x[i]).0[..steps];
        }
        for j in 0..C {
            w_vectors[j] = &S::as_simd_f32s(w[j]).0[..steps];
        }
        let mut sums = [[simd.splat_f32s(0.0); C]; R];
        for k in 0..steps {
            for i in 0..R {
                let x = x_vectors[i][k];
                for j in 0..C {
                    sums[i][j] = simd.mul_add_e_f32s(x, w_vectors[j][k], sums[i][j]);
                }
            }
        }
        let rest = steps * S::F32_LANES;
        for i in 0..R {
            let out = &mut out[row + i][self.first + column..][..C];
            for j in 0..C {
                let pairs = x[i][rest..].iter().zip(&w[j][rest..]);
                let rest: f32 = pairs.map(|(x, w)| x * w).sum();
                let sum = simd.reduce_sum_f32s(sums[i][j]) + rest;
                out[j] = if self.from == 0 { sum } else { out[j] + sum };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::{GgmlDType, QTensor};
    use candle_core::{Device, Tensor};

    use super::*;

    const BLOCKS: [GgmlDType; 12] = [
        GgmlDType::Q4_0,
        GgmlDType::Q4_1,
        GgmlDType::Q5_0,
        GgmlDType::Q5_1,
        GgmlDType::Q8_0,
        GgmlDType::Q8_1,
        GgmlDType::Q2K,
        GgmlDType::Q3K,
        GgmlDType::Q4K,
        GgmlDType::Q5K,
        GgmlDType::Q6K,
        GgmlDType::Q8K,
    ];
    const PLAIN: [GgmlDType; 3] = [GgmlDType::F32, GgmlDType::F16, GgmlDType::BF16];

    fn numbers(count: usize, salt: usize) -> Vec<f32> {
        (0..count)
            .map(|i| ((i + salt) * 7919 % 1009) as f32 / 1009.0 - 0.5)
            .collect()
    }

    /// Weights as the tensor library stores them, and the same widened by it.
    fn stored(format: GgmlDType, shape: [usize; 2]) -> (Arc<Matrix>, Arc<Matrix>) {
        let values = numbers(shape[0] * shape[1], 2);
        let tensor = Tensor::from_vec(values, (shape[0], shape[1]), &Device::Cpu).unwrap();
        let quantised = QTensor::quantize(&tensor, format).unwrap();
        let widened = quantised.dequantize(&Device::Cpu).unwrap();
        let widened = widened.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let bytes = quantised.data().unwrap().into_owned();
        (
            Arc::new(Matrix::new(format, bytes, shape).unwrap()),
            Arc::new(Matrix::of_values(widened, shape).unwrap()),
        )
    }

    /// Sizes around those of blocks, tiles and stretches, for a format.
    fn sizes(format: GgmlDType) -> Vec<[usize; 2]> {
        let columns = match format.block_size() {
            1 => vec![1, 7, 24, 1023, 1031],
            32 => vec![32, 96, 1024, 1056],
            _ => vec![256, 1024, 1280, 8448],
        };
        let sizes = columns.into_iter();
        sizes.flat_map(|k| [1, 5, 6, 61].map(|n| [n, k])).collect()
    }

    fn assert_bits(a: &[f32], b: &[f32], what: &str) {
        let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert!(bits(a) == bits(b), "{what}");
    }

    #[test]
    fn every_format_is_widened_as_the_tensor_library_widens_it() {
        for format in PLAIN.into_iter().chain(BLOCKS) {
            for shape in sizes(format) {
                let (stored, widened) = stored(format, shape);
                let rows = [shape[0] - 1, 0];
                let pairs = [&stored, &widened].map(|m| m.values(rows.into_iter()));
                assert_bits(&pairs[0], &pairs[1], &format!("{format:?} {shape:?}"));
                assert!(stored.is_equal(&widened) && stored.not_finite() == 0);
            }
        }
    }

    #[test]
    fn products_with_stored_weights_equal_those_with_f32_bit_for_bit() {
        for format in PLAIN.into_iter().chain(BLOCKS) {
            for [n, k] in sizes(format) {
                let (stored, widened) = stored(format, [n, k]);
                for m in [1, 2, 3, 4, 9] {
                    let x = numbers(m * k, 1);
                    let products = [stored.clone(), widened.clone()].map(|w| product(&x, m, &[w]));
                    assert_bits(
                        &products[0],
                        &products[1],
                        &format!("{format:?} {m} {n} {k}"),
                    );
                }
            }
        }
    }

    #[test]
    fn products_agree_with_the_definition() {
        for (m, k, n) in [(1, 1, 1), (2, 1031, 7), (5, 24, 61), (13, 2304, 130)] {
            let (x, w) = (numbers(m * k, 1), numbers(n * k, 2));
            let weights = Arc::new(Matrix::of_values(w.clone(), [n, k]).unwrap());
            let out = product(&x, m, &[weights]);
            for (i, found) in out.iter().enumerate() {
                let (x, w) = (&x[i / n * k..][..k], &w[i % n * k..][..k]);
                let terms = x.iter().zip(w).map(|(a, b)| f64::from(*a) * f64::from(*b));
                let (sum, size) =
                    terms.fold((0.0, 1.0), |(sum, size), t| (sum + t, size + t.abs()));
                let error = (f64::from(*found) - sum).abs() / size;
                assert!(error < 1e-6, "{m} {k} {n}: {error:e}");
            }
        }
    }

    #[test]
    fn a_result_depends_neither_on_other_rows_nor_on_threads_nor_on_other_matrices() {
        let (m, k) = (67, 1536);
        let x = numbers(m * k, 1);
        let matrices = [130, 61].map(|n| stored(GgmlDType::Q4_0, [n, k]).0);
        let pool = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().unwrap();
            pool.install(|| product(&x, m, &matrices))
        };
        let all = pool(1);
        assert_bits(&all, &pool(3), "threads");
        for row in 0..m {
            let x = &x[row * k..][..k];
            let alone: Vec<f32> = matrices
                .iter()
                .flat_map(|matrix| product(x, 1, std::slice::from_ref(matrix)))
                .collect();
            assert_bits(&alone, &all[row * 191..][..191], "rows");
        }
    }
}
