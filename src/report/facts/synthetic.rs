//! The nearest innocent explanation in a report.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::measure::Synthetic;
use crate::weigh::Fitted;

/// Models of the mix that a report names.
const SHOWN: usize = 5;

/// The suspect as a mix of innocent models, on one measure; where it stands with its gap is said by the measure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct SyntheticFacts {
    /// Why there is none, if so; the figures are then null.
    pub left_out: Option<String>,
    /// The heaviest models of the mix, at most five.
    pub mix: Vec<WeightFacts>,
    /// The weight of the others.
    pub rest: f64,
    /// How much closer the suspect is to the protected model than the mix, in the measure's unit.
    pub gap: Option<f64>,
    /// Root mean square of what the mix leaves on the other candidate parents, probe by probe, same unit.
    pub error: Option<f64>,
    /// Gap over error.
    pub ratio: Option<f64>,
    /// Whether the suspect is fitted too badly on the other candidate parents for the gap to be judged.
    pub too_bad: Option<bool>,
    /// Probes that the gap is a mean over.
    pub probes: usize,
    /// Models that could have had weight.
    pub donors: usize,
    /// Models that could not, because they lack answers that the fit needs.
    pub lacking: Vec<String>,
    /// The controls, each as a mix of the others.
    pub controls: BTreeMap<String, GapFacts>,
}

/// One model of the mix.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WeightFacts {
    /// The model.
    pub id: String,
    /// How much of it; weights add up to more than one where the suspect is more pronounced.
    pub weight: f64,
}

/// What a mix leaves of one control.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct GapFacts {
    /// Gap at the protected model.
    pub gap: f64,
    /// Root mean square on the other candidate parents.
    pub error: f64,
}

pub(super) fn measure(result: &Result<Synthetic, String>) -> SyntheticFacts {
    let found = match result {
        Ok(found) => found,
        Err(reason) => {
            return SyntheticFacts {
                left_out: Some(reason.clone()),
                ..SyntheticFacts::default()
            };
        }
    };
    let (named, rest) = found.mix.split_at(found.mix.len().min(SHOWN));
    let weight = |(id, weight): &(String, f64)| WeightFacts {
        id: id.clone(),
        weight: *weight,
    };
    let controls = found.controls.iter().map(|c| {
        let facts = GapFacts {
            gap: c.gap,
            error: c.error,
        };
        (c.id.clone(), facts)
    });
    SyntheticFacts {
        left_out: None,
        mix: named.iter().map(weight).collect(),
        // Adding 0.0 turns the -0.0 of an empty sum into 0.0.
        rest: rest.iter().map(|(_, weight)| weight).sum::<f64>() + 0.0,
        gap: Some(found.suspect.gap),
        error: Some(found.suspect.error),
        ratio: found.suspect.over_error(),
        too_bad: Some(found.fitted == Fitted::TooBadly),
        probes: found.probes,
        donors: found.donors,
        lacking: found.lacking.clone(),
        controls: controls.collect(),
    }
}
