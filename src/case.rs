//! The case: from fingerprints in their roles to weighed facts. A pure function of what was recorded.

mod family;
mod without;

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::measure::equality::{Equality, equality};
use crate::measure::text_equality::{TextEquality, text_equality};
use crate::measure::{
    Affinity, Contrast, Interaction, Measure, Prepared, Side, Synthetic, affinity, contrast,
    synthetic,
};
use crate::panel::{Matching, Member, Panel};
use crate::sequential::{Sequential, sequential};
use crate::verdict::{Apart, Evidence, TextGate, Verdict, WeightEvidence, judge};
use crate::weigh::{Row, SingleCase, Standing, level_adjusted, pooled};

pub use family::FamilyAnswer;
pub use without::{WithoutOne, without_each};

/// One measure with what it says, or why it says nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasureResult {
    /// The measure.
    pub measure: Measure,
    /// What it counts in the pooled figure.
    pub weight: f64,
    /// What was compared.
    pub affinity: Affinity,
    /// The contrast and the suspect's standing among the controls.
    pub result: Result<(Contrast, Standing), String>,
    /// The suspect as a mix of innocent models, and what that leaves. No rule reads it.
    pub synthetic: Result<Synthetic, String>,
}

/// The synthetic controls of all measures that have one, pooled like the contrasts.
#[derive(Debug, Clone, PartialEq)]
pub struct PooledSynthetic {
    /// The controls that every measure has, in the order of the scores.
    pub controls: Vec<String>,
    /// Gaps, each in units of its controls' standard deviation, averaged over measures.
    pub gap: Standing,
    /// The same of gaps over errors.
    pub ratio: Standing,
}

/// A case, weighed.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Every measure.
    pub measures: Vec<MeasureResult>,
    /// The measures that are pooled, and the ids of the controls in the order of the pooled scores.
    pub pooled_controls: Vec<String>,
    /// The synthetic controls together; nothing when no measure has one.
    pub pooled_synthetic: Option<PooledSynthetic>,
    /// What the ladder looked at.
    pub evidence: Evidence,
    /// Divergence (nats) of every model from the protected one: description that proves nothing.
    pub likeness: Vec<(String, Equality)>,
    /// Alternatives that count as matched.
    pub matched_alternatives: Vec<String>,
    /// Alternatives that the user named but that are no more like the protected model than strangers.
    pub doubtful_alternatives: Vec<String>,
    /// The pooled t with each control in turn left out; empty where one could not be computed.
    pub jackknife: Vec<f64>,
    /// The same case as a bet that may stop at any time; nothing without a rival to bet against.
    pub sequential: Option<Sequential>,
    /// The answer about the protected model's group, when that was the question; the pooled figures and the
    /// finding are then about the group.
    pub family: Option<FamilyAnswer>,
    /// The finding.
    pub verdict: Verdict,
}

/// What is known beside the answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gates {
    /// The two sides' weight files are the same bytes.
    pub identical: bool,
    /// The weight gate.
    pub weights: Option<WeightEvidence>,
}

/// Weighs a case. `prints` has the fingerprint of every member of the panel, by model name; `order` is the random
/// order of the probes that was fixed before the first answer.
pub fn weigh(
    panel: &Panel,
    prints: &BTreeMap<String, Fingerprint>,
    gates: Gates,
    order: &[String],
) -> Case {
    weigh_prepared(panel, prints, None, gates, order)
}

