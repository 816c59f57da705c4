//! `config.json` of a Hugging Face directory to a [`Spec`].

mod fields;
mod keys;
mod layers;
mod rope;

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use super::{Activation, Architecture, LayerSpec, NormKind, QkNorm, RopeStyle, Spec, config};
use crate::model::local::error::LocalError;
use fields::Fields;

/// A config.json beyond this size is not one.
const MAX_CONFIG_BYTES: u64 = 4 << 20;

/// Reads and checks the configuration in `directory`.
pub(crate) fn read(directory: &Path) -> Result<Spec, LocalError> {
    let path = directory.join("config.json");
    let mut text = String::new();
    let bytes = fs::File::open(&path)
        .and_then(|file| file.take(MAX_CONFIG_BYTES + 1).read_to_string(&mut text))
        .map_err(|source| LocalError::Read {
            path: path.clone(),
            source,
        })?;
    if bytes as u64 > MAX_CONFIG_BYTES {
        return Err(config(format!(
            "config.json has more than {MAX_CONFIG_BYTES} bytes"
        )));
    }
    let value: Value =
        serde_json::from_str(&text).map_err(|source| LocalError::Parse { path, source })?;
    parse(&value)?.check()
}

/// Multimodal models whose text decoder is one of ours as it stands: text alone passes nothing else. Others
/// (PaliGemma, which reads a prompt in both directions) change what the decoder computes.
const WRAPPERS: [&str; 5] = [
    "gemma3",
    "llava",
    "llava_next",
    "llava_onevision",
    "mistral3",
];

fn parse(root: &Value) -> Result<Spec, LocalError> {
    for object in [root.get("text_config"), Some(root)].into_iter().flatten() {
        if object
            .get("quantization_config")
            .is_some_and(|v| !v.is_null())
        {
            return Err(LocalError::Unsupported {
                setting: "'quantization_config' in safetensors (use GGUF for quantised weights)"
                    .to_owned(),
            });
        }
    }
    let decoder = decoder(root)?;
    let name = Fields::new(decoder)
        .text("model_type")
        .or_else(|| Fields::new(root).text("model_type"))
        .ok_or_else(|| config("'model_type' is missing from config.json".to_owned()))?;
    let architecture = Architecture::from_name(name).ok_or_else(|| LocalError::Architecture {
        name: name.to_owned(),
    })?;
    let filled = keys::filled(decoder, architecture)?;
    spec(&Fields::new(&filled), architecture)
}

/// The object with the decoder's keys: multimodal wrappers keep it in `text_config`.
fn decoder(root: &Value) -> Result<&Value, LocalError> {
    let Some(inner) = root.get("text_config").filter(|v| v.is_object()) else {
        return Ok(root);
    };
    let wrapper = Fields::new(root).text("model_type").unwrap_or("");
    let plain = Architecture::from_name(wrapper).is_some();
    if plain || WRAPPERS.contains(&wrapper) {
        return Ok(inner);
    }
    Err(LocalError::Unsupported {
        setting: format!("the text model inside of '{wrapper}'"),
    })
}

fn spec(fields: &Fields<'_>, architecture: Architecture) -> Result<Spec, LocalError> {
    keys::refuse(fields)?;
    match architecture {
        Architecture::Gpt2 => gpt2(fields),
        Architecture::GptNeoX => neox(fields),
        _ => gated(fields, architecture),
    }
}

fn activation(fields: &Fields<'_>, name: &str) -> Result<Activation, LocalError> {
    let name = fields.text(name).unwrap_or_default();
    Activation::from_name(name).ok_or_else(|| LocalError::Unsupported {
        setting: format!("activation '{name}'"),
    })
}

