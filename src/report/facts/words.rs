//! The report's fixed texts: conditions, validation, limits, glossary, verbal scale.

use schemars::JsonSchema;
use serde::Serialize;

use crate::evidence::Header;
use crate::measure::Basis;
use crate::panel::Panel;
use crate::question::Access;
use crate::report::text::number;
use crate::validation::{CaseRatio, Row};
use crate::weigh::Dose;

/// A passage with a heading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Passage {
    /// Its heading, or the term that it explains.
    pub title: &'static str,
    /// The text.
    pub text: String,
}

pub(super) fn passages(list: &[(&'static str, &str)]) -> Vec<Passage> {
    let passage = |(title, text): &(&'static str, &str)| Passage {
        title,
        text: (*text).to_owned(),
    };
    list.iter().map(passage).collect()
}

/// What was taken as given, and under which conditions the questions were put.
pub(super) fn conditions(panel: &Panel, header: &Header) -> Vec<Passage> {
    let posing = header.posing;
    let imported = header.identity.source.is_imported();
    let form = match (posing.chat, posing.raw) {
        _ if imported => "prompts and answers as somebody else's files have them",
        (true, true) => "chat questions as chat turns, plain contexts as plain text",
        (true, false) => "everything as chat turns, because a model takes nothing else",
        (false, _) => "everything as plain text",
    };
    let seen = match posing.access {
        Access::Scored if imported => "the likelihoods of closed answers are what the files say",
        Access::Scored => "the probability of any given text could be read from every model",
        Access::Top => "the most probable next tokens with their probabilities could be read",
        Access::Text => "only samples of text could be had",
    };
    let mut given = passages(&[
        (
            "Taken as given",
            "Which model is the protected one and which the suspect; that the controls do not descend from the protected model; what the lineage file declares of bases, data and parents. The tool does not check these. What the lineage file says of the suspect is not used.",
        ),
        (
            "Not used",
            "What a model says of itself; names of models; anything known of the persons concerned.",
        ),
    ]);
    given.push(Passage {
        title: "Form of the questions",
        text: format!(
            "{form}; {seen}; {}{} samples of every open question; seed {}.",
            if imported { "at most " } else { "" },
            posing.samples,
            header.seed.0
        ),
    });
    if !panel.left_out.is_empty() {
        given.push(Passage {
            title: "Left out",
            text: format!(
                "{} models of the lineage file stand in no role; the reasons are listed with the items.",
                panel.left_out.len()
            ),
        });
    }
    given
}

/// What is known of how often the method errs.
pub(super) fn validation(ratio: Result<&CaseRatio, &String>, basis: Basis) -> Vec<Passage> {
    let case = match ratio {
        Err(why) => format!(
            "No likelihood ratio is given: {why}. Therefore no word of the verbal scale is used."
        ),
        Ok(ratio) if ratio.outside.is_empty() => {
            "The case lies within the conditions that were validated: access, sizes, controls and probes."
                .to_owned()
        }
        Ok(ratio) => format!(
            "The case lies outside the conditions that were validated ({}). Its likelihood ratio is extrapolated and capped at 100 either way.",
            ratio.outside.join("; ")
        ),
    };
    let mut passages = vec![Passage {
        title: "This case",
        text: case,
    }];
    let ratio = ratio.ok();
    passages.extend(ratio.and_then(|r| r.dose.as_ref()).map(dose));
    passages.extend(
        ratio
            .and_then(|r| r.row.as_ref())
            .and_then(|row| tried(row, basis)),
    );
    passages.push(Passage {
        title: "The method",
        text: method(basis).to_owned(),
    });
    passages
}

/// On what the method was fixed and tried.
fn method(basis: Basis) -> &'static str {
    match basis {
        Basis::Battery => {
            "The rules were fixed on one family of tiny models of known descent and on three sources of a population of such models; the likelihood ratios were fitted on these sources. Both were then tried on three further sources that were laid out beforehand; docs/validation.md of the tool's source says which rules were changed after that. In an earlier test, on three sources that were looked at while the score and a threshold were changed, one innocent model was accused. The tables, with the errors, are in docs/validation-conditions.md. They hold for models of 0.2 million parameters of one architecture. How often the method errs elsewhere is not known."
        }
        Basis::OpenText => {
            "The measures of open text, their weights and the thresholds were chosen on published models' answers to one set of prompts, of seven houses, with what is declared of their descent in view; the ratios of a house are fitted on the others. What is declared is partial, and models of which nothing is declared may be students as well. The tables, with the errors, are in docs/validation.md of the tool's source. How often the method errs on other models, prompts and languages is not known."
        }
    }
}

/// What share of the training the standing speaks for, in words.
fn dose(dose: &Dose) -> Passage {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    Passage {
        title: "Dose",
        text: format!(
            "If the suspect learned from the protected model's outputs, its standing is the usual one for a share of {} of its training text, and no share from {} to {} is excluded (95 % interval; {}). This is read off models that were trained on such text alone or mixed with real text of the protected model's kind; how near a student comes for another reason, such as more training, looks the same.",
            percent(dose.estimate),
            percent(dose.low),
            percent(dose.high),
            if dose.low > 0.0 {
                "an innocent model's standing is not in it"
            } else {
                "an innocent model's standing is in it"
            },
        ),
    }
}

/// What the ratios were tried on.
fn on(sources: usize, basis: Basis) -> String {
    match basis {
        Basis::Battery => format!("On {sources} sources that nothing was fitted on"),
        Basis::OpenText => {
            format!("On {sources} houses, each read by what was fitted on the others")
        }
    }
}

/// The validation's row that covers the case, in words.
fn tried(row: &Row, basis: Basis) -> Option<Passage> {
    let (found, accused) = (row.distilled?, row.accused?);
    let above_ten = row.misleading.get(1)?;
    Some(Passage {
        title: "Where it was tried",
        text: format!(
            "{} ({}): {} of {} students were found distilled, {} of {} innocent models were accused, and {} of {} innocent models had a ratio above 10. The cost of the ratios (Cllr) was {} bits.",
            on(row.sources, basis),
            row.condition,
            found.count,
            found.of,
            accused.count,
            accused.of,
            above_ten.count,
            above_ten.of,
            number(row.cllr.map(|c| c.value), 2),
        ),
    })
}

/// What no finding of this tool shows.
pub(super) fn limits() -> Vec<Passage> {
    passages(&[
        (
            "Who, and whether it was allowed",
            "The finding is about outputs having been learned from: not by whom, from which account, or against which terms.",
        ),
        (
            "No probability of an event",
            "A p says how unusual the suspect is among the controls. It is not the probability of innocence, and one minus p is not that of distillation.",
        ),
        (
            "No more than the panel",
            "Models that nobody put into the panel are not excluded.",
        ),
        (
            "Direction",
            "If the protected model learned from the suspect, the figures look the same.",
        ),
        (
            "Small or hidden doses",
            "If no closeness is found, the suspect may still have learned from few outputs, from paraphrased ones, or in a way that hides it.",
        ),
    ])
}

/// Words used one way only.
pub(super) fn glossary() -> Vec<Passage> {
    passages(&[
        (
            "affinity",
            "What a measure gives for one model under test and one candidate parent.",
        ),
        (
            "alternative",
            "Another candidate parent, beside the protected model.",
        ),
        ("base", "The model from whose weights the suspect started."),
        ("battery", "The set of probes."),
        (
            "caveat",
            "A limit of this finding, with what to do about it.",
        ),
        (
            "conformal p",
            "The share of models, the suspect among them, that are at least as close. With m controls it is never below 1/(m + 1).",
        ),
        (
            "control",
            "A model known not to descend from the protected one.",
        ),
        (
            "divergence",
            "Mean Jensen-Shannon divergence of what follows a context, in nats: 0 for equal models, at most 0.693.",
        ),
        (
            "finding",
            "The rung of the ladder at which the evidence stops.",
        ),
        (
            "gap",
            "How much closer a model is to the protected model than the mix of innocent models that stands to the alternatives as it does.",
        ),
        (
            "interaction",
            "How much closer a model is to the protected model than comparable models are, on a probe or on average, after what its row and its column of the table explain is subtracted.",
        ),
        (
            "likelihood ratio",
            "How many times more probable the findings are under one proposition than under another.",
        ),
        (
            "matched",
            "Alike in data and kind to the protected model, without having learned from it.",
        ),
        (
            "nat",
            "The unit of natural logarithms of probabilities; 1 nat is 1.44 bits.",
        ),
        ("probe", "One question."),
        (
            "protected model",
            "The model whose outputs may have been learned from.",
        ),
        (
            "recording",
            "All answers of one model, as they came, in a chain of digests.",
        ),
        (
            "score",
            "A model's gap; without alternatives, its likeness to the protected model beyond the controls'.",
        ),
        ("suspect", "The model under question."),
        (
            "t",
            "Crawford and Howell's test of one case against few controls.",
        ),
    ])
}

/// One step of the verbal scale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct ScaleStep {
    /// Likelihood ratios from this on.
    pub from: f64,
    /// Up to this; null for the last step.
    pub to: Option<f64>,
    /// The words for the support.
    pub words: &'static str,
}