/// The same with comparisons of the models that were worked out before, and then without the two-sample test of
/// texts, which takes longest and decides nothing.
pub(crate) fn weigh_prepared(
    panel: &Panel,
    prints: &BTreeMap<String, Fingerprint>,
    prepared: Option<&Prepared>,
    gates: Gates,
    order: &[String],
) -> Case {
    let sides = Sides {
        prepared,
        ..Sides::new(panel, prints)
    };
    let measures = Measure::ALL.par_iter();
    let measures: Vec<MeasureResult> = measures.map(|m| sides.measure(*m)).collect();
    let usable = contrasts(&measures);
    let (pooled_controls, scores) = pool(&usable);
    let overall = pooled(&scores).map(|z| Standing::new(z[0], z[1..].to_vec()));
    let jackknife = each_left_out(&scores);
    let by_probe = usable.iter().map(|(_, contrast)| *contrast);
    let by_probe: Vec<&Contrast> = by_probe.filter(|c| c.measure.is_by_probe()).collect();
    let (likeness, sequential) = rayon::join(
        || likeness(panel, prints, prepared),
        || sequential(&by_probe, order),
    );
    let protected = prints.get(&panel.protected.model);
    let (matched_alternatives, doubtful_alternatives) = matched(panel, &likeness);
    let equality_of = |id: &str| {
        let found = likeness.iter().find(|(other, _)| other == id);
        found.map(|(_, equality)| *equality)
    };
    let divergence_of = |id: &str| equality_of(id).map(|e| e.divergence);
    let evidence = Evidence {
        identical: gates.identical,
        equality: equality_of(&panel.suspect.id),
        nearest_control: panel
            .controls
            .iter()
            .filter_map(|c| divergence_of(&c.id))
            .min_by(f64::total_cmp),
        texts: (prepared.is_none() && only_text(protected))
            .then(|| text_gate(panel, prints))
            .flatten(),
        weights: gates.weights,
        controls: pooled_controls.len(),
        worst_without_one: jackknife.as_deref().map(worst),
        without_strongest: without_strongest(&scores),
        apart: apart(panel, &measures),
        matched_alternatives: matched_alternatives.len(),
        matched_controls: panel
            .controls
            .iter()
            .filter(|c| c.matching != Matching::None && pooled_controls.contains(&c.id))
            .count(),
        likeness: divergence_of(&panel.suspect.id).map(|suspect| {
            let unmatched = panel
                .controls
                .iter()
                .filter(|c| c.matching == Matching::None);
            let scores = unmatched.filter_map(|c| divergence_of(&c.id)).map(|d| -d);
            Standing::new(-suspect, scores.collect())
        }),
        pooled: overall,
    };
    let verdict = judge(&evidence);
    let mut case = Case {
        pooled_synthetic: pooled_synthetic(&measures),
        measures,
        pooled_controls,
        evidence,
        likeness,
        matched_alternatives,
        doubtful_alternatives,
        jackknife: jackknife.unwrap_or_default().iter().map(|t| t.t).collect(),
        sequential,
        family: None,
        verdict,
    };
    if !panel.family.is_empty() {
        family::answer(&sides, &mut case);
    }
    case
}

/// How far every other member is from the protected model, where that can be said.
fn likeness(
    panel: &Panel,
    prints: &BTreeMap<String, Fingerprint>,
    prepared: Option<&Prepared>,
) -> Vec<(String, Equality)> {
    let protected = prints.get(&panel.protected.model);
    let others: Vec<&Member> = std::iter::once(&panel.suspect)
        .chain(&panel.base)
        .chain(&panel.alternatives)
        .chain(&panel.controls)
        .collect();
    let like = |member: &Member| {
        let equality = match prepared {
            Some(prepared) => prepared.likeness(&panel.protected.model, &member.model),
            None => equality(protected?, prints.get(&member.model)?),
        };
        Some((member.id.clone(), equality?))
    };
    others.into_par_iter().filter_map(like).collect()
}

/// Whether nothing but text was had of a model.
fn only_text(print: Option<&Fingerprint>) -> bool {
    print.is_some_and(|p| p.pool.is_empty() && p.next.is_empty() && !p.shorts.is_empty())
}

/// The two-sample test of texts for the suspect, and for the controls that show what it can tell apart.
fn text_gate(panel: &Panel, prints: &BTreeMap<String, Fingerprint>) -> Option<TextGate> {
    let protected = prints.get(&panel.protected.model)?;
    let test = |member: &Member| text_equality(prints.get(&member.model)?, protected);
    let controls: Vec<TextEquality> = panel.controls.par_iter().filter_map(test).collect();
    Some(TextGate {
        suspect: test(&panel.suspect)?,
        nearest_control: controls.iter().map(|c| c.statistic).reduce(f64::min)?,
        largest_control_p: controls.iter().map(|c| c.p).reduce(f64::max)?,
    })
}

/// The rows and columns of the affinity tables.
struct Sides<'a> {
    panel: &'a Panel,
    prepared: Option<&'a Prepared>,
    rows: Vec<Side<'a>>,
    columns: Vec<Side<'a>>,
    /// The suspect's base, if it has answers.
    base: Option<&'a str>,
}

