#!/usr/bin/env python3
"""Changes a sealed bundle and a redacted copy of it in every way that somebody without the key could, and has each refused.

    scripts/mutate_bundle.py                          # 1,000 changes by a seed of the clock, which is printed
    scripts/mutate_bundle.py --changes 60 --seed 7

A comparison of the shipped family is made, sealed and redacted first. Each change is of a kind drawn at random, of a file
drawn at random; `parentage verify --signer` must end with exit code 6 and name the step and the file (or a manifest). What
is not refused is either listed in ALLOWED, with the reason, or a fault. Needs ssh-keygen and Python 3.9.
"""

import argparse
import collections
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata

REFUSED = 6
# The longest that a check may take, in seconds.
LONGEST = 10
# What an untouched one ends with.
HOLDS = {"whole": 0, "redacted": 5}
MANIFESTS = ("manifest-sha256.txt", "tagmanifest-sha256.txt")
# Kinds that change nothing a bundle says: BagIt covers names and bytes, and nothing else travels with a copy.
ALLOWED = {
    "permissions": "who may read a file is of the machine that it lies on; archives and copies change it",
    "times": "the time of a file is of the machine that it lies on; the log has the order of events",
    "hard link": "the same bytes under the same name",
}


def lines_of(data):
    return data.split(b"\n")


def text_kinds():
    """Changes of the bytes of a file: each gives other bytes, or None if the file has no place for it."""

    def bit(data, r):
        at = r.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << r.randrange(8)]) + data[at + 1:]

    def byte(data, r):
        at = r.randrange(len(data))
        return data[:at] + bytes([(data[at] + r.randrange(1, 256)) % 256]) + data[at + 1:]

    def inserted(data, r):
        at = r.randrange(len(data) + 1)
        return data[:at] + bytes([r.randrange(256)]) + data[at:]

    def removed(data, r):
        at = r.randrange(len(data))
        return data[:at] + data[at + 1:]

    def line_trailing(data, r):
        lines = lines_of(data)
        lines[r.randrange(len(lines))] += b" "
        return b"\n".join(lines)

    def line_twice(data, r):
        lines = lines_of(data)
        at = r.randrange(len(lines))
        return b"\n".join(lines[:at + 1] + lines[at:])

    def line_lost(data, r):
        lines = lines_of(data)
        at = r.randrange(len(lines))
        return b"\n".join(lines[:at] + lines[at + 1:])

    def line_swapped(data, r):
        lines = lines_of(data)
        a, b = r.randrange(len(lines)), r.randrange(len(lines))
        lines[a], lines[b] = lines[b], lines[a]
        return b"\n".join(lines)

    def at_match(pattern, change):
        def kind(data, r):
            found = list(re.finditer(pattern, data))
            if not found:
                return None
            match = r.choice(found)
            return data[:match.start()] + change(match.group(), r) + data[match.end():]
        return kind

    def digit(old, r):
        return b"%d" % r.choice([n for n in range(10) if n != int(old)])

    def normal_form(data, r):
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return None
        forms = [unicodedata.normalize(form, text).encode() for form in ("NFC", "NFD", "NFKC", "NFKD")]
        forms = [form for form in forms if form != data]
        return r.choice(forms) if forms else None

    escape = at_match(rb"[a-z](?=[a-z]*\":)", lambda old, r: b"\\u%04x" % ord(old))
    return {
        "bit flipped": bit,
        "byte changed": byte,
        "byte inserted": inserted,
        "byte removed": removed,
        "truncated": lambda data, r: data[:r.randrange(len(data))],
        "emptied": lambda data, r: b"",
        "line feed appended": lambda data, r: data + b"\n",
        "zero appended": lambda data, r: data + b"\0",
        "last byte removed": lambda data, r: data[:-1],
        "byte order mark": lambda data, r: b"\xef\xbb\xbf" + data,
        "line ends of DOS": lambda data, r: data.replace(b"\n", b"\r\n"),
        "trailing space": line_trailing,
        "line twice": line_twice,
        "line lost": line_lost,
        "lines swapped": line_swapped,
        "digit changed": at_match(rb"\d", digit),
        "case changed": at_match(rb"[A-Za-z]", lambda old, r: old.swapcase()),
        "form of a number": at_match(rb"(?<=[:\[, ])\d+(?=[,}\]\n])", lambda old, r: old + r.choice([b".0", b"e0"])),
        "key twice": at_match(rb'"[a-z_]+":\s*"[^"\\]*"', lambda old, r: old + b"," + old),
        "keys reordered": at_match(
            rb'"[a-z_]+":\s*"[^"\\]*",\s*"[a-z_]+":\s*"[^"\\]*"',
            lambda old, r: b",".join(reversed(re.findall(rb'"[a-z_]+":\s*"[^"\\]*"', old)))),
        "white space": at_match(rb"[:,{\[]", lambda old, r: old + r.choice([b" ", b"\t", b"\n"])),
        "escape of a letter": escape,
        "form of Unicode": normal_form,
    }


