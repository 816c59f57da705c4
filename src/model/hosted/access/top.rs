//! Which next tokens it names, and whether their numbers are probabilities of what it writes.

use std::collections::BTreeSet;

use crate::battery::Pose;
use crate::identity::AbilityStatus as Status;
use crate::question::Prompt;
use crate::response::Continuation;

use super::super::error::HostedError;
use super::super::wire::{Outcome, Sampling, Want};
use super::{Check, NOISE, SHARED_NOISE, heated, open, pose_name, why};

/// The most alternatives worth asking for.
const MOST: usize = 100;
/// How far probabilities may add up above 1: sums over whole vocabularies were seen at 1.0002.
const SUM: f64 = 1.001;

impl Check<'_> {
    /// How many alternatives are named, and are the numbers probabilities of what is written?
    pub(super) async fn top(&mut self, pose: Pose) -> Result<(), HostedError> {
        let name = format!("top_{}", pose_name(pose));
        let prompt = open(pose);
        let (answered, _) = self
            .ask(&prompt, Want::Top { top: MOST }, Sampling::default())
            .await?;
        let Outcome::Top(mut first) = answered.outcome else {
            self.found(&name, Status::Refused, why(&answered.outcome));
            return Ok(());
        };
        let route = answered.exchange.calls.last().map(|call| call.path.clone());
        let route = route.unwrap_or_default();
        let learnt = &self.transport.endpoint().learnt;
        while let Some(more) = learnt.ceiling(&route).narrow(MOST) {
            // Accepted in full and given in part: a cap that nobody is told of.
            if first.len() * 2 < learnt.ceiling(&route).accepted {
                break;
            }
            let want = Want::Top { top: more };
            let (answered, _) = self.ask(&prompt, want, Sampling::default()).await?;
            match answered.outcome {
                Outcome::Top(top) if top.len() >= first.len() => first = top,
                Outcome::Top(_) => {}
                _ => break,
            }
        }
        let accepted = learnt.ceiling(&route).accepted;
        // Entries that are no text are left out, so a few may be missing from what was given.
        let given = if first.len() * 10 >= accepted * 8 {
            accepted
        } else {
            first.len()
        };
        let sum: f64 = first.iter().map(|one| one.log_probability.exp()).sum();
        let (again, _) = self
            .ask(&prompt, Want::Top { top: given }, Sampling::default())
            .await?;
        let moved = moved(&first, &again.outcome);
        let greedy = self.greedy(&prompt, &first).await?;
        let seen = format!(
            "{given} given of {accepted} accepted, adding up to {sum:.4}; a repeated call moves them by \
             {}; {}",
            moved.map_or("an unknown amount".to_owned(), |moved| format!(
                "{moved:.1e}"
            )),
            greedy.1
        );
        let spoilt = spoilt(pose, &first, given < accepted, sum);
        let seen = match spoilt {
            Some(how) => format!("{seen}; {how}"),
            None => seen,
        };
        let holds = spoilt.is_none()
            && sum <= SUM
            && moved.is_some_and(|moved| moved < SHARED_NOISE)
            && greedy.0;
        if holds {
            self.tops.insert(pose_name(pose), given);
            self.found(&name, Status::Verified, seen);
            if self.status("logprobs_before_temperature") == Status::Untested {
                self.before_temperature(&prompt, &first, given).await?;
            }
        } else {
            self.found(
                &name,
                Status::Untested,
                format!("the control failed: {seen}"),
            );
        }
        Ok(())
    }

    /// Is what is written at temperature 0 the most probable token? Where temperature does not act,
    /// nothing can be said.
    async fn greedy(
        &mut self,
        prompt: &Prompt,
        top: &[Continuation],
    ) -> Result<(bool, String), HostedError> {
        if !self.is_verified("temperature") {
            return Ok((true, "which is written at 0 cannot be told".to_owned()));
        }
        let want = Want::Text { max_tokens: 1 };
        let (answered, _) = self.ask(prompt, want, heated(0.0, 1)).await?;
        let Outcome::Text { text, .. } = answered.outcome else {
            return Ok((true, "which is written at 0 cannot be told".to_owned()));
        };
        let best = top.first().map_or(0.0, |best| best.log_probability);
        // Texts of chat turns may be trimmed, and two tokens may be as probable as each other.
        let is_best = |one: &&Continuation| {
            one.text.trim() == text.trim() && best - one.log_probability < NOISE
        };
        Ok(match top.iter().find(is_best) {
            Some(_) => (
                true,
                "the first of them is written at temperature 0".to_owned(),
            ),
            None if text.trim().is_empty() => (true, "nothing is written at 0".to_owned()),
            None => (
                false,
                format!("{text:?} is written at temperature 0, not the first"),
            ),
        })
    }

    /// Are the numbers the model's own, or those after temperature? At temperature 1 they are the same.
    async fn before_temperature(
        &mut self,
        prompt: &Prompt,
        at_one: &[Continuation],
        top: usize,
    ) -> Result<(), HostedError> {
        let name = "logprobs_before_temperature";
        if !self.is_verified("temperature") {
            let seen = "cannot be told where temperature does not act";
            self.found(name, Status::Untested, seen);
            return Ok(());
        }
        let asked = self.ask(prompt, Want::Top { top }, heated(0.5, 1));
        let (answered, _) = asked.await?;
        let (status, seen) = match moved(at_one, &answered.outcome) {
            Some(moved) if moved < NOISE => (
                Status::Verified,
                format!("the same at temperature 0.5 and 1, within {moved:.1e}"),
            ),
            Some(moved) => (
                Status::Refused,
                format!(
                    "temperature 0.5 moves them by up to {moved:.2}: at 1 they are the model's"
                ),
            ),
            None => (Status::Untested, why(&answered.outcome)),
        };
        self.found(name, status, seen);
        Ok(())
    }
}

