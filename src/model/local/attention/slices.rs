//! Attention on the CPU, on slices and without copies.
//!
//! A battery is thousands of short segments: options after a prompt, single tokens of samples. For those
//! the tensor operations of a segment cost more than its arithmetic. Here a block of rows is multiplied
//! with every piece of its past where that lies, and consecutive segments with the same past share a
//! block, so that a prompt's keys are read once for all its options.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::{Attention, BLOCK, Cache, Pack, Past, Projected};
use crate::model::local::matmul::{Product, Right, Rows};
use crate::model::local::ops::Values;
use crate::model::local::simd;

/// Less work than this, in multiplications, stays on one thread.
const PARALLEL_WORK: usize = 1 << 20;

/// Keys and values, [kv heads, rows, head size] each.
#[derive(Clone, Copy)]
struct Kept<'a> {
    keys: &'a [f32],
    values: &'a [f32],
    rows: usize,
}

/// Consecutive rows of kept keys and values.
#[derive(Clone, Copy)]
struct Piece<'a> {
    kept: Kept<'a>,
    start: usize,
    length: usize,
}

/// Rows of one segment within a block.
struct Part<'a> {
    first: usize,
    count: usize,
    /// Rows of the segment before these.
    offset: usize,
    /// The segment's own keys, up to the last row of the part.
    own: Piece<'a>,
}

/// Consecutive rows of the pack whose segments have the same past.
struct Block<'a> {
    start: usize,
    rows: usize,
    past: Past,
    pieces: Vec<Piece<'a>>,
    parts: Vec<Part<'a>>,
}

impl Block<'_> {
    fn past_length(&self) -> usize {
        self.pieces.iter().map(|p| p.length).sum()
    }

    fn keys(&self) -> usize {
        let own = self.parts.iter().map(|p| p.own.length).max();
        self.past_length() + own.unwrap_or(0)
    }
}

/// Memory that blocks use one after the other.
#[derive(Default)]
struct Room {
    scores: Vec<f32>,
    packed: Vec<f32>,
}

