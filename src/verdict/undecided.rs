//! The rung between closer and not: which way the figures lean, how far, and what would decide it.

use super::Evidence;
use crate::rules::{Ladder, Rules};
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
                "the figures lean towards descent (p = {:.1e}), but on too narrow a ground",
                t.p
            ),
            settles: "add controls of the suspect's own base and kind, and ask more probes (--tier full) or more \
                      samples (--samples), so that the finding stands without any one control and measure"
                .to_owned(),
        });
    }
    if t.p < ladder.against_p {
        return Some(leaning(evidence, rules, t));
    }
    let shown = power_of(ladder, t)?;
    (shown < ladder.shown_power).then(|| Undecided {
        reason: format!(
            "the figures do not lean towards descent (p = {:.2}), but these controls would have shown a full dose, \
             {:.1} of their standard deviations, with a probability of no more than {:.0} %",
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
        Some(controls) => format!(
            "{} more controls like these, should the suspect stay as far from them; first of all models of the suspect's \
             own base, and models of the protected model's data",
            controls - t.controls
        ),
        None => format!(
            "no number of controls decides at this distance: ask more probes (--tier full) or more samples (--samples); \
             what is left of chance shrinks with the root of their number, and {:.1} standard deviations are needed \
             among so many controls",
            critical_t(t.degrees_of_freedom, ladder.close_p(t.controls)).unwrap_or(f64::NAN)
                * t.widening
        ),
    };
    Undecided {
        reason: format!(
            "the figures lean towards descent: {distance:.1} of the controls' standard deviations from their centre, where \
             an innocent model comes so far in {:.1} % of cases; {} is asked for",
            t.p * 100.0,
            ladder.close_p(t.controls)
        ),
        settles,
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
            "{} more controls that vary no more than these: models of the suspect's size and era, and another candidate \
             parent (--alternative) to learn from how controls scatter",
            controls - t.controls
        ),
        None => "no number of controls would show it by this access: ask for more of it".to_owned(),
    }
}
