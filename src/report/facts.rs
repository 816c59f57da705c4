//! The facts of a report, which are also its JSON (`report.json`, schema `parentage.report/1`).
//!
//! Fields are only ever added. Lengths are in nats, bits or plain shares as each field says; a value
//! that could not be computed is null.

use std::collections::BTreeMap;

use serde::Serialize;

use super::caveat::{Conditions, caveats};
use crate::case::{Case, MeasureResult};
use crate::evidence::{BatteryMark, Recording};
use crate::identity::Source;
use crate::measure::equality::Equality;
use crate::model::Seed;
use crate::panel::{Matching, Member, Panel};
use crate::question::Posing;
use crate::sequential::Sequential;
use crate::verdict::{Finding, TextGate, WeightEvidence};
use crate::weigh::Standing;

/// The name and version of the schema.
pub const SCHEMA: &str = "parentage.report/1";

/// A report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Version of the tool.
    pub tool: String,
    /// Where the evidence stops.
    pub finding: Finding,
    /// The finding in one sentence.
    pub sentence: String,
    /// The rules' reasons, in order.
    pub reasons: Vec<String>,
    /// What would settle an open question.
    pub settles: Option<String>,
    /// Alternatives that cannot be excluded.
    pub not_excluded: Vec<String>,
    /// The protected model.
    pub protected: ModelFacts,
    /// The suspect.
    pub suspect: ModelFacts,
    /// The suspect's base.
    pub base: Option<ModelFacts>,
    /// The controls.
    pub controls: Vec<ModelFacts>,
    /// Other candidate parents.
    pub alternatives: Vec<ModelFacts>,
    /// Models of the lineage file that were left out, with the reason.
    pub left_out: BTreeMap<String, String>,
    /// The battery.
    pub battery: BatteryMark,
    /// How it was posed.
    pub posing: Posing,
    /// The seed.
    pub seed: Seed,
    /// Answers side by side: mean Jensen-Shannon divergence in nats.
    pub equality: Option<Equality>,
    /// Texts side by side, where there is nothing else.
    pub texts: Option<TextGate>,
    /// The weight gate.
    pub weights: Option<WeightEvidence>,
    /// Each measure.
    pub measures: Vec<MeasureFacts>,
    /// All measures together.
    pub pooled: Option<StandingFacts>,
    /// The case as a bet that may stop at any time.
    pub e_values: Option<Sequential>,
    /// Base-10 logarithm of the likelihood ratio: null until a calibration exists.
    pub log10_lr: Option<f64>,
    /// What limits the finding.
    pub caveats: Vec<CaveatFacts>,
}

/// A model in a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelFacts {
    /// Its id in this comparison.
    pub id: String,
    /// How the user named it.
    pub name: String,
    /// What it is, in words, when declared.
    pub kind: String,
    /// How it is matched with the protected model.
    pub matching: Matching,
    /// What was seen of it.
    pub source: Source,
    /// SHA-256 that stands for its whole recording.
    pub recording: String,
    /// Mean divergence from the protected model, in nats: description that proves nothing.
    pub divergence: Option<f64>,
}

/// A score beside those of the controls.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StandingFacts {
    /// The suspect's interaction: in the measure's unit, or in standard deviations when pooled.
    pub interaction: f64,
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

/// A measure in a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeasureFacts {
    /// Its name.
    pub name: &'static str,
    /// The unit of its interaction.
    pub unit: &'static str,
    /// Why it says nothing, if so; the figures are then null.
    pub left_out: Option<String>,
    /// The figures; null when it is left out.
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
    /// The paired test against each alternative.
    pub against: Vec<AgainstFacts>,
}

/// A paired per-probe test.
#[derive(Debug, Clone, PartialEq, Serialize)]
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

/// A caveat in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaveatFacts {
    /// A stable name.
    pub code: &'static str,
    /// What was seen.
    pub text: String,
    /// What to do.
    pub advice: &'static str,
}

