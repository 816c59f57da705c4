#!/usr/bin/env python3
"""Makes the tiny models of tests/data/oracle and the numbers that the local engine must give for them.

Every architecture gets a few random layers, evaluated by transformers in float32 (eager attention), and
most also a GGUF file with llama.cpp's names and conventions, evaluated by llama.cpp through xllamacpp.
Weights are rounded to float16 first and stored so; they are large enough that a wrong window, norm,
scale or frequency shows in the first decimal.

    python3 scripts/make-oracles.py          # rewrites tests/data/oracle
    python3 scripts/make-oracles.py phi3     # rewrites one model

Needs torch, transformers, safetensors, tokenizers, gguf and xllamacpp. A fixed seed makes the weights
the same on every run; the last decimals of the expected numbers depend on the versions.
"""

import copy
import json
import math
import re
import shutil
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import tokenizers
import torch
import transformers
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parent.parent / "tests" / "data" / "oracle"
CONTEXT = 256
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = ["h e", "i n", "r e", "Ġ t", "Ġt he", "Ġ a"]
TEXTS = [
    "The ferry left at 9:40; naïve gulls followed it out.",
    "In the morning the baker opens her shop, and the first loaves are already gone before seven. "
    "People say that the rye is best: dark, sour, a little heavy.\n"
    "On Sundays she sleeps.",
]


