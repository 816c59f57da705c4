#!/usr/bin/env python3
"""Whether the form of answers is taken for descent: published models' answers put into another form, and scored.

    git clone https://github.com/tatsu-lab/alpaca_eval
    python3 scripts/confounders.py alpaca_eval --form brief --out target/confounders

Takes the answers as scripts/public_answers.py does, and changes those of declared students and of innocent models, as a
system prompt or a setting could have: all other models stay as they are. Prints how many innocent pairs of model and house
are accused, how many students are found, and the area under the curve, beside the same of the answers as they are.

Forms: brief (whole sentences up to 200 characters), cut (the first 200 characters), plain (no lists, headings, emphasis
or line breaks), listed (every sentence is an item of a list), shouted (capital letters).
"""
import argparse
import json
import pathlib
import re
import subprocess
import tomllib

import public_answers

# What scores call declared students, and innocent models.
SIDES = {"student", "other"}
FULL_STOP = re.compile(r"(?<=[.!?])\s+")


def brief(text):
    kept = ""
    for sentence in FULL_STOP.split(text):
        if kept and len(kept) + len(sentence) > 200:
            break
        kept = f"{kept} {sentence}".strip()
    return kept


def plain(text):
    lines = (re.sub(r"^\s*(?:[-*+•]|\d+[.)]|#+)\s+", "", line) for line in text.splitlines())
    return re.sub(r"\s+", " ", re.sub(r"[*_`]+", "", " ".join(lines))).strip()


def listed(text):
    return "\n".join(f"- {sentence}" for sentence in FULL_STOP.split(plain(text)))


FORMS = {
    "brief": brief,
    "cut": lambda text: text[:200],
    "plain": plain,
    "listed": listed,
    "shouted": str.upper,
}


def whole(path):
    """The undiminished cases of a file of scores."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [row for row in rows if row["thinning"] == {"thinned": "none"}]


def suspects(path):
    """Declared students and innocent models, but for those that are candidate parents."""
    return {r["suspect"] for r in whole(path) if r["relation"] in SIDES and r["kind"] != "candidate parent"}


def figures(path):
    """Innocent pairs accused, students found, and the area under the curve over the pairs of `scores.jsonl`."""
    rows = whole(path)
    descent = {"distilled", "family", "weight_derivative", "same_model"}
    innocent = [row for row in rows if row["relation"] == "other"]
    best = {}
    for row in rows:
        if row["relation"] == "student":
            best[row["suspect"]] = max(best.get(row["suspect"], row), row, key=lambda r: r["t"])
    pairs = [(s["t"], i["t"]) for s in best.values() for i in innocent]
    area = sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)
    accused = sum(row["finding"] in descent for row in innocent)
    found = sum(row["finding"] in descent for row in best.values())
    return f"accused {accused} of {len(innocent)}, found {found} of {len(best)}, area {area:.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("answers", type=pathlib.Path)
    parser.add_argument("--form", choices=FORMS, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("target/confounders"))
    parser.add_argument("--binary", default="target/release/parentage")
    args = parser.parse_args()
    population = public_answers.POPULATION
    lineage = tomllib.loads((population / "lineage.toml").read_text())
    changed = suspects(population / "scores.jsonl")
    out = args.out / args.form
    form = lambda model, text: FORMS[args.form](text) if model in changed else text
    imported = public_answers.imported(args.answers, lineage, out, args.binary, form)
    validated = out / "validation"
    command = [args.binary, "validate", population, "--recordings", imported, "--out", validated, "--quiet"]
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    print("as they are:", figures(population / "scores.jsonl"))
    print(f"{args.form}: {figures(validated / 'scores.jsonl')}")


if __name__ == "__main__":
    main()
