//! Sentinels: a few questions asked again at the start, in the middle and at the end of every run
//! against an endpoint, so that a model that was changed behind its name is noticed.
//!
//! They are ordinary questions under names of their own, so they stand in the recording like all others
//! and take no part in any measure.

use std::collections::BTreeMap;

use crate::battery::{Ask, Battery, Probe};
use crate::evidence::Entry;
use crate::measure::drift::{Round, drift};
use crate::question::{Access, Posing, Question, Request, SHORT, pose};
use crate::response::{Continuation, Response};

/// What a sentinel's probe is called: this and the id of the probe that it repeats.
pub const PREFIX: &str = "sentinel:";
/// Probes repeated in a round.
const PROBES: usize = 5;
/// Short samples of each, where only text is to be had.
const SAMPLES: usize = 8;
/// Rounds of one recording at the most: three each time that it is gone on with.
const MOST_ROUNDS: usize = 100_000;
/// Nats by which a log-probability may move between rounds: servers were seen to move by 2e-5 from caches
/// alone, and batches in 16-bit arithmetic move the least probable of twenty tokens by tenths.
const TOLERANCE: f64 = 0.5;
/// The corrected p at which texts of two rounds count as different.
const ALPHA: f64 = 0.01;

/// The constants that can move a finding, by name: they say which answers are set aside.
pub fn constants() -> [(&'static str, f64); 4] {
    [
        ("sentinel.probes", PROBES as f64),
        ("sentinel.samples", SAMPLES as f64),
        ("sentinel.tolerance", TOLERANCE),
        ("sentinel.alpha", ALPHA),
    ]
}

/// The probes that every round repeats.
pub(crate) fn probes(battery: &Battery) -> impl Iterator<Item = &Probe> {
    let probes = battery.probes.iter().filter(|p| p.ask == Ask::Next);
    probes.take(PROBES)
}

/// The questions of one round.
fn round(battery: &Battery, posing: Posing, number: usize) -> Vec<Question> {
    probes(battery)
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

/// The first round of which nothing was answered yet.
pub fn next_round(
    battery: &Battery,
    posing: Posing,
    answered: &dyn Fn(&Question) -> bool,
) -> usize {
    (0..MOST_ROUNDS)
        .find(|number| !round(battery, posing, *number).iter().any(answered))
        .unwrap_or(MOST_ROUNDS)
}

/// The round of a sentinel; `None` for other questions.
pub fn round_of<S: AsRef<str>>(question: &Question<S>) -> Option<usize> {
    question
        .probe
        .as_ref()
        .starts_with(PREFIX)
        .then_some(question.variant)
}

/// Whether a sentinel asks for this.
pub(crate) fn is_asked<S>(posing: Posing, request: &Request<S>) -> bool {
    match (posing.access, request) {
        (Access::Scored | Access::Top, Request::Next { top }) => *top == posing.top,
        (Access::Text, Request::Write { sample, max_tokens }) => {
            *sample < SAMPLES && *max_tokens == SHORT
        }
        _ => false,
    }
}

/// A round with the places of its first and last answer.
#[derive(Debug)]
struct Asked {
    first: usize,
    last: usize,
    round: Round,
}

/// The sentinels of a recording while it goes by.
#[derive(Debug, Default)]
pub struct Watch {
    rounds: BTreeMap<usize, Asked>,
    seen: usize,
}

impl Watch {
    /// Sees the next answer, in the order in which they came.
    pub fn see<S: AsRef<str>>(&mut self, entry: &Entry<S>) {
        let place = self.seen;
        self.seen += 1;
        let Some(number) = round_of(&entry.question) else {
            return;
        };
        let asked = self.rounds.entry(number).or_insert_with(|| Asked {
            first: place,
            last: place,
            round: Round::default(),
        });
        asked.last = place;
        let round = &mut asked.round;
        let probe = entry.question.probe.as_ref().to_owned();
        match &entry.response {
            Response::Next { top } => {
                let top = top.iter().map(Continuation::owned);
                round.tops.insert(probe, top.collect());
            }
            Response::Text { text, .. } => {
                let text = text.as_ref().to_owned();
                round.texts.entry(probe).or_default().push(text);
            }
            _ => {}
        }
    }

    /// How many of the answers seen are of one model: all of them, or those up to the end of the last
    /// round of sentinels before one that differs. When between the two it changed, nobody knows.
    pub fn stable(self) -> usize {
        let (places, rounds): (Vec<(usize, usize)>, Vec<Round>) = self
            .rounds
            .into_values()
            .map(|asked| ((asked.first, asked.last), asked.round))
            .unzip();
        let differs = drift(&rounds)
            .into_iter()
            .filter(|d| d.is_beyond(TOLERANCE, ALPHA));
        let end = differs.map(|d| {
            if d.to == d.from + 1 {
                places[d.from].1 + 1
            } else {
                // First and last differ by small steps that no two neighbours show.
                places[d.to].0
            }
        });
        end.min().unwrap_or(self.seen)
    }
}

/// The same for answers that are all at hand.
pub fn stable(entries: &[Entry]) -> usize {
    let mut watch = Watch::default();
    for entry in entries {
        watch.see(entry);
    }
    watch.stable()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battery::Tier;
    use crate::question::ask_all;

    const POSING: Posing = Posing {
        chat: false,
        raw: true,
        access: Access::Top,
        samples: 1,
        repeats: 0,
        top: 20,
    };

    #[test]
    fn rounds_stand_at_the_start_in_the_middle_and_at_the_end() {
        let battery = Battery::built_in("core-v1").unwrap().select(Tier::Quick);
        let questions = ask_all(&battery, POSING);
        let guarded = guard(&battery, POSING, questions.clone(), 3);
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
            ..POSING
        };
        assert_eq!(round(&battery, text, 0).len(), PROBES * SAMPLES);
    }

    #[test]
    fn answers_after_a_changed_round_are_not_of_the_same_model() {
        let battery = Battery::built_in("core-v1").unwrap().select(Tier::Quick);
        let questions = guard(&battery, POSING, ask_all(&battery, POSING), 0);
        let middle = questions
            .iter()
            .position(|q| round_of(q) == Some(1))
            .unwrap();
        let recorded = |log_probability: &dyn Fn(usize) -> f64| -> Vec<Entry> {
            let answer = |place: usize| Response::Next {
                top: vec![Continuation {
                    text: "a".to_owned(),
                    log_probability: log_probability(place),
                }],
            };
            let entry = |(place, question): (usize, &Question)| Entry {
                n: place as u64,
                previous: String::new(),
                question: question.clone(),
                rendered: String::new(),
                response: answer(place),
                exchange: None,
                at: None,
            };
            questions.iter().enumerate().map(entry).collect()
        };
        let same = recorded(&|place| -1.0 - (place % 7) as f64 * 0.01);
        assert_eq!(stable(&same), questions.len());
        let changed = recorded(&|place| if place < middle - 3 { -1.0 } else { -2.0 });
        // It may have changed at any moment since the first round.
        assert_eq!(stable(&changed), PROBES);
        assert_eq!(stable(&[]), 0);
    }
}
