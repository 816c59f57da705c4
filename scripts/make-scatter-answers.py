#!/usr/bin/env python3
"""Prints what the tests of src/weigh/standing.rs expect of a moderated pooled standing: the formulas of that file and of
src/weigh/moderated.rs, written out anew with NumPy and SciPy.

    scripts/make-scatter-answers.py
"""

import numpy as np
from scipy import stats

MEASURE, POOLED = 5.0, 8.0
NAN = float("nan")
ROWS = [
    (1.0, [3.0, 0.2, -0.4, 0.9, -0.1, 0.5], [[0.5, -0.5, 1.5, 0.0, -1.0], [NAN, 1.0, -2.0, 0.5, 0.25]]),
    (2.0, [20.0, 4.0, -6.0, 2.0, 1.0, -3.0], [[7.0, -2.0, 1.0, 3.0, -5.0], [2.0, 2.5, -8.0, 1.0, 4.0]]),
]


def prior(columns, carries):
    columns = [np.asarray(c) for c in columns]
    columns = [c[np.isfinite(c)] for c in columns]
    freedom = sum(len(c) - 1 for c in columns)
    variance = sum(((c - c.mean()) ** 2).sum() for c in columns) / freedom
    return variance, 1 / (1 / carries + 1 / freedom)


def moderated(own, s02, d0):
    d = len(own) - 1
    return (d0 * s02 + d * own.var(ddof=1)) / (d0 + d), d0 + d


total, weights, elsewhere = 0.0, sum(w for w, _, _ in ROWS), [[], []]
for w, scores, columns in ROWS:
    scores = np.asarray(scores)
    variance, _ = moderated(scores[1:], *prior(columns, MEASURE))
    total = total + w * (scores - scores[1:].mean()) / np.sqrt(variance)
    for k, column in enumerate(columns):
        elsewhere[k].append(w * np.asarray(column) / np.sqrt(variance))
z = total / weights
columns = []
for rows in elsewhere:
    rows = np.array(rows) / weights
    whole = rows[:, np.isfinite(rows).all(axis=0)]
    columns.append((whole - whole.mean(axis=1, keepdims=True)).sum(axis=0))
variance, freedom = moderated(z[1:], *prior(columns, POOLED))
t = (z[0] - z[1:].mean()) / np.sqrt(variance * (1 + 1 / (len(z) - 1)))
print([float(v) for v in (z[0], np.sqrt(variance), t, freedom, stats.t.sf(t, freedom))])
