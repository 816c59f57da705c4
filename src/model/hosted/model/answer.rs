//! From questions to calls and from what was answered to answers, as pure functions.

use crate::digest;
use crate::model::Seed;
use crate::model::hosted::wire::Outcome;
use crate::question::Question;
use crate::response::{Exchange, Response, Scored};

/// Bits of a sampling seed: servers take a positive 32-bit number.
const SEED_MASK: u64 = 0x7fff_ffff;

/// A seed of its own for every question, repeats included, as far from the others' as chance has it: some
/// servers use the seeds that follow for further samples.
pub(super) fn sampling_seed(seed: Seed, question: &Question) -> u64 {
    let digest = digest::seed(&(seed, question));
    let first = digest
        .iter()
        .take(8)
        .fold(0, |seed, byte| seed << 8 | u64::from(*byte));
    first & SEED_MASK
}

/// An outcome as a response.
pub(super) fn response(outcome: Outcome) -> Response {
    match outcome {
        Outcome::Text {
            text,
            tokens,
            finish,
        } => Response::Text {
            text,
            tokens,
            finish,
        },
        Outcome::Top(top) => Response::Next { top },
        Outcome::Score {
            log_probability,
            tokens,
        } => Response::Scored {
            scores: vec![Scored {
                log_probability,
                tokens,
            }],
        },
        Outcome::Refused(reason) => Response::Refused { reason },
        Outcome::Unavailable(reason) => Response::Unavailable { reason },
    }
}

/// Puts the exchanges of one answer together.
pub(super) fn join(all: &mut Exchange, one: Exchange) {
    let first = all.calls.is_empty();
    let (sum, new) = (&mut all.usage, one.usage);
    // What is counted in part is not counted.
    sum.reported = new.reported && (first || sum.reported);
    sum.prompt += new.prompt;
    sum.completion += new.completion;
    sum.reasoning += new.reasoning;
    all.served = one.served.or(all.served.take());
    all.fingerprint = one.fingerprint.or(all.fingerprint.take());
    all.upstream = one.upstream.or(all.upstream.take());
    for note in one.notes {
        if !all.notes.contains(&note) {
            all.notes.push(note);
        }
    }
    all.calls.extend(one.calls);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::battery::Pose;
    use crate::question::{Prompt, Request};
    use crate::response::{Usage, WireCall};

    #[test]
    fn repeats_have_seeds_of_their_own_that_any_server_takes() {
        let question = |sample| Question {
            probe: "p".to_owned(),
            variant: 0,
            prompt: Prompt {
                pose: Pose::Chat,
                text: "t".to_owned(),
                lead: String::new(),
            },
            request: Request::Write {
                sample,
                max_tokens: 9,
            },
        };
        let seeds: Vec<u64> = (0..2000)
            .map(|sample| sampling_seed(Seed(7), &question(sample)))
            .collect();
        assert!(seeds.iter().all(|seed| *seed <= SEED_MASK));
        assert!(seeds.iter().any(|seed| *seed > SEED_MASK / 2));
        assert_eq!(seeds.iter().collect::<BTreeSet<_>>().len(), seeds.len());
        assert_eq!(seeds[0], sampling_seed(Seed(7), &question(0)));
        assert_ne!(seeds[0], sampling_seed(Seed(8), &question(0)));
    }

    #[test]
    fn exchanges_of_one_answer_are_put_together() {
        let one = |prompt, reported, note: &str| Exchange {
            served: Some("m".to_owned()),
            usage: Usage {
                prompt,
                completion: 1,
                reasoning: 2,
                reported,
            },
            notes: vec![note.to_owned()],
            calls: vec![WireCall::default()],
            ..Exchange::default()
        };
        let mut all = Exchange::default();
        join(&mut all, one(3, true, "a"));
        assert_eq!(all, one(3, true, "a"));
        join(&mut all, one(4, false, "a"));
        join(&mut all, one(5, true, "b"));
        let usage = all.usage;
        assert_eq!(
            (usage.prompt, usage.completion, usage.reasoning),
            (12, 3, 6)
        );
        assert!(!usage.reported);
        assert_eq!((all.notes.len(), all.calls.len()), (2, 3));
    }
}
