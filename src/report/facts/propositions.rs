//! What the finding is weighed against: the ladder, the propositions, the least favourable alternative.

use schemars::JsonSchema;
use serde::Serialize;

use crate::case::Case;
use crate::measure::Basis;
use crate::panel::{Matching, Member, Panel};
use crate::rules::MIN_CONTROLS;
use crate::verdict::Finding;

/// One rung of the ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RungFacts {
    /// The finding.
    pub finding: Finding,
    /// What evidence that stops here supports.
    pub means: &'static str,
    /// This case stops here.
    pub here: bool,
}

/// All rungs, the strongest first.
pub(super) fn ladder(finding: Finding) -> Vec<RungFacts> {
    let rungs = Finding::ALL.into_iter();
    rungs
        .map(|rung| RungFacts {
            finding: rung,
            means: means(rung),
            here: rung == finding,
        })
        .collect()
}

fn means(finding: Finding) -> &'static str {
    match finding {
        Finding::SameModel => {
            "the suspect is the protected model, perhaps quantised again, renamed, or behind another server"
        }
        Finding::WeightDerivative => "fine-tuned, merged, pruned or quantised from its weights",
        Finding::Distilled => "trained, wholly or partly, on its outputs",
        Finding::Family => {
            "learned from the protected model or from one that cannot be told apart from it"
        }
        Finding::Related => {
            "closer than the controls are, but shared data or a shared base can explain it"
        }
        Finding::Undecided => {
            "the figures are not clear enough, or this panel could not have shown a student"
        }
        Finding::Shared => "alike, because of common data or a common base",
        Finding::Unrelated => {
            "no closer than the controls are, and this panel would have shown a suspect that was wholly trained on the outputs"
        }
        Finding::Inconclusive => "nothing can be said",
    }
}

/// A proposition that the findings are weighed under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PropositionFacts {
    /// A stable name.
    pub code: &'static str,
    /// What it says.
    pub text: &'static str,
    /// Whether this comparison speaks to it.
    pub standing: PropositionStanding,
    /// What in this comparison speaks to it, or why nothing does.
    pub why: String,
}

/// Whether a comparison speaks to a proposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PropositionStanding {
    /// The proposition in question.
    Main,
    /// The panel holds models that show what it would look like.
    Weighed,
    /// Weighed for the models in the panel, not for others.
    Partly,
    /// This comparison cannot tell it from the main proposition.
    Open,
}

/// The main proposition and those that stand against it.
pub(super) fn propositions(panel: &Panel, case: &Case) -> Vec<PropositionFacts> {
    use PropositionStanding::{Main, Open, Partly};
    let proposition = |code, text, standing, why: String| PropositionFacts {
        code,
        text,
        standing,
        why,
    };
    let behaviour = if case.evidence.weights.is_none() {
        "Derivation from its weights is part of this proposition here, since the weights of both sides could not be compared."
    } else {
        "Derivation from its weights was tested separately, on the weights of both sides."
    };
    let candidates = ids(panel.alternatives.iter());
    let (teachers, among) = if panel.alternatives.is_empty() {
        (
            Open,
            "No other candidate parent stands in the panel.".to_owned(),
        )
    } else {
        let text = format!(
            "Weighed for the candidate parents in the panel: {candidates}. A teacher outside it is not excluded."
        );
        (Partly, text)
    };
    let (unrelated, controls) = unrelated(case);
    let (data, same_data) = common_data(panel, case);
    let (base, ancestors) = common_base(panel, case);
    vec![
        proposition(
            "distilled",
            "The suspect was trained, wholly or partly, on outputs of the protected model.",
            Main,
            behaviour.to_owned(),
        ),
        proposition(
            "unrelated",
            "The suspect has nothing to do with the protected model.",
            unrelated,
            controls,
        ),
        proposition(
            "web_text",
            "The suspect was trained on public text that happens to contain outputs of the protected model.",
            Open,
            "Answers alone cannot tell this from training on collected outputs. What is known of the suspect's training data can.".to_owned(),
        ),
        proposition(
            "common_data",
            "Both models learned from the same data.",
            data,
            same_data,
        ),
        proposition(
            "common_base",
            "Both models started from the same base.",
            base,
            ancestors,
        ),
        proposition(
            "common_teacher",
            "Both models learned from the outputs of a third.",
            teachers,
            among,
        ),
        proposition(
            "reversed",
            "The protected model learned from the suspect.",
            Open,
            "The figures look the same in both directions. Dates and custody of the models can tell.".to_owned(),
        ),
    ]
}