impl Report {
    /// Assembles the facts. `recordings` has the recording of every member, by model name.
    ///
    /// # Panics
    ///
    /// When a member of the panel has no recording; the caller has just collected them all.
    pub fn new(
        panel: &Panel,
        case: &Case,
        recordings: &BTreeMap<String, Recording>,
        conditions: &Conditions,
    ) -> Self {
        let header = &recordings[&panel.protected.model].header;
        let model = |member: &Member| {
            let recording = &recordings[&member.model];
            let divergence = case.likeness.iter().find(|(id, _)| *id == member.id);
            ModelFacts {
                id: member.id.clone(),
                name: member.model.clone(),
                kind: member.kind.clone(),
                matching: member.matching,
                source: recording.header.identity.source.clone(),
                recording: recording.head.clone(),
                divergence: divergence.map(|(_, e)| e.divergence),
            }
        };
        let evidence = &case.evidence;
        let probes = case.measures.iter().filter_map(|m| m.result.as_ref().ok());
        let probes = probes.map(|(c, _)| c.probes.len()).sum();
        Self {
            schema: SCHEMA,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            finding: case.verdict.finding,
            sentence: sentence(case),
            reasons: case.verdict.reasons.clone(),
            settles: case.verdict.settles.clone(),
            not_excluded: case.verdict.not_excluded.clone(),
            protected: model(&panel.protected),
            suspect: model(&panel.suspect),
            base: panel.base.as_ref().map(model),
            controls: panel.controls.iter().map(model).collect(),
            alternatives: panel.alternatives.iter().map(model).collect(),
            left_out: panel.left_out.iter().cloned().collect(),
            battery: header.battery.clone(),
            posing: header.posing,
            seed: header.seed,
            equality: evidence.equality,
            texts: evidence.texts,
            weights: evidence.weights.clone(),
            measures: case.measures.iter().map(measure).collect(),
            pooled: evidence
                .pooled
                .as_ref()
                .map(|s| standing(s, probes, &case.pooled_controls)),
            e_values: case.sequential.clone(),
            log10_lr: None,
            caveats: caveats(panel, case, conditions)
                .iter()
                .map(|c| CaveatFacts {
                    code: c.code(),
                    text: c.text(),
                    advice: c.advice(),
                })
                .collect(),
        }
    }
}

fn standing(standing: &Standing, probes: usize, ids: &[String]) -> StandingFacts {
    StandingFacts {
        interaction: standing.score,
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

fn measure(result: &MeasureResult) -> MeasureFacts {
    let (name, unit) = (result.measure.name(), result.measure.unit());
    match &result.result {
        Err(reason) => MeasureFacts {
            name,
            unit,
            left_out: Some(reason.clone()),
            interaction: None,
            conformal_p: None,
            t: None,
            t_df: None,
            t_p: None,
            probes: 0,
            controls: BTreeMap::new(),
            against: Vec::new(),
        },
        Ok((contrast, among)) => {
            let ids: Vec<String> = contrast.controls.iter().map(|c| c.id.clone()).collect();
            let facts = standing(among, contrast.probes.len(), &ids);
            MeasureFacts {
                name,
                unit,
                left_out: None,
                interaction: Some(facts.interaction),
                conformal_p: facts.conformal_p,
                t: facts.t,
                t_df: facts.t_df,
                t_p: facts.t_p,
                probes: facts.probes,
                controls: facts.controls,
                against: contrast
                    .against
                    .iter()
                    .filter_map(|(alternative, test)| {
                        test.as_ref().map(|t| AgainstFacts {
                            alternative: alternative.clone(),
                            probes: t.pairs,
                            mean: t.mean,
                            p: t.p,
                        })
                    })
                    .collect(),
            }
        }
    }
}

/// The finding in one sentence, worded so that it claims no more than the ladder's rung.
fn sentence(case: &Case) -> String {
    let or_weights = if case.evidence.weights.is_none() {
        ", or derived from its weights"
    } else {
        ""
    };
    match case.verdict.finding {
        Finding::SameModel => {
            "The suspect answers as the protected model does, to within arithmetic: \
                               the findings support that it is the same model."
                .to_owned()
        }
        Finding::WeightDerivative => "The findings support that the suspect was derived from the \
                                      protected model's weights."
            .to_owned(),
        Finding::Distilled => format!(
            "The findings support that the suspect was trained, wholly or partly, on the protected \
             model's outputs{or_weights}, over shared data, shared base and the alternatives tested."
        ),
        Finding::Family => format!(
            "The findings support that the suspect learned from the protected model or one of its like: \
             {} cannot be excluded.",
            case.verdict.not_excluded.join(", ")
        ),
        Finding::Related => {
            "The suspect is closer to the protected model than the controls are; this \
                             panel cannot separate distillation from shared data or base."
                .to_owned()
        }
        Finding::Shared => {
            "The suspect resembles the protected model no more than its like: a common \
                            corpus or base explains the likeness."
                .to_owned()
        }
        Finding::Unrelated => {
            "The suspect is no closer to the protected model than the controls are.".to_owned()
        }
        Finding::Inconclusive => {
            "Nothing can be said about parentage from these models.".to_owned()
        }
    }
}
