//! Claims about adequacy, over made-up cases.

use ndarray::Array3;

use super::*;
use crate::case::{Figures, LeftOut, MeasureResult};
use crate::measure::equality::Equality;
use crate::measure::{Affinity, Basis, Measure, Scores};
use crate::panel::{Matching, Member, Named};
use crate::verdict::{Evidence, judge};
use crate::weigh::{Null, Row, Standing, pooled};

fn member(id: &str) -> Member {
    Member {
        id: id.to_owned(),
        model: format!("m/{id}"),
        kind: String::new(),
        matching: Matching::None,
        base: None,
        known_parents: Vec::new(),
        kinds: Vec::new(),
        group: None,
    }
}

/// A panel of so many controls.
fn panel(controls: usize) -> Panel {
    let named = Named {
        protected: "m/p".to_owned(),
        suspect: "m/s".to_owned(),
        ..Named::default()
    };
    let mut panel = Panel::new(&named, &[]);
    panel.controls = (0..controls).map(|i| member(&format!("c{i}"))).collect();
    panel
}

/// A case of two measures with these scores, weighed as the ladder would.
fn case(panel: &Panel, suspect: f64, controls: &[f64]) -> Case {
    let ids: Vec<String> = panel.controls.iter().map(|c| c.id.clone()).collect();
    let measure = |measure: Measure, scale: f64| MeasureResult {
        measure,
        weight: 1.0,
        affinity: Affinity {
            gram: None,
            measure,
            rows: Vec::new(),
            columns: Vec::new(),
            probes: Vec::new(),
            cells: Array3::zeros((0, 0, 0)),
        },
        figures: Figures {
            scores: Ok(Scores {
                suspect: scale * suspect,
                controls: ids
                    .iter()
                    .cloned()
                    .zip(controls.iter().map(|c| scale * c))
                    .collect(),
            }),
            elsewhere: Vec::new(),
            contrast: Err("not looked at".to_owned()),
            synthetic: Err("not looked at".to_owned()),
        },
    };
    let scores: Vec<f64> = std::iter::once(suspect)
        .chain(controls.iter().copied())
        .collect();
    let rules = Rules::HERE;
    let row = Row::plain(1.0, scores);
    let rows = [row.clone(), row];
    let left_out = |(place, id): (usize, &String)| {
        let less: Vec<Row> = rows.iter().map(|row| row.without(place)).collect();
        LeftOut::new(id, &less, &Null::Moderated(rules.scatter))
    };
    let matched = panel
        .controls
        .iter()
        .filter(|c| c.matching != Matching::None);
    let left_out = ids.iter().enumerate().map(left_out).collect();
    let mut case = Case {
        basis: Basis::Battery,
        measures: vec![
            measure(Measure::Next, 1.0),
            measure(Measure::Preference, 0.1),
        ],
        pooled_contrast: None,
        pooled_controls: ids,
        evidence: Evidence {
            equality: Some(Equality {
                divergence: 0.04,
                agreement: 0.5,
                probes: 60,
            }),
            nearest_control: Some(0.05),
            controls: controls.len(),
            pooled: pooled(&rows, &Null::Moderated(rules.scatter)),
            worst_without_one: Some(0.0),
            without_strongest: Some(0.0),
            matched_controls: matched.count(),
            ..Evidence::default()
        },
        likeness: Vec::new(),
        matched_alternatives: Vec::new(),
        doubtful_alternatives: Vec::new(),
        left_out,
        screened: Vec::new(),
        unresponsive: Vec::new(),
        suspect_is: Vec::new(),
        sequential: None,
        family: None,
        marks: None,
        verdict: judge(&Evidence::default(), &rules),
    };
    case.verdict = judge(&case.evidence, &rules);
    case
}

/// Twelve scores that vary, the largest 1.1.
fn varied() -> Vec<f64> {
    (0..12).map(|i| f64::from(i) * 0.2 - 1.1).collect()
}

#[test]
fn only_usable_controls_count_and_what_is_not_declared_is_said() {
    let mut panel = panel(4);
    panel.controls[0].kinds = vec![ControlKind::SameBase, ControlKind::SameData];
    panel.controls[1].kinds = vec![ControlKind::SameData];
    panel.controls[2].kinds = vec![ControlKind::Sibling];
    panel.decidable = ControlKind::ALL[..4].to_vec();
    let usable = |id: &str| id != "c2";
    let found = kinds(&panel, &usable);
    let numbers: Vec<usize> = found.iter().map(|k| k.count).collect();
    assert_eq!(numbers, [1, 2, 0, 0, 0]);
    assert_eq!(other(&panel, &usable), 1);
    assert_eq!(
        counts(3, &found, 1),
        "3 usable: 1 same base, 2 same data; none: sibling of the protected model, student of a sibling; \
         not declared: same era and size; 1 of no declared kind"
    );
}

#[test]
fn a_rung_that_hangs_on_one_control_is_seen() {
    let mut panel = panel(12);
    panel.controls[3].matching = Matching::Declared;
    let case = case(&panel, 9.0, &varied());
    assert_eq!(case.verdict.finding, Finding::Distilled);
    let found = adequacy(&panel, &case, &[]);
    assert_eq!(found.moved_by, ["c3"]);
    assert_eq!(found.without_one[3].finding, Finding::Related);
    assert!(
        found.in_words[1].contains("related without c3"),
        "{:?}",
        found.in_words
    );
    // With two of them none is needed.
    panel.controls[5].matching = Matching::Declared;
    let case = self::case(&panel, 9.0, &varied());
    let found = adequacy(&panel, &case, &[]);
    assert!(found.moved_by.is_empty());
    assert!(
        found.in_words[1].contains("stays distilled"),
        "{:?}",
        found.in_words
    );
}

