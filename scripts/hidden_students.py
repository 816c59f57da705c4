#!/usr/bin/env python3
"""Tries panels in which students of the protected model stand undeclared among the controls.

    scripts/recordings.py unpack models/confirmation/recordings.tar.xz target/recorded
    scripts/hidden_students.py target/recorded --out target/hidden

Of every source the teacher t1 is protected, its siblings t2 and t3 are alternatives, and four full-dose students and four
innocents are suspects. Of 24 controls, 0, 1, 2 and 4 are other students of t1 that nothing declares; the others are
drawn by SHA-256 from all innocent models. Prints a row a number of hidden students, and a line for each that was not
left out of the panel.
"""
import argparse
import collections
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tomllib

POPULATION = pathlib.Path(__file__).resolve().parent.parent / "models" / "confirmation"
CONTROLS, HIDDEN = 24, (0, 1, 2, 4)
SUSPECTS = ("logits-of-t1", "text-of-t1", "scratch-of-t1", "cross-of-t1")
INNOCENTS = ("real-1", "logits-of-t2", "text-of-t2", "t2")
# What hides: students at full dose first, then weaker ones.
HIDES = ("logits-of-t1", "text-of-t1", "scratch-of-t1", "cross-of-t1", "dose-50-of-t1", "para-of-t1")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("target/hidden"))
    parser.add_argument("--binary", type=pathlib.Path, default=pathlib.Path("target/release/parentage"))
    args = parser.parse_args()
    lineage = {m["id"]: m for m in tomllib.loads((POPULATION / "lineage.toml").read_text())["model"]}
    sources = tomllib.loads((POPULATION / "split.toml").read_text())["test"]

    def descends(model, ancestor):
        entry = lineage[model]
        above = [*entry.get("parents", []), *([entry["base"]] if "base" in entry else [])]
        return any(a == ancestor or a in lineage and descends(a, ancestor) for a in above)

    findings = collections.defaultdict(collections.Counter)
    left, stayed = collections.Counter(), []
    for source in sources:
        teacher = f"{source}-t1"
        siblings = [f"{source}-t2", f"{source}-t3"]
        innocent = [
            m for m in lineage
            if m != teacher and not descends(m, teacher) and not descends(teacher, m) and m not in siblings
        ]
        for kind, names in (("student", SUSPECTS), ("innocent", INNOCENTS)):
            for name in names:
                suspect = f"{source}-{name}"
                if suspect not in lineage:
                    continue
                place = lambda m: hashlib.sha256(f"{suspect} {m}".encode()).hexdigest()
                drawn = sorted((m for m in innocent if m != suspect and not descends(m, suspect)), key=place)
                hides = [f"{source}-{h}" for h in HIDES if f"{source}-{h}" in lineage and f"{source}-{h}" != suspect]
                for count in HIDDEN:
                    hidden = hides[:count]
                    controls = drawn[: CONTROLS - count] + hidden
                    command = [str(args.binary.resolve()), "compare", "--protected", teacher, "--suspect", suspect]
                    for alternative in (s for s in siblings if s != suspect):
                        command += ["--alternative", alternative]
                    for control in controls:
                        command += ["--control", control]
                    out = args.out.resolve()
                    command += ["-q", "--json", "--out", str(out)]
                    done = subprocess.run(command, cwd=args.recordings, capture_output=True, text=True)
                    # A case holds the answers of all its models.
                    shutil.rmtree(out, ignore_errors=True)
                    if not done.stdout:
                        sys.exit(done.stderr)
                    report = json.loads(done.stdout)
                    findings[kind, count][report["finding"]] += 1
                    caveats = json.dumps([c for c in report["caveats"] if c["code"] == "screened"])
                    found = {h for h in hidden if f"{h} " in caveats}
                    left[count] += len(found)
                    stayed += [(suspect, count, h) for h in hidden if h not in found]
    for kind in ("student", "innocent"):
        for count in HIDDEN:
            print(f"{kind}, {count} hidden among {CONTROLS} controls: {dict(findings[kind, count])}")
    for count in HIDDEN[1:]:
        kept = sum(1 for _, c, _ in stayed if c == count)
        print(f"{count} hidden: {left[count]} found and left out, {kept} not")
    for suspect, count, hidden in stayed:
        print(f"  {hidden} stayed among {count} with suspect {suspect}")


if __name__ == "__main__":
    main()
