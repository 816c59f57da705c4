//! The stock models of candle-transformers as a second opinion on the last position.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{gemma2, gemma3, llama, mistral, phi3, qwen2, qwen3, smol};
use parentage::model::local::tokenizer::{Reading, Start, Tokenizer};
use parentage::response::Response;
use serde_json::{Value, json};

use super::oracle::{Copy, WEIGHTS};
use super::{TEXT, ask, next};

/// Candle computes some norms and masks in another order.
const TOLERANCE: f64 = 2e-4;

fn parsed<T: serde::de::DeserializeOwned>(config: &Value) -> T {
    serde_json::from_value(config.clone()).unwrap()
}

/// The configuration with all fields that candle's types need.
fn complete(copy: &Copy) -> Value {
    let mut config = copy.json("config.json");
    let rope = config["rope_parameters"].clone();
    let (global, local) = match rope.get("full_attention") {
        Some(global) => (global.clone(), rope["sliding_attention"].clone()),
        None => (rope.clone(), Value::Null),
    };
    config["rope_theta"] = global["rope_theta"].clone();
    config["rope_local_base_freq"] = local["rope_theta"].clone();
    if global["rope_type"] == "llama3" {
        config["rope_scaling"] = global;
    }
    let fill = [
        ("sliding_window_pattern", json!(6)),
        ("max_window_layers", json!(0)),
        ("use_flash_attn", json!(false)),
        ("attention_bias", json!(false)),
    ];
    for (name, value) in fill {
        if config.get(name).is_none() {
            config[name] = value;
        }
    }
    if config["model_type"] == "qwen2" && config["sliding_window"].is_null() {
        config["sliding_window"] = json!(4096);
    }
    config
}

/// Logits after the last of some tokens by the stock model of the same architecture.
fn stock(copy: &Copy, tokens: &[u32]) -> candle_core::Result<Vec<f32>> {
    let device = Device::Cpu;
    let mut tensors: HashMap<String, Tensor> =
        candle_core::safetensors::load(copy.path(WEIGHTS), &device)?
            .into_iter()
            .map(|(name, t)| Ok((name, t.to_dtype(DType::F32)?)))
            .collect::<candle_core::Result<_>>()?;
    if !tensors.contains_key("lm_head.weight") {
        let tied = tensors["model.embed_tokens.weight"].clone();
        tensors.insert("lm_head.weight".to_owned(), tied);
    }
    let vb = VarBuilder::from_tensors(tensors, DType::F32, &device);
    let config = complete(copy);
    let ids = Tensor::new(tokens, &device)?.unsqueeze(0)?;
    let logits = match config["model_type"].as_str().unwrap() {
        "llama" => {
            let config = parsed::<llama::LlamaConfig>(&config).into_config(false);
            let mut cache = llama::Cache::new(false, DType::F32, &config, &device)?;
            llama::Llama::load(vb, &config)?.forward(&ids, 0, &mut cache)?
        }
        "mistral" => mistral::Model::new(&parsed(&config), vb)?.forward(&ids, 0)?,
        "qwen2" => qwen2::ModelForCausalLM::new(&parsed(&config), vb)?.forward(&ids, 0)?,
        "qwen3" => qwen3::ModelForCausalLM::new(&parsed(&config), vb)?.forward(&ids, 0)?,
        "gemma2" => gemma2::Model::new(false, &parsed(&config), vb)?.forward(&ids, 0)?,
        "gemma3_text" => gemma3::Model::new(false, &parsed(&config), vb)?.forward(&ids, 0)?,
        "phi3" => phi3::Model::new(&parsed(&config), vb)?.forward(&ids, 0)?,
        "smollm3" => {
            smol::smollm3::ModelForCausalLM::new(&parsed(&config), vb)?.forward(&ids, 0)?
        }
        other => panic!("{other} has no stock model"),
    };
    logits.flatten_all()?.to_vec1()
}

/// The largest difference over all tokens that are texts of their own, in nats.
fn difference(copy: &Copy, prompt: &str) -> f64 {
    let tokenizer = Tokenizer::from_directory(copy.path("").as_path()).unwrap();
    let tokens = tokenizer
        .encode(prompt, Start::Document, Reading::Plain)
        .unwrap();
    let logits = stock(copy, &tokens).unwrap();
    let largest = logits
        .iter()
        .copied()
        .map(f64::from)
        .fold(f64::MIN, f64::max);
    let sum: f64 = logits.iter().map(|x| (f64::from(*x) - largest).exp()).sum();
    let Response::Next { top } = &ask(&copy.open().unwrap(), &[next(prompt)])[0] else {
        panic!("no distribution");
    };
    assert!(top.len() > 100);
    top.iter()
        .map(|token| {
            let ids = tokenizer
                .encode(&token.text, Start::Inside, Reading::Plain)
                .unwrap();
            let [id] = ids[..] else {
                panic!("{token:?} is {ids:?}");
            };
            let theirs = f64::from(logits[id as usize]) - largest - sum.ln();
            (theirs - token.log_probability).abs()
        })
        .fold(0.0, f64::max)
}

#[test]
fn stock_models_of_candle_agree_on_the_last_position() {
    // Candle's masks let Mistral see one key more than its window, and Gemma 2 and Phi-3 all keys, so
    // prompts stay within the windows (8 tokens) there. It ignores `query_pre_attn_scalar`, has no
    // scaled frequencies for Gemma 3, and multiplies by the factors of long-context Phi-3 where the
    // reference divides.
    let head_size = |config: &mut Value| config["query_pre_attn_scalar"] = json!(8);
    let gemma2 = Copy::of("gemma2").configure(head_size);
    let gemma3 = Copy::of("gemma3").configure(|config| {
        head_size(config);
        config["rope_parameters"]["full_attention"] =
            json!({"rope_type": "default", "rope_theta": 1_000_000.0});
    });
    let cases = [
        ("llama", Copy::of("llama"), TEXT),
        ("llama-rope3", Copy::of("llama-rope3"), TEXT),
        ("qwen2", Copy::of("qwen2"), TEXT),
        ("qwen3", Copy::of("qwen3"), TEXT),
        ("smollm3", Copy::of("smollm3"), TEXT),
        ("mistral", Copy::of("mistral"), &TEXT[5..12]),
        ("gemma2", gemma2, &TEXT[5..12]),
        ("gemma3", gemma3, &TEXT[5..12]),
        ("phi3", Copy::of("phi3"), &TEXT[5..12]),
    ];
    for (name, copy, prompt) in cases {
        let worst = difference(&copy, prompt);
        eprintln!("{name}: {worst:.6} nats from candle-transformers");
        assert!(worst < TOLERANCE, "{name}: {worst} nats");
    }
}
