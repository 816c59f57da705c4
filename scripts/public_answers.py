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


def imported(answers, lineage, out, binary, form=lambda model, text: text):
    """Imports the answers of the models of a lineage file, each put into a form; where they lie."""
    read = from_clone if (answers / "results").is_dir() else from_folder
    texts = out / "texts"
    texts.mkdir(parents=True, exist_ok=True)
    for model in (entry["id"] for entry in lineage["model"]):
        rows = ((p, form(model, a)[:CHARACTERS]) for p, a in read(answers, model))
        lines = (json.dumps({"model": model, "prompt": p, "answer": a}) + "\n" for p, a in rows)
        (texts / f"{model}.jsonl").write_text("".join(lines))
    run(binary, "import", texts, "--format", "jsonl", "--out", out / "imported")
    return out / "imported"


def run(*words):
    subprocess.run([str(word) for word in words], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("answers", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("target/public-answers"))
    parser.add_argument("--binary", default="target/release/parentage")
    parser.add_argument("--keep", action="store_true", help="put scores and validation into models/public-answers")
    args = parser.parse_args()
    lineage = tomllib.loads((POPULATION / "lineage.toml").read_text())
    recordings, validated = imported(args.answers, lineage, args.out, args.binary), args.out / "validation"
    run(args.binary, "validate", POPULATION, "--recordings", recordings, "--out", validated)
    if args.keep:
        for name in ("scores.jsonl", "validation.json"):
            shutil.copy(validated / name, POPULATION / name)


if __name__ == "__main__":
    main()
