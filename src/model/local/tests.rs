//! The engine against transformers and llama.cpp, and against itself read in other ways.
//!
//! The models are those of `tests/data/oracle`, made by `scripts/make-oracles.py`.

#![expect(clippy::print_stderr, reason = "the largest differences are reported")]

mod attention;
mod formats;
#[cfg(feature = "llamacpp")]
mod llamacpp;
mod oracle;
mod packing;
mod tokens;
mod writing;

use self::oracle::{NAMES, Oracle, largest_difference};
use super::LocalModel;
use super::attention::{Pack, Past};
use super::decoder::Decoder;
use super::read::each_row;
use super::simd;

/// What float32 arithmetic in another order may change, in nats; expected values have five decimals.
const TOLERANCE: f64 = 2e-4;
/// llama.cpp looks GELU up in a table of half-precision values.
const TABLE_TOLERANCE: f64 = 1e-2;

impl LocalModel {
    /// The own decoder, which the tests look into.
    fn decoder(&self) -> &Decoder {
        self.engine.decoder().unwrap()
    }
}

/// Log-probabilities over the whole vocabulary after every row of a pack without caches.
fn distributions(decoder: &Decoder, pack: &Pack) -> Vec<Vec<f64>> {
    let hidden = decoder.hidden(pack, &mut []).unwrap();
    normalised(decoder, &hidden, pack.tokens.len())
}

fn normalised(decoder: &Decoder, hidden: &candle_core::Tensor, rows: usize) -> Vec<Vec<f64>> {
    let rows: Vec<u32> = (0..u32::try_from(rows).unwrap()).collect();
    let mut all = Vec::new();
    each_row(decoder, hidden, &rows, |logits| {
        let total = simd::log_sum_exp(logits);
        all.push(logits.iter().map(|x| f64::from(*x) - total).collect());
    })
    .unwrap();
    all
}

/// The distributions after every token of a text that is read in one piece.
fn whole(decoder: &Decoder, tokens: &[u32]) -> Vec<Vec<f64>> {
    let mut pack = Pack::default();
    pack.push(tokens, 0, Past::Empty);
    distributions(decoder, &pack)
}

#[test]
fn every_architecture_agrees_with_transformers_at_every_position() {
    for name in NAMES {
        let oracle = Oracle::read(name);
        let worst = oracle.difference(oracle.open_directory().decoder());
        eprintln!("{name}: {worst:.6} nats from transformers");
        assert!(worst < TOLERANCE, "{name}: {worst} nats from transformers");
    }
}

#[test]
fn gguf_gives_what_safetensors_give() {
    for name in NAMES {
        let oracle = Oracle::read(name);
        let Some(gguf) = oracle.open_gguf() else {
            continue;
        };
        let directory = oracle.open_directory();
        let worst = oracle
            .sequences
            .iter()
            .map(|s| {
                largest_difference(
                    &whole(gguf.decoder(), &s.tokens),
                    &whole(directory.decoder(), &s.tokens),
                )
            })
            .fold(0.0, f64::max);
        eprintln!("{name}: {worst:.6} nats between GGUF and safetensors");
        assert!(worst < TOLERANCE, "{name}: {worst} nats between the forms");
    }
}

#[test]
fn gguf_agrees_with_llama_cpp() {
    for name in NAMES {
        let oracle = Oracle::read(name);
        let (Some(gguf), Some(expected)) = (oracle.open_gguf(), oracle.llama_cpp.as_ref()) else {
            continue;
        };
        let ours = whole(gguf.decoder(), &oracle.sequences[1].tokens);
        let last = ours.last().cloned().unwrap();
        let worst = largest_difference(&[last], std::slice::from_ref(expected));
        eprintln!("{name}: {worst:.6} nats from llama.cpp");
        let table = ["gemma", "gemma2", "gemma3", "gpt2", "neox"].contains(&name);
        let tolerance = if table { TABLE_TOLERANCE } else { TOLERANCE };
        assert!(worst < tolerance, "{name}: {worst} nats from llama.cpp");
    }
}
