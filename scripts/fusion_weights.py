#!/usr/bin/env python3
"""Whether weights for the measures do better than equal ones, on the fitting part of a population alone.

    scripts/fusion_weights.py models/population/scores.jsonl        (needs numpy and scipy)

Weights are those of a logistic regression of the truth on each measure's standing among the controls, students and
innocents of equal weight in all, none negative, its squares penalised by PENALTY / 2. Fitted on all sources of the
part but one and tried on that one; a case's score is the weighted mean over the measures that it has.
Prints AUROC and students found at 1 % false positives, also for the weights that the tool has.
"""

import json
import sys

import numpy as np
from scipy.optimize import minimize

PENALTIES = (1, 10, 100, 1000)
OURS = {"wording": 4, "style": 2}


def fit(z, student, penalty):
    weight = np.where(student, 0.5 / student.sum(), 0.5 / (~student).sum()) * len(student)

    def loss(p):
        u = np.where(student, 1, -1) * (z @ p[:-1] + p[-1])
        slope = -(weight * np.where(student, 1, -1) / (1 + np.exp(u)))
        cost = (weight * np.logaddexp(0, -u)).sum() + penalty * (p[:-1] ** 2).sum() / 2
        return cost, np.append(z.T @ slope + penalty * p[:-1], slope.sum())

    bounds = [(0, None)] * z.shape[1] + [(None, None)]
    found = minimize(loss, np.zeros(z.shape[1] + 1), jac=True, bounds=bounds, method="L-BFGS-B")
    return found.x[:-1] / found.x[:-1].sum()


def show(name, score, student):
    yes, no = score[student], score[~student]
    auroc = (yes[:, None] > no).mean() + 0.5 * (yes[:, None] == no).mean()
    threshold = np.sort(no)[-(int(0.01 * len(no)) + 1)]
    print(f"{name:24} AUROC {auroc:.3f}, {(yes > threshold).sum()} of {len(yes)}")


def main():
    scores = [json.loads(line) for line in open(sys.argv[1])]
    scores = [s for s in scores if s["part"] == "fit" and s["thinning"] == {"thinned": "none"}
              and "served" not in s and s["relation"] != "derivative" and s["measures"]]
    for access in sorted({s["access"] for s in scores}):
        cases = [s for s in scores if s["access"] == access]
        names = sorted({m for s in cases for m in s["measures"]})
        has = np.array([[m in s["measures"] for m in names] for s in cases])
        # In standard deviations of the controls.
        z = np.array([[s["measures"].get(m, 0) * np.sqrt(1 + 1 / s["controls"]) for m in names] for s in cases])
        student = np.array([s["relation"] == "student" for s in cases])
        source = np.array([s["source"] for s in cases])
        print(f"access {access}: {len(cases)} cases, {', '.join(names)}")
        show("equal weights", z.sum(1) / has.sum(1), student)
        ours = np.array([OURS.get(m, 1) for m in names])
        show("the tool's weights", (z @ ours) / (has @ ours), student)
        for penalty in PENALTIES:
            score = np.zeros(len(cases))
            for out in sorted(set(source)):
                weights = fit(z[source != out], student[source != out], penalty)
                score[source == out] = (z[source == out] @ weights) / (has[source == out] @ weights)
            show(f"fitted, penalty {penalty}", score, student)


main()
