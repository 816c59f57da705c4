"""A parentage test for language models, from Python.

Everything is done by the command line tool that comes with this package; what it writes is handed on as it is.

    import parentage

    report = parentage.compare("models/family/teacher", "models/family/student-text",
                               controls="models/family/lineage.toml", out="out")
    print(report.finding, report.log10_lr)
    report.controls_frame()          # a row a control and measure, for pandas
"""

from ._report import Report, load
from ._tool import ParentageError, binary, collect, compare, import_answers, run, verify

__all__ = [
    "ParentageError",
    "Report",
    "binary",
    "collect",
    "compare",
    "import_answers",
    "load",
    "run",
    "verify",
]
