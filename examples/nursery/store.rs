//! Models on disk, in the form that Hugging Face's libraries read.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor, safetensors};
use serde::Serialize;
use serde_json::json;
use tokenizers::Tokenizer;

use crate::Outcome;
use crate::attention::{HEAD, Rope};
use crate::data::{BOS, EOS, SPECIAL, VOCABULARY};
use crate::model::{Block, Model, POSITIONS, Shape, THETA};

/// What is kept of a training run beside its model.
#[derive(Debug, Serialize)]
pub(crate) struct Training<'a> {
    pub(crate) id: &'a str,
    pub(crate) recipe_sha256: String,
    pub(crate) seed: Option<u64>,
    pub(crate) steps: Option<usize>,
    pub(crate) parameters: usize,
    /// Tokens of the text it was trained on, all of it.
    pub(crate) text_tokens: Option<usize>,
    /// Mean over the last steps, in nats a token; for logits, the divergence from the teacher.
    pub(crate) train_loss: Option<f64>,
    /// Cross-entropy in nats a token on held-out parts of the same text.
    pub(crate) held_out_loss: Option<f64>,
    pub(crate) cpu_seconds: Option<f64>,
}

/// Every tensor under its published name; matrices output-first.
pub(crate) fn named_tensors(model: &Model) -> candle_core::Result<Vec<(String, Tensor)>> {
    let Shape { heads, feed, .. } = model.shape;
    let (queries, keys) = (heads.queries * HEAD, heads.keys * HEAD);
    let mut tensors = vec![
        (
            "model.embed_tokens.weight".to_owned(),
            model.embedding.clone(),
        ),
        ("model.norm.weight".to_owned(), model.norm.clone()),
    ];
    for (at, block) in model.blocks.iter().enumerate() {
        let mut add = |name: &str, tensor: Tensor| {
            tensors.push((format!("model.layers.{at}.{name}.weight"), tensor));
        };
        let columns = |matrix: &Tensor, start: usize, count: usize| {
            matrix.narrow(1, start, count)?.t()?.contiguous()
        };
        let qkv = &block.queries_keys_values;
        add("input_layernorm", block.attention_norm.clone());
        add("self_attn.q_proj", columns(qkv, 0, queries)?);
        add("self_attn.k_proj", columns(qkv, queries, keys)?);
        add("self_attn.v_proj", columns(qkv, queries + keys, keys)?);
        add("self_attn.o_proj", block.attention_out.t()?.contiguous()?);
        add("post_attention_layernorm", block.feed_norm.clone());
        add("mlp.gate_proj", columns(&block.gate_up, 0, feed)?);
        add("mlp.up_proj", columns(&block.gate_up, feed, feed)?);
        add("mlp.down_proj", block.down.t()?.contiguous()?);
    }
    Ok(tensors)
}

/// Writes a model with its tokenizer into a directory.
pub(crate) fn save(model: &Model, tokenizer: &Tokenizer, directory: &Path) -> Outcome<()> {
    fs::create_dir_all(directory)?;
    let tensors = named_tensors(model)?
        .into_iter()
        .map(|(name, tensor)| Ok((name, tensor.to_dtype(DType::F16)?)))
        .collect::<candle_core::Result<Vec<_>>>()?;
    // Some readers refuse a file that does not name its framework.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let path = directory.join("model.safetensors");
    ::safetensors::serialize_to_file(tensors, Some(metadata), &path)?;
    let Shape {
        hidden,
        layers,
        heads,
        feed,
    } = model.shape;
    write_json(
        directory.join("config.json").as_path(),
        &json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": VOCABULARY,
            "hidden_size": hidden,
            "intermediate_size": feed,
            "num_hidden_layers": layers,
            "num_attention_heads": heads.queries,
            "num_key_value_heads": heads.keys,
            "head_dim": HEAD,
            "hidden_act": "silu",
            "max_position_embeddings": POSITIONS,
            "rms_norm_eps": 1e-5,
            "rope_theta": THETA,
            "rope_scaling": null,
            "attention_bias": false,
            "mlp_bias": false,
            "tie_word_embeddings": true,
            "bos_token_id": BOS,
            "eos_token_id": EOS,
            "torch_dtype": "float16",
        }),
    )?;
    write_json(
        directory.join("tokenizer_config.json").as_path(),
        &json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": SPECIAL[0],
            "eos_token": SPECIAL[1],
            "add_bos_token": true,
            "add_prefix_space": false,
            "clean_up_tokenization_spaces": false,
            "model_max_length": POSITIONS,
        }),
    )?;
    fs::write(
        directory.join("tokenizer.json"),
        tokenizer.to_string(false)?,
    )?;
    Ok(())
}

/// Writes JSON, readably.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Outcome<()> {
    fs::write(path, serde_json::to_string_pretty(value)? + "\n")?;
    Ok(())
}

/// Reads a model that [`save`] wrote.
pub(crate) fn load(directory: &Path, shape: Shape) -> Outcome<Model> {
    let path = directory.join("model.safetensors");
    let tensors = safetensors::load(&path, &Device::Cpu)
        .map_err(|cause| format!("cannot read '{}': {cause}", path.display()))?;
    let get = |name: &str| -> Outcome<Tensor> {
        let tensor = tensors.get(name);
        let tensor = tensor.ok_or_else(|| format!("'{}' lacks '{name}'", path.display()))?;
        Ok(tensor.to_dtype(DType::F32)?)
    };
    let joined = |names: &[String]| -> Outcome<Tensor> {
        let parts = names
            .iter()
            .map(|name| get(name))
            .collect::<Outcome<Vec<_>>>()?;
        Ok(Tensor::cat(&parts, 0)?.t()?.contiguous()?)
    };
    let block = |at: usize| -> Outcome<Block> {
        let name = |part: &str| format!("model.layers.{at}.{part}.weight");
        let attention = |part: &str| name(&format!("self_attn.{part}_proj"));
        let feed = |part: &str| name(&format!("mlp.{part}_proj"));
        Ok(Block {
            attention_norm: get(&name("input_layernorm"))?,
            queries_keys_values: joined(&["q", "k", "v"].map(attention))?,
            attention_out: joined(&[attention("o")])?,
            feed_norm: get(&name("post_attention_layernorm"))?,
            gate_up: joined(&["gate", "up"].map(feed))?,
            down: joined(&[feed("down")])?,
        })
    };
    Ok(Model {
        shape,
        embedding: get("model.embed_tokens.weight")?,
        blocks: (0..shape.layers).map(block).collect::<Outcome<_>>()?,
        norm: get("model.norm.weight")?,
        rope: Arc::new(Rope::new(THETA, POSITIONS)),
    })
}