impl<'a> Sides<'a> {
    fn new(panel: &'a Panel, prints: &'a BTreeMap<String, Fingerprint>) -> Self {
        let side = |member: &'a Member| {
            prints.get(&member.model).map(|print| Side {
                id: &member.id,
                print,
            })
        };
        Self {
            panel,
            prepared: None,
            rows: std::iter::once(&panel.suspect)
                .chain(&panel.base)
                .chain(&panel.controls)
                .filter_map(side)
                .collect(),
            columns: std::iter::once(&panel.protected)
                .chain(&panel.alternatives)
                .filter_map(side)
                .collect(),
            base: panel.base.as_ref().and_then(side).map(|s| s.id),
        }
    }

    /// The name of the model that a member stands for.
    fn model(&self, id: &str) -> &'a str {
        let members = self.panel.members();
        let member = members.into_iter().find(|m| m.id == id);
        member.map_or("", |m| m.model.as_str())
    }

    /// A model is not compared with itself, nor a known student with its teacher.
    fn exists(&self, row: &str, column: &str) -> bool {
        row != column
            && !self
                .panel
                .controls
                .iter()
                .any(|m| m.id == row && m.known_parents.iter().any(|p| p == column))
    }

    fn measure(&self, measure: Measure) -> MeasureResult {
        let exists = |row: &str, column: &str| self.exists(row, column);
        let known = self.prepared.and_then(|p| {
            let model = |id: &str| self.model(id);
            p.affinity(measure, &self.rows, &self.columns, &model, &exists)
        });
        let table = known.unwrap_or_else(|| affinity(measure, &self.rows, &self.columns, &exists));
        let result = self
            .contrast(&table)
            .map(|contrast| {
                let controls = contrast.controls.iter().map(|c| c.mean).collect();
                let standing = Standing::new(contrast.suspect.mean, controls);
                (contrast, standing)
            })
            .map_err(|e| e.to_string());
        let (suspect, protected) = (&self.panel.suspect.id, &self.panel.protected.id);
        let synthetic = synthetic(&table, suspect, protected, self.base);
        MeasureResult {
            measure,
            weight: measure.weight(),
            affinity: table,
            result,
            synthetic: synthetic.map_err(|e| e.to_string()),
        }
    }

    fn contrast(&self, table: &Affinity) -> Result<Contrast, crate::measure::NoContrast> {
        self.contrast_with(table, &self.panel.protected.id)
    }

    /// The same with another candidate parent in the protected model's place.
    fn contrast_with(
        &self,
        table: &Affinity,
        parent: &str,
    ) -> Result<Contrast, crate::measure::NoContrast> {
        let mut result = contrast(table, &self.panel.suspect.id, parent)?;
        adjust_for_level(&mut result);
        if let Some(base) = self.base {
            subtract_base(&mut result, base);
        }
        Ok(result)
    }
}

/// Replaces every interaction by what the level on the other columns does not predict.
pub(crate) fn adjust_for_level(contrast: &mut Contrast) {
    let pair = |i: &Interaction| i.level.map(|level| (i.mean, level));
    let controls: Option<Vec<(f64, f64)>> = contrast.controls.iter().map(pair).collect();
    let (Some(case), Some(controls)) = (pair(&contrast.suspect), controls) else {
        return;
    };
    let (own, rest) = level_adjusted(case, &controls);
    contrast.suspect.mean = own;
    for (control, value) in contrast.controls.iter_mut().zip(rest) {
        control.mean = value;
    }
}

/// Takes the base's interaction from the suspect's.
///
/// The difference of two rows has up to twice the variance of one, so it is divided by the square root
/// of two to stand on the controls' scale: the test is then exact for rows that vary independently, and
/// conservative when a model and its base vary together. The base itself is no control.
fn subtract_base(contrast: &mut Contrast, base: &str) {
    let Some(place) = contrast.controls.iter().position(|c| c.id == base) else {
        return;
    };
    let row = contrast.controls.remove(place);
    contrast.suspect.mean = (contrast.suspect.mean - row.mean) / std::f64::consts::SQRT_2;
}

/// The contrasts of the measures that have one, with their weights.
fn contrasts(measures: &[MeasureResult]) -> Vec<(f64, &Contrast)> {
    let results = measures.iter();
    results
        .filter_map(|m| Some((m.weight, &m.result.as_ref().ok()?.0)))
        .collect()
}

/// The controls that every measure has, and the scores of suspect and controls, a row a measure.
pub(crate) fn pool(usable: &[(f64, &Contrast)]) -> (Vec<String>, Vec<Row>) {
    let Some((_, first)) = usable.first() else {
        return (Vec::new(), Vec::new());
    };
    let mean = |contrast: &Contrast, id: &str| {
        contrast
            .controls
            .iter()
            .find(|c| c.id == id)
            .map(|c| c.mean)
    };
    let ids: Vec<String> = first
        .controls
        .iter()
        .map(|c| c.id.clone())
        .filter(|id| usable.iter().all(|(_, c)| mean(c, id).is_some()))
        .collect();
    let scores = usable
        .iter()
        .map(|(weight, c)| Row {
            weight: *weight,
            scores: std::iter::once(c.suspect.mean)
                .chain(ids.iter().filter_map(|id| mean(c, id)))
                .collect(),
        })
        .collect();
    (ids, scores)
}

