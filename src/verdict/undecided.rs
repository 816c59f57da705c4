//! The rung between closer and not: which way the figures lean, how far, and what would decide it.

use super::Evidence;
use crate::rules::{Condition, Ladder, Rules};
use crate::weigh::{SingleCase, critical_t, power};

/// Panels of more controls are not asked for.
const MOST_CONTROLS: usize = 1_000;

/// Why nothing is decided, and what would decide it.
pub(super) struct Undecided {
    pub(super) reason: String,
    pub(super) settles: String,
}

/// What is open; `None` if the figures speak against descent and this panel would have shown a full dose.
pub(super) fn undecided(evidence: &Evidence, rules: &Rules, t: &SingleCase) -> Option<Undecided> {
    let ladder = rules.ladder(evidence.condition);
    let close_p = ladder.close_p(t.controls);
    if t.p < close_p && evidence.unlike >= ladder.unlike {
        return Some(Undecided {
            reason: format!(
                "the figures lean towards descent (p = {:.1e}), but the suspect is unlike the controls: on {:.0} % of the \
                 measures' weight no mix of them fits it",
                t.p,
                evidence.unlike * 100.0
            ),
            settles: "add controls of the suspect's own kind: its base, models of its language and data, and their students"
                .to_owned(),
        });
    }
    if t.p < close_p {
        return Some(Undecided {
            reason: format!(
                "the figures point towards descent (p = {:.1e}), but they depend on a single control or measure",
                t.p
            ),
            settles: format!(
                "add controls of the suspect's own base and kind, and {}, so that the finding stands without any one \
                 control and measure",
                more_answers(evidence.condition)
            ),
        });
    }
    if t.p < ladder.against_p {
        return Some(leaning(evidence, rules, t));
    }
    let shown = power_of(ladder, t)?;
    (shown < ladder.shown_power).then(|| Undecided {
        reason: format!(
            "the figures do not point towards descent (p = {:.2}), but these controls would have shown a full dose ({:.1} of their standard deviations) with a probability of at most {:.0} %",
            t.p,
            ladder.full_effect,
            shown * 100.0
        ),
        settles: unseen(evidence, rules, t),
    })
}

/// That a full dose would have been seen, in words.
pub(super) fn shown(ladder: &Ladder, t: &SingleCase) -> String {
    let percent = power_of(ladder, t).unwrap_or(0.0) * 100.0;
    format!(
        "the figures speak against descent (p = {:.2}), and these controls would have shown a full dose, {:.1} of their \
         standard deviations, with a probability of {percent:.0} %; smaller doses may stay below what they show",
        t.p, ladder.full_effect
    )
}

/// The probability that a full dose has a p below the threshold among these controls.
fn power_of(ladder: &Ladder, t: &SingleCase) -> Option<f64> {
    power(ladder.full_effect, t.sample(), ladder.close_p(t.controls))
}

/// The figures lean towards descent: how far, and what it takes.
fn leaning(evidence: &Evidence, rules: &Rules, t: &SingleCase) -> Undecided {
    let ladder = rules.ladder(evidence.condition);
    let (distance, null) = (t.distance(), rules.null(evidence.condition));
    let enough = |controls: &usize| {
        let sample = null.sample(*controls, evidence.columns);
        let critical = critical_t(sample.degrees_of_freedom, ladder.close_p(*controls));
        critical.is_some_and(|c| distance / sample.widening > c)
    };
    let needed = (t.controls + 1..=MOST_CONTROLS).find(enough);
    let settles = match needed {
        _ if evidence.matched_alternatives + evidence.matched_controls == 0 => {
            "a model that shares the protected model's data and kind, such as another version of it (--alternative, or \
             'group' in the file of --controls): without one, common data explain such a distance"
                .to_owned()
        }
        Some(controls) => format!(
            "{} like these, if the suspect is as far from them; above all models of the suspect's own base and of the \
             protected model's data",
            more_controls(controls - t.controls)
        ),
        None => format!(
            "no number of controls decides at this distance: {}; chance effects shrink with the square root of their \
             number, and {:.1} standard deviations are needed among so many controls",
            more_answers(evidence.condition),
            critical_t(t.degrees_of_freedom, ladder.close_p(t.controls)).unwrap_or(f64::NAN)
                * t.widening
        ),
    };
    Undecided {
        reason: format!(
            "the figures lean towards descent: {distance:.1} of the controls' standard deviations from their centre, where an innocent model would be as far in {} of cases; a p below {} is needed",
            share(t.p),
            ladder.close_p(t.controls)
        ),
        settles,
    }
}

/// What more answers are to be had by.
fn more_answers(condition: Condition) -> &'static str {
    match condition {
        Condition::Open => "add answers to more prompts, or more answers to each",
        Condition::Scored | Condition::Top | Condition::Text => {
            "ask more probes (--tier full) or more samples (--samples)"
        }
    }
}

fn more_controls(count: usize) -> String {
    format!("{count} more control{}", if count == 1 { "" } else { "s" })
}

/// A probability as a share in words; a small one is not shown as none.
fn share(p: f64) -> String {
    if p < 1e-3 {
        "less than 0.1 %".to_owned()
    } else {
        format!("{:.1} %", p * 100.0)
    }
}

/// How many controls would show a full dose.
fn unseen(evidence: &Evidence, rules: &Rules, t: &SingleCase) -> String {
    let ladder = rules.ladder(evidence.condition);
    let null = rules.null(evidence.condition);
    let enough = |controls: &usize| {
        let sample = null.sample(*controls, evidence.columns);
        let found = power(ladder.full_effect, sample, ladder.close_p(*controls));
        found.is_some_and(|p| p >= ladder.shown_power)
    };
    match (t.controls + 1..=MOST_CONTROLS).find(enough) {
        Some(controls) => format!(
            "{} that vary no more than these: models of the suspect's size and era, and another candidate \
             parent (--alternative) to learn from how controls scatter",
            more_controls(controls - t.controls)
        ),
        None => "no number of controls would show it by this access: ask for more of it".to_owned(),
    }
}
