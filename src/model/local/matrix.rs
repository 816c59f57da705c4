//! A matrix of weights as it is stored: its bytes, widened to f32 where they are used.
//!
//! Nothing of it is kept in f32 but what was stored so. Rows are outputs and columns are inputs, the order
//! of GGUF and of PyTorch's linear layers.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined is not compiled for the instruction set picked"
)]

use std::ops::Range;

use candle_core::quantized::GgmlDType;
use pulp::Arch;

use super::{simd, widen};

/// Weights, [rows, columns].
#[derive(Debug)]
pub(super) struct Matrix {
    stored: Stored,
    rows: usize,
    columns: usize,
}

#[derive(Debug)]
enum Stored {
    F32(Vec<f32>),
    Packed { format: GgmlDType, bytes: Vec<u8> },
}

/// The bytes of so many rows in a format. None if a row is no whole number of blocks, or if they are too
/// many to count.
pub(super) fn bytes_of(format: GgmlDType, rows: usize, columns: usize) -> Option<usize> {
    if !columns.is_multiple_of(format.block_size()) {
        return None;
    }
    (columns / format.block_size())
        .checked_mul(format.type_size())?
        .checked_mul(rows)
}

impl Matrix {
    /// A matrix of bytes in a format. None if they are not as many as its shape needs.
    pub(super) fn new(
        format: GgmlDType,
        bytes: Vec<u8>,
        [rows, columns]: [usize; 2],
    ) -> Option<Self> {
        if bytes_of(format, rows, columns) != Some(bytes.len()) {
            return None;
        }
        let stored = Stored::Packed { format, bytes };
        Some(Self {
            stored,
            rows,
            columns,
        })
    }

    /// A matrix of f32. None if the values are not as many as its shape needs.
    pub(super) fn of_values(values: Vec<f32>, [rows, columns]: [usize; 2]) -> Option<Self> {
        if rows.checked_mul(columns) != Some(values.len()) {
            return None;
        }
        let stored = Stored::F32(values);
        Some(Self {
            stored,
            rows,
            columns,
        })
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// All values, where they are stored as f32.
    #[inline(always)]
    pub(super) fn plain(&self) -> Option<&[f32]> {
        match &self.stored {
            Stored::F32(values) => Some(values),
            Stored::Packed { .. } => None,
        }
    }

    /// Writes the values of a row from column `from` on, which begins a block, as many as `out` has.
    #[inline(always)]
    pub(super) fn widen(&self, row: usize, from: usize, out: &mut [f32]) {
        match &self.stored {
            Stored::F32(values) => {
                out.copy_from_slice(&values[row * self.columns + from..][..out.len()]);
            }
            Stored::Packed { format, bytes } => {
                let (size, values) = (format.type_size(), format.block_size());
                let start = (row * (self.columns / values) + from / values) * size;
                widen(*format, &bytes[start..][..out.len() / values * size], out);
            }
        }
    }

    /// The values of some rows, behind one another.
    pub(super) fn values(&self, rows: impl ExactSizeIterator<Item = usize>) -> Vec<f32> {
        let mut out = vec![0f32; rows.len() * self.columns];
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (row, out) in rows.zip(out.chunks_exact_mut(self.columns.max(1))) {
                    self.widen(row, 0, out);
                }
            },
        );
        out
    }

    /// How many values are not finite.
    pub(super) fn not_finite(&self) -> usize {
        let count = |values: &[f32]| {
            if simd::all_finite(values) {
                return 0;
            }
            values.iter().filter(|x| !x.is_finite()).count()
        };
        match &self.stored {
            Stored::F32(values) => count(values),
            Stored::Packed { .. } => self.runs().map(|rows| count(&self.values(rows))).sum(),
        }
    }

    /// Whether another matrix holds the same values, however they are stored.
    pub(super) fn is_equal(&self, other: &Self) -> bool {
        self.rows == other.rows
            && self.columns == other.columns
            && self
                .runs()
                .all(|rows| self.values(rows.clone()) == other.values(rows))
    }

    /// All rows, in runs that are widened together.
    fn runs(&self) -> impl Iterator<Item = Range<usize>> {
        const VALUES: usize = 1 << 16;
        let step = (VALUES / self.columns.max(1)).max(1);
        let rows = self.rows;
        (0..rows)
            .step_by(step)
            .map(move |first| first..(first + step).min(rows))
    }

    /// The matrix of some of its rows, in the order given.
    pub(super) fn of_rows(&self, rows: &[usize]) -> Self {
        fn pick<T: Copy>(all: &[T], width: usize, rows: &[usize]) -> Vec<T> {
            let rows = rows.iter().map(|row| &all[row * width..][..width]);
            rows.flatten().copied().collect()
        }
        let stored = match &self.stored {
            Stored::F32(values) => Stored::F32(pick(values, self.columns, rows)),
            Stored::Packed { format, bytes } => Stored::Packed {
                format: *format,
                bytes: pick(bytes, bytes.len() / self.rows.max(1), rows),
            },
        };
        Self {
            stored,
            rows: rows.len(),
            columns: self.columns,
        }
    }

    /// The transpose. None if values are stored in blocks, of which a column has none.
    pub(super) fn transposed(&self) -> Option<Self> {
        let (rows, columns) = (self.rows, self.columns);
        let stored = match &self.stored {
            Stored::F32(values) => Stored::F32(transposed(values, rows, columns)),
            Stored::Packed { format, bytes } if format.type_size() == 2 => {
                let (pairs, _) = bytes.as_chunks::<2>();
                let bytes = transposed(pairs, rows, columns).into_flattened();
                Stored::Packed {
                    format: *format,
                    bytes,
                }
            }
            Stored::Packed { .. } => return None,
        };
        Some(Self {
            stored,
            rows: columns,
            columns: rows,
        })
    }
}

fn transposed<T: Copy>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    let column = |c| (0..rows).map(move |r| values[r * columns + c]);
    (0..columns).flat_map(column).collect()
}

/// Writes the values of whole blocks.
#[inline(always)]
fn widen(format: GgmlDType, bytes: &[u8], out: &mut [f32]) {
    match format {
        GgmlDType::F32 => widen::f32(bytes, out),
        GgmlDType::F16 => widen::f16(bytes, out),
        GgmlDType::BF16 => widen::bf16(bytes, out),
        GgmlDType::Q4_0 => widen::q4_0(bytes, out),
        GgmlDType::Q4_1 => widen::q4_1(bytes, out),
        GgmlDType::Q5_0 => widen::q5_0(bytes, out),
        GgmlDType::Q5_1 => widen::q5_1(bytes, out),
        GgmlDType::Q8_0 => widen::q8_0(bytes, out),
        GgmlDType::Q8_1 => widen::q8_1(bytes, out),
        GgmlDType::Q2K => widen::q2_k(bytes, out),
        GgmlDType::Q3K => widen::q3_k(bytes, out),
        GgmlDType::Q4K => widen::q4_k(bytes, out),
        GgmlDType::Q5K => widen::q5_k(bytes, out),
        GgmlDType::Q6K => widen::q6_k(bytes, out),
        GgmlDType::Q8K => widen::q8_k(bytes, out),
    }
}
