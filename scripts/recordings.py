#!/usr/bin/env python3
"""Packs the recordings of a population into one file, and unpacks them.

    scripts/recordings.py pack DIRECTORY FILE.tar.xz
    scripts/recordings.py unpack models/confirmation/recordings.tar.xz target/recorded [MODEL ...]

DIRECTORY has a directory a model, as `parentage collect` leaves it, named by the model's id. What follows from the rest
is left out of the file (the number of a line and the digest of the line before it, which no compressor finds) and made
again: unpacked recordings are the same, byte by byte. With models named, only theirs are unpacked.
"""

import hashlib
import io
import lzma
import pathlib
import re
import sys
import tarfile

HEADER, ANSWERS = "recording.json", "answers.jsonl"
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 512 << 20}]


def chained(header, rests):
    """Lines of answers with the numbers and digests that they had."""
    before = hashlib.sha256(header).hexdigest()
    for number, rest in enumerate(rests):
        line = b'{"n":%d,"previous":"%s",%s' % (number, before.encode(), rest)
        before = hashlib.sha256(line).hexdigest()
        yield line


def stripped(header, lines):
    """The same lines without what `chained` makes again."""
    rests = [line.split(b",", 2)[2] for line in lines]
    if list(chained(header, rests)) != lines:
        raise SystemExit("the chain of a recording is broken, or its form is another: nothing was packed")
    return rests


def pack(directory, file):
    with lzma.open(file, "wb", format=lzma.FORMAT_XZ, filters=FILTERS) as out, tarfile.open(fileobj=out, mode="w") as tar:
        for model in sorted(path.parent for path in directory.glob(f"*/{HEADER}")):
            header = (model / HEADER).read_bytes()
            rests = stripped(header, (model / ANSWERS).read_bytes().splitlines())
            for name, content in ((HEADER, header), (ANSWERS, b"\n".join(rests))):
                # Nothing of the machine: the same recordings give the same file.
                member = tarfile.TarInfo(f"{model.name}/{name}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


def unpack(file, directory, only):
    headers = {}
    with tarfile.open(file, "r:xz") as tar:
        for member in tar:
            # A model's name must not lead out of the directory, and its answers follow on its header.
            found = re.fullmatch(rf"(\w[\w.-]*)/({HEADER}|{ANSWERS})", member.name)
            if not member.isfile() or not found or (found[2] == ANSWERS and found[1] not in headers):
                raise SystemExit(f"'{member.name}' is no part of a recording, or comes before its header")
            model, name = found.groups()
            content = tar.extractfile(member).read()
            if name == HEADER:
                headers[model] = content
            if only and model not in only:
                continue
            if name == ANSWERS:
                content = b"\n".join(chained(headers[model], content.split(b"\n"))) + b"\n"
            place = directory / model
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content)
    for model in only:
        if model not in headers:
            raise SystemExit(f"there is no model '{model}' in '{file}'")


def main():
    match sys.argv[1:]:
        case ["pack", directory, file]:
            pack(pathlib.Path(directory), pathlib.Path(file))
        case ["unpack", file, directory, *only]:
            unpack(pathlib.Path(file), pathlib.Path(directory), only)
        case _:
            sys.exit(__doc__)


main()