def byte_alphabet():
    """The printable stand-ins for bytes of byte-level BPE (GPT-2's `bytes_to_unicode`), in byte order."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) if b in plain else chr(256 + [x for x in range(256) if x not in plain].index(b))
            for b in range(256)]


TOKENS = SPECIALS + byte_alphabet() + [m.replace(" ", "") for m in MERGES]
VOCABULARY = len(TOKENS)


def tokenizer_definition():
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False,
                  "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True} for i, text in enumerate(SPECIALS)],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
                  "byte_fallback": False, "ignore_merges": False,
                  "vocab": {text: i for i, text in enumerate(TOKENS)},
                  "merges": [m.split(" ") for m in MERGES]},
    }


# What all configurations share, in the names of the Llama kind.
COMMON = {
    "vocab_size": VOCABULARY, "hidden_size": 16, "intermediate_size": 20, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": CONTEXT,
    "bos_token_id": None, "eos_token_id": 0, "pad_token_id": None, "rms_norm_eps": 1e-5,
}
TWO_HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1}
GPT = {"vocab_size": VOCABULARY, "bos_token_id": None, "eos_token_id": 0}
GEMMA = {**COMMON, "head_dim": 8, "query_pre_attn_scalar": 32, "sliding_window": 8,
         "hidden_activation": "gelu_pytorch_tanh"}
NEOX = {**GPT, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": CONTEXT, "rotary_pct": 0.25}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 32, "rope_theta": 500.0}
LONGROPE = {"rope_type": "longrope", "rope_theta": 10000.0,
            "short_factor": [1.0, 1.5], "long_factor": [2.0, 9.0],
            "original_max_position_embeddings": CONTEXT}

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64,
        "rope_theta": 500.0, "beta_fast": 8.0}
EXPERTS = {**COMMON, **TWO_HEADS, "num_hidden_layers": 3, "moe_intermediate_size": 12,
           "num_experts_per_tok": 2, "tie_word_embeddings": False}

MODELS = {
    "llama": ("Llama", {**COMMON, "hidden_size": 24, "tie_word_embeddings": False}),
    "llama-rope3": ("Llama", {**COMMON, **TWO_HEADS, "tie_word_embeddings": True,
                              "rope_parameters": LLAMA3}),
    "llama-linear": ("Llama", {**COMMON, **TWO_HEADS, "tie_word_embeddings": True, "rope_parameters": {
        "rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}}),
    "mistral": ("Mistral", {**COMMON, "sliding_window": 8, "head_dim": 8,
                            "tie_word_embeddings": True}),
    "qwen2": ("Qwen2", {**COMMON, "tie_word_embeddings": True}),
    "qwen2-sliding": ("Qwen2", {**COMMON, **TWO_HEADS, "num_hidden_layers": 3, "sliding_window": 8,
                                "use_sliding_window": True, "max_window_layers": 1,
                                "tie_word_embeddings": True}),
    "qwen3": ("Qwen3", {**COMMON, "head_dim": 6, "tie_word_embeddings": True}),
    "gemma2": ("Gemma2", {**GEMMA, "num_hidden_layers": 3, "attn_logit_softcapping": 2.0,
                          "final_logit_softcapping": 5.0}),
    "gemma3": ("Gemma3", {**GEMMA, **TWO_HEADS, "num_hidden_layers": 7,
                          "rope_parameters": {
                              "full_attention": {"rope_type": "linear", "factor": 8.0,
                                                 "rope_theta": 1000000.0},
                              "sliding_attention": {"rope_type": "default",
                                                    "rope_theta": 100.0}}}),
    "phi3": ("Phi3", {**COMMON, **TWO_HEADS, "sliding_window": 8,
                      "partial_rotary_factor": 0.5, "tie_word_embeddings": True}),
    "phi3-longrope": ("Phi3", {**COMMON, "sliding_window": None, "tie_word_embeddings": True,
                               "max_position_embeddings": 4 * CONTEXT,
                               "original_max_position_embeddings": CONTEXT,
                               "rope_parameters": LONGROPE}),
    "smollm3": ("SmolLM3", {**COMMON, "num_hidden_layers": 4, "use_sliding_window": False,
                            "no_rope_layer_interval": 4, "rope_theta": 100.0}),
    "gpt2": ("GPT2", {**GPT, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 160, "n_inner": 24}),
    "neox": ("GPTNeoX", {**NEOX, "use_parallel_residual": True}),
    "llama-yarn": ("Llama", {**COMMON, **TWO_HEADS, "tie_word_embeddings": True,
                             "rope_parameters": YARN}),
    "llama-dynamic": ("Llama", {**COMMON, **TWO_HEADS, "tie_word_embeddings": True, "rope_parameters": {
        "rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0}}),
    "mixtral": ("Mixtral", {**COMMON, "num_local_experts": 5, "num_experts_per_tok": 2,
                            "tie_word_embeddings": False}),
    "qwen2moe": ("Qwen2Moe", {**EXPERTS, "num_experts": 5, "shared_expert_intermediate_size": 8}),
    "qwen2moe-sparse": ("Qwen2Moe", {**EXPERTS, "num_experts": 4, "num_hidden_layers": 4,
                                     "shared_expert_intermediate_size": 8, "norm_topk_prob": True,
                                     "decoder_sparse_step": 2, "mlp_only_layers": [1],
                                     "use_sliding_window": True, "sliding_window": 8}),
    "qwen3moe": ("Qwen3Moe", {**EXPERTS, "head_dim": 6, "num_experts": 6, "num_experts_per_tok": 3,
                              "norm_topk_prob": True}),
    "olmo2": ("Olmo2", {**COMMON, "tie_word_embeddings": False}),
    "granite": ("Granite", {**COMMON, "tie_word_embeddings": True, "embedding_multiplier": 3.0,
                            "logits_scaling": 2.0, "residual_multiplier": 0.6,
                            "attention_multiplier": 0.7}),
    "gemma": ("Gemma", {**COMMON, **TWO_HEADS, "head_dim": 12, "hidden_act": "gelu_pytorch_tanh"}),
    "neox-sequential": ("GPTNeoX", {**NEOX, "rotary_pct": 0.5, "tie_word_embeddings": True,
                                    "use_parallel_residual": False}),
}


def build(name, kind, settings):
    """A model with random weights that are exact in float16."""
    stem = "Gemma3Text" if kind == "Gemma3" else kind
    config = getattr(transformers, f"{stem}Config")(**settings)
    config._attn_implementation = "eager"
    model = getattr(transformers, {"GPT2": "GPT2LMHeadModel"}.get(kind, f"{kind}ForCausalLM"))(config)
    generator = torch.Generator().manual_seed(sum(name.encode()) * 7919)
    with torch.no_grad():
        for key, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.dim() == 1 and key.endswith("bias"):
                value = 0.4 * noise
            elif p.dim() == 1:
                value = 0.5 * noise.clamp(-1.8, 1.8) + (0.0 if kind.startswith("Gemma") else 1.0)
            elif "wpe" in key:
                value = 0.5 * noise
            elif any(x in key for x in ("embed_tokens", "wte", "embed_in")):
                # The scaled embeddings of a Gemma are not to drown what the layers add.
                value = noise * (0.6 if model.config.tie_word_embeddings else 1.0)
            else:
                inputs = p.shape[0] if kind == "GPT2" else p.shape[-1]
                value = 1.6 * noise / math.sqrt(inputs)
            p.copy_(value.half().float())
    return model.float().eval()


def log_probabilities(model, tokens):
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0]
    return torch.log_softmax(logits.double(), dim=-1).numpy()


def rounded(values):
    return [round(float(x), 5) for x in values]


def picked(position):
    """The id whose log-probability is kept at a position; the tests know the same rule."""
    return position * 7 % VOCABULARY


def expected(model, tokens):
    table = log_probabilities(model, tokens)
    return table[-1], {
        "tokens": tokens,
        "next": rounded(table[i, t] for i, t in enumerate(tokens[1:])),
        "picked": rounded(table[i, picked(i)] for i in range(len(tokens))),
        "entropy": rounded(-(np.exp(table) * table).sum(axis=1)),
    }


def save(model, folder):
    """Saves the model in float16 as transformers does, and gives the tensors back by stored name."""
    copy.deepcopy(model).half().save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "model.safetensors").chmod(0o644)
    return load_file(folder / "model.safetensors")


# ------------------------------------------------------------------------------------------- GGUF

GGUF = {
    "llama": gguf.MODEL_ARCH.LLAMA, "llama-rope3": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3, "gemma2": gguf.MODEL_ARCH.GEMMA2,
    "gemma3": gguf.MODEL_ARCH.GEMMA3, "phi3-longrope": gguf.MODEL_ARCH.PHI3,
    "smollm3": gguf.MODEL_ARCH.SMOLLM3, "gpt2": gguf.MODEL_ARCH.GPT2,
    "neox": gguf.MODEL_ARCH.GPTNEOX,
    "llama-yarn": gguf.MODEL_ARCH.LLAMA, "mixtral": gguf.MODEL_ARCH.LLAMA,
    "qwen2moe": gguf.MODEL_ARCH.QWEN2MOE, "qwen3moe": gguf.MODEL_ARCH.QWEN3MOE,
    "olmo2": gguf.MODEL_ARCH.OLMO2, "granite": gguf.MODEL_ARCH.GRANITE,
    "gemma": gguf.MODEL_ARCH.GEMMA,
}


def permuted(weight, heads):
    """`LlamaModel.permute` of llama.cpp's converter."""
    return (weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
            .swapaxes(1, 2).reshape(weight.shape))


