#!/usr/bin/env python3
"""The tables of docs/validation-conditions.md: `scripts/validation_table.py models/confirmation/validation.json`.

Full access in full, then the other accesses side by side, then attribution and calibration of each.
"""

import json
import pathlib
import sys

NAMES = {"scored": "full access", "top": "top tokens", "text": "text alone"}


def share(s):
    return f"{s['count']} of {s['of']}" if s else ""


def value(e):
    return f"{e['value']:.3f}" if e else ""


def misled(row):
    return share(row["misleading"][1]) if len(row["misleading"]) > 1 else ""


def table(head, rows):
    print("|", " | ".join(head), "|")
    print("|---|" + "---:|" * (len(head) - 1))
    for row in rows:
        print("|", " | ".join(row), "|")
    print()


def main():
    facts = json.loads(pathlib.Path(sys.argv[1]).read_text("utf-8"))
    by_access = {NAMES[a["calibration"]["access"]]: a for a in facts["by_access"]}
    table(["condition", "students found `distilled`", "or `family`", "innocents accused",
           "students above the fitted threshold", "innocents above it", "found at 1 % false positives", "AUROC",
           "Cllr", "Cllr min", "innocents with LR above 10"],
          [[r["condition"], share(r["distilled"]), share(r["family"]), share(r["accused"]), share(r["above"]),
            share(r["innocents_above"]), share(r["found_at_1_percent"]), value(r["auroc"]), value(r["cllr"]),
            value(r["cllr_min"]), misled(r)] for r in by_access["full access"]["rows"]])
    less = {name: a for name, a in by_access.items() if name != "full access"}
    columns = ["`distilled`", "innocents accused", "at 1 % false positives", "AUROC", "Cllr", "LR above 10"]
    cells = {}
    for name, a in less.items():
        for r in a["rows"]:
            cells.setdefault(r["condition"], {})[name] = [
                share(r["distilled"]), share(r["accused"]), share(r["found_at_1_percent"]), value(r["auroc"]),
                value(r["cllr"]), misled(r)]
    table(["condition"] + [f"{name}: {c}" for name in less for c in columns],
          [[condition] + [c for name in less for c in of.get(name, [""] * len(columns))]
           for condition, of in cells.items()])
    table(["parent named", "first", "in the set", "set of two at most", "none named"],
          [[f"{name}: students {r['students']}, among {r['candidates']}", share(r["first"]), share(r["covered"]),
            share(r["covered_by_two"]), share(r["none"])] for name, a in by_access.items() for r in a["attribution"]])
    table(["the suspect, if innocent, ...", "intercept", "slope", "least log10 LR", "most", "students",
           "innocent models"],
          [[f"{name}: {f['against'].replace('_', ' ')}", f"{f['intercept']:.2f}", f"{f['slope']:.2f}",
            f"{f['lower']:.2f}", f"{f['upper']:.2f}", str(f["students"]), str(f["others"])]
           for name, a in by_access.items() for f in a["calibration"]["against"]])


main()
