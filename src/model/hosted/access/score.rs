//! Whether it reads given text: a memorised line and a shuffled one, a text and its steps.

use crate::identity::AbilityStatus as Status;
use crate::question::Prompt;

use super::super::error::HostedError;
use super::super::wire::{Outcome, Sampling, Want};
use super::{Check, SHARED_NOISE, plain, turn, why};

/// A line that every model of English has read, in two halves.
const LINE: [&str; 2] = ["In the beginning God created", " the heaven and the earth."];
/// The second half shuffled.
const SHUFFLED: &str = " earth the and heaven the.";

impl Check<'_> {
    /// Is a memorised line more probable than a shuffled one?
    pub(super) async fn score(&mut self) -> Result<(), HostedError> {
        if !self.is_verified("raw") {
            self.found("score", Status::Refused, "plain text is not taken");
            return Ok(());
        }
        let holds = self
            .control("score", &plain(LINE[0]), LINE[1], SHUFFLED)
            .await?;
        if holds { self.exact().await } else { Ok(()) }
    }

    /// The same after a chat turn.
    pub(super) async fn score_chat(&mut self) -> Result<(), HostedError> {
        if !self.is_verified("chat") {
            self.found("score_chat", Status::Refused, "chat turns are not taken");
            return Ok(());
        }
        let prompt = turn(&format!("Repeat this line: {}{}", LINE[0], LINE[1]));
        let right = LINE.concat();
        let shuffled = format!("{}{SHUFFLED}", LINE[0]);
        self.control("score_chat", &prompt, &right, &shuffled)
            .await?;
        Ok(())
    }

    async fn control(
        &mut self,
        name: &str,
        prompt: &Prompt,
        right: &str,
        shuffled: &str,
    ) -> Result<bool, HostedError> {
        let mut seen = Vec::new();
        for text in [right, shuffled] {
            let want = Want::Score { text };
            let (answered, _) = self.ask(prompt, want, Sampling::default()).await?;
            let Outcome::Score {
                log_probability,
                tokens,
            } = answered.outcome
            else {
                let ignored = matches!(&answered.outcome, Outcome::Unavailable(why) if why.contains("ignores"));
                let status = if ignored {
                    Status::SilentlyIgnored
                } else {
                    Status::Refused
                };
                self.found(name, status, why(&answered.outcome));
                return Ok(false);
            };
            let Some(number) = log_probability else {
                self.found(
                    name,
                    Status::Untested,
                    "the reply gives no number for the text alone",
                );
                return Ok(false);
            };
            seen.push((number, tokens));
        }
        let (right, shuffled) = (seen[0], seen[1]);
        let holds = right.0 > shuffled.0;
        let seen = format!(
            "a memorised line has {:.2} nats in {} tokens, shuffled {:.2} in {}",
            right.0, right.1, shuffled.0, shuffled.1
        );
        let status = if holds {
            Status::Verified
        } else {
            Status::SilentlyIgnored
        };
        self.found(name, status, seen);
        Ok(holds)
    }

    /// Is the probability of a text that of its steps?
    async fn exact(&mut self) -> Result<(), HostedError> {
        if !self.is_verified("top_raw") {
            let seen = "no steps to compare with";
            self.found("score_exact", Status::Untested, seen);
            return Ok(());
        }
        let (mut text, mut steps) = (String::new(), 0.0);
        let mut worst: f64 = 0.0;
        for step in 1..=2 {
            let prompt = plain(&format!("{}{text}", LINE[0]));
            let asked = self.ask(&prompt, Want::Top { top: 5 }, Sampling::default());
            let Outcome::Top(top) = asked.await?.0.outcome else {
                break;
            };
            let Some(best) = top.first() else { break };
            text += &best.text;
            steps += best.log_probability;
            let want = Want::Score { text: &text };
            let begun = plain(LINE[0]);
            let asked = self.ask(&begun, want, Sampling::default());
            match asked.await?.0.outcome {
                Outcome::Score {
                    log_probability: Some(whole),
                    tokens,
                } if tokens == step => {
                    worst = worst.max((whole - steps).abs());
                }
                // Read together, the steps are other tokens: nothing to compare.
                _ => {
                    let seen = format!("{text:?} is not read as the {step} tokens it was named as");
                    self.found("score_exact", Status::Untested, seen);
                    return Ok(());
                }
            }
        }
        let seen = format!("{text:?} and its steps differ by {worst:.1e} nats");
        let status = match worst {
            worst if text.is_empty() || worst.is_nan() => Status::Untested,
            worst if worst < SHARED_NOISE / 2.0 => Status::Verified,
            _ => Status::SilentlyIgnored,
        };
        self.found("score_exact", status, seen);
        Ok(())
    }
}
