//! GGUF metadata to a [`Spec`].
//!
//! Key names and the conventions that no key states (which architectures store permuted queries, where
//! Gemma slides, which layers of SmolLM3 have no rotation) follow llama.cpp's `llama-model.cpp`.

use std::collections::HashMap;

use candle_core::quantized::gguf_file::Value;

use super::{
    Activation, Architecture, LayerSpec, Mixture, NormKind, RopeScaling, RopeSpec, RopeStyle, Spec,
    config, yarn_magnitude,
};
use crate::model::local::error::LocalError;

/// What the metadata cannot say: shapes and tensors that decide how the file is read.
pub(crate) struct TensorFacts {
    /// Rows of the embedding matrix.
    pub(crate) vocabulary: usize,
    /// There is a separate output matrix.
    pub(crate) has_output: bool,
    /// `rope_freqs.weight` or `rope_factors_short.weight`.
    pub(crate) rope_divisors: Option<Vec<f32>>,
}

struct Keys<'a> {
    metadata: &'a HashMap<String, Value>,
    prefix: String,
}

impl Keys<'_> {
    fn value(&self, key: &str) -> Option<&Value> {
        self.metadata.get(&format!("{}.{key}", self.prefix))
    }

    fn count(&self, key: &str) -> Result<Option<usize>, LocalError> {
        self.value(key)
            .map(|v| {
                // Some writers store one value a layer; only equal values are one number.
                let v = match v {
                    Value::Array(values) => values.first().unwrap_or(v),
                    other => other,
                };
                count_of(v).ok_or_else(|| config(format!("'{}.{key}' is not a count", self.prefix)))
            })
            .transpose()
    }

    fn needed(&self, key: &str) -> Result<usize, LocalError> {
        self.count(key)?.ok_or_else(|| {
            config(format!(
                "'{}.{key}' is missing from the metadata",
                self.prefix
            ))
        })
    }

    fn number(&self, key: &str) -> Option<f64> {
        match self.value(key)? {
            Value::F32(x) => Some(f64::from(*x)),
            Value::F64(x) => Some(*x),
            _ => None,
        }
    }

    fn check_layers_are_alike(&self) -> Result<(), LocalError> {
        for key in [
            "attention.head_count",
            "attention.head_count_kv",
            "feed_forward_length",
        ] {
            self.uniform(key)?;
        }
        Ok(())
    }

    fn uniform(&self, key: &str) -> Result<(), LocalError> {
        if let Some(Value::Array(values)) = self.value(key) {
            let counts: Vec<_> = values.iter().map(count_of).collect();
            if counts.windows(2).any(|w| w[0] != w[1]) {
                return Err(LocalError::Unsupported {
                    setting: format!("'{}.{key}' that differs between layers", self.prefix),
                });
            }
        }
        Ok(())
    }
}

fn count_of(value: &Value) -> Option<usize> {
    let wide = match value {
        Value::U8(x) => u64::from(*x),
        Value::U16(x) => u64::from(*x),
        Value::U32(x) => u64::from(*x),
        Value::U64(x) => *x,
        Value::I32(x) => u64::try_from(*x).ok()?,
        Value::I64(x) => u64::try_from(*x).ok()?,
        _ => return None,
    };
    usize::try_from(wide).ok()
}

/// The name of the architecture in the metadata.
pub(crate) fn architecture(metadata: &HashMap<String, Value>) -> Result<Architecture, LocalError> {
    let name = match metadata.get("general.architecture") {
        Some(Value::String(name)) => name.as_str(),
        _ => {
            return Err(config(
                "'general.architecture' is missing from the metadata".to_owned(),
            ));
        }
    };
    let known = Architecture::from_name(name).ok_or_else(|| LocalError::Architecture {
        name: name.to_owned(),
    })?;
    // Files call a Mixtral a Llama with experts.
    let experts = metadata
        .get(&format!("{name}.expert_count"))
        .and_then(count_of);
    Ok(match known {
        Architecture::Llama if experts.is_some_and(|n| n > 0) => Architecture::Mixtral,
        other => other,
    })
}

