#!/usr/bin/env python3
"""Kills, full disks and torn copies: whatever is done to a run, running it again gives what an undisturbed one gives.

    scripts/kill.py                            # 1,000 faults by a seed of the clock, which is printed
    scripts/kill.py --faults 40 --seed 7

For collect, compare, import, seal and redact an undisturbed run is made first. Then each fault is drawn: SIGKILL at a random
moment, a full disk (no file may grow beyond a random size, RLIMIT_FSIZE), or a torn copy (a file in the output is cut at a
random place, as a power cut leaves it, after a kill). The same command is run again, up to three times; it must succeed
within 30 seconds, and every file must be the one of the undisturbed run: nothing lost, doubled or stuck. A torn file
whose damage is told (the run ends with an error that names it or its directory) counts as told, not as a fault: it cannot be
known what stood there. Needs ssh-keygen and Python 3.9.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

FAMILY = "models/family"
BATTERY = "tests/data/bundle-battery.toml"
CONTROLS = ("kjv-1", "foldoc-1", "wordnet-1", "foldoc-b", "kjv-b")
# The longest that a run may take, in seconds.
LONGEST = 30


class Stage:
    """A command, what it begins with, and what it leaves."""

    def __init__(self, name, command, before=None, output="out", tears=False):
        self.name, self.command, self.before, self.output, self.tears = name, command, before, output, tears

    def begin(self, place):
        """An empty place, or what stands there before the command."""
        if self.before:
            shutil.copytree(self.before, place, dirs_exist_ok=True)


def run(binary, place, stage, limit=None, moment=None):
    """Runs a command in a place; gives its exit code, or None if it was killed, and what it said."""

    def limited():
        if limit is not None:
            # What would be the signal becomes an error of the write, as on a full disk.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [binary, *[str(part).replace("{place}", str(place)) for part in stage.command]]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                               preexec_fn=limited, env={**os.environ, "RAYON_NUM_THREADS": "2"})
    try:
        _, said = process.communicate(timeout=moment if moment is not None else LONGEST)
        return process.returncode, said.decode(errors="replace")
    except subprocess.TimeoutExpired:
        process.kill()
        _, said = process.communicate()
        return None, said.decode(errors="replace")


def tree(root):
    """Every file that counts, by name: not locks, and not the parts of what was not finished."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            found[str(path.relative_to(root))] = path.read_bytes()
    return found


def tear(root, r):
    """Cuts a file at a random place; gives its name, or None if there is none."""
    names = [name for name, data in tree(root).items() if data]
    if not names:
        return None
    name = r.choice(names)
    with open(root / name, "r+b") as file:
        file.truncate(r.randrange(file.seek(0, 2)))
    return name


def prepare(binary, work):
    """The stages, each with what an undisturbed run leaves."""
    answers = work / "answers.jsonl"
    answers.write_text("".join(
        f'{{"model":"m{m}","prompt":"Question {p}?","answer":"Answer {p} of {m}, in {m + p} words."}}\n'
        for m in range(4) for p in range(40)))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(work / "key")], check=True)
    compare = ["compare", "-q", "--samples", "1", "--battery", BATTERY, "--out", "{place}/out", "--protected",
               f"{FAMILY}/teacher", "--suspect", f"{FAMILY}/student-text"]
    for control in CONTROLS:
        compare += ["--control", f"{FAMILY}/{control}"]
    collect = ["collect", f"{FAMILY}/teacher", "-q", "--samples", "2", "--tier", "quick", "--out", "{place}/out"]
    stages = [
        Stage("collect", collect, tears=True),
        Stage("compare", compare, tears=True),
        Stage("import", ["import", answers, "--format", "jsonl", "-q", "--out", "{place}/out"], tears=True),
    ]
    wholes = {}
    for stage in stages:
        wholes[stage.name] = undisturbed(binary, work, stage)
    case, = (work / "compare" / "out" / "cases").iterdir()
    bare = work / "bare"
    shutil.copytree(case, bare / "out")
    seal = Stage("seal", ["seal", "{place}/out", "--key", work / "key"], before=bare)
    wholes["seal"] = undisturbed(binary, work, seal)
    sealed = work / "sealed"
    shutil.copytree(work / "seal" / "out", sealed / "bundle")
    redact = Stage("redact", ["redact", "{place}/bundle", "--probe", "small-3", "--reason", "r", "--out", "{place}/out"],
                   before=sealed)
    wholes["redact"] = undisturbed(binary, work, redact)
    return [*stages, seal, redact], wholes


def undisturbed(binary, work, stage):
    """Runs a stage as it should be; gives what it leaves and how long it took."""
    place = work / stage.name
    place.mkdir(parents=True)
    stage.begin(place)
    begun = time.monotonic()
    code, said = run(binary, place, stage)
    if code != 0:
        raise SystemExit(f"{stage.name}: {code}\n{said}")
    return tree(place / stage.output), time.monotonic() - begun


