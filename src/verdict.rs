//! The ladder: from measured facts to one finding, by rules that stand only here.
//!
//! The rules go from the strongest gate down and stop where the evidence stops:
//!
//! 1. the same bytes, or answers equal up to rounding errors: *same model*;
//! 2. weights paired as only descent pairs them: *weight derivative*;
//! 3. too few usable controls, or nothing to compare: *inconclusive*;
//! 4. closer to the protected model than to comparable models, beyond every control and beyond chance
//!    (`close_p`), also with any one control or the strongest measure left out: then
//!    *related* without a matched alternative or control, *family* while an alternative cannot be told
//!    apart (`apart_p`), else *distilled*;
//! 5. figures that do not speak against descent (`against_p`), or a panel that could not have shown a full dose
//!    (`full_effect`, `shown_power`): *undecided*, with what would decide it;
//! 6. not closer than comparable models, but more like the protected model than all unmatched controls: *shared*;
//! 7. otherwise *unrelated*.
//!
//! The thresholds are [`crate::rules`]; `models/README.md` has the tables, and says on which models each was chosen and
//! what was looked at before.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::equality::Equality;
use crate::measure::text_equality::TextEquality;
use crate::rules::{Condition, Ladder, Rules};
use crate::weigh::{SingleCase, Standing};

mod undecided;

/// Where the evidence stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The suspect is the protected model: re-quantised, renamed, proxied.
    SameModel,
    /// Fine-tuned, merged, pruned or quantised from its weights.
    WeightDerivative,
    /// Trained, wholly or partly, on its outputs.
    Distilled,
    /// From the protected model or from one that cannot be told apart from it.
    Family,
    /// Closer than controls, but this panel cannot separate distillation from shared data or base.
    Related,
    /// The figures lean one way, but not far enough, or this panel could not have shown it.
    Undecided,
    /// Alike through a common base or corpus.
    Shared,
    /// No more alike than controls are, and this panel would have shown it.
    Unrelated,
    /// Nothing can be said.
    Inconclusive,
}

impl Finding {
    /// All findings, down the ladder.
    pub const ALL: [Self; 9] = [
        Self::SameModel,
        Self::WeightDerivative,
        Self::Distilled,
        Self::Family,
        Self::Related,
        Self::Undecided,
        Self::Shared,
        Self::Unrelated,
        Self::Inconclusive,
    ];

    /// The word in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::SameModel => "same_model",
            Self::WeightDerivative => "weight_derivative",
            Self::Distilled => "distilled",
            Self::Family => "family",
            Self::Related => "related",
            Self::Undecided => "undecided",
            Self::Shared => "shared",
            Self::Unrelated => "unrelated",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// What the weight gate saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WeightEvidence {
    /// Fisher combination over layers of the matched-units test, suspect against protected.
    pub p: f64,
    /// Its decimal logarithm, for values below the smallest number.
    pub log10_p: f64,
    /// Layers compared.
    pub layers: usize,
    /// The suspect's base is related to the protected model's weights as well: a common ancestor.
    pub base_related: bool,
    /// Controls whose weights are related to the protected model's as well.
    pub controls_related: Vec<String>,
}

impl WeightEvidence {
    /// The p in digits, also where it is below the smallest number.
    pub fn shown_p(&self) -> String {
        if self.p < 1e-3 {
            format!("1e{:.0}", self.log10_p)
        } else {
            format!("{:.3}", self.p)
        }
    }

    /// Descent from the protected model's weights, not merely from a common ancestor.
    pub fn derived(&self, ladder: &Ladder) -> bool {
        self.p < ladder.lineage_p && !self.base_related && self.controls_related.is_empty()
    }
}

/// The two-sample test of texts, with the controls that show what it can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct TextGate {
    /// Suspect against protected model.
    pub suspect: TextEquality,
    /// The smallest statistic of a control against the protected model.
    pub nearest_control: f64,
    /// The largest p of a control.
    pub largest_control_p: f64,
}

