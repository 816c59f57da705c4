//! Causal attention with rotary positions, for whole sequences and for one token more.

#![expect(
    clippy::inline_always,
    reason = "only inlined loops take the dispatched vector width"
)]

use std::ops::Range;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use crate::vector::{softmax, values, wide, wide_dot, with_values};

/// Width of a head, the same in all shapes so that loops over it unroll.
pub(crate) const HEAD: usize = 16;
const HALF: usize = HEAD / 2;

/// Cosines and sines of the rotary position embedding, a row a position.
#[derive(Debug)]
pub(crate) struct Rope {
    cos: Vec<[f32; HALF]>,
    sin: Vec<[f32; HALF]>,
}

impl Rope {
    /// The angles of the first `length` positions.
    pub(crate) fn new(theta: f32, length: usize) -> Self {
        let angle =
            |position: usize, i: usize| position as f32 / theta.powf(i as f32 / HALF as f32);
        let table = |f: fn(f32) -> f32| {
            (0..length)
                .map(|at| std::array::from_fn(|i| f(angle(at, i))))
                .collect()
        };
        Self {
            cos: table(f32::cos),
            sin: table(f32::sin),
        }
    }

    /// Turns a head's vector by its position; the halves are the two coordinates.
    #[inline(always)]
    fn turn(&self, vector: &[f32], position: usize) -> [f32; HEAD] {
        let (cos, sin) = (&self.cos[position], &self.sin[position]);
        let mut turned = [0.0; HEAD];
        for i in 0..HALF {
            let (x, y) = (vector[i], vector[i + HALF]);
            turned[i] = x * cos[i] - y * sin[i];
            turned[i + HALF] = y * cos[i] + x * sin[i];
        }
        turned
    }

    /// Turns back, which is also how a gradient passes.
    #[inline(always)]
    fn turn_back(&self, vector: &[f32; HEAD], position: usize, out: &mut [f32]) {
        let (cos, sin) = (&self.cos[position], &self.sin[position]);
        for i in 0..HALF {
            let (x, y) = (vector[i], vector[i + HALF]);
            out[i] += x * cos[i] + y * sin[i];
            out[i + HALF] += y * cos[i] - x * sin[i];
        }
    }
}

/// The keys and values of one key-value head: keys by coordinate, so that scores take vectors.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    capacity: usize,
    keys: Vec<f32>,
    values: Vec<[f32; HEAD]>,
}

impl Memory {
    /// An empty memory of so many positions.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            keys: vec![0.0; HEAD * capacity],
            values: vec![[0.0; HEAD]; capacity],
        }
    }

    #[inline(always)]
    fn put(&mut self, position: usize, key: &[f32; HEAD], value: &[f32]) {
        for (i, coordinate) in key.iter().enumerate() {
            self.keys[i * self.capacity + position] = *coordinate;
        }
        self.values[position].copy_from_slice(value);
    }

    /// The products of a query with as many keys as there are scores.
    #[inline(always)]
    fn scores(&self, query: &[f32; HEAD], scores: &mut [f32]) {
        let scale = 1.0 / (HEAD as f32).sqrt();
        scores.fill(0.0);
        for (i, q) in query.iter().enumerate() {
            let keys = &self.keys[i * self.capacity..][..scores.len()];
            let q = q * scale;
            for (score, key) in scores.iter_mut().zip(keys) {
                *score = q.mul_add(*key, *score);
            }
        }
    }

    /// The values, weighted.
    #[inline(always)]
    fn read(&self, weights: &[f32], out: &mut [f32]) {
        let mut sum = [0.0f32; HEAD];
        for (weight, value) in weights.iter().zip(&self.values) {
            for (sum, value) in sum.iter_mut().zip(value) {
                *sum = weight.mul_add(*value, *sum);
            }
        }
        out.copy_from_slice(&sum);
    }
}

/// Heads of queries and of keys and values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    pub(crate) queries: usize,
    pub(crate) keys: usize,
}

impl Heads {
    /// Width of a row of queries, keys and values side by side.
    pub(crate) const fn width(self) -> usize {
        (self.queries + 2 * self.keys) * HEAD
    }

