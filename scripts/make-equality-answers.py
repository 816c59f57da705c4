#!/usr/bin/env python3
"""Writes tests/data/text_equality.json: the statistic of model-equality-testing on small samples of text.

model-equality-testing (PyPI, 0.0.2) is the code of Gao, Liang and Guestrin, "Model Equality Testing: Which
Model Is This API Serving?". The p-values are its statistic over *every* exchange of samples within their
prompts, which the test samples from. All prompts of a case have one longest text: the package pads to one
length for all, the test to one a prompt.

    python3 scripts/make-equality-answers.py

Needs model-equality-testing, numpy, torch.
"""

import itertools
import json
from pathlib import Path

import numpy as np
from model_equality_testing.distribution import CompletionSample
from model_equality_testing.tests import mmd_hamming
from model_equality_testing.utils import pad_to_length, tokenize_unicode

LENGTH = 12


def sample(by_prompt):
    texts = [t for texts in by_prompt for t in texts]
    prompts = [p for p, texts in enumerate(by_prompt) for _ in texts]
    codes = pad_to_length(tokenize_unicode(texts), LENGTH)
    return CompletionSample(np.array(prompts), codes, m=len(by_prompt))


def statistic(a, b):
    return float(mmd_hamming(sample(a), sample(b)))


def exact_p(a, b):
    """Over all exchanges within prompts; nothing when they are too many."""
    splits = []
    for x, y in zip(a, b):
        pooled, n = x + y, len(x)
        chosen = itertools.combinations(range(len(pooled)), n)
        splits.append([
            ([pooled[i] for i in c], [t for i, t in enumerate(pooled) if i not in c]) for c in chosen
        ])
    if np.prod([len(s) for s in splits]) > 5000:
        return None
    observed = statistic(a, b)
    every = [
        statistic([s[0] for s in split], [s[1] for s in split]) for split in itertools.product(*splits)
    ]
    return float(np.mean(np.array(every) >= observed - 1e-12))


def texts(rng, n, words):
    return [" ".join(rng.choice(words, rng.integers(1, 4)))[:LENGTH] for _ in range(n)]


def case(rng, sizes, here, there):
    a = [texts(rng, n, here) for n, _ in sizes]
    b = [texts(rng, m, there) for _, m in sizes]
    for prompt in a:
        prompt[0] = prompt[0].ljust(LENGTH, ".")
    return {"a": a, "b": b, "statistic": statistic(a, b), "p": exact_p(a, b)}


def main():
    rng = np.random.default_rng(7)
    one, other, far = ["red", "blue", "né", "日本"], ["blue", "green", "red", "x"], ["seventeen", "seven"]
    cases = [
        case(rng, [(4, 4)], one, one),
        case(rng, [(5, 5)], one, far),
        case(rng, [(4, 4), (3, 3)], one, far),
        case(rng, [(3, 5), (5, 2), (4, 4)], one, far),
        case(rng, [(8, 8)] * 4, one, other),
    ]
    path = Path(__file__).parent.parent / "tests" / "data" / "text_equality.json"
    path.write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