#[test]
fn a_control_that_hides_a_finding_is_seen() {
    let mut panel = panel(13);
    for control in &mut panel.controls {
        control.matching = Matching::Declared;
    }
    let mut scores = varied();
    scores.push(8.0);
    let case = case(&panel, 7.0, &scores);
    assert_eq!(case.verdict.finding, Finding::Undecided);
    let found = adequacy(&panel, &case, &[]);
    assert_eq!(found.moved_by, ["c12"]);
    assert_eq!(found.without_one[12].finding, Finding::Distilled);
}

#[test]
fn five_controls_are_four_without_one() {
    let panel = panel(5);
    let case = case(&panel, 40.0, &varied()[..5]);
    assert_eq!(case.verdict.finding, Finding::Related);
    let found = adequacy(&panel, &case, &[]);
    assert_eq!(found.moved_by.len(), 5);
    assert!(
        found
            .without_one
            .iter()
            .all(|w| w.finding == Finding::Inconclusive)
    );
}

#[test]
fn the_kind_that_is_missed_most_depends_on_the_finding() {
    use ControlKind::{SameBase, SameData, SameEraAndSize, Sibling, SiblingStudent};
    let missing_of = |finding, has: &[ControlKind], base: bool| {
        let mut panel = panel(12);
        panel.decidable = vec![SameData];
        for (control, kind) in panel.controls.iter_mut().zip(has) {
            control.kinds = vec![*kind];
        }
        panel.base = base.then(|| member("base"));
        let mut case = case(&panel, 0.0, &varied());
        case.verdict.finding = finding;
        missing(&panel, &case, &kinds(&panel, &|_| true)).map(|m| (m.kind, m.why))
    };
    let kind = |finding, has: &[ControlKind], base| missing_of(finding, has, base).map(|m| m.0);
    assert_eq!(kind(Finding::SameModel, &[], false), None);
    assert_eq!(kind(Finding::WeightDerivative, &[], false), Some(SameBase));
    assert_eq!(kind(Finding::WeightDerivative, &[], true), None);
    assert_eq!(kind(Finding::Distilled, &[], false), Some(Sibling));
    assert_eq!(
        kind(Finding::Distilled, &[Sibling, SameData], false),
        Some(SameBase)
    );
    assert_eq!(
        kind(Finding::Distilled, &[Sibling, SameData], true),
        Some(SiblingStudent)
    );
    assert_eq!(kind(Finding::Distilled, &ControlKind::ALL, false), None);
    assert_eq!(kind(Finding::Unrelated, &[], false), Some(SameEraAndSize));
    assert_eq!(kind(Finding::Shared, &[], false), Some(SameBase));
    // What is declared and absent is told from what is not declared.
    let why = |has: &[ControlKind]| missing_of(Finding::Distilled, has, true).unwrap().1;
    assert!(why(&[Sibling]).starts_with("no usable control is of the kind 'same data', so "));
    assert!(why(&[]).starts_with("no control is declared to be of the kind 'sibling"));
}

/// The power of twelve scores that vary.
fn measured(doses: &[DoseEffect]) -> Option<PowerFacts> {
    let t = Standing::new(0.0, varied()).t.unwrap();
    PowerFacts::measured(&t, doses, Condition::Scored)
}

#[test]
fn power_is_in_the_units_of_the_figures_beside_it() {
    // numpy 2.4, SciPy 1.17.1: m = 12, mean 0, sd 0.7211; t.isf(1e-4, 11) = 5.4528; d = 6.8757 from
    // brentq over nct.sf.
    let power = measured(&[]).unwrap();
    assert!(
        (power.threshold.unwrap() - THRESHOLD).abs() < 1e-9,
        "{power:?}"
    );
    assert!(
        (power.detectable_sd.unwrap() - DETECTABLE_SD).abs() < 1e-6,
        "{power:?}"
    );
    assert!(
        (power.detectable.unwrap() - DETECTABLE).abs() < 1e-6,
        "{power:?}"
    );
    assert_eq!(power.smallest_dose, None);
    let doses = [
        DoseEffect {
            dose: 0.1,
            effect: 1.0,
        },
        DoseEffect {
            dose: 1.0,
            effect: 10.0,
        },
    ];
    let power = measured(&doses).unwrap();
    // 0.1 a unit of effect from nothing on.
    assert!((power.smallest_dose.unwrap() - DETECTABLE / 10.0).abs() < 1e-6);
    assert!(
        power.sentence().contains("dose of about 50 %"),
        "{}",
        power.sentence()
    );
    assert_eq!(
        PowerFacts::of(MIN_CONTROLS - 1, 0, 1, Condition::Scored),
        None
    );
    let planned = PowerFacts::of(12, 0, 1, Condition::Scored).unwrap();
    assert_eq!((planned.detectable, planned.threshold), (None, None));
    assert!(
        planned
            .sentence()
            .starts_with("with 12 controls an effect of 6.9 ")
    );
}

const THRESHOLD: f64 = 4.092_599_757_751_014;
const DETECTABLE_SD: f64 = 6.875_739_145_290_199;
const DETECTABLE: f64 = 4.958_166_009_011_752;
