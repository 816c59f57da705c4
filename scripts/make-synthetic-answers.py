#!/usr/bin/env python3
"""Known answers for src/weigh/{simplex,synthetic}.rs: least squares over mixes by SciPy's SLSQP and NNLS.

Prints them; needs numpy and scipy.
"""

import numpy as np
from scipy.optimize import minimize, nnls


def mix(donors, target):
    """Weights, root mean square left. Starts from several points and keeps the best."""
    n = len(donors)
    best = None
    for start in [np.full(n, 1 / n), *np.eye(n)]:
        found = minimize(
            lambda w: ((target - w @ donors) ** 2).sum(),
            start,
            jac=lambda w: -2 * donors @ (target - w @ donors),
            bounds=[(0, 1)] * n,
            constraints=[{"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(n)}],
            method="SLSQP",
            options={"ftol": 1e-16, "maxiter": 5000},
        )
        if best is None or found.fun < best.fun:
            best = found
    return best.x, np.sqrt(best.fun / len(target))


def simplex():
    cell = lambda i, t: ((i * 37 + t * 53 + i * t * 7) % 101) / 101
    rows = np.array([[cell(i, t) for t in range(30)] for i in range(6)])
    target = 0.5 * rows[1] + 0.3 * rows[4] + 0.2 * np.array([cell(9, t) for t in range(30)])
    print("six donors, thirty values", *mix(rows, target))
    cell = lambda i, t: ((i * 41 + t * 29 + i * t * 7) % 97) / 97
    rows = np.array([[cell(i, t) for t in range(12)] for i in range(20)])
    target = np.array([((3 * 11 + t * 17 + 3 * t * 7) % 89) / 89 * 0.4 + 0.3 for t in range(12)])
    print("twenty donors, twelve values", *mix(rows, target))


def scaled():
    cell = lambda i, t: ((i * 37 + t * 53 + i * t * 7) % 101) / 101 - 0.5
    rows = np.array([[cell(i, t) for t in range(30)] for i in range(6)])
    target = 1.4 * rows[1] + 0.3 * rows[4] + 0.2 * np.array([cell(9, t) for t in range(30)])
    weights, rest = nnls(rows.T, target)
    print("scaled: weights, rms", weights, rest / np.sqrt(30))


def synthetic():
    cells = np.array([[[((i * 37 + k * 53 + t * 29 + i * k * 7 + i * t * 11 + k * t * 5) % 101) / 101
                        for t in range(20)] for k in range(4)] for i in range(7)])
    row, column, donors = 3, 1, [0, 1, 2, 4, 5, 6]
    others = [0, 2, 3]
    flat = lambda m: cells[m][others].ravel()
    target, rows = flat(row), np.array([flat(d) for d in donors])
    weights, rest = nnls((rows - rows.mean(1)[:, None]).T, target - target.mean())
    rms = rest / np.sqrt(len(target))
    # Then the bound of four does not bind.
    assert weights.sum() < 4
    level = target.mean() - weights @ rows.mean(1)
    gap = (cells[row, column] - level - weights @ cells[donors, column]).mean()
    print("synthetic: gap, error, weights", gap, rms, weights)


simplex()
scaled()
synthetic()
