#!/usr/bin/env python3
"""Sees that every attack in docs/threat-model.md has the tests that it names.

    scripts/attacks.py              # that they are all there, once each
    scripts/attacks.py --run        # runs them, and only them
"""

import pathlib
import re
import subprocess
import sys

PAGE = pathlib.Path("docs/threat-model.md")
HEADING = "## Attacks that worked once"


def named():
    """The tests of every attack, by attack."""
    page = PAGE.read_text()
    rows = re.findall(r"^\| (.+?) \| (`.+`) \|$", page[page.index(HEADING):], re.M)
    return {attack: re.findall(r"`([a-z_]+)`", tests) for attack, tests in rows}


def there():
    """How often each test is in the sources."""
    found = {}
    for root in ("src", "tests"):
        for path in pathlib.Path(root).rglob("*.rs"):
            tests = re.findall(r"#\[(?:tokio::)?test\]\n(?:\s*#.*\n)*\s*(?:async )?fn (\w+)\(", path.read_text())
            for test in tests:
                found[test] = found.get(test, 0) + 1
    return found


def main():
    attacks, found, missing = named(), there(), 0
    for attack, tests in attacks.items():
        for test in tests:
            if found.get(test, 0) != 1:
                missing += 1
                print(f"MISSING: {attack}: there are {found.get(test, 0)} tests called {test}")
    tests = sorted({test for tests in attacks.values() for test in tests})
    print(f"{len(attacks)} attacks, {len(tests)} tests, {missing} missing")
    if missing or len(attacks) < 20:
        return 1
    if "--run" in sys.argv[1:]:
        command = ["cargo", "test", "--release", "--features", "hub,pdf", "--lib", "--tests", "--", *tests]
        return subprocess.run(command).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
