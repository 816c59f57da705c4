//! Keys of a configuration: what is taken for those that are left out, and which values are refused.
//!
//! Only what transformers' class of a model type reads can change its numbers. Each such key is read by
//! the parser, refused here unless it has the value that changes nothing, or harmless; a test goes through
//! all keys of all classes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{Architecture, config};
use super::fields::Fields;
use crate::model::local::error::LocalError;

/// Written by `scripts/make-config-defaults.py` from the classes of transformers.
pub(super) const DEFAULTS: &str = include_str!("defaults.json");

/// Keys with the only values under which the engine computes what transformers does. Absent is fine.
const REFUSED: &[(&str, &[&str])] = &[
    ("add_cross_attention", &["false"]),
    ("is_encoder_decoder", &["false"]),
    ("pretraining_tp", &["1"]),
    ("qkv_bias", &["true"]),
    ("reorder_and_upcast_attn", &["false"]),
    ("scale_attn_by_inverse_layer_idx", &["false"]),
    ("use_bidirectional_attention", &["false"]),
];

/// Keys that change training, generation, other outputs or nothing at all, but no next-token probability.
#[cfg(test)]
const HARMLESS: &[&str] = &[
    "architectures",
    "attention_dropout",
    "attn_pdrop",
    "bos_token_id",
    "chunk_size_feed_forward",
    "classifier_dropout",
    "dtype",
    "embd_pdrop",
    "eos_token_id",
    "hidden_dropout",
    "id2label",
    "initializer_range",
    "is_decoder",
    "label2id",
    "output_hidden_states",
    "output_router_logits",
    "pad_token_id",
    "problem_type",
    "resid_pdrop",
    "return_dict",
    "router_aux_loss_coef",
    "router_jitter_noise",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "transformers_version",
    "use_cache",
];

/// Other names of keys, by model type, as transformers takes them.
const ALIASES: &[(Architecture, &str, &str)] = &[
    (Architecture::Gpt2, "hidden_size", "n_embd"),
    (Architecture::Gpt2, "max_position_embeddings", "n_positions"),
    (Architecture::Gpt2, "num_attention_heads", "n_head"),
    (Architecture::Gpt2, "num_hidden_layers", "n_layer"),
    (Architecture::Mixtral, "num_experts", "num_local_experts"),
    (Architecture::Qwen3Moe, "num_local_experts", "num_experts"),
    (Architecture::GptNeoX, "rotary_emb_base", "rope_theta"),
];

/// The configuration with what transformers takes for absent keys: published ones leave out whatever
/// equals its defaults. A stated `null` stays one.
pub(super) fn filled(value: &Value, architecture: Architecture) -> Result<Value, LocalError> {
    let defaults: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_str(DEFAULTS).map_err(|error| config(format!("the defaults: {error}")))?;
    let mut filled = value.clone();
    let Some(object) = filled.as_object_mut() else {
        return Err(config("config.json is not an object".to_owned()));
    };
    for (of, alias, name) in ALIASES {
        if *of == architecture
            && !object.contains_key(*name)
            && let Some(value) = object.get(*alias).cloned()
        {
            object.insert((*name).to_owned(), value);
        }
    }
    for (name, default) in defaults.get(class(architecture)).into_iter().flatten() {
        if !object.contains_key(name) {
            object.insert(name.clone(), default.clone());
        }
    }
    Ok(filled)
}

/// The `model_type` of the class that has the decoder's keys.
pub(super) fn class(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Gemma3 => "gemma3_text",
        other => other.name(),
    }
}

/// Refuses values that the engine does not compute with.
pub(super) fn refuse(fields: &Fields<'_>) -> Result<(), LocalError> {
    for (name, allowed) in REFUSED {
        if let Some(value) = fields.get(name).map(Value::to_string)
            && !allowed.contains(&value.as_str())
        {
            return Err(LocalError::Unsupported {
                setting: format!("'{name}': {value} in config.json"),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_every_class_is_read_refused_or_harmless() {
        let defaults: BTreeMap<String, BTreeMap<String, Value>> =
            serde_json::from_str(DEFAULTS).unwrap();
        assert_eq!(defaults.len(), 16);
        for (kind, keys) in defaults {
            let config = serde_json::json!({ "model_type": kind });
            let architecture = Architecture::from_name(&kind).unwrap();
            let filled = filled(&config, architecture).unwrap();
            let fields = Fields::new(&filled);
            super::super::spec(&fields, architecture).unwrap_or_else(|e| panic!("{kind}: {e}"));
            let read = fields.read();
            for key in keys.keys() {
                let known = read.contains(key) || HARMLESS.contains(&key.as_str());
                // GPT-2 has no rotary positions, whatever its class inherits.
                assert!(
                    known || (kind == "gpt2" && key == "rope_theta"),
                    "{kind}: {key}"
                );
                assert!(
                    !(read.contains(key) && HARMLESS.contains(&key.as_str())),
                    "{kind}: {key}"
                );
            }
        }
    }

    #[test]
    fn values_that_change_numbers_are_refused_by_name() {
        for (name, allowed) in REFUSED {
            for value in ["false", "true", "1", "2"] {
                let mut config = serde_json::json!({});
                config[*name] = serde_json::from_str(value).unwrap();
                let refused = refuse(&Fields::new(&config));
                assert_eq!(refused.is_ok(), allowed.contains(&value), "{name} {value}");
            }
            assert!(refuse(&Fields::new(&serde_json::json!({ *name: null }))).is_ok());
        }
    }
}
