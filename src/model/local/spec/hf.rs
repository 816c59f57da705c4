//! `config.json` of a Hugging Face directory to a [`Spec`].

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use super::{
    Activation, Architecture, LayerSpec, NormKind, RopeScaling, RopeSpec, RopeStyle, Spec, config,
};
use crate::model::local::error::LocalError;

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

/// One object of the configuration, with typed access.
struct Fields<'a>(&'a Value);

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|v| !v.is_null())
    }

    fn count(&self, name: &str) -> Result<Option<usize>, LocalError> {
        self.get(name)
            .map(|v| {
                v.as_u64()
                    .and_then(|n| usize::try_from(n).ok())
                    .ok_or_else(|| config(format!("'{name}' is {v}, expected a count")))
            })
            .transpose()
    }

    fn needed(&self, name: &str) -> Result<usize, LocalError> {
        self.count(name)?
            .ok_or_else(|| config(format!("'{name}' is missing from config.json")))
    }

    fn number(&self, name: &str) -> Result<Option<f64>, LocalError> {
        self.get(name)
            .map(|v| {
                v.as_f64()
                    .ok_or_else(|| config(format!("'{name}' is {v}, expected a number")))
            })
            .transpose()
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).and_then(Value::as_bool)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(Value::as_str)
    }

    /// A list of numbers, or nothing when it is absent.
    fn numbers(&self, name: &str) -> Option<Vec<f64>> {
        self.get(name)?
            .as_array()?
            .iter()
            .map(Value::as_f64)
            .collect()
    }
}

fn parse(root: &Value) -> Result<Spec, LocalError> {
    // Multimodal wrappers keep the decoder in `text_config`.
    let fields = Fields(root.get("text_config").unwrap_or(root));
    let name = fields
        .text("model_type")
        .or_else(|| Fields(root).text("model_type"))
        .ok_or_else(|| config("'model_type' is missing from config.json".to_owned()))?;
    let architecture = Architecture::from_name(name).ok_or_else(|| LocalError::Architecture {
        name: name.to_owned(),
    })?;
    if fields.get("quantization_config").is_some() {
        return Err(LocalError::Unsupported {
            setting: "'quantization_config' in safetensors (use GGUF for quantised weights)"
                .to_owned(),
        });
    }
    match architecture {
        Architecture::Gpt2 => gpt2(&fields),
        Architecture::GptNeoX => neox(&fields),
        Architecture::Gemma3 => gated(&Fields(&gemma3_filled(fields.0)), architecture),
        _ => gated(&fields, architecture),
    }
}

/// A Gemma 3 configuration with the defaults of transformers: the published ones leave out whatever
/// equals them.
fn gemma3_filled(value: &Value) -> Value {
    let mut filled = value.clone();
    if let Some(map) = filled.as_object_mut() {
        for (name, default) in [
            ("vocab_size", 262_208),
            ("num_attention_heads", 8),
            ("num_key_value_heads", 4),
            ("head_dim", 256),
            ("max_position_embeddings", 131_072),
            ("query_pre_attn_scalar", 256),
            ("sliding_window", 4_096),
        ] {
            map.entry(name).or_insert_with(|| default.into());
        }
    }
    filled
}

fn activation(
    fields: &Fields<'_>,
    names: [&str; 2],
    default: &str,
) -> Result<Activation, LocalError> {
    let name = names
        .into_iter()
        .find_map(|n| fields.text(n))
        .unwrap_or(default);
    Activation::from_name(name).ok_or_else(|| LocalError::Unsupported {
        setting: format!("activation '{name}'"),
    })
}

fn gpt2(fields: &Fields<'_>) -> Result<Spec, LocalError> {
    let hidden = fields.needed("n_embd")?;
    let heads = fields.needed("n_head")?;
    let head_dim = head_size(fields, hidden, heads)?;
    for flag in ["scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn"] {
        if fields.flag(flag) == Some(true) {
            return Err(LocalError::Unsupported {
                setting: format!("'{flag}'"),
            });
        }
    }
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
        activation: activation(fields, ["activation_function", "hidden_act"], "gelu_new")?,
        gated: false,
        parallel_residual: false,
        qk_norm: false,
        sandwich: false,
        learned_positions: true,
        rotary_dims: 0,
        rope_style: RopeStyle::Half,
        ropes: Vec::new(),
        layers: plain_layers(fields.needed("n_layer")?, None),
        attention_scale: 1.0 / (head_dim as f64).sqrt(),
        attention_softcap: None,
        final_softcap: None,
        embedding_scale: None,
        tied: fields.flag("tie_word_embeddings").unwrap_or(true),
    })
}

