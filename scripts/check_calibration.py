#!/usr/bin/env python3
"""Writes tests/data/calibration.json: likelihood ratios and their metrics as others compute them.

lir (PyPI, 1.8.0) is the package of the Netherlands Forensic Institute; scikit-learn fits the same logistic
regression with several measures, SciPy the same with weights held at zero or above, and exact intervals.

    python3 scripts/check_calibration.py               the answers the tests hold us to
    python3 scripts/check_calibration.py SCORES.json   the same answers for other scores, on standard output

SCORES.json is a list of {"name": ..., "students": [...], "others": [...]}, numbers or "inf" and "-inf".
Needs Python 3.12, lir, scikit-learn, SciPy. Made-up scores avoid multiples of 0.01, where lir's grid of
thresholds for the empirical bounds would let rounding decide.
"""

import json
import sys
from pathlib import Path

import numpy as np
from lir.algorithms.bayeserror import elub
from lir.algorithms.isotonic_regression import IsotonicCalibrator
from lir.algorithms.logistic_regression import LogitCalibrator
from lir.data.models import LLRData
from lir.metrics import cllr, cllr_min
from lir.plotting.expected_calibration_error import calculate_ece
from lir.util import logodds_to_odds, odds_to_probability
from scipy.optimize import minimize
from scipy.stats import binomtest, rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

PRIORS = np.linspace(-3, 3, 13)
PENALTIES = [1.0, 0.01]
EXACT = {"solver": "newton-cholesky", "tol": 1e-14, "max_iter": 10_000}
LN_10 = np.log(10)


def plain(x):
    """Numbers for JSON, which has no infinity."""
    if isinstance(x, (list, tuple, np.ndarray)):
        return [plain(v) for v in x]
    x = float(x)
    return x if np.isfinite(x) else str(x)


def data(students, others):
    scores = np.array([*students, *others], dtype=float)
    labels = np.array([1] * len(students) + [0] * len(others))
    # A new array each time: elub() writes into the one it is given.
    return LLRData(features=scores.reshape(-1, 1), hypothesis=labels)


def objective(beta, x, y, penalty):
    z = np.where(y == 1, 1, -1) * (beta[0] + x @ beta[1:])
    n = len(y)
    w = np.where(y == 1, n / (2 * np.sum(y == 1)), n / (2 * np.sum(y == 0)))
    slope = -w * np.where(y == 1, 1, -1) / (1 + np.exp(z))
    value = np.sum(w * np.logaddexp(0, -z)) + penalty / 2 * np.sum(beta[1:] ** 2)
    return value, np.array([slope.sum(), *(slope @ x + penalty * beta[1:])])


def held_at_zero(x, y, penalty):
    """The same regression with no weight below zero."""
    found = minimize(
        objective,
        np.zeros(x.shape[1] + 1),
        args=(x, y, penalty),
        jac=True,
        method="L-BFGS-B",
        bounds=[(None, None)] + [(0, None)] * x.shape[1],
        options={"ftol": 1e-16, "gtol": 1e-12, "maxiter": 100_000, "maxfun": 1_000_000},
    )
    return found.x


def logistic(students, others, penalty):
    """Intercept and slope to base 10; null where lir refuses the scores."""
    calibrator = LogitCalibrator(C=1 / penalty, **EXACT)
    try:
        calibrator.fit(data(students, others))
    except ValueError:
        return None
    fitted = calibrator._logit
    intercept, slope = fitted.intercept_[0], fitted.coef_[0][0]
    if slope < 0:
        labels = np.array([1] * len(students) + [0] * len(others))
        x = np.array([[*students, *others]]).T
        intercept, slope = held_at_zero(x, labels, penalty)
    return {"penalty": penalty, "intercept": intercept / LN_10, "slope": slope / LN_10}


def isotonic(students, others, misleading, at):
    calibrator = IsotonicCalibrator(add_misleading=misleading).fit(data(students, others))
    return plain(calibrator.apply(data(at, [])).llrs)


