//! The report's fixed texts: method, conditions, validation, limits, glossary, verbal scale.

use schemars::JsonSchema;
use serde::Serialize;

use crate::evidence::Header;
use crate::panel::Panel;
use crate::question::Access;
use crate::report::text::number;
use crate::rules::{Condition, Rules};
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

fn passages(list: &[(&'static str, &str)]) -> Vec<Passage> {
    let passage = |(title, text): &(&'static str, &str)| Passage {
        title,
        text: (*text).to_owned(),
    };
    list.iter().map(passage).collect()
}

/// How the figures came about.
pub(super) fn method(condition: Condition) -> Vec<Passage> {
    let mut method = passages(&[
        (
            "Questions",
            "All models were asked one battery of everyday questions without a right answer, in one form. Then every model read what the candidate parents had written, and every candidate parent what the others had. Answers are compared as distributions over strings, so that tokenizers may differ.",
        ),
        (
            "Measures",
            "preference: distributions over closed answers (Bhattacharyya coefficient). next: distributions of what follows a context (the same). likelihood: how well the suspect predicts what the protected model wrote (minus bits per byte). likelihood_reverse: how well the protected model predicts what the suspect wrote. style: function words, character trigrams, layout and sentence skeletons of open text, each row's block of probes against all of the column's text (cosine of z-scored features); wording: how well a byte n-gram model of the suspect's texts predicts what the protected model wrote (minus bits per byte); wording_reverse: how well one of the protected model's texts predicts what the suspect wrote.",
        ),
        (
            "Score",
            "Good models resemble each other, and some are easy to resemble; so raw likeness counts for nothing. Every measure gives a table: models under test (the suspect and the controls) by candidate parents (the protected model and the alternatives). The suspect is written as a mix of innocent models, weights not negative and of a sum up to the bound below, so that the mix stands to the alternatives as the suspect does, probe by probe and its own level apart (synthetic control: Abadie, Diamond and Hainmueller 2010; level: Doudchenko and Imbens 2016). The mix predicts how close the suspect would be to the protected model; what is left is the gap: how much closer it is to the protected model than its like is. That is its score. A model that is not compared with every alternative that the suspect is compared with takes no part in the mix. A measure whose mix fits the suspect worse than every control's fits it, and more than twice as badly as their median, says nothing. Without alternatives there is nothing to fit a mix by; the score is then the likeness to the protected model beyond the controls', which cannot tell distillation from shared data.",
        ),
        (
            "Weighing",
            "The same is done for every control, without the suspect. The conformal p counts the controls that are at least as close. Crawford and Howell's t (1998) compares one case with few controls and assumes that controls vary normally. Pooled figures are means over the measures, each in units of its controls' standard deviation; wording counts four times and style twice as much as each of the others. Each alternative is told apart probe by probe with Wilcoxon's signed ranks; there the unit is the probe, so this says nothing about models that are not in the panel.",
        ),
        (
            "Beside it",
            "Two figures stand beside the score that no rule reads. The placebo p ranks gaps over errors of fit. The contrast is what is left in the suspect's cell of the protected column, its interaction, when what rows and columns of the table explain is taken out, and what a model's level on the other columns predicts. Probe by probe, the interaction says which probes and families contribute, tells alternatives apart, and is bet on.",
        ),
        (
            "Bets",
            "Beside that stand bets on the probes, in a random order that was fixed before the first answer: wealth grows as long as the suspect is closer to the protected model than to an alternative, or than a control is (Waudby-Smith and Ramdas 2024, without replacement). Under the hypothesis that it is not, wealth of 1/p is reached at any time with probability at most p. They speak of these models on this battery; the rules below do not use them, and no run stops by them.",
        ),
    ]);
    method.push(rules(condition));
    method
}

/// The rules in words, with the constants that they have.
fn rules(condition: Condition) -> Passage {
    let rules = Rules::HERE;
    let (ladder, scatter, screen) = (rules.ladder(condition), rules.scatter, rules.screen);
    let named = rules.named();
    let constant = |name: &str| named.get(name).copied().unwrap_or(f64::NAN);
    let text = [
        format!(
            "same_model: the same bytes, or answers that differ by at most {} nats and by {:.0} % of the nearest control's difference. weight_derivative: hidden units of both models' weights pair up with p < {:.0e}, and those of base and controls do not.",
            ladder.same_divergence,
            ladder.same_share * 100.0,
            ladder.lineage_p
        ),
        format!(
            "The weights of a mix sum to at most {}, for a model may stand to all candidate parents as its like do, only more so. A member within {} nats of the protected model or the suspect is no control, and of controls that near to each other one counts; a control more than {} standard deviations beyond the controls' median is left out as a likely descendant.",
            constant("mix.pronounced"),
            screen.copy_divergence,
            screen.beyond
        ),
        format!(
            "The variance of controls is moderated by that of the same controls at up to {} other candidate parents (Smyth 2004), on at most {} more degrees of freedom for a measure and {} for the pooled score.",
            scatter.columns, scatter.measure, scatter.pooled
        ),
        format!(
            "At least {} controls are needed, and the suspect must lie beyond every control with pooled p < {}, and p < {} with any one control or any one measure left out, and mixes must fit it on more than {:.0} % of the measures' weight. Then: related without a model of the same data in the panel, family while an alternative is not told apart (p < {}, corrected for the number of measures), else distilled.",
            ladder.min_controls,
            ladder.close_p,
            ladder.stable_p,
            (1.0 - ladder.unlike) * 100.0,
            ladder.apart_p
        ),
        format!(
            "Else undecided while p < {}, or while an effect of {} of the controls' standard deviations, that of a full dose, would be found with a probability below {:.0} %. Of the rest, liker than all controls without its data: shared; else unrelated.",
            ladder.against_p,
            ladder.full_effect,
            ladder.shown_power * 100.0
        ),
    ];
    Passage {
        title: "Rules",
        text: text.join(" "),
    }
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
pub(super) fn validation(ratio: Result<&CaseRatio, &String>) -> Vec<Passage> {
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
    passages.extend(ratio.and_then(|r| r.row.as_ref()).and_then(tried));
    passages.push(Passage {
        title: "The method",
        text: "The rules were fixed on one family of tiny models of known lineage and on three sources of a population of such models, the ratios on those sources; both were then tried, once, on three further sources, laid out beforehand, that nothing had been fixed or chosen by. A test before that, on three sources that were looked at while the score and a threshold were changed, had one innocent model accused. The tables, with the errors, are in models/README.md of the tool's source. They hold for models of 0.2 million parameters of one architecture. How often the method errs elsewhere is not known.".to_owned(),
    });
    passages
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

/// The validation's row that covers the case, in words.
fn tried(row: &Row) -> Option<Passage> {
    let (found, accused) = (row.distilled?, row.accused?);
    let above_ten = row.misleading.get(1)?;
    Some(Passage {
        title: "Where it was tried",
        text: format!(
            "On {} sources that nothing was fitted on ({}): {} of {} students were found distilled, {} of {} innocent models were accused, and {} of {} innocent models had a ratio above 10. The cost of the ratios (Cllr) was {} bits.",
            row.sources,
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
            "A finding of no closeness does not exclude learning from few outputs, from paraphrased ones, or training meant to hide it.",
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
            "How much closer a model is to the protected model than to its like, on a probe or on average, after what is usual among rows and columns of a table is taken out.",
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
