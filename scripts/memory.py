#!/usr/bin/env python3
"""How much memory a model takes: the peak of anonymous memory beside the bytes of its files.

    scripts/memory.py MODEL [--binary target/release/parentage] [-- OPTIONS]

Asks the model the battery's quick tier (`parentage collect --tier quick --samples 8`, or with OPTIONS instead of
these two) and reads RssAnon of /proc/PID/status every 20 ms: what the process holds itself, without the pages of
files that the system may drop at any time. Linux only; nothing but Python's own library is needed.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

INTERVAL = 0.02


def anonymous(pid):
    """Anonymous memory of a process in bytes; zero once it has ended."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


def stored(model):
    """Bytes of the weights: of a GGUF file with its other parts, or of the safetensors of a directory."""
    if model.is_dir():
        return sum(file.stat().st_size for file in model.glob("*.safetensors"))
    front, mark, count = model.name.rpartition("-of-")
    if not mark:
        return model.stat().st_size
    return sum(part.stat().st_size for part in model.parent.glob(f"{front[:-5]}*-of-{count}"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--binary", default="target/release/parentage")
    words = sys.argv[1:]
    mark = words.index("--") if "--" in words else len(words)
    arguments = parser.parse_args(words[:mark])
    options = words[mark + 1:] or ["--tier", "quick", "--samples", "8"]
    peak, start = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        command = [arguments.binary, "collect", str(arguments.model), "--out", folder, "--quiet", *options]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None:
            peak = max(peak, anonymous(process.pid))
            time.sleep(INTERVAL)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    files = stored(arguments.model)
    print(f"files of weights        {files / 1e6:9.1f} MB")
    print(f"peak anonymous memory   {peak / 1e6:9.1f} MB")
    print(f"beyond the files        {(peak - files) / 1e6:9.1f} MB")
    print(f"seconds                 {time.monotonic() - start:9.1f}")


if __name__ == "__main__":
    main()
