"""Runs the command line tool."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
from typing import Any, Dict, Iterable, List, Optional, Union

from ._report import Report

Model = Union[str, "os.PathLike[str]"]
Models = Union[Model, Iterable[Model]]


class ParentageError(RuntimeError):
    """The tool ended with an error.

    `code` is its exit code (`parentage help` lists them), `message` what it said.
    """

    def __init__(self, code: int, message: str):
        super().__init__(message or f"parentage ended with exit code {code}")
        self.code = code
        self.message = message


def binary() -> str:
    """The path of the tool: that of the environment variable PARENTAGE, else the one installed beside this Python, else
    the first on the PATH."""
    named = os.environ.get("PARENTAGE")
    if named:
        return named
    name = "parentage" + (sysconfig.get_config_var("EXE") or "")
    beside = pathlib.Path(sysconfig.get_path("scripts"), name)
    if beside.is_file():
        return str(beside)
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError("no parentage tool: set PARENTAGE to its path, or install the package's wheel")
    return found


def _words(said: str) -> str:
    """An error that the tool told as JSON, its last line, in words; other text stays."""
    head, _, last = said.rpartition("\n")
    try:
        error = json.loads(last)
        lines = [error["error"], *(f"because: {cause}" for cause in error["because"])]
        lines += [f"hint: {error['hint']}"] if error["hint"] else []
    except (ValueError, KeyError, TypeError):
        return said
    return "\n".join([head, *lines] if head else lines)


def run(*words: Any, accept: Iterable[int] = (0,)) -> str:
    """Runs the tool with these words and gives what it printed; its progress goes to standard error as usual.

    Raises ParentageError if it ends with an exit code that is not accepted.
    """
    done = subprocess.run(
        [binary(), *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode not in set(accept):
        raise ParentageError(done.returncode, _words(said.strip()))
    sys.stderr.write(said)
    return done.stdout.decode("utf-8")


def compare(
    protected: Model,
    suspect: Model,
    controls: Optional[Models] = None,
    alternatives: Optional[Models] = None,
    base: Optional[Model] = None,
    out: Model = "parentage-out",
    **flags: Any,
) -> Report:
    """Compares a suspect with a protected model, among controls.

    `controls` and `alternatives` are models, or for `controls` one lineage file (`*.toml`) or `public:SIZE`. Other
    flags of `parentage compare` are given by name, with underscores: `tier="quick"`, `samples=64`, `family=True`.

    Raises ParentageError as `run`; a finding that access or controls do not allow is no error.
    """
    words: List[Any] = ["compare", "--json", "--protected", protected, "--suspect", suspect, "--out", out]
    for control in _several(controls):
        declared = str(control).endswith(".toml") or str(control).startswith("public:")
        words += ["--controls" if declared else "--control", control]
    for alternative in _several(alternatives):
        words += ["--alternative", alternative]
    if base is not None:
        words += ["--base", base]
    return Report(json.loads(run(*words, *_flags(flags), accept=(0, 5))))


def collect(model: Model, out: Model, **flags: Any) -> Dict[str, Any]:
    """Asks a model a battery and keeps its answers in the directory `out`, which then stands for the model; flags as
    for `compare`.

    Raises ParentageError as `run`.
    """
    return json.loads(run("collect", "--json", "--out", out, *_flags(flags), model))


def import_answers(*files: Model, format: str, out: Model, **flags: Any) -> None:
    """Makes recordings of answers that were collected elsewhere; flags as for `compare`."""
    run("import", *files, "--format", format, "--out", out, *_flags(flags))


def verify(bundle: Model, **flags: Any) -> Dict[str, Any]:
    """Checks a bundle and draws its verdict again, which a redacted copy does not allow; flags as for `compare`.

    Raises ParentageError if a step fails.
    """
    return json.loads(run("verify", "--json", bundle, *_flags(flags), accept=(0, 5)))


def _several(models: Optional[Models]) -> List[Model]:
    if models is None:
        return []
    return [models] if isinstance(models, (str, os.PathLike)) else list(models)


def _flags(flags: Dict[str, Any]) -> List[str]:
    """Flags by name: True stands for a flag without a value, False and None for none, a list for a flag that is given
    several times."""
    words: List[str] = []
    for name, value in flags.items():
        flag = "--" + name.replace("_", "-")
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one is True:
                words.append(flag)
            elif one is not None and one is not False:
                words += [flag, str(one)]
    return words
