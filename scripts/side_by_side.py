#!/usr/bin/env python3
"""Other published methods on the same recordings and cases as `parentage validate`.

    scripts/side_by_side.py POPULATION OUT

OUT is where `parentage validate POPULATION --collect --out OUT` left recordings and scores. Needs numpy.
Every method gives each case (protected model, suspect) a number; all are judged alike, on the test part:
students at full dose against all innocents. Methods that name a teacher among candidates are given the
protected model's siblings as the other candidates, as ours is, and score the margin to the best of them;
methods that compare with strangers are given the same controls as ours. Each was written from its paper:

  agreement    top-1 agreement on `next` probes, less that of the best control (Nikolic et al. 2025)
  phylolm      similarity of continuations as populations of alleles (Yax et al. 2024), with the whole
               top-k distribution in the place of 32 samples, margin to the best other candidate
  mmd          maximum mean discrepancy of texts under a Hamming kernel over characters (Gao et al. 2024,
               model equality testing), as a distance, margin
  likelihood   how much cheaper the candidate's texts are for the suspect than for the reference, its base
               where the lineage names one and the mean control otherwise (in the manner of
               DistillDetect), margin
  profile      cosine of character 3-gram and word profiles of all open text (a surface stand-in for
               syntactic profiles in the manner of SCOUT, which needs a parser), margin
  dli, llmmap  the two comparisons of texts of knowlyr-modelaudit 0.4.1 (PyPI; left out where it is not
               installed), its own code on the first recorded answer to every open question of ours in the
               place of its eight probes, which the tiny models have no chat form for; margin, and below the
               table what its own thresholds say
"""

import collections
import json
import math
import pathlib
import sys
import tomllib

import numpy as np

try:
    import modelaudit.probes.prompts
    from modelaudit.methods import dli, llmmap
except ImportError:
    modelaudit = None

FULL_DOSE = {"logits", "text", "scratch", "cross tokenizer"}
LENGTH = 200


def load(directory):
    """What the methods look at: continuations, texts by prompt, and texts that were read."""
    model = {"next": {}, "texts": collections.defaultdict(list), "readings": {}}
    for line in (directory / "answers.jsonl").open():
        entry = json.loads(line)
        probe, response = entry["question"]["probe"], entry["response"]
        request = entry["question"]["request"]
        if response["kind"] == "next":
            model["next"][probe] = {t["text"]: math.exp(t["log_probability"]) for t in response["top"]}
        elif response["kind"] == "text":
            model["texts"][probe].append(response["text"])
        elif response["kind"] == "scored":
            for text, score in zip(request["texts"], response["scores"]):
                model["readings"][probe, text] = score["log_probability"]
    grams = collections.Counter()
    for texts in model["texts"].values():
        for text in texts:
            grams.update(text[i : i + 3] for i in range(len(text) - 2))
            grams.update(text.split())
    model["grams"] = grams
    return model


def agreement(a, b):
    shared = a["next"].keys() & b["next"].keys()
    top = lambda m, p: max(m["next"][p], key=m["next"][p].get)
    return sum(top(a, p) == top(b, p) for p in shared) / max(len(shared), 1)


def phylolm(a, b):
    dot = aa = bb = 0.0
    for probe in a["next"].keys() & b["next"].keys():
        x, y = a["next"][probe], b["next"][probe]
        dot += sum(p * y.get(text, 0.0) for text, p in x.items())
        aa += sum(p * p for p in x.values())
        bb += sum(p * p for p in y.values())
    return dot / math.sqrt(aa * bb) if aa and bb else 0.0


def padded(texts):
    rows = np.zeros((len(texts), LENGTH), dtype=np.uint32)
    for row, text in zip(rows, texts):
        codes = [ord(c) for c in text[:LENGTH]]
        row[: len(codes)] = codes
    return rows


def mmd(a, b):
    """Unbiased squared MMD, the kernel 1 - Hamming distance within a prompt, negated."""
    total, prompts = 0.0, 0
    for probe in a["texts"].keys() & b["texts"].keys():
        x, y = padded(a["texts"][probe]), padded(b["texts"][probe])
        if len(x) < 2 or len(y) < 2:
            continue
        kernel = lambda u, v: (u[:, None, :] == v[None, :, :]).mean(axis=2)
        own = lambda u: (kernel(u, u).sum() - len(u)) / (len(u) * (len(u) - 1))
        total += own(x) + own(y) - 2 * kernel(x, y).mean()
        prompts += 1
    return -total / max(prompts, 1)


def likelihood(suspect, reference, candidate):
    """Mean nats a text that the suspect saves over the reference on the candidate's texts."""
    saved = []
    for probe, texts in candidate["texts"].items():
        for text in set(texts):
            own = suspect["readings"].get((probe, text))
            theirs = [r["readings"].get((probe, text)) for r in reference]
            theirs = [t for t in theirs if t is not None]
            if own is not None and theirs and text:
                saved.append((own - sum(theirs) / len(theirs)) / len(text.encode()))
    return sum(saved) / len(saved) if saved else None


