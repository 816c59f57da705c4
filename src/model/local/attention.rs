//! Causal attention over packed, ragged segments.
//!
//! Many texts lie one behind the other in one matrix of rows, without padding. A segment of rows attends
//! to itself and to its past: nothing, an earlier segment of the same pack (a prefix that several
//! continuations share and that is computed once), or a cache that grows as a text is written.

mod slices;

use std::sync::Arc;

use candle_core::{Result, Tensor};

use super::ops::CausalSoftmax;
use super::spec::{LayerSpec, Spec};

/// Queries handled at once; the scores of a block take `heads * BLOCK * keys` values.
pub(super) const BLOCK: usize = 128;

/// What lies before a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    /// Nothing.
    Empty,
    /// An earlier segment of the same pack, with that segment's own past.
    Segment(usize),
    /// The cache of that index, to which the segment is appended.
    Cache(usize),
}

/// A run of rows of a pack that belong to one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) start: usize,
    pub(crate) length: usize,
    pub(crate) past: Past,
}

/// Texts to be run through the decoder together.
#[derive(Debug, Default)]
pub(crate) struct Pack {
    pub(crate) tokens: Vec<u32>,
    pub(crate) positions: Vec<usize>,
    pub(crate) segments: Vec<Segment>,
}

impl Pack {
    /// Appends a segment whose first token has the given position, and returns its index.
    pub(crate) fn push(&mut self, tokens: &[u32], position: usize, past: Past) -> usize {
        self.segments.push(Segment {
            start: self.tokens.len(),
            length: tokens.len(),
            past,
        });
        self.tokens.extend_from_slice(tokens);
        self.positions.extend(position..position + tokens.len());
        self.segments.len() - 1
    }

    /// A segment behind all that it follows, first to last.
    fn chain(&self, segment: Segment) -> Vec<Segment> {
        let mut chain = vec![segment];
        let mut past = segment.past;
        while let Past::Segment(index) = past {
            chain.push(self.segments[index]);
            past = self.segments[index].past;
        }
        chain.reverse();
        chain
    }
}

/// Keys and values of one text, for every layer, [kv heads, capacity, head size] each.
#[derive(Debug)]
pub(crate) struct Cache {
    /// What the text begins with, which other texts may begin with as well.
    before: Option<Arc<Cache>>,
    layers: Vec<(Tensor, Tensor)>,
    length: usize,
}

impl Cache {
    pub(crate) fn new(spec: &Spec, capacity: usize, device: &candle_core::Device) -> Result<Self> {
        let shape = (spec.kv_heads, capacity, spec.head_dim);
        let layer = |_| {
            Ok((
                Tensor::zeros(shape, candle_core::DType::F32, device)?,
                Tensor::zeros(shape, candle_core::DType::F32, device)?,
            ))
        };
        Ok(Self {
            before: None,
            layers: (0..spec.layers.len()).map(layer).collect::<Result<_>>()?,
            length: 0,
        })
    }

    /// Room for so many tokens behind a text that is kept once for all that follow it.
    pub(crate) fn behind(before: &Arc<Self>, spec: &Spec, capacity: usize) -> Result<Self> {
        let (k, _) = &before.layers[0];
        Ok(Self {
            before: Some(Arc::clone(before)),
            ..Self::new(spec, capacity, k.device())?
        })
    }

    /// What the text is kept in, first to last.
    fn chain(&self) -> impl Iterator<Item = &Self> {
        self.before.as_deref().into_iter().chain([self])
    }

    /// Gives every layer these keys and values, of which some count.
    #[cfg(test)]
    pub(super) fn fill(&mut self, kept: &Tensor, length: usize) {
        for (k, v) in &self.layers {
            k.slice_set(kept, 0, 0).unwrap();
            v.slice_set(kept, 0, 0).unwrap();
        }
        self.length = length;
    }

    /// Counts the tokens that every layer has appended.
    pub(super) fn advance(&mut self, tokens: usize) {
        self.length += tokens;
    }
}

/// Queries, keys and values of a whole pack, [heads, rows, head size] each.
pub(super) struct Projected {
    pub(super) q: Tensor,
    pub(super) k: Tensor,
    pub(super) v: Tensor,
}

/// One layer's attention: [rows, heads * head size].
pub(super) struct Attention<'a> {
    pub(super) spec: &'a Spec,
    pub(super) layer: LayerSpec,
    pub(super) number: usize,
}