def tree_kinds():
    """Changes of what lies where: each is done on disk and gives the names that an error may tell, or None."""

    def lost(root, name, r):
        (root / name).unlink()
        return [name]

    def renamed(root, name, r):
        to = name + r.choice([".bak", "x", "~", "2"])
        (root / name).rename(root / to)
        return [name, to]

    def other_case(root, name, r):
        to = name[:-1] + name[-1].swapcase()
        if to == name or (root / to).exists():
            return None
        (root / name).rename(root / to)
        return [name, to]

    def exchanged(root, name, r):
        other = r.choice(files(root))
        a, b = (root / name).read_bytes(), (root / other).read_bytes()
        if a == b:
            return None
        (root / name).write_bytes(b)
        (root / other).write_bytes(a)
        return [name, other]

    def link(root, name, r):
        aside = root.parent / "aside"
        (root / name).rename(aside)
        (root / name).symlink_to(aside)
        return [name]

    def hard(root, name, r):
        aside = root.parent / "aside"
        (root / name).rename(aside)
        os.link(aside, root / name)
        return [name]

    def pipe(root, name, r):
        (root / name).unlink()
        os.mkfifo(root / name)
        return [name]

    def directory(root, name, r):
        (root / name).unlink()
        (root / name).mkdir()
        return [name]

    def added(root, name, r):
        at = (root / name).parent / r.choice(["extra", "extra.json", ".hidden", "fetch.txt", "a b", "-rf", "\u202ex"])
        if at.exists():
            return None
        at.write_bytes(b"x")
        # What cannot be shown is told by its number.
        return [str(at.relative_to(root)), "extra", ".hidden", "fetch.txt", "a b", "-rf", "202E"]

    def empty_directory(root, name, r):
        at = (root / name).parent / r.choice(["extra", "data2", "d"])
        at.mkdir()
        return [str(at.relative_to(root))]

    def hole(root, name, r):
        with open(root / name, "r+b") as file:
            file.truncate(r.choice([10**10, 2**40]))
        return [name]

    def unsealed(root, name, r):
        for seal in root.rglob("tagmanifest-sha256.txt.sig"):
            seal.unlink()
        return ["signature", "tagmanifest-sha256.txt.sig"]

    def permissions(root, name, r):
        os.chmod(root / name, r.choice([0o400, 0o600, 0o755, 0o777]))
        return [name]

    def times(root, name, r):
        os.utime(root / name, (1, 1))
        return [name]

    return {
        "file lost": lost, "file renamed": renamed, "name in another case": other_case, "files exchanged": exchanged,
        "symbolic link": link, "hard link": hard, "pipe": pipe, "directory instead": directory, "file added": added,
        "empty directory": empty_directory, "hole": hole, "seal removed": unsealed, "permissions": permissions,
        "times": times,
    }


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def parentage(binary, *arguments, expect=0):
    done = subprocess.run([binary, *map(str, arguments)], capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
    if done.returncode != expect:
        raise SystemExit(f"parentage {' '.join(map(str, arguments))}: {done.returncode}\n{done.stderr.decode()}")


def prepare(binary, work):
    """A sealed bundle and a redacted copy of it, with the public key."""
    family = "models/family"
    arguments = ["compare", "-q", "--samples", "1", "--battery", "tests/data/bundle-battery.toml", "--out", work / "out",
                 "--protected", f"{family}/teacher", "--suspect", f"{family}/student-text"]
    for control in ("kjv-1", "foldoc-1", "wordnet-1", "foldoc-b", "kjv-b"):
        arguments += ["--control", f"{family}/{control}"]
    parentage(binary, *arguments)
    whole, = (work / "out" / "cases").iterdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(work / "key")], check=True)
    parentage(binary, "seal", whole, "--key", work / "key")
    redacted = work / "redacted"
    parentage(binary, "redact", whole, "--probe", "small-3", "--reason", "privileged", "--out", redacted)
    return {"whole": whole, "redacted": redacted}, work / "key.pub"


def mutate(root, name, kind, r):
    """Does a change; gives the names that an error may tell, or None if the file has no place for it."""
    text, tree = text_kinds(), tree_kinds()
    if kind in tree:
        return tree[kind](root, name, r)
    data = (root / name).read_bytes()
    changed = text[kind](data, r) if data else None
    if changed is None or changed == data:
        return None
    (root / name).write_bytes(changed)
    return [name]


def judge(binary, root, key, which, kind, names):
    """None if the change is refused as it should be, or allowed; otherwise what is wrong."""
    command = [binary, "verify", root, "--signer", key]
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return f"does not end within {LONGEST} s"
    said = (done.stdout + done.stderr).decode(errors="replace")
    if kind in ALLOWED:
        return None if done.returncode == HOLDS[which] else f"allowed, but ends with {done.returncode}: {said}"
    if done.returncode != REFUSED:
        return f"ends with {done.returncode}: {said}"
    error = said[said.find("error:"):]
    if not re.search(r"step \d", error):
        return f"names no step: {error}"
    if not any(name in error for name in (*names, *MANIFESTS)):
        return f"names none of {names}: {error}"
    return None


def main():
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--binary", default=f"{target}/release/parentage")
    arguments = parser.parse_args()
    seed = time.time_ns() % 1_000_000_000 if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    r = random.Random(seed)
    kinds = [*text_kinds(), *tree_kinds()]
    done, faults = collections.Counter(), 0
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        bundles, key = prepare(arguments.binary, place)
        while sum(done.values()) < arguments.changes:
            which, kind = r.choice(list(bundles)), r.choice(kinds)
            name = r.choice(files(bundles[which]))
            root = place / "changed"
            shutil.copytree(bundles[which], root)
            names = mutate(root, name, kind, r)
            if names is not None:
                wrong = judge(arguments.binary, root, key, which, kind, names)
                done[kind] += 1
                if wrong:
                    faults += 1
                    print(f"FAULT: {kind} of {name} in the {which} one {wrong}", flush=True)
            shutil.rmtree(root)
            (place / "aside").unlink(missing_ok=True)
    allowed = sum(count for kind, count in done.items() if kind in ALLOWED)
    print(f"{sum(done.values())} changes of {len(done)} kinds: {sum(done.values()) - allowed - faults} refused by step and "
          f"file, {allowed} allowed by design, {faults} faults")
    for kind, reason in sorted(ALLOWED.items()):
        print(f"  allowed, {done[kind]} times: {kind}: {reason}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
