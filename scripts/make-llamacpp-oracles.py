#!/usr/bin/env python3
"""Makes the tiny GGUF files of tests/data/llamacpp and the numbers that llama.cpp must give for them.

One file each of shapes that large open weights have: a dense Llama, and the mixtures of experts of Qwen3, DeepSeek-V3
(latent attention, shared experts, groups), GLM-4.5, gpt-oss (attention sinks, a window) and MiniMax-M2. Weights are
random; transformers evaluates them in float32, and the tests hold the feature `llamacpp` against what it said. The files
are written with llama.cpp's names and conventions, as its converter has them for each architecture.

    python3 scripts/make-llamacpp-oracles.py            # rewrites tests/data/llamacpp
    python3 scripts/make-llamacpp-oracles.py glm4moe    # rewrites one model

Needs torch, transformers, safetensors, tokenizers, gguf and numpy. A fixed seed makes the weights the same on every run.
"""

import importlib.util
import json
import math
import re
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import tokenizers
import torch
import transformers

spec = importlib.util.spec_from_file_location("oracles", Path(__file__).with_name("make-oracles.py"))
oracles = importlib.util.module_from_spec(spec)
sys.modules["oracles"] = oracles
try:
    spec.loader.exec_module(oracles)
except ModuleNotFoundError as error:
    sys.exit(f"{error}: pip install torch transformers safetensors tokenizers gguf")

ROOT = Path(__file__).resolve().parent.parent / "tests" / "data" / "llamacpp"
ARCH = gguf.MODEL_ARCH

COMMON = {
    "vocab_size": oracles.VOCABULARY, "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 4096,
    "bos_token_id": None, "eos_token_id": 0, "pad_token_id": None, "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
}
EXPERTS = {"moe_intermediate_size": 16, "num_experts_per_tok": 2}
SHARED = {**EXPERTS, "n_routed_experts": 8, "n_shared_experts": 1, "first_k_dense_replace": 1,
          "routed_scaling_factor": 1.5, "norm_topk_prob": True}

# By name: the class in transformers, its settings, and the architecture in GGUF.
MODELS = {
    "llama": ("Llama", {**COMMON, "hidden_size": 24}, ARCH.LLAMA),
    "qwen3moe": ("Qwen3Moe", {**COMMON, **EXPERTS, "head_dim": 12, "num_experts": 6,
                              "norm_topk_prob": True}, ARCH.QWEN3MOE),
    "deepseek-v3": ("DeepseekV3", {
        **COMMON, **SHARED, "num_key_value_heads": 4, "q_lora_rank": 20, "kv_lora_rank": 16,
        "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 12, "n_group": 2, "topk_group": 1,
    }, ARCH.DEEPSEEK2),
    "glm4moe": ("Glm4Moe", {**COMMON, **SHARED, "head_dim": 12, "attention_bias": True, "use_qk_norm": True,
                            "partial_rotary_factor": 0.5, "n_group": 1, "topk_group": 1}, ARCH.GLM4_MOE),
    "gpt-oss": ("GptOss", {**COMMON, "head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2,
                           "sliding_window": 16, "attention_bias": True,
                           "layer_types": ["sliding_attention", "full_attention"]}, ARCH.GPT_OSS),
    "minimax-m2": ("MiniMaxM2", {**COMMON, "intermediate_size": 16, "head_dim": 12, "num_local_experts": 6,
                                 "num_experts_per_tok": 2, "rotary_dim": 8,
                                 "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
                                                     "partial_rotary_factor": 8 / 12}}, ARCH.MINIMAXM2),
}


def split(arch, config, tensors):
    """Tensors as the converter cuts them, still by the names of transformers."""
    out = {}
    for key, value in oracles.stacked(tensors).items():
        value = value.astype(np.float32)
        if arch == ARCH.LLAMA and ".q_proj." in key:
            value = oracles.permuted(value, config.num_attention_heads)
        if arch == ARCH.LLAMA and ".k_proj." in key:
            value = oracles.permuted(value, config.num_key_value_heads)
        if key.endswith("kv_b_proj.weight"):
            # Latent attention: what makes keys of the latent vector, turned round, and what makes values of it.
            heads = value.reshape(config.num_attention_heads, -1, config.kv_lora_rank)
            keys, values = np.split(heads, [config.qk_nope_head_dim], axis=1)
            out[key.replace("kv_b_proj", "k_b_proj")] = keys.swapaxes(1, 2)
            out[key.replace("kv_b_proj", "v_b_proj")] = values
        elif arch == ARCH.GPT_OSS and "experts.gate_up_proj" in key:
            # Gate and up rows lie interleaved, and matrices have their inputs first.
            if value.ndim == 3:
                value = value.swapaxes(1, 2)
            ending = ".bias" if key.endswith("_bias") else ".weight"
            stem = key.split("gate_up_proj")[0]
            out[f"{stem}gate_proj{ending}"] = value[:, ::2]
            out[f"{stem}up_proj{ending}"] = value[:, 1::2]
        elif arch == ARCH.GPT_OSS and "experts.down_proj" in key:
            ending = ".bias" if key.endswith("_bias") else ".weight"
            out[key.split("down_proj")[0] + "down_proj" + ending] = (
                value.swapaxes(1, 2) if value.ndim == 3 else value)
        elif key.endswith("self_attn.sinks"):
            out[key + ".weight"] = value
        elif key.endswith("e_score_correction_bias"):
            out[key.replace("e_score_correction_bias", "e_score_correction.bias")] = value
        else:
            out[key] = value
    return out