impl TextGate {
    /// The suspect's texts differ from the protected model's.
    pub fn told_apart(&self, ladder: &Ladder) -> bool {
        self.suspect.p < ladder.apart_text_p
    }

    /// The test tells every control from the protected model, so that not telling the suspect from it
    /// says something.
    pub fn told_from_controls(&self, ladder: &Ladder) -> bool {
        self.largest_control_p < ladder.apart_text_p
    }
}

/// How one alternative stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Apart {
    /// The alternative.
    pub alternative: String,
    /// Smallest paired p over the measures, times the number of measures; 1 when none could be computed.
    pub p: f64,
}

/// All that the ladder looks at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// What could be had of the models.
    pub condition: Condition,
    /// Both sides are the same bytes.
    pub identical: bool,
    /// The answers of suspect and protected model side by side.
    pub equality: Option<Equality>,
    /// Divergence (nats) between the protected model and its nearest control.
    pub nearest_control: Option<f64>,
    /// The texts of suspect and protected model side by side, where there is nothing else.
    pub texts: Option<TextGate>,
    /// The weight gate, when both sides are weights of one shape.
    pub weights: Option<WeightEvidence>,
    /// Controls with the answers that every pooled measure needs.
    pub controls: usize,
    /// The pooled score.
    pub pooled: Option<Standing>,
    /// Other candidate parents, at which controls' scatter was looked at too.
    pub columns: usize,
    /// The share of the measures' weight whose mixes of controls fit the suspect too badly to be judged: how far it is
    /// from being one of their kind.
    pub unlike: f64,
    /// Largest p when one control is left out at a time; `None` if the p itself is too large for it to count.
    pub worst_without_one: Option<f64>,
    /// The p without the strongest measure; `None` if there is only one.
    pub without_strongest: Option<f64>,
    /// Every alternative.
    pub apart: Vec<Apart>,
    /// Alternatives alike in data and kind.
    pub matched_alternatives: usize,
    /// Controls alike in data.
    pub matched_controls: usize,
    /// Mere likeness to the protected model among the unmatched controls.
    pub likeness: Option<Standing>,
    /// Why the answers of suspect or protected model say nothing of it, where they do not depend on the question.
    pub unresponsive: Option<String>,
}

/// A finding with the reasons that lead to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The finding.
    pub finding: Finding,
    /// In the order in which the rules were applied.
    pub reasons: Vec<String>,
    /// Alternatives that cannot be excluded.
    pub not_excluded: Vec<String>,
    /// What would settle it, where something would.
    pub settles: Option<String>,
}

/// Places the evidence on the ladder.
pub fn judge(evidence: &Evidence, rules: &Rules) -> Verdict {
    let ladder = rules.ladder(evidence.condition);
    let mut reasons = Vec::new();
    if let Some(finding) = gates(evidence, ladder, &mut reasons) {
        return verdict(finding, reasons, None);
    }
    if let Some(why) = &evidence.unresponsive {
        reasons.push(why.clone());
        let settles = "ask the model by another way, and look at its answers: they hardly depend on what it is asked";
        return verdict(Finding::Inconclusive, reasons, Some(settles));
    }
    if evidence.controls < ladder.min_controls {
        reasons.push(format!(
            "there are {} usable controls, and at least {} are needed before any likeness is evidence",
            evidence.controls, ladder.min_controls
        ));
        let settles = "add controls: models of the same size and era that are known not to descend \
                       from the protected model, first of all the suspect's own base";
        return verdict(Finding::Inconclusive, reasons, Some(settles));
    }
    let Some((pooled, t)) = evidence.pooled.as_ref().and_then(|s| Some((s, s.t?))) else {
        reasons.push("no measure could be computed on both sides and the controls".to_owned());
        let settles = "collect answers to the same battery from all models";
        return verdict(Finding::Inconclusive, reasons, Some(settles));
    };
    if is_close(evidence, ladder, pooled, &t, &mut reasons) {
        return closer(evidence, ladder, reasons);
    }
    if let Some(open) = undecided::undecided(evidence, rules, &t) {
        reasons.push(open.reason);
        return verdict(Finding::Undecided, reasons, Some(&open.settles));
    }
    reasons.push(undecided::shown(ladder, &t));
    let like = evidence.likeness.as_ref().filter(|s| {
        s.controls.len() >= ladder.min_controls
            && s.controls.iter().all(|c| *c < s.score)
            && s.t.is_some_and(|t| t.p < ladder.like_p)
    });
    if like.is_some() {
        reasons.push(
            "it is more like the protected model than all controls without its data are, but not more than comparable models are: a common corpus or base explains that"
                .to_owned(),
        );
        return verdict(Finding::Shared, reasons, None);
    }
    verdict(Finding::Unrelated, reasons, None)
}

