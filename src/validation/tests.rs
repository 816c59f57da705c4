//! A made-up population whose figures are known beforehand.

use std::collections::BTreeMap;
use std::path::Path;

use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

use super::calibration::least;
use super::*;
use crate::identity::Served;
use crate::population::{OtherScore, Relation, Thinning, read_scores};
use crate::rules::{Condition, Rules};
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
        served: Served::Plain,
        dose: None,
        controls: 61,
        probes: 200,
        finding,
        not_excluded: Vec::new(),
        pooled: None,
        t_df: None,
        t: Some(t),
        contrast: None,
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
    assert!(calibrated.threshold >= deviate(2.0, 60.0).unwrap());
    assert!(calibrated.threshold < deviate(6.0, 60.0).unwrap());
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
    let ratios = calibrated.ratios(30.0);
    let least = calibration::least(&ratios).unwrap();
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
    let mut scores = [
        made(Part::Test, "c", "s", Relation::Student, 7.0),
        made(Part::Test, "c", "s", Relation::SiblingStudent, 8.0),
        made(Part::Test, "c", "s", Relation::Other, 0.0),
    ];
    scores[1].protected = "c-t2".to_owned();
    scores[2].protected = "d-t1".to_owned();
    scores[0].not_excluded = vec!["c-t2".to_owned()];
    let of: Vec<&Score> = scores.iter().collect();
    let [with, without, full, _] = &attribution::all(&of)[..] else {
        panic!("four rows");
    };
    assert_eq!(full.covered, with.covered);
    assert_eq!(with.first.unwrap().count, 0);
    assert_eq!(with.covered_by_two.unwrap().count, 1);
    assert_eq!(without.first.unwrap().count, 1);
    assert_eq!(without.none.unwrap().count, 0);
    for score in &mut scores {
        score.kind = "dose 50 %".to_owned();
    }
    let of: Vec<&Score> = scores.iter().collect();
    let rows = attribution::all(&of);
    assert_eq!((rows[0].first.unwrap().of, rows[2].first), (1, None));
}

/// Three sources a part; the pooled score is 4 times the dose, and `shift` more for the test part's students.
fn dosed(shift: f64) -> Vec<Score> {
    let mut scores = Vec::new();
    for (part, sources) in [(Part::Fit, ["a", "b", "c"]), (Part::Test, ["d", "e", "f"])] {
        for (number, source) in sources.into_iter().enumerate() {
            for (i, dose) in [0.0, 0.0, 0.0, 0.0, 0.1, 0.5, 1.0].into_iter().enumerate() {
                let relation = match i {
                    0 => Relation::Sibling,
                    1 => Relation::SiblingStudent,
                    2 | 3 => Relation::Other,
                    _ => Relation::Student,
                };
                let wobble = if i % 2 == 0 { 0.1 } else { -0.1 } + 0.01 * number as f64;
                let more = if part == Part::Test && dose > 0.0 {
                    shift
                } else {
                    0.0
                };
                let mut score = made(part, source, &format!("d{i}"), relation, 2.0 * dose);
                score.dose = Some(dose);
                score.pooled = Some(4.0 * dose + wobble + more);
                score.contrast = Some(OtherScore {
                    t: if relation == Relation::Student {
                        -dose
                    } else {
                        0.0
                    },
                    controls: 20,
                });
                scores.push(score);
            }
        }
    }
    scores
}

#[test]
fn doses_are_fitted_on_one_part_and_tried_on_the_other() {
    let validation = Validation::new(&dosed(0.0)).unwrap();
    let validated = &validation.by_access[0];
    let effects = &validated.calibration.doses.effects;
    let effects: Vec<f64> = effects.iter().map(|e| e.effect).collect();
    // The mean wobble of three sources is 0.01 beside the sign.
    for (found, expected) in effects.iter().zip([0.51, 1.91, 4.11]) {
        assert!((found - expected).abs() < 1e-12, "{effects:?}");
    }
    let held: Vec<usize> = validated
        .doses
        .iter()
        .map(|d| d.held.unwrap().count)
        .collect();
    assert_eq!(held, [12, 3, 3, 3]);
    let told: Vec<usize> = validated
        .doses
        .iter()
        .map(|d| d.told_from_none.unwrap().count)
        .collect();
    assert_eq!((told[0], told[2], told[3]), (0, 3, 3));
    assert!((validated.doses[3].estimate - 1.0).abs() < 0.05);
    // Students that came nearer than any that it was fitted on are not held, and innocents still are.
    let missed = Validation::new(&dosed(3.0)).unwrap();
    let held: Vec<usize> = missed.by_access[0]
        .doses
        .iter()
        .map(|d| d.held.unwrap().count)
        .collect();
    assert_eq!((held[0], held[1]), (12, 0));
    assert_eq!(
        missed.by_access[0].calibration.doses,
        validated.calibration.doses
    );
}

