//! The facts of a report, which are also its JSON (`report.json`, schema `parentage.report/2`).
//!
//! Additive only: within one version of the schema fields are added, never taken away or given another
//! meaning, so a reader must pass over fields that it does not know. Lengths are in nats, bits or plain
//! shares as each field says; a value that could not be computed is null. Every renderer prints these
//! facts and nothing else. `parentage schema` prints [`json_schema`].

mod battery;
mod curves;
mod dates;
mod figures;
mod marks;
mod method;
mod models;
mod propositions;
mod strength;
mod synthetic;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use super::caveat::{Conditions, caveats};
use crate::adequacy::Adequacy;
use crate::battery::Battery;
use crate::case::Case;
use crate::detail::{AffinityTable, Details, Example, FamilyEffect, Tree};
use crate::evidence::{BatteryMark, Dates, Recording};
use crate::fingerprint::Fingerprint;
use crate::measure::Basis;
use crate::measure::equality::Equality;
use crate::model::Seed;
use crate::panel::{Matter, Member, Panel};
use crate::question::Posing;
use crate::rules::Rules;
use crate::sequential::Sequential;
use crate::validation::CaseRatio;
use crate::verdict::{Finding, TextGate, WeightEvidence};

pub use battery::FamilyFacts;
pub use curves::{CurveFacts, CurveName};
pub use dates::DatesFacts;
pub use figures::{
    AgainstFacts, ApartFacts, BesideFacts, GroupFacts, GroupMemberFacts, MeasureFacts,
    StabilityFacts, StandingFacts,
};
pub use marks::{MarksFacts, MarksRow};
pub use models::ModelFacts;
pub use propositions::{LeastFavourable, PropositionFacts, PropositionStanding, RungFacts};
pub use synthetic::{GapFacts, SyntheticFacts, WeightFacts};
pub use words::{Passage, ReproductionFacts, ScaleStep};

/// The name and version of the schema.
pub const SCHEMA: &str = "parentage.report/2";

/// The question that every report answers.
const QUESTION: &str =
    "Was the suspect trained, wholly or partly, on outputs of the protected model?";

/// The same about a group.
const GROUP_QUESTION: &str = "Was the suspect trained, wholly or partly, on outputs of the protected model \
                              or of another model of its group?";

/// A report.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Version of the tool.
    pub tool: String,
    /// Where the evidence stops.
    pub finding: Finding,
    /// The finding in one sentence.
    pub sentence: String,
    /// How strong the evidence is, in sentences: the likelihood ratio in words, how often the tool errs in cases like
    /// this one, and where nothing was found, what could have been.
    pub strength: Vec<String>,
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
    /// When the answers were written down, of all models together.
    pub dates: DatesFacts,
    /// The same in a sentence.
    pub dated: String,
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
    /// Each measure, but those for which imported answers hold nothing.
    pub measures: Vec<MeasureFacts>,
    /// All measures together.
    pub pooled: Option<StandingFacts>,
    /// Whether the suspect is written as a mix of innocent models: by open text alone it is not.
    pub by_mixes: bool,
    /// The contrasts in a two-way fit of all measures together; no rule reads it.
    pub pooled_contrast: Option<BesideFacts>,
    /// The case as a bet that may stop at any time.
    pub e_values: Option<Sequential>,
    /// Base-10 logarithm of the likelihood ratio, the least favourable proposition leading; null where none
    /// is given.
    pub log10_lr: Option<f64>,
    /// The likelihood ratios with what bounds them.
    pub ratio: Option<CaseRatio>,
    /// Why there is none.
    pub no_ratio: Option<String>,
    /// This case on the validation's curves, in words; none where no ratio is given.
    pub curves: Vec<CurveFacts>,
    /// What limits the finding.
    pub caveats: Vec<CaveatFacts>,
    /// The question.
    pub question: &'static str,
    /// On whose behalf the comparison was made, as whoever made it says.
    pub matter: Matter,
    /// The ladder of findings, the strongest first, with the rung of this case marked.
    pub ladder: Vec<RungFacts>,
    /// The alternative that limits the finding most.
    pub least_favourable: LeastFavourable,
    /// The proposition in question and those that stand against it.
    pub propositions: Vec<PropositionFacts>,
    /// How the pooled figure stands when something is left out.
    pub stability: StabilityFacts,
    /// Whether the controls are adequate to the finding.
    pub adequacy: Adequacy,
    /// The answer about the protected model's group, when that was the question.
    pub group: Option<GroupFacts>,
    /// What planted marks say, where a test of some is part of the case; left out without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marks: Option<MarksFacts>,
    /// How clearly each alternative is told apart.
    pub apart: Vec<ApartFacts>,
    /// Divergence (nats) between the protected model and its nearest control.
    pub nearest_control: Option<f64>,
    /// What was asked, family by family, and why.
    pub asked: Vec<FamilyFacts>,
    /// Mean affinities of models under test with candidate parents, a table a measure.
    pub affinities: Vec<AffinityTable>,
    /// How the suspect's interaction spreads over families of probes.
    pub families: Vec<FamilyEffect>,
    /// Who is near whom.
    pub tree: Option<Tree>,
    /// The probes that speak most for and most against, with the answers side by side.
    pub examples: Vec<Example>,
    /// What was taken as given, and how the questions were put.
    pub conditions: Vec<Passage>,
    /// How the figures came about.
    pub method: Vec<Passage>,
    /// What is known of how often the method errs.
    pub validation: Vec<Passage>,
    /// What no finding of this tool shows.
    pub limits: Vec<Passage>,
    /// How the findings can be had again.
    pub reproduction: ReproductionFacts,
    /// Words used one way only.
    pub glossary: Vec<Passage>,
    /// The verbal scale for likelihood ratios.
    pub scale: Vec<ScaleStep>,
    /// How the scale is to be read.
    pub scale_note: &'static str,
}