fn verdict(finding: Finding, reasons: Vec<String>, settles: Option<&str>) -> Verdict {
    Verdict {
        finding,
        reasons,
        not_excluded: Vec::new(),
        settles: settles.map(str::to_owned),
    }
}

/// The gates that need no controls.
fn gates(evidence: &Evidence, ladder: &Ladder, reasons: &mut Vec<String>) -> Option<Finding> {
    if evidence.identical {
        reasons.push("the weight files of both models are the same bytes".to_owned());
        return Some(Finding::SameModel);
    }
    if let Some(equality) = evidence.equality {
        let near = evidence
            .nearest_control
            .map_or(f64::INFINITY, |d| d * ladder.same_share);
        let same = equality.divergence <= ladder.same_divergence.min(near);
        reasons.push(format!(
            "what follows a context differs by {:.4} nats on average over {} contexts ({})",
            equality.divergence,
            equality.probes,
            if same {
                "alike to within arithmetic"
            } else {
                "not the same model"
            }
        ));
        if same {
            return Some(Finding::SameModel);
        }
    }
    // Texts can tell models apart, but not show that they are one: a student trained on the protected
    // model's distributions passes as well.
    if let Some(texts) = evidence.texts {
        reasons.push(format!(
            "texts at {} prompts differ by {:.4} from the protected model's (two-sample p = {:.3}), the \
             nearest control's by {:.4} (largest p of a control = {:.3}): {}",
            texts.suspect.prompts,
            texts.suspect.statistic,
            texts.suspect.p,
            texts.nearest_control,
            texts.largest_control_p,
            if texts.told_apart(ladder) {
                "not the same model under the same conditions"
            } else if texts.told_from_controls(ladder) {
                "not told apart, which the same model and a close student of it have in common"
            } else {
                "too few samples to tell even strangers apart"
            }
        ));
    }
    let weights = evidence.weights.as_ref()?;
    reasons.push(format!(
        "test of whether the hidden units of the two models' weights pair up: p = {} over {} layers",
        weights.shown_p(),
        weights.layers
    ));
    if weights.derived(ladder) {
        return Some(Finding::WeightDerivative);
    }
    if weights.p < ladder.lineage_p {
        reasons.push(
            "a base or a control is related to the protected model's weights as well, so a common \
             ancestor explains the pairing"
                .to_owned(),
        );
    }
    None
}

fn is_close(
    evidence: &Evidence,
    ladder: &Ladder,
    pooled: &Standing,
    t: &SingleCase,
    reasons: &mut Vec<String>,
) -> bool {
    let above = pooled
        .controls
        .iter()
        .filter(|c| **c >= pooled.score)
        .count();
    let beyond = above as f64 <= ladder.above * pooled.controls.len() as f64;
    let small = t.p < ladder.close_p(t.controls);
    let stable = evidence
        .worst_without_one
        .is_some_and(|p| p < ladder.stable_p);
    let shared = evidence
        .without_strongest
        .is_some_and(|p| p < ladder.stable_p);
    let all = if above == 0 {
        "every control".to_owned()
    } else {
        format!("all but {above} of the controls")
    };
    let like = evidence.unlike < ladder.unlike;
    let extent = match (beyond, small, stable, shared) {
        (true, true, true, true) if !like => {
            "but on most measures no mix of controls relates to the other candidate parents as the suspect does".to_owned()
        }
        (true, true, true, true) => {
            format!("beyond {all}, with any control or measure left out")
        }
        (true, true, true, false) => "but it rests on one measure alone".to_owned(),
        (true, true, false, _) => "but it does not stand with one control left out".to_owned(),
        (true, false, ..) => format!("beyond {all}, but this can happen by chance"),
        (false, ..) => "but some control is as far".to_owned(),
    };
    reasons.push(format!(
        "its pooled score is {:.1} standard deviations from the centre of the controls (t = {:.1} with {:.1} degrees of freedom, p = {:.1e}, {} controls): {extent}",
        t.distance(),
        t.t,
        t.degrees_of_freedom,
        t.p,
        evidence.controls
    ));
    beyond && small && stable && shared && like
}

