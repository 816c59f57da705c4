//! Sentinels: a few questions asked again at the start, in the middle and at the end of every run
//! against an endpoint, so that a model that was changed behind its name is noticed.
//!
//! They are ordinary questions under names of their own, so they stand in the recording like all others
//! and take no part in any measure.

use crate::battery::{Ask, Battery};
use crate::question::{Access, Posing, Question, Request, SHORT, pose};

/// What a sentinel's probe is called: this and the id of the probe that it repeats.
pub const PREFIX: &str = "sentinel:";
/// Probes repeated in a round.
const PROBES: usize = 5;
/// Short samples of each, where only text is to be had.
const SAMPLES: usize = 8;

/// The questions of one round.
fn round(battery: &Battery, posing: Posing, number: usize) -> Vec<Question> {
    let probes = battery.probes.iter().filter(|p| p.ask == Ask::Next);
    probes
        .take(PROBES)
        .flat_map(|probe| {
            let requests = match posing.access {
                Access::Scored | Access::Top => vec![Request::Next { top: posing.top }],
                Access::Text => (0..SAMPLES)
                    .map(|sample| Request::Write {
                        sample,
                        max_tokens: SHORT,
                    })
                    .collect(),
            };
            requests.into_iter().map(move |request| Question {
                probe: format!("{PREFIX}{}", probe.id),
                variant: number,
                prompt: pose(probe, posing),
                request,
            })
        })
        .collect()
}

/// The questions of a run with rounds before, between and behind them, numbered from `first`.
pub fn guard(
    battery: &Battery,
    posing: Posing,
    questions: Vec<Question>,
    first: usize,
) -> Vec<Question> {
    let rest = questions.len() / 2;
    let mut guarded = round(battery, posing, first);
    for (i, question) in questions.into_iter().enumerate() {
        if i == rest {
            guarded.extend(round(battery, posing, first + 1));
        }
        guarded.push(question);
    }
    guarded.extend(round(battery, posing, first + 2));
    guarded
}

/// The round of a sentinel; nothing for other questions.
pub fn round_of(question: &Question) -> Option<usize> {
    question
        .probe
        .starts_with(PREFIX)
        .then_some(question.variant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battery::Tier;
    use crate::question::ask_all;

    #[test]
    fn rounds_stand_at_the_start_in_the_middle_and_at_the_end() {
        let battery = Battery::built_in("core-v1").unwrap().select(Tier::Quick);
        let posing = Posing {
            chat: false,
            raw: true,
            access: Access::Top,
            samples: 1,
            repeats: 0,
            top: 20,
        };
        let questions = ask_all(&battery, posing);
        let guarded = guard(&battery, posing, questions.clone(), 3);
        assert_eq!(guarded.len(), questions.len() + 3 * PROBES);
        let rounds: Vec<Option<usize>> = guarded.iter().map(round_of).collect();
        assert_eq!(rounds[..PROBES], [Some(3); PROBES]);
        assert_eq!(rounds[rounds.len() - PROBES..], [Some(5); PROBES]);
        let middle = rounds.iter().position(|r| *r == Some(4)).unwrap();
        assert_eq!(middle, PROBES + questions.len() / 2);
        let kept: Vec<&Question> = guarded.iter().filter(|q| round_of(q).is_none()).collect();
        assert!(kept.into_iter().eq(&questions));
        let text = Posing {
            access: Access::Text,
            ..posing
        };
        assert_eq!(round(&battery, text, 0).len(), PROBES * SAMPLES);
    }
}
