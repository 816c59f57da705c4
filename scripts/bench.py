#!/usr/bin/env python3
"""Compares the local engine with PyTorch, transformers and llama.cpp on one thread and one model.

    scripts/bench.py MODEL.gguf [--runs N] [--engine PROGRAM] [--only read]

MODEL is a GGUF file of the Llama shape (SmolLM2-135M of scripts/fetch-real-models.sh). All engines
compute in f32 from the same dequantised weights. The engine's benchmark runs first and hands over the
questions of the quick tier of its battery with its answers; transformers is asked the same and its
log-probabilities are held against them, so that both have done the same work.

Needs torch, transformers, gguf and numpy; xllamacpp is left out of the table where it is missing.
`--engine` names a built benchmark (target/release/deps/engine-*); without it cargo builds and runs it.

What is counted:
  prefill FLOPs   2 x parameters of the layers x tokens, and 4 x width x tokens^2 / 2 x layers for
                  attention; neither embeddings nor the output head (one position of 512).
  matmul rate     torch.mm of f32 matrices, 2048 cubed: 2 x 2048^3 operations.
  share           prefill FLOPs a second over the matmul rate. The machine's speed moves within
                  minutes, so matmul and each engine's prefill take turns, round after round; the
                  share of a round is best over best, and the figure is the median of the rounds.
  probes/s        probes of the tier answered a second: options are scored by teacher forcing, one
                  padded batch a prompt, the head on the options alone; `next` is the log-softmax of the last position; `write` is
                  `generate` at temperature 1, all samples of a prompt in one call.
"""

import argparse
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

# One thread for every engine, before any of them is loaded.
for name in ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import gguf
import numpy as np
import torch
import transformers

LENGTH = 512
SIDE = 2048
# The bar that the engine is held to.
MATMUL_SHARE = 0.70
PROBE_RATIO = 1.5


def rates(count, work, runs):
    """Best and median of `count` a second over some runs."""
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    seconds.sort()
    return count / seconds[0], count / seconds[len(seconds) // 2]


def run_engine(arguments, *options):
    command = [arguments.engine] if arguments.engine else ["cargo", "bench", "--bench", "engine", "--"]
    command += [str(arguments.model.resolve()), *map(str, options)]
    root = None if arguments.engine else pathlib.Path(__file__).resolve().parent.parent
    output = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return {line["name"]: (line["best"], line["median"], line["unit"]) for line in lines}


def matmul_rate():
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    return rates(2 * SIDE**3 / 1e9, lambda: torch.mm(a, b), 3)[0]


def shares(arguments, model, flops):
    """Matmul rate, and each engine's prefill over it, for every round of turns."""
    ids = torch.randint(100, model.config.vocab_size - 100, (1, LENGTH))
    rounds = []
    for _ in range(arguments.rounds):
        before = matmul_rate()
        ours = run_engine(arguments, "--only", "prefill", "--runs", 3)["prefill 512"][0]
        between = matmul_rate()
        theirs = rates(LENGTH, lambda: model(ids, logits_to_keep=1), 3)[0]
        after = matmul_rate()
        # Each is held against the better of the two rates around it.
        share = lambda speed, *around: speed * flops / LENGTH / 1e9 / max(around)
        rounds.append((max(before, between, after), ours, share(ours, before, between),
                       theirs, share(theirs, between, after)))
    return rounds


def unpermuted(weight, heads):
    """Undoes the reordering of query and key rows that llama.cpp's conversion makes."""
    rows, width = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, width).swapaxes(1, 2).reshape(rows, width)


