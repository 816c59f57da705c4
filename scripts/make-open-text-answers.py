#!/usr/bin/env python3
"""The known answers of the tests of `habits` and `phrases`, by numpy from the formulas in their docs.

    python3 scripts/make-open-text-answers.py      needs numpy

Words stand between single spaces here, so that splitting them is no part of what is checked.
"""
import collections
import math

import numpy as np

WORDS = "stone river and the which garden of a under light slow bird".split()
MODELS, PROMPTS, LENGTH = 8, 6, 20


def text(model, prompt):
    words, state = [], model * 31 + prompt * 17 + 7
    for _ in range(LENGTH):
        state = (state * 1103515245 + 12345) % 2**31
        words.append(WORDS[(state >> 16) % len(WORDS)])
    return words


def runs(words, lengths):
    return {tuple(words[i : i + n]) for n in lengths for i in range(len(words) - n + 1)}


def centred(k):
    return k - k.mean(0) - k.mean(1)[:, None] + k.mean()


def phrases():
    total = np.zeros((MODELS, MODELS))
    for prompt in range(PROMPTS):
        sets = [runs(text(m, prompt), (2, 3)) for m in range(MODELS)]
        have = collections.Counter(g for s in sets for g in s)
        kept = sorted(g for g, n in have.items() if 2 <= n <= 0.3 * MODELS)
        x = np.array([[math.log(MODELS / have[g]) if g in s else 0.0 for g in kept] for s in sets])
        lengths = np.linalg.norm(x, axis=1, keepdims=True)
        x = np.divide(x, lengths, out=np.zeros_like(x), where=lengths > 0)
        total += x @ x.T
    return total / PROMPTS


def habits():
    total = np.zeros((MODELS, MODELS))
    for window in (150, 400):
        cut = lambda words: " ".join(words)[:window].split()
        have = [collections.Counter() for _ in range(MODELS)]
        for m in range(MODELS):
            for prompt in range(PROMPTS):
                have[m].update(runs(cut(text(m, prompt)), (1, 2)))
        kept = sorted(set().union(*have))
        share = np.array([[h[g] / PROMPTS for g in kept] for h in have])
        y = np.arcsin(np.sqrt((PROMPTS * share + 0.5) / (PROMPTS + 1)))
        k = centred(y @ y.T)
        total += k / np.trace(k)
    return total


if __name__ == "__main__":
    p, h = phrases(), habits()
    for name, k in (("phrases, not centred", p), ("phrases", centred(p)), ("habits", centred(h))):
        print(name, *(f"{k[i, j]:.12f}" for i, j in ((0, 0), (0, 1), (0, 3), (2, 7), (5, 6))))
