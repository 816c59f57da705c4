//! Damaged and hostile models: each is refused with an error that names what is wrong, and none panics.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "hostile/foreign.rs"]
mod foreign;
#[path = "hostile/gguf.rs"]
mod gguf;
#[path = "local/oracle.rs"]
mod oracle;

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use parentage::battery::Pose;
use parentage::model::local::{EngineChoice, LocalError, LocalModel, Options};
use parentage::model::{Model as _, ModelError, Seed};
use parentage::question::{Prompt, Question, Request};
use safetensors::tensor::Dtype;
use serde_json::{Value, json};

use oracle::{Copy, Stored, WEIGHTS};

/// The error with its causes, as it would be printed.
fn chain(error: &ModelError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn cause(error: &ModelError) -> &LocalError {
    error.source.downcast_ref().expect("an error of the engine")
}

/// Opens what must not open; every part must be in the printed chain.
fn refused(result: Result<LocalModel, ModelError>, parts: &[&str]) -> ModelError {
    let error = result.map(|_| "it opened").unwrap_err();
    let text = chain(&error);
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    error
}

/// By the own engine: llama.cpp would be handed what that does not know, and may end the process.
fn open(path: &Path) -> Result<LocalModel, ModelError> {
    let options = Options {
        engine: EngineChoice::Own,
        ..Options::default()
    };
    LocalModel::open("hostile", path, options)
}

fn with_config(name: &str, change: impl FnOnce(&mut Value)) -> Result<LocalModel, ModelError> {
    Copy::of(name).configure(change).open()
}

fn set(key: &str, value: Value) -> impl FnOnce(&mut Value) + '_ {
    move |config| config[key] = value
}

#[test]
fn paths_without_a_model() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let error = refused(open(&missing), &["missing", "neither"]);
    assert!(matches!(cause(&error), LocalError::NotAModel { .. }));
    let error = refused(open(directory.path()), &["neither"]);
    assert!(matches!(cause(&error), LocalError::NotAModel { .. }));

    let copy = Copy::of("llama");
    fs::remove_file(copy.path(WEIGHTS)).unwrap();
    let error = refused(copy.open(), &["neither"]);
    assert!(matches!(cause(&error), LocalError::NotAModel { .. }));

    let copy = Copy::of("llama");
    fs::remove_file(copy.path("tokenizer.json")).unwrap();
    refused(copy.open(), &["tokenizer.json"]);

    let text = directory.path().join("notes.txt");
    fs::write(&text, "GGUF").unwrap();
    refused(open(&text), &["notes.txt", "neither"]);
}

#[test]
fn shards_that_are_missing_cut_short_or_elsewhere() {
    let copy = Copy::of("llama");
    let names = copy.shard();
    fs::remove_file(copy.path(names[1])).unwrap();
    let error = refused(copy.open(), &[names[1], "cannot read"]);
    assert!(matches!(cause(&error), LocalError::Read { .. }));

    let copy = Copy::of("llama");
    let names = copy.shard();
    let bytes = fs::read(copy.path(names[0])).unwrap();
    fs::write(copy.path(names[0]), &bytes[..bytes.len() - 5]).unwrap();
    let error = refused(copy.open(), &[names[0], "does not fit the file"]);
    assert!(matches!(cause(&error), LocalError::Header { .. }));

    let copy = Copy::of("llama");
    let names = copy.shard();
    fs::copy(copy.path(names[0]), copy.path(names[1])).unwrap();
    refused(copy.open(), &[names[1], "in another shard as well"]);

    for name in ["../model.safetensors", "/etc/passwd", "..", "", "a/b"] {
        let copy = Copy::of("llama");
        copy.shard();
        let index = "model.safetensors.index.json";
        let mut value = copy.json(index);
        value["weight_map"]["lm_head.weight"] = name.into();
        copy.write_json(index, &value);
        let error = refused(copy.open(), &[index, "leaves the directory"]);
        assert!(matches!(cause(&error), LocalError::Header { .. }));
    }

    for text in ["", "{}", "[1]", "{\"weight_map\": 3}"] {
        let copy = Copy::of("llama");
        copy.shard();
        fs::write(copy.path("model.safetensors.index.json"), text).unwrap();
        let error = refused(copy.open(), &["model.safetensors.index.json"]);
        assert!(matches!(cause(&error), LocalError::Parse { .. }));
    }
}

