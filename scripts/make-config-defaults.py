#!/usr/bin/env python3
"""Writes src/model/local/spec/hf/defaults.json: what transformers takes for each key that a config.json
leaves out, by model type. `null` is no value; what a class derives from other keys is `null` as well.

    python3 scripts/make-config-defaults.py

Needs transformers.
"""

import dataclasses
import json
from pathlib import Path

import transformers

OUT = Path(__file__).resolve().parent.parent / "src" / "model" / "local" / "spec" / "hf" / "defaults.json"
CLASSES = {
    "gemma": "Gemma", "gemma2": "Gemma2", "gemma3_text": "Gemma3Text", "gpt2": "GPT2",
    "gpt_neox": "GPTNeoX", "granite": "Granite", "llama": "Llama", "mistral": "Mistral",
    "mixtral": "Mixtral", "olmo2": "Olmo2", "phi3": "Phi3", "qwen2": "Qwen2", "qwen2_moe": "Qwen2Moe",
    "qwen3": "Qwen3", "qwen3_moe": "Qwen3Moe", "smollm3": "SmolLM3",
}


def defaults(name):
    kind = getattr(transformers, f"{name}Config")
    keys = {}
    for base in reversed(kind.__mro__):
        for field in base.__dict__.get("__annotations__", {}):
            if not field.startswith(("_", "base_")):
                keys[field] = getattr(kind, field, None)
    for field in dataclasses.fields(kind):
        value = field.default
        keys[field.name] = None if value is dataclasses.MISSING else value
    kept = {k: v for k, v in keys.items() if v is None or isinstance(v, (bool, int, float, str))}
    theta = kind.default_theta
    kept["rope_theta"] = theta["global"] if isinstance(theta, dict) else theta
    if isinstance(theta, dict):
        kept["rope_local_base_freq"] = theta["local"]
    kept.pop("model_type", None)
    return dict(sorted(kept.items()))


OUT.write_text(json.dumps({t: defaults(n) for t, n in CLASSES.items()}, indent=1) + "\n")