fn gpt2(fields: &Fields<'_>) -> Result<Spec, LocalError> {
    let hidden = fields.needed("n_embd")?;
    let heads = fields.needed("n_head")?;
    let head_dim = head_size(fields, hidden, heads)?;
    let scaled = fields.flag("scale_attn_weights")?.unwrap_or(true);
    let layer = LayerSpec {
        rope: None,
        window: None,
        mixture: false,
    };
    Ok(Spec {
        architecture: Architecture::Gpt2,
        vocabulary: fields.needed("vocab_size")?,
        hidden,
        heads,
        kv_heads: heads,
        head_dim,
        ffn: fields.count("n_inner")?.unwrap_or(hidden.saturating_mul(4)),
        context: fields.needed("n_positions")?,
        norm: NormKind::Layer,
        norm_eps: fields.number("layer_norm_epsilon")?.unwrap_or(1e-5),
        activation: activation(fields, "activation_function")?,
        gated: false,
        parallel_residual: false,
        qk_norm: QkNorm::None,
        norm_places: Architecture::Gpt2.norm_places(),
        mixture: None,
        learned_positions: true,
        rotary_dims: 0,
        rope_style: RopeStyle::Half,
        ropes: Vec::new(),
        // A hostile count must not allocate; Spec::check refuses what is above the limit.
        layers: vec![layer; fields.needed("n_layer")?.min(4096)],
        attention_scale: if scaled {
            1.0 / (head_dim as f64).sqrt()
        } else {
            1.0
        },
        attention_softcap: None,
        final_softcap: None,
        embedding_scale: None,
        residual_scale: None,
        logits_divisor: None,
        attention_bias: None,
        ffn_bias: None,
        tied: fields.flag("tie_word_embeddings")?.unwrap_or(true),
    })
}

fn neox(fields: &Fields<'_>) -> Result<Spec, LocalError> {
    let hidden = fields.needed("hidden_size")?;
    let heads = fields.needed("num_attention_heads")?;
    let head_dim = head_size(fields, hidden, heads)?;
    let (ropes, context) = rope::ropes(fields, Architecture::GptNeoX)?;
    Ok(Spec {
        architecture: Architecture::GptNeoX,
        vocabulary: fields.needed("vocab_size")?,
        hidden,
        heads,
        kv_heads: heads,
        head_dim,
        ffn: fields.needed("intermediate_size")?,
        context,
        norm: NormKind::Layer,
        norm_eps: fields.number("layer_norm_eps")?.unwrap_or(1e-5),
        activation: activation(fields, "hidden_act")?,
        gated: false,
        parallel_residual: fields.flag("use_parallel_residual")?.unwrap_or(true),
        qk_norm: QkNorm::None,
        norm_places: Architecture::GptNeoX.norm_places(),
        mixture: None,
        learned_positions: false,
        rotary_dims: part(head_dim, rope::share(fields, Architecture::GptNeoX)?),
        rope_style: RopeStyle::Half,
        layers: layers::layers(fields, Architecture::GptNeoX, ropes.len())?,
        ropes,
        attention_scale: 1.0 / (head_dim as f64).sqrt(),
        attention_softcap: None,
        final_softcap: None,
        embedding_scale: None,
        residual_scale: None,
        logits_divisor: None,
        attention_bias: fields.flag("attention_bias")?,
        ffn_bias: None,
        tied: fields.flag("tie_word_embeddings")?.unwrap_or(false),
    })
}