def named(arch, config, tensors):
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    out = {}
    for key, value in split(arch, config, tensors).items():
        name = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if name is None:
            sys.exit(f"{key} has no name in GGUF")
        out[name] = value
    return out


def metadata(writer, arch, config):
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if arch == ARCH.DEEPSEEK2:
        writer.add_head_count_kv(1)
        writer.add_q_lora_rank(config.q_lora_rank)
        writer.add_kv_lora_rank(config.kv_lora_rank)
        writer.add_key_length(config.kv_lora_rank + config.qk_rope_head_dim)
        writer.add_value_length(config.kv_lora_rank)
        writer.add_key_length_mla(config.qk_nope_head_dim + config.qk_rope_head_dim)
        writer.add_value_length_mla(config.v_head_dim)
        writer.add_rope_dimension_count(config.qk_rope_head_dim)
    else:
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_key_length(head)
        writer.add_value_length(head)
        part = {ARCH.GLM4_MOE: head // 2, ARCH.MINIMAXM2: 8}.get(arch, head)
        writer.add_rope_dimension_count(part)
    experts = next((getattr(config, key) for key in ("n_routed_experts", "num_local_experts", "num_experts")
                    if hasattr(config, key)), 0)
    if not experts:
        return
    writer.add_expert_count(experts)
    writer.add_expert_used_count(config.num_experts_per_tok)
    writer.add_expert_feed_forward_length(getattr(config, "moe_intermediate_size", config.intermediate_size))
    if arch in (ARCH.DEEPSEEK2, ARCH.GLM4_MOE):
        writer.add_expert_shared_count(config.n_shared_experts)
        writer.add_leading_dense_block_count(config.first_k_dense_replace)
        writer.add_expert_weights_scale(config.routed_scaling_factor)
        writer.add_expert_weights_norm(config.norm_topk_prob)
    if arch == ARCH.DEEPSEEK2:
        writer.add_expert_group_count(config.n_group)
        writer.add_expert_group_used_count(config.topk_group)
    if arch in (ARCH.DEEPSEEK2, ARCH.GLM4_MOE, ARCH.MINIMAXM2):
        writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
    if arch == ARCH.GPT_OSS:
        writer.add_sliding_window(config.sliding_window)


def write(path, arch, config, tensors):
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    metadata(writer, arch, config)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(oracles.TOKENS)
    specials = len(oracles.SPECIALS)
    writer.add_token_types([3] * specials + [1] * (oracles.VOCABULARY - specials))
    writer.add_token_merges(oracles.MERGES)
    writer.add_eos_token_id(0)
    writer.add_bos_token_id(0)
    writer.add_add_bos_token(False)
    for key, value in named(arch, config, tensors).items():
        # Halves are exact: weights were rounded to them. llama.cpp wants small and routing tensors whole, and
        # multiplies halves by rounded inputs, so matrices are whole as well.
        writer.add_tensor(key, np.ascontiguousarray(value.astype(np.float32)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    transformers.utils.logging.disable_progress_bar()
    ROOT.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(oracles.tokenizer_definition()))
    sequences = [tokenizer.encode(text).ids for text in oracles.TEXTS]
    for name in sys.argv[1:] or MODELS:
        kind, settings, arch = MODELS[name]
        model = oracles.build(name, kind, settings)
        generator = torch.Generator().manual_seed(17)
        for key, value in model.named_buffers():
            if key.endswith("e_score_correction_bias"):
                # It decides which experts are chosen, and is not to be nothing.
                value.copy_((0.3 * torch.randn(value.shape, generator=generator)).half().float())
        with tempfile.TemporaryDirectory() as scratch:
            tensors = oracles.save(model, Path(scratch))
        tensors |= {key: value.numpy() for key, value in model.named_buffers()
                    if key.endswith("e_score_correction_bias")}
        lasts, rows = zip(*(oracles.expected(model, s) for s in sequences))
        numbers = {"sequences": rows, "last": oracles.rounded(lasts[1])}
        write(ROOT / f"{name}.gguf", arch, model.config, tensors)
        (ROOT / f"{name}.json").write_text(json.dumps(numbers, separators=(",", ":")) + "\n")
        spread = np.mean(numbers["sequences"][1]["entropy"])
        size = (ROOT / f"{name}.gguf").stat().st_size // 1000
        print(f"{name}: {size} kB, mean entropy {spread:.2f} of {math.log(oracles.VOCABULARY):.2f} nats")


if __name__ == "__main__":
    main()
