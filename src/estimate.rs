//! What questions take, before they are asked: requests and tokens, from below and from above.

use std::iter::Sum;

use crate::battery::{Ask, Battery};
use crate::fingerprint::READ_EACH;
use crate::passes::POOL_EACH;
use crate::question::{Access, Posing, Question, Request, pose};

/// Bytes of a token, for texts of which no tokenizer is at hand: about four in English.
const TOKEN_BYTES: usize = 4;
/// Tokens that the form of a turn adds.
const TURN_TOKENS: u64 = 12;

/// Requests and tokens of some questions to one endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Estimate {
    /// Requests, none of them repeated.
    pub requests: u64,
    /// Tokens read.
    pub prompt: u64,
    /// Tokens written at the least: one an answer.
    pub completion_least: u64,
    /// Tokens written at the most: as many as each answer may have. Hidden reasoning is not in it.
    pub completion_most: u64,
}

impl Estimate {
    /// Of one question. Every text to be scored is a request of its own.
    pub fn of(question: &Question) -> Self {
        let prompt = tokens(&question.prompt.text) + tokens(&question.prompt.lead) + TURN_TOKENS;
        let one = |most: usize| Self {
            requests: 1,
            prompt,
            completion_least: 1,
            completion_most: most as u64,
        };
        match &question.request {
            Request::Next { .. } => one(1),
            Request::Write { max_tokens, .. } => one(*max_tokens),
            Request::Score { texts } => {
                let read = texts.iter().map(|text| prompt + tokens(text)).sum();
                let requests = texts.len() as u64;
                Self {
                    requests,
                    prompt: read,
                    completion_least: requests,
                    completion_most: requests,
                }
            }
        }
    }
}

/// What a reader of the second pass takes at the most, before anybody has written anything: all texts as
/// long as they may be, the pools as large. `authors` are the models whose texts it reads, `parents` the
/// candidate parents whose continuations are pooled.
pub fn reading(battery: &Battery, posing: Posing, authors: usize, parents: usize) -> Estimate {
    let texts = |count: usize, tokens: usize| Request::Score {
        texts: vec!["x".repeat(tokens * TOKEN_BYTES); count],
    };
    let asked = battery.probes.iter().filter_map(|probe| {
        let request = match (&probe.ask, posing.access) {
            (Ask::Write { max_tokens }, _) => {
                texts(authors * posing.samples.min(READ_EACH), *max_tokens)
            }
            (Ask::Next, Access::Scored) => texts(parents * POOL_EACH, 1),
            _ => return None,
        };
        let question = Question {
            probe: probe.id.clone(),
            variant: 0,
            prompt: pose(probe, posing),
            request,
        };
        Some(Estimate::of(&question))
    });
    asked.sum()
}

impl Sum for Estimate {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |a, b| Self {
            requests: a.requests + b.requests,
            prompt: a.prompt + b.prompt,
            completion_least: a.completion_least + b.completion_least,
            completion_most: a.completion_most + b.completion_most,
        })
    }
}

fn tokens(text: &str) -> u64 {
    text.len().div_ceil(TOKEN_BYTES) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battery::Pose;
    use crate::question::Prompt;

    #[test]
    fn every_scored_text_is_a_request_that_reads_the_prompt_again() {
        let question = |request| Question {
            probe: "p".to_owned(),
            variant: 0,
            prompt: Prompt {
                pose: Pose::Raw,
                text: "eight by".to_owned(),
                lead: String::new(),
            },
            request,
        };
        let score = Estimate::of(&question(Request::Score {
            texts: vec!["four".to_owned(), "fivey".to_owned()],
        }));
        assert_eq!((score.requests, score.prompt), (2, 14 + 1 + 14 + 2));
        let write = question(Request::Write {
            sample: 0,
            max_tokens: 50,
        });
        let both: Estimate = [&write, &write].into_iter().map(Estimate::of).sum();
        assert_eq!(
            (
                both.requests,
                both.prompt,
                both.completion_least,
                both.completion_most
            ),
            (2, 28, 2, 100)
        );
    }
}