/// Fewest alternatives of which it can be told that they lost their spaces.
const ENOUGH: usize = 5;
/// How near to 1 probabilities that were made to add up to it come: sums of rounded ones.
const WHOLE: f64 = 1e-4;

/// Why alternatives are not those of the model, though they are named.
///
/// After a text that breaks off between two words most tokens begin with a space, and in any pose two tokens
/// that differ are spelled differently. A part of a vocabulary after which much is possible never holds all
/// of the probability: where it does, it was distributed anew over those named.
fn spoilt(pose: Pose, top: &[Continuation], fewer: bool, sum: f64) -> Option<&'static str> {
    let spaced = |one: &Continuation| one.text.starts_with(char::is_whitespace);
    let texts: BTreeSet<&str> = top.iter().map(|one| one.text.as_str()).collect();
    if top.len() >= ENOUGH && pose == Pose::Raw && !top.iter().any(spaced) {
        Some("their leading spaces were taken off")
    } else if texts.len() < top.len() {
        Some("some of them are spelled alike")
    } else if fewer && (sum - 1.0).abs() < WHOLE {
        Some("fewer than asked for hold all of the probability: the rest was cut off")
    } else {
        None
    }
}

/// The most that a log-probability moved between two answers; `None` if they share no token.
fn moved(first: &[Continuation], second: &Outcome) -> Option<f64> {
    let Outcome::Top(second) = second else {
        return None;
    };
    let number = |text: &str| second.iter().find(|one| one.text == text);
    let moves = first
        .iter()
        .filter_map(|one| Some((one.log_probability - number(&one.text)?.log_probability).abs()));
    moves.reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(texts: &[&str]) -> Vec<Continuation> {
        let one = |text: &&str| Continuation {
            text: (*text).to_owned(),
            log_probability: -1.0,
        };
        texts.iter().map(one).collect()
    }

    #[test]
    fn alternatives_that_lost_spaces_or_a_part_are_not_the_models() {
        let whole = named(&[" girl", " boy", " man", "n", " king"]);
        assert_eq!(spoilt(Pose::Raw, &whole, true, 0.7), None);
        assert_eq!(spoilt(Pose::Raw, &whole, false, 1.0), None);
        assert!(spoilt(Pose::Raw, &whole, true, 1.0).is_some());
        let stripped = named(&["girl", "boy", "man", "n", "king"]);
        assert!(spoilt(Pose::Raw, &stripped, false, 0.7).is_some());
        // The first token of an answer has no space before it anyway.
        assert_eq!(spoilt(Pose::Chat, &stripped, false, 0.7), None);
        let alike = named(&["The", "A", "The"]);
        assert!(spoilt(Pose::Chat, &alike, false, 0.7).is_some());
    }
}
