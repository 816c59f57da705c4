#!/usr/bin/env python3
"""Compares every model of a family with a protected one of it, and says where the finding is wrong.

    cargo build --release
    scripts/family_table.py models/family teacher [--out DIR] [--tier standard] [--binary PATH] [--keep]
        [FLAG...]

Flags that this script does not know (`--access text`, `--repeats 32`) go to `parentage compare`. Prints a Markdown
table and ends with exit code 1 if a true student is not `distilled`, a model made from the protected one's weights is
neither `weight_derivative` nor `same_model`, or an innocent model is any of the three. With `--family` the question is
about the protected model's group, whose members are no suspects: a student of any member is to be `family` or
`distilled` with its true parent among those that cannot be excluded, and a last column has these. What the lineage file
says of a suspect is used here, to judge the finding; the tool itself does not look at it. A case is removed once its
report was read, unless it was there before or `--keep` says otherwise.
"""

import argparse
import glob
import json
import pathlib
import shutil
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


def right_of_group(parents, finding, left):
    """Whether a group's finding is right of a suspect with these parents in it, these not being excluded."""
    accused = finding in ACCUSING or finding == "family"
    return accused == bool(parents) and (not left or not parents or bool(parents & set(left)))


def cases(out, suspect):
    """The cases about a suspect, which are named by the last part of its path and a digest."""
    return set(pathlib.Path(out, "cases").glob(f"{glob.escape(pathlib.Path(suspect).name)}-????????"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", type=pathlib.Path)
    parser.add_argument("protected")
    parser.add_argument("--out", default="target/family-table")
    parser.add_argument("--tier", default="standard")
    parser.add_argument("--binary", default="target/release/parentage")
    parser.add_argument("--keep", action="store_true", help="keep the cases, about 70 MB each")
    args, more = parser.parse_known_args()
    lineage = args.family / "lineage.toml"
    models = {m["id"]: m for m in tomllib.loads(lineage.read_text())["model"]}
    of_group = "--family" in more
    group = [args.protected]
    if of_group:
        group = [i for i, m in models.items() if m.get("group") == models[args.protected]["group"]]
    wrong, header = [], None
    suspects = {suspect: entry for suspect, entry in models.items() if suspect not in group}
    for suspect, entry in suspects.items():
        before = cases(args.out, entry["path"])
        run = subprocess.run(
            [args.binary, "compare", "--json", "--quiet", "--tier", args.tier, "--out", args.out,
             "--controls", lineage, "--protected", args.family / models[args.protected]["path"],
             "--suspect", args.family / entry["path"], *more],
            stdout=subprocess.PIPE, check=True)
        report = json.loads(run.stdout)
        for case in () if args.keep else cases(args.out, entry["path"]) - before:
            shutil.rmtree(case)
        kinds = {member: truth(models, suspect, member) for member in group}
        kinds = {member: kind for member, kind in kinds.items() if kind != "none"}
        kind = next(iter(kinds.values()), "none")
        finding = report["finding"]
        left = report["group"]["not_excluded"] if report["group"] else []
        left = [args.protected if name == "protected" else name for name in left]
        is_right = right_of_group(kinds.keys(), finding, left) if of_group else right(kind, finding)
        if not is_right:
            wrong.append(suspect)
        pooled = report["pooled"]
        measures = report["measures"]
        if header is None:
            header = ["suspect", "truth", "finding", "pooled", "t", "p", "controls"]
            header += [m["name"] for m in measures] + (["cannot exclude"] if of_group else [])
            print("| " + " | ".join(header) + " |")
            print("|---|---|---" + "|---:" * (len(header) - 3) + "|")
        shown = f" {', '.join(left)} |" if of_group else ""
        by_measure = " | ".join("-" if m["t"] is None else f"{m['t']:.1f}" for m in measures)
        print(f"| {suspect} | {kind} | {finding}{'' if is_right else ' **wrong**'} "
              f"| {pooled['score']:.2f} | {pooled['t']:.1f} | {pooled['t_p']:.0e} "
              f"| {len(pooled['controls'])} | {by_measure} |{shown}", flush=True)
    print(f"\n{len(suspects) - len(wrong)} of {len(suspects)} right; wrong: {', '.join(wrong) or 'none'}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
