//! Who is what to whom, on a small population written down here.

use std::fs;

use super::*;
use tempfile::TempDir;

const LINEAGE: &str = r#"
schema = 1
name = "small"
"#;

fn model(id: &str, source: &str, base: Option<&str>, parents: &[&str], data: &str) -> String {
    let base = base.map_or(String::new(), |b| format!("base = \"{b}\"\n"));
    let group = if id.len() == 4 && (id.ends_with("t1") || id.ends_with("t2")) {
        format!("group = \"{source}\"\n")
    } else {
        String::new()
    };
    format!(
        "[[model]]\nid = \"{id}\"\npath = \"{id}\"\nkind = \"k\"\n{base}parents = {parents:?}\n\
         data = {}\n{group}source = \"{source}\"\n",
        if data.is_empty() {
            "[]".to_owned()
        } else {
            format!("[\"{data}\"]")
        }
    )
}

fn population(extra: &str, split: &str) -> Result<Population, PopulationError> {
    let directory = TempDir::new().unwrap();
    let mut lineage = LINEAGE.to_owned();
    for model in [
        model("a-t1", "a", None, &[], "x"),
        model("a-t2", "a", None, &[], "x"),
        model("a-u", "a", None, &[], "x"),
        model("a-base", "a", None, &[], "y"),
        model("a-s", "a", Some("a-base"), &["a-t1"], ""),
        model("a-s-q", "a", Some("a-s"), &[], ""),
        model("a-t1-q", "a", Some("a-t1"), &[], ""),
        model("a-of-t2", "a", Some("a-base"), &["a-t2"], ""),
        model("a-of-u", "a", Some("a-base"), &["a-u"], ""),
        model("a-real", "a", Some("a-base"), &[], "x"),
        model("a-real-q", "a", Some("a-real"), &[], ""),
        model("b-t1", "b", None, &[], "z"),
    ] {
        lineage.push_str(&model);
    }
    lineage.push_str(extra);
    fs::write(directory.path().join(LINEAGE_FILE), lineage).unwrap();
    fs::write(directory.path().join(SPLIT_FILE), split).unwrap();
    Population::read(directory.path()).map(|(population, _)| population)
}

const SPLIT: &str = "fit = [\"a\"]\ntest = [\"b\"]\nunlisted = [\"a-u\"]\n";

#[test]
fn every_suspect_is_what_its_descent_says() {
    let cases = population("", SPLIT).unwrap().cases(Part::Fit);
    let relation = |suspect: &str| {
        let found = cases
            .iter()
            .find(|c| c.protected == "a-t1" && c.suspect == suspect);
        found.unwrap().relation
    };
    for (suspect, expected) in [
        ("a-s", Relation::Student),
        ("a-s-q", Relation::Student),
        ("a-t1-q", Relation::Derivative),
        ("a-t2", Relation::Sibling),
        ("a-of-t2", Relation::SiblingStudent),
        ("a-of-u", Relation::UnseenStudent),
        ("a-u", Relation::SameData),
        ("a-real", Relation::SameData),
        ("a-real-q", Relation::SameData),
        ("a-base", Relation::Other),
    ] {
        assert_eq!(relation(suspect), expected, "{suspect}");
    }
    // Two teachers as the protected model, and all the others of the part.
    assert_eq!(cases.len(), 2 * 10);
}

#[test]
fn panels_show_nothing_unlisted_but_the_suspect() {
    let population = population("", SPLIT).unwrap();
    let cases = population.cases(Part::Fit);
    let panel = |suspect: &str, thinning| {
        let case = cases
            .iter()
            .find(|c| c.protected == "a-t1" && c.suspect == suspect);
        population.panel(case.unwrap(), thinning)
    };
    let ids = |panel: &crate::panel::Panel| {
        let ids = panel.controls.iter().map(|c| c.id.clone());
        ids.collect::<Vec<_>>()
    };
    let full = panel("a-s", Thinning::None);
    assert_eq!(
        ids(&full),
        ["a-t2", "a-base", "a-of-t2", "a-real", "a-real-q"]
    );
    assert_eq!(full.alternatives.len(), 1);
    // The suspect's own teacher and its other student stay unknown.
    assert_eq!(ids(&panel("a-of-u", Thinning::None)).len(), 5);
    let thinned = panel("a-s", Thinning::Controls(2));
    assert_eq!((thinned.controls.len(), thinned.alternatives.len()), (2, 1));
    assert_eq!(ids(&thinned), ids(&panel("a-s", Thinning::Controls(2))));
}

