//! A made-up population whose figures are known beforehand.

use std::collections::BTreeMap;

use super::*;
use crate::population::Relation;
use crate::verdict::Finding;

fn made(part: Part, source: &str, suspect: &str, relation: Relation, t: f64) -> Score {
    let finding = match (t > 4.0, relation) {
        (true, _) => Finding::Distilled,
        (false, _) => Finding::Unrelated,
    };
    Score {
        part,
        source: source.to_owned(),
        protected: format!("{source}-t1"),
        suspect: format!("{source}-{suspect}"),
        kind: "text".to_owned(),
        relation,
        access: Access::Scored,
        thinning: Thinning::None,
        controls: 61,
        probes: 200,
        finding,
        not_excluded: Vec::new(),
        t: Some(t),
        measures: BTreeMap::new(),
        bytes: Some(400_000),
        divergence: None,
    }
}

/// Two sources a part; students at 6 to 9 but one at `weak`, innocents of every kind at -2 to 2.
fn scores(weak: f64) -> Vec<Score> {
    let mut scores = Vec::new();
    for (part, sources) in [(Part::Fit, ["a", "b"]), (Part::Test, ["c", "d"])] {
        for source in sources {
            for i in 0..4 {
                let t = 6.0 + f64::from(i);
                scores.push(made(part, source, &format!("s{i}"), Relation::Student, t));
            }
            for relation in Relation::INNOCENT {
                for i in -2..=2 {
                    let name = format!("{}{i}", relation.name());
                    scores.push(made(part, source, &name, relation, f64::from(i)));
                }
            }
        }
    }
    scores.push(made(Part::Test, "c", "weak", Relation::Student, weak));
    scores
}

#[test]
fn only_the_fitting_part_is_fitted_on() {
    let plain = calibration::fit(&scores(8.0)).unwrap();
    let other = calibration::fit(&scores(-8.0)).unwrap();
    assert_eq!(plain, other);
    let calibrated = &plain[0];
    assert_eq!(calibrated.sources, ["a", "b"]);
    // No innocent of the fitting part lies above the threshold, and no student below it.
    assert!(calibrated.threshold >= deviate(2.0, 61).unwrap());
    assert!(calibrated.threshold < deviate(6.0, 61).unwrap());
}

#[test]
fn the_figures_are_of_the_test_part() {
    let validation = Validation::new(&scores(0.5)).unwrap();
    assert_eq!(validation.fit_cases, 2 * 29);
    assert_eq!(validation.test_cases, 2 * 29 + 1);
    let row = &validation.by_access[0].rows[0];
    assert_eq!((row.students, row.innocents, row.sources), (9, 50, 2));
    let distilled = row.distilled.unwrap();
    assert_eq!((distilled.count, distilled.of), (8, 9));
    assert_eq!(row.accused.unwrap().count, 0);
    assert_eq!(row.above.unwrap().count, 8);
    // 50 innocents: none may be called at 1 %, two at 5 %.
    assert_eq!(row.found_at_1_percent.unwrap().count, 8);
    // The weak student lies above 2 of every 5 innocents and level with none.
    let expected = (8.0 + 30.0 / 50.0) / 9.0;
    assert!((row.auroc.unwrap().value - expected).abs() < 1e-12);
}

#[test]
fn no_ratio_goes_beyond_the_models_it_was_fitted_on() {
    let fitted = calibration::fit(&scores(8.0)).unwrap();
    let calibrated = &fitted[0];
    for fitted in &calibrated.against {
        // Two sources with five models of each of one or two relations.
        let most = match fitted.against {
            Proposition::Unrelated => 10,
            Proposition::SameData | Proposition::SiblingTeacher => 20,
        };
        assert_eq!(fitted.others, most);
        assert!(fitted.upper <= ((most + 1) as f64).log10() + 1e-9);
        assert!(fitted.lower < 0.0 && fitted.upper > 0.0);
    }
    let least = calibrated.least(30.0).unwrap();
    assert_eq!(least.against, Proposition::Unrelated);
    assert!(least.unbounded > least.log10_lr);
}

#[test]
fn a_part_that_is_missing_is_said() {
    let fit: Vec<Score> = scores(8.0)
        .into_iter()
        .filter(|s| s.part == Part::Test)
        .collect();
    assert!(matches!(calibration::fit(&fit), Err(FitError::Nothing)));
    let innocent: Vec<Score> = scores(8.0)
        .into_iter()
        .filter(|s| s.relation != Relation::Student)
        .collect();
    assert!(matches!(
        calibration::fit(&innocent),
        Err(FitError::Curve { .. })
    ));
}

#[test]
fn the_parent_with_the_largest_t_is_named() {
    let mut scores = vec![
        made(Part::Test, "c", "s", Relation::Student, 7.0),
        made(Part::Test, "c", "s", Relation::SiblingStudent, 8.0),
        made(Part::Test, "c", "s", Relation::Other, 0.0),
    ];
    scores[1].protected = "c-t2".to_owned();
    scores[2].protected = "d-t1".to_owned();
    scores[0].not_excluded = vec!["c-t2".to_owned()];
    let of: Vec<&Score> = scores.iter().collect();
    let [with, without] = &attribution::all(&of)[..] else {
        panic!("two rows");
    };
    assert_eq!(with.first.unwrap().count, 0);
    assert_eq!(with.covered_by_two.unwrap().count, 1);
    assert_eq!(without.first.unwrap().count, 1);
    assert_eq!(without.none.unwrap().count, 0);
}