def gathered(tensor, heads):
    """Queries, keys and values stored head by head, one part behind the other (GPT-NeoX)."""
    parts = tensor.reshape(heads, 3, -1, *tensor.shape[1:])
    return np.concatenate([parts[:, i].reshape(-1, *tensor.shape[1:]) for i in range(3)])


def stacked(tensors):
    """The experts of a layer behind one another, as GGUF stores them."""
    out, experts = {}, {}
    for key, value in tensors.items():
        found = re.fullmatch(r"(.*\.experts)\.(\d+)\.(.*)", key)
        if found:
            experts.setdefault(f"{found[1]}.{found[3]}", {})[int(found[2])] = value
        else:
            out[key] = value
    for key, parts in experts.items():
        out[key] = np.stack([parts[i] for i in range(len(parts))])
    return out


def converted(name, config, tensors):
    """Tensors by GGUF name, as llama.cpp's converter would store them."""
    arch = GGUF[name]
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    llama = arch in (gguf.MODEL_ARCH.LLAMA, gguf.MODEL_ARCH.SMOLLM3, gguf.MODEL_ARCH.GRANITE)
    gemma = arch in (gguf.MODEL_ARCH.GEMMA, gguf.MODEL_ARCH.GEMMA2, gguf.MODEL_ARCH.GEMMA3)
    out = {}
    tensors = stacked(tensors)
    for key, value in tensors.items():
        if key.endswith((".attn.bias", ".attention.bias")):
            continue
        value = value.astype(np.float32)
        if llama and ".q_proj." in key:
            value = permuted(value, config.num_attention_heads)
        if llama and ".k_proj." in key:
            value = permuted(value, config.num_key_value_heads)
        if arch == gguf.MODEL_ARCH.GPT2 and value.ndim == 2 and key.split(".")[-2].startswith("c_"):
            value = value.T
        if "query_key_value" in key:
            value = gathered(value, config.num_attention_heads)
        if gemma and key.endswith("norm.weight"):
            value = value + 1.0
        # GGUF cannot say that a Gemma scales its scores by anything but its head size; the oracle's
        # `query_pre_attn_scalar` is four times that, which halves the queries.
        if (arch == gguf.MODEL_ARCH.GEMMA2 and ".q_proj." in key) or (
                arch == gguf.MODEL_ARCH.GEMMA3 and ".q_norm." in key):
            value = value * 0.5
        out[names.get_name(key, try_suffixes=(".weight", ".bias"))] = value
    return out


