#!/usr/bin/env python3
"""Screens the models of models/public-answers against every house and holds the rows against what is declared.

    python3 scripts/public_answers.py alpaca_eval --out target/public-answers    # writes the recordings
    python3 scripts/screen_public.py target/public-answers/imported

Prints the time and memory of the one command, where the declared students stand, and, house by house, how often pairs that
are declared innocent have a p or q below a level. Nothing of a screening is fitted on a house, so each is a house left out;
the constants of the measures were looked for on these houses, though (docs/validation.md). With --undeclared, students
are not declared to the screening: it has to find them among the controls.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import time
import tomllib

POPULATION = pathlib.Path(__file__).resolve().parent.parent / "models" / "public-answers"
LEVELS = [0.001, 0.01, 0.05, 0.1, 0.2]


def lineage(recordings, out, undeclared):
    """The population's lineage file with the places of the recordings."""
    models = tomllib.loads((POPULATION / "lineage.toml").read_text())["model"]
    lines = ["schema = 1", 'name = "public-answers"']
    for model in models:
        entry = {key: model[key] for key in ("id", "kind", "group", "family") if key in model}
        entry["path"] = str((recordings / model["path"]).resolve())
        if not undeclared:
            entry |= {key: model[key] for key in ("base", "parents") if key in model}
        lines += ["[[model]]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items())]
    out.mkdir(parents=True, exist_ok=True)
    path = out / "lineage.toml"
    path.write_text("\n".join(lines) + "\n")
    return path, {model["id"]: model for model in models}


def relation(models, suspect, house):
    """What a suspect is to a house by what is declared, as in src/population/houses.rs."""
    of = models[suspect]
    teachers = [models[parent] for parent in of.get("parents", [])]
    makers = {m.get("family") for m in models.values() if m.get("group") == house}
    student = of["kind"].startswith("student")
    if student and any(t.get("group") == house for t in teachers):
        return "student"
    if of["kind"] == "innocent" or student and makers.isdisjoint({t.get("family") for t in teachers}):
        return "innocent"
    return "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("target/screen-public"))
    parser.add_argument("--binary", default="target/release/parentage")
    parser.add_argument("--undeclared", action="store_true", help="do not declare students")
    args = parser.parse_args()
    path, models = lineage(args.recordings, args.out, args.undeclared)
    begun = time.monotonic()
    command = [args.binary, "screen", "--houses", "--suspects", path, "--out", args.out, "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{time.monotonic() - begun:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of processor time, "
          f"{used.ru_maxrss / 1e6:.2f} GB at the most")

    screening = json.loads((args.out / "screen.json").read_text())
    rows = screening["rows"]
    for row in rows:
        row["relation"] = relation(models, row["suspect"], row["protected"])
    print(f"{screening['suspects']} suspects, {screening['tested']} pairs tested, the null fitted {screening['rounds']} "
          f"times, {sum(r['found'] for r in rows)} found, {len(screening['aside'])} left aside")
    students = [place for place, row in enumerate(rows, 1) if row["relation"] == "student"]
    print(f"declared students stand at {students} of {len(rows)}")
    for row in rows[:20]:
        print(f"  {row['suspect']:42} {row['protected']:12} {row['finding']:12} found={row['found']} "
              f"p={row['p']:.1e} q={row['q']:.1e} {row['relation']}")
    print("share of declared innocents with p at most", LEVELS, "and with q at most", LEVELS)
    for house in [p["name"] for p in screening["protected"]] + ["all"]:
        of = [r for r in rows if r["relation"] == "innocent" and house in (r["protected"], "all") and r["p"] is not None]
        shares = [[sum(r[key] <= level for r in of) / max(len(of), 1) for level in LEVELS] for key in ("p", "q")]
        print(f"  {house:12} {len(of):4}", *(" ".join(f"{share:.3f}" for share in by) for by in shares), sep="  ")


if __name__ == "__main__":
    main()
