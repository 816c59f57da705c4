//! Which figure shall decide: the gap to the synthetic control, or the contrast with the protected model's like.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::calibration::{FALSE_POSITIVES, deviate};
use crate::population::{Relation, Score};
use crate::weigh::{Rate, Scored, auroc, tpr_at_fpr};

/// A figure that could decide.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// The pooled gap to the mix of innocent models: what decides.
    Gap,
    /// The pooled interaction in the two-way fit.
    Contrast,
}

/// How one of them separates students from innocents on the fitting part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contender {
    /// The figure.
    pub statistic: Statistic,
    /// Area under the receiver operating characteristic, over all students and innocents that both figures have.
    pub auroc: Option<f64>,
    /// Students found where at most 1 % of the innocents are called.
    pub found_at_1_percent: Option<Rate>,
}

/// Both, on the same undiminished cases of the fitting part.
pub(super) fn contenders(scores: &[&Score]) -> Vec<Contender> {
    let both: Vec<(bool, f64, f64)> = scores
        .iter()
        .filter(|s| s.relation == Relation::Student || s.relation.is_innocent())
        .filter_map(|s| {
            let contrast = s.contrast?;
            let gap = deviate(s.t?, s.degrees_of_freedom()?)?;
            let student = s.relation == Relation::Student;
            Some((
                student,
                gap,
                deviate(contrast.t, contrast.controls.checked_sub(1)? as f64)?,
            ))
        })
        .collect();
    let contender = |statistic, score: fn(&(bool, f64, f64)) -> f64| {
        let items: Vec<Scored> = both
            .iter()
            .map(|case| Scored {
                score: score(case),
                student: case.0,
                source: 0,
            })
            .collect();
        Contender {
            statistic,
            auroc: auroc(&items),
            found_at_1_percent: tpr_at_fpr(&items, FALSE_POSITIVES).map(|d| d.students),
        }
    };
    vec![
        contender(Statistic::Gap, |case| case.1),
        contender(Statistic::Contrast, |case| case.2),
    ]
}