def load_transformers(path):
    reader = gguf.GGUFReader(path)
    facts = {name: field.contents() for name, field in reader.fields.items() if "tokenizer" not in name}
    if facts["general.architecture"] != "llama":
        sys.exit("only files of the Llama shape are converted here")
    fact = lambda name: facts[f"llama.{name}"]
    heads, kv_heads = fact("attention.head_count"), fact("attention.head_count_kv")
    tensors = {t.name: gguf.dequantize(t.data, t.tensor_type).astype(np.float32) for t in reader.tensors}
    config = transformers.LlamaConfig(
        vocab_size=tensors["token_embd.weight"].shape[0],
        hidden_size=fact("embedding_length"),
        intermediate_size=fact("feed_forward_length"),
        num_hidden_layers=fact("block_count"),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=fact("context_length"),
        rms_norm_eps=fact("attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": fact("rope.freq_base")},
        tie_word_embeddings="output.weight" not in tensors,
    )
    parts = {
        "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj",
        "ffn_norm": "post_attention_layernorm", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    }
    outer = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
    state = {}
    for name, values in tensors.items():
        stem = name.removesuffix(".weight")
        if stem.startswith("blk."):
            _, layer, part = stem.split(".")
            if part in ("attn_q", "attn_k"):
                values = unpermuted(values, heads if part == "attn_q" else kv_heads)
            stem = f"model.layers.{layer}.{parts[part]}"
        else:
            stem = outer[stem]
        state[f"{stem}.weight"] = torch.from_numpy(np.ascontiguousarray(values))
    model = transformers.LlamaForCausalLM(config).eval()
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        sys.exit(f"conversion failed: missing {missing}, unexpected {unexpected}")
    model.tie_weights()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    tokenizer.pad_token_id = tokenizer.pad_token_id or tokenizer.eos_token_id or 0
    return model, tokenizer


class Transformers:
    """Answers the questions as a user of transformers would."""

    def __init__(self, model, tokenizer):
        self.model, self.tokenizer = model, tokenizer

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False)

    def score(self, prompt, texts):
        """The log-probability of each text after the prompt: one padded batch."""
        prompt, texts = self.encode(prompt), [self.encode(t) for t in texts]
        width = len(prompt) + max(map(len, texts))
        ids = torch.full((len(texts), width), self.tokenizer.pad_token_id)
        mask = torch.zeros((len(texts), width), dtype=torch.long)
        for row, text in enumerate(texts):
            length = len(prompt) + len(text)
            ids[row, :length] = torch.tensor(prompt + text)
            mask[row, :length] = 1
        # Only the positions that predict the texts, or the head would take most of the time.
        keep = width - len(prompt) + 1
        logits = self.model(input_ids=ids, attention_mask=mask, logits_to_keep=keep).logits
        log_probabilities = torch.log_softmax(logits, dim=-1)
        places = [torch.arange(len(text)) for text in texts]
        return [
            log_probabilities[row, places[row], torch.tensor(text)].sum().item()
            for row, text in enumerate(texts)
        ]

    def next(self, prompt, top):
        """The most probable next tokens."""
        ids = torch.tensor([self.encode(prompt)])
        logits = self.model(input_ids=ids, logits_to_keep=1).logits[0, -1]
        return torch.log_softmax(logits, dim=-1).topk(top).values.tolist()

    def write(self, prompt, samples, max_tokens):
        ids = torch.tensor([self.encode(prompt)])
        return self.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=True, temperature=1.0, top_k=0,
            top_p=1.0, num_return_sequences=samples, max_new_tokens=max_tokens,
            pad_token_id=self.tokenizer.pad_token_id,
        )

    def answer(self, questions):
        """Answers all; gives the largest difference to the recorded log-probabilities."""
        worst = 0.0
        key = lambda q: (q["rendered"], q["request"]["kind"])
        for (prompt, kind), group in itertools.groupby(questions, key):
            group = list(group)
            request, response = group[0]["request"], group[0]["response"]
            if kind == "score":
                for question in group:
                    scores = self.score(prompt, question["request"]["texts"])
                    recorded = [s["log_probability"] for s in question["response"]["scores"]]
                    worst = max([worst, *(abs(a - b) for a, b in zip(scores, recorded))])
            elif kind == "next":
                top = self.next(prompt, request["top"])
                worst = max(worst, abs(top[0] - response["top"][0]["log_probability"]))
            else:
                self.write(prompt, len(group), request["max_tokens"])
        return worst