    const fn query(self, head: usize) -> Range<usize> {
        let _ = self;
        head * HEAD..(head + 1) * HEAD
    }

    const fn key(self, head: usize) -> Range<usize> {
        let start = (self.queries + head) * HEAD;
        start..start + HEAD
    }

    const fn value(self, head: usize) -> Range<usize> {
        let start = (self.queries + self.keys + head) * HEAD;
        start..start + HEAD
    }

    const fn shared(self) -> usize {
        self.queries / self.keys
    }
}

/// Attends with one new position of one sequence; `memories` hold what came before it.
pub(crate) fn attend_next(
    heads: Heads,
    rope: &Rope,
    row: &[f32],
    position: usize,
    memories: &mut [Memory],
    out: &mut [f32],
) {
    let mut scores = vec![0.0; position + 1];
    wide(
        #[inline(always)]
        || {
            for (head, memory) in memories.iter_mut().enumerate() {
                memory.put(
                    position,
                    &rope.turn(&row[heads.key(head)], position),
                    &row[heads.value(head)],
                );
            }
            for head in 0..heads.queries {
                let query = rope.turn(&row[heads.query(head)], position);
                let memory = &memories[head / heads.shared()];
                memory.scores(&query, &mut scores);
                softmax(&mut scores);
                memory.read(&scores, &mut out[heads.query(head)]);
            }
        },
    );
}

/// Causal attention over whole sequences, rotary positions included.
#[derive(Debug)]
pub(crate) struct Attention {
    pub(crate) heads: Heads,
    pub(crate) length: usize,
    pub(crate) rope: Arc<Rope>,
}

impl Attention {
    fn forward(&self, rows: &[f32]) -> Vec<f32> {
        let (heads, width) = (self.heads, self.heads.width());
        let out_width = heads.queries * HEAD;
        let mut out = vec![0.0; rows.len() / width * out_width];
        let mut memory = Memory::new(self.length);
        let mut scores = vec![0.0; self.length];
        wide(
            #[inline(always)]
            || {
                for (rows, out) in rows
                    .chunks_exact(width * self.length)
                    .zip(out.chunks_exact_mut(out_width * self.length))
                {
                    for key in 0..heads.keys {
                        self.remember(rows, key, &mut memory);
                        for head in key * heads.shared()..(key + 1) * heads.shared() {
                            for (at, row) in rows.chunks_exact(width).enumerate() {
                                let query = self.rope.turn(&row[heads.query(head)], at);
                                let scores = &mut scores[..=at];
                                memory.scores(&query, scores);
                                softmax(scores);
                                let out = &mut out[at * out_width..][..out_width];
                                memory.read(scores, &mut out[heads.query(head)]);
                            }
                        }
                    }
                }
            },
        );
        out
    }

    #[inline(always)]
    fn remember(&self, rows: &[f32], key: usize, memory: &mut Memory) {
        for (at, row) in rows.chunks_exact(self.heads.width()).enumerate() {
            let turned = self.rope.turn(&row[self.heads.key(key)], at);
            memory.put(at, &turned, &row[self.heads.value(key)]);
        }
    }

    fn backward(&self, rows: &[f32], gradient: &[f32]) -> Vec<f32> {
        let (heads, width) = (self.heads, self.heads.width());
        let in_width = heads.queries * HEAD;
        let mut out = vec![0.0; rows.len()];
        let mut scratch = Scratch::new(self.length);
        wide(
            #[inline(always)]
            || {
                for ((rows, gradient), out) in rows
                    .chunks_exact(width * self.length)
                    .zip(gradient.chunks_exact(in_width * self.length))
                    .zip(out.chunks_exact_mut(width * self.length))
                {
                    for key in 0..heads.keys {
                        self.remember(rows, key, &mut scratch.memory);
                        scratch.begin();
                        for head in key * heads.shared()..(key + 1) * heads.shared() {
                            for (at, row) in rows.chunks_exact(width).enumerate() {
                                let query = self.rope.turn(&row[heads.query(head)], at);
                                let gradient = &gradient[at * in_width..][heads.query(head)];
                                let to_query = scratch.backward(&query, gradient, at);
                                let out = &mut out[at * width..][heads.query(head)];
                                self.rope.turn_back(&to_query, at, out);
                            }
                        }
                        for (at, out) in out.chunks_exact_mut(width).enumerate() {
                            self.rope
                                .turn_back(&scratch.to_keys[at], at, &mut out[heads.key(key)]);
                            out[heads.value(key)].copy_from_slice(&scratch.to_values[at]);
                        }
                    }
                }
            },
        );
        out
    }
}

