#!/usr/bin/env python3
"""Writes tests/data/betting.json: wealth of betting processes as the confseq package computes it.

confseq (PyPI, 0.0.11) is the code beside Waudby-Smith and Ramdas, "Estimating means of bounded random
variables by betting". Its data lie in [0, 1] and its null mean is 1/2; ours are differences in [-1, 1] and
the null mean is 0, so x = (1 + d) / 2. Negative bets are cut off: the alternative has one side.

    python3 scripts/make-betting-answers.py

Needs confseq, numpy, scipy. Differences are multiples of 1/64, so that sums are exact.
"""

import json
import math
from pathlib import Path

import numpy as np

# confseq still uses the name that NumPy 2 took away.
np.float_ = np.float64

from confseq.betting import betting_mart  # noqa: E402
from confseq.betting_strategies import lambda_aKelly  # noqa: E402

TRUNCATION = 0.75


def log_wealth(d, population):
    x = (1 + np.array(d)) / 2

    def bets(x, m):
        return np.maximum(0, lambda_aKelly(x, m, N=population, trunc_scale=1))

    wealth = betting_mart(
        x, 0.5, lambdas_fn_positive=bets, N=population, theta=1, trunc_scale=TRUNCATION
    )
    return [None if math.isinf(w) else math.log(w) for w in wealth]


def differences(rng, n, mean, sd):
    return (np.clip(np.round(rng.normal(mean, sd, n) * 64), -64, 64) / 64).tolist()


def main():
    rng = np.random.default_rng(20240101)
    balanced = differences(rng, 40, 0.1, 0.4)
    balanced = rng.permutation(balanced + [-d for d in balanced]).tolist()
    cases = {
        "independent, closer": (differences(rng, 60, 0.15, 0.3), None),
        "independent, no difference": (differences(rng, 60, 0.0, 0.3), None),
        "independent, signs": (rng.choice([-1.0, 1.0], 40, p=[0.3, 0.7]).tolist(), None),
        "without replacement, closer": (differences(rng, 60, 0.1, 0.3), 100),
        "without replacement, mean exactly zero": (balanced, 80),
        "without replacement, settled before the end": (differences(rng, 30, 0.8, 0.2), 31),
    }
    out = [
        {"name": name, "population": n, "differences": d, "log_wealth": log_wealth(d, n)}
        for name, (d, n) in cases.items()
    ]
    path = Path(__file__).parent.parent / "tests" / "data" / "betting.json"
    path.write_text(json.dumps(out, indent=1).replace("\n   ", "").replace("\n  ]", "]") + "\n")


if __name__ == "__main__":
    main()
