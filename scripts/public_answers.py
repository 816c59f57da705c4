#!/usr/bin/env python3
"""Scores models/public-answers again from public answers.

    git clone https://github.com/tatsu-lab/alpaca_eval
    python3 scripts/public_answers.py alpaca_eval --out target/public-answers

Takes the answers of the models in models/public-answers/lineage.toml from a clone (results/MODEL/model_outputs.json)
or from a folder with prompts.jsonl and answers/MODEL.jsonl, cuts each at 2,000 characters, imports them and validates.
scores.jsonl and validation.json then lie in OUT/validation; with --keep they are put into models/public-answers.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import tomllib

POPULATION = pathlib.Path(__file__).resolve().parent.parent / "models" / "public-answers"
CHARACTERS = 2000


def from_clone(folder, model):
    path = folder / "results" / model / "model_outputs.json"
    for row in json.loads(path.read_text()):
        yield row["instruction"], row["output"]


def from_folder(folder, model):
    prompts = {}
    for line in (folder / "prompts.jsonl").read_text().splitlines():
        row = json.loads(line)
        prompts[row["i"]] = row["instruction"]
    for line in (folder / "answers" / f"{model}.jsonl").read_text().splitlines():
        row = json.loads(line)
        yield prompts[row["i"]], row["output"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("answers", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("target/public-answers"))
    parser.add_argument("--binary", default="target/release/parentage")
    parser.add_argument("--keep", action="store_true", help="put scores and validation into models/public-answers")
    args = parser.parse_args()
    read = from_clone if (args.answers / "results").is_dir() else from_folder
    lineage = tomllib.loads((POPULATION / "lineage.toml").read_text())
    texts = args.out / "texts"
    texts.mkdir(parents=True, exist_ok=True)
    for model in (entry["id"] for entry in lineage["model"]):
        rows = ({"model": model, "prompt": p, "answer": a[:CHARACTERS]} for p, a in read(args.answers, model))
        (texts / f"{model}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    imported, validated = args.out / "imported", args.out / "validation"
    run = lambda *words: subprocess.run([args.binary, *map(str, words)], check=True)
    run("import", texts, "--format", "jsonl", "--out", imported)
    run("validate", POPULATION, "--recordings", imported, "--out", validated)
    if args.keep:
        for name in ("scores.jsonl", "validation.json"):
            shutil.copy(validated / name, POPULATION / name)


if __name__ == "__main__":
    main()
