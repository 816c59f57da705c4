//! How it draws: at which temperature, under which seed, how many texts at once.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::battery::Pose;
use crate::identity::AbilityStatus as Status;
use crate::question::Prompt;
use crate::response::WireCall;

use super::super::error::HostedError;
use super::super::wire::{Answered, Outcome, Sampling, Want};
use super::{Check, SHORT, heated, open, why};

/// Texts at each temperature.
const SAMPLES: usize = 8;

/// Whether a parameter was left out of the request because the server refuses it.
fn left_out(answered: &Answered, name: &str) -> bool {
    let note = format!("sampling: provider_default {name}");
    answered.exchange.notes.contains(&note)
}

impl Check<'_> {
    /// Are several different texts written at once?
    async fn several(&mut self, prompt: &Prompt, temperature: f64) -> Result<(), HostedError> {
        let want = Want::Text { max_tokens: SHORT };
        let mut refused = String::new();
        for count in [SAMPLES, 2] {
            let asked = self.ask(prompt, want, heated(temperature, count));
            let (answered, texts) = asked.await?;
            let different = distinct(&texts);
            let (came, asked) = (texts.len(), format!("{refused}{count} texts asked for"));
            let (status, seen) = match &answered.outcome {
                Outcome::Text { .. } if came == count && different > 1 => (
                    Status::Verified,
                    format!("{asked}, {different} different came"),
                ),
                Outcome::Text { .. } => (
                    Status::SilentlyIgnored,
                    format!("{asked}, {came} came, {different} different"),
                ),
                other => {
                    refused = format!("{count} refused ({}); ", why(other));
                    (Status::Refused, why(other))
                }
            };
            self.found("several", status, seen);
            if status != Status::Refused {
                break;
            }
        }
        Ok(())
    }

    /// Does more heat give more different texts?
    pub(super) async fn temperature(&mut self, pose: Pose) -> Result<(), HostedError> {
        let prompt = open(pose);
        let hottest = self.transport.endpoint().dialect.hottest();
        self.several(&prompt, hottest).await?;
        let hot = self.several_or_each(&prompt, hottest).await?;
        let cold = self.several_or_each(&prompt, 0.0).await?;
        if hot.1 || cold.1 {
            let seen = "the parameter is refused: texts are drawn as the provider sets it";
            self.found("temperature", Status::Refused, seen);
            return Ok(());
        }
        let (cold, hot) = (
            (distinct(&cold.0), cold.0.len()),
            (distinct(&hot.0), hot.0.len()),
        );
        let seen = format!(
            "different texts: {} of {} at 0, {} of {} at {hottest}",
            cold.0, cold.1, hot.0, hot.1
        );
        let status = if cold.1 < SAMPLES / 2 || hot.1 < SAMPLES / 2 {
            Status::Untested
        } else if hot.0 > 1 && 2 * cold.0 <= hot.0 {
            Status::Verified
        } else if hot.0 <= 1 || 4 * cold.0 >= 3 * hot.0 {
            Status::SilentlyIgnored
        } else {
            Status::Untested
        };
        self.found("temperature", status, seen);
        Ok(())
    }

    /// Texts at a temperature, at once where that is possible: some servers write several only where
    /// they can differ.
    async fn several_or_each(
        &mut self,
        prompt: &Prompt,
        temperature: f64,
    ) -> Result<(Vec<String>, bool), HostedError> {
        if self.is_verified("several") {
            let want = Want::Text { max_tokens: SHORT };
            let asked = self.ask(prompt, want, heated(temperature, SAMPLES));
            let (answered, texts) = asked.await?;
            if texts.len() == SAMPLES {
                return Ok((texts, left_out(&answered, "temperature")));
            }
        }
        self.samples(prompt, temperature).await
    }

    /// Texts at a temperature, and whether the server refused to have it set.
    async fn samples(
        &mut self,
        prompt: &Prompt,
        temperature: f64,
    ) -> Result<(Vec<String>, bool), HostedError> {
        let sampling = heated(temperature, 1);
        let all = self
            .ask_each(prompt, SHORT, sampling, SAMPLES as u64)
            .await?;
        let refused = all.iter().any(|answered| left_out(answered, "temperature"));
        let texts = all
            .into_iter()
            .filter_map(|answered| match answered.outcome {
                Outcome::Text { text, .. } => Some(text),
                _ => None,
            });
        Ok((texts.collect(), refused))
    }

    /// Does the same seed give the same text, and another seed another?
    pub(super) async fn seed(&mut self, pose: Pose) -> Result<(), HostedError> {
        let prompt = open(pose);
        let want = Want::Text { max_tokens: 16 };
        let mut texts = Vec::new();
        for seed in [5000, 5000, 7000] {
            let asked = self.ask_seeded(&prompt, want, Sampling::default(), seed);
            let (answered, _) = asked.await?;
            if !sends_seed(&answered.exchange.calls) {
                let seen = "there is no such parameter, or it is refused";
                self.found("seed", Status::Refused, seen);
                return Ok(());
            }
            match answered.outcome {
                Outcome::Text { text, .. } => texts.push(text),
                other => {
                    self.found("seed", Status::Untested, why(&other));
                    return Ok(());
                }
            }
        }
        let (status, seen) = match (texts[0] == texts[1], texts[0] == texts[2]) {
            (true, false) => (
                Status::Verified,
                "the same seed repeats the text, another does not",
            ),
            (true, true) => (Status::Untested, "one text under every seed"),
            (false, _) => (Status::SilentlyIgnored, "the same seed gives another text"),
        };
        self.found("seed", status, seen);
        Ok(())
    }
}

fn distinct(texts: &[String]) -> usize {
    texts.iter().collect::<BTreeSet<_>>().len()
}

/// Whether the last request carries a seed.
fn sends_seed(calls: &[WireCall]) -> bool {
    let names = ["seed", "random_seed", "sampling_seed"];
    let carries = |body: &Value| names.iter().any(|name| body.get(*name).is_some());
    calls.last().is_some_and(|call| {
        let inside = ["options", "sampling_params", "generationConfig"];
        carries(&call.request) || inside.iter().any(|at| carries(&call.request[*at]))
    })
}