#[test]
fn headers_of_safetensors_that_lie() {
    let header = |text: &str, data: usize| {
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(text.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    };
    let tensor = |shape: &str, from: u64, to: u64| {
        format!(r#"{{"x":{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}}}"#)
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "only 0 bytes"),
        (vec![1, 2, 3], "only 3 bytes"),
        (u64::MAX.to_le_bytes().to_vec(), "bytes of header"),
        (
            [200u64.to_le_bytes().as_slice(), b"{}"].concat(),
            "200 bytes",
        ),
        (header("not json", 0), WEIGHTS),
        (header("{", 0), WEIGHTS),
        (header(&tensor("[4]", 0, 16), 8), WEIGHTS),
        (header(&tensor("[4]", 0, 12), 12), WEIGHTS),
        (header(&tensor("[4]", 16, 0), 16), WEIGHTS),
        (
            header(&tensor("[4294967296,4294967296,4294967296]", 0, 0), 0),
            WEIGHTS,
        ),
        (
            header(&tensor("[2305843009213693952]", 0, u64::MAX - 3), 0),
            WEIGHTS,
        ),
        (header(&tensor("[-1]", 0, 4), 4), WEIGHTS),
        (
            header(
                r#"{"x":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"#,
                4,
            ),
            WEIGHTS,
        ),
        (header(&"[".repeat(100_000), 0), WEIGHTS),
    ];
    for (bytes, part) in cases {
        let copy = Copy::of("llama");
        fs::write(copy.path(WEIGHTS), bytes).unwrap();
        let error = refused(copy.open(), &[part]);
        assert!(
            matches!(
                cause(&error),
                LocalError::Header { .. } | LocalError::Parse { .. }
            ),
            "{error:?}"
        );
    }
}

fn reweighed(
    name: &str,
    tensor: &str,
    change: impl FnOnce(&mut Stored),
) -> Result<LocalModel, ModelError> {
    let copy = Copy::of(name).reweigh(|tensors| change(tensors.get_mut(tensor).unwrap()));
    copy.open()
}

#[test]
fn tensors_that_do_not_belong() {
    let down = "model.layers.1.mlp.down_proj.weight";
    let error = refused(
        reweighed("llama", down, |t| t.1.reverse()),
        &[down, "[20, 24]", "[24, 20]"],
    );
    assert!(matches!(cause(&error), LocalError::Shape { .. }));

    let error = refused(
        Copy::of("llama").reweigh(|t| drop(t.remove(down))).open(),
        &[down, "missing"],
    );
    assert!(matches!(cause(&error), LocalError::MissingTensor { .. }));

    for extra in [
        "model.layers.0.self_attn.q_norm.weight",
        "model.layers.2.mlp.down_proj.weight",
        "model.layers.0.mlp.down_proj.lora_A.weight",
        "adapter",
    ] {
        let copy = Copy::of("llama").reweigh(|tensors| {
            let other = tensors[down].clone();
            tensors.insert(extra.to_owned(), other);
        });
        let error = refused(copy.open(), &[extra, "llama"]);
        assert!(matches!(cause(&error), LocalError::Unsupported { .. }));
    }

    let error = refused(
        reweighed("gemma3", "model.norm.weight", |t| {
            *t = (Dtype::I16, t.1.clone(), t.2.clone());
        }),
        &["model.norm.weight", "I16"],
    );
    assert!(matches!(cause(&error), LocalError::Unsupported { .. }));
}

#[test]
fn weights_that_are_not_numbers() {
    for (name, bits) in [
        ("NaN", 0x7e00u16),
        ("infinity", 0x7c00),
        ("-infinity", 0xfc00),
    ] {
        for tensor in [
            "model.embed_tokens.weight",
            "model.layers.0.input_layernorm.weight",
            "model.layers.1.self_attn.k_proj.weight",
        ] {
            let result = reweighed("qwen3", tensor, |t| {
                let at = (t.2.len() / 2) & !1;
                t.2[at..at + 2].copy_from_slice(&bits.to_le_bytes());
            });
            let error = refused(result, &[tensor, "1 values that are not finite"]);
            assert!(
                matches!(cause(&error), LocalError::NotFinite { .. }),
                "{name}"
            );
        }
    }
}

#[test]
fn weights_that_overflow_are_an_error_and_not_an_answer() {
    let copy = Copy::of("gpt2").reweigh(|tensors| {
        for name in [
            "transformer.h.0.mlp.c_proj.weight",
            "transformer.ln_f.weight",
        ] {
            let (dtype, shape, bytes) = tensors.get_mut(name).unwrap();
            *dtype = Dtype::F32;
            let values = shape.iter().product::<usize>();
            *bytes = 3e38f32.to_le_bytes().repeat(values);
        }
    });
    let model = copy.open().unwrap();
    for request in [
        Request::Next { top: 5 },
        Request::Score {
            texts: vec!["abc".to_owned()],
        },
        Request::Write {
            sample: 0,
            max_tokens: 3,
        },
    ] {
        let question = Question {
            probe: "p-1".to_owned(),
            variant: 0,
            prompt: Prompt {
                pose: Pose::Raw,
                text: "The ferry".to_owned(),
                lead: String::new(),
            },
            request,
        };
        let error = model
            .answer(&[question], Seed(0), &mut |_, _| ControlFlow::Continue(()))
            .unwrap_err();
        assert!(matches!(cause(&error), LocalError::Overflow), "{error:?}");
    }
}

#[test]
fn configurations_that_are_none() {
    let text = |text: &[u8]| {
        let copy = Copy::of("llama");
        fs::write(copy.path("config.json"), text).unwrap();
        copy.open()
    };
    for broken in ["", "not json", "{\"model_type\": ", &"[".repeat(50_000)] {
        let error = refused(text(broken.as_bytes()), &["config.json"]);
        assert!(matches!(cause(&error), LocalError::Parse { .. }));
    }
    refused(text(&[0xff, 0xfe, 0x00]), &["config.json"]);
    for empty in ["{}", "[]", "3", "null", "{\"text_config\": 5}"] {
        refused(text(empty.as_bytes()), &["model_type", "config.json"]);
    }
    let mut huge = br#"{"model_type": "llama", "x": ""#.to_vec();
    huge.resize(5 << 20, b'a');
    huge.extend_from_slice(b"\"}");
    refused(text(&huge), &["config.json has more than"]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn configurations_that_cannot_be() {
    let huge = json!(u64::MAX);
    for (name, key, value, part) in [
        ("llama", "num_attention_heads", json!(0), "heads is 0"),
        (
            "llama",
            "num_attention_heads",
            json!(-4),
            "'num_attention_heads' is -4",
        ),
        (
            "llama",
            "num_attention_heads",
            json!(4.5),
            "'num_attention_heads' is 4.5",
        ),
        (
            "llama",
            "num_attention_heads",
            json!("4"),
            "num_attention_heads",
        ),
        ("llama", "num_attention_heads", huge.clone(), "heads"),
        ("qwen3", "num_attention_heads", json!(0), "heads is 0"),
        (
            "llama",
            "num_key_value_heads",
            json!(0),
            "0 key-value heads",
        ),
        (
            "llama",
            "num_key_value_heads",
            json!(3),
            "3 key-value heads",
        ),
        ("llama", "hidden_size", json!(0), "hidden size is 0"),
        ("mistral", "head_dim", json!(5), "5 rotated coordinates"),
        ("llama", "hidden_size", huge.clone(), "hidden size"),
        (
            "llama",
            "hidden_size",
            json!(28),
            "model.embed_tokens.weight",
        ),
        ("llama", "num_hidden_layers", json!(0), "layers is 0"),
        ("llama", "num_hidden_layers", json!(3), "model.layers.2."),
        ("llama", "num_hidden_layers", json!(1), "model.layers.1."),
        ("llama", "num_hidden_layers", huge.clone(), "layers"),
        ("llama", "vocab_size", json!(0), "vocabulary is 0"),
        ("llama", "vocab_size", json!(266), "[266, 24]"),
        ("llama", "vocab_size", huge.clone(), "vocabulary"),
        ("llama", "intermediate_size", json!(-1), "intermediate_size"),
        (
            "llama",
            "intermediate_size",
            huge.clone(),
            "feed-forward size",
        ),
        ("llama", "max_position_embeddings", huge.clone(), "context"),
        ("llama", "max_position_embeddings", json!(0), "context is 0"),
        ("llama", "rms_norm_eps", json!(-1e-5), "norm epsilon"),
        ("llama", "rms_norm_eps", json!("small"), "rms_norm_eps"),
        ("llama", "head_dim", json!(7), "7 rotated coordinates"),
        ("llama", "head_dim", json!(8), "q_proj"),
        ("llama", "head_dim", huge.clone(), "head size"),
        ("llama", "hidden_act", json!("relu6"), "'relu6'"),
        ("llama", "model_type", json!("mamba"), "'mamba'"),
        ("llama", "model_type", json!("qwen3_next"), "'qwen3_next'"),
        ("llama", "model_type", json!("qwen3_moe"), "mlp.experts"),
        ("mixtral", "num_local_experts", json!(0), "2 of 0 experts"),
        ("mixtral", "num_local_experts", huge.clone(), "experts"),
        ("mixtral", "num_local_experts", json!(6), "experts.5"),
        ("mixtral", "num_experts_per_tok", json!(6), "6 of 5 experts"),
        (
            "qwen3moe",
            "moe_intermediate_size",
            json!(0),
            "width of an expert",
        ),
        (
            "qwen3moe",
            "decoder_sparse_step",
            json!(0),
            "'decoder_sparse_step'",
        ),
        (
            "qwen2-sliding",
            "layer_types",
            json!([
                "chunked_attention",
                "chunked_attention",
                "chunked_attention"
            ]),
            "chunked_attention",
        ),
        (
            "qwen2-sliding",
            "layer_types",
            json!(["full_attention"]),
            "'layer_types'",
        ),
        (
            "llama",
            "partial_rotary_factor",
            json!(0.5),
            "'partial_rotary_factor': 0.5",
        ),
        (
            "llama",
            "quantization_config",
            json!({"bits": 4}),
            "quantization_config",
        ),
        ("gemma2", "attn_logit_softcapping", json!(0.0), "soft caps"),
        (
            "gemma2",
            "final_logit_softcapping",
            json!(-30.0),
            "soft caps",
        ),
        (
            "gemma2",
            "query_pre_attn_scalar",
            json!(0),
            "attention scale",
        ),
        ("gpt2", "n_embd", huge.clone(), "hidden size"),
        ("gpt2", "n_positions", json!(200), "wpe.weight"),
        (
            "gpt2",
            "scale_attn_by_inverse_layer_idx",
            json!(true),
            "inverse_layer",
        ),
        ("neox", "num_hidden_layers", huge, "layers"),
    ] {
        refused(with_config(name, set(key, value)), &[part]);
    }
    for (hidden, heads) in [(25, 4), (24, 0)] {
        let config = |config: &mut Value| {
            config["head_dim"] = Value::Null;
            config["hidden_size"] = hidden.into();
            config["num_attention_heads"] = heads.into();
        };
        let part = format!("{hidden} does not divide into {heads} heads");
        refused(with_config("llama", config), &[&part]);
    }
    let untied = Copy::of("qwen2").configure(set("tie_word_embeddings", json!(false)));
    refused(untied.open(), &["lm_head.weight", "missing"]);
}

#[test]
fn rope_scaling_that_is_not_known_or_not_usable() {
    let scaled = |name: &str, change: Value| {
        with_config(name, |config| {
            let rope = config["rope_parameters"].as_object_mut().unwrap();
            rope.extend(change.as_object().unwrap().clone());
        })
    };
    for (name, change, part) in [
        (
            "llama",
            json!({"rope_type": "proportional"}),
            "'proportional'",
        ),
        ("llama", json!({"rope_type": "dynamic"}), "'factor'"),
        ("llama-yarn", json!({"factor": -4.0}), "'factor' of -4"),
        (
            "llama-yarn",
            json!({"beta_slow": -1.0}),
            "'beta_slow' of -1",
        ),
        (
            "llama-yarn",
            json!({"attention_factor": "high"}),
            "'attention_factor'",
        ),
        ("llama", json!({"rope_type": "linear"}), "'factor'"),
        ("llama-linear", json!({"factor": 0.0}), "'factor'"),
        ("llama-linear", json!({"factor": "four"}), "'factor'"),
        (
            "llama-rope3",
            json!({"low_freq_factor": null}),
            "'low_freq_factor'",
        ),
        ("llama", json!({"rope_theta": 0}), "rope theta"),
        ("llama", json!({"rope_theta": -1e4}), "rope theta"),
        (
            "phi3-longrope",
            json!({"short_factor": null}),
            "'short_factor'",
        ),
        (
            "phi3-longrope",
            json!({"short_factor": [1.0]}),
            "1 rope factors for 2",
        ),
        (
            "phi3-longrope",
            json!({"short_factor": [0.0, 1.0]}),
            "not finite",
        ),
    ] {
        refused(scaled(name, change), &[part]);
    }
}

#[test]
fn tokenizers_that_do_not_fit() {
    let tokenizer = |change: &dyn Fn(&mut Value)| {
        let copy = Copy::of("llama");
        let mut value = copy.json("tokenizer.json");
        change(&mut value);
        copy.write_json("tokenizer.json", &value);
        copy.open()
    };
    let error = refused(
        tokenizer(&|t| t["model"]["vocab"]["extra"] = 265.into()),
        &["266 tokens", "265 rows"],
    );
    assert!(matches!(cause(&error), LocalError::Tokenizer(_)));
    refused(
        tokenizer(&|t| t["model"]["vocab"]["extra"] = u32::MAX.into()),
        &["tokenizer"],
    );
    refused(tokenizer(&|t| *t = json!({})), &["tokenizer.json"]);
    let copy = Copy::of("llama");
    fs::write(copy.path("tokenizer.json"), "{").unwrap();
    refused(copy.open(), &["tokenizer.json"]);
}
