//! GGUF files.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use parentage::model::ModelError;
use parentage::model::local::{LocalError, LocalModel};

use super::{cause, open, oracle, refused};

fn original() -> Vec<u8> {
    fs::read(oracle::folder().join("llama").join("model.gguf")).unwrap()
}

fn opened(bytes: &[u8]) -> Result<LocalModel, ModelError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.gguf");
    fs::write(&path, bytes).unwrap();
    open(&path)
}

fn patched(at: usize, bytes: &[u8]) -> Result<LocalModel, ModelError> {
    let mut file = original();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    opened(&file)
}

/// Where a text stands in the file.
fn find(file: &[u8], text: &str) -> usize {
    let found = file.windows(text.len()).position(|w| w == text.as_bytes());
    found.unwrap()
}

#[test]
fn files_that_are_cut_short_anywhere() {
    let file = original();
    opened(&file).unwrap();
    let mut lengths: Vec<usize> = (0..file.len()).step_by(499).collect();
    lengths.extend([4, 8, 12, 16, 23, 24, 25, file.len() - 300, file.len() - 40]);
    for length in lengths {
        let error = refused(opened(&file[..length]), &["model.gguf"]);
        assert!(
            matches!(cause(&error), LocalError::Header { .. }),
            "{length}: {error:?}"
        );
    }
}

#[test]
fn headers_that_lie() {
    for (at, bytes, part) in [
        (0, b"GGML".as_slice(), "magic"),
        (4, &[9, 0, 0, 0], "version"),
        // Counts of tensors and of metadata.
        (8, &[0xff; 8], "model.gguf"),
        (8, &(1u64 << 40).to_le_bytes(), "model.gguf"),
        (8, &1u64.to_le_bytes(), "model.gguf"),
        (16, &[0xff; 8], "model.gguf"),
        (16, &(1u64 << 40).to_le_bytes(), "model.gguf"),
        // The length of the first key.
        (24, &[0xff; 8], "model.gguf"),
        (24, &(1u64 << 30).to_le_bytes(), "model.gguf"),
    ] {
        let result = patched(at, bytes);
        if bytes == 1u64.to_le_bytes() {
            // One tensor alone: the others are not there.
            refused(result, &["token_embd.weight"]);
            continue;
        }
        refused(result, &[part]);
    }
}

#[test]
fn tensor_headers_that_lie() {
    let file = original();
    // After a tensor's name: dimensions (u32), sizes (u64 each), type (u32), offset (u64).
    let name = "blk.0.attn_q.weight";
    let at = find(&file, name) + name.len();
    let size = (1u64 << 62).to_le_bytes();
    refused(patched(at, &u32::MAX.to_le_bytes()), &["model.gguf"]);
    refused(patched(at + 4, &size), &[name]);
    refused(patched(at + 4, &0u64.to_le_bytes()), &[name]);
    refused(patched(at + 20, &77u32.to_le_bytes()), &["model.gguf"]);
    refused(patched(at + 24, &size), &[name]);
    refused(patched(at + 24, &[0xff; 8]), &[name]);
}

#[test]
fn random_damage_never_panics() {
    let file = original();
    let header = find(&file, "output_norm.weight");
    let mut state = 12345u64;
    for _ in 0..600 {
        let mut spoilt = file.clone();
        for _ in 0..3 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let at = usize::try_from(state >> 33).unwrap() % header;
            spoilt[at] = u8::try_from((state >> 24) & 0xff).unwrap();
        }
        // Most damage is in token texts and harmless or not, but none may panic or exhaust memory.
        let _ = opened(&spoilt);
    }
}

/// The llama oracle written again with other metadata and tensors.
fn rewritten(
    metadata: &[(&str, Option<Value>)],
    tensors: &[(&str, Option<Tensor>)],
) -> Result<LocalModel, ModelError> {
    let path = oracle::folder().join("llama").join("model.gguf");
    rewritten_from(&path, metadata, tensors)
}

fn rewritten_from(
    path: &Path,
    metadata: &[(&str, Option<Value>)],
    tensors: &[(&str, Option<Tensor>)],
) -> Result<LocalModel, ModelError> {
    let mut file = Cursor::new(fs::read(path).unwrap());
    let content = gguf_file::Content::read(&mut file).unwrap();
    let mut values = content.metadata.clone();
    for (key, value) in metadata {
        match value {
            Some(value) => drop(values.insert((*key).to_owned(), value.clone())),
            None => drop(values.remove(*key)),
        }
    }
    let mut stored: Vec<(String, QTensor)> = content
        .tensor_infos
        .keys()
        .filter(|name| tensors.iter().all(|(other, _)| other != name))
        .map(|name| {
            (
                name.clone(),
                content.tensor(&mut file, name, &Device::Cpu).unwrap(),
            )
        })
        .collect();
    for (name, tensor) in tensors {
        if let Some(tensor) = tensor {
            let stored_as = QTensor::quantize(tensor, GgmlDType::F32).unwrap();
            stored.push(((*name).to_owned(), stored_as));
        }
    }
    let values: Vec<(&str, &Value)> = values.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let stored: Vec<(&str, &QTensor)> = stored.iter().map(|(k, t)| (k.as_str(), t)).collect();
    let mut bytes = Cursor::new(Vec::new());
    gguf_file::write(&mut bytes, &values, &stored).unwrap();
    opened(bytes.get_ref())
}

