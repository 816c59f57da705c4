//! Figures in a report.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::synthetic::{self, SyntheticFacts};
use crate::case::{Case, MeasureResult};
use crate::measure::Contrast;
use crate::weigh::Standing;

/// A score beside those of the controls; without one the figures are null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct StandingFacts {
    /// The suspect's interaction: in the measure's unit, or in standard deviations when pooled.
    pub interaction: Option<f64>,
    /// Share of models (the suspect among them) at least as close.
    pub conformal_p: Option<f64>,
    /// Crawford-Howell t.
    pub t: Option<f64>,
    /// Its degrees of freedom.
    pub t_df: Option<usize>,
    /// Its one-sided p.
    pub t_p: Option<f64>,
    /// Probes that carry it.
    pub probes: usize,
    /// The controls' interactions.
    pub controls: BTreeMap<String, f64>,
}

impl StandingFacts {
    pub(super) fn new(standing: &Standing, probes: usize, ids: &[String]) -> Self {
        Self {
            interaction: Some(standing.score),
            conformal_p: standing.conformal_p,
            t: standing.t.map(|t| t.t),
            t_df: standing.t.map(|t| t.degrees_of_freedom),
            t_p: standing.t.map(|t| t.p),
            probes,
            controls: ids
                .iter()
                .cloned()
                .zip(standing.controls.iter().copied())
                .collect(),
        }
    }
}

/// A measure in a report.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MeasureFacts {
    /// Its name.
    pub name: &'static str,
    /// The unit of its interaction.
    pub unit: &'static str,
    /// Why it says nothing, if so; the figures are then null.
    pub left_out: Option<String>,
    /// The figures.
    #[serde(flatten)]
    pub standing: StandingFacts,
    /// The paired test against each alternative.
    pub against: Vec<AgainstFacts>,
    /// The suspect as a mix of innocent models.
    pub synthetic: SyntheticFacts,
}

/// A paired per-probe test.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AgainstFacts {
    /// The alternative.
    pub alternative: String,
    /// Probes.
    pub probes: usize,
    /// Mean difference in the measure's unit.
    pub mean: f64,
    /// One-sided p of Wilcoxon's signed ranks.
    pub p: f64,
}

/// How clearly one alternative is told apart.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ApartFacts {
    /// The alternative.
    pub alternative: String,
    /// Smallest paired p over the measures, times the number of measures.
    pub p: f64,
}

/// How the pooled figure stands when something is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct StabilityFacts {
    /// Largest p of the t when one control is left out at a time.
    pub worst_without_one: Option<f64>,
    /// The p of the t without the strongest measure.
    pub without_strongest: Option<f64>,
}

/// The answer about the protected model's group taken as one candidate.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct GroupFacts {
    /// Its members.
    pub members: Vec<GroupMemberFacts>,
    /// The member that the suspect is nearest to.
    pub nearest: String,
    /// Candidate parents that cannot be told from it, itself the first.
    pub not_excluded: Vec<String>,
    /// Those that can.
    pub excluded: Vec<String>,
}

/// One member of the group in the protected model's place.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct GroupMemberFacts {
    /// The member.
    pub id: String,
    /// The suspect's pooled interaction with it, in standard deviations.
    pub interaction: f64,
    /// Its Crawford-Howell p, not corrected for the number of members.
    pub t_p: Option<f64>,
}

pub(super) fn group(case: &Case) -> Option<GroupFacts> {
    let family = case.family.as_ref()?;
    let members = family.members.iter().map(|m| GroupMemberFacts {
        id: m.id.clone(),
        interaction: m.score,
        t_p: m.p,
    });
    Some(GroupFacts {
        members: members.collect(),
        nearest: family.nearest.clone(),
        not_excluded: family.not_excluded.clone(),
        excluded: family.excluded.clone(),
    })
}

pub(super) fn measure(result: &MeasureResult) -> MeasureFacts {
    let (standing, left_out, against) = match &result.result {
        Err(reason) => (StandingFacts::default(), Some(reason.clone()), Vec::new()),
        Ok((contrast, among)) => {
            let ids: Vec<String> = contrast.controls.iter().map(|c| c.id.clone()).collect();
            let standing = StandingFacts::new(among, contrast.probes.len(), &ids);
            (standing, None, against(contrast))
        }
    };
    MeasureFacts {
        name: result.measure.name(),
        unit: result.measure.unit(),
        left_out,
        standing,
        against,
        synthetic: synthetic::measure(&result.synthetic),
    }
}

fn against(contrast: &Contrast) -> Vec<AgainstFacts> {
    let tests = contrast.against.iter();
    tests
        .filter_map(|(alternative, test)| {
            let test = test.as_ref()?;
            Some(AgainstFacts {
                alternative: alternative.clone(),
                probes: test.pairs,
                mean: test.mean,
                p: test.p,
            })
        })
        .collect()
}

pub(super) fn pooled(case: &Case) -> Option<StandingFacts> {
    let results = case.measures.iter().filter_map(|m| m.result.as_ref().ok());
    let probes = results.map(|(contrast, _)| contrast.probes.len()).sum();
    let standing = case.evidence.pooled.as_ref()?;
    Some(StandingFacts::new(standing, probes, &case.pooled_controls))
}

pub(super) fn apart(case: &Case) -> Vec<ApartFacts> {
    let apart = case.evidence.apart.iter();
    apart
        .map(|a| ApartFacts {
            alternative: a.alternative.clone(),
            p: a.p,
        })
        .collect()
}
