//! Against lir, scikit-learn and SciPy, by `scripts/check_calibration.py`; and what tests of parts share.

use serde::Deserialize;

use super::*;

/// Items without sources.
pub(super) fn items(students: &[f64], others: &[f64]) -> Vec<Scored> {
    let of = |scores: &[f64], student| {
        let items = scores.iter().map(|&score| Scored {
            score,
            student,
            source: 0,
        });
        items.collect::<Vec<_>>()
    };
    [of(students, true), of(others, false)].concat()
}

/// Equal, infinite or not.
pub(super) fn same(a: f64, b: f64) -> bool {
    a.total_cmp(&b).is_eq()
}

/// JSON has no infinity: it is "inf" there.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(f64),
    Told(String),
}

impl Number {
    fn get(&self) -> f64 {
        match self {
            Self::Plain(x) => *x,
            Self::Told(x) => x.parse().unwrap(),
        }
    }
}

fn numbers(list: &[Number]) -> Vec<f64> {
    list.iter().map(Number::get).collect()
}

#[derive(Deserialize)]
struct Line {
    penalty: f64,
    intercept: f64,
    slope: f64,
}

#[derive(Deserialize)]
struct Set {
    name: String,
    students: Vec<Number>,
    others: Vec<Number>,
    cllr: Number,
    cllr_min: Number,
    auroc: f64,
    log10_prior_odds: Vec<f64>,
    ece: Vec<Number>,
    ece_min: Vec<Number>,
    neutral: Vec<Number>,
    elub: [f64; 2],
    at: Vec<Number>,
    isotonic: [Vec<Number>; 2],
    logistic: Vec<Line>,
}

#[derive(Deserialize)]
struct Fused {
    name: String,
    students: usize,
    scores: Vec<Vec<Option<f64>>>,
    mean: Vec<f64>,
    sd: Vec<f64>,
    beta: Vec<f64>,
}

#[derive(Deserialize)]
struct Share {
    count: usize,
    of: usize,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct Answers {
    sets: Vec<Set>,
    fused: Vec<Fused>,
    rates: Vec<Share>,
}

impl Set {
    fn items(&self) -> Vec<Scored> {
        items(&numbers(&self.students), &numbers(&self.others))
    }
}

fn answers() -> Answers {
    serde_json::from_str(include_str!("../../../tests/data/calibration.json")).unwrap()
}

/// How closely sums agree, and what was found by going downhill.
const SUM: f64 = 1e-11;
const FIT: f64 = 1e-6;

fn agree(found: &[f64], expected: &[f64], within: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let close = same(*f, *e) || (f - e).abs() < within;
        assert!(close, "{what} {i}: {f} where {e} was expected");
    }
}

#[test]
fn costs_and_areas_agree_with_lir_and_scikit_learn() {
    let sets = answers().sets;
    assert_eq!(sets.len(), 13);
    for set in sets {
        let (items, name) = (set.items(), &set.name);
        agree(&[cllr(&items).unwrap()], &[set.cllr.get()], SUM, name);
        let least = cllr_min(&items).unwrap();
        agree(&[least], &[set.cllr_min.get()], SUM, name);
        agree(&[auroc(&items).unwrap()], &[set.auroc], SUM, name);
        let curve = ece_curve(&items, &set.log10_prior_odds).unwrap();
        for (of, expected) in [
            ((|p| p.ece) as fn(&EcePoint) -> f64, &set.ece),
            (|p| p.ece_min, &set.ece_min),
            (|p| p.neutral, &set.neutral),
        ] {
            let found: Vec<f64> = curve.iter().map(of).collect();
            agree(&found, &numbers(expected), SUM, name);
        }
    }
}

#[test]
fn pooled_ratios_agree_with_lir_at_and_between_scores() {
    for set in answers().sets {
        for (misleading, expected) in set.isotonic.iter().enumerate() {
            let fitted = Isotonic::fit(&set.items(), misleading).unwrap();
            let at = numbers(&set.at);
            let found: Vec<f64> = at.iter().map(|x| fitted.log10_lr(*x)).collect();
            agree(&found, &numbers(expected), SUM, &set.name);
        }
    }
}

#[test]
fn empirical_bounds_agree_with_lir() {
    for set in answers().sets {
        let found = elub(&set.items()).unwrap();
        agree(&[found.lower, found.upper], &set.elub, SUM, &set.name);
        assert_eq!(found.limit, Limit::Elub);
    }
}

#[test]
fn logistic_ratios_agree_with_lir() {
    let mut compared = 0;
    for set in answers().sets {
        for line in &set.logistic {
            let found = Logistic::fit(&set.items(), line.penalty).unwrap();
            let expected = [line.intercept, line.slope];
            agree(&[found.intercept, found.slope], &expected, FIT, &set.name);
            compared += 1;
        }
        let misled = matches!(
            Logistic::fit(&set.items(), PENALTY),
            Err(CalibrationError::InfinitelyMisled { .. })
        );
        assert_eq!(set.logistic.is_empty(), misled, "{}", set.name);
    }
    assert_eq!(compared, 22);
}

#[test]
fn fused_ratios_agree_with_scikit_learn_and_with_scipy_where_a_weight_is_held() {
    let fused = answers().fused;
    assert_eq!(fused.len(), 2);
    for set in fused {
        let scores = set.scores.iter().enumerate();
        let items: Vec<Measured> = scores
            .map(|(i, scores)| Measured {
                scores: scores.clone(),
                student: i < set.students,
                source: 0,
            })
            .collect();
        let found = Fusion::fit(&items, PENALTY).unwrap();
        let of = |f: fn(&FusedMeasure) -> f64| found.measures.iter().map(f).collect::<Vec<_>>();
        agree(&of(|m| m.mean), &set.mean, SUM, &set.name);
        agree(&of(|m| m.sd), &set.sd, SUM, &set.name);
        let beta = [vec![found.intercept], of(|m| m.weight)].concat();
        agree(&beta, &set.beta, FIT, &set.name);
    }
}

#[test]
fn exact_intervals_agree_with_scipy() {
    let rates = answers().rates;
    assert_eq!(rates.len(), 8);
    for share in rates {
        let found = rate(share.count, share.of).unwrap();
        let ends = [found.interval.low, found.interval.high];
        agree(&ends, &[share.low, share.high], 1e-10, "rate");
        assert!(same(found.share, share.count as f64 / share.of as f64));
    }
}