/// What one key-value head's gradient needs between its positions.
#[derive(Debug)]
struct Scratch {
    memory: Memory,
    /// The values by coordinate, as the keys are.
    values: Vec<f32>,
    weights: Vec<f32>,
    to_scores: Vec<f32>,
    keys: Vec<[f32; HEAD]>,
    to_keys: Vec<[f32; HEAD]>,
    to_values: Vec<[f32; HEAD]>,
}

impl Scratch {
    fn new(length: usize) -> Self {
        Self {
            memory: Memory::new(length),
            values: vec![0.0; HEAD * length],
            weights: vec![0.0; length],
            to_scores: vec![0.0; length],
            keys: vec![[0.0; HEAD]; length],
            to_keys: vec![[0.0; HEAD]; length],
            to_values: vec![[0.0; HEAD]; length],
        }
    }

    /// Takes up a newly filled memory.
    #[inline(always)]
    fn begin(&mut self) {
        let length = self.memory.capacity;
        for (at, (value, key)) in self.memory.values.iter().zip(&mut self.keys).enumerate() {
            for (i, (value, key)) in value.iter().zip(key).enumerate() {
                self.values[i * length + at] = *value;
                *key = self.memory.keys[i * length + at];
            }
        }
        self.to_keys.fill([0.0; HEAD]);
        self.to_values.fill([0.0; HEAD]);
    }

    /// The gradient of one query; those of keys and values are added up on the way.
    #[inline(always)]
    fn backward(&mut self, query: &[f32; HEAD], gradient: &[f32], at: usize) -> [f32; HEAD] {
        let length = self.memory.capacity;
        let weights = &mut self.weights[..=at];
        self.memory.scores(query, weights);
        softmax(weights);
        let to_scores = &mut self.to_scores[..=at];
        to_scores.fill(0.0);
        for (i, g) in gradient.iter().enumerate() {
            let values = &self.values[i * length..][..=at];
            for (to_score, value) in to_scores.iter_mut().zip(values) {
                *to_score = g.mul_add(*value, *to_score);
            }
        }
        let mean = wide_dot(weights, to_scores);
        let scale = 1.0 / (HEAD as f32).sqrt();
        for (to_score, weight) in to_scores.iter_mut().zip(weights.iter()) {
            *to_score = (*to_score - mean) * weight * scale;
        }
        let mut to_query = [0.0f32; HEAD];
        for j in 0..=at {
            let (to_score, weight, key) = (to_scores[j], weights[j], &self.keys[j]);
            let (to_key, to_value) = (&mut self.to_keys[j], &mut self.to_values[j]);
            for i in 0..HEAD {
                to_query[i] = to_score.mul_add(key[i], to_query[i]);
                to_key[i] = to_score.mul_add(query[i], to_key[i]);
                to_value[i] = weight.mul_add(gradient[i], to_value[i]);
            }
        }
        to_query
    }
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "nursery-attention"
    }

    fn cpu_fwd(&self, rows: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let count = layout.shape().dims2()?.0;
        let out = self.forward(values(rows, layout)?);
        Ok((
            CpuStorage::F32(out),
            (count, self.heads.queries * HEAD).into(),
        ))
    }

    fn bwd(&self, rows: &Tensor, _result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let out = with_values(rows, |x| with_values(gradient, |g| Ok(self.backward(x, g))))?;
        Ok(Some(Tensor::from_vec(out, rows.shape(), rows.device())?))
    }
}