/// A caveat in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CaveatFacts {
    /// A stable name.
    pub code: &'static str,
    /// What was seen.
    pub text: String,
    /// What to do.
    pub advice: &'static str,
}

/// Everything that a report is assembled from.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The models in their roles.
    pub panel: &'a Panel,
    /// The weighed case.
    pub case: &'a Case,
    /// Its description.
    pub details: Details,
    /// What was asked.
    pub battery: &'a Battery,
    /// The recording of every member, by model name.
    pub recordings: &'a BTreeMap<String, Recording>,
    /// What every member answered, by model name.
    pub prints: &'a BTreeMap<String, Fingerprint>,
    /// Conditions that limit the finding.
    pub conditions: &'a Conditions,
    /// The likelihood ratios, or why there are none.
    pub ratio: Result<CaseRatio, String>,
    /// Whether the controls are adequate to the finding.
    pub adequacy: Adequacy,
    /// On whose behalf the comparison was made.
    pub matter: &'a Matter,
}

impl Report {
    /// Assembles the facts.
    ///
    /// # Panics
    ///
    /// When a member of the panel has no recording; the caller has just collected them all.
    pub fn new(sources: Sources<'_>) -> Self {
        let Sources { panel, case, .. } = sources;
        let header = &sources.recordings[&panel.protected.model].header;
        let model = |member: &Member| {
            let recording = &sources.recordings[&member.model];
            let mut counts = sources.prints[&member.model].counts;
            if let Some((missing, _)) = sources.conditions.missing.get(&member.id) {
                // They were planned, and nobody has their answers.
                counts.asked += missing;
                counts.unavailable += missing;
            }
            models::model(member, case, recording, counts)
        };
        let evidence = &case.evidence;
        let ratio = sources.ratio.clone();
        let dates = dates(panel, sources.recordings);
        Self {
            schema: SCHEMA,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            finding: case.verdict.finding,
            sentence: sentence(case),
            strength: strength::strength(case, ratio.as_ref(), &sources.adequacy),
            reasons: case.verdict.reasons.clone(),
            settles: case.verdict.settles.clone(),
            not_excluded: case.verdict.not_excluded.clone(),
            protected: model(&panel.protected),
            suspect: model(&panel.suspect),
            base: panel.base.as_ref().map(model),
            controls: panel.controls.iter().map(model).collect(),
            alternatives: panel.alternatives.iter().map(model).collect(),
            left_out: panel.left_out.iter().cloned().collect(),
            dated: dates.sentence(),
            dates,
            battery: header.battery.clone(),
            posing: header.posing,
            seed: header.seed,
            equality: evidence.equality,
            texts: evidence.texts,
            weights: evidence.weights.clone(),
            measures: measures(case, sources.conditions),
            pooled: figures::pooled(case),
            by_mixes: case.basis == Basis::Battery,
            pooled_contrast: case.pooled_contrast.as_ref().map(BesideFacts::new),
            e_values: case.sequential.clone(),
            log10_lr: ratio.as_ref().ok().map(|r| r.log10_lr),
            no_ratio: ratio.as_ref().err().cloned(),
            curves: ratio
                .as_ref()
                .map_or_else(|_| Vec::new(), |r| curves::curves(r, case.basis)),
            caveats: limits(&sources),
            question: question(panel),
            matter: sources.matter.clone(),
            ladder: propositions::ladder(case.verdict.finding),
            least_favourable: propositions::least_favourable(case),
            propositions: propositions::propositions(panel, case),
            stability: StabilityFacts {
                worst_without_one: evidence.worst_without_one,
                without_strongest: evidence.without_strongest,
            },
            adequacy: sources.adequacy,
            group: figures::group(case),
            marks: case.marks.as_ref().map(marks::facts),
            apart: figures::apart(case),
            nearest_control: evidence.nearest_control,
            asked: battery::families(sources.battery),
            conditions: words::conditions(panel, header),
            method: method::method(case.evidence.condition),
            validation: words::validation(ratio.as_ref(), case.basis),
            limits: words::limits(),
            reproduction: words::reproduction(recorded_by(sources.recordings)),
            glossary: words::glossary(),
            scale: words::scale(),
            scale_note: words::scale_note(ratio.is_ok()),
            affinities: sources.details.affinities,
            families: sources.details.families,
            tree: sources.details.tree,
            examples: sources.details.examples,
            ratio: ratio.ok(),
        }
    }
}

