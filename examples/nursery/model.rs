//! The network: a Llama-shaped decoder with tied embeddings.
//!
//! Queries, keys and values are one matrix here, and so are gate and up; all are stored
//! input-first, the way they are multiplied. [`crate::store`] knows the published names.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor, Var};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::attention::{Attention, HEAD, Heads, Rope};
use crate::data::VOCABULARY;
use crate::ops::{RmsNorm, SwiGlu};
use crate::recipe::ShapeName;

/// Positions that the published configuration allows.
pub(crate) const POSITIONS: usize = 512;
/// Base of the rotary frequencies.
pub(crate) const THETA: f32 = 10_000.0;

/// The measures of a network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) hidden: usize,
    pub(crate) layers: usize,
    pub(crate) heads: Heads,
    pub(crate) feed: usize,
}

/// One layer.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) attention_norm: Tensor,
    pub(crate) queries_keys_values: Tensor,
    pub(crate) attention_out: Tensor,
    pub(crate) feed_norm: Tensor,
    pub(crate) gate_up: Tensor,
    pub(crate) down: Tensor,
}

/// A network with its weights.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) shape: Shape,
    pub(crate) embedding: Tensor,
    pub(crate) blocks: Vec<Block>,
    pub(crate) norm: Tensor,
    pub(crate) rope: Arc<Rope>,
}

impl ShapeName {
    /// The measures of that shape.
    pub(crate) const fn shape(self) -> Shape {
        match self {
            Self::W64D3 => Shape {
                hidden: 64,
                layers: 3,
                heads: Heads {
                    queries: 4,
                    keys: 2,
                },
                feed: 160,
            },
            Self::W48D4 => Shape {
                hidden: 48,
                layers: 4,
                heads: Heads {
                    queries: 3,
                    keys: 1,
                },
                feed: 128,
            },
        }
    }
}

impl Block {
    fn map(&self, f: &mut impl FnMut(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Self {
            attention_norm: f(&self.attention_norm)?,
            queries_keys_values: f(&self.queries_keys_values)?,
            attention_out: f(&self.attention_out)?,
            feed_norm: f(&self.feed_norm)?,
            gate_up: f(&self.gate_up)?,
            down: f(&self.down)?,
        })
    }
}

impl Model {
    /// A network with weights drawn from `random`.
    pub(crate) fn random(shape: Shape, random: &mut ChaCha8Rng) -> Result<Self> {
        let mut matrix = |rows: usize, columns: usize, deviation: f32| {
            let values = (0..rows * columns)
                .map(|_| normal(random) * deviation)
                .collect();
            Tensor::from_vec::<_, f32>(values, (rows, columns), &Device::Cpu)
        };
        let norm = || Tensor::ones(shape.hidden, candle_core::DType::F32, &Device::Cpu);
        let fan_in = |width: usize| 1.0 / (width as f32).sqrt();
        // What is added to the residual stream starts small in proportion to the depth.
        let residual = 1.0 / (2.0 * shape.layers as f32).sqrt();
        let attended = shape.heads.queries * HEAD;
        let embedding = matrix(VOCABULARY, shape.hidden, 0.05)?;
        let blocks = (0..shape.layers).map(|_| {
            Ok(Block {
                attention_norm: norm()?,
                queries_keys_values: matrix(
                    shape.hidden,
                    shape.heads.width(),
                    fan_in(shape.hidden),
                )?,
                attention_out: matrix(attended, shape.hidden, residual * fan_in(attended))?,
                feed_norm: norm()?,
                gate_up: matrix(shape.hidden, 2 * shape.feed, fan_in(shape.hidden))?,
                down: matrix(shape.feed, shape.hidden, residual * fan_in(shape.feed))?,
            })
        });
        Ok(Self {
            shape,
            embedding,
            blocks: blocks.collect::<Result<_>>()?,
            norm: norm()?,
            rope: Arc::new(Rope::new(THETA, POSITIONS)),
        })
    }

    /// The same network with every tensor passed through `f`, in a fixed order.
    pub(crate) fn map(&self, f: &mut impl FnMut(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Self {
            shape: self.shape,
            embedding: f(&self.embedding)?,
            blocks: self
                .blocks
                .iter()
                .map(|block| block.map(f))
                .collect::<Result<_>>()?,
            norm: f(&self.norm)?,
            rope: Arc::clone(&self.rope),
        })
    }

    /// A copy whose weights can be trained, with its variables; the embedding is the first.
    pub(crate) fn trainable(&self) -> Result<(Self, Vec<Var>)> {
        let mut variables = Vec::new();
        let model = self.map(&mut |tensor| {
            let variable = Var::from_tensor(tensor)?;
            variables.push(variable.clone());
            Ok(variable.as_tensor().clone())
        })?;
        Ok((model, variables))
    }

    /// A view that tracks no gradients.
    pub(crate) fn frozen(&self) -> Result<Self> {
        self.map(&mut |tensor| Ok(tensor.detach()))
    }

    /// The last hidden state, normalised, of every token of whole sequences.
    pub(crate) fn hidden(&self, tokens: &[u32], length: usize) -> Result<Tensor> {
        self.forward(tokens, |_, rows| {
            let (heads, rope) = (self.shape.heads, Arc::clone(&self.rope));
            rows.apply_op1(Attention {
                heads,
                length,
                rope,
            })
        })
    }

    /// Runs the layers over tokens, with attention left to the caller.
    pub(crate) fn forward(
        &self,
        tokens: &[u32],
        mut attend: impl FnMut(usize, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let tokens = Tensor::new(tokens, &Device::Cpu)?;
        let mut x = self.embedding.index_select(&tokens, 0)?;
        for (at, block) in self.blocks.iter().enumerate() {
            let normed = x.apply_op2(&block.attention_norm, RmsNorm)?;
            let rows = normed.matmul(&block.queries_keys_values)?;
            x = (x + attend(at, &rows)?.matmul(&block.attention_out)?)?;
            let normed = x.apply_op2(&block.feed_norm, RmsNorm)?;
            let fed = normed.matmul(&block.gate_up)?.apply_op1(SwiGlu)?;
            x = (x + fed.matmul(&block.down)?)?;
        }
        x.apply_op2(&self.norm, RmsNorm)
    }

    /// Scores of all tokens after each hidden state.
    pub(crate) fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        hidden.matmul(&self.embedding.t()?)
    }
}

/// One draw from the normal distribution (Box and Muller).
fn normal(random: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - random.random::<f32>()).ln()).sqrt();
    radius * (std::f32::consts::TAU * random.random::<f32>()).cos()
}