#[test]
fn the_figure_that_could_decide_is_tried_on_the_fitting_part() {
    let mut scores = dosed(0.0);
    let contenders = |scores: &[Score]| {
        Validation::new(scores).unwrap().by_access[0]
            .contenders
            .clone()
    };
    let found = contenders(&scores);
    assert_eq!(found[0].statistic, Statistic::Gap);
    assert!((found[0].auroc.unwrap() - 1.0).abs() < 1e-12);
    // Students lie below innocents by the other figure.
    assert!(found[1].auroc.unwrap().abs() < 1e-12);
    assert_eq!(found[1].found_at_1_percent.unwrap().count, 0);
    for score in scores.iter_mut().filter(|s| s.part == Part::Test) {
        score.contrast = None;
        score.t = Some(0.0);
    }
    assert_eq!(contenders(&scores), found);
}

#[test]
fn suspects_served_otherwise_have_a_row_of_their_own_and_no_part_in_others() {
    let mut all = scores(8.0);
    let plain = Validation::new(&all).unwrap();
    for score in scores(8.0).into_iter().filter(|s| s.part == Part::Test) {
        all.push(Score {
            served: Served::Cooler,
            t_df: None,
            t: Some(0.0),
            finding: Finding::Unrelated,
            ..score
        });
    }
    let served = Validation::new(&all).unwrap();
    assert_eq!(
        served.by_access[0].calibration,
        plain.by_access[0].calibration
    );
    let (with, without) = (&served.by_access[0].rows, &plain.by_access[0].rows);
    assert_eq!(with.len(), without.len() + 1);
    let cooler = with
        .iter()
        .find(|r| r.condition.contains("temperature 0.7"))
        .unwrap();
    assert_eq!(cooler.distilled.unwrap().count, 0);
    assert_eq!(cooler.students, with[0].students);
    assert_eq!(with[0], without[0]);
}

#[test]
fn a_case_is_told_how_suspects_served_otherwise_fared_worst() {
    let mut all = scores(8.0);
    let ratio = |all: &[Score]| {
        let validation = Validation::new(all).unwrap();
        case_ratio(&validation, &of_a_case::case(4.0), &of_a_case::inside()).unwrap()
    };
    assert_eq!(ratio(&all).served_otherwise, None);
    for (served, finding) in [
        (Served::Cooler, Finding::Unrelated),
        (Served::Instructed, Finding::Distilled),
    ] {
        for score in scores(8.0).into_iter().filter(|s| s.part == Part::Test) {
            all.push(Score {
                served,
                finding,
                ..score
            });
        }
    }
    let row = ratio(&all).served_otherwise.unwrap();
    assert!(row.condition.ends_with("behind a system prompt"));
    assert_eq!(row.accused.unwrap().count, row.innocents);
}

/// A standing whose p is too small to be told from nothing.
pub(crate) const BEYOND_ALL: f64 = 1e7;

/// The ratio of a made-up case whose pooled standing is at `score` among 61 controls of about unit spread.
pub(crate) fn made_up(score: f64, outside: bool, prior_odds: Option<f64>) -> CaseRatio {
    let validation = Validation::new(&scores(0.5)).unwrap();
    let circumstances = Circumstances {
        probes: if outside { 60 } else { 200 },
        prior_odds,
        ..of_a_case::inside()
    };
    case_ratio(&validation, &of_a_case::case(score), &circumstances).unwrap()
}

#[test]
fn the_curves_of_the_built_in_validation_agree_with_its_rows() {
    for validated in built_in(Basis::Battery).unwrap().by_access {
        let row = validated
            .rows
            .iter()
            .find(|r| r.condition.starts_with("all students"));
        let row = row.unwrap();
        let tippett = validated.tippett.unwrap();
        for (far, misled) in [f64::MIN_POSITIVE, 1.0, 2.0].iter().zip(&row.misleading) {
            let (_, others) = tippett.at_least(*far);
            assert!((others - misled.share).abs() < 1e-9, "{far}: {others}");
        }
        let ece = validated.ece.unwrap();
        assert_eq!(ece.len(), 61);
        // At even odds the entropy is the cost.
        assert!(ece[30].log10_prior_odds.abs() < 1e-12);
        assert!((ece[30].ece - row.cllr.unwrap().value).abs() < 1e-9);
        assert!((ece[30].ece_min - row.cllr_min.unwrap().value).abs() < 1e-9);
    }
}

