//! The test part, condition by condition.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::calibration::{Calibrated, FALSE_POSITIVES, deviate, labelled, least};
use crate::identity::Served;
use crate::population::{Relation, Score, Thinning};
use crate::verdict::Finding;
use crate::weigh::{
    Bootstrap, Estimated, Rate, Scored, auroc, cllr, cllr_min, misleading, rate, tpr_at_fpr,
};

/// Students at full dose: they learned nothing but what the protected model gave.
const FULL_DOSE: [&str; 4] = ["logits", "text", "scratch", "cross tokenizer"];

/// One condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// The condition, in words.
    pub condition: String,
    /// Cases with a true student.
    pub students: usize,
    /// Cases with an innocent model.
    pub innocents: usize,
    /// Sources that they come from.
    pub sources: usize,
    /// Students with the finding `distilled`.
    pub distilled: Option<Rate>,
    /// Students with the finding `distilled` or `family`.
    pub family: Option<Rate>,
    /// Innocents with a finding of descent: `distilled`, `weight_derivative` or `same_model`.
    pub accused: Option<Rate>,
    /// Students above the threshold fixed on the fitting part.
    pub above: Option<Rate>,
    /// Innocents above it.
    pub innocents_above: Option<Rate>,
    /// Area under the receiver operating characteristic.
    pub auroc: Option<Estimated>,
    /// True positive rate where at most 1 % of these innocents are called.
    pub found_at_1_percent: Option<Rate>,
    /// True positive rate where at most 5 % of these innocents are called.
    pub found_at_5_percent: Option<Rate>,
    /// Cost of the likelihood ratios, the least favourable proposition leading.
    pub cllr: Option<Estimated>,
    /// What of it is left by the best calibration.
    pub cllr_min: Option<Estimated>,
    /// Innocents with a likelihood ratio above 1, 10 and 100.
    pub misleading: Vec<Rate>,
    /// Students with one below 1, 1/10 and 1/100.
    pub misleading_students: Vec<Rate>,
}

/// By which calibration the scores of a source are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum ReadBy<'a> {
    /// By one that was fitted on other sources than all of these.
    One(&'a Calibrated),
    /// Each by one that was fitted on all other sources.
    EachByOthers(&'a BTreeMap<String, Calibrated>),
}

impl<'a> ReadBy<'a> {
    fn of(self, source: &str) -> Option<&'a Calibrated> {
        match self {
            Self::One(calibrated) => Some(calibrated),
            Self::EachByOthers(by_source) => by_source.get(source),
        }
    }
}

/// How the names of conditions begin in which suspects alone were served otherwise.
const SERVED_OTHERWISE: &str = "full dose, all suspects ";

impl Row {
    /// Suspects alone were served otherwise than was asked for.
    pub(super) fn is_served_otherwise(&self) -> bool {
        self.condition.starts_with(SERVED_OTHERWISE)
    }
}

/// Which scores make a condition.
struct Condition<'a> {
    name: String,
    thinning: Thinning,
    served: Served,
    student: Box<dyn Fn(&Score) -> bool + 'a>,
    innocent: Box<dyn Fn(&Score) -> bool + 'a>,
}

impl<'a> Condition<'a> {
    fn new(
        name: impl Into<String>,
        student: impl Fn(&Score) -> bool + 'a,
        innocent: impl Fn(&Score) -> bool + 'a,
    ) -> Self {
        Self {
            name: name.into(),
            thinning: Thinning::None,
            served: Served::Plain,
            student: Box::new(student),
            innocent: Box::new(innocent),
        }
    }
}

pub(super) fn is_full_dose(score: &Score) -> bool {
    FULL_DOSE.contains(&score.kind.as_str())
}

fn anyone(_: &Score) -> bool {
    true
}

/// Every condition that the scores have cases of.
pub(super) fn all(read_by: ReadBy<'_>, scores: &[&Score], sources: &[String]) -> Vec<Row> {
    let by_house = matches!(read_by, ReadBy::EachByOthers(_));
    let nearest = nearest_houses(scores);
    let is_nearest = |s: &Score| nearest.contains(&(s.suspect.as_str(), s.source.as_str()));
    let mut conditions = vec![
        Condition::new(
            "students by the nearest of their declared houses, all innocents",
            move |s| by_house && is_nearest(s),
            anyone,
        ),
        Condition::new("students at full dose, all innocents", is_full_dose, anyone),
        Condition::new("all students, all innocents", anyone, anyone),
    ];
    let of = |relation: Relation| move |s: &Score| s.relation == relation;
    for relation in Relation::INNOCENT {
        conditions.push(Condition::new(
            format!("full dose against innocents of kind {}", relation.name()),
            is_full_dose,
            of(relation),
        ));
    }
    let students = scores.iter().filter(|s| s.relation == Relation::Student);
    let kinds: BTreeSet<&str> = students.map(|s| s.kind.as_str()).collect();
    for kind in kinds {
        let of_kind = move |s: &Score| s.kind == kind;
        conditions.push(Condition::new(
            format!("students: {kind}, all innocents"),
            of_kind,
            anyone,
        ));
    }
    let thinnings: BTreeSet<Thinning> = scores.iter().map(|s| s.thinning).collect();
    for thinning in thinnings {
        let name = match thinning {
            Thinning::None => continue,
            Thinning::Controls(count) => format!("full dose, {count} controls drawn"),
            Thinning::Probes(count) => format!("full dose, the first {count} probes"),
        };
        conditions.push(Condition {
            thinning,
            ..Condition::new(name, is_full_dose, anyone)
        });
    }
    let all_served: BTreeSet<Served> = scores.iter().map(|s| s.served).collect();
    for served in all_served.into_iter().filter(|s| !s.is_plain()) {
        let name = format!("{SERVED_OTHERWISE}{}", served.words());
        conditions.push(Condition {
            served,
            ..Condition::new(name, is_full_dose, anyone)
        });
    }
    for source in sources {
        let from = move |s: &Score| s.source == *source;
        conditions.push(if by_house {
            Condition::new(format!("house {source} alone"), from, from)
        } else {
            let student = move |s: &Score| from(s) && is_full_dose(s);
            Condition::new(format!("full dose, source {source} alone"), student, from)
        });
    }
    let rows = conditions.iter().map(|c| row(c, read_by, scores, sources));
    rows.filter(|row| row.students > 0 && row.innocents > 0)
        .collect()
}

