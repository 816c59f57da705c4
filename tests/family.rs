//! The question about a group of models, on the shipped family of known lineage.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// A quick comparison with the teacher's group; the report.
fn compare(out: &TempDir, suspect: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_parentage"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["compare", "--quiet", "--tier", "quick", "--samples", "8"])
        .args(["--protected", "models/family/teacher", "--family"])
        .args(["--suspect", &format!("models/family/{suspect}")])
        .args(["--controls", "models/family/lineage.toml"])
        .arg("--out")
        .arg(out.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = fs::read(out.path().join("report.json")).unwrap();
    serde_json::from_slice(&report).unwrap()
}

fn ids(report: &Value, field: &str) -> Vec<String> {
    let ids = report["group"][field].as_array().unwrap().iter();
    ids.map(|id| id.as_str().unwrap().to_owned()).collect()
}

#[test]
fn students_of_any_member_are_found_and_innocents_are_not() {
    let out = TempDir::new().unwrap();
    let group = ["protected", "sibling-1", "sibling-2", "sibling-3"];
    for (suspect, parent) in [
        ("sib1-logits", "sibling-1"),
        ("sib2-logits", "sibling-2"),
        ("student-logits", "protected"),
    ] {
        let report = compare(&out, suspect);
        assert_eq!(
            report["finding"], "family",
            "{suspect}: {}",
            report["reasons"]
        );
        let members = report["group"]["members"].as_array().unwrap();
        let members: Vec<&str> = members.iter().map(|m| m["id"].as_str().unwrap()).collect();
        assert_eq!(members, group);
        // The true parent is in the set, and the set and what is excluded are all candidates.
        let mut all = ids(&report, "not_excluded");
        assert!(all.contains(&parent.to_owned()), "{suspect}: {all:?}");
        all.extend(ids(&report, "excluded"));
        all.sort();
        assert_eq!(all, group);
        assert!(report["sentence"].as_str().unwrap().contains("group"));
        // Students of members are no controls here.
        let controls = report["controls"].as_array().unwrap();
        assert!(
            controls
                .iter()
                .all(|c| !c["id"].as_str().unwrap().starts_with("sib1"))
        );
        assert!(report["left_out"]["sib2-text"].is_string());
        let without = report["adequacy"]["without_one"].as_array().unwrap();
        assert_eq!(
            without.len(),
            report["pooled"]["controls"].as_object().unwrap().len()
        );
        let largest = without
            .iter()
            .map(|w| w["p"].as_f64().unwrap())
            .fold(0.0, f64::max);
        let worst = report["stability"]["worst_without_one"].as_f64().unwrap();
        assert!(
            (largest - worst).abs() <= 1e-12 * worst,
            "{largest} {worst}"
        );
    }
    for suspect in ["same-base-1", "same-base-2", "seed-5", "kjv-1"] {
        let report = compare(&out, suspect);
        let finding = report["finding"].as_str().unwrap();
        assert!(
            !["family", "distilled", "related"].contains(&finding),
            "{suspect}: {}",
            report["reasons"]
        );
    }
}
