#!/usr/bin/env python3
"""Writes tests/data/real-*.json: what llama.cpp says follows some prompts, for two small real models.

    scripts/fetch-real-models.sh DIR
    python3 scripts/make-real-expectations.py DIR
    PARENTAGE_REAL_MODELS=DIR cargo test --release --test real -- --nocapture

Each model is run twice: as it is, where llama.cpp also quantises the activations, and from a copy whose
tensors were dequantised to float32 by the Python package gguf, which is the same function as that of the
local engine. The 50 most probable tokens of each prompt are kept, and what is left for all others.

Needs gguf, numpy and xllamacpp; about 2 GB of scratch space.
"""

import json
import math
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import xllamacpp as xlc

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
MODELS = {"smollm2": "smollm2-135m-q4_1.gguf", "gemma3": "gemma-3-270m-q4_k_m.gguf"}
KEPT = 50
PROMPTS = [
    "The capital of France is",
    "Once upon a time there was a little",
    "1, 1, 2, 3, 5, 8,",
    "Dear Sir or Madam,\n\nI am writing to",
    "def fibonacci(n):\n    if n < 2:\n        return",
    "Der schnelle braune Fuchs springt über den",
    "El perro corre por la",
    "Question: What is the boiling point of water at sea level?\nAnswer:",
    "naïve café, crème brûlée and",
    "東京は日本の",
    "To be, or not to be, that is the",
    "<p>Hello,",
    "In 1969, Neil Armstrong became the first person to walk on the",
    "x",
    "    \n\n\n  * ",
    "The recipe needs two eggs, a cup of flour, half a cup of sugar and a pinch of",
    "E = m",
    "She opened the door and saw",
    "Ingredients:\n- 200 g butter\n- 3 eggs\n-",
    "It was late in the evening when the ferry finally left the harbour. The passengers, tired from a day "
    "in the sun, had settled on the benches along the rail; a few children were still running about, and "
    "somewhere below deck somebody was playing an accordion. Anna looked back at the town, whose lights "
    "grew smaller behind them, and thought of the letter in her pocket. She had carried it for eleven "
    "days without opening it. Now she took it out, turned it over twice, and",
]


def serve(path):
    params = xlc.CommonParams()
    params.model.path = str(path)
    params.n_ctx = 512
    params.n_parallel = 1
    params.warmup = False
    params.cache_type_k = xlc.ggml_type.GGML_TYPE_F32
    params.cache_type_v = xlc.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xlc.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.cpuparams.n_threads = 2
    params.verbosity = -1
    return xlc.Server(params)


def following(server, prompt):
    """The most probable next tokens with their log-probabilities, and the logarithm of the rest."""
    # A bare letter as the token drawn: probabilities of a part of a character would be held back.
    answer = server.handle_completions({
        "prompt": prompt, "n_predict": 1, "logprobs": KEPT, "temperature": 1.0, "grammar": "",
        "logit_bias": [["a", 1000.0]], "cache_prompt": False, "samplers": []})
    top = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    rest = 1.0 - sum(math.exp(t["logprob"]) for t in top)
    return {"ids": [t["id"] for t in top],
            "log_probabilities": [round(t["logprob"], 5) for t in top],
            "rest": round(math.log(max(rest, 1e-12)), 5)}


def dequantised(source, target):
    """The same model with every tensor in float32."""
    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(target, architecture)
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), kind, inner)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, np.ascontiguousarray(values, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    directory = Path(sys.argv[1])
    for name, file in MODELS.items():
        server = serve(directory / file)
        quantised = [following(server, p) for p in PROMPTS]
        del server
        with tempfile.TemporaryDirectory() as scratch:
            wide = Path(scratch) / "wide.gguf"
            dequantised(directory / file, wide)
            server = serve(wide)
            float32 = [following(server, p) for p in PROMPTS]
            del server
        rows = [{"prompt": p, "quantised": q, "float32": f}
                for p, q, f in zip(PROMPTS, quantised, float32)]
        text = ",\n".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in rows)
        path = DATA / f"real-{name}.json"
        path.write_text(f'{{"file":"{file}","rows":[\n{text}\n]}}\n')
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