def llama_cpp_prefill(path, folder, runs):
    """Prefill rate of llama.cpp on the same weights, written as f32; nothing where it is missing."""
    try:
        import xllamacpp
    except ImportError:
        return None
    reader = gguf.GGUFReader(path)
    target = folder / "f32.gguf"
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name not in ("general.architecture", "general.file_type"):
            kind = field.types[0]
            inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), kind, sub_type=inner)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(target)
    parameters.n_ctx, parameters.n_batch, parameters.n_ubatch = 1024, LENGTH, LENGTH
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.warmup, parameters.verbosity = False, 0
    server = xllamacpp.Server(parameters)
    speeds = []
    for run in range(runs):
        ids = np.random.default_rng(run).integers(100, 40000, LENGTH).tolist()
        answer = server.handle_completions({"prompt": ids, "n_predict": 1, "cache_prompt": False})
        answer = json.loads(answer) if isinstance(answer, (str, bytes)) else answer
        speeds.append(answer["timings"]["prompt_per_second"])
    speeds.sort(reverse=True)
    return speeds[0], speeds[len(speeds) // 2]


def layer_parameters(model):
    return sum(p.numel() for name, p in model.named_parameters() if ".layers." in name and p.dim() == 2)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=9, help="turns of matmul and prefill (default 9)")
    parser.add_argument("--engine", help="a built benchmark instead of cargo bench")
    parser.add_argument("--only", choices=["read", "all"], default="all", help="leave out written answers")
    return parser.parse_args()


def main():
    arguments = parse()
    torch.set_num_threads(1)
    runs = arguments.runs
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        folder = pathlib.Path(folder)
        ours = run_engine(arguments, "--runs", runs, "--export", folder / "questions.json")
        model, tokenizer = load_transformers(arguments.model)
        layers, config = layer_parameters(model), model.config
        flops = 2 * layers * LENGTH + 4 * config.hidden_size * LENGTH**2 / 2 * config.num_hidden_layers
        turns = shares(arguments, model, flops)
        theirs = {}
        questions = json.loads((folder / "questions.json").read_text())
        reads = [q for q in questions if q["request"]["kind"] != "write"]
        engine = Transformers(model, tokenizer)
        worst = engine.answer(reads)
        rounds = [("battery read", reads)]
        if arguments.only == "all":
            rounds.append(("battery all", questions))
        for name, asked in rounds:
            probes = len({q["probe"] for q in asked})
            theirs[name] = rates(probes, lambda: engine.answer(asked), runs)
        llama_cpp = llama_cpp_prefill(arguments.model, folder, 2 * runs)
    report(ours, theirs, llama_cpp, turns, worst)
    print(f"prefill of {LENGTH} tokens: {layers / 1e6:.1f} M layer parameters, {flops / 1e9:.1f} GFLOP")
    report_shares(turns)
    for name in ("battery read", "battery all"):
        if name in theirs:
            ratio = ours[name][0] / theirs[name][0]
            print(f"bar: {name} >= {PROBE_RATIO} x transformers: {'met' if ratio >= PROBE_RATIO else 'MISSED'}")


def report(ours, theirs, llama_cpp, turns, worst):
    print(f"load after: {os.getloadavg()[0]:.1f}; torch {torch.__version__}, "
          f"transformers {transformers.__version__}, {torch.backends.cpu.get_cpu_capability()}")
    print(f"largest difference of a log-probability to transformers: {worst:.1e} nats\n")
    print(f"{'best (median) of runs':24}{'parentage':>22}{'transformers':>22}{'ratio':>8}")
    for name, (best, median, unit) in ours.items():
        line = f"{name + ', ' + unit:24}{best:12.2f} ({median:7.2f})"
        if name in theirs:
            line += f"{theirs[name][0]:12.2f} ({theirs[name][1]:7.2f}){best / theirs[name][0]:8.2f}"
        print(line)
    if llama_cpp:
        print(f"{'llama.cpp prefill 512':24}{llama_cpp[0]:12.2f} ({llama_cpp[1]:7.2f})")
    print()


def report_shares(turns):
    print(f"{'round':>5}{'matmul GFLOP/s':>16}{'parentage tok/s':>17}{'share':>8}{'transformers':>14}{'share':>8}")
    for number, (matmul, ours, share, theirs, their_share) in enumerate(turns, 1):
        print(f"{number:5}{matmul:16.1f}{ours:17.1f}{share:8.1%}{theirs:14.1f}{their_share:8.1%}")
    columns = [statistics.median(column) for column in zip(*turns)]
    print("{:>5}{:16.1f}{:17.1f}{:8.1%}{:14.1f}{:8.1%}".format("med.", *columns))
    low, high = min(turn[2] for turn in turns), max(turn[2] for turn in turns)
    met = "met" if columns[2] >= MATMUL_SHARE else "MISSED"
    print(f"\nbar: prefill >= {MATMUL_SHARE:.0%} of the matmul rate: {met} (median; {low:.1%} to {high:.1%})")


if __name__ == "__main__":
    main()