/// The synthetic controls of all measures together, over the controls that every one of them has.
fn pooled_synthetic(measures: &[MeasureResult]) -> Option<PooledSynthetic> {
    let usable: Vec<(f64, &Synthetic)> = measures
        .iter()
        .filter_map(|m| Some((m.weight, m.synthetic.as_ref().ok()?)))
        .collect();
    let place = |s: &Synthetic, id: &String| s.controls.iter().position(|c| c.id == *id);
    let (_, first) = usable.first()?;
    let ids: Vec<String> = first
        .controls
        .iter()
        .map(|c| c.id.clone())
        .filter(|id| usable.iter().all(|(_, s)| place(s, id).is_some()))
        .collect();
    let standing = |of: fn(&Synthetic) -> &Standing| {
        let row = |(weight, s): &(f64, &Synthetic)| {
            let standing = of(s);
            let controls = ids.iter().filter_map(|id| place(s, id));
            let controls = controls.map(|i| standing.controls[i]);
            Row {
                weight: *weight,
                scores: std::iter::once(standing.score).chain(controls).collect(),
            }
        };
        let scores: Vec<Row> = usable.iter().map(row).collect();
        pooled(&scores).map(|z| Standing::new(z[0], z[1..].to_vec()))
    };
    Some(PooledSynthetic {
        gap: standing(|s| &s.gap)?,
        ratio: standing(|s| &s.ratio)?,
        controls: ids,
    })
}

fn t_of(scores: &[Row]) -> Option<SingleCase> {
    let z = pooled(scores)?;
    Standing::new(z[0], z[1..].to_vec()).t
}

/// Scores by measure without those of the control at one place, counted from 0.
fn without_control(scores: &[Row], place: usize) -> Vec<Row> {
    let less = |row: &Row| {
        let mut row = row.clone();
        row.scores.remove(place + 1);
        row
    };
    scores.iter().map(less).collect()
}

/// The pooled t when each control in turn is left out.
fn each_left_out(scores: &[Row]) -> Option<Vec<SingleCase>> {
    let controls = scores.first()?.scores.len().saturating_sub(1);
    (0..controls)
        .map(|place| t_of(&without_control(scores, place)))
        .collect()
}

/// The largest p of some.
fn worst(left_out: &[SingleCase]) -> f64 {
    left_out.iter().map(|t| t.p).fold(0.0, f64::max)
}

/// The largest p when each measure in turn is left out: that without the strongest one.
fn without_strongest(scores: &[Row]) -> Option<f64> {
    if scores.len() < 2 {
        return None;
    }
    (0..scores.len())
        .map(|out| {
            let mut fewer = scores.to_vec();
            fewer.remove(out);
            t_of(&fewer).map(|t| t.p)
        })
        .try_fold(0.0, |worst: f64, p| Some(worst.max(p?)))
}

/// For every alternative the smallest paired p over the measures, Bonferroni-corrected.
fn apart(panel: &Panel, measures: &[MeasureResult]) -> Vec<Apart> {
    let usable = contrasts(measures);
    panel
        .alternatives
        .iter()
        .map(|alternative| {
            let smallest = usable
                .iter()
                .filter_map(|(_, c)| c.against.iter().find(|(id, _)| *id == alternative.id))
                .filter_map(|(_, test)| test.as_ref().map(|t| t.p))
                .fold(1.0, f64::min);
            Apart {
                alternative: alternative.id.clone(),
                p: (smallest * usable.len() as f64).min(1.0),
            }
        })
        .collect()
}

/// Which alternatives count as matched, and which were only called so.
///
/// Declared ones count. One that the user merely named counts when it is liker to the protected model
/// than three quarters of the unmatched controls are: a stranger named as an alternative would make
/// shared data look like distillation.
fn matched(panel: &Panel, likeness: &[(String, Equality)]) -> (Vec<String>, Vec<String>) {
    let divergence = |id: &str| {
        likeness
            .iter()
            .find(|(o, _)| o == id)
            .map(|(_, e)| e.divergence)
    };
    let unmatched: Vec<f64> = panel
        .controls
        .iter()
        .filter(|c| c.matching == Matching::None)
        .filter_map(|c| divergence(&c.id))
        .collect();
    panel
        .alternatives
        .iter()
        .filter(|a| a.matching != Matching::None)
        .map(|a| {
            let nearer = divergence(&a.id).is_some_and(|d| {
                let beaten = unmatched.iter().filter(|c| **c > d).count();
                !unmatched.is_empty() && 4 * beaten >= 3 * unmatched.len()
            });
            (a.id.clone(), a.matching == Matching::Declared || nearer)
        })
        .fold(
            (Vec::new(), Vec::new()),
            |(mut yes, mut no), (id, counts)| {
                if counts {
                    yes.push(id);
                } else {
                    no.push(id);
                }
                (yes, no)
            },
        )
}