impl Attention<'_> {
    /// What [`Attention::forward`] computes, for tensors on the CPU.
    pub(super) fn on_slices(
        &self,
        pack: &Pack,
        projected: &Projected,
        caches: &mut [Cache],
    ) -> Result<Tensor> {
        let device = projected.q.device();
        let width = self.spec.heads * self.spec.head_dim;
        for segment in &pack.segments {
            if let Past::Cache(index) = segment.past {
                self.append(*segment, projected, &mut caches[index])?;
            }
        }
        let queries = Values::of(&projected.q);
        let (keys, values) = (Values::of(&projected.k), Values::of(&projected.v));
        let rows = pack.tokens.len();
        let own = Kept {
            keys: keys.get()?,
            values: values.get()?,
            rows,
        };
        // What was just appended is not yet counted, and stands among the pack's own rows.
        let tensors: Vec<Vec<_>> = caches
            .iter()
            .map(|cache| {
                let parts = cache.chain().map(|part| &part.layers[self.number]);
                parts.map(|(k, v)| (Values::of(k), Values::of(v))).collect()
            })
            .collect();
        let cached = caches
            .iter()
            .zip(&tensors)
            .map(|(cache, tensors)| {
                let pieces = cache.chain().zip(tensors).map(|(part, (k, v))| {
                    let kept = Kept {
                        keys: k.get()?,
                        values: v.get()?,
                        rows: part.layers[self.number].0.dim(1)?,
                    };
                    Ok(Piece {
                        kept,
                        start: 0,
                        length: part.length,
                    })
                });
                pieces.collect()
            })
            .collect::<Result<Vec<Vec<_>>>>()?;
        let blocks = blocks(pack, own, &cached);
        let mut out = vec![0f32; rows * width];
        self.run(queries.get()?, rows, &blocks, &mut out);
        Tensor::from_vec(out, (rows, width), device)
    }

    /// Computes every block into its rows of `out`, on several threads when that pays.
    fn run(&self, queries: &[f32], rows: usize, blocks: &[Block<'_>], out: &mut [f32]) {
        let width = self.spec.heads * self.spec.head_dim;
        let mut rest = out;
        let mut places = Vec::with_capacity(blocks.len());
        for block in blocks {
            let (place, after) = rest.split_at_mut(block.rows * width);
            places.push((block, place));
            rest = after;
        }
        let work: usize = blocks.iter().map(|b| b.rows * b.keys() * width).sum();
        let one = |room: &mut Room, (block, out): (&Block<'_>, &mut [f32])| {
            for head in 0..self.spec.heads {
                self.head(queries, rows, block, head, out, room);
            }
        };
        if work < PARALLEL_WORK || rayon::current_num_threads() == 1 {
            let mut room = Room::default();
            for place in places {
                one(&mut room, place);
            }
        } else {
            places.into_par_iter().for_each_init(Room::default, one);
        }
    }

    /// One head of a block; `out` are the rows of the block, all heads.
    fn head(
        &self,
        queries: &[f32],
        rows: usize,
        block: &Block<'_>,
        head: usize,
        out: &mut [f32],
        Room { scores, packed }: &mut Room,
    ) {
        let dim = self.spec.head_dim;
        let kv_head = head * self.spec.kv_heads / self.spec.heads;
        let (past, keys) = (block.past_length(), block.keys());
        let of_head =
            |values, rows: usize, row: usize| Rows::new(values, (kv_head * rows + row) * dim, dim);
        let query = |row: usize| Rows::new(queries, (head * rows + block.start + row) * dim, dim);
        if scores.len() < block.rows * keys {
            scores.resize(block.rows * keys, 0.0);
        }
        // Each product: rows of the block, keys, and where the keys stand among all.
        let whole = (0, block.rows);
        let mut places = Vec::with_capacity(block.pieces.len() + block.parts.len());
        let mut at = 0;
        for piece in &block.pieces {
            places.push((whole, *piece, at));
            at += piece.length;
        }
        places.extend(
            block
                .parts
                .iter()
                .map(|p| ((p.first, p.count), p.own, past)),
        );
        for ((first, count), piece, at) in &places {
            Product {
                left: query(*first),
                right: Right::Transposed(of_head(piece.kept.keys, piece.kept.rows, piece.start)),
                m: *count,
                k: dim,
                n: piece.length,
                out: &mut scores[first * keys + at..],
                stride: keys,
                add: false,
            }
            .run(packed);
        }
        for part in &block.parts {
            self.weigh(part, past, &mut scores[part.first * keys..], keys);
        }
        let width = self.spec.heads * dim;
        for ((first, count), piece, at) in &places {
            Product {
                left: Rows::new(scores, first * keys + at, keys),
                right: Right::Plain(of_head(piece.kept.values, piece.kept.rows, piece.start)),
                m: *count,
                k: piece.length,
                n: dim,
                out: &mut out[first * width + head * dim..],
                stride: width,
                add: *at > 0,
            }
            .run(packed);
        }
    }

    /// Turns the scores of a part, rows `keys` apart, into weights.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a scale and a cap, used in f32"
    )]
    fn weigh(&self, part: &Part<'_>, past: usize, scores: &mut [f32], keys: usize) {
        let scale = self.spec.attention_scale as f32;
        let softcap = self.spec.attention_softcap.map(|c| c as f32);
        for (row, scores) in scores.chunks_mut(keys).take(part.count).enumerate() {
            let end = past + part.offset + row + 1;
            let start = self.layer.window.map_or(0, |w| end.saturating_sub(w));
            let scores = &mut scores[..past + part.own.length];
            simd::attention_softmax(scores, start..end, scale, softcap);
        }
    }
}

/// Cuts a pack into blocks, in the order of its rows.
/// `cached` are the pieces of each cache.
fn blocks<'a>(pack: &Pack, own: Kept<'a>, cached: &[Vec<Piece<'a>>]) -> Vec<Block<'a>> {
    let mut blocks: Vec<Block<'a>> = Vec::new();
    let piece = |start, length| Piece {
        kept: own,
        start,
        length,
    };
    for segment in &pack.segments {
        for offset in (0..segment.length).step_by(BLOCK) {
            let count = BLOCK.min(segment.length - offset);
            let seen = piece(segment.start, offset + count);
            let part = |first| Part {
                first,
                count,
                offset,
                own: seen,
            };
            if let (Past::Segment(_), Some(last)) = (segment.past, blocks.last_mut())
                && last.past == segment.past
                && last.rows + count <= BLOCK
            {
                last.parts.push(part(last.rows));
                last.rows += count;
                continue;
            }
            let pieces = match segment.past {
                Past::Empty => Vec::new(),
                Past::Cache(index) => cached[index].clone(),
                Past::Segment(_) => {
                    let mut chain = pack.chain(*segment);
                    chain.pop();
                    chain.iter().map(|s| piece(s.start, s.length)).collect()
                }
            };
            blocks.push(Block {
                start: segment.start + offset,
                rows: count,
                past: segment.past,
                pieces,
                parts: vec![part(0)],
            });
        }
    }
    blocks
}
