//! Matrix products of f32 within attention, on the CPU.
//!
//! Both sides are activations, and products are many and small: candle's ask for the number of cores first,
//! which on Linux may read /proc/cpuinfo (50 microseconds on two cores, more on more), and need tensors of
//! their own. Products with weights are in [`super::product`].
//!
//! A product is cut into blocks of columns, each repacked once so that the inner loop reads it in order,
//! and into tiles of [`ROWS`] by two vectors that stay in registers. Few rows are not worth repacking
//! and take plain loops.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined is not compiled for the instruction set picked"
)]

use pulp::{Arch, Simd, WithSimd};

/// Rows of a tile: with two vectors each, twelve sums fill the registers of AVX2.
const ROWS: usize = 6;
/// Columns of a packed block and its depth: 128 * 384 values, 192 KB, stay in a level-2 cache.
const COLUMNS: usize = 128;
const DEPTH: usize = 384;
/// Up to this many rows the right side is read where it lies.
const FEW: usize = 4;

/// Rows of values, `stride` apart, each contiguous.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    values: &'a [f32],
    stride: usize,
}

impl<'a> Rows<'a> {
    /// Rows from the place `start` on.
    pub(super) fn new(values: &'a [f32], start: usize, stride: usize) -> Self {
        let values = &values[start..];
        Self { values, stride }
    }

    /// The same rows from a column on.
    pub(super) fn from(self, column: usize) -> Self {
        Self::new(self.values, column, self.stride)
    }

    /// Some values of a row.
    #[inline(always)]
    pub(super) fn row(&self, row: usize, from: usize, length: usize) -> &'a [f32] {
        &self.values[row * self.stride + from..][..length]
    }
}

/// The right side of a product.
#[derive(Debug, Clone, Copy)]
pub(super) enum Right<'a> {
    /// Row `k` holds the weights of input `k`.
    Plain(Rows<'a>),
    /// Row `n` holds the weights of output `n`.
    Transposed(Rows<'a>),
}

/// `out[m, n] = sum over k of left[m, k] * right[k, n]`.
#[derive(Debug)]
pub(super) struct Product<'a, 'o> {
    pub(super) left: Rows<'a>,
    pub(super) right: Right<'a>,
    pub(super) m: usize,
    pub(super) k: usize,
    pub(super) n: usize,
    /// The result, rows `stride` apart.
    pub(super) out: &'o mut [f32],
    pub(super) stride: usize,
    /// Whether the product is added to what `out` holds.
    pub(super) add: bool,
}

impl Product<'_, '_> {
    /// Computes the product; `packed` is room that products may share one after the other.
    pub(super) fn run(self, packed: &mut Vec<f32>) {
        Arch::new().dispatch(Run(self, packed));
    }
}

struct Run<'a, 'o, 'p>(Product<'a, 'o>, &'p mut Vec<f32>);

impl WithSimd for Run<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(mut product, packed) = self;
        if product.m <= FEW {
            few(simd, &mut product);
        } else {
            many(simd, &mut product, packed);
        }
    }
}

/// Few rows: the right side is read once, in the order in which it lies.
#[inline(always)]
fn few<S: Simd>(simd: S, product: &mut Product<'_, '_>) {
    let Product {
        left, right, k, n, ..
    } = *product;
    match right {
        Right::Transposed(rows) => {
            for n in 0..n {
                let weights = rows.row(n, 0, k);
                for m in 0..product.m {
                    let out = &mut product.out[m * product.stride + n];
                    let value = dot(simd, left.row(m, 0, k), weights);
                    *out = if product.add { *out + value } else { value };
                }
            }
        }
        Right::Plain(rows) => {
            for m in 0..product.m {
                let input = left.row(m, 0, k);
                let out = &mut product.out[m * product.stride..][..n];
                if !product.add {
                    out.fill(0.0);
                }
                let row = |k| rows.row(k, 0, n);
                let (quads, single) = input.as_chunks::<4>();
                for (at, weights) in (0..).step_by(4).zip(quads) {
                    let rows = [row(at), row(at + 1), row(at + 2), row(at + 3)];
                    add_rows(simd, out, *weights, rows);
                }
                for (at, weight) in (4 * quads.len()..).zip(single) {
                    add_rows(simd, out, [*weight], [row(at)]);
                }
            }
        }
    }
}

