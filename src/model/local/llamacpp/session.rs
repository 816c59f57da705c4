//! A context of llama.cpp: rows of tokens in, rows of logits out.

use std::num::NonZeroU32;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;

use super::engine::Engine;
use crate::model::local::error::LocalError;
use crate::model::local::simd;

/// llama.cpp's own number for attention that is not fused (llama.h, `LLAMA_FLASH_ATTN_TYPE_DISABLED`).
const NOT_FUSED: i32 = 0;
/// Logits of a batch: 16 million values, 64 MB.
const LOGITS: usize = 16 << 20;

/// A token of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) token: u32,
    pub(super) position: usize,
    /// The text's number in the context.
    pub(super) sequence: usize,
    /// Whether the distribution behind it is wanted.
    pub(super) wanted: bool,
}

/// A context of one model.
pub(super) struct Session<'m> {
    context: LlamaContext<'m>,
    batch: LlamaBatch<'static>,
    vocabulary: usize,
    /// Rows of a batch, and how many of them may be wanted.
    rows: usize,
    most: usize,
    /// Tokens that it has room for.
    pub(super) cells: usize,
}

fn failed(step: &'static str) -> impl FnOnce(String) -> LocalError {
    move |what| LocalError::LlamaCpp { step, what }
}

fn number(value: usize) -> Result<i32, LocalError> {
    i32::try_from(value).map_err(|error| failed("count so far")(error.to_string()))
}

impl<'m> Session<'m> {
    /// A context with room for so many tokens, of so many texts.
    pub(super) fn new(
        engine: &'m Engine,
        cells: usize,
        sequences: usize,
    ) -> Result<Self, LocalError> {
        let rows = engine.rows();
        let threads = number(engine.threads())?;
        let on_gpu = engine.gpu_layers > 0;
        let wide = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let size = NonZeroU32::new(wide(cells.max(1).next_multiple_of(256)));
        let params = LlamaContextParams::default()
            .with_n_ctx(size)
            .with_n_batch(wide(rows))
            .with_n_ubatch(wide(rows))
            .with_n_seq_max(wide(sequences.max(1)))
            .with_n_threads(threads)
            .with_n_threads_batch(threads)
            .with_type_k(KvCacheType::F32)
            .with_type_v(KvCacheType::F32)
            .with_flash_attention_policy(NOT_FUSED)
            // Texts go on from the middle of others, so a window forgets nothing.
            .with_swa_full(true)
            .with_kv_unified(true)
            .with_offload_kqv(on_gpu)
            .with_op_offload(on_gpu)
            .with_no_perf(true);
        let context = {
            let _one = engine.making.lock();
            engine.model.new_context(engine.backend, params)
        };
        Ok(Self {
            context: context
                .map_err(|error| failed("make room for keys and values")(error.to_string()))?,
            batch: LlamaBatch::new(rows, 1),
            vocabulary: engine.vocabulary,
            rows,
            most: (LOGITS / engine.vocabulary).clamp(1, rows),
            cells,
        })
    }

    /// Runs rows, each text's in order, and hands over the logits behind those that are wanted: the row's place among
    /// `rows`, in order.
    pub(super) fn run(
        &mut self,
        rows: &[Row],
        take: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), LocalError> {
        let mut done = 0;
        while done < rows.len() {
            let count = self.batch_of(&rows[done..]);
            self.batch.clear();
            for row in &rows[done..done + count] {
                self.add(*row)?;
            }
            self.context
                .decode(&mut self.batch)
                .map_err(|error| failed("run the model")(error.to_string()))?;
            for (place, row) in rows[done..done + count].iter().enumerate() {
                if !row.wanted {
                    continue;
                }
                let logits = self.context.get_logits_ith(number(place)?);
                if !simd::all_finite(logits) {
                    return Err(LocalError::Overflow);
                }
                take(done + place, logits);
            }
            done += count;
        }
        Ok(())
    }

    /// How many rows go into the next batch.
    fn batch_of(&self, rows: &[Row]) -> usize {
        let mut wanted = 0;
        let mut count = 0;
        for row in rows.iter().take(self.rows) {
            wanted += usize::from(row.wanted);
            if wanted > self.most {
                break;
            }
            count += 1;
        }
        count
    }

    fn add(&mut self, row: Row) -> Result<(), LocalError> {
        // llama.cpp looks a token up without asking whether it is there.
        if row.token as usize >= self.vocabulary {
            return Err(LocalError::Config {
                what: format!("token {} has no row in the embedding", row.token),
            });
        }
        let token = LlamaToken::new(number(row.token as usize)?);
        let (position, sequence) = (number(row.position)?, number(row.sequence)?);
        self.batch
            .add(token, position, &[sequence], row.wanted)
            .map_err(|error| failed("fill a batch")(error.to_string()))
    }

    /// Lets another text begin as one that was run does.
    pub(super) fn copy(&mut self, from: usize, to: usize) -> Result<(), LocalError> {
        let (from, to) = (number(from)?, number(to)?);
        self.context
            .copy_kv_cache_seq(from, to, None, None)
            .map_err(|error| failed("copy a text")(error.to_string()))
    }

    /// Forgets a text.
    pub(super) fn forget(&mut self, sequence: usize) -> Result<(), LocalError> {
        let sequence = u32::try_from(sequence).unwrap_or(u32::MAX);
        self.context
            .clear_kv_cache_seq(Some(sequence), None, None)
            .map(|_| ())
            .map_err(|error| failed("forget a text")(error.to_string()))
    }

    /// Forgets all texts.
    pub(super) fn clear(&mut self) {
        self.context.clear_kv_cache();
    }
}

/// The rows of a piece of a text; `wanted` says behind which of its places the distribution is.
pub(super) fn rows(
    tokens: &[u32],
    from: usize,
    sequence: usize,
    wanted: impl Fn(usize) -> bool,
) -> impl Iterator<Item = Row> {
    tokens.iter().enumerate().map(move |(place, token)| Row {
        token: *token,
        position: from + place,
        sequence,
        wanted: wanted(place),
    })
}