/// The suspect is closer to the protected model than to comparable models; how far does the panel carry that?
fn closer(evidence: &Evidence, ladder: &Ladder, mut reasons: Vec<String>) -> Verdict {
    if evidence.matched_alternatives == 0 && evidence.matched_controls == 0 {
        reasons.push(
            "no alternative and no control shares the protected model's data, so shared data \
             explains the closeness as well"
                .to_owned(),
        );
        let settles = "add a matched alternative (--alternative): an unreleased sibling, another seed \
                       or an internal checkpoint of the protected model, or a model of the same data";
        return verdict(Finding::Related, reasons, Some(settles));
    }
    let not_excluded: Vec<String> = evidence
        .apart
        .iter()
        .filter(|a| a.p >= ladder.apart_p)
        .map(|a| a.alternative.clone())
        .collect();
    if not_excluded.is_empty() {
        if !evidence.apart.is_empty() {
            reasons.push(format!(
                "it is closer to the protected model than to each of {} alternatives (largest p = {:.1e})",
                evidence.apart.len(),
                evidence.apart.iter().map(|a| a.p).fold(0.0, f64::max)
            ));
        }
        return verdict(Finding::Distilled, reasons, None);
    }
    reasons.push(format!(
        "cannot be told apart from having learned from: {}",
        not_excluded.join(", ")
    ));
    Verdict {
        not_excluded,
        ..verdict(
            Finding::Family,
            reasons,
            Some("ask more probes (--tier full) or more samples (--samples)"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(score: f64) -> Standing {
        let controls: Vec<f64> = (0..80).map(|i| f64::from(i) * 0.025 - 0.9875).collect();
        Standing::new(score, controls)
    }

    /// A suspect far beyond eighty controls, with everything that `distilled` asks for.
    fn distilled() -> Evidence {
        Evidence {
            equality: Some(Equality {
                divergence: 0.04,
                agreement: 0.5,
                probes: 60,
            }),
            nearest_control: Some(0.05),
            controls: 80,
            pooled: Some(standing(6.0)),
            worst_without_one: Some(1e-6),
            without_strongest: Some(1e-5),
            apart: vec![Apart {
                alternative: "sibling".to_owned(),
                p: 1e-8,
            }],
            matched_alternatives: 1,
            matched_controls: 3,
            likeness: Some(standing(3.0)),
            ..Evidence::default()
        }
    }

    fn finding(evidence: &Evidence) -> Finding {
        let verdict = judge(evidence, &Rules::HERE);
        assert!(!verdict.reasons.is_empty());
        verdict.finding
    }

    #[test]
    fn the_full_evidence_is_distilled() {
        assert_eq!(finding(&distilled()), Finding::Distilled);
    }

    #[test]
    fn each_missing_piece_takes_a_rung() {
        let with = |change: &dyn Fn(&mut Evidence)| {
            let mut evidence = distilled();
            change(&mut evidence);
            finding(&evidence)
        };
        assert_eq!(with(&|e| e.controls = 4), Finding::Inconclusive);
        assert_eq!(with(&|e| e.pooled = None), Finding::Inconclusive);
        assert_eq!(
            with(&|e| (e.matched_alternatives, e.matched_controls) = (0, 0)),
            Finding::Related
        );
        assert_eq!(with(&|e| e.apart[0].p = 0.2), Finding::Family);
        assert_eq!(
            with(&|e| e.worst_without_one = Some(0.06)),
            Finding::Undecided
        );
        assert_eq!(
            with(&|e| e.without_strongest = Some(0.2)),
            Finding::Undecided
        );
        assert_eq!(with(&|e| e.without_strongest = None), Finding::Undecided);
        // Whom the controls are not like, they cannot convict.
        assert_eq!(with(&|e| e.unlike = 0.5), Finding::Undecided);
        assert_eq!(with(&|e| e.unlike = 0.49), Finding::Distilled);
        assert_eq!(
            with(&|e| e.pooled = Some(standing(1.0))),
            Finding::Undecided
        );
        assert_eq!(with(&|e| e.pooled = Some(standing(0.5))), Finding::Shared);
        assert_eq!(
            with(&|e| (e.pooled, e.likeness) = (Some(standing(0.5)), Some(standing(0.9)))),
            Finding::Unrelated
        );
    }

    #[test]
    fn gates_come_before_everything() {
        let mut evidence = Evidence {
            identical: true,
            ..Evidence::default()
        };
        assert_eq!(finding(&evidence), Finding::SameModel);
        evidence.identical = false;
        evidence.equality = Some(Equality {
            divergence: 0.001,
            agreement: 0.98,
            probes: 60,
        });
        assert_eq!(finding(&evidence), Finding::SameModel);
        // Models that all answer alike cannot be told to be the same one.
        evidence.nearest_control = Some(0.004);
        assert_eq!(finding(&evidence), Finding::Inconclusive);
    }

    #[test]
    fn texts_alone_never_make_two_models_one() {
        let gate = |p, largest_control_p| TextGate {
            suspect: TextEquality {
                statistic: 0.0004,
                p,
                samples: 640,
                prompts: 20,
            },
            nearest_control: 0.02,
            largest_control_p,
        };
        for (p, control, said) in [
            (0.8, 0.001, "a close student"),
            (0.001, 0.001, "not the same model"),
            (0.8, 0.2, "too few samples"),
        ] {
            let mut evidence = distilled();
            (evidence.texts, evidence.equality) = (Some(gate(p, control)), None);
            let verdict = judge(&evidence, &Rules::HERE);
            assert_eq!(verdict.finding, Finding::Distilled);
            assert!(verdict.reasons[0].contains(said), "{:?}", verdict.reasons);
        }
    }

    #[test]
    fn of_a_model_that_answers_whatever_it_is_asked_nothing_is_found() {
        let mut evidence = distilled();
        evidence.unresponsive = Some("the answers of the suspect hardly depend".to_owned());
        let found = judge(&evidence, &Rules::HERE);
        assert_eq!(found.finding, Finding::Inconclusive);
        assert!(found.reasons.iter().any(|r| r.contains("hardly depend")));
        // What is known without its answers is known all the same.
        evidence.identical = true;
        let found = judge(&evidence, &Rules::HERE);
        assert_eq!(found.finding, Finding::SameModel);
    }

    #[test]
    fn a_common_ancestor_is_not_descent() {
        let mut evidence = distilled();
        evidence.weights = Some(WeightEvidence {
            p: 1e-30,
            log10_p: -30.0,
            layers: 3,
            base_related: false,
            controls_related: Vec::new(),
        });
        assert_eq!(finding(&evidence), Finding::WeightDerivative);
        evidence
            .weights
            .as_mut()
            .unwrap()
            .controls_related
            .push("c".to_owned());
        assert_eq!(finding(&evidence), Finding::Distilled);
        evidence.weights = Some(WeightEvidence {
            p: 0.3,
            log10_p: -0.5,
            layers: 3,
            base_related: false,
            controls_related: Vec::new(),
        });
        assert_eq!(finding(&evidence), Finding::Distilled);
    }
}
