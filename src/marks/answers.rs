//! A suspect's answers put to options, before any key is opened.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::choice::{Choice, Choices};
use super::classify::{named, shares};
use super::trial::rounded;
use crate::battery::{Ask, Pose, Probe};
use crate::evidence::Entry;
use crate::question::{Posing, Question, Request, pose};
use crate::response::Response;
use crate::sentinel;

/// The longest written answer that is asked for, in tokens.
pub const MAX_TOKENS: usize = 48;

/// What became of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    /// The recording has no answer to it and no refusal.
    Missing,
    /// It was refused, or could not be answered.
    Unanswered,
    /// It was answered, and no option was named.
    Unclassified,
    /// This option was named first, by its number from 0.
    Option(usize),
}

/// A suspect's answer to one prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classified {
    /// The choice.
    pub id: String,
    /// What was written.
    pub given: Given,
    /// The share of probability of each option, where probabilities were to be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<Vec<f64>>,
}

/// The probe that asks a choice in its own words.
pub fn probe(choice: &Choice) -> Probe {
    Probe {
        id: choice.id.clone(),
        family: "marks".to_owned(),
        ask: Ask::Write {
            max_tokens: MAX_TOKENS,
        },
        pose: Pose::Chat,
        prompt: choice.prompt.clone(),
        lead: String::new(),
    }
}

/// The question how probable each option of a choice is as the answer.
pub fn scoring(choice: &Choice, posing: Posing) -> Question {
    Question {
        probe: choice.id.clone(),
        variant: 0,
        prompt: pose(&probe(choice), posing),
        request: Request::Score {
            texts: choice.options.clone(),
        },
    }
}

/// Puts the answers of a recording to options: the first sample that names one counts; samples under a choice's own
/// words come before those under a paraphrase. Entries are told by the words of their prompts, so answers that somebody
/// else collected are found as well.
pub fn classify<'a>(
    choices: &Choices,
    entries: impl Iterator<Item = &'a Entry>,
) -> Vec<Classified> {
    let mut by_words: HashMap<&str, (usize, bool)> = HashMap::new();
    for (n, choice) in choices.all().iter().enumerate() {
        by_words.insert(choice.prompt.trim(), (n, false));
    }
    for (n, choice) in choices.all().iter().enumerate() {
        for paraphrase in &choice.paraphrases {
            by_words.entry(paraphrase.trim()).or_insert((n, true));
        }
    }
    let mut seen: Vec<Seen> = choices.all().iter().map(|_| Seen::default()).collect();
    for entry in entries {
        let question = &entry.question;
        if question.probe.starts_with(sentinel::PREFIX) || !question.prompt.lead.is_empty() {
            continue;
        }
        if let Some((n, paraphrased)) = by_words.get(question.prompt.text.trim()) {
            seen[*n].take(&choices.all()[*n], *paraphrased, entry);
        }
    }
    let all = choices.all().iter().zip(seen);
    all.map(|(choice, seen)| seen.settle(choice)).collect()
}

/// What was seen of one choice.
#[derive(Default)]
struct Seen {
    /// Written answers with their places in the order in which they count.
    written: Vec<((bool, usize, u64), Option<usize>)>,
    unanswered: bool,
    shares: Option<Vec<f64>>,
}

impl Seen {
    fn take(&mut self, choice: &Choice, paraphrased: bool, entry: &Entry) {
        match (&entry.question.request, &entry.response) {
            (Request::Write { sample, .. }, Response::Text { text, .. }) => {
                let place = (paraphrased, *sample, entry.n);
                self.written.push((place, named(text, choice)));
            }
            (Request::Score { texts }, Response::Scored { scores })
                if !paraphrased && texts.iter().map(|t| t.trim()).eq(&choice.options) =>
            {
                let logs: Vec<Option<f64>> = scores.iter().map(|s| s.log_probability).collect();
                if logs.len() == choice.options.len() {
                    let shares = shares(&logs);
                    self.shares = shares.map(|s| s.into_iter().map(rounded).collect());
                }
            }
            (Request::Write { .. }, Response::Refused { .. } | Response::Unavailable { .. }) => {
                self.unanswered = true;
            }
            _ => {}
        }
    }

