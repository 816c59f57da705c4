//! The decoder: token ids to hidden states, for every position.
//!
//! One config-driven stack covers the Llama shape (RMS norm, gated feed-forward or experts, rotary
//! positions, with the variations of Qwen, Gemma, Phi-3, Granite, OLMo 2 and SmolLM3) and the GPT shape (layer norm, plain feed-forward,
//! learned or partial rotary positions, parallel residual). Which tensors a layer has was settled when
//! it was loaded; here it only runs.

use candle_core::{Device, Result, Tensor};

use super::attention::{Attention, Cache, Pack, Projected};
use super::feed_forward::FeedForward;
use super::linear::{Linear, Weight};
use super::ops::{Heads, Norm, RopeTable};
use super::spec::{QkNorm, Spec};

/// One layer with its tensors.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) attention_norm: Option<Norm>,
    pub(super) qkv: Linear,
    pub(super) q_norm: Option<Norm>,
    pub(super) k_norm: Option<Norm>,
    pub(super) output: Linear,
    pub(super) post_attention_norm: Option<Norm>,
    pub(super) ffn_norm: Option<Norm>,
    pub(super) feed_forward: FeedForward,
    pub(super) post_ffn_norm: Option<Norm>,
}

/// A decoder with its weights.
#[derive(Debug)]
pub(crate) struct Decoder {
    pub(super) spec: Spec,
    pub(super) device: Device,
    /// The bytes of the files of weights.
    pub(super) stored: usize,
    /// [vocabulary, hidden].
    pub(super) embeddings: Weight,
    pub(super) positions: Option<Weight>,
    pub(super) ropes: Vec<RopeTable>,
    pub(super) layers: Vec<Layer>,
    pub(super) final_norm: Norm,
    /// [vocabulary, hidden].
    pub(super) head: Weight,
}

impl Decoder {
    pub(crate) fn spec(&self) -> &Spec {
        &self.spec
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Normalised hidden states of every row of the pack, [rows, hidden].
    pub(crate) fn hidden(&self, pack: &Pack, caches: &mut [Cache]) -> Result<Tensor> {
        let mut x = self.embed(pack)?;
        for (number, layer) in self.layers.iter().enumerate() {
            x = self.layer(number, layer, x, pack, caches)?;
        }
        for segment in &pack.segments {
            if let super::attention::Past::Cache(index) = segment.past {
                caches[index].advance(segment.length);
            }
        }
        Ok(x)
    }

    /// The final norm of some rows of [`Self::hidden`].
    pub(crate) fn normalised(&self, hidden: &Tensor, rows: &[u32]) -> Result<Tensor> {
        let index = Tensor::from_slice(rows, rows.len(), &self.device)?;
        let normalised = self.final_norm.forward(&hidden.index_select(&index, 0)?)?;
        match self.spec.logits_divisor {
            // The head is linear, so its input may be divided instead of its much larger output.
            Some(divisor) => normalised / divisor,
            None => Ok(normalised),
        }
    }

    /// Logits of normalised rows, [rows, vocabulary], before the soft cap.
    pub(crate) fn logits(&self, rows: &Tensor) -> Result<Tensor> {
        self.head.product(rows)
    }

    fn embed(&self, pack: &Pack) -> Result<Tensor> {
        let mut x = self.embeddings.rows(&pack.tokens)?;
        if let Some(scale) = self.spec.embedding_scale {
            x = (x * scale)?;
        }
        if let Some(table) = &self.positions {
            let places: Vec<u32> = pack
                .positions
                .iter()
                .map(|p| u32::try_from(*p).unwrap_or(u32::MAX))
                .collect();
            x = (x + table.rows(&places)?)?;
        }
        Ok(x)
    }

    fn layer(
        &self,
        number: usize,
        layer: &Layer,
        x: Tensor,
        pack: &Pack,
        caches: &mut [Cache],
    ) -> Result<Tensor> {
        let scaled = |added: Tensor| match self.spec.residual_scale {
            Some(scale) => added * scale,
            None => Ok(added),
        };
        let attended = scaled(self.attend(number, layer, &x, pack, caches)?)?;
        if self.spec.parallel_residual {
            let fed = scaled(feed_forward(layer, &x)?)?;
            return (x + attended)? + fed;
        }
        let x = (x + attended)?;
        let fed = scaled(feed_forward(layer, &x)?)?;
        x + fed
    }

    fn attend(
        &self,
        number: usize,
        layer: &Layer,
        x: &Tensor,
        pack: &Pack,
        caches: &mut [Cache],
    ) -> Result<Tensor> {
        let spec = &self.spec;
        let attention = Attention {
            spec,
            layer: spec.layers[number],
            number,
        };
        let rope = attention.layer.rope.map(|index| &self.ropes[index]);
        let qkv = layer
            .qkv
            .forward(&normed(layer.attention_norm.as_ref(), x)?)?;
        let (q_width, kv_width) = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim);
        let part = |start, width, heads, norm: Option<&Norm>, rope| {
            let whole = norm.filter(|_| spec.qk_norm == QkNorm::Whole);
            Heads {
                heads,
                head_dim: spec.head_dim,
                norm: norm.filter(|_| spec.qk_norm == QkNorm::Heads),
                rope,
                positions: &pack.positions,
            }
            .forward(&normed(whole, &qkv.narrow(1, start, width)?)?)
        };
        let projected = Projected {
            q: part(0, q_width, spec.heads, layer.q_norm.as_ref(), rope)?,
            k: part(
                q_width,
                kv_width,
                spec.kv_heads,
                layer.k_norm.as_ref(),
                rope,
            )?,
            v: part(q_width + kv_width, kv_width, spec.kv_heads, None, None)?,
        };
        let attended = attention.forward(pack, &projected, caches)?;
        let y = layer.output.forward(&attended)?;
        normed(layer.post_attention_norm.as_ref(), &y)
    }
}

fn feed_forward(layer: &Layer, x: &Tensor) -> Result<Tensor> {
    let fed = layer
        .feed_forward
        .forward(&normed(layer.ffn_norm.as_ref(), x)?)?;
    normed(layer.post_ffn_norm.as_ref(), &fed)
}

/// The norm where there is one.
fn normed(norm: Option<&Norm>, x: &Tensor) -> Result<Tensor> {
    match norm {
        Some(norm) => norm.forward(x),
        None => Ok(x.clone()),
    }
}
