"""A report, as the tool writes it in report.json."""

import json
import os
import pathlib
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Union

SCHEMA = "parentage.report/2"


@dataclass(frozen=True)
class Report:
    """The report of one comparison.

    `facts` is report.json whole; `parentage schema` describes it. The properties are what is most often looked at.
    """

    facts: Dict[str, Any]

    @property
    def finding(self) -> str:
        """The rung of the ladder, such as `distilled` or `undecided`."""
        return self.facts["finding"]

    @property
    def sentence(self) -> str:
        """The finding in a sentence."""
        return self.facts["sentence"]

    @property
    def p(self) -> Optional[float]:
        """The p of the pooled score among the controls; None if there is none."""
        return (self.facts.get("pooled") or {}).get("t_p")

    @property
    def log10_lr(self) -> Optional[float]:
        """The decimal logarithm of the likelihood ratio, the least favourable explanation leading; None if there is
        none."""
        return self.facts.get("log10_lr")

    @property
    def caveats(self) -> List[Dict[str, Any]]:
        """What limits the finding, the weightiest first: `code`, `text` and `advice`."""
        return self.facts["caveats"]

    def measures(self) -> List[Dict[str, Any]]:
        """A row a measure: where the suspect stands by it alone."""
        kept = ("name", "unit", "score", "t", "t_df", "t_p", "conformal_p", "probes", "left_out")
        return [{key: measure.get(key) for key in kept} for measure in self.facts["measures"]]

    def controls(self) -> List[Dict[str, Any]]:
        """A row a model and measure: its score in the measure's unit, the suspect's as well; `pooled` is the pooled
        score in standard deviations of the controls."""
        scored = [*self.facts["measures"], *([dict(self.facts["pooled"], name="pooled")] if self.facts["pooled"] else [])]
        rows = []
        for measure in scored:
            if measure["score"] is None:
                continue
            of = {"measure": measure["name"]}
            rows.append({**of, "model": "suspect", "is_suspect": True, "score": measure["score"]})
            for model, score in measure["controls"].items():
                rows.append({**of, "model": model, "is_suspect": False, "score": score})
        return rows

    def probes(self) -> List[Dict[str, Any]]:
        """A row a probe that was picked as an example: what it speaks for, and by how much."""
        kept = ("probe", "family", "measure", "speaks", "interaction", "controls_at_least", "controls")
        return [{key: example.get(key) for key in kept} for example in self.facts["examples"]]

    def measures_frame(self) -> Any:
        """`measures` as a pandas data frame."""
        return _frame(self.measures())

    def controls_frame(self) -> Any:
        """`controls` as a pandas data frame."""
        return _frame(self.controls())

    def probes_frame(self) -> Any:
        """`probes` as a pandas data frame."""
        return _frame(self.probes())


def load(path: Union[str, "os.PathLike[str]"]) -> Report:
    """Reads a report: report.json, or a bundle or output directory that has one.

    Raises FileNotFoundError if there is none, and ValueError for a file of another schema.
    """
    path = pathlib.Path(path)
    places = [path] if not path.is_dir() else [path / "report.json", path / "data" / "results" / "report.json"]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"no report.json in {path}")
    facts = json.loads(found.read_text(encoding="utf-8"))
    schema = facts.get("schema") if isinstance(facts, dict) else None
    if schema != SCHEMA:
        raise ValueError(f"{found} is not a report of schema {SCHEMA} but of {schema}")
    return Report(facts)


def _frame(rows: List[Dict[str, Any]]) -> Any:
    try:
        import pandas
    except ImportError as error:
        raise ImportError("data frames need pandas: pip install 'parentage[frames]'") from error
    return pandas.DataFrame(rows)
