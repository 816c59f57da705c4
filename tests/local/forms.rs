//! One model in several forms gives one set of answers.

use std::collections::BTreeMap;

use parentage::identity::Source;
use parentage::model::Model as _;
use parentage::model::local::LocalModel;
use serde_json::{Value, json};

use super::oracle::{Copy, Stored};
use super::{TOLERANCE, ask, assert_same, many};

fn assert_models_agree(a: &LocalModel, b: &LocalModel, tolerance: f64) {
    let questions = many();
    for (a, b) in ask(a, &questions).iter().zip(&ask(b, &questions)) {
        assert_same(a, b, tolerance);
    }
}

#[test]
fn shards_read_as_one_file() {
    let whole = Copy::of("qwen3").open().unwrap();
    let copy = Copy::of("qwen3");
    let names = copy.shard();
    let sharded = copy.open().unwrap();
    assert_models_agree(&whole, &sharded, 0.0);
    let Source::Weights { files, .. } = &sharded.identity().source else {
        panic!("not weights");
    };
    for name in names {
        assert!(files.iter().any(|f| f.name == name && f.sha256.len() == 64));
    }
}

#[test]
fn a_tied_checkpoint_may_store_its_head_again() {
    let once = Copy::of("qwen2").open().unwrap();
    let twice = Copy::of("qwen2").reweigh(|tensors| {
        let embeddings = tensors["model.embed_tokens.weight"].clone();
        tensors.insert("lm_head.weight".to_owned(), embeddings);
    });
    assert_models_agree(&once, &twice.open().unwrap(), 0.0);
}

#[test]
fn a_tied_checkpoint_that_stores_another_head_uses_it() {
    let untied = Copy::of("llama").open().unwrap();
    let tied = Copy::of("llama").configure(|config| config["tie_word_embeddings"] = true.into());
    assert_models_agree(&untied, &tied.open().unwrap(), 0.0);
}

#[test]
fn of_two_tied_matrices_either_may_be_stored() {
    let embeddings = Copy::of("qwen2").open().unwrap();
    let head = Copy::of("qwen2").reweigh(|tensors| {
        let matrix = tensors.remove("model.embed_tokens.weight").unwrap();
        tensors.insert("lm_head.weight".to_owned(), matrix);
    });
    assert_models_agree(&embeddings, &head.open().unwrap(), 0.0);
}

#[test]
fn biases_must_be_as_the_configuration_says() {
    let copy = Copy::of("llama").configure(|config| config["attention_bias"] = true.into());
    let error = format!("{:?}", copy.open().unwrap_err());
    assert!(error.contains("'attention_bias' is true"), "{error}");
}

/// Moves `rope_parameters` (transformers 5) to where transformers 4 had its parts.
fn older(config: &mut Value) {
    let config = config.as_object_mut().unwrap();
    let mut rope = config.remove("rope_parameters").unwrap();
    if let Some(local) = rope.get("sliding_attention") {
        config.insert("rope_local_base_freq".into(), local["rope_theta"].clone());
        rope = rope["full_attention"].clone();
    }
    let rope = rope.as_object_mut().unwrap();
    config.insert("rope_theta".into(), rope.remove("rope_theta").unwrap());
    if let Some(share) = rope.remove("partial_rotary_factor") {
        let name = match config["model_type"].as_str() {
            Some("gpt_neox") => "rotary_pct",
            _ => "partial_rotary_factor",
        };
        config.insert(name.into(), share);
    }
    let kind = rope.remove("rope_type").unwrap();
    if kind != "default" {
        rope.insert("type".into(), kind);
        config.insert("rope_scaling".into(), Value::Object(rope.clone()));
    }
    config.remove("layer_types");
    if let Some(pattern) = config.remove("_sliding_window_pattern") {
        config.insert("sliding_window_pattern".into(), pattern);
    }
}