/// Reads and checks the specification.
pub(crate) fn parse(
    metadata: &HashMap<String, Value>,
    facts: TensorFacts,
) -> Result<Spec, LocalError> {
    let architecture = architecture(metadata)?;
    let Some(Value::String(prefix)) = metadata.get("general.architecture") else {
        return Err(config("'general.architecture' is not text".to_owned()));
    };
    let keys = Keys {
        metadata,
        prefix: prefix.clone(),
    };
    keys.check_layers_are_alike()?;
    let hidden = keys.needed("embedding_length")?;
    let heads = keys.needed("attention.head_count")?;
    let head_dim = head_size(&keys, hidden, heads)?;
    let gemma = architecture.is_gemma();
    let granite = architecture == Architecture::Granite;
    let gpt = architecture.is_gpt();
    let cap = |default| (architecture == Architecture::Gemma2).then_some(default);
    let layers = keys.needed("block_count")?;
    let mut context = keys.needed("context_length")?;
    let ropes = ropes(&keys, architecture, facts.rope_divisors, &mut context)?;
    let mixture = mixture(&keys, architecture)?;
    let rotary_dims = match architecture {
        Architecture::Gpt2 => 0,
        _ => keys.count("rope.dimension_count")?.unwrap_or(head_dim),
    };
    Spec {
        architecture,
        vocabulary: facts.vocabulary,
        hidden,
        heads,
        kv_heads: keys.count("attention.head_count_kv")?.unwrap_or(heads),
        head_dim,
        ffn: keys.needed("feed_forward_length")?,
        context,
        // llama.cpp's converter bakes Gemma's offset of one into the stored weights.
        norm: if gpt { NormKind::Layer } else { NormKind::Rms },
        norm_eps: keys
            .number("attention.layer_norm_rms_epsilon")
            .or(keys.number("attention.layer_norm_epsilon"))
            .unwrap_or(1e-5),
        activation: activation(architecture),
        gated: !gpt,
        parallel_residual: architecture == Architecture::GptNeoX
            && !matches!(
                keys.value("use_parallel_residual"),
                Some(Value::Bool(false))
            ),
        qk_norm: architecture.qk_norm(),
        norm_places: architecture.norm_places(),
        mixture,
        learned_positions: architecture == Architecture::Gpt2,
        rotary_dims,
        rope_style: match architecture {
            Architecture::Llama
            | Architecture::Mistral
            | Architecture::Mixtral
            | Architecture::Granite
            | Architecture::SmolLm3 => RopeStyle::Interleaved,
            _ => RopeStyle::Half,
        },
        layers: layer_specs(&keys, architecture, layers, mixture.is_some())?,
        ropes,
        attention_scale: match keys.number("attention.scale") {
            Some(scale) if granite => scale,
            _ => attention_scale(architecture, layers, hidden, heads, head_dim),
        },
        // Files from before the keys existed mean Gemma 2's own caps.
        attention_softcap: keys.number("attn_logit_softcapping").or(cap(50.0)),
        final_softcap: keys.number("final_logit_softcapping").or(cap(30.0)),
        embedding_scale: if gemma {
            Some((hidden as f64).sqrt())
        } else {
            keys.number("embedding_scale").filter(|_| granite)
        },
        residual_scale: keys.number("residual_scale").filter(|_| granite),
        logits_divisor: keys.number("logit_scale").filter(|_| granite),
        attention_bias: None,
        ffn_bias: None,
        tied: !facts.has_output,
    }
    .check()
}

fn head_size(keys: &Keys<'_>, hidden: usize, heads: usize) -> Result<usize, LocalError> {
    match keys.count("attention.key_length")? {
        Some(size) => Ok(size),
        None if heads > 0 && hidden.is_multiple_of(heads) => Ok(hidden / heads),
        None => Err(config(format!(
            "embedding length {hidden} does not divide into {heads} heads"
        ))),
    }
}

/// No key says it. Every published GPT-NeoX was trained with the error function, which llama.cpp
/// approximates.
fn activation(architecture: Architecture) -> Activation {
    match architecture {
        Architecture::GptNeoX => Activation::Gelu,
        Architecture::Gpt2 => Activation::GeluTanh,
        gemma if gemma.is_gemma() => Activation::GeluTanh,
        _ => Activation::Silu,
    }
}

/// Which weights of chosen experts are made to add up to one is part of an architecture here.
fn mixture(keys: &Keys<'_>, architecture: Architecture) -> Result<Option<Mixture>, LocalError> {
    let normalised = match architecture {
        Architecture::Mixtral | Architecture::Qwen3Moe => true,
        Architecture::Qwen2Moe => false,
        _ if keys.count("expert_count")?.is_some_and(|n| n > 0) => {
            return Err(LocalError::Unsupported {
                setting: format!("a mixture of experts ('{}.expert_count')", keys.prefix),
            });
        }
        _ => return Ok(None),
    };
    let ffn = match keys.count("expert_feed_forward_length")? {
        Some(ffn) => ffn,
        None => keys.needed("feed_forward_length")?,
    };
    Ok(Some(Mixture {
        experts: keys.needed("expert_count")?,
        used: keys.needed("expert_used_count")?,
        ffn,
        normalised,
        shared: match architecture {
            Architecture::Qwen2Moe => Some(keys.needed("expert_shared_feed_forward_length")?),
            _ => None,
        },
    }))
}

