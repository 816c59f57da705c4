//! Fused operations on tensors: one pass over memory on the CPU, candle's own operations elsewhere.
//!
//! Every fused operation has its plain form in this file; a test holds the two together, so that GPUs,
//! which take the plain form, compute the same function.

use candle_core::{
    CpuStorage, CustomOp1, D, InplaceOp1, Layout, Result, Shape, Storage, StorageRef, Tensor, bail,
};
use rayon::prelude::*;

use super::simd;
use super::spec::{Activation, RopeStyle};

/// Rows below this are not worth handing to another thread.
const PARALLEL_VALUES: usize = 1 << 15;

/// The values of a tensor whose last dimension is contiguous, and the stride between its rows.
fn rows<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<(&'a [f32], usize)> {
    let CpuStorage::F32(values) = storage else {
        bail!("fused operations take f32");
    };
    let (dims, stride) = (layout.dims(), layout.stride());
    let [_, width] = dims else {
        bail!("fused operations take two dimensions, found {dims:?}");
    };
    if stride[1] != 1 && *width > 1 {
        bail!("fused operations take contiguous rows");
    }
    Ok((&values[layout.start_offset()..], stride[0]))
}

/// Runs `f(row number, output row)` over the rows of `out`, on several threads when that pays.
fn for_rows(out: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32]) + Sync + Send) {
    if out.len() < PARALLEL_VALUES || rayon::current_num_threads() == 1 {
        out.chunks_exact_mut(width)
            .enumerate()
            .for_each(|(i, row)| f(i, row));
    } else {
        out.par_chunks_exact_mut(width)
            .enumerate()
            .for_each(|(i, row)| f(i, row));
    }
}

/// The values of a contiguous tensor on the CPU, where they lie.
pub(super) struct Values<'a> {
    storage: StorageRef<'a>,
    layout: &'a Layout,
}

impl<'a> Values<'a> {
    pub(super) fn of(tensor: &'a Tensor) -> Self {
        let (storage, layout) = tensor.storage_and_layout();
        Self { storage, layout }
    }

    pub(super) fn get(&self) -> Result<&[f32]> {
        match (&*self.storage, self.layout.contiguous_offsets()) {
            (Storage::Cpu(CpuStorage::F32(values)), Some((from, to))) => Ok(&values[from..to]),
            _ => bail!("only contiguous f32 on the CPU can be read in place"),
        }
    }
}

/// A normalisation of rows of hidden states.
#[derive(Debug, Clone)]
pub(super) struct Norm {
    weight: Tensor,
    bias: Option<Tensor>,
    eps: f64,
    /// The same values as slices for the fused form.
    fused: (Vec<f32>, Option<Vec<f32>>),
}

impl Norm {
    pub(super) fn new(weight: Tensor, bias: Option<Tensor>, eps: f64) -> Result<Self> {
        let fused = (
            weight.to_vec1()?,
            bias.as_ref().map(Tensor::to_vec1).transpose()?,
        );
        Ok(Self {
            weight,
            bias,
            eps,
            fused,
        })
    }

    /// Normalises every row of `x`, shape [rows, width].
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if x.device().is_cpu() {
            x.apply_op1_no_bwd(self)
        } else {
            self.plain(x)
        }
    }

    fn plain(&self, x: &Tensor) -> Result<Tensor> {
        let centred = match &self.bias {
            Some(_) => x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?,
            None => x.clone(),
        };
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let scaled = centred
            .broadcast_div(&(variance + self.eps)?.sqrt()?)?
            .broadcast_mul(&self.weight)?;
        match &self.bias {
            Some(bias) => scaled.broadcast_add(bias),
            None => Ok(scaled),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "an epsilon near 1e-6")]
    fn row(&self, row: &[f32], out: &mut [f32]) {
        let eps = self.eps as f32;
        match &self.fused {
            (weight, Some(bias)) => simd::layer_norm(row, weight, bias, eps, out),
            (weight, None) => simd::rms_norm(row, weight, eps, out),
        }
    }
}