#[inline(always)]
fn dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = S::as_simd_f32s(a);
    let (b, b_rest) = S::as_simd_f32s(b);
    let mut sums = [simd.splat_f32s(0.0); 4];
    let (a_quads, a_single) = a.as_chunks::<4>();
    let (b_quads, b_single) = b.as_chunks::<4>();
    for (a, b) in a_quads.iter().zip(b_quads) {
        for i in 0..4 {
            sums[i] = simd.mul_add_e_f32s(a[i], b[i], sums[i]);
        }
    }
    for (a, b) in a_single.iter().zip(b_single) {
        sums[0] = simd.mul_add_e_f32s(*a, *b, sums[0]);
    }
    let pairs = [
        simd.add_f32s(sums[0], sums[1]),
        simd.add_f32s(sums[2], sums[3]),
    ];
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    simd.reduce_sum_f32s(simd.add_f32s(pairs[0], pairs[1])) + rest
}

/// `out += sum of weights[i] * rows[i]`.
#[inline(always)]
fn add_rows<S: Simd, const N: usize>(
    simd: S,
    out: &mut [f32],
    weights: [f32; N],
    rows: [&[f32]; N],
) {
    let (out, out_rest) = S::as_mut_simd_f32s(out);
    let (vectors, length) = (out.len(), out_rest.len());
    let rests = rows.map(|row| &S::as_simd_f32s(row).1[..length]);
    let rows = rows.map(|row| &S::as_simd_f32s(row).0[..vectors]);
    let splats = weights.map(|w| simd.splat_f32s(w));
    for (at, o) in out.iter_mut().enumerate() {
        for i in 0..N {
            *o = simd.mul_add_e_f32s(splats[i], rows[i][at], *o);
        }
    }
    for (at, o) in out_rest.iter_mut().enumerate() {
        for i in 0..N {
            *o += weights[i] * rests[i][at];
        }
    }
}

#[inline(always)]
fn many<S: Simd>(simd: S, product: &mut Product<'_, '_>, packed: &mut Vec<f32>) {
    let width = 2 * S::F32_LANES;
    packed.resize(COLUMNS * DEPTH, 0.0);
    for from in (0..product.k).step_by(DEPTH) {
        let depth = DEPTH.min(product.k - from);
        for start in (0..product.n).step_by(COLUMNS) {
            let columns = COLUMNS.min(product.n - start);
            let packed = &mut packed[..columns.div_ceil(width) * width * depth];
            pack(product.right, from, start..start + columns, width, packed);
            for row in (0..product.m).step_by(ROWS) {
                for (panel, weights) in packed.chunks_exact(width * depth).enumerate() {
                    let at = panel * width;
                    let place = Place {
                        row,
                        from,
                        column: start + at,
                        columns: width.min(columns - at),
                    };
                    match product.m - row {
                        1 => tile::<S, 1>(simd, product, weights, place),
                        2 => tile::<S, 2>(simd, product, weights, place),
                        3 => tile::<S, 3>(simd, product, weights, place),
                        4 => tile::<S, 4>(simd, product, weights, place),
                        5 => tile::<S, 5>(simd, product, weights, place),
                        _ => tile::<S, ROWS>(simd, product, weights, place),
                    }
                }
            }
        }
    }
}

/// Copies a block of the right side into panels of `width` columns, row after row, padded by zeros.
#[inline(always)]
fn pack(
    right: Right<'_>,
    from: usize,
    columns: std::ops::Range<usize>,
    width: usize,
    packed: &mut [f32],
) {
    let depth = packed.len() / columns.len().div_ceil(width) / width;
    for (panel, first) in packed
        .chunks_exact_mut(width * depth)
        .zip(columns.clone().step_by(width))
    {
        let count = width.min(columns.end - first);
        match right {
            Right::Plain(rows) => {
                for (k, target) in panel.chunks_exact_mut(width).enumerate() {
                    target[..count].copy_from_slice(rows.row(from + k, first, count));
                    target[count..].fill(0.0);
                }
            }
            Right::Transposed(rows) => {
                if count < width {
                    panel.fill(0.0);
                }
                for n in 0..count {
                    let source = rows.row(first + n, from, depth);
                    for (target, value) in panel[n..].iter_mut().step_by(width).zip(source) {
                        *target = *value;
                    }
                }
            }
        }
    }
}