def answers(name, students, others):
    scores = np.array([*students, *others], dtype=float)
    finite = scores[np.isfinite(scores)]
    between = (np.unique(finite)[1:] + np.unique(finite)[:-1]) / 2 if np.isfinite(scores).all() else []
    at = [*scores, *between]
    probabilities = odds_to_probability(10**PRIORS)

    def ece(log10_lrs):
        return plain(calculate_ece(logodds_to_odds(log10_lrs), np.array(labels), probabilities))

    labels = [1] * len(students) + [0] * len(others)
    pav = IsotonicCalibrator().fit_apply(data(students, others)).llrs
    with np.errstate(all="ignore"):
        return {
            "name": name,
            "students": plain(students),
            "others": plain(others),
            "cllr": plain(cllr(data(students, others))),
            "cllr_min": plain(cllr_min(data(students, others))),
            "auroc": float(roc_auc_score(labels, rankdata(scores))),
            "log10_prior_odds": plain(PRIORS),
            "ece": ece(scores),
            "ece_min": ece(pav),
            "neutral": ece(np.zeros(len(scores))),
            "elub": plain(elub(data(students, others))),
            "at": plain(at),
            "isotonic": [isotonic(students, others, m, at) for m in (0, 1)],
            "logistic": [x for p in PENALTIES if (x := logistic(students, others, p))],
        }


def made_up():
    rng = np.random.default_rng(20240202)

    def normal(mean, sd, n):
        return rng.normal(mean, sd, n).tolist()

    inf = np.inf
    yield "usual", normal(1.2, 1.0, 40), normal(-1.1, 0.9, 70)
    yield "too sure of itself", normal(6, 4, 30), normal(-5, 4, 30)
    yield "misleading by far", [*normal(2, 1, 50), -3.503], [*normal(-2, 1, 80), 4.007]
    # One decimal and a bit: many are equal, within and across classes.
    ties = [(np.round(rng.normal(m, 0.4, n), 1) + 0.003).tolist() for m, n in ((0.3, 40), (-0.2, 60))]
    yield "ties across classes", *ties
    yield "separated", normal(5, 0.5, 25), normal(-5, 0.5, 250)
    yield "one student", [0.7031], normal(-1, 1, 30)
    yield "one other", normal(1, 1, 30), [-0.2031]
    yield "one of each", [0.5031], [-0.5031]
    yield "one of each, the wrong way round", [-0.5031], [0.5031]
    yield "turned round", normal(-1, 1, 30), normal(1, 1, 20)
    yield "infinite on the right side", [inf, inf, *normal(1, 1, 20)], [-inf, *normal(-1, 1, 20)]
    yield "infinite on the wrong side", [-inf, *normal(1, 1, 20)], [inf, inf, *normal(-1, 1, 20)]
    yield "all infinite", [inf, inf, -inf], [-inf, -inf, inf, -inf]


def fused():
    """Several measures, some scores missing; the third of the second set would get a weight below zero."""
    rng = np.random.default_rng(20240303)
    sets = {"all help": [1.5, 0.7, 0.4], "one is turned round": [1.5, 0.7, -0.9]}
    for name, effects in sets.items():
        y = np.array([1] * 30 + [0] * 50)
        common = rng.normal(size=80)
        scores = np.array([e * y + 0.5 * common + rng.normal(size=80) for e in effects]).T * [1, 10, 0.01]
        scores[rng.random(scores.shape) < 0.15] = np.nan
        mean, sd = np.nanmean(scores, axis=0), np.nanstd(scores, axis=0, ddof=1)
        x = np.nan_to_num((scores - mean) / sd, nan=0.0)
        fitted = LogisticRegression(class_weight="balanced", C=1.0, **EXACT).fit(x, y)
        beta = np.array([fitted.intercept_[0], *fitted.coef_[0]])
        if beta[1:].min() < 0:
            beta = held_at_zero(x, y, 1.0)
        yield {
            "name": name,
            "students": 30,
            "scores": [[None if np.isnan(v) else v for v in row] for row in scores.tolist()],
            "mean": mean.tolist(),
            "sd": sd.tolist(),
            "beta": (beta / LN_10).tolist(),
        }


def rates():
    for count, of in [(0, 1), (1, 1), (0, 30), (1, 100), (3, 186), (50, 100), (999, 1000), (7, 100_000)]:
        found = binomtest(count, of).proportion_ci(0.95, "exact")
        yield {"count": count, "of": of, "low": float(found.low), "high": float(found.high)}


def main():
    if len(sys.argv) > 1:
        sets = json.loads(Path(sys.argv[1]).read_text())
        numbers = [(s["name"], *([float(v) for v in s[c]] for c in ("students", "others"))) for s in sets]
        json.dump([answers(*s) for s in numbers], sys.stdout, indent=1)
        return
    out = {"sets": [answers(*s) for s in made_up()], "fused": list(fused()), "rates": list(rates())}
    path = Path(__file__).parent.parent / "tests" / "data" / "calibration.json"
    path.write_text(json.dumps(out, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")


if __name__ == "__main__":
    main()
