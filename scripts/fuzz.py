#!/usr/bin/env python3
"""Throws damaged inputs at everything that reads from outside, one target after the other.

    cargo build --release --features hub,pdf,llamacpp --example fuzz     # `cargo test` builds it as well
    scripts/fuzz.py                     # every target for 60 seconds
    scripts/fuzz.py --seconds 600 --jobs 2 gguf bundle
    scripts/fuzz.py --check             # that a panic, a hang and hunger are noticed

A target fails on a panic, an abort, an input that takes longer than 10 seconds of the processor's time (or a minute), or more than 1 GB of memory. What it was
given is then kept under --work as TARGET-SEED, and `fuzz TARGET --replay DIR` runs it again. Every run begins to draw
at --seed; without it a seed is taken from the clock and printed.
"""

import argparse
import concurrent.futures
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import time

TARGETS = [
    "gguf", "safetensors", "config", "tokenizer", "template", "reply", "import", "lineage", "battery", "recording",
    "bundle", "redacted",
]
# What must be noticed, with words of the error.
CHECKS = {"panics": "panics", "hangs": "longer than 10 s", "grows": "more than 1 GB"}
# Address space: more is a fault at once, before the machine suffers.
MOST = 8 << 30


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (MOST, MOST))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)


def run(arguments, target):
    """Runs one target; gives its exit code and what it said."""
    work = arguments.work / target
    command = [arguments.binary, target, "--seconds", str(arguments.seconds), "--seed", str(arguments.seed),
               "--work", str(work)]
    environment = {**os.environ, "RAYON_NUM_THREADS": "1", "RUST_BACKTRACE": "1"}
    # An input may take 10 seconds, and the watch of the program may itself be stuck.
    patience = arguments.seconds + 120
    try:
        done = subprocess.run(command, preexec_fn=limited, env=environment, capture_output=True, timeout=patience)
    except subprocess.TimeoutExpired:
        return 124, f"{target}: did not end within {patience} s"
    said = (done.stdout + done.stderr).decode(errors="backslashreplace").strip()
    if done.returncode != 0 and target not in CHECKS:
        kept = arguments.work / f"{target}-{arguments.seed}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(work / "input", kept)
        said = f"{target}: FAULT (exit code {done.returncode}), kept in {kept}\n{said}"
    shutil.rmtree(work, ignore_errors=True)
    return done.returncode, said


def check(arguments):
    """Whether each kind of fault is noticed."""
    arguments.seconds = 2
    missed = 0
    for target, words in CHECKS.items():
        code, said = run(arguments, target)
        noticed = code != 0 and words in said
        missed += not noticed
        print(f"{target}: {'noticed' if noticed else 'NOT NOTICED'}")
    return missed


def main():
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", default=TARGETS, help="targets; all without")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--binary", default=f"{target}/release/examples/fuzz")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path(target) / "fuzz")
    parser.add_argument("--check", action="store_true", help="see that each kind of fault is noticed")
    arguments = parser.parse_args()
    if arguments.seed is None:
        arguments.seed = time.time_ns() % 1_000_000_000
    print(f"seed {arguments.seed}", flush=True)
    if arguments.check:
        return 1 if check(arguments) else 0
    faults = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for code, said in pool.map(lambda target: run(arguments, target), arguments.targets or TARGETS):
            faults += code != 0
            print(said, flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