def profile(a, b):
    dot = sum(n * b["grams"][g] for g, n in a["grams"].items())
    norm = lambda m: math.sqrt(sum(n * n for n in m["grams"].values()))
    return dot / (norm(a) * norm(b) or 1.0)


def audit(models):
    """What modelaudit makes of every pair, by the name of its method."""
    if modelaudit is None:
        return {}
    methods = {"dli": dli.DLIFingerprinter(), "llmmap": llmmap.LLMmapFingerprinter()}
    prints = {name: {} for name in methods}
    for identity, model in models.items():
        answers = {probe: texts[0] for probe, texts in sorted(model["texts"].items())}
        probes = [modelaudit.probes.prompts.Probe(id=p, category="", prompt=p, description="") for p in answers]
        llmmap.get_probes = modelaudit.probes.get_probes = lambda **_: probes
        llmmap._call_model_api = lambda prompt, **_: answers[prompt]
        for name, method in methods.items():
            method.prepare(identity)
            prints[name][identity] = method.get_fingerprint()
    return {name: lambda a, b, m=method, p=prints[name]: m.compare(p[a], p[b]) for name, method in methods.items()}


def judged(scores):
    """AUROC and the true positive rate where at most 1 % of the innocents are called."""
    students = [s for s, student in scores if student]
    others = sorted((s for s, student in scores if not student), reverse=True)
    wins = sum((s > o) + 0.5 * (s == o) for s in students for o in others)
    threshold = others[int(len(others) * 0.01)]
    found = sum(s > threshold for s in students)
    return wins / (len(students) * len(others)), found, len(students), len(others)


def main():
    population, out = map(pathlib.Path, sys.argv[1:3])
    lineage = {m["id"]: m for m in tomllib.loads((population / "lineage.toml").read_text())["model"]}
    split = tomllib.loads((population / "split.toml").read_text())
    models = {}
    for header in sorted((out / "recordings").glob("*/recording.json")):
        name = pathlib.Path(json.loads(header.read_text())["identity"]["name"])
        identity = name.parent.name if name.suffix == ".gguf" else name.name
        if identity in lineage and lineage[identity]["source"] in split["test"]:
            models[identity] = load(header.parent)
    cases = [json.loads(line) for line in (out / "scores.jsonl").open()]
    cases = [c for c in cases if c["part"] == "test" and c["thinning"] == {"thinned": "none"} and "served" not in c]

    def descends(model, ancestor):
        entry = lineage[model]
        above = [entry["base"]] if "base" in entry else []
        above += entry.get("parents", [])
        return any(a == ancestor or descends(a, ancestor) for a in above)

    hidden = {m for m in models if any(m == u or descends(m, u) for u in split["unlisted"])}
    siblings = lambda p: [m for m in models if m != p and lineage[m].get("group") == lineage[p].get("group")]
    pair_cache = {}

    def pair(method, a, b):
        key = method.__name__, *sorted((a, b))
        if key not in pair_cache:
            pair_cache[key] = method(models[a], models[b])
        return pair_cache[key]

    audits = audit(models)
    derived = {name: collections.Counter() for name in audits}
    table = collections.defaultdict(list)
    named = collections.defaultdict(list)
    for case in cases:
        suspect, protected = case["suspect"], case["protected"]
        student = case["relation"] == "student"
        if student and case["kind"] not in FULL_DOSE or case["relation"] == "derivative":
            continue
        controls = [m for m in models if m not in hidden and m not in (suspect, protected)
                    and not descends(m, protected) and not descends(m, suspect)]
        rivals = [s for s in siblings(protected) if s != suspect]
        values = {"parentage": case["t"]}
        best = max(pair(agreement, c, protected) for c in controls)
        values["agreement"] = pair(agreement, suspect, protected) - best
        for method in (phylolm, mmd, profile):
            margin = pair(method, suspect, protected) - max(pair(method, suspect, r) for r in rivals)
            values[method.__name__] = margin
        for name, compare in audits.items():
            found = compare(suspect, protected)
            derived[name][student, found.is_derived] += 1
            values[name] = found.similarity - max(compare(suspect, r).similarity for r in rivals)
        base = lineage[suspect].get("base")
        reference = [models[base]] if base in models else [models[c] for c in controls[:8]]
        read = [likelihood(models[suspect], reference, models[m]) for m in (protected, *rivals)]
        if None not in read:
            values["likelihood"] = read[0] - max(read[1:])
        for name, value in values.items():
            if value is not None:
                table[name].append((value, student))
                if student:
                    named[name].append(value > 0)
    print("| method | AUROC | students found at 1 % false positives | innocents | named before its siblings |")
    print("|---|---:|---:|---:|---:|")
    for name, scores in table.items():
        area, found, students, others = judged(scores)
        first = "" if name in ("parentage", "agreement") else f"{sum(named[name])} of {len(named[name])}"
        print(f"| {name} | {area:.3f} | {found} of {students} | {others} | {first} |")
    for name, counts in derived.items():
        of = lambda student: f"{counts[student, True]} of {counts[student, True] + counts[student, False]}"
        print(f"{name} calls derived: {of(True)} students, {of(False)} innocents")


main()