/// Where a tile lies: its first row, depth and column, and how many columns are wanted.
#[derive(Clone, Copy)]
struct Place {
    row: usize,
    from: usize,
    column: usize,
    columns: usize,
}

/// One tile of `R` rows by two vectors, over the depth of a packed panel.
#[inline(always)]
fn tile<S: Simd, const R: usize>(
    simd: S,
    product: &mut Product<'_, '_>,
    weights: &[f32],
    place: Place,
) {
    let (weights, _) = S::as_simd_f32s(weights).0.as_chunks::<2>();
    let depth = weights.len();
    let rows: [&[f32]; R] =
        std::array::from_fn(|i| product.left.row(place.row + i, place.from, depth));
    let mut sums = [[simd.splat_f32s(0.0); 2]; R];
    for (k, weights) in weights.iter().enumerate() {
        for i in 0..R {
            let x = simd.splat_f32s(rows[i][k]);
            sums[i][0] = simd.mul_add_e_f32s(x, weights[0], sums[i][0]);
            sums[i][1] = simd.mul_add_e_f32s(x, weights[1], sums[i][1]);
        }
    }
    let first = place.from == 0 && !product.add;
    for (i, sums) in sums.iter().enumerate() {
        let start = (place.row + i) * product.stride + place.column;
        let out = &mut product.out[start..start + place.columns];
        if let (out, []) = S::as_mut_simd_f32s(out)
            && let [low, high] = out
        {
            *low = if first {
                sums[0]
            } else {
                simd.add_f32s(*low, sums[0])
            };
            *high = if first {
                sums[1]
            } else {
                simd.add_f32s(*high, sums[1])
            };
            continue;
        }
        let sums: &[f32] = pulp::bytemuck::cast_slice(sums);
        for (o, s) in out.iter_mut().zip(sums) {
            *o = if first { *s } else { *o + s };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, salt: usize) -> Vec<f32> {
        (0..count)
            .map(|i| ((i + salt) * 7919 % 1009) as f32 / 1009.0 - 0.5)
            .collect()
    }

    #[test]
    fn products_agree_with_the_definition_at_every_edge() {
        for m in [1, 2, 4, 5, 6, 7, 13] {
            for (k, n) in [(1, 1), (3, 17), (64, 16), (385, 130), (770, 257), (7, 129)] {
                for transposed in [false, true] {
                    for add in [false, true] {
                        check((m, k, n), transposed, add);
                    }
                }
            }
        }
    }

    fn check((m, k, n): (usize, usize, usize), transposed: bool, add: bool) {
        let (left_stride, stride) = (k + 2, n + 3);
        let (left, right) = (numbers(m * left_stride, 1), numbers(k * n, 2));
        let mut out = vec![1f32; m * stride];
        Product {
            left: Rows::new(&left, 0, left_stride),
            right: if transposed {
                Right::Transposed(Rows::new(&right, 0, k))
            } else {
                Right::Plain(Rows::new(&right, 0, n))
            },
            m,
            k,
            n,
            out: &mut out,
            stride,
            add,
        }
        .run(&mut Vec::new());
        let right = |i: usize, column: usize| {
            let place = if transposed {
                column * k + i
            } else {
                i * n + column
            };
            right[place]
        };
        for (row, out) in out.chunks(stride).enumerate() {
            for (column, found) in out[..n].iter().enumerate() {
                let factors = (0..k).map(|i| (left[row * left_stride + i], right(i, column)));
                let terms = factors.map(|(a, b)| f64::from(a) * f64::from(b));
                let (sum, size) = terms.fold((f64::from(u8::from(add)), 1.0), |(sum, size), t| {
                    (sum + t, size + t.abs())
                });
                let error = (f64::from(*found) - sum).abs() / size;
                assert!(error < 1e-6, "{m} {k} {n}: {error:e}");
            }
            assert_eq!(
                out[n..],
                [1.0; 3],
                "what lies between the rows is left alone"
            );
        }
    }
}