def extra_tensors(config):
    """Rope factors as tensors, and the settings that go with them."""
    rope = config.rope_parameters
    if rope["rope_type"] == "llama3":
        factors = []
        dims = config.hidden_size // config.num_attention_heads
        for i in range(0, dims, 2):
            wavelength = 2 * math.pi * rope["rope_theta"] ** (i / dims)
            original = rope["original_max_position_embeddings"]
            low, high = original / rope["low_freq_factor"], original / rope["high_freq_factor"]
            if wavelength < high:
                factors.append(1.0)
            elif wavelength > low:
                factors.append(rope["factor"])
            else:
                smooth = ((original / wavelength - rope["low_freq_factor"])
                          / (rope["high_freq_factor"] - rope["low_freq_factor"]))
                factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
        return {"rope_freqs.weight": np.array(factors, dtype=np.float32)}
    if rope["rope_type"] == "longrope":
        return {f"rope_factors_{kind}.weight": np.array(rope[f"{kind}_factor"], dtype=np.float32)
                for kind in ("long", "short")}
    return {}


def write_metadata(writer, name, config):
    arch = GGUF[name]
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    gpt = arch in (gguf.MODEL_ARCH.GPT2, gguf.MODEL_ARCH.GPTNEOX)
    inner = config.n_inner if arch == gguf.MODEL_ARCH.GPT2 else config.intermediate_size
    writer.add_feed_forward_length(inner)
    writer.add_head_count(config.num_attention_heads)
    if gpt:
        writer.add_layer_norm_eps(getattr(config, "layer_norm_eps", 1e-5))
    else:
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_vocab_size(config.vocab_size)
    if arch == gguf.MODEL_ARCH.GPTNEOX:
        head = config.hidden_size // config.num_attention_heads
        writer.add_rope_dimension_count(int(0.25 * head))
        writer.add_parallel_residual(config.use_parallel_residual)
    if gpt:
        return
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rope = config.rope_parameters
    rope = rope.get("full_attention", rope)
    writer.add_rope_freq_base(rope["rope_theta"])
    if arch in (gguf.MODEL_ARCH.QWEN3, gguf.MODEL_ARCH.QWEN3MOE, gguf.MODEL_ARCH.GEMMA,
                gguf.MODEL_ARCH.GEMMA2, gguf.MODEL_ARCH.GEMMA3):
        writer.add_key_length(head)
        writer.add_value_length(head)
    elif arch not in (gguf.MODEL_ARCH.QWEN2, gguf.MODEL_ARCH.QWEN2MOE):
        writer.add_rope_dimension_count(head)
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    if rope["rope_type"] == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        writer.add_rope_scaling_yarn_beta_fast(rope["beta_fast"])
    experts = getattr(config, "num_local_experts", None) or getattr(config, "num_experts", None)
    if experts:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
        if hasattr(config, "moe_intermediate_size"):
            writer.add_expert_feed_forward_length(config.moe_intermediate_size)
        if hasattr(config, "shared_expert_intermediate_size"):
            writer.add_expert_shared_feed_forward_length(config.shared_expert_intermediate_size)
    if arch == gguf.MODEL_ARCH.GRANITE:
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_logit_scale(config.logits_scaling)
    if rope["rope_type"] == "longrope":
        scale = config.max_position_embeddings / config.original_max_position_embeddings
        original = config.original_max_position_embeddings
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(scale) / math.log(original)))
    if arch in (gguf.MODEL_ARCH.GEMMA2, gguf.MODEL_ARCH.GEMMA3):
        writer.add_sliding_window(config.sliding_window)
    if arch == gguf.MODEL_ARCH.GEMMA3:
        writer.add_rope_freq_base_swa(config.rope_parameters["sliding_attention"]["rope_theta"])
    if arch == gguf.MODEL_ARCH.GEMMA2:
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)