/// The 27-billion Gemmas scale by the width of a head in the residual stream instead of the key length.
fn attention_scale(
    architecture: Architecture,
    layers: usize,
    hidden: usize,
    heads: usize,
    head_dim: usize,
) -> f64 {
    let wide = matches!(
        (architecture, layers),
        (Architecture::Gemma2, 46) | (Architecture::Gemma3, 62)
    );
    let scalar = if wide {
        hidden / heads.max(1)
    } else {
        head_dim
    };
    1.0 / (scalar as f64).sqrt()
}

fn ropes(
    keys: &Keys<'_>,
    architecture: Architecture,
    divisors: Option<Vec<f32>>,
    context: &mut usize,
) -> Result<Vec<RopeSpec>, LocalError> {
    if architecture == Architecture::Gpt2 {
        return Ok(Vec::new());
    }
    let default_theta = if architecture == Architecture::Gemma3 {
        1e6
    } else {
        1e4
    };
    let theta = keys.number("rope.freq_base").unwrap_or(default_theta);
    let kind = match keys.value("rope.scaling.type") {
        Some(Value::String(kind)) => kind.as_str(),
        _ => "none",
    };
    let scaling = match (divisors, kind) {
        (Some(divisors), _) => {
            let magnitude = keys.number("rope.scaling.attn_factor").unwrap_or(1.0);
            if architecture == Architecture::Phi3 {
                *context = keys
                    .count("rope.scaling.original_context_length")?
                    .unwrap_or(*context);
            }
            RopeScaling::Divisors {
                divisors,
                magnitude,
            }
        }
        (None, "none" | "default") => match keys.number("rope.scale_linear") {
            Some(factor) if factor > 0.0 => RopeScaling::Linear(factor),
            _ => RopeScaling::None,
        },
        (None, "linear") => RopeScaling::Linear(
            keys.number("rope.scaling.factor")
                .filter(|f| *f > 0.0)
                .ok_or_else(|| config("linear rope scaling lacks a positive factor".to_owned()))?,
        ),
        (None, "yarn") => yarn(keys, *context)?,
        (None, other) => {
            return Err(LocalError::Unsupported {
                setting: format!("rope scaling '{other}'"),
            });
        }
    };
    let mut ropes = vec![RopeSpec { theta, scaling }];
    if architecture == Architecture::Gemma3 {
        ropes.push(RopeSpec {
            theta: keys.number("rope.freq_base_swa").unwrap_or(1e4),
            scaling: RopeScaling::None,
        });
    }
    Ok(ropes)
}

fn yarn(keys: &Keys<'_>, context: usize) -> Result<RopeScaling, LocalError> {
    if keys.value("rope.scaling.yarn_log_multiplier").is_some() {
        return Err(LocalError::Unsupported {
            setting: "rope scaling 'yarn' with a multiplier of its own".to_owned(),
        });
    }
    let factor = keys
        .number("rope.scaling.factor")
        .filter(|f| *f > 0.0)
        .ok_or_else(|| config("rope scaling 'yarn' lacks a positive factor".to_owned()))?;
    let original = keys.count("rope.scaling.original_context_length")?;
    let attention = keys.number("rope.scaling.attn_factor").unwrap_or(1.0);
    Ok(RopeScaling::Yarn {
        factor,
        fast: keys.number("rope.scaling.yarn_beta_fast").unwrap_or(32.0),
        slow: keys.number("rope.scaling.yarn_beta_slow").unwrap_or(1.0),
        original: original.unwrap_or(context) as f64,
        whole: true,
        magnitude: attention * yarn_magnitude(factor, 1.0),
    })
}

fn layer_specs(
    keys: &Keys<'_>,
    architecture: Architecture,
    layers: usize,
    mixture: bool,
) -> Result<Vec<LayerSpec>, LocalError> {
    let default_window = (architecture == Architecture::Gemma2).then_some(4096);
    let window = keys
        .count("attention.sliding_window")?
        .or(default_window)
        .filter(|w| *w > 0);
    Ok((0..layers.min(4096))
        .map(|i| {
            let sliding = match architecture {
                Architecture::Gemma2 => i.is_multiple_of(2),
                Architecture::Gemma3 => !(i + 1).is_multiple_of(6),
                Architecture::Mistral
                | Architecture::Mixtral
                | Architecture::Llama
                | Architecture::Phi3 => true,
                _ => false,
            };
            let rope = match architecture {
                Architecture::Gpt2 => None,
                Architecture::SmolLm3 if (i + 1).is_multiple_of(4) => None,
                Architecture::Gemma3 => Some(usize::from(sliding)),
                _ => Some(0),
            };
            LayerSpec {
                rope,
                window: window.filter(|_| sliding),
                mixture,
            }
        })
        .collect())
}
