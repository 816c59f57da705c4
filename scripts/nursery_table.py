"""Prints the table of a family for docs/shipped-family.md: `nursery_table.py models/family`."""

import json
import sys
import tomllib
from pathlib import Path

family = Path(sys.argv[1])
lineage = tomllib.loads((family / "lineage.toml").read_text("utf-8"))


def shown(value, form):
    return "" if value is None else format(value, form)


print("| id | kind | base | parents | data | seed | steps | train | held out | KB | CPU min |")
print("|---|---|---|---|---|---:|---:|---:|---:|---:|---:|")
size, minutes = 0, 0.0
for model in lineage["model"]:
    directory = family / model["id"]
    training = json.loads((directory / "training.json").read_text("utf-8"))
    here = sum(file.stat().st_size for file in directory.iterdir())
    spent = (training["cpu_seconds"] or 0.0) / 60
    size, minutes = size + here, minutes + spent
    print("|", " | ".join([
        model["id"], model["kind"], model.get("base", ""), ", ".join(model.get("parents", [])),
        ", ".join(model.get("data", [])), shown(training["seed"], "d"),
        shown(training["steps"], "d"), shown(training["train_loss"], ".3f"),
        shown(training["held_out_loss"], ".3f"), f"{here / 1000:.0f}", f"{spent:.2f}",
    ]), "|")
print(f"\nIn all {len(lineage['model'])} models, {size / 1e6:.1f} MB, {minutes:.0f} CPU minutes.")