fn neox(fields: &Fields<'_>) -> Result<Spec, LocalError> {
    let hidden = fields.needed("hidden_size")?;
    let heads = fields.needed("num_attention_heads")?;
    let head_dim = head_size(fields, hidden, heads)?;
    let rope = rope_fields(fields, None);
    let share = fields
        .number("rotary_pct")?
        .or(Fields(rope).number("partial_rotary_factor")?)
        .unwrap_or(0.25);
    let theta = fields
        .number("rotary_emb_base")?
        .or(Fields(rope).number("rope_theta")?)
        .unwrap_or(10_000.0);
    Ok(Spec {
        architecture: Architecture::GptNeoX,
        vocabulary: fields.needed("vocab_size")?,
        hidden,
        heads,
        kv_heads: heads,
        head_dim,
        ffn: fields.needed("intermediate_size")?,
        context: fields.needed("max_position_embeddings")?,
        norm: NormKind::Layer,
        norm_eps: fields.number("layer_norm_eps")?.unwrap_or(1e-5),
        activation: activation(fields, ["hidden_act", "hidden_activation"], "gelu")?,
        gated: false,
        parallel_residual: fields.flag("use_parallel_residual").unwrap_or(true),
        qk_norm: false,
        sandwich: false,
        learned_positions: false,
        rotary_dims: part(head_dim, share),
        rope_style: RopeStyle::Half,
        ropes: vec![RopeSpec {
            theta,
            scaling: RopeScaling::None,
        }],
        layers: plain_layers(fields.needed("num_hidden_layers")?, Some(0)),
        attention_scale: 1.0 / (head_dim as f64).sqrt(),
        attention_softcap: None,
        final_softcap: None,
        embedding_scale: None,
        tied: fields.flag("tie_word_embeddings").unwrap_or(false),
    })
}

fn gated(fields: &Fields<'_>, architecture: Architecture) -> Result<Spec, LocalError> {
    let hidden = fields.needed("hidden_size")?;
    let heads = fields.needed("num_attention_heads")?;
    let head_dim = head_size(fields, hidden, heads)?;
    let layers = fields.needed("num_hidden_layers")?;
    let gemma = architecture.is_gemma();
    if fields.flag("use_bidirectional_attention") == Some(true) {
        return Err(LocalError::Unsupported {
            setting: "'use_bidirectional_attention'".to_owned(),
        });
    }
    let (ropes, context) = ropes(fields, architecture)?;
    let rope = Fields(rope_fields(fields, Some("full_attention")));
    let scale = match fields.number("query_pre_attn_scalar")? {
        Some(scalar) if gemma => scalar,
        _ => head_dim as f64,
    };
    let default_activation = if gemma { "gelu_pytorch_tanh" } else { "silu" };
    let rotary = fields
        .number("partial_rotary_factor")?
        .or(rope.number("partial_rotary_factor")?)
        .map_or(head_dim, |share| part(head_dim, share));
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
        activation: activation(
            fields,
            ["hidden_activation", "hidden_act"],
            default_activation,
        )?,
        gated: true,
        parallel_residual: false,
        qk_norm: matches!(architecture, Architecture::Qwen3 | Architecture::Gemma3),
        sandwich: gemma,
        learned_positions: false,
        rotary_dims: rotary,
        rope_style: RopeStyle::Half,
        layers: layer_specs(fields, architecture, layers, ropes.len())?,
        ropes,
        attention_scale: 1.0 / scale.sqrt(),
        attention_softcap: fields.number("attn_logit_softcapping")?,
        final_softcap: fields.number("final_logit_softcapping")?,
        embedding_scale: gemma.then(|| (hidden as f64).sqrt()),
        tied: fields
            .flag("tie_word_embeddings")
            .unwrap_or(gemma || architecture == Architecture::SmolLm3),
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

fn plain_layers(count: usize, rope: Option<usize>) -> Vec<LayerSpec> {
    // A hostile count must not allocate; Spec::check refuses what is above the limit.
    vec![LayerSpec { rope, window: None }; count.min(4096)]
}

/// `rope_parameters` (transformers 5) or `rope_scaling` (before), for one kind of layer.
fn rope_fields<'a>(fields: &Fields<'a>, kind: Option<&str>) -> &'a Value {
    let found = fields
        .get("rope_parameters")
        .or_else(|| fields.get("rope_scaling"));
    let Some(found) = found else {
        return &Value::Null;
    };
    kind.and_then(|k| found.get(k)).unwrap_or(found)
}