fn ones(shape: &[usize]) -> Tensor {
    Tensor::ones(shape, candle_core::DType::F32, &Device::Cpu).unwrap()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn metadata_that_cannot_be() {
    rewritten(&[], &[]).unwrap();
    let text = |s: &str| Some(Value::String(s.to_owned()));
    let array = |counts: &[u32]| {
        Some(Value::Array(
            counts.iter().map(|n| Value::U32(*n)).collect(),
        ))
    };
    for (key, value, part) in [
        ("general.architecture", None, "general.architecture"),
        ("general.architecture", text("rwkv7"), "'rwkv7'"),
        (
            "general.architecture",
            Some(Value::U32(3)),
            "general.architecture",
        ),
        ("llama.block_count", None, "llama.block_count"),
        ("llama.block_count", Some(Value::U32(0)), "layers is 0"),
        ("llama.block_count", Some(Value::U32(3)), "blk.2."),
        ("llama.block_count", Some(Value::U32(1)), "blk.1."),
        ("llama.block_count", Some(Value::U64(u64::MAX)), "layers"),
        (
            "llama.embedding_length",
            Some(Value::I32(-24)),
            "llama.embedding_length",
        ),
        (
            "llama.embedding_length",
            Some(Value::U32(28)),
            "token_embd.weight",
        ),
        (
            "llama.embedding_length",
            text("24"),
            "llama.embedding_length",
        ),
        ("llama.attention.head_count", Some(Value::U32(0)), "heads"),
        (
            "llama.attention.head_count_kv",
            Some(Value::U32(0)),
            "key-value heads",
        ),
        (
            "llama.attention.head_count_kv",
            array(&[2, 4]),
            "differs between layers",
        ),
        (
            "llama.attention.layer_norm_rms_epsilon",
            Some(Value::F32(f32::NAN)),
            "norm epsilon",
        ),
        (
            "llama.rope.freq_base",
            Some(Value::F32(f32::INFINITY)),
            "rope theta",
        ),
        (
            "llama.rope.dimension_count",
            Some(Value::U32(64)),
            "64 rotated",
        ),
        ("llama.rope.scaling.type", text("yarn"), "positive factor"),
        ("llama.rope.scaling.type", text("other"), "'other'"),
        ("llama.rope.scaling.type", text("linear"), "positive factor"),
        (
            "llama.expert_count",
            Some(Value::U32(8)),
            "llama.expert_used_count",
        ),
        (
            "llama.attention.key_length",
            Some(Value::U32(8)),
            "blk.0.attn_q.weight",
        ),
        (
            "llama.attn_logit_softcapping",
            Some(Value::F32(0.0)),
            "soft caps",
        ),
        ("tokenizer.ggml.model", text("t5"), "'t5'"),
        ("tokenizer.ggml.pre", text("mine"), "'mine'"),
        ("tokenizer.ggml.tokens", None, "tokenizer.ggml.tokens"),
        (
            "tokenizer.ggml.tokens",
            array(&[1]),
            "tokenizer.ggml.tokens",
        ),
        (
            "tokenizer.ggml.token_type",
            array(&[1]),
            "tokenizer.ggml.token_type",
        ),
    ] {
        refused(rewritten(&[(key, value)], &[]), &[part]);
    }
}

#[test]
fn tensors_that_do_not_belong() {
    for (name, tensor, part) in [
        ("blk.0.ffn_down.weight", Some(ones(&[20, 24])), "[20, 24]"),
        ("blk.0.ffn_down.weight", None, "missing"),
        ("blk.0.attn_q_norm.weight", Some(ones(&[6])), "no part of"),
        (
            "output_norm.weight",
            Some((ones(&[24]) * f64::NAN).unwrap()),
            "24 values",
        ),
        ("token_embd.weight", Some(ones(&[264, 24])), "265 tokens"),
        ("rope_freqs.weight", Some(ones(&[5])), "5 rope factors"),
        (
            "rope_freqs.weight",
            Some((ones(&[3]) * 0.0).unwrap()),
            "not finite",
        ),
        (
            "rope_freqs.weight",
            Some(ones(&[300, 300])),
            "rope_freqs.weight",
        ),
    ] {
        refused(
            rewritten(&[], &[(name, tensor)]),
            &[name_or(name, part), part],
        );
    }
}

/// The tensor's name, unless the error speaks of the tokenizer or of the frequencies.
fn name_or<'a>(name: &'a str, part: &'a str) -> &'a str {
    if part.contains("tokens") || part.contains("rope factors") || part == "not finite" {
        part
    } else {
        name
    }
}
