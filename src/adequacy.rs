//! Whether the controls are adequate to a finding: how many, of which kinds, whether the finding rests on
//! one of them, what they could have shown at all, and which kind is missed most.
//!
//! Pure description: no rule of the ladder looks at it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::case::{Case, without_each};
use crate::panel::{ControlKind, Panel};
use crate::rules::{Condition, MIN_CONTROLS, Rules};
use crate::verdict::Finding;
use crate::weigh::{
    DoseEffect, Sample, SingleCase, critical_t, detectable_dose, detectable_effect,
};

/// The probability with which an effect that is called detectable is found.
pub const POWER: f64 = 0.8;

/// How the controls stand.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Adequacy {
    /// Controls that the pooled figure rests on.
    pub controls: usize,
    /// How many of each kind; one control may be of several.
    pub kinds: Vec<KindCount>,
    /// Those of no kind, as far as is declared.
    pub other: usize,
    /// The finding with each control left out.
    pub without_one: Vec<WithoutOneFacts>,
    /// Controls without which the finding is another.
    pub moved_by: Vec<String>,
    /// The kind of control that is missed most, if one is.
    pub missing: Option<Missing>,
    /// What so many controls that vary so much can show.
    pub power: Option<PowerFacts>,
    /// All of it in sentences.
    pub in_words: Vec<String>,
}

/// How many controls are of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KindCount {
    /// The kind.
    pub kind: ControlKind,
    /// Its name in words.
    pub words: &'static str,
    /// How many.
    pub count: usize,
    /// Whether enough is declared to tell; if not, none is counted.
    pub decidable: bool,
}

/// The finding with one control left out.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WithoutOneFacts {
    /// The control.
    pub control: String,
    /// The finding without it.
    pub finding: Finding,
    /// The pooled p without it.
    pub p: Option<f64>,
}

/// A kind of control that is missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Missing {
    /// The kind.
    pub kind: ControlKind,
    /// Why it would matter for this finding, in a sentence.
    pub why: String,
}

/// What the test of one case among controls can show.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct PowerFacts {
    /// Controls.
    pub controls: usize,
    /// The p that the finding asks for.
    pub threshold_p: f64,
    /// The pooled score from which the p is that small, in the unit of the pooled score; null
    /// before anything is measured.
    pub threshold: Option<f64>,
    /// The probability that the next figures are about.
    pub power: f64,
    /// The smallest true effect found with that probability, in standard deviations of the controls.
    pub detectable_sd: Option<f64>,
    /// The same in the unit of the pooled score; null before anything is measured.
    pub detectable: Option<f64>,
    /// The smallest share of the training text whose effect is that large; null where no effect of a dose is
    /// known for these conditions, or none in the table is large enough.
    pub smallest_dose: Option<f64>,
}

impl PowerFacts {
    /// Before anything is asked, from the number of controls and of other candidate parents. With `candidates` models
    /// in the protected model's place (its group) each has a share of the error rate.
    pub fn of(
        controls: usize,
        columns: usize,
        candidates: usize,
        condition: Condition,
    ) -> Option<Self> {
        let rules = Rules::HERE;
        let sample = rules.null(condition).sample(controls, columns);
        let threshold_p = rules.ladder(condition).close_p(controls) / candidates.max(1) as f64;
        Self::by(sample, threshold_p)
    }

    fn by(sample: Sample, threshold_p: f64) -> Option<Self> {
        (sample.controls >= MIN_CONTROLS).then(|| Self {
            controls: sample.controls,
            threshold_p,
            threshold: None,
            power: POWER,
            detectable_sd: detectable_effect(sample, threshold_p, POWER),
            detectable: None,
            smallest_dose: None,
        })
    }

    /// From where a case stands; `doses` has the effect of each dose in the unit of its score.
    pub fn measured(t: &SingleCase, doses: &[DoseEffect], condition: Condition) -> Option<Self> {
        let threshold_p = Rules::HERE.ladder(condition).close_p(t.controls);
        let facts = Self::by(t.sample(), threshold_p)?;
        let critical = critical_t(t.degrees_of_freedom, threshold_p)?;
        // Pooled scores of controls have the centre 0, or lie about it where it is that of their shortest half.
        let detectable = facts.detectable_sd.map(|d| d * t.sd);
        Some(Self {
            threshold: Some(critical * t.sd * t.widening),
            detectable,
            smallest_dose: detectable.and_then(|d| detectable_dose(d, doses)),
            ..facts
        })
    }

