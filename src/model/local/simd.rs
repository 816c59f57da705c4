//! Loops over f32 slices that the compiler vectorises for the processor at hand.
//!
//! `pulp` picks the instruction set at run time; the loops are plain Rust. The exponential is a
//! polynomial because the library call cannot be vectorised: it is what lets softmax, SiLU and the
//! log-sum-exp over a vocabulary run at memory speed instead of several nanoseconds a value.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined is not compiled for the instruction set picked"
)]

use pulp::Arch;

use super::spec::Activation;

/// Lanes of the partial sums, so that floating-point sums vectorise and stay in one order.
const LANES: usize = 16;

/// `exp(x)` to about 2 ulp for x in [-87, 88], clamped outside.
///
/// Cody-Waite reduction to `2^n * e^r`, |r| <= ln 2 / 2, and the degree-6 polynomial of the Cephes
/// library (`expf.c`, S. Moshier).
#[inline(always)]
fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer.
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4f32;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_6e-1;
    let p = p * r + 5.000_000_3e-1;
    let y = p * r * r + r + 1.0;
    f32::from_bits(y.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// `tanh(x)` by the exponential.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let e = exp(2.0 * x.clamp(-10.0, 10.0));
    (e - 1.0) / (e + 1.0)
}

#[inline(always)]
fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

#[inline(always)]
fn gelu_tanh(x: f32) -> f32 {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    0.5 * x * (1.0 + tanh(SQRT_2_OVER_PI * x * (1.0 + 0.044_715 * x * x)))
}

/// The sum of `f` over the values, in sixteen partial sums.
#[inline(always)]
fn sum_of(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().map(|x| f(*x)).sum();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += f(*x);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

#[inline(always)]
fn max_of(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks
        .remainder()
        .iter()
        .fold(f32::NEG_INFINITY, |m, x| if *x > m { *x } else { m });
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = if *x > *lane { *x } else { *lane };
        }
    }
    lanes.iter().fold(rest, |m, x| if *x > m { *x } else { m })
}

/// `out = activation(gate) * up`, all of one length.
pub(super) fn gated(activation: Activation, gate: &[f32], up: &[f32], out: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || match activation {
            Activation::Silu => {
                for ((o, g), u) in out.iter_mut().zip(gate).zip(up) {
                    *o = silu(*g) * u;
                }
            }
            Activation::GeluTanh => {
                for ((o, g), u) in out.iter_mut().zip(gate).zip(up) {
                    *o = gelu_tanh(*g) * u;
                }
            }
            Activation::Gelu => {
                for ((o, g), u) in out.iter_mut().zip(gate).zip(up) {
                    *o = gelu(*g) * u;
                }
            }
        },
    );
}

/// `x = activation(x)` in place.
pub(super) fn activate(activation: Activation, values: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || match activation {
            Activation::Silu => values.iter_mut().for_each(|x| *x = silu(*x)),
            Activation::GeluTanh => values.iter_mut().for_each(|x| *x = gelu_tanh(*x)),
            Activation::Gelu => values.iter_mut().for_each(|x| *x = gelu(*x)),
        },
    );
}

/// GELU by the error function (Abramowitz and Stegun would be too coarse: `erf` of statrs in f64).
fn gelu(x: f32) -> f32 {
    let wide = f64::from(x);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "computed in f64, stored in f32"
    )]
    let out =
        (0.5 * wide * (1.0 + statrs::function::erf::erf(wide / std::f64::consts::SQRT_2))) as f32;
    out
}

/// Root-mean-square normalisation of one row: `x / sqrt(mean(x^2) + eps) * weight`.
pub(super) fn rms_norm(row: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let scale = 1.0 / (sum_of(row, |x| x * x) / row.len() as f32 + eps).sqrt();
            for ((o, x), w) in out.iter_mut().zip(row).zip(weight) {
                *o = x * scale * w;
            }
        },
    );
}

