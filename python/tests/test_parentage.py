"""Tests of the Python package, against the tool that PARENTAGE names and the bundle of the tests.

    PARENTAGE=target/release/parentage PYTHONPATH=python python3 -m unittest discover python/tests
"""

import json
import pathlib
import tempfile
import unittest

import parentage

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "tests" / "data" / "bundle"
FAMILY = ROOT / "models" / "family"


class OfABundle(unittest.TestCase):
    def test_a_bundle_is_verified_and_its_report_read(self):
        report = parentage.load(BUNDLE)
        self.assertEqual(report.finding, report.facts["finding"])
        self.assertEqual(report.p, report.facts["pooled"]["t_p"])
        told = parentage.verify(BUNDLE)
        self.assertEqual(told["finding"], report.finding)

    def test_scores_are_rows(self):
        report = parentage.load(BUNDLE)
        rows = report.controls()
        pooled = [row for row in rows if row["measure"] == "pooled"]
        self.assertEqual(len(pooled), 1 + len(report.facts["pooled"]["controls"]))
        self.assertEqual([row["score"] for row in pooled if row["is_suspect"]], [report.facts["pooled"]["score"]])
        self.assertEqual(len(report.measures()), len(report.facts["measures"]))
        self.assertEqual(len(report.probes()), len(report.facts["examples"]))

    def test_another_file_is_no_report(self):
        with self.assertRaisesRegex(ValueError, "schema"):
            parentage.load(BUNDLE / "data" / "battery.json")
        with self.assertRaises(FileNotFoundError):
            parentage.load(FAMILY)


class OfTheTool(unittest.TestCase):
    def test_an_error_has_the_exit_code_and_what_was_said(self):
        with self.assertRaises(parentage.ParentageError) as caught:
            parentage.compare("no-such-model", "no-such-model-either")
        self.assertNotEqual(caught.exception.code, 0)
        self.assertIn("no-such-model", caught.exception.message)

    def test_two_models_are_compared(self):
        with tempfile.TemporaryDirectory() as out:
            report = parentage.compare(
                FAMILY / "teacher",
                FAMILY / "student-text",
                controls=[FAMILY / name for name in ("kjv-1", "foldoc-1", "wordnet-1", "foldoc-b", "gcide-b")],
                alternatives=FAMILY / "sibling-1",
                out=out,
                tier="quick",
                samples=2,
            )
            (written,) = pathlib.Path(out).glob("cases/*/data/results/report.json")
            self.assertEqual(json.loads(written.read_text()), report.facts)
        self.assertEqual(len(report.facts["controls"]), 5)
        self.assertTrue(report.sentence)


if __name__ == "__main__":
    unittest.main()