fn gated(fields: &Fields<'_>, architecture: Architecture) -> Result<Spec, LocalError> {
    let hidden = fields.needed("hidden_size")?;
    let heads = fields.needed("num_attention_heads")?;
    let head_dim = head_size(fields, hidden, heads)?;
    let gemma = architecture.is_gemma();
    let (ropes, context) = rope::ropes(fields, architecture)?;
    let scale = match architecture {
        Architecture::Gemma2 | Architecture::Gemma3 => {
            let scalar = fields.number("query_pre_attn_scalar")?;
            1.0 / scalar.unwrap_or(head_dim as f64).sqrt()
        }
        Architecture::Granite => fields.number("attention_multiplier")?.unwrap_or(1.0),
        _ => 1.0 / (head_dim as f64).sqrt(),
    };
    let activation = match architecture {
        Architecture::Gemma2 | Architecture::Gemma3 => activation(fields, "hidden_activation")?,
        // Gemma 1 was published with the wrong name of its activation.
        Architecture::Gemma if fields.text("hidden_act") == Some("gelu") => Activation::GeluTanh,
        _ => activation(fields, "hidden_act")?,
    };
    let caps = matches!(architecture, Architecture::Gemma2 | Architecture::Gemma3);
    let cap = |name| if caps { fields.number(name) } else { Ok(None) };
    let granite = architecture == Architecture::Granite;
    let multiplier = |name| {
        if granite {
            fields.number(name)
        } else {
            Ok(None)
        }
    };
    let attention_bias = match architecture {
        // Their classes know no biases, so a file that holds some is no such model.
        Architecture::Mistral | Architecture::Mixtral | Architecture::Phi3 => Some(false),
        // Theirs have biases on queries, keys and values alone.
        Architecture::Qwen2 | Architecture::Qwen2Moe => None,
        _ => fields.flag("attention_bias")?,
    };
    Ok(Spec {
        architecture,
        vocabulary: fields.needed("vocab_size")?,
        hidden,
        heads,
        kv_heads: fields.count("num_key_value_heads")?.unwrap_or(heads),
        head_dim,
        ffn: fields.needed("intermediate_size")?,
        context,
        norm: if gemma {
            NormKind::RmsPlusOne
        } else {
            NormKind::Rms
        },
        norm_eps: fields.number("rms_norm_eps")?.unwrap_or(1e-6),
        activation,
        gated: true,
        parallel_residual: false,
        qk_norm: architecture.qk_norm(),
        norm_places: architecture.norm_places(),
        mixture: layers::mixture(fields, architecture)?,
        learned_positions: false,
        rotary_dims: part(head_dim, rope::share(fields, architecture)?),
        rope_style: RopeStyle::Half,
        layers: layers::layers(fields, architecture, ropes.len())?,
        ropes,
        attention_scale: scale,
        attention_softcap: cap("attn_logit_softcapping")?,
        final_softcap: cap("final_logit_softcapping")?,
        embedding_scale: if gemma {
            Some((hidden as f64).sqrt())
        } else {
            multiplier("embedding_multiplier")?
        },
        residual_scale: multiplier("residual_multiplier")?,
        logits_divisor: multiplier("logits_scaling")?,
        attention_bias,
        ffn_bias: fields.flag("mlp_bias")?,
        tied: fields.flag("tie_word_embeddings")?.unwrap_or(gemma),
    })
}