impl CustomOp1 for Norm {
    fn name(&self) -> &'static str {
        "norm"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (values, stride) = rows(storage, layout)?;
        let width = layout.dims()[1];
        let mut out = vec![0f32; layout.shape().elem_count()];
        for_rows(&mut out, width, |i, row| {
            self.row(&values[i * stride..i * stride + width], row);
        });
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

/// `activation(gate) * up` of a fused projection, shape [rows, 2 * ffn] to [rows, ffn].
pub(super) fn gated(activation: Activation, gate_up: &Tensor) -> Result<Tensor> {
    if gate_up.device().is_cpu() {
        return gate_up.apply_op1_no_bwd(&Gated(activation));
    }
    let ffn = gate_up.dim(1)? / 2;
    let gate = gate_up.narrow(1, 0, ffn)?.contiguous()?;
    plain_activation(activation, &gate)? * gate_up.narrow(1, ffn, ffn)?
}

/// The activation of a plain feed-forward block.
pub(super) fn activate(activation: Activation, x: Tensor) -> Result<Tensor> {
    if x.device().is_cpu() {
        x.inplace_op1(&Activate(activation))?;
        return Ok(x);
    }
    plain_activation(activation, &x)
}

fn plain_activation(activation: Activation, x: &Tensor) -> Result<Tensor> {
    match activation {
        Activation::Silu => x.silu(),
        Activation::GeluTanh => x.gelu(),
        Activation::Gelu => x.gelu_erf(),
    }
}

struct Gated(Activation);

impl CustomOp1 for Gated {
    fn name(&self) -> &'static str {
        "gated-activation"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (values, stride) = rows(storage, layout)?;
        let (count, ffn) = (layout.dims()[0], layout.dims()[1] / 2);
        let mut out = vec![0f32; count * ffn];
        for_rows(&mut out, ffn, |i, row| {
            let (gate, up) = values[i * stride..i * stride + 2 * ffn].split_at(ffn);
            simd::gated(self.0, gate, up, row);
        });
        Ok((CpuStorage::F32(out), Shape::from((count, ffn))))
    }
}

struct Activate(Activation);

impl InplaceOp1 for Activate {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        for_rows(in_place(storage, layout)?, layout.dims()[1], |_, row| {
            simd::activate(self.0, row);
        });
        Ok(())
    }
}

fn in_place<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((from, to))) => Ok(&mut values[from..to]),
        _ => bail!("in-place operations take contiguous f32"),
    }
}

/// Cosine and sine of every position, shape [positions, rotated / 2] each.
#[derive(Debug, Clone)]
pub(super) struct RopeTable {
    cos: Vec<f32>,
    sin: Vec<f32>,
    half: usize,
    style: RopeStyle,
}

impl RopeTable {
    /// Tables for positions below `positions`, from inverse frequencies and a magnitude.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "computed in f64, used in f32"
    )]
    pub(super) fn new(
        frequencies: &[f64],
        magnitude: f64,
        positions: usize,
        style: RopeStyle,
    ) -> Self {
        let angles = || (0..positions).flat_map(|p| frequencies.iter().map(move |f| p as f64 * f));
        Self {
            cos: angles().map(|a| (a.cos() * magnitude) as f32).collect(),
            sin: angles().map(|a| (a.sin() * magnitude) as f32).collect(),
            half: frequencies.len(),
            style,
        }
    }

    fn at(&self, position: usize) -> (&[f32], &[f32]) {
        let range = position * self.half..(position + 1) * self.half;
        (&self.cos[range.clone()], &self.sin[range])
    }

    fn turn(&self, head: &mut [f32], position: usize) {
        let (cos, sin) = self.at(position);
        match self.style {
            RopeStyle::Half => {
                let (first, rest) = head.split_at_mut(self.half);
                let second = &mut rest[..self.half];
                for (((a, b), c), s) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                    (*a, *b) = (*a * c - *b * s, *a * s + *b * c);
                }
            }
            RopeStyle::Interleaved => {
                for ((pair, c), s) in head.chunks_exact_mut(2).zip(cos).zip(sin) {
                    (pair[0], pair[1]) = (pair[0] * c - pair[1] * s, pair[0] * s + pair[1] * c);
                }
            }
        }
    }
}

/// Splits a projection into heads, normalises each head where the model does, and turns it.
///
/// Input [rows, heads * head_dim] with contiguous rows, output [heads, rows, head_dim].
#[expect(
    clippy::struct_field_names,
    reason = "the number of heads is called so everywhere"
)]
pub(super) struct Heads<'a> {
    pub(super) heads: usize,
    pub(super) head_dim: usize,
    pub(super) norm: Option<&'a Norm>,
    pub(super) rope: Option<&'a RopeTable>,
    pub(super) positions: &'a [usize],
}