/// The verbal scale of the ENFSI guideline (2015), for ratios above one; below one it is mirrored.
pub(super) fn scale() -> Vec<ScaleStep> {
    let step = |from, to, words| ScaleStep { from, to, words };
    vec![
        step(1.0, Some(2.0), "no support"),
        step(2.0, Some(10.0), "weak support"),
        step(10.0, Some(100.0), "moderate support"),
        step(100.0, Some(1e3), "moderately strong support"),
        step(1e3, Some(1e4), "strong support"),
        step(1e4, Some(1e6), "very strong support"),
        step(1e6, None, "extremely strong support"),
    ]
}

/// How the verbal scale is to be read, with a likelihood ratio and without.
pub(super) fn scale_note(has_ratio: bool) -> &'static str {
    if has_ratio { RATIO_NOTE } else { NO_RATIO_NOTE }
}

const RATIO_NOTE: &str = "Only a likelihood ratio is read on this scale, and no p on these pages may be. The sentence is: the findings are about x times more probable if the one proposition is true than if the other is.";
const NO_RATIO_NOTE: &str = "Not calibrated: shown for reference only. No likelihood ratio was computed in this case, and no p on these pages may be read on this scale. Once there is a ratio x, the sentence will be: the findings are about x times more probable if the one proposition is true than if the other is.";

/// How the findings can be had again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReproductionFacts {
    /// The command that draws the verdict again, for a shell.
    pub line: &'static str,
    /// Version of the tool.
    pub tool: &'static str,
    /// Versions of the tool that made the recordings, in order.
    pub recorded_by: Vec<String>,
    /// What to do.
    pub steps: Vec<&'static str>,
}

pub(super) fn reproduction(recorded_by: Vec<String>) -> ReproductionFacts {
    ReproductionFacts {
        line: "parentage verify BUNDLE",
        tool: env!("CARGO_PKG_VERSION"),
        recorded_by,
        steps: vec![
            "Take the bundle that this report lies in: a directory that stands alone. The command checks every digest and chain in it, draws the verdict again from the recordings, and holds this report against what comes out, byte by byte. It needs neither network nor weights.",
            "Compare report.json: its fields are described by the schema that the command 'parentage schema' prints.",
            "To ask all models anew, check that they are those of section 2 by their digests, and give 'parentage compare' the roles, the battery, the seed and the samples of data/plan.json.",
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_has_no_gaps() {
        let scale = scale();
        assert!(scale.windows(2).all(|w| w[0].to == Some(w[1].from)));
        assert_eq!(scale.last().unwrap().to, None);
    }
}