#[test]
fn configurations_of_transformers_4_mean_the_same() {
    for name in [
        "llama-rope3",
        "llama-linear",
        "mistral",
        "qwen2-sliding",
        "gemma2",
        "gemma3",
        "phi3",
        "phi3-longrope",
        "smollm3",
        "neox",
        "neox-sequential",
    ] {
        let newer = Copy::of(name).open().unwrap();
        let older = Copy::of(name).configure(older).open().unwrap();
        assert_models_agree(&newer, &older, 0.0);
    }
}

#[test]
fn a_decoder_inside_a_multimodal_checkpoint_reads_as_it_does_alone() {
    let alone = Copy::of("gemma3").open().unwrap();
    for prefix in ["language_model.model.", "model.language_model."] {
        let inside = Copy::of("gemma3")
            .configure(|config| {
                let text = config.take();
                *config = json!({"model_type": "gemma3", "text_config": text});
            })
            .reweigh(|tensors| {
                let moved: BTreeMap<_, _> = std::mem::take(tensors)
                    .into_iter()
                    .map(|(name, tensor)| (name.replacen("model.", prefix, 1), tensor))
                    .collect();
                *tensors = moved;
                let other = tensors.values().next().unwrap().clone();
                tensors.insert("vision_tower.encoder.weight".to_owned(), other);
            });
        assert_models_agree(&alone, &inside.open().unwrap(), 0.0);
    }
}

/// Where a permutation sends each token.
fn shuffled(count: usize) -> Vec<usize> {
    // 103 has no divisor in common with 265.
    let map: Vec<usize> = (0..count).map(|i| (i * 103 + 17) % count).collect();
    let distinct: std::collections::BTreeSet<_> = map.iter().collect();
    assert_eq!(distinct.len(), count);
    map
}

fn move_rows(tensor: &mut Stored, map: &[usize]) {
    let width = tensor.2.len() / map.len();
    let rows = tensor.2.clone();
    for (from, to) in map.iter().enumerate() {
        tensor.2[to * width..(to + 1) * width]
            .copy_from_slice(&rows[from * width..(from + 1) * width]);
    }
}

fn renumbered(name: &str) -> Copy {
    let copy = Copy::of(name);
    let mut tokenizer = copy.json("tokenizer.json");
    let map = shuffled(tokenizer["model"]["vocab"].as_object().unwrap().len());
    let moved = |id: &Value| Value::from(map[usize::try_from(id.as_u64().unwrap()).unwrap()]);
    for id in tokenizer["model"]["vocab"]
        .as_object_mut()
        .unwrap()
        .values_mut()
    {
        *id = moved(id);
    }
    for token in tokenizer["added_tokens"].as_array_mut().unwrap() {
        token["id"] = moved(&token["id"]);
    }
    copy.write_json("tokenizer.json", &tokenizer);
    copy.configure(|config| config["eos_token_id"] = moved(&config["eos_token_id"]))
        .reweigh(|tensors| {
            for (name, tensor) in tensors.iter_mut() {
                let rows = ["embed_tokens", "lm_head", "wte", "embed_in", "embed_out"];
                if rows.iter().any(|r| name.contains(r)) {
                    move_rows(tensor, &map);
                }
            }
        })
}

#[test]
fn renumbered_tokens_change_no_score() {
    for name in ["llama", "gemma3", "neox"] {
        let plain = Copy::of(name).open().unwrap();
        let moved = renumbered(name).open().unwrap();
        // Samples do change: they are drawn in the order of the ids.
        let mut questions = many();
        questions.retain(|q| !matches!(q.request, parentage::question::Request::Write { .. }));
        let (a, b) = (ask(&plain, &questions), ask(&moved, &questions));
        for (a, b) in a.iter().zip(&b) {
            assert_same(a, b, TOLERANCE);
        }
    }
}

#[test]
fn a_gguf_file_reads_as_its_directory() {
    for name in ["llama-rope3", "gemma3", "phi3-longrope", "smollm3"] {
        let directory = Copy::of(name).open().unwrap();
        let path = super::oracle::folder().join(name).join("model.gguf");
        let gguf = LocalModel::open(name, &path, parentage::model::local::Options::default());
        assert_models_agree(&directory, &gguf.unwrap(), TOLERANCE);
    }
}