#[test]
fn what_holds_a_ratio_is_told() {
    let free = made_up(4.0, false, None);
    assert_eq!(
        (free.curves.held_by, free.curves.cap),
        (HeldBy::Nothing, None)
    );
    let bound = made_up(12.0, false, None);
    assert_eq!(bound.curves.held_by, HeldBy::Bound);
    assert!((bound.log10_lr - bound.curves.limits().1).abs() < 1e-12);
    // The bounds of so few models are tighter than the cap.
    let outside = made_up(12.0, true, None);
    assert_eq!(
        (outside.curves.held_by, outside.curves.cap),
        (HeldBy::Bound, Some(2.0))
    );
    assert_eq!(outside.curves.fitted.against, outside.against);
    assert_eq!(
        (
            outside.curves.fitted_on.len(),
            outside.curves.tried_on.len()
        ),
        (2, 2)
    );
}

mod of_a_case {
    use super::*;
    use crate::case::{Case, Gates, LeftOut, weigh};
    use crate::panel::{Named, Panel};
    use crate::rules::Rules;
    use crate::verdict::{Evidence, Verdict};
    use crate::weigh::{Null, Row, Standing};

    /// A case of nothing but a pooled standing at `score` among 61 controls.
    pub(super) fn case(score: f64) -> Case {
        let named = Named {
            protected: "p".to_owned(),
            suspect: "s".to_owned(),
            ..Named::default()
        };
        let panel = Panel::new(&named, &[]);
        let empty = weigh(&panel, &BTreeMap::new(), Gates::default(), &[]);
        let controls: Vec<f64> = (-30..=30).map(|i| f64::from(i) / 17.0).collect();
        // The same whoever is left out.
        let row = Row::plain(
            1.0,
            std::iter::once(score)
                .chain(controls.iter().copied())
                .collect(),
        );
        let less = LeftOut::new("c", &[row], &Null::Moderated(Rules::HERE.scatter));
        let left_out = vec![less; 61];
        Case {
            evidence: Evidence {
                controls: controls.len(),
                matched_alternatives: 1,
                pooled: Some(Standing::new(score, controls)),
                ..empty.evidence.clone()
            },
            matched_alternatives: vec!["sibling".to_owned()],
            left_out,
            verdict: Verdict {
                finding: Finding::Distilled,
                ..empty.verdict.clone()
            },
            ..empty
        }
    }

    pub(super) fn inside() -> Circumstances {
        Circumstances {
            access: Access::Scored,
            probes: 200,
            bytes: Some(400_000),
            same_questions: true,
            strict: false,
            prior_odds: None,
        }
    }

    #[test]
    fn the_least_favourable_explanation_leads_within_its_bounds() {
        let validation = Validation::new(&scores(8.0)).unwrap();
        let ratio = case_ratio(&validation, &case(12.0), &inside()).unwrap();
        assert!(ratio.outside.is_empty(), "{:?}", ratio.outside);
        let least = ratio.ratios.iter().map(|r| r.log10_lr).fold(9.0, f64::min);
        assert!((ratio.log10_lr - least).abs() < 1e-12);
        assert!(ratio.log10_lr > 0.0 && ratio.log10_lr <= 11f64.log10() + 1e-9);
        assert!(
            ratio
                .sentence
                .contains("more probable if the suspect learned")
        );
        // A jackknife that never moves leaves no interval but the point.
        assert!((ratio.low.unwrap() - ratio.log10_lr).abs() < 1e-9);
        assert_eq!(ratio.row.unwrap().students, 9);
        let innocent = case_ratio(&validation, &case(-1.0), &inside()).unwrap();
        assert!(innocent.log10_lr < 0.0);
        assert!(
            innocent
                .sentence
                .ends_with("than if the suspect learned from the protected model's outputs"),
            "{}",
            innocent.sentence
        );
    }

