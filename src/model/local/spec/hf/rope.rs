//! Rotary positions of a configuration: `rope_parameters` (transformers 5) or `rope_scaling` and the keys
//! beside it (before).

use serde_json::Value;

use super::super::{Architecture, RopeScaling, RopeSpec, config, yarn_magnitude};
use super::fields::Fields;
use crate::model::local::error::LocalError;

/// The object for one kind of layer.
fn parameters<'a>(fields: &Fields<'a>, kind: &str) -> Fields<'a> {
    let (old, new) = (fields.get("rope_scaling"), fields.get("rope_parameters"));
    Fields::new(match old.or(new) {
        None => &Value::Null,
        Some(found) => found.get(kind).unwrap_or(found),
    })
}

/// The tables, and the longest sequence that they are right for.
pub(super) fn ropes(
    fields: &Fields<'_>,
    architecture: Architecture,
) -> Result<(Vec<RopeSpec>, usize), LocalError> {
    let mut context = fields.needed("max_position_embeddings")?;
    let global = parameters(fields, "full_attention");
    let theta = theta(&global, fields, "rope_theta")?;
    let scaling = scaling(&global, fields, architecture, &mut context)?;
    let mut ropes = vec![RopeSpec { theta, scaling }];
    if architecture == Architecture::Gemma3 {
        let nested = fields.get("rope_parameters");
        let local = nested.and_then(|p| p.get("sliding_attention"));
        let local = Fields::new(local.unwrap_or(&Value::Null));
        if !matches!(kind(&local), "default") {
            return Err(unsupported(kind(&local)));
        }
        ropes.push(RopeSpec {
            theta: self::theta(&local, fields, "rope_local_base_freq")?,
            scaling: RopeScaling::None,
        });
    }
    Ok((ropes, context))
}

fn theta(rope: &Fields<'_>, fields: &Fields<'_>, name: &str) -> Result<f64, LocalError> {
    let outer = fields.number(name)?;
    rope.number("rope_theta")?
        .or(outer)
        .ok_or_else(|| config(format!("'{name}' is missing from config.json")))
}

/// The share of a head's coordinates that are rotated.
pub(super) fn share(fields: &Fields<'_>, architecture: Architecture) -> Result<f64, LocalError> {
    let rope = parameters(fields, "full_attention");
    let (name, default) = match architecture {
        Architecture::GptNeoX => ("rotary_pct", 0.25),
        _ => ("partial_rotary_factor", 1.0),
    };
    let outer = fields.number(name)?;
    let share = rope
        .number("partial_rotary_factor")?
        .or(outer)
        .unwrap_or(default);
    let heeded = matches!(architecture, Architecture::Phi3 | Architecture::GptNeoX);
    if !heeded && (share - 1.0).abs() > f64::EPSILON {
        return Err(LocalError::Unsupported {
            setting: format!(
                "'partial_rotary_factor': {share} of {}",
                architecture.name()
            ),
        });
    }
    Ok(share)
}

fn kind<'a>(rope: &Fields<'a>) -> &'a str {
    rope.text("rope_type")
        .or_else(|| rope.text("type"))
        .unwrap_or("default")
}

fn unsupported(kind: &str) -> LocalError {
    LocalError::Unsupported {
        setting: format!("rope scaling '{kind}'"),
    }
}

fn scaling(
    rope: &Fields<'_>,
    fields: &Fields<'_>,
    architecture: Architecture,
    context: &mut usize,
) -> Result<RopeScaling, LocalError> {
    let kind = match (kind(rope), architecture) {
        // Phi-3 called its own scaling by the names of others.
        ("su" | "yarn", Architecture::Phi3) | ("su", _) => "longrope",
        (kind, _) => kind,
    };
    let positive = |name: &str| {
        rope.number(name)?
            .filter(|x| *x > 0.0)
            .ok_or_else(|| config(format!("rope scaling '{kind}' lacks a positive '{name}'")))
    };
    let original = match fields.count("original_max_position_embeddings")? {
        Some(outer) => outer,
        None => rope
            .count("original_max_position_embeddings")?
            .unwrap_or(*context),
    };
    match kind {
        "default" => Ok(RopeScaling::None),
        "linear" => Ok(RopeScaling::Linear(positive("factor")?)),
        // It sets in beyond the context only, for every position at once; longer texts are refused.
        "dynamic" => positive("factor").map(|_| RopeScaling::None),
        "llama3" => Ok(RopeScaling::Llama3 {
            factor: positive("factor")?,
            low: positive("low_freq_factor")?,
            high: positive("high_freq_factor")?,
            original: original as f64,
        }),
        "yarn" => yarn(rope, original, *context),
        "longrope" => longrope(rope, original, context),
        other => Err(unsupported(other)),
    }
}

fn yarn(rope: &Fields<'_>, original: usize, context: usize) -> Result<RopeScaling, LocalError> {
    let stretch = context as f64 / original.max(1) as f64;
    let factor = rope.number("factor")?.unwrap_or(stretch);
    let mut positive = [("factor", factor), ("beta_fast", 32.0), ("beta_slow", 1.0)];
    for (name, value) in &mut positive[1..] {
        // 0 means the default, as in transformers.
        *value = rope.number(name)?.filter(|x| *x != 0.0).unwrap_or(*value);
    }
    if let Some((name, value)) = positive.iter().find(|(_, x)| !(x.is_finite() && *x > 0.0)) {
        return Err(config(format!(
            "rope scaling 'yarn' has a '{name}' of {value}"
        )));
    }
    let scales = (rope.number("mscale")?, rope.number("mscale_all_dim")?);
    let magnitude = match (rope.number("attention_factor")?, scales) {
        (Some(stated), _) => stated,
        (None, (Some(scale), Some(all))) if scale != 0.0 && all != 0.0 => {
            yarn_magnitude(factor, scale) / yarn_magnitude(factor, all)
        }
        _ => yarn_magnitude(factor, 1.0),
    };
    Ok(RopeScaling::Yarn {
        factor,
        fast: positive[1].1,
        slow: positive[2].1,
        original: original as f64,
        whole: rope.flag("truncate")?.unwrap_or(true),
        magnitude,
    })
}

fn longrope(
    rope: &Fields<'_>,
    original: usize,
    context: &mut usize,
) -> Result<RopeScaling, LocalError> {
    let divisors = rope
        .numbers("short_factor")?
        .ok_or_else(|| config("rope scaling 'longrope' lacks 'short_factor'".to_owned()))?;
    let stretch = match rope.number("factor")? {
        Some(factor) => factor,
        None => *context as f64 / original.max(1) as f64,
    };
    let magnitude = match rope.number("attention_factor")? {
        Some(factor) => factor,
        None if stretch > 1.0 => (1.0 + stretch.ln() / (original as f64).ln()).sqrt(),
        None => 1.0,
    };
    // Beyond the original length the long factors would apply to every position at once;
    // probes are short, so longer texts are refused rather than read by other weights.
    *context = original.min(*context);
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