/// When the answers of a panel were written down.
fn dates(panel: &Panel, recordings: &BTreeMap<String, Recording>) -> DatesFacts {
    let members = panel.members().into_iter();
    let recordings = members.filter_map(|member| recordings.get(&member.model));
    let dates = recordings.map(|recording| recording.dates);
    DatesFacts::new(dates.fold(Dates::default(), Dates::join))
}

/// The question that a comparison answers.
fn question(panel: &Panel) -> &'static str {
    if panel.family.is_empty() {
        QUESTION
    } else {
        GROUP_QUESTION
    }
}

/// The JSON Schema (draft 2020-12) of `report.json`.
pub fn json_schema() -> schemars::Schema {
    let generator = SchemaSettings::draft2020_12().for_serialize();
    generator.into_generator().into_root_schema_for::<Report>()
}

fn measures(case: &Case, conditions: &Conditions) -> Vec<MeasureFacts> {
    let held = case.measures.iter();
    let held = held.filter(|m| !conditions.holds_nothing(m));
    let null = Rules::HERE.null(case.evidence.condition);
    held.map(|m| figures::measure(m, &null)).collect()
}

fn limits(sources: &Sources<'_>) -> Vec<CaveatFacts> {
    let ratio = sources.ratio.as_ref();
    let caveats = caveats(sources.panel, sources.case, sources.conditions, ratio);
    let facts = caveats.into_iter().map(|c| CaveatFacts {
        code: c.code(),
        text: c.text(),
        advice: c.advice(),
    });
    facts.collect()
}

fn recorded_by(recordings: &BTreeMap<String, Recording>) -> Vec<String> {
    let tools = recordings.values().map(|r| r.header.tool.clone());
    tools.collect::<BTreeSet<String>>().into_iter().collect()
}

/// Whether an undecided case leans towards descent.
fn leans(case: &Case) -> bool {
    let against = Rules::HERE.ladder(case.evidence.condition).against_p;
    let t = case.evidence.pooled.as_ref().and_then(|p| p.t);
    t.is_some_and(|t| t.p < against)
}

/// The finding in one sentence, worded so that it claims no more than the ladder's rung.
fn sentence(case: &Case) -> String {
    if let Some(marked) = case.marks.as_ref().filter(|marked| marked.decides()) {
        return format!(
            "Planted marks show that the suspect learned, directly or through others, from what a channel of the \
             protected model served. {}",
            marked.trial.hits()
        );
    }
    let or_weights = if case.evidence.weights.is_none() {
        ", or derived from its weights"
    } else {
        ""
    };
    let weighed = match case.basis {
        Basis::Battery => "shared data, shared base and the alternatives tested",
        Basis::OpenText => "what the other makers' models in the panel have in common with it",
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
             model's outputs{or_weights}, over {weighed}."
        ),
        Finding::Family if case.family.is_some() => {
            let excluded = case.family.as_ref().map(|f| f.excluded.join(", "));
            let excluded = excluded.filter(|ids| !ids.is_empty());
            format!(
                "The findings support that the suspect learned from a model of the protected model's group: \
                 {} cannot be excluded{}.",
                case.verdict.not_excluded.join(", "),
                excluded.map_or_else(String::new, |ids| format!("; {ids} can"))
            )
        }
        Finding::Family => format!(
            "The findings support that the suspect learned from the protected model or from a comparable model: \
             {} cannot be excluded.",
            case.verdict.not_excluded.join(", ")
        ),
        Finding::Related => {
            "The suspect is closer to the protected model than the controls are; this \
                             panel cannot separate distillation from shared data or base."
                .to_owned()
        }
        Finding::Shared => {
            "The suspect resembles the protected model no more than comparable models do: a common \
                            corpus or base explains the likeness."
                .to_owned()
        }
        Finding::Undecided if leans(case) => {
            "The figures lean towards descent from the protected model, but not far enough to say so with these \
             controls."
                .to_owned()
        }
        Finding::Undecided => {
            "The figures do not lean towards descent from the protected model, but these controls could not have shown \
             it."
                .to_owned()
        }
        Finding::Unrelated => {
            "The suspect is no closer to the protected model than the controls are, and a full dose of its outputs \
             would have been seen."
                .to_owned()
        }
        Finding::Inconclusive => {
            "Nothing can be said about parentage from these models.".to_owned()
        }
    }
}
