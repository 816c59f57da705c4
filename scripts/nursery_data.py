"""Turns the unpacked Debian packages into one plain text a corpus, a paragraph a line.

Called by nursery-data.sh. Each text is thinned evenly to about four million characters, so that
one training run sees most of it once: models of the same data have then read the same text.
"""

import gzip
import html
import re
import subprocess
import sys
from pathlib import Path

LIMIT = 4_000_000


DIGITS = {c: i for i, c in enumerate(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}


def number(word):
    """A number as dictd's index writes it: base 64, most significant digit first."""
    value = 0
    for letter in word:
        value = 64 * value + DIGITS[letter]
    return value


def dictionary(root, name):
    """The entries of a dictd dictionary, in its own order, without the notes about itself."""
    text = gzip.decompress((root / f"usr/share/dictd/{name}.dict.dz").read_bytes())
    places = set()
    for line in (root / f"usr/share/dictd/{name}.index").read_text("utf-8").splitlines():
        headword, offset, length = line.split("\t")[:3]
        if not headword.startswith("00"):
            places.add((number(offset), number(length)))
    for offset, length in sorted(places):
        yield text[offset : offset + length].decode("utf-8", "replace").splitlines()


def paragraphs(lines):
    """Wrapped lines joined again, a paragraph each."""
    found, current = [], []
    for line in [*lines, ""]:
        if line.strip():
            current.append(line.strip())
        elif current:
            found.append(re.sub(r" +", " ", " ".join(current)))
            current = []
    return found


def gcide(root):
    for lines in dictionary(root, "gcide"):
        # Where a sense came from ("[1913 Webster]") would otherwise be every tenth word.
        text = re.sub(r"\[(1913 Webster|WordNet 1\.5|PJC|Webster 1913 Suppl\.|[^\]]*\bPJC)[^\]]*\]", "",
                      "\n".join(lines))
        text = text.replace("{", "").replace("}", "")
        yield paragraphs(text.split("\n"))


def foldoc(root):
    for lines in dictionary(root, "foldoc"):
        text = "\n".join(lines).replace("{", "").replace("}", "")
        yield [p for p in paragraphs(text.split("\n")) if not re.fullmatch(r"\([\d-]+\)", p)]


def wordnet(root):
    kinds = {"noun": "noun", "verb": "verb", "adj": "adjective", "adv": "adverb"}
    for name, kind in kinds.items():
        path = root / "usr/share/wordnet" / f"data.{name}"
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("  ") or " | " not in line:
                continue
            fields, gloss = line.split(" | ", 1)
            fields = fields.split()
            words = [re.sub(r"\(.*\)$", "", fields[4 + 2 * i]).replace("_", " ")
                     for i in range(int(fields[3], 16))]
            yield [f"{', '.join(words)} ({kind}): {gloss.strip()}"]


def kjv(root):
    """The verses, without their references.

    The file holds windows compressed by `compress`, whose three-byte header is stored once; a
    table of big-endian offsets starts at byte 92 and ends with the length of the file.
    """
    data = (root / "usr/lib/bible.data").read_bytes()
    count = int.from_bytes(data[88:92], "big")
    starts = [int.from_bytes(data[92 + 4 * i : 96 + 4 * i], "big") for i in range(count)]
    text = ""
    for start, end in zip(starts, starts[1:]):
        window = subprocess.run(["gzip", "-dc"], input=b"\x1f\x9d\x90" + data[start:end],
                                stdout=subprocess.PIPE, check=True).stdout
        text += window.decode("latin-1")
    for line in text.splitlines():
        verse = re.sub(r"^\w+\d+:\d+\s+", "", line.strip())
        if verse:
            yield [verse]


def anarchism(root):
    """An Anarchist FAQ, its paragraphs without the mark-up."""
    for path in sorted((root / "usr/share/doc/anarchism/html").glob("sec*.html")):
        page = path.read_text("utf-8", "replace")
        for part in re.findall(r"<p[^>]*>(.*?)</p>", page, re.DOTALL | re.IGNORECASE):
            text = html.unescape(re.sub(r"<[^>]*>", "", part))
            text = re.sub(r"\s+", " ", text).strip()
            if len(text) > 80:
                yield [text]


def fortunes(root):
    """The collected sayings, a saying a paragraph, lines of verse joined."""
    for path in sorted((root / "usr/share/games/fortunes").iterdir()):
        if not path.is_file() or path.is_symlink() or path.suffix:
            continue
        for saying in path.read_text("utf-8", "replace").replace("\b", "").split("\n%\n"):
            text = re.sub(r"\s+", " ", saying).strip()
            if len(text) > 40:
                yield [text]


def perldoc(root):
    """Perl's manual: the prose of its pods, without code and headings."""
    for path in sorted((root / "usr/share/perl").rglob("*.pod")):
        for part in path.read_text("utf-8", "replace").split("\n\n"):
            if not part or part[0] in " \t=\n":
                continue
            text = re.sub(r"[A-Z]<+\s*([^<>|]*?)(\|[^<>]*)?\s*>+", r"\1", part)
            text = re.sub(r"\s+", " ", text).strip()
            if len(text) > 80:
                yield [text]


def vim(root):
    """Vim's reference manual: its indented prose as it stands, without tables of contents and rules."""
    for path in sorted((root / "usr/share/vim").glob("vim*/doc/*.txt")):
        for part in paragraphs(path.read_text("utf-8", "replace").splitlines()):
            text = re.sub(r"[|*]([^\s|*]+)[|*]", r"\1", part)
            if len(text) > 80 and "....." not in text and "=====" not in text:
                yield [text]


def sqlite(root):
    """SQLite's documentation, its paragraphs without the mark-up."""
    for path in sorted((root / "usr/share/doc/sqlite3").rglob("*.html")):
        page = path.read_text("utf-8", "replace")
        # Its paragraphs are seldom closed: one ends where the next block begins.
        block = r"<p[^>]*>(.*?)(?=</?p\b|<h\d|<ul|<ol|<table|</?div)"
        for part in re.findall(block, page, re.DOTALL | re.IGNORECASE):
            text = html.unescape(re.sub(r"<[^>]*>", "", part))
            text = re.sub(r"\s+", " ", text).strip()
            if len(text) > 80:
                yield [text]


def handbuch(root):
    """Manual pages in German: their running text, without requests and fonts, what pages share once."""
    seen = set()
    for path in sorted((root / "usr/share/man/de").rglob("*.gz")):
        if path.is_symlink():
            continue
        lines = gzip.decompress(path.read_bytes()).decode("utf-8", "replace").splitlines()
        # A request ends a paragraph; what follows it stands in its own lines.
        for part in paragraphs("" if line.startswith((".", "'")) else line for line in lines):
            text = re.sub(r"\\f(\[[^\]]*\]|\(..|.)|\\[,/&:|^%]|\\s[-+]?\d", "", part)
            text = re.sub(r"\\\((\w\w|..)|\\\[[^\]]*\]", " ", text).replace("\\-", "-").replace("\\ ", " ")
            text = text.replace("\\e", "\\")
            if len(text) > 80 and text not in seen:
                seen.add(text)
                yield [text]


def main():
    root, out = Path(sys.argv[1]), Path(sys.argv[2])
    for corpus in (gcide, foldoc, wordnet, kjv, anarchism, fortunes, perldoc, vim, sqlite, handbuch):
        entries = ["\n".join(entry) + "\n" for entry in corpus(root) if entry]
        share = min(1.0, LIMIT / sum(map(len, entries)))
        kept = [e for i, e in enumerate(entries) if int((i + 1) * share) > int(i * share)]
        (out / f"{corpus.__name__}.txt").write_text("".join(kept), encoding="utf-8")


main()