impl Attention<'_> {
    pub(super) fn forward(
        &self,
        pack: &Pack,
        projected: &Projected,
        caches: &mut [Cache],
    ) -> Result<Tensor> {
        if projected.q.device().is_cpu() {
            return self.on_slices(pack, projected, caches);
        }
        self.plain(pack, projected, caches)
    }

    /// The same by candle's operations, segment by segment: what GPUs run.
    pub(super) fn plain(
        &self,
        pack: &Pack,
        projected: &Projected,
        caches: &mut [Cache],
    ) -> Result<Tensor> {
        let mut outputs = Vec::with_capacity(pack.segments.len());
        for segment in &pack.segments {
            let (keys, values, past) = self.keys(pack, *segment, projected, caches)?;
            let mut offset = 0;
            while offset < segment.length {
                let queries = BLOCK.min(segment.length - offset);
                let q = projected.q.narrow(1, segment.start + offset, queries)?;
                outputs.push(self.block(&q, &keys, &values, past + offset)?);
                offset += queries;
            }
        }
        match outputs.as_slice() {
            [only] => Ok(only.clone()),
            _ => Tensor::cat(&outputs, 0),
        }
    }

    /// Appends the keys and values of a segment to its cache, whose length is counted later.
    fn append(&self, segment: Segment, projected: &Projected, cache: &mut Cache) -> Result<()> {
        let (k, v) = &cache.layers[self.number];
        for (kept, all) in [(k, &projected.k), (v, &projected.v)] {
            let own = all.narrow(1, segment.start, segment.length)?.contiguous()?;
            kept.slice_set(&own, 1, cache.length)?;
        }
        Ok(())
    }

    /// The keys and values that a segment sees, and how many lie before its first row.
    fn keys(
        &self,
        pack: &Pack,
        segment: Segment,
        projected: &Projected,
        caches: &mut [Cache],
    ) -> Result<(Tensor, Tensor, usize)> {
        let own = |t: &Tensor| t.narrow(1, segment.start, segment.length);
        match segment.past {
            Past::Empty => Ok((own(&projected.k)?, own(&projected.v)?, 0)),
            Past::Segment(_) => {
                let chain = pack.chain(segment);
                let all = |t: &Tensor| {
                    let parts = chain
                        .iter()
                        .map(|s| t.narrow(1, s.start, s.length))
                        .collect::<Result<Vec<_>>>()?;
                    Tensor::cat(&parts, 1)
                };
                let keys: usize = chain.iter().map(|s| s.length).sum();
                Ok((
                    all(&projected.k)?,
                    all(&projected.v)?,
                    keys - segment.length,
                ))
            }
            Past::Cache(index) => {
                self.append(segment, projected, &mut caches[index])?;
                let (mut keys, mut values, mut past) = (Vec::new(), Vec::new(), 0);
                for cache in caches[index].chain() {
                    let (k, v) = &cache.layers[self.number];
                    keys.push(k.narrow(1, 0, cache.length)?);
                    values.push(v.narrow(1, 0, cache.length)?);
                    past += cache.length;
                }
                keys.push(own(&projected.k)?);
                values.push(own(&projected.v)?);
                Ok((Tensor::cat(&keys, 1)?, Tensor::cat(&values, 1)?, past))
            }
        }
    }

    /// Attention of a block of queries, [heads, queries, head size] to [queries, heads * head size].
    fn block(&self, q: &Tensor, keys: &Tensor, values: &Tensor, past: usize) -> Result<Tensor> {
        let spec = self.spec;
        let queries = q.dim(1)?;
        // Keys after the block's last query, or before the window of its first, are seen by none.
        let end = past + queries;
        let start = self
            .layer
            .window
            .map_or(0, |w| (past + 1).saturating_sub(w));
        let keys = keys.narrow(1, start, end - start)?;
        let values = values.narrow(1, start, end - start)?;
        let rows = spec.heads / spec.kv_heads * queries;
        let q = q
            .contiguous()?
            .reshape((spec.kv_heads, rows, spec.head_dim))?;
        let scores = q.matmul(&keys.transpose(1, 2)?)?;
        let softmax = CausalSoftmax {
            queries,
            past: past - start,
            window: self.layer.window,
            scale: spec.attention_scale,
            softcap: spec.attention_softcap,
        };
        let weights = softmax
            .forward(scores.reshape((spec.kv_heads * rows, end - start))?)?
            .reshape((spec.kv_heads, rows, end - start))?;
        weights
            .matmul(&values)?
            .reshape((spec.heads, queries, spec.head_dim))?
            .transpose(0, 1)?
            .reshape((queries, spec.heads * spec.head_dim))
    }
}