    /// What it says, in a sentence.
    pub fn sentence(&self) -> String {
        let percent = self.power * 100.0;
        let Some(sd) = self.detectable_sd else {
            return "no effect is large enough to be found with these controls".to_owned();
        };
        let scale = self
            .detectable
            .map_or_else(String::new, |d| format!(", a pooled score of {d:.2}"));
        let dose = self.smallest_dose.map_or_else(String::new, |dose| {
            format!(
                "; that is a dose of about {:.0} % of the training text",
                dose * 100.0
            )
        });
        format!(
            "with {} controls an effect of {sd:.1} of their standard deviations{scale} is found with \
             probability {percent:.0} % (p below {}){dose}",
            self.controls,
            short(self.threshold_p)
        )
    }
}

/// A threshold in at most two digits.
fn short(p: f64) -> String {
    if p < 1e-3 {
        return format!("{p:.1e}").replace(".0e", "e");
    }
    let text = format!("{p:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Describes the controls of a weighed case. `doses` has the pooled score that each dose of the
/// protected model's text makes.
pub fn adequacy(panel: &Panel, case: &Case, doses: &[DoseEffect]) -> Adequacy {
    let usable = |id: &str| case.pooled_controls.iter().any(|known| known == id);
    let kinds = kinds(panel, &usable);
    let without_one: Vec<WithoutOneFacts> = without_each(panel, case, &Rules::HERE)
        .into_iter()
        .map(|w| WithoutOneFacts {
            control: w.control,
            finding: w.finding,
            p: w.p,
        })
        .collect();
    let finding = case.verdict.finding;
    let moved = without_one.iter().filter(|w| w.finding != finding);
    let pooled = case.evidence.pooled.as_ref();
    let controls = case.pooled_controls.len();
    let other = other(panel, &usable);
    let missing = missing(panel, case, &kinds);
    let condition = case.evidence.condition;
    let power = match &case.family {
        Some(family) => {
            let columns = case.evidence.columns;
            PowerFacts::of(controls, columns, family.members.len(), condition)
        }
        None => pooled.and_then(|p| PowerFacts::measured(&p.t?, doses, condition)),
    };
    let in_words = [
        Some(counts(controls, &kinds, other)),
        stability(&without_one, finding),
        power.map(|p| p.sentence()),
        missing.as_ref().map(|m| m.why.clone()),
    ];
    Adequacy {
        controls,
        kinds,
        other,
        moved_by: moved.map(|w| w.control.clone()).collect(),
        without_one,
        missing,
        power,
        in_words: in_words.into_iter().flatten().collect(),
    }
}

/// How many controls of a panel are of each kind; `usable` says which count.
pub fn kinds(panel: &Panel, usable: &dyn Fn(&str) -> bool) -> Vec<KindCount> {
    let count = |kind| {
        let of_kind = panel.controls.iter().filter(|c| c.kinds.contains(&kind));
        of_kind.filter(|c| usable(&c.id)).count()
    };
    ControlKind::ALL
        .into_iter()
        .map(|kind| KindCount {
            kind,
            words: kind.words(),
            count: count(kind),
            decidable: panel.decidable.contains(&kind),
        })
        .collect()
}

fn other(panel: &Panel, usable: &dyn Fn(&str) -> bool) -> usize {
    let plain = panel.controls.iter().filter(|c| c.kinds.is_empty());
    plain.filter(|c| usable(&c.id)).count()
}

/// The kinds by how much a finding needs them, the most needed first.
fn needed(finding: Finding) -> &'static [ControlKind] {
    use ControlKind::{SameBase, SameData, SameEraAndSize, Sibling, SiblingStudent};
    match finding {
        // The bytes or the answers are the same, whatever controls do.
        Finding::SameModel => &[],
        Finding::WeightDerivative => &[SameBase],
        Finding::Distilled | Finding::Related | Finding::Undecided => {
            &[Sibling, SameData, SameBase, SiblingStudent, SameEraAndSize]
        }
        Finding::Family => &[SameData, SameBase, SameEraAndSize],
        Finding::Shared => &[SameBase, SameData, SameEraAndSize],
        Finding::Unrelated => &[SameEraAndSize, SameBase, SameData],
        Finding::Inconclusive => &[SameEraAndSize, SameBase, SameData, Sibling, SiblingStudent],
    }
}

fn missing(panel: &Panel, case: &Case, kinds: &[KindCount]) -> Option<Missing> {
    let finding = case.verdict.finding;
    let is_there = |kind: &ControlKind| {
        kinds.iter().any(|k| k.kind == *kind && k.count > 0)
            || match kind {
                // Its row was subtracted, or its weights were compared.
                ControlKind::SameBase => panel.base.is_some(),
                ControlKind::Sibling => !case.matched_alternatives.is_empty(),
                _ => false,
            }
    };
    let kind = needed(finding).iter().copied().find(|k| !is_there(k))?;
    let declared = panel.decidable.contains(&kind);
    let absent = if declared {
        format!("no usable control is of the kind '{}'", kind.words())
    } else {
        format!(
            "no control is declared to be of the kind '{}'",
            kind.words()
        )
    };
    Some(Missing {
        kind,
        why: format!("{absent}, {}", why(kind, finding)),
    })
}

/// Why a kind matters for a finding; what follows "no control is of this kind, ".
fn why(kind: ControlKind, finding: Finding) -> &'static str {
    let closer = matches!(
        finding,
        Finding::Distilled | Finding::Family | Finding::Related
    );
    match (kind, closer) {
        (_, _) if finding == Finding::WeightDerivative => {
            "so a common ancestor of the weights that is not in the panel stays possible"
        }
        (ControlKind::SameBase, true) => {
            "so it is not known how close the suspect's base alone brings a model to the protected one"
        }
        (ControlKind::SameBase, false) => {
            "so a base that lies far from the protected model could hide what the suspect learned from it"
        }
        (ControlKind::SameData, true) => {
            "so nothing shows how near the protected model's data alone bring a model to it"
        }
        (ControlKind::SameData, false) => {
            "so nothing shows what the protected model's data alone would look like"
        }
        (ControlKind::Sibling, _) => {
            "so what is particular to the protected model cannot be told apart from what comparable models have in common"
        }
        (ControlKind::SiblingStudent, _) => {
            "so nothing shows how near a student of a relative comes, the innocent model that is most like a \
             student"
        }
        (ControlKind::SameEraAndSize, true) => {
            "so the closeness that is usual among models of the suspect's time and size is not known"
        }
        (ControlKind::SameEraAndSize, false) => {
            "so controls that are unlike the suspect may vary more than comparable models would, and hide a weak effect"
        }
    }
}

