//! How much of a student's training the protected model wrote: told from the fitting part, tried on the other.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::population::{Relation, Score};
use crate::weigh::{Dose, DoseCurve, DoseEffect, KnownDose, Rate, rate};

/// What the fitting part says of doses, in the unit of the pooled score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Doses {
    /// The mean score at each known dose, averaged over sources.
    pub effects: Vec<DoseEffect>,
    /// The curve that doses are told by; `None` if the sources are too few for one.
    pub curve: Option<DoseCurve>,
}

/// Students of one true dose, and what was told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DoseRow {
    /// The true dose, from 0 (innocents) to 1.
    pub dose: f64,
    /// Cases whose 95 % interval holds it.
    pub held: Option<Rate>,
    /// Cases whose interval leaves out 0: the suspect is told from an innocent model.
    pub told_from_none: Option<Rate>,
    /// The mean estimate.
    pub estimate: f64,
    /// The mean width of the intervals.
    pub width: f64,
}

impl Doses {
    /// Fitted on the undiminished cases of the fitting part.
    pub(super) fn fit(scores: &[&Score]) -> Self {
        let known: Vec<KnownDose> = scores.iter().filter_map(|s| known(s)).collect();
        let mut effects: Vec<DoseEffect> = Vec::new();
        let mut doses: Vec<f64> = known.iter().map(|k| k.dose).filter(|d| *d > 0.0).collect();
        doses.sort_by(f64::total_cmp);
        doses.dedup();
        for dose in doses {
            let mut by_source: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
            for k in known.iter().filter(|k| k.dose.total_cmp(&dose).is_eq()) {
                by_source.entry(&k.source).or_default().push(k.gap);
            }
            let means: Vec<f64> = by_source.values().map(|gaps| mean(gaps)).collect();
            effects.push(DoseEffect {
                dose,
                effect: mean(&means),
            });
        }
        Self {
            effects,
            curve: DoseCurve::fit(&known).ok(),
        }
    }

    /// The dose that a pooled score speaks for.
    pub fn estimate(&self, pooled: f64) -> Option<Dose> {
        self.curve.as_ref()?.estimate(pooled)
    }

    /// Tries the curve on cases of known dose, a row for each.
    pub(super) fn tried(&self, scores: &[&Score]) -> Vec<DoseRow> {
        let mut told: Vec<(f64, Dose)> = scores
            .iter()
            .filter_map(|s| known(s))
            .filter_map(|k| Some((k.dose, self.estimate(k.gap)?)))
            .collect();
        told.sort_by(|a, b| a.0.total_cmp(&b.0));
        let same = told.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq());
        same.map(|cases| {
            let of = |holds: &dyn Fn(&(f64, Dose)) -> bool| {
                rate(cases.iter().filter(|c| holds(c)).count(), cases.len())
            };
            let mean_of = |value: fn(&Dose) -> f64| {
                mean(&cases.iter().map(|c| value(&c.1)).collect::<Vec<_>>())
            };
            DoseRow {
                dose: cases[0].0,
                held: of(&|(dose, told)| (told.low..=told.high).contains(dose)),
                told_from_none: of(&|(_, told)| told.low > 0.0),
                estimate: mean_of(|d| d.estimate),
                width: mean_of(|d| d.high - d.low),
            }
        })
        .collect()
    }
}

/// A case whose dose and score are known; what was made from the protected model's weights is none.
fn known(score: &Score) -> Option<KnownDose> {
    let counts = score.relation == Relation::Student || score.relation.is_innocent();
    let gap = score.pooled.filter(|_| counts)?;
    Some(KnownDose {
        source: score.source.clone(),
        dose: score.dose?,
        gap,
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