impl Heads<'_> {
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if x.device().is_cpu() {
            x.apply_op1_no_bwd(self)
        } else {
            self.plain(x)
        }
    }

    fn plain(&self, x: &Tensor) -> Result<Tensor> {
        let count = self.positions.len();
        let mut x = x.reshape((count * self.heads, self.head_dim))?;
        if let Some(norm) = self.norm {
            x = norm.plain(&x)?;
        }
        let x = x
            .reshape((count, self.heads, self.head_dim))?
            .transpose(0, 1)?
            .contiguous()?;
        let Some(rope) = self.rope else {
            return Ok(x);
        };
        let gather = |table: &[f32]| {
            let picked: Vec<f32> = self
                .positions
                .iter()
                .flat_map(|p| table[p * rope.half..(p + 1) * rope.half].iter().copied())
                .collect();
            Tensor::from_vec(picked, (1, count, rope.half), x.device())
        };
        let (cos, sin) = (gather(&rope.cos)?, gather(&rope.sin)?);
        let turned = x.narrow(2, 0, 2 * rope.half)?;
        let (a, b) = match rope.style {
            RopeStyle::Half => (
                turned.narrow(2, 0, rope.half)?,
                turned.narrow(2, rope.half, rope.half)?,
            ),
            RopeStyle::Interleaved => {
                let pairs = turned.reshape((self.heads, count, rope.half, 2))?;
                (
                    pairs.narrow(3, 0, 1)?.squeeze(3)?,
                    pairs.narrow(3, 1, 1)?.squeeze(3)?,
                )
            }
        };
        let first = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
        let second = (a.broadcast_mul(&sin)? + b.broadcast_mul(&cos)?)?;
        let turned = match rope.style {
            RopeStyle::Half => Tensor::cat(&[first, second], 2)?,
            RopeStyle::Interleaved => {
                Tensor::stack(&[first, second], 3)?.reshape((self.heads, count, 2 * rope.half))?
            }
        };
        let rest = self.head_dim - 2 * rope.half;
        if rest == 0 {
            return Ok(turned);
        }
        Tensor::cat(&[turned, x.narrow(2, 2 * rope.half, rest)?], 2)
    }
}

impl CustomOp1 for Heads<'_> {
    fn name(&self) -> &'static str {
        "split-heads"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (values, stride) = rows(storage, layout)?;
        let (count, dim) = (layout.dims()[0], self.head_dim);
        let mut out = vec![0f32; self.heads * count * dim];
        for_rows(&mut out, dim, |i, head| {
            let (h, row) = (i / count, i % count);
            let source = &values[row * stride + h * dim..][..dim];
            match self.norm {
                Some(norm) => norm.row(source, head),
                None => head.copy_from_slice(source),
            }
            if let Some(rope) = self.rope {
                rope.turn(head, self.positions[row]);
            }
        });
        Ok((CpuStorage::F32(out), Shape::from((self.heads, count, dim))))
    }
}

/// Which keys each query of a block may see, and how scores become weights.
#[derive(Debug, Clone, Copy)]
pub(super) struct CausalSoftmax {
    /// Queries in the block; the rows repeat them once a head.
    pub(super) queries: usize,
    /// Number of keys before the first query of the block.
    pub(super) past: usize,
    pub(super) window: Option<usize>,
    pub(super) scale: f64,
    pub(super) softcap: Option<f64>,
}

impl CausalSoftmax {
    /// Turns scores, shape [rows, keys], row `r` belonging to query `r % queries`, into weights.
    pub(super) fn forward(&self, scores: Tensor) -> Result<Tensor> {
        if scores.device().is_cpu() {
            scores.inplace_op1(self)?;
            return Ok(scores);
        }
        self.plain(&scores)
    }

    fn visible(&self, row: usize, keys: usize) -> std::ops::Range<usize> {
        let end = (self.past + row % self.queries + 1).min(keys);
        let start = self.window.map_or(0, |w| end.saturating_sub(w));
        start..end
    }

