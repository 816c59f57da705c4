#!/usr/bin/env python3
"""Writes a model of random weights in bf16, to measure memory and speed on: Llama's shape, in shards.

    scripts/random_model.py DIR [--size 3b] [--tokenizer tests/data/oracle/tokenizer.json]

Its answers mean nothing. Sizes: 1b, 3b and 7b parameters, those of Llama 3.2 1B and 3B and of Llama 2 7B, with a
vocabulary of 32,000. The same size is written byte for byte the same each time. Nothing but Python's own library
is needed.
"""

import argparse
import json
import pathlib
import random
import shutil

SIZES = {
    # hidden, layers, feed-forward, heads, heads of keys and values, size of a head
    "1b": (2048, 16, 8192, 32, 8, 64),
    "3b": (3072, 28, 8192, 24, 8, 128),
    "7b": (4096, 32, 11008, 32, 32, 128),
}
VOCABULARY = 32_000
SHARD = 2_000_000_000
# The upper byte of a bf16 number of 2^-7 to 2^-5, of either sign.
UPPER = bytes(0x3C | (value & 1) << 7 for value in range(256))
ONE = (0x3F80).to_bytes(2, "little")


def tensors(hidden, layers, ffn, heads, kv_heads, dim):
    yield "model.embed_tokens.weight", (VOCABULARY, hidden)
    for layer in range(layers):
        name = f"model.layers.{layer}"
        yield f"{name}.input_layernorm.weight", (hidden,)
        yield f"{name}.self_attn.q_proj.weight", (heads * dim, hidden)
        yield f"{name}.self_attn.k_proj.weight", (kv_heads * dim, hidden)
        yield f"{name}.self_attn.v_proj.weight", (kv_heads * dim, hidden)
        yield f"{name}.self_attn.o_proj.weight", (hidden, heads * dim)
        yield f"{name}.post_attention_layernorm.weight", (hidden,)
        yield f"{name}.mlp.gate_proj.weight", (ffn, hidden)
        yield f"{name}.mlp.up_proj.weight", (ffn, hidden)
        yield f"{name}.mlp.down_proj.weight", (hidden, ffn)
    yield "model.norm.weight", (hidden,)
    yield "lm_head.weight", (VOCABULARY, hidden)


def size(shape):
    count = 2
    for side in shape:
        count *= side
    return count


def values(shape, block, generator):
    """The bytes of a tensor: ones for a norm, else pieces of a block of random numbers."""
    left = size(shape)
    if len(shape) == 1:
        yield ONE * (left // 2)
        return
    while left > 0:
        start = 2 * generator.randrange(len(block) // 4)
        piece = block[start:start + left]
        yield piece
        left -= len(piece)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--size", choices=SIZES, default="3b")
    root = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("--tokenizer", type=pathlib.Path, default=root / "tests/data/oracle/tokenizer.json")
    arguments = parser.parse_args()
    hidden, layers, ffn, heads, kv_heads, dim = SIZES[arguments.size]
    shards, filled = [[]], 0
    for name, shape in tensors(hidden, layers, ffn, heads, kv_heads, dim):
        if filled + size(shape) > SHARD and shards[-1]:
            shards.append([])
            filled = 0
        shards[-1].append((name, shape))
        filled += size(shape)
    directory = arguments.directory
    directory.mkdir(parents=True, exist_ok=True)
    generator = random.Random(1)
    lower, upper = generator.randbytes(1 << 22), generator.randbytes(1 << 22).translate(UPPER)
    block = bytearray(1 << 23)
    block[0::2], block[1::2] = lower, upper
    block = bytes(block)
    places = {}
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        header, at = {}, 0
        for name, shape in shard:
            header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size(shape)]}
            at += size(shape)
            places[name] = file
        text = json.dumps(header).encode()
        with (directory / file).open("wb") as out:
            out.write(len(text).to_bytes(8, "little") + text)
            for name, shape in shard:
                for piece in values(shape, block, generator):
                    out.write(piece)
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    (directory / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden,
        "intermediate_size": ffn, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "head_dim": dim, "vocab_size": VOCABULARY, "hidden_act": "silu",
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    }))
    shutil.copy(arguments.tokenizer, directory / "tokenizer.json")


if __name__ == "__main__":
    main()
