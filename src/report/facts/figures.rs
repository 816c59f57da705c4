//! Figures in a report.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::synthetic::{self, SyntheticFacts};
use crate::case::{Case, Figures, MeasureResult};
use crate::measure::{Contrast, Scores};
use crate::weigh::{Null, Standing};

/// A score beside those of the controls; without one the figures are null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct StandingFacts {
    /// How much closer the suspect is than is explained: in the measure's unit, or in standard deviations when pooled.
    pub score: Option<f64>,
    /// Share of models (the suspect among them) at least as close.
    pub conformal_p: Option<f64>,
    /// The t that the rules read: Crawford and Howell's with a moderated variance, or among the shortest half of the
    /// controls.
    pub t: Option<f64>,
    /// Its degrees of freedom.
    pub t_df: Option<f64>,
    /// Its one-sided p; that of a group is corrected for the number of its members.
    pub t_p: Option<f64>,
    /// Probes that carry it.
    pub probes: usize,
    /// The controls' scores.
    pub controls: BTreeMap<String, f64>,
}

impl StandingFacts {
    /// The figures as the rules read them; `ids` are the controls', in the order of their scores.
    fn new(standing: &Standing, ids: impl Iterator<Item = String>, probes: usize) -> Self {
        Self {
            score: Some(standing.score),
            conformal_p: standing.conformal_p,
            t: standing.t.map(|t| t.t),
            t_df: standing.t.map(|t| t.degrees_of_freedom),
            t_p: standing.t.map(|t| t.p),
            probes,
            controls: ids.zip(standing.controls.iter().copied()).collect(),
        }
    }
}

/// A figure that no rule reads, beside the one that they read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct BesideFacts {
    /// The suspect's: in the measure's unit, or in standard deviations when pooled.
    pub score: f64,
    /// Share of models (the suspect among them) that have at least as much.
    pub conformal_p: Option<f64>,
    /// Crawford-Howell t.
    pub t: Option<f64>,
    /// Its one-sided p.
    pub t_p: Option<f64>,
}

impl BesideFacts {
    pub(super) fn new(scores: &Scores) -> Self {
        let standing = scores.standing();
        Self {
            score: standing.score,
            conformal_p: standing.conformal_p,
            t: standing.t.map(|t| t.t),
            t_p: standing.t.map(|t| t.p),
        }
    }
}

/// A measure in a report.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MeasureFacts {
    /// Its name.
    pub name: &'static str,
    /// The unit of what it compares, and of its scores.
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
    /// The contrast in a two-way fit; null where there is none.
    pub contrast: Option<BesideFacts>,
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
    /// The suspect's pooled score with it, in standard deviations.
    pub score: f64,
    /// Its Crawford-Howell p, not corrected for the number of members.
    pub t_p: Option<f64>,
}

pub(super) fn group(case: &Case) -> Option<GroupFacts> {
    let family = case.family.as_ref()?;
    let members = family.members.iter().map(|m| GroupMemberFacts {
        id: m.id.clone(),
        score: m.score,
        t_p: m.p,
    });
    Some(GroupFacts {
        members: members.collect(),
        nearest: family.nearest.clone(),
        not_excluded: family.not_excluded.clone(),
        excluded: family.excluded.clone(),
    })
}

pub(super) fn measure(result: &MeasureResult, null: &Null) -> MeasureFacts {
    let figures = &result.figures;
    let (standing, left_out) = match (&figures.scores, result.standing(null)) {
        (Err(reason), _) => (StandingFacts::default(), Some(reason.clone())),
        (Ok(scores), Some(standing)) => {
            let ids = scores.controls.iter().map(|(id, _)| id.clone());
            (StandingFacts::new(&standing, ids, probes(figures)), None)
        }
        (Ok(_), None) => (StandingFacts::default(), None),
    };
    MeasureFacts {
        name: result.measure.name(),
        unit: result.measure.unit(),
        left_out,
        standing,
        against: result.contrast().map_or_else(Vec::new, against),
        synthetic: synthetic::measure(&figures.synthetic),
        contrast: result.contrast().map(|c| BesideFacts::new(&c.scores())),
    }
}

/// The probes that a measure's scores are means over.
fn probes(figures: &Figures) -> usize {
    match (&figures.synthetic, &figures.contrast) {
        (Ok(synthetic), _) => synthetic.probes,
        (_, Ok(contrast)) => contrast.probes.len(),
        (Err(_), Err(_)) => 0,
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
    let usable = case.measures.iter().filter(|m| m.figures.scores.is_ok());
    let standing = case.evidence.pooled.as_ref()?;
    let ids = case.pooled_controls.iter().cloned();
    let probes = usable.map(|m| probes(&m.figures)).sum();
    Some(StandingFacts::new(standing, ids, probes))
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