def differs(stage, found, whole):
    """What differs between what was left and what should be there, or None."""
    if stage.name == "seal":
        # A seal draws its secret anew: what it signs is checked below.
        return None
    if stage.name == "compare":
        # The log of a run that was disturbed tells of it, and the report has the log's head.
        keep = {name: data for name, data in found.items() if name.startswith("recordings/")}
        whole = {name: data for name, data in whole.items() if name.startswith("recordings/")}
    else:
        keep = found
    keep, whole = undated(keep), undated(whole)
    if keep == whole:
        return None
    names = sorted(name for name in keep.keys() | whole.keys() if keep.get(name) != whole.get(name))
    return f"other than in an undisturbed run: {', '.join(names[:5])}"


def undated(found):
    """The files without when answers came; a recording whose chain is broken stays as it is, and so is another."""
    return {name: answers(found, name) if name.endswith("answers.jsonl") else data for name, data in found.items()}


def answers(found, name):
    """The records of a recording without their dates and their chain, once that was followed."""
    before = found.get(name.removesuffix("answers.jsonl") + "recording.json", b"")
    records = []
    for line in found[name].splitlines():
        record = json.loads(line)
        if record.pop("previous") != hashlib.sha256(before).hexdigest():
            return found[name]
        record.pop("at", None)
        records.append(record)
        before = line
    return records


def verified(binary, place, stage):
    """What `verify` says of what was left, or None if it holds."""
    if stage.name == "compare":
        bundles = list((place / "out" / "cases").iterdir())
        if len(bundles) != 1:
            return f"{len(bundles)} cases"
        bundle, expected = bundles[0], 0
    elif stage.name in ("seal", "redact"):
        bundle, expected = place / "out", 0 if stage.name == "seal" else 5
    else:
        return None
    done = subprocess.run([binary, "verify", bundle], capture_output=True, stdin=subprocess.DEVNULL, timeout=LONGEST)
    if done.returncode == expected:
        return None
    return f"verify ends with {done.returncode}: {done.stderr.decode(errors='replace')}"


def disturb(binary, place, stage, whole, took, r):
    """Does one fault; gives its kind and the file that was torn, if any."""
    kind = r.choice(["kill", "kill", "full disk", "torn copy"] if stage.tears else ["kill", "kill", "full disk"])
    if kind == "full disk":
        largest = max(len(data) for data in whole.values())
        run(binary, place, stage, limit=r.randrange(largest + 1))
        return kind, None
    run(binary, place, stage, moment=r.uniform(0, 1.05 * took))
    return kind, tear(place / stage.output, r) if kind == "torn copy" else None


def recover(binary, place, stage, whole, torn):
    """Runs the command again; gives None if all is as it should be, 'told' if damage is told, or what is wrong."""
    for attempt in range(3):
        code, said = run(binary, place, stage)
        if code == 0:
            break
        if code is None:
            return f"does not end within {LONGEST} s"
        if torn and any(part in said for part in pathlib.Path(torn).parts):
            return "told"
        if stage.name == "seal" and "is sealed already" in said:
            # The fault came when all was done.
            break
        if stage.name == "redact" and "out" in said and attempt == 0:
            # It writes where nothing is: what a kill left is removed by who runs it again.
            shutil.rmtree(place / "out", ignore_errors=True)
            continue
    else:
        return f"does not recover: {code} {said}"
    found = tree(place / stage.output)
    return differs(stage, found, whole) or verified(binary, place, stage)


def main():
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--binary", default=f"{target}/release/parentage")
    parser.add_argument("--keep", type=pathlib.Path, help="keep what a fault left below this directory")
    arguments = parser.parse_args()
    seed = time.time_ns() % 1_000_000_000 if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    r = random.Random(seed)
    done, told, faults = collections.Counter(), 0, 0
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        stages, wholes = prepare(arguments.binary, work)
        for number in range(arguments.faults):
            stage = r.choice(stages)
            whole, took = wholes[stage.name]
            place = work / "disturbed"
            place.mkdir()
            stage.begin(place)
            kind, torn = disturb(arguments.binary, place, stage, whole, took, r)
            found = recover(arguments.binary, place, stage, whole, torn)
            done[stage.name, kind] += 1
            if found == "told":
                told += 1
            elif found:
                faults += 1
                print(f"FAULT {number}: {kind} of {stage.name}{f' ({torn})' if torn else ''}: {found}", flush=True)
                if arguments.keep:
                    shutil.copytree(place, arguments.keep / str(number), dirs_exist_ok=True)
            shutil.rmtree(place)
    for (stage, kind), count in sorted(done.items()):
        print(f"  {stage}, {kind}: {count}")
    print(f"{sum(done.values())} faults: {told} told of what was torn, {faults} not recovered from")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
