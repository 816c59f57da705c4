//! What each layer of a configuration does differently: windows, rotation, experts.

use serde_json::Value;

use super::super::{Architecture, LayerSpec, Mixture, config};
use super::fields::Fields;
use crate::model::local::error::LocalError;

/// All layers.
pub(super) fn layers(
    fields: &Fields<'_>,
    architecture: Architecture,
    ropes: usize,
) -> Result<Vec<LayerSpec>, LocalError> {
    // A hostile count must not allocate; Spec::check refuses what is above the limit.
    let count = fields.needed("num_hidden_layers")?.min(4096);
    let rotated = rotated(fields, architecture, count)?;
    let (window, sliding) = sliding(fields, architecture, &rotated)?;
    let mixture = mixed(fields, architecture, count)?;
    Ok((0..count)
        .map(|i| {
            let rope = usize::from(sliding[i] && ropes > 1);
            LayerSpec {
                rope: rotated[i].then_some(rope),
                window: window.filter(|_| sliding[i]),
                mixture: mixture[i],
            }
        })
        .collect())
}

/// Which layers rotate queries and keys; all but some of SmolLM3's.
fn rotated(
    fields: &Fields<'_>,
    architecture: Architecture,
    count: usize,
) -> Result<Vec<bool>, LocalError> {
    if architecture != Architecture::SmolLm3 {
        return Ok(vec![true; count]);
    }
    let interval = fields.count("no_rope_layer_interval")?.unwrap_or(4);
    match fields.numbers("no_rope_layers")? {
        Some(list) if list.len() >= count => Ok(list[..count].iter().map(|x| *x != 0.0).collect()),
        Some(list) => Err(config(format!(
            "'no_rope_layers' speaks of {} layers of {count}",
            list.len()
        ))),
        None if interval == 0 => Err(config("'no_rope_layer_interval' is 0".to_owned())),
        None => Ok((0..count)
            .map(|i| !(i + 1).is_multiple_of(interval))
            .collect()),
    }
}

/// The window, and which layers see no further.
fn sliding(
    fields: &Fields<'_>,
    architecture: Architecture,
    rotated: &[bool],
) -> Result<(Option<usize>, Vec<bool>), LocalError> {
    use Architecture as A;
    let count = rotated.len();
    let every = |slides: &dyn Fn(usize) -> bool| (0..count).map(slides).collect::<Vec<_>>();
    let switched = |fields: &Fields<'_>| -> Result<Option<usize>, LocalError> {
        let window = fields.count("sliding_window")?;
        let on = fields.flag("use_sliding_window")? == Some(true);
        Ok(window.filter(|_| on))
    };
    let (window, usual) = match architecture {
        A::Mistral | A::Mixtral | A::Phi3 => {
            return Ok((positive(fields.count("sliding_window")?), every(&|_| true)));
        }
        A::Qwen3Moe => return Ok((positive(switched(fields)?), every(&|_| true))),
        A::Gemma2 => (
            fields.count("sliding_window")?,
            every(&|i| i.is_multiple_of(2)),
        ),
        A::Gemma3 => {
            let pattern = fields
                .count("sliding_window_pattern")?
                .or(fields.count("_sliding_window_pattern")?)
                .unwrap_or(6);
            if pattern == 0 {
                return Err(config("'sliding_window_pattern' is 0".to_owned()));
            }
            let slides = every(&|i| !(i + 1).is_multiple_of(pattern));
            (fields.count("sliding_window")?, slides)
        }
        A::Qwen2 | A::Qwen3 => {
            let full = fields.needed("max_window_layers")?;
            (switched(fields)?, every(&|i| i >= full))
        }
        A::Qwen2Moe => {
            let most = fields.needed("max_window_layers")?;
            (
                switched(fields)?,
                every(&|i| i.is_multiple_of(2) && i < most),
            )
        }
        A::SmolLm3 => (switched(fields)?, every(&|i| !rotated[i])),
        A::Llama | A::Granite | A::Olmo2 | A::Gemma | A::Gpt2 | A::GptNeoX => {
            return Ok((None, every(&|_| false)));
        }
    };
    let sliding = match fields.get("layer_types") {
        None => usual,
        Some(list) => layer_types(list, count)?,
    };
    Ok((positive(window), sliding))
}

fn positive(window: Option<usize>) -> Option<usize> {
    window.filter(|w| *w > 0)
}

fn layer_types(list: &Value, count: usize) -> Result<Vec<bool>, LocalError> {
    let named = list.as_array().filter(|list| list.len() >= count);
    let named = named.ok_or_else(|| {
        config(format!(
            "'layer_types' is not a list of {count} layers or more"
        ))
    })?;
    let slides = |kind: &Value| match kind.as_str() {
        Some("sliding_attention") => Ok(true),
        Some("full_attention") => Ok(false),
        _ => Err(LocalError::Unsupported {
            setting: format!("a layer of type {kind} in config.json"),
        }),
    };
    named[..count].iter().map(slides).collect()
}

/// Which layers have a mixture of experts.
fn mixed(
    fields: &Fields<'_>,
    architecture: Architecture,
    count: usize,
) -> Result<Vec<bool>, LocalError> {
    match architecture {
        Architecture::Mixtral => Ok(vec![true; count]),
        Architecture::Qwen2Moe | Architecture::Qwen3Moe => {
            let step = fields.needed("decoder_sparse_step")?;
            if step == 0 {
                return Err(config("'decoder_sparse_step' is 0".to_owned()));
            }
            let dense = fields.numbers("mlp_only_layers")?.unwrap_or_default();
            let is_dense = |i: usize| dense.iter().any(|layer| (*layer - i as f64).abs() < 0.5);
            Ok((0..count)
                .map(|i| (i + 1).is_multiple_of(step) && !is_dense(i))
                .collect())
        }
        _ => Ok(vec![false; count]),
    }
}

/// The experts, where there are some.
pub(super) fn mixture(
    fields: &Fields<'_>,
    architecture: Architecture,
) -> Result<Option<Mixture>, LocalError> {
    let of = |experts, ffn, normalised, shared| -> Result<_, LocalError> {
        Ok(Some(Mixture {
            experts: fields.needed(experts)?,
            used: fields.needed("num_experts_per_tok")?,
            ffn: fields.needed(ffn)?,
            normalised,
            shared,
        }))
    };
    let normalised = fields.flag("norm_topk_prob")?.unwrap_or(false);
    match architecture {
        Architecture::Mixtral => of("num_local_experts", "intermediate_size", true, None),
        Architecture::Qwen2Moe => {
            let shared = fields.needed("shared_expert_intermediate_size")?;
            of(
                "num_experts",
                "moe_intermediate_size",
                normalised,
                Some(shared),
            )
        }
        Architecture::Qwen3Moe => of("num_experts", "moe_intermediate_size", normalised, None),
        _ => Ok(None),
    }
}
