//! What stands between the matrix products, as fused operations with hand-written gradients.
//!
//! Candle's own operations make a new tensor each; models this small would spend most of their
//! time there. Matrix products stay with candle; the rest is here, in [`crate::attention`] and in
//! [`crate::loss`], in plain loops compiled for the widest vectors that the machine has.

#![expect(
    clippy::inline_always,
    reason = "only inlined loops take the dispatched vector width"
)]

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

use crate::vector::{exp, values, wide, wide_dot, with_values};

const EPSILON: f32 = 1e-5;

/// Root-mean-square normalisation of each row, times a weight a column.
#[derive(Debug)]
pub(crate) struct RmsNorm;

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "nursery-rms-norm"
    }

    fn cpu_fwd(
        &self,
        rows: &CpuStorage,
        rows_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, weight) = (values(rows, rows_layout)?, values(weight, weight_layout)?);
        let mut out = vec![0.0; rows.len()];
        wide(
            #[inline(always)]
            || {
                let width = weight.len();
                for (row, out) in rows.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                    let scale = inverse_rms(row);
                    for ((out, x), w) in out.iter_mut().zip(row).zip(weight) {
                        *out = x * scale * w;
                    }
                }
            },
        );
        Ok((CpuStorage::F32(out), rows_layout.shape().clone()))
    }

    fn bwd(
        &self,
        rows: &Tensor,
        weight: &Tensor,
        _result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (to_rows, to_weight) = with_values(rows, |x| {
            with_values(weight, |w| {
                with_values(gradient, |g| Ok(rms_norm_gradient(x, w, g)))
            })
        })?;
        Ok((
            Some(Tensor::from_vec(to_rows, rows.shape(), rows.device())?),
            Some(Tensor::from_vec(
                to_weight,
                weight.shape(),
                weight.device(),
            )?),
        ))
    }
}

#[inline(always)]
fn inverse_rms(row: &[f32]) -> f32 {
    1.0 / (wide_dot(row, row) / row.len() as f32 + EPSILON).sqrt()
}

fn rms_norm_gradient(rows: &[f32], weight: &[f32], gradient: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let width = weight.len();
    let mut to_rows = vec![0.0; rows.len()];
    let mut to_weight = vec![0.0; width];
    let mut weighted = vec![0.0; width];
    wide(
        #[inline(always)]
        || {
            for ((x, g), out) in rows
                .chunks_exact(width)
                .zip(gradient.chunks_exact(width))
                .zip(to_rows.chunks_exact_mut(width))
            {
                let scale = inverse_rms(x);
                for i in 0..width {
                    weighted[i] = g[i] * weight[i];
                    to_weight[i] += g[i] * x[i] * scale;
                }
                let inner = wide_dot(&weighted, x) * scale * scale * scale / width as f32;
                for i in 0..width {
                    out[i] = weighted[i] * scale - x[i] * inner;
                }
            }
        },
    );
    (to_rows, to_weight)
}

/// Gate and value side by side in a row: SiLU of the first half times the second.
#[derive(Debug)]
pub(crate) struct SwiGlu;

impl CustomOp1 for SwiGlu {
    fn name(&self) -> &'static str {
        "nursery-swiglu"
    }

    fn cpu_fwd(&self, rows: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (count, width) = layout.shape().dims2()?;
        let (rows, half) = (values(rows, layout)?, width / 2);
        let mut out = vec![0.0; count * half];
        wide(
            #[inline(always)]
            || {
                for (row, out) in rows.chunks_exact(width).zip(out.chunks_exact_mut(half)) {
                    let (gate, up) = row.split_at(half);
                    for ((out, g), u) in out.iter_mut().zip(gate).zip(up) {
                        *out = g * sigmoid(*g) * u;
                    }
                }
            },
        );
        Ok((CpuStorage::F32(out), (count, half).into()))
    }

    fn bwd(&self, rows: &Tensor, _result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let width = rows.dim(1)?;
        let half = width / 2;
        let out = with_values(rows, |x| {
            with_values(gradient, |gradient| {
                let mut out = vec![0.0; x.len()];
                wide(
                    #[inline(always)]
                    || {
                        for ((row, out), gradient) in x
                            .chunks_exact(width)
                            .zip(out.chunks_exact_mut(width))
                            .zip(gradient.chunks_exact(half))
                        {
                            let (gate, up) = row.split_at(half);
                            let (to_gate, to_up) = out.split_at_mut(half);
                            for i in 0..half {
                                let s = sigmoid(gate[i]);
                                to_up[i] = gradient[i] * gate[i] * s;
                                to_gate[i] = gradient[i] * up[i] * s * (1.0 + gate[i] * (1.0 - s));
                            }
                        }
                    },
                );
                Ok(out)
            })
        })?;
        Ok(Some(Tensor::from_vec(out, rows.shape(), rows.device())?))
    }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    // The exponential takes no large positive argument, so one side is had from the other.
    let e = exp(-x.abs());
    let positive = 1.0 / (1.0 + e);
    if x < 0.0 { e * positive } else { positive }
}