    fn settle(mut self, choice: &Choice) -> Classified {
        self.written.sort_by_key(|(place, _)| *place);
        let given = match self.written.iter().find_map(|(_, option)| *option) {
            Some(option) => Given::Option(option),
            None if !self.written.is_empty() => Given::Unclassified,
            None if self.unanswered => Given::Unanswered,
            None => Given::Missing,
        };
        Classified {
            id: choice.id.clone(),
            given,
            shares: self.shares,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::commit::tests::marks;
    use super::*;
    use crate::question::{Access, Prompt};
    use crate::response::{Finish, Scored};

    fn entry(n: u64, text: &str, request: Request, response: Response) -> Entry {
        Entry {
            n,
            previous: String::new(),
            question: Question {
                probe: "any".to_owned(),
                variant: 0,
                prompt: Prompt {
                    pose: Pose::Raw,
                    text: text.to_owned(),
                    lead: String::new(),
                },
                request,
            },
            rendered: String::new(),
            response,
            exchange: None,
            at: None,
        }
    }

    fn written(n: u64, prompt: &str, sample: usize, text: &str) -> Entry {
        let request = Request::Write {
            sample,
            max_tokens: 9,
        };
        let response = Response::Text {
            text: text.to_owned(),
            tokens: 1,
            finish: Finish::Stop,
        };
        entry(n, prompt, request, response)
    }

    #[test]
    fn the_first_sample_that_names_an_option_counts() {
        let choices = marks(6, &["api"]).choices;
        let words = |i: usize| choices.all()[i].prompt.as_str();
        let refused = entry(
            8,
            words(3),
            Request::Write {
                sample: 0,
                max_tokens: 9,
            },
            Response::Refused {
                reason: "no".to_owned(),
            },
        );
        let entries = [
            written(0, &format!("{}\n", words(0)), 1, "Birch"),
            written(1, &format!("{}\n", words(0)), 0, "Elder, not ash"),
            written(2, words(1), 0, "none of them"),
            written(3, words(1), 1, "well, an ash"),
            written(4, "For case 2, which?", 0, "birch"),
            written(5, words(2), 1, "cedar"),
            written(6, words(4), 0, "oak"),
            written(7, "Something else?", 0, "ash"),
            refused,
        ];
        let found: Vec<Given> = classify(&choices, entries.iter())
            .iter()
            .map(|c| c.given)
            .collect();
        assert_eq!(
            found,
            [
                Given::Option(3),
                Given::Option(0),
                Given::Option(2),
                Given::Unanswered,
                Given::Unclassified,
                Given::Missing,
            ]
        );
    }

    #[test]
    fn probabilities_are_those_of_the_options_in_order() {
        let choices = marks(1, &["api"]).choices;
        let choice = &choices.all()[0];
        let question = scoring(choice, Posing::usual(Access::Scored));
        let scored = |l: f64| Scored {
            log_probability: Some(l.ln()),
            tokens: 1,
        };
        let mut asked = entry(
            0,
            "",
            question.request.clone(),
            Response::Scored {
                scores: [0.1, 0.2, 0.3, 0.2].map(scored).to_vec(),
            },
        );
        asked.question = question;
        let found = classify(&choices, [asked.clone()].iter());
        let shares = found[0].shares.clone().unwrap();
        let expected = [0.125, 0.25, 0.375, 0.25];
        assert!(
            shares
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 1e-12)
        );
        let Request::Score { texts } = &mut asked.question.request else {
            panic!("{asked:?}");
        };
        texts.swap(0, 1);
        assert_eq!(classify(&choices, [asked].iter())[0].shares, None);
    }
}