    #[test]
    fn outside_what_was_validated_the_ratio_is_capped_or_not_given() {
        let mut validation = Validation::new(&scores(8.0)).unwrap();
        for fitted in &mut validation.by_access[0].calibration.against {
            fitted.upper = 5.0;
        }
        let large = Circumstances {
            bytes: Some(140_000_000_000),
            ..inside()
        };
        let within = case_ratio(&validation, &case(40.0), &inside()).unwrap();
        assert!(within.log10_lr > 2.0, "{}", within.log10_lr);
        let ratio = case_ratio(&validation, &case(40.0), &large).unwrap();
        assert!((ratio.log10_lr - 2.0).abs() < 1e-12);
        assert_eq!(ratio.curves.held_by, HeldBy::Cap);
        assert_eq!(ratio.curves.limits().1.to_bits(), 2f64.to_bits());
        assert!(ratio.outside[0].contains("140000000000 bytes"));
        let strict = Circumstances {
            strict: true,
            ..large
        };
        let refused = case_ratio(&validation, &case(40.0), &strict).unwrap_err();
        assert!(refused.contains("outside"), "{refused}");
        for other in [
            Circumstances {
                bytes: None,
                ..inside()
            },
            Circumstances {
                probes: 60,
                ..inside()
            },
            Circumstances {
                same_questions: false,
                ..inside()
            },
        ] {
            let ratio = case_ratio(&validation, &case(40.0), &other).unwrap();
            assert_eq!(ratio.outside.len(), 1, "{:?}", ratio.outside);
        }
        let mut alone = case(40.0);
        alone.matched_alternatives.clear();
        assert_eq!(
            case_ratio(&validation, &alone, &inside())
                .unwrap()
                .outside
                .len(),
            1
        );
    }

    #[test]
    fn a_posterior_comes_with_its_prior_only() {
        let validation = Validation::new(&scores(8.0)).unwrap();
        let plain = case_ratio(&validation, &case(12.0), &inside()).unwrap();
        assert_eq!(plain.updated, None);
        let stated = Circumstances {
            prior_odds: Some(0.01),
            ..inside()
        };
        let updated = case_ratio(&validation, &case(12.0), &stated)
            .unwrap()
            .updated
            .unwrap();
        assert!((updated.prior_odds - 0.01).abs() < 1e-15);
        let expected = 0.01 * 10f64.powf(plain.log10_lr);
        assert!((updated.odds - expected).abs() < 1e-12);
    }

    #[test]
    fn where_a_gate_answers_or_access_differs_there_is_no_ratio() {
        let validation = Validation::new(&scores(8.0)).unwrap();
        let text = Circumstances {
            access: Access::Text,
            ..inside()
        };
        assert!(case_ratio(&validation, &case(12.0), &text).is_err());
        let mut same = case(12.0);
        same.verdict.finding = Finding::SameModel;
        assert!(case_ratio(&validation, &same, &inside()).is_err());
        let mut few = case(12.0);
        few.evidence.controls = 4;
        assert!(case_ratio(&validation, &few, &inside()).is_err());
    }
}

/// The rules and the built-in ratios say the same of every p, at every access.
#[test]
fn findings_and_ratios_agree_wherever_a_threshold_lies() {
    let built_in = super::built_in(Basis::Battery).unwrap();
    for access in [Access::Scored, Access::Top, Access::Text] {
        let ladder = *Rules::HERE.ladder(Condition::from(access));
        let calibration = &built_in.at(access).unwrap().calibration;
        let lr = |p: f64| {
            let deviate = Normal::standard().inverse_cdf(1.0 - p);
            least(&calibration.ratios(deviate)).unwrap().log10_lr
        };
        // Closer, and not a ratio against descent; unrelated, and not a ratio for it.
        assert!(lr(ladder.close_p(usize::MAX)) > 0.0, "{access:?}");
        assert!(lr(ladder.against_p) < 0.0, "{access:?}");
    }
}

/// Every kept case that was scored under these rules.
#[test]
fn no_finding_contradicts_its_figures() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let built_in = super::built_in(Basis::Battery).unwrap();
    for population in ["population", "confirmation"] {
        let scores = read_scores(&root.join(population).join("scores.jsonl")).unwrap();
        for score in scores.iter().filter(|s| s.t_df.is_some()) {
            let (t, freedom) = (score.t.unwrap(), score.t_df.unwrap());
            let p = StudentsT::new(0.0, 1.0, freedom).unwrap().sf(t);
            let ladder = Rules::HERE.ladder(Condition::from(score.access));
            let calibration = &built_in.at(score.access).unwrap().calibration;
            let ratios = calibration.ratios(deviate(t, freedom).unwrap());
            let lr = least(&ratios).unwrap().log10_lr;
            let agrees = match score.finding {
                Finding::Distilled | Finding::Family | Finding::Related => {
                    p < ladder.close_p(score.controls) && lr > 0.0
                }
                Finding::Unrelated | Finding::Shared => p >= ladder.against_p && lr < 0.0,
                _ => true,
            };
            assert!(agrees, "{score:?}");
        }
    }
}
