#!/usr/bin/env python3
"""Compares every model of a family with a protected one of it, and says where the finding is wrong.

    cargo build --release
    scripts/family_table.py models/family teacher [--out DIR] [--tier standard] [--binary PATH] [FLAG...]

Flags that this script does not know (`--access text`, `--repeats 32`) go to `parentage compare`. Prints a Markdown table and ends with exit code 1 if a true student is not `distilled`, a model made
from the protected one's weights is neither `weight_derivative` nor `same_model`, or an innocent model
is any of the three. What the lineage file says of a suspect is used here, to judge the finding; the
tool itself does not look at it.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tomllib

ACCUSING = {"distilled", "weight_derivative", "same_model"}


def truth(models, suspect, protected):
    """What the suspect is to the protected model: `weights`, `outputs` or `none`."""
    entry = models[suspect]
    base = entry.get("base")
    if base and (base == protected or truth(models, base, protected) == "weights"):
        return "weights"
    parents = entry.get("parents", [])
    if protected in parents or any(truth(models, p, protected) != "none" for p in parents):
        return "outputs"
    if base and truth(models, base, protected) == "outputs":
        return "outputs"
    return "none"


def right(kind, finding):
    if kind == "weights":
        return finding in {"weight_derivative", "same_model"}
    if kind == "outputs":
        return finding == "distilled"
    return finding not in ACCUSING


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", type=pathlib.Path)
    parser.add_argument("protected")
    parser.add_argument("--out", default="target/family-table")
    parser.add_argument("--tier", default="standard")
    parser.add_argument("--binary", default="target/release/parentage")
    args, more = parser.parse_known_args()
    lineage = args.family / "lineage.toml"
    models = {m["id"]: m for m in tomllib.loads(lineage.read_text())["model"]}
    wrong, header = [], None
    for suspect, entry in models.items():
        if suspect == args.protected:
            continue
        run = subprocess.run(
            [args.binary, "compare", "--json", "--quiet", "--tier", args.tier, "--out", args.out,
             "--controls", lineage, "--protected", args.family / models[args.protected]["path"],
             "--suspect", args.family / entry["path"], *more],
            stdout=subprocess.PIPE, check=True)
        report = json.loads(run.stdout)
        kind = truth(models, suspect, args.protected)
        finding = report["finding"]
        if not right(kind, finding):
            wrong.append(suspect)
        pooled = report["pooled"]
        measures = report["measures"]
        if header is None:
            header = ["suspect", "truth", "finding", "pooled", "t", "p", "controls"]
            header += [m["name"] for m in measures]
            print("| " + " | ".join(header) + " |")
            print("|---|---|---" + "|---:" * (len(header) - 3) + "|")
        by_measure = " | ".join("-" if m["t"] is None else f"{m['t']:.1f}" for m in measures)
        print(f"| {suspect} | {kind} | {finding}{'' if right(kind, finding) else ' **wrong**'} "
              f"| {pooled['score']:.2f} | {pooled['t']:.1f} | {pooled['t_p']:.0e} "
              f"| {len(pooled['controls'])} | {by_measure} |", flush=True)
    print(f"\n{len(models) - 1 - len(wrong)} of {len(models) - 1} right; wrong: {', '.join(wrong) or 'none'}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