/// Whether leaving out one control changes the finding, in words.
fn stability(without_one: &[WithoutOneFacts], finding: Finding) -> Option<String> {
    let largest = without_one.iter().filter_map(|w| w.p).reduce(f64::max)?;
    let moves: Vec<String> = without_one
        .iter()
        .filter(|w| w.finding != finding)
        .map(|w| format!("{} without {}", w.finding.name(), w.control))
        .collect();
    Some(if moves.is_empty() {
        format!(
            "the finding stays {} with any one control left out (largest p = {largest:.1e})",
            finding.name()
        )
    } else {
        format!("the finding rests on single controls: {}", moves.join(", "))
    })
}

/// Counts of controls by kind in words.
fn counts(controls: usize, kinds: &[KindCount], other: usize) -> String {
    let of = |wanted: &dyn Fn(&&KindCount) -> bool| -> Vec<&KindCount> {
        kinds.iter().filter(|k| wanted(k)).collect()
    };
    let list = |kinds: Vec<&KindCount>, number: bool| {
        let words: Vec<String> = kinds
            .into_iter()
            .map(|k| {
                if number {
                    format!("{} {}", k.count, k.words)
                } else {
                    k.words.to_owned()
                }
            })
            .collect();
        words.join(", ")
    };
    let mut parts = vec![format!("{controls} usable")];
    let present = of(&|k| k.count > 0);
    if !present.is_empty() {
        parts[0] = format!("{controls} usable: {}", list(present, true));
    }
    let absent = of(&|k| k.count == 0 && k.decidable);
    if !absent.is_empty() {
        parts.push(format!("none: {}", list(absent, false)));
    }
    let unknown = of(&|k| k.count == 0 && !k.decidable);
    if !unknown.is_empty() {
        parts.push(format!("not declared: {}", list(unknown, false)));
    }
    parts.push(format!("{other} of no declared kind"));
    parts.join("; ")
}

/// The same before anything is asked, for every control of the panel.
pub fn planned(panel: &Panel) -> String {
    let all = |_: &str| true;
    counts(
        panel.controls.len(),
        &kinds(panel, &all),
        other(panel, &all),
    )
}

#[cfg(test)]
mod tests;