def write_gguf(path, name, config, tensors, matrices=np.float16):
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[GGUF[name]])
    write_metadata(writer, name, config)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3] * len(SPECIALS) + [1] * (VOCABULARY - len(SPECIALS)))
    writer.add_token_merges(MERGES)
    writer.add_eos_token_id(0)
    writer.add_bos_token_id(0)
    writer.add_add_bos_token(False)
    everything = dict(converted(name, config, tensors))
    if hasattr(config, "rope_parameters"):
        everything |= extra_tensors(config) if "rope_type" in config.rope_parameters else {}
    for key, value in everything.items():
        wide = value.ndim == 1 or key.startswith("position_embd")
        writer.add_tensor(key, np.ascontiguousarray(value.astype(np.float32 if wide else matrices)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama_cpp(path, prompt):
    """llama.cpp's log-probabilities after a prompt, over the whole vocabulary; none if it fails."""
    import xllamacpp as xlc
    params = xlc.CommonParams()
    params.model.path = str(path)
    params.n_ctx = CONTEXT
    params.n_parallel = 1
    params.warmup = False
    params.cache_type_k = xlc.ggml_type.GGML_TYPE_F32
    params.cache_type_v = xlc.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xlc.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.cpuparams.n_threads = 1
    params.verbosity = -1
    try:
        server = xlc.Server(params)
    except (RuntimeError, ValueError) as error:
        print(f"    llama.cpp does not load it: {error}")
        return None
    # The probabilities of a token that is no text by itself are held back, so a letter is forced; they
    # are those of the raw logits all the same.
    visible = TOKENS.index("a")
    answer = server.handle_completions({
        "prompt": prompt, "n_predict": 1, "logprobs": VOCABULARY, "temperature": 1.0,
        "logit_bias": [[visible, 1000.0]], "cache_prompt": False, "samplers": []})
    row = np.full(VOCABULARY, np.nan)
    for entry in answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]:
        row[entry["id"]] = entry["logprob"]
    assert not np.isnan(row).any(), "llama.cpp left out some tokens"
    return row


def main():
    transformers.utils.logging.disable_progress_bar()
    only = set(sys.argv[1:]) or set(MODELS)
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(tokenizer_definition()))
    if only == set(MODELS):
        shutil.rmtree(ROOT, ignore_errors=True)
        ROOT.mkdir(parents=True)
        (ROOT / "tokenizer.json").write_text(json.dumps(tokenizer_definition(), ensure_ascii=False))
    sequences = [tokenizer.encode(text).ids for text in TEXTS]
    print(f"vocabulary {VOCABULARY}, sequences of {[len(s) for s in sequences]} tokens")
    for name in MODELS:
        if name not in only:
            continue
        kind, settings = MODELS[name]
        model = build(name, kind, settings)
        folder = ROOT / name
        shutil.rmtree(folder, ignore_errors=True)
        tensors = save(model, folder)
        lasts, rows = zip(*(expected(model, s) for s in sequences))
        numbers = {"sequences": rows, "last": rounded(lasts[1])}
        spread = np.mean(numbers["sequences"][1]["entropy"])
        print(f"{name}: mean entropy {spread:.2f} of {math.log(VOCABULARY):.2f} nats")
        if name in GGUF:
            write_gguf(folder / "model.gguf", name, model.config, tensors)
            with tempfile.TemporaryDirectory() as scratch:
                wide = Path(scratch) / "wide.gguf"
                write_gguf(wide, name, model.config, tensors, np.float32)
                row = llama_cpp(wide, sequences[1])
            if row is not None:
                print(f"    llama.cpp and transformers differ by {np.abs(row - lasts[1]).max():.5f} nats")
                numbers["llama_cpp"] = rounded(row)
        (folder / "expected.json").write_text(json.dumps(numbers, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