fn ids<'a>(members: impl Iterator<Item = &'a Member>) -> String {
    let ids: Vec<&str> = members.map(|m| m.id.as_str()).collect();
    ids.join(", ")
}

fn unrelated(case: &Case) -> (PropositionStanding, String) {
    let controls = case.evidence.controls;
    if case.evidence.pooled.is_some() && controls >= MIN_CONTROLS {
        let text = format!(
            "{controls} controls show how near models come that do not descend from the protected one."
        );
        (PropositionStanding::Weighed, text)
    } else {
        let text = format!("{controls} usable controls; at least {MIN_CONTROLS} are needed.");
        (PropositionStanding::Open, text)
    }
}

fn common_data(panel: &Panel, case: &Case) -> (PropositionStanding, String) {
    let controls = panel.controls.iter();
    let controls = controls
        .filter(|c| c.matching != Matching::None)
        .map(|c| &c.id);
    let mut matched: Vec<&String> = case.matched_alternatives.iter().chain(controls).collect();
    matched.sort();
    matched.dedup();
    if matched.is_empty() {
        let text = "No model in the panel is known to share the protected model's data.";
        return (PropositionStanding::Open, text.to_owned());
    }
    let list: Vec<&str> = matched.iter().map(|id| id.as_str()).collect();
    let text = format!(
        "Models of the same data without the protected model stand in the panel: {}.",
        list.join(", ")
    );
    (PropositionStanding::Weighed, text)
}

fn common_base(panel: &Panel, case: &Case) -> (PropositionStanding, String) {
    match (&panel.base, &case.evidence.weights) {
        (Some(base), _) => (
            PropositionStanding::Weighed,
            format!(
                "The suspect's base ({}) was asked as well, and its row was taken off.",
                base.model
            ),
        ),
        (None, Some(_)) => (
            PropositionStanding::Partly,
            "The weights of both sides, and where they paired those of the controls, were compared. The suspect's base was not named.".to_owned(),
        ),
        (None, None) => (
            PropositionStanding::Open,
            "The suspect's base was not named, and weights of one shape were not at hand on both sides.".to_owned(),
        ),
    }
}

/// The alternative that limits the finding most, for the summary.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LeastFavourable {
    /// The alternative parent that is least clearly told apart, if any was tested.
    pub alternative: Option<String>,
    /// How clearly (see `apart`).
    pub p: Option<f64>,
    /// What it means for this finding.
    pub text: String,
}

pub(super) fn least_favourable(case: &Case) -> LeastFavourable {
    let least = case
        .evidence
        .apart
        .iter()
        .max_by(|a, b| a.p.total_cmp(&b.p));
    let text = match (case.verdict.finding, least) {
        (Finding::SameModel, _) => {
            "A third model of which both are copies would answer alike as well; nothing here says which of the two came first.".to_owned()
        }
        (Finding::WeightDerivative, _) => {
            "Descent in the other direction, or from a common ancestor that is not in the panel, would pair the weights as well.".to_owned()
        }
        (Finding::Shared | Finding::Unrelated, _) => {
            "The suspect may have learned too little from the protected model to be seen here: a small share of the training text, paraphrased text, or training meant to hide it.".to_owned()
        }
        (Finding::Inconclusive | Finding::Undecided, _) => "Every proposition stays open.".to_owned(),
        (_, Some(apart)) => format!(
            "Of the other candidate parents tested, {} is the least clearly told apart (paired p = {:.1e}, corrected for the number of measures). Training on public text that contains the protected model's outputs, a common teacher outside the panel, and the reversed direction are not excluded by any figure here.",
            apart.alternative, apart.p
        ),
        (_, None) if case.basis == Basis::OpenText => {
            "The other makers' models in the panel stand for what common data would bring. A common teacher outside the panel, public text that contains the protected model's outputs, and the reversed direction are not excluded by any figure here.".to_owned()
        }
        (_, None) => {
            "No other candidate parent was tested. Shared data, a common teacher, public text that contains the protected model's outputs, and the reversed direction are not excluded by any figure here.".to_owned()
        }
    };
    LeastFavourable {
        alternative: least.map(|a| a.alternative.clone()),
        p: least.map(|a| a.p),
        text,
    }
}
