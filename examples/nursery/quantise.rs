//! GGUF files as llama.cpp's converter writes them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use candle_core::Tensor;
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use serde::Deserialize;
use tokenizers::Tokenizer;

use crate::Outcome;
use crate::attention::HEAD;
use crate::data::{BOS, EOS, VOCABULARY};
use crate::model::{Model, POSITIONS, Shape, THETA};
use crate::recipe::Quantisation;
use crate::store::named_tensors;

/// The part of a tokenizer file that a GGUF file carries too.
#[derive(Deserialize)]
struct TokenizerFile {
    model: Bpe,
}

#[derive(Deserialize)]
struct Bpe {
    vocab: BTreeMap<String, u32>,
    merges: Vec<(String, String)>,
}

/// Writes a model with its tokenizer as one GGUF file.
pub(crate) fn write(
    model: &Model,
    tokenizer: &Tokenizer,
    quantisation: Quantisation,
    name: &str,
    path: &Path,
) -> Outcome<()> {
    let mut tensors = Vec::new();
    for (name, tensor) in named_tensors(model)? {
        // llama.cpp keeps vectors whole and turns neighbouring pairs instead of halves.
        let kind = match (tensor.rank(), quantisation) {
            (1, _) => GgmlDType::F32,
            (_, Quantisation::Q8) => GgmlDType::Q8_0,
            (_, Quantisation::Q4) => GgmlDType::Q4_0,
        };
        let turned = name.contains("q_proj") || name.contains("k_proj");
        let tensor = if turned { pairs(&tensor)? } else { tensor };
        tensors.push((gguf_name(&name)?, QTensor::quantize(&tensor, kind)?));
    }
    let metadata = metadata(model.shape, tokenizer, quantisation, name)?;
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor))
        .collect();
    let mut file = BufWriter::new(File::create(path)?);
    gguf_file::write(&mut file, &metadata, &tensors)?;
    file.flush()?;
    Ok(())
}

/// Rows of each head reordered from halves (0, 8, ...) to pairs (0, 8), (1, 9), ...
fn pairs(matrix: &Tensor) -> candle_core::Result<Tensor> {
    let (rows, columns) = matrix.dims2()?;
    matrix
        .reshape((rows / HEAD, 2, HEAD / 2, columns))?
        .transpose(1, 2)?
        .contiguous()?
        .reshape((rows, columns))
}

fn gguf_name(name: &str) -> Outcome<String> {
    let fixed = match name {
        "model.embed_tokens.weight" => Some("token_embd.weight"),
        "model.norm.weight" => Some("output_norm.weight"),
        _ => None,
    };
    if let Some(fixed) = fixed {
        return Ok(fixed.to_owned());
    }
    let rest = name
        .strip_prefix("model.layers.")
        .and_then(|rest| rest.split_once('.'));
    let (layer, part) = rest.ok_or_else(|| format!("no GGUF name for '{name}'"))?;
    let part = match part {
        "input_layernorm.weight" => "attn_norm",
        "self_attn.q_proj.weight" => "attn_q",
        "self_attn.k_proj.weight" => "attn_k",
        "self_attn.v_proj.weight" => "attn_v",
        "self_attn.o_proj.weight" => "attn_output",
        "post_attention_layernorm.weight" => "ffn_norm",
        "mlp.gate_proj.weight" => "ffn_gate",
        "mlp.up_proj.weight" => "ffn_up",
        "mlp.down_proj.weight" => "ffn_down",
        _ => return Err(format!("no GGUF name for '{name}'").into()),
    };
    Ok(format!("blk.{layer}.{part}.weight"))
}

fn metadata(
    shape: Shape,
    tokenizer: &Tokenizer,
    quantisation: Quantisation,
    name: &str,
) -> Outcome<Vec<(&'static str, Value)>> {
    let number = |value: usize| Ok::<_, std::num::TryFromIntError>(Value::U32(value.try_into()?));
    let text = |value: &str| Value::String(value.to_owned());
    let TokenizerFile {
        model: Bpe { vocab, merges },
    } = serde_json::from_str(&tokenizer.to_string(false)?)?;
    let mut words: Vec<(u32, String)> = vocab.into_iter().map(|(word, id)| (id, word)).collect();
    words.sort_unstable();
    // llama.cpp's kinds of token: 1 is ordinary, 3 is control.
    let kind = |id: u32| Value::I32(if id == BOS || id == EOS { 3 } else { 1 });
    let kinds = words.iter().map(|(id, _)| kind(*id)).collect();
    let words: Vec<Value> = words
        .into_iter()
        .map(|(_, word)| Value::String(word))
        .collect();
    let merges = merges
        .iter()
        .map(|(left, right)| Value::String(format!("{left} {right}")));
    // llama.cpp's number for the kind of file.
    let file_type = match quantisation {
        Quantisation::Q8 => 7,
        Quantisation::Q4 => 2,
    };
    Ok(vec![
        ("general.architecture", text("llama")),
        ("general.name", text(name)),
        ("general.file_type", Value::U32(file_type)),
        ("general.quantization_version", Value::U32(2)),
        ("general.alignment", Value::U32(32)),
        ("llama.block_count", number(shape.layers)?),
        ("llama.context_length", number(POSITIONS)?),
        ("llama.embedding_length", number(shape.hidden)?),
        ("llama.feed_forward_length", number(shape.feed)?),
        ("llama.attention.head_count", number(shape.heads.queries)?),
        ("llama.attention.head_count_kv", number(shape.heads.keys)?),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("llama.rope.dimension_count", number(HEAD)?),
        ("llama.rope.freq_base", Value::F32(THETA)),
        ("llama.vocab_size", number(VOCABULARY)?),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("gpt-2")),
        ("tokenizer.ggml.tokens", Value::Array(words)),
        ("tokenizer.ggml.token_type", Value::Array(kinds)),
        ("tokenizer.ggml.merges", Value::Array(merges.collect())),
        ("tokenizer.ggml.bos_token_id", Value::U32(BOS)),
        ("tokenizer.ggml.eos_token_id", Value::U32(EOS)),
        ("tokenizer.ggml.add_bos_token", Value::Bool(true)),
        ("tokenizer.ggml.add_eos_token", Value::Bool(false)),
        ("tokenizer.ggml.add_space_prefix", Value::Bool(false)),
    ])
}
