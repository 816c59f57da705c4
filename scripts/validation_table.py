#!/usr/bin/env python3
"""The tables of models/README.md: `scripts/validation_table.py models/population/validation.json`."""

import json
import pathlib
import sys


def share(s):
    return f"{s['count']} of {s['of']}" if s else ""


def value(e):
    return f"{e['value']:.3f}" if e else ""


facts = json.loads(pathlib.Path(sys.argv[1]).read_text("utf-8"))
for a in facts["by_access"]:
    print("| condition | students found `distilled` | or `family` | innocents accused | students above the "
          "fitted threshold | innocents above it | found at 1 % false positives | AUROC | Cllr | Cllr min | "
          "innocents with LR above 10 |")
    print("|---|" + "---:|" * 10)
    for r in a["rows"]:
        print("|", " | ".join([
            r["condition"], share(r["distilled"]), share(r["family"]), share(r["accused"]), share(r["above"]),
            share(r["innocents_above"]), share(r["found_at_1_percent"]), value(r["auroc"]), value(r["cllr"]),
            value(r["cllr_min"]), share(r["misleading"][1]) if len(r["misleading"]) > 1 else "",
        ]), "|")
    print("\n| parent named | first | in the set | set of two at most | none named |")
    print("|---|" + "---:|" * 4)
    for r in a["attribution"]:
        print("|", " | ".join([f'students {r["students"]}, among {r["candidates"]}', share(r["first"]), share(r["covered"]),
                               share(r["covered_by_two"]), share(r["none"])]), "|")
    print("\n| the suspect, if innocent, ... | intercept | slope | least log10 LR | most | students | innocent models |")
    print("|---|" + "---:|" * 6)
    for f in a["calibration"]["against"]:
        print(f"| {f['against'].replace('_', ' ')} | {f['intercept']:.2f} | {f['slope']:.2f} | {f['lower']:.2f} | "
              f"{f['upper']:.2f} | {f['students']} | {f['others']} |")
