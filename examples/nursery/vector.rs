//! Loops that compile to vector instructions when inlined into a dispatched closure.

#![expect(
    clippy::inline_always,
    reason = "only inlined loops take the dispatched vector width"
)]

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, bail};
use pulp::{Arch, Simd, WithSimd};

struct Wide<F>(F);

impl<R, F: FnMut() -> R> WithSimd for Wide<F> {
    type Output = R;

    // Called as `FnMut`: an `FnOnce` call would pass through a shim that is never inlined, and
    // the loops inside would be compiled for the narrowest vectors.
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _simd: S) -> R {
        (self.0)()
    }
}

/// Runs `work`, an always-inlined closure, compiled for the widest vectors of this machine.
pub(crate) fn wide<R>(work: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Wide(work))
}

/// The values of contiguous storage.
pub(crate) fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("the nursery's operations need contiguous tensors"),
    }
}

/// Calls `f` with the values of a tensor.
pub(crate) fn with_values<T>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => f(values(storage, layout)?),
        _ => bail!("the nursery trains on the CPU"),
    }
}

/// e to the power of `x`, for `x` at most a little above 0, to about one part in ten million.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.max(-87.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let rest = whole.mul_add(-std::f32::consts::LN_2, x);
    let mut power = 1.0 / 720.0;
    for term in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        power = rest.mul_add(power, term);
    }
    power * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
}

/// Turns scores into probabilities; returns the logarithm of their sum.
#[inline(always)]
pub(crate) fn softmax(scores: &mut [f32]) -> f32 {
    let max = wide_max(scores);
    for score in scores.iter_mut() {
        *score = exp(*score - max);
    }
    let sum = wide_sum(scores);
    let scale = 1.0 / sum;
    for score in scores.iter_mut() {
        *score *= scale;
    }
    max + sum.ln()
}

/// The largest value, by eight running maxima so that the loop takes vectors.
#[inline(always)]
fn wide_max(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    rest.iter()
        .chain(&lanes)
        .fold(f32::NEG_INFINITY, |max, value| max.max(*value))
}

/// The sum, by eight running sums.
#[inline(always)]
pub(crate) fn wide_sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    rest.iter().sum::<f32>() + lanes.iter().sum::<f32>()
}

/// The sum of products, by eight running sums.
#[inline(always)]
pub(crate) fn wide_dot(left: &[f32], right: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (left, left_rest) = left.as_chunks::<8>();
    let (right, right_rest) = right.as_chunks::<8>();
    for (left, right) in left.iter().zip(right) {
        for ((lane, l), r) in lanes.iter_mut().zip(left).zip(right) {
            *lane = l.mul_add(*r, *lane);
        }
    }
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(l, r)| l * r).sum();
    rest + lanes.iter().sum::<f32>()
}