/// Layer normalisation of one row, with weight and bias.
pub(super) fn layer_norm(row: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let mean = sum_of(row, |x| x) / row.len() as f32;
            let variance = sum_of(row, |x| (x - mean) * (x - mean)) / row.len() as f32;
            let scale = 1.0 / (variance + eps).sqrt();
            for (((o, x), w), b) in out.iter_mut().zip(row).zip(weight).zip(bias) {
                *o = (x - mean) * scale * w + b;
            }
        },
    );
}

/// Softmax of one row of attention scores in place: scaled, optionally soft-capped; entries outside
/// `visible` become zero.
pub(super) fn attention_softmax(
    row: &mut [f32],
    visible: std::ops::Range<usize>,
    scale: f32,
    softcap: Option<f32>,
) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let (before, rest) = row.split_at_mut(visible.start);
            let (seen, after) = rest.split_at_mut(visible.end - visible.start);
            before.fill(0.0);
            after.fill(0.0);
            match softcap {
                Some(cap) => seen
                    .iter_mut()
                    .for_each(|x| *x = cap * tanh(*x * scale / cap)),
                None => seen.iter_mut().for_each(|x| *x *= scale),
            }
            let max = max_of(seen);
            for x in &mut *seen {
                *x = exp(*x - max);
            }
            let inverse = 1.0 / sum_of(seen, |x| x);
            for x in seen {
                *x *= inverse;
            }
        },
    );
}

/// The soft cap of the output head, `cap * tanh(x / cap)`, in place.
pub(super) fn softcap(values: &mut [f32], cap: f32) {
    Arch::new().dispatch(
        #[inline(always)]
        || values.iter_mut().for_each(|x| *x = cap * tanh(*x / cap)),
    );
}

/// Whether no value is NaN or an infinity.
pub(super) fn all_finite(values: &[f32]) -> bool {
    Arch::new().dispatch(
        #[inline(always)]
        || values.iter().fold(true, |all, x| all & x.is_finite()),
    )
}

/// The log-sum-exp of a row of logits, in nats.
pub(super) fn log_sum_exp(logits: &[f32]) -> f64 {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let max = max_of(logits);
            // Blocks keep the f32 partial sums short; their total is added in f64.
            let total: f64 = logits
                .chunks(4096)
                .map(|block| f64::from(sum_of(block, |x| exp(x - max))))
                .sum();
            f64::from(max) + total.ln()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_agrees_with_the_library() {
        for i in -8_700..=8_800 {
            let x = i as f32 * 0.01;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(error < 4e-7, "exp({x}): relative error {error}");
        }
    }

    #[test]
    fn softmax_hides_what_is_outside_the_window_and_sums_to_one() {
        let mut row: Vec<f32> = (0..40).map(|i| i as f32).collect();
        attention_softmax(&mut row, 3..37, 0.5, None);
        assert!(row[..3].iter().chain(&row[37..]).all(|x| *x == 0.0));
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!((row[36] / row[35] - 0.5f32.exp()).abs() < 1e-5);
    }

    #[test]
    fn log_sum_exp_over_a_large_vocabulary_agrees_with_double_precision() {
        let logits: Vec<f32> = (0..262_144u32)
            .map(|i| ((i.wrapping_mul(2_654_435_761) >> 8) as f32 / 16_777_216.0 - 0.7) * 20.0)
            .collect();
        let expected: f64 = logits.iter().map(|x| f64::from(*x).exp()).sum();
        assert!((log_sum_exp(&logits) - expected.ln()).abs() < 1e-6);
    }

    #[test]
    fn log_sum_exp_of_large_and_of_equal_logits() {
        assert!((log_sum_exp(&[1000.0, 1000.0]) - (1000.0 + 2f64.ln())).abs() < 1e-6);
        assert!((log_sum_exp(&vec![0.0; 50_000]) - 50_000f64.ln()).abs() < 1e-6);
        assert!((log_sum_exp(&[-3.5]) + 3.5).abs() < 1e-6);
    }
}