    fn plain(&self, scores: &Tensor) -> Result<Tensor> {
        let (count, keys) = scores.dims2()?;
        let mut mask = vec![f32::NEG_INFINITY; count * keys];
        for (row, values) in mask.chunks_exact_mut(keys).enumerate() {
            values[self.visible(row, keys)].fill(0.0);
        }
        let mask = Tensor::from_vec(mask, (count, keys), scores.device())?;
        let mut scores = (scores * self.scale)?;
        if let Some(cap) = self.softcap {
            scores = ((scores / cap)?.tanh()? * cap)?;
        }
        candle_nn::ops::softmax_last_dim(&(scores + mask)?)
    }
}

impl InplaceOp1 for CausalSoftmax {
    fn name(&self) -> &'static str {
        "causal-softmax"
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a scale and a cap, used in f32"
    )]
    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let keys = layout.dims()[1];
        let (scale, softcap) = (self.scale as f32, self.softcap.map(|c| c as f32));
        for_rows(in_place(storage, layout)?, keys, |i, row| {
            simd::attention_softmax(row, self.visible(i, keys), scale, softcap);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn random(shape: (usize, usize)) -> Tensor {
        let device = Device::Cpu;
        let count = shape.0 * shape.1;
        let values: Vec<f32> = (0..count)
            .map(|i| ((i * 7919 % 1009) as f32 / 1009.0 - 0.5) * 4.0)
            .collect();
        Tensor::from_vec(values, shape, &device).unwrap()
    }

    fn assert_close(a: &Tensor, b: &Tensor) {
        assert_eq!(a.dims(), b.dims());
        let difference = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
        let worst = difference.max(0).unwrap().to_scalar::<f32>().unwrap();
        assert!(worst < 2e-5, "largest difference {worst}");
    }

    #[test]
    fn fused_norms_equal_the_plain_ones() {
        let x = random((5, 48));
        let weight = random((1, 48)).squeeze(0).unwrap();
        let rms = Norm::new(weight.clone(), None, 1e-5).unwrap();
        assert_close(&rms.forward(&x).unwrap(), &rms.plain(&x).unwrap());
        let layer = Norm::new(weight.clone(), Some(weight), 1e-5).unwrap();
        assert_close(&layer.forward(&x).unwrap(), &layer.plain(&x).unwrap());
    }

    #[test]
    fn fused_heads_equal_the_plain_ones_in_both_styles() {
        let x = random((6, 3 * 16));
        let positions = [0, 1, 2, 7, 8, 3];
        let norm = Norm::new(random((1, 16)).squeeze(0).unwrap(), None, 1e-6).unwrap();
        for style in [RopeStyle::Half, RopeStyle::Interleaved] {
            for dims in [16usize, 8] {
                let frequencies: Vec<f64> = (0..dims / 2)
                    .map(|i| 0.3f64.powi(i32::try_from(i).unwrap()))
                    .collect();
                let rope = RopeTable::new(&frequencies, 1.0, 10, style);
                for norm in [None, Some(&norm)] {
                    let heads = Heads {
                        heads: 3,
                        head_dim: 16,
                        norm,
                        rope: Some(&rope),
                        positions: &positions,
                    };
                    assert_close(&heads.forward(&x).unwrap(), &heads.plain(&x).unwrap());
                }
            }
        }
    }

    #[test]
    fn fused_softmax_equals_the_plain_one() {
        for (window, softcap) in [(None, None), (Some(3), None), (None, Some(5.0))] {
            let op = CausalSoftmax {
                queries: 4,
                past: 2,
                window,
                scale: 0.7,
                softcap,
            };
            let scores = random((8, 6));
            let expected = op.plain(&scores).unwrap();
            assert_close(&op.forward(scores.copy().unwrap()).unwrap(), &expected);
        }
    }

    #[test]
    fn fused_gates_equal_the_plain_ones() {
        let x = random((4, 32));
        for activation in [Activation::Silu, Activation::GeluTanh, Activation::Gelu] {
            let plain = (plain_activation(activation, &x.narrow(1, 0, 16).unwrap()).unwrap()
                * x.narrow(1, 16, 16).unwrap())
            .unwrap();
            assert_close(&gated(activation, &x).unwrap(), &plain);
            let expected = plain_activation(activation, &x).unwrap();
            assert_close(&activate(activation, x.copy().unwrap()).unwrap(), &expected);
        }
    }
}