fn head_size(fields: &Fields<'_>, hidden: usize, heads: usize) -> Result<usize, LocalError> {
    match fields.count("head_dim")? {
        Some(size) => Ok(size),
        None if heads > 0 && hidden.is_multiple_of(heads) => Ok(hidden / heads),
        None => Err(config(format!(
            "hidden size {hidden} does not divide into {heads} heads"
        ))),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a head size; Spec::check bounds the result"
)]
fn part(head_dim: usize, share: f64) -> usize {
    (head_dim as f64 * share.clamp(0.0, 1.0)) as usize
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::RopeScaling;
    use super::*;

    /// The text part of google/gemma-3-4b-it, whose other sizes are the defaults.
    fn gemma3_4b() -> Value {
        json!({
            "model_type": "gemma3",
            "text_config": {
                "hidden_size": 2560,
                "intermediate_size": 10240,
                "model_type": "gemma3_text",
                "num_hidden_layers": 34,
                "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
                "sliding_window": 1024,
            },
        })
    }

    #[test]
    fn gemma3_leaves_out_what_equals_the_defaults() {
        let spec = parse(&gemma3_4b()).unwrap().check().unwrap();
        assert_eq!((spec.heads, spec.kv_heads, spec.head_dim), (8, 4, 256));
        assert_eq!((spec.vocabulary, spec.context), (262_208, 131_072));
        assert!((spec.attention_scale - 1.0 / 16.0).abs() < 1e-12);
        assert_eq!(spec.ropes[0].scaling, RopeScaling::Linear(8.0));
        assert_eq!(spec.ropes[1].scaling, RopeScaling::None);
        assert!((spec.ropes[1].theta - 1e4).abs() < 1e-9);
        assert_eq!(
            (spec.layers[4].rope, spec.layers[4].window),
            (Some(1), Some(1024))
        );
        assert_eq!(
            (spec.layers[5].rope, spec.layers[5].window),
            (Some(0), None)
        );
    }

    #[test]
    fn attention_in_both_directions_is_refused() {
        let mut config = gemma3_4b();
        config["text_config"]["use_bidirectional_attention"] = true.into();
        let error = parse(&config).unwrap_err().to_string();
        assert!(error.contains("use_bidirectional_attention"), "{error}");
    }

    fn plain(config: &Value) -> Spec {
        parse(config).unwrap().check().unwrap()
    }

    #[test]
    fn keys_left_out_mean_what_transformers_takes() {
        let sizes = json!({"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2});
        let with = |more: Value| {
            let mut config = sizes.clone();
            for (key, value) in more.as_object().unwrap() {
                config[key] = value.clone();
            }
            plain(&config)
        };
        let gemma2 = with(json!({"model_type": "gemma2", "num_key_value_heads": 1}));
        assert_eq!(
            (gemma2.attention_softcap, gemma2.final_softcap),
            (Some(50.0), Some(30.0))
        );
        assert!((gemma2.attention_scale - 1.0 / 16.0).abs() < 1e-12);
        assert_eq!(gemma2.layers[0].window, Some(4096));
        let stated = with(json!({"model_type": "gemma2", "num_key_value_heads": 1,
            "attn_logit_softcapping": null, "sliding_window": null}));
        assert_eq!(
            (stated.attention_softcap, stated.layers[0].window),
            (None, None)
        );

        let qwen2 = with(json!({"model_type": "qwen2", "num_key_value_heads": 1,
            "use_sliding_window": true, "sliding_window": 8}));
        assert!(qwen2.layers.iter().all(|layer| layer.window.is_none()));
        // Layer types do not switch a window on.
        let typed = with(
            json!({"model_type": "qwen2", "num_key_value_heads": 1, "sliding_window": 8,
            "layer_types": ["sliding_attention", "sliding_attention", "full_attention"]}),
        );
        assert!(typed.layers.iter().all(|layer| layer.window.is_none()));

        // SmolLM3 slides where it does not rotate.
        let smollm3 = with(json!({"model_type": "smollm3", "num_key_value_heads": 1,
            "no_rope_layer_interval": 2, "use_sliding_window": true, "sliding_window": 8}));
        let seen: Vec<_> = smollm3.layers.iter().map(|l| (l.rope, l.window)).collect();
        assert_eq!(seen, [(Some(0), None), (None, Some(8)), (Some(0), None)]);
        assert!((smollm3.ropes[0].theta - 2e6).abs() < 1e-6);

        let mistral = with(json!({"model_type": "mistral", "num_attention_heads": 8}));
        assert_eq!(
            (mistral.kv_heads, mistral.layers[2].window),
            (8, Some(4096))
        );
        let phi3 = with(json!({"model_type": "phi3"}));
        assert!((phi3.norm_eps - 1e-5).abs() < 1e-12);
    }

    #[test]
    fn gpt2_may_leave_its_scores_unscaled() {
        let sizes = json!({"model_type": "gpt2", "n_embd": 16, "n_head": 2, "n_layer": 1});
        assert!((plain(&sizes.clone()).attention_scale - 1.0 / 8f64.sqrt()).abs() < 1e-12);
        let mut unscaled = sizes;
        unscaled["scale_attn_weights"] = false.into();
        assert!((plain(&unscaled).attention_scale - 1.0).abs() < 1e-12);
    }

    #[test]
    fn only_wrappers_that_leave_the_text_model_alone_are_opened() {
        let llava = json!({"model_type": "llava", "text_config": {"model_type": "llama"}});
        assert_eq!(plain(&llava).architecture, Architecture::Llama);
        let paligemma = json!({"model_type": "paligemma", "text_config": {"model_type": "gemma"}});
        let error = parse(&paligemma).unwrap_err().to_string();
        assert!(error.contains("'paligemma'"), "{error}");
    }

    #[test]
    fn the_parameters_of_positions_stand_before_the_keys_beside_them() {
        let spec = plain(&json!({"model_type": "llama", "rope_theta": 5.0,
            "rope_scaling": {"type": "dynamic", "factor": 2.0},
            "rope_parameters": {"rope_theta": 7.0}}));
        assert!((spec.ropes[0].theta - 5.0).abs() < 1e-12);
        assert_eq!(spec.ropes[0].scaling, RopeScaling::None);
        let spec = plain(&json!({"model_type": "llama", "rope_theta": 5.0,
            "rope_parameters": {"rope_type": "default", "rope_theta": 7.0}}));
        assert!((spec.ropes[0].theta - 7.0).abs() < 1e-12);
    }
}