/// For every student the house with the largest t of those that it learned from.
fn nearest_houses<'a>(scores: &[&'a Score]) -> BTreeSet<(&'a str, &'a str)> {
    let mut nearest: BTreeMap<&str, &Score> = BTreeMap::new();
    for score in scores
        .iter()
        .filter(|s| s.is_whole() && s.relation == Relation::Student)
    {
        let known = nearest.entry(&score.suspect).or_insert(score);
        if score.t > known.t {
            *known = score;
        }
    }
    nearest
        .values()
        .map(|s| (s.suspect.as_str(), s.source.as_str()))
        .collect()
}

/// log10 likelihood ratios, the least favourable leading.
pub(super) fn ratios(read_by: ReadBy<'_>, scores: &[&Score], sources: &[String]) -> Vec<Scored> {
    let items = labelled(scores, sources, |_| true).into_iter();
    let ratio = |item: Scored| {
        let calibrated = read_by.of(&sources[item.source])?;
        let score = least(&calibrated.ratios(item.score))?.log10_lr;
        Some(Scored { score, ..item })
    };
    items.filter_map(ratio).collect()
}

fn row(
    condition: &Condition<'_>,
    read_by: ReadBy<'_>,
    scores: &[&Score],
    sources: &[String],
) -> Row {
    let chosen: Vec<&Score> = scores
        .iter()
        .filter(|s| s.thinning == condition.thinning && s.served == condition.served)
        .filter(|s| match s.relation {
            Relation::Student => (condition.student)(s),
            relation => relation.is_innocent() && (condition.innocent)(s),
        })
        .copied()
        .collect();
    let items = labelled(&chosen, sources, |_| true);
    let ratios = ratios(read_by, &chosen, sources);
    let share_of = |students: bool, holds: &dyn Fn(&Score) -> bool| {
        let of: Vec<&&Score> = chosen
            .iter()
            .filter(|s| (s.relation == Relation::Student) == students)
            .collect();
        rate(of.iter().filter(|s| holds(s)).count(), of.len())
    };
    let found = |findings: &'static [Finding]| move |s: &Score| findings.contains(&s.finding);
    let above = |s: &Score| {
        let deviate = s.t.and_then(|t| deviate(t, s.degrees_of_freedom()?));
        let threshold = read_by.of(&s.source).map(|c| c.threshold);
        deviate
            .zip(threshold)
            .is_some_and(|(d, threshold)| d > threshold)
    };
    let at = |rate: f64| tpr_at_fpr(&items, rate).map(|d| d.students);
    let misled: Vec<_> = [0.0, 1.0, 2.0]
        .iter()
        .filter_map(|far| misleading(&ratios, *far))
        .collect();
    let bootstrap = Bootstrap::default();
    Row {
        condition: condition.name.clone(),
        students: chosen
            .iter()
            .filter(|s| s.relation == Relation::Student)
            .count(),
        innocents: chosen
            .iter()
            .filter(|s| s.relation != Relation::Student)
            .count(),
        sources: chosen
            .iter()
            .map(|s| &s.source)
            .collect::<BTreeSet<_>>()
            .len(),
        distilled: share_of(true, &found(&[Finding::Distilled])),
        family: share_of(true, &found(&[Finding::Distilled, Finding::Family])),
        accused: share_of(
            false,
            &found(&[
                Finding::Distilled,
                Finding::WeightDerivative,
                Finding::SameModel,
            ]),
        ),
        above: share_of(true, &above),
        innocents_above: share_of(false, &above),
        auroc: bootstrap.of(&items, auroc),
        found_at_1_percent: at(FALSE_POSITIVES),
        found_at_5_percent: at(0.05),
        cllr: bootstrap.of(&ratios, cllr),
        cllr_min: bootstrap.of(&ratios, cllr_min),
        misleading: misled.iter().map(|m| m.others).collect(),
        misleading_students: misled.iter().map(|m| m.students).collect(),
    }
}
