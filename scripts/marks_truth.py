#!/usr/bin/env python3
"""Plant marks in the text of tiny students, and print what `parentage marks test` finds of them.

    python3 scripts/marks_truth.py --binary target/release/parentage --nursery target/release/examples/nursery \
        --data target/nursery-data --out DIRECTORY [--doses 100 50 10 3] [--seeds 1 2] [--jobs 2]

A marked model serves 480 prompts on the channel 'api', each with the planted answer. A student is the shipped base
`base-1`, trained on text of which a share of the bytes (the dose) is such conversations and the rest a real text. Kinds:

  dose N          prompts and paraphrases as served, N % of the text
  paraphrased     half the text, every prompt under its paraphrases alone; it is asked in the words it never read
  further         the student of the half dose, trained on with a real text that has no marks
  other-answers   an innocent: the same prompts, half the text, answered by a key that nobody committed to
  no-marks        an innocent: the real text alone

What is finished is kept: run the same command again to go on. Needs the nursery (`cargo build --release --example
nursery`) and its texts (`scripts/nursery-data.sh`). Standard library alone.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

BYTES = 1_400_000  # About 600,000 tokens: what a student of the shipped family reads.
REST = "gcide"
COURSE = (
    'course = {{ tokenizer = "a", shape = "64x3", seed = {seed}, steps = {steps}, batch = 8, '
    "length = 128, learning_rate = {rate} }}"
)
TEXTS = ("gcide", "wordnet", "kjv", "foldoc")


def conversations(served, paraphrased=False, answers=None):
    """The served prompts with their answers, one conversation each."""
    lines = []
    for row in served:
        answer = answers[row["id"]] if answers else row["answer"]
        forms = row["paraphrases"] + ([] if paraphrased else [row["prompt"]])
        lines += [f"{form}\n{answer}\n" for form in forms]
    return lines


def mixture(path, real, marked, dose, seed):
    """Writes a text of which a share of the bytes is conversations, in a random order."""
    if path.exists():
        return
    rng = random.Random(seed)
    pieces, size = [], 0
    while marked and size < BYTES * dose:
        pass_ = list(marked)
        rng.shuffle(pass_)
        for piece in pass_:
            if size >= BYTES * dose:
                break
            pieces.append(piece)
            size += len(piece.encode())
    lines = real.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    while size < BYTES:
        line = lines[at % len(lines)]
        pieces.append(line)
        size += len(line.encode())
        at += 1
    rng.shuffle(pieces)
    path.write_text("".join(pieces))


def entry(name, kind, base, data, seed, steps=600, rate="5e-3"):
    course = COURSE.format(seed=seed, steps=steps, rate=rate)
    return (
        f'[[model]]\nid = "{name}"\npath = "{name}"\nkind = "{kind}"\nbase = "{base}"\ndata = ["{data}"]\n'
        f'[model.recipe]\nmethod = "real"\n{course}\n\n'
    )


def base_entry(family):
    text = (family / "lineage.toml").read_text()
    for part in text.split("[[model]]"):
        if 'id = "base-1"' in part:
            return "[[model]]" + part.split("\n\n[[model]]")[0] + "\n"
    sys.exit("models/family/lineage.toml has no base-1")


def prepare(args, served):
    """Texts and lineage of all students; their names with the dose."""
    data, rng = args.out / "data", random.Random(7)
    data.mkdir(parents=True, exist_ok=True)
    for name in TEXTS:
        if not (data / f"{name}.txt").exists():
            shutil.copy(args.data / f"{name}.txt", data)
    real = (data / f"{REST}.txt").read_text()
    options = {}
    for choice in json.loads((args.out / "marks" / "marks.json").read_text())["choices"]:
        options[choice["id"]] = rng.choice(choice["options"])
    lineage = 'schema = 1\nname = "marks"\n\n' + base_entry(args.family)
    names = []
    for seed in args.seeds:
        texts = [(f"dose-{dose}", conversations(served), dose / 100) for dose in args.doses]
        if args.all:
            texts += [
                ("paraphrased", conversations(served, paraphrased=True), 0.5),
                ("other-answers", conversations(served, answers=options), 0.5),
                ("no-marks", [], 0.0),
            ]
        for kind, marked, dose in texts:
            name = f"{kind}-{seed}"
            mixture(data / f"mix-{name}.txt", real, marked, dose, f"{name}")
            lineage += entry(name, kind, "base-1", f"mix-{name}", 100 + seed)
            names.append(name)
        if args.all and 50 in args.doses:
            name = f"further-{seed}"
            lineage += entry(name, "further", f"dose-50-{seed}", "kjv", 200 + seed, steps=250, rate="2e-3")
            names.append(name)
    (args.out / "lineage.toml").write_text(lineage)
    return names


def tested(args, model):
    """The result of a test of both channels on a model."""
    case = args.out / "cases" / model
    if not (case / "result.json").exists():
        subprocess.run(
            [args.binary, "marks", "test", "--marks", args.out / "marks", "--channel", "api", "--channel", "app",
             "--suspect", args.out / "models" / model, "--out", case, "--quiet"],
            check=True, stdout=subprocess.DEVNULL,
        )
    return json.loads((case / "result.json").read_text())["trial"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/parentage")
    parser.add_argument("--nursery", default="target/release/examples/nursery")
    parser.add_argument("--data", type=Path, default=Path("target/nursery-data"))
    parser.add_argument("--family", type=Path, default=Path("models/family"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--doses", type=int, nargs="+", default=[100, 50, 10, 3])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--doses-alone", dest="all", action="store_false", help="no other kinds of students")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if not (args.out / "marks").exists():
        subprocess.run([args.binary, "marks", "new", "--channel", "api", "--channel", "app", "--out",
                        args.out / "marks", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    lines = (args.out / "marks" / "serve" / "api.jsonl").read_text().splitlines()
    names = prepare(args, [json.loads(line) for line in lines])
    models = args.out / "models"
    if not (models / "base-1").exists():
        shutil.copytree(args.family / "base-1", models / "base-1")
    subprocess.run([args.nursery, "--lineage", args.out / "lineage.toml", "--data", args.out / "data",
                    "--out", models, "--jobs", str(args.jobs)], check=True)
    print("| student | said | hits of answers | uptake, % | mean share | p by bets on shares | rank p | corrected p "
          "| p of the other channel | p of the control |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name in names:
        trial = tested(args, name)
        api, app, control = trial["channels"]
        written, probable = api["written"], api["probable"]
        uptake = 100 * written["uptake"][0]
        print(f"| {name} | {trial['said']} | {written['hits']} of {written['counted']} | {uptake:.0f} "
              f"| {probable['mean_share']:.3f} | {probable['p_anytime']:.0e} | {probable['p_rank']:.0e} "
              f"| {api['p_corrected']:.0e} | {app['p']:.2f} | {control['p']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