#[test]
fn a_dose_is_told_where_it_is_the_protected_models_alone() {
    let with_dose = |id: &str, parents: &[&str], dose: f64| {
        let entry = model(id, "a", Some("a-base"), parents, "");
        entry.replace("source =", &format!("dose = {dose}\nsource ="))
    };
    let extra = with_dose("a-half", &["a-t1"], 0.5)
        + &with_dose("a-two", &["a-t1", "a-t2"], 1.0)
        + &with_dose("a-grand", &["a-half"], 1.0);
    let cases = population(&extra, SPLIT).unwrap().cases(Part::Fit);
    let dose = |suspect: &str| {
        let mut cases = cases.iter().filter(|c| c.protected == "a-t1");
        cases.find(|c| c.suspect == suspect).unwrap().dose
    };
    assert_eq!(dose("a-half"), Some(0.5));
    // Two parents' text, a step between, nothing declared, weights.
    for unknown in ["a-two", "a-grand", "a-s", "a-t1-q"] {
        assert_eq!(dose(unknown), None, "{unknown}");
    }
    for innocent in ["a-real", "a-of-t2", "a-base"] {
        assert_eq!(dose(innocent), Some(0.0), "{innocent}");
    }
    let wrong = population(&with_dose("a-more", &["a-t1"], 1.5), SPLIT).unwrap_err();
    assert!(matches!(wrong, PopulationError::Lineage(e) if e.to_string().contains("dose = 1.5")));
}

#[test]
fn a_source_is_in_exactly_one_part_and_no_descent_crosses() {
    let wrong = |extra: &str, split: &str| match population(extra, split) {
        Err(PopulationError::Split { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    let both = wrong("", "fit = [\"a\", \"b\"]\ntest = [\"b\"]\n");
    assert!(both.contains("'b' is in both"), "{both}");
    let neither = wrong("", "fit = [\"a\"]\ntest = []\n");
    assert!(neither.contains("neither part"), "{neither}");
    let crossing = model("b-s", "b", None, &["a-t1"], "");
    let crossing = wrong(&crossing, SPLIT);
    assert!(crossing.contains("different parts"), "{crossing}");
    let unknown = wrong("", "fit = [\"a\"]\ntest = [\"b\"]\nunlisted = [\"c-u\"]\n");
    assert!(unknown.contains("c-u"), "{unknown}");
}

#[test]
fn scores_come_back_as_they_were_written() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("scores.jsonl");
    let line = r#"{"part":"fit","source":"a","protected":"a-t1","suspect":"a-s","kind":"text","relation":"student","access":"scored","thinning":{"thinned":"controls","to":6},"served":"cooler","dose":0.5,"controls":6,"probes":200,"finding":"distilled","not_excluded":[],"pooled":2.5,"t":5.5,"contrast":{"t":3.5,"controls":5},"measures":{"next":4.0},"bytes":null,"divergence":0.25}"#;
    fs::write(&path, format!("{line}\n")).unwrap();
    let scores = read_scores(&path).unwrap();
    assert_eq!(scores[0].thinning, Thinning::Controls(6));
    assert!(!scores[0].is_whole());
    assert_eq!(write_lines(&scores), format!("{line}\n"));
    fs::write(&path, format!("{line}\n{{\"part\":1}}\n")).unwrap();
    let error = read_scores(&path).unwrap_err();
    assert!(
        matches!(error, PopulationError::Line { line: 2, .. }),
        "{error}"
    );
}