fn ropes(
    fields: &Fields<'_>,
    architecture: Architecture,
) -> Result<(Vec<RopeSpec>, usize), LocalError> {
    let mut context = fields.needed("max_position_embeddings")?;
    let default_theta = if architecture == Architecture::Gemma3 {
        1e6
    } else {
        1e4
    };
    let global = Fields(rope_fields(fields, Some("full_attention")));
    let theta = fields
        .number("rope_theta")?
        .or(global.number("rope_theta")?)
        .unwrap_or(default_theta);
    let scaling = rope_scaling(&global, fields, &mut context)?;
    let mut ropes = vec![RopeSpec { theta, scaling }];
    if architecture == Architecture::Gemma3 {
        let local = Fields(rope_fields(fields, Some("sliding_attention")));
        let local_theta = match fields.number("rope_local_base_freq")? {
            Some(theta) => theta,
            None if local.get("rope_type").is_some() && fields.get("rope_parameters").is_some() => {
                local.number("rope_theta")?.unwrap_or(1e4)
            }
            None => 1e4,
        };
        ropes.push(RopeSpec {
            theta: local_theta,
            scaling: RopeScaling::None,
        });
    }
    Ok((ropes, context))
}

fn rope_scaling(
    rope: &Fields<'_>,
    fields: &Fields<'_>,
    context: &mut usize,
) -> Result<RopeScaling, LocalError> {
    let kind = rope
        .text("rope_type")
        .or_else(|| rope.text("type"))
        .unwrap_or("default");
    let needed = |name: &str| {
        rope.number(name)?
            .filter(|x| *x > 0.0)
            .ok_or_else(|| config(format!("rope scaling '{kind}' lacks a positive '{name}'")))
    };
    match kind {
        "default" => Ok(RopeScaling::None),
        "linear" => Ok(RopeScaling::Linear(needed("factor")?)),
        "llama3" => Ok(RopeScaling::Llama3 {
            factor: needed("factor")?,
            low: needed("low_freq_factor")?,
            high: needed("high_freq_factor")?,
            original: needed("original_max_position_embeddings")?,
        }),
        "longrope" | "su" => {
            let divisors = rope
                .numbers("short_factor")
                .ok_or_else(|| config("rope scaling 'longrope' lacks 'short_factor'".to_owned()))?;
            let original = rope
                .count("original_max_position_embeddings")?
                .or(fields.count("original_max_position_embeddings")?)
                .unwrap_or(*context);
            let stretch = *context as f64 / original.max(1) as f64;
            let magnitude = match rope.number("attention_factor")? {
                Some(factor) => factor,
                None if stretch > 1.0 => (1.0 + stretch.ln() / (original as f64).ln()).sqrt(),
                None => 1.0,
            };
            // Beyond the original length the long factors would apply to every position at once;
            // probes are short, so longer texts are refused rather than read by other weights.
            *context = original;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "stored as f32 in GGUF as well"
            )]
            let divisors = divisors.into_iter().map(|d| d as f32).collect();
            Ok(RopeScaling::Divisors {
                divisors,
                magnitude,
            })
        }
        other => Err(LocalError::Unsupported {
            setting: format!("rope scaling '{other}'"),
        }),
    }
}

fn layer_specs(
    fields: &Fields<'_>,
    architecture: Architecture,
    layers: usize,
    ropes: usize,
) -> Result<Vec<LayerSpec>, LocalError> {
    let window = fields.count("sliding_window")?.filter(|w| *w > 0);
    let types = fields.get("layer_types").and_then(Value::as_array);
    let pattern = fields
        .count("sliding_window_pattern")?
        .or(fields.count("_sliding_window_pattern")?)
        .unwrap_or(6);
    let no_rope = fields.numbers("no_rope_layers");
    let interval = fields.count("no_rope_layer_interval")?.unwrap_or(4);
    let full_until = fields.count("max_window_layers")?.unwrap_or(0);
    let slides = |i: usize| match architecture {
        Architecture::Gemma2 => i.is_multiple_of(2),
        Architecture::Gemma3 => pattern == 0 || !(i + 1).is_multiple_of(pattern),
        Architecture::Qwen2 | Architecture::Qwen3 => {
            fields.flag("use_sliding_window") == Some(true) && i >= full_until
        }
        Architecture::SmolLm3 => fields.flag("use_sliding_window") == Some(true),
        Architecture::Mistral | Architecture::Phi3 => true,
        _ => false,
    };
    Ok((0..layers.min(4096))
        .map(|i| {
            let sliding = match types.and_then(|t| t.get(i)).and_then(Value::as_str) {
                Some(kind) => kind == "sliding_attention",
                None => slides(i),
            };
            let rotated = architecture != Architecture::SmolLm3
                || match &no_rope {
                    Some(list) => list.get(i).is_none_or(|x| *x != 0.0),
                    None => interval == 0 || !(i + 1).is_multiple_of(interval),
                };
            let rope = usize::from(sliding && ropes > 1);
            LayerSpec {
                rope: rotated.then_some(rope),
                window: window.filter(|_| sliding),
            }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
}
