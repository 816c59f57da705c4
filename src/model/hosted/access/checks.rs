//! The controls, one an ability.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::battery::Pose;
use crate::identity::AbilityStatus as Status;
use crate::question::Prompt;
use crate::response::{Continuation, WireCall};

use super::super::error::HostedError;
use super::super::wire::{Dialect, Heard, Outcome, Sampling, Want};
use super::{Check, pose_name, why};

/// The most alternatives worth asking for.
const MOST: usize = 100;
/// Texts at each temperature.
const SAMPLES: usize = 8;
/// Tokens of a short text.
const SHORT: usize = 8;
/// Tokens that may stand around plain text: one that begins it, and one that parts differently.
const MAX_ADDED: u64 = 3;
/// How far probabilities may add up above 1: sums over whole vocabularies were seen at 1.0002.
const SUM: f64 = 1.001;
/// How far the same log-probability may move from call to call on one machine, in nats.
const NOISE: f64 = 0.05;
/// How far it may move on shared ones, where batches differ.
const SHARED_NOISE: f64 = 0.5;
/// A line that every model of English has read, in two halves.
const LINE: [&str; 2] = ["In the beginning God created", " the heaven and the earth."];
/// The second half shuffled.
const SHUFFLED: &str = " earth the and heaven the.";

fn turn(text: &str) -> Prompt {
    Prompt {
        pose: Pose::Chat,
        text: text.to_owned(),
        lead: String::new(),
    }
}

fn plain(text: &str) -> Prompt {
    Prompt {
        pose: Pose::Raw,
        ..turn(text)
    }
}

/// A prompt after which much is possible.
fn open(pose: Pose) -> Prompt {
    match pose {
        Pose::Chat => turn("Write any short sentence."),
        Pose::Raw => plain("Once upon a time there was a"),
    }
}

fn heated(temperature: f64, n: usize) -> Sampling<'static> {
    Sampling {
        temperature,
        n,
        system: None,
    }
}

/// Whether a parameter was left out of the request because the server refuses it.
fn left_out(heard: &Heard, name: &str) -> bool {
    let note = format!("sampling: provider_default {name}");
    heard.exchange.notes.contains(&note)
}

impl Check<'_> {
    /// Is the model in the server's list?
    pub(super) async fn models(&mut self) -> Result<(), HostedError> {
        let endpoint = self.transport.endpoint();
        let (path, asked) = match endpoint.dialect {
            Dialect::Ollama => ("/api/tags".to_owned(), endpoint.model.clone()),
            _ => (
                format!("{}/models", endpoint.prefix),
                endpoint.model.clone(),
            ),
        };
        let (status, seen) = match self.get(path).await? {
            Err(decline) => (Status::Refused, decline.to_string()),
            Ok(reply) => {
                let ids = ids(&reply);
                let is_listed = ids
                    .iter()
                    .any(|id| *id == asked || *id == format!("models/{asked}"));
                match is_listed {
                    true => (Status::Verified, format!("listed among {}", ids.len())),
                    false => (
                        Status::Untested,
                        format!("not among the {} listed", ids.len()),
                    ),
                }
            }
        };
        self.found("models", status, seen);
        Ok(())
    }

    /// Does it answer a chat turn, behind which guard, with which hidden reasoning and limits?
    pub(super) async fn chat(&mut self) -> Result<(), HostedError> {
        let (say, want) = (turn("Say A."), Want::Text { max_tokens: 16 });
        let (heard, _) = self.ask(&say, want, Sampling::default()).await?;
        let limits = rate_headers(&heard.exchange.calls);
        match limits.is_empty() {
            true => self.found("rate_headers", Status::Untested, "none came"),
            false => self.found("rate_headers", Status::Verified, limits),
        }
        match &heard.outcome {
            Outcome::Text { text, .. } if !text.trim().is_empty() => {
                let seen = format!("\"Say A.\" was answered with {text:?}");
                self.found("chat", Status::Verified, seen);
                self.found("guard", Status::Verified, "a neutral turn was not declined");
            }
            Outcome::Text { .. } => {
                self.found("chat", Status::Untested, "the answer was empty");
            }
            Outcome::Refused(reason) => {
                self.found("guard", Status::Refused, reason);
                self.found("chat", Status::Refused, "a neutral turn was declined");
            }
            other => self.found("chat", Status::Refused, why(other)),
        }
        if !self.is_verified("chat") && self.status("chat") != Status::Untested {
            return Ok(());
        }
        let noted = |words: &str| heard.exchange.notes.iter().any(|note| note.contains(words));
        let tokens = heard.exchange.usage.reasoning;
        let (status, seen) = if noted("cannot be switched off") {
            let seen = format!("{tokens} hidden tokens for \"Say A.\", asked for none");
            (Status::SilentlyIgnored, seen)
        } else if noted("asked to be left out") {
            let seen = format!("{tokens} hidden tokens at first, none when asked for none");
            (Status::Verified, seen)
        } else {
            (Status::Verified, "no hidden reasoning was seen".to_owned())
        };
        self.found("thinking_off", status, seen);
        self.system(&heard).await
    }

    /// Is there a system turn of the server's own that an empty one replaces?
    async fn system(&mut self, without: &Heard) -> Result<(), HostedError> {
        let sampling = Sampling {
            system: Some(""),
            ..Sampling::default()
        };
        let (say, want) = (turn("Say A."), Want::Text { max_tokens: 16 });
        let (with, _) = self.ask(&say, want, sampling).await?;
        match &with.outcome {
            Outcome::Text { .. } => {
                let last = |heard: &Heard| heard.exchange.usage.prompt / calls(heard);
                let (before, after) = (last(without), last(&with));
                let seen =
                    format!("prompt of {before} tokens without one, {after} with an empty one");
                self.found("system", Status::Verified, seen);
            }
            other => self.found("system", Status::Refused, why(other)),
        }
        Ok(())
    }

    /// Does it go on with plain text, without putting a template around it? What does not grow with the
    /// text was added to it.
    pub(super) async fn raw(&mut self) -> Result<(), HostedError> {
        let once = " Monday, Tuesday, Wednesday, Thursday,";
        let want = Want::Text { max_tokens: SHORT };
        let asked = [once.to_owned(), once.repeat(2)].map(|text| plain(&text));
        let (heard, _) = self.ask(&asked[0], want, Sampling::default()).await?;
        let Outcome::Text { text, .. } = &heard.outcome else {
            self.found("raw", Status::Refused, why(&heard.outcome));
            return Ok(());
        };
        let (twice, _) = self.ask(&asked[1], want, Sampling::default()).await?;
        let read = |heard: &Heard| heard.exchange.usage.prompt / calls(heard);
        let (one, two) = (read(&heard), read(&twice));
        let added = (2 * one).saturating_sub(two);
        let counted = heard.exchange.usage.reported && twice.exchange.usage.reported;
        let (status, seen) = if counted && two > one && added > MAX_ADDED {
            let seen = format!("{one} tokens read of a text, {two} of the same twice");
            (
                Status::SilentlyIgnored,
                format!("{seen}: a template is put around it"),
            )
        } else if text.is_empty() {
            (Status::Untested, "the text was empty".to_owned())
        } else {
            (
                Status::Verified,
                format!("days of the week were gone on with: {text:?}"),
            )
        };
        self.found("raw", status, seen);
        Ok(())
    }

    /// Does more heat give more different texts? On the way: are several texts written at once?
    pub(super) async fn temperature(&mut self, pose: Pose) -> Result<(), HostedError> {
        let prompt = open(pose);
        let want = Want::Text { max_tokens: SHORT };
        let hottest = self.transport.endpoint().dialect.hottest();
        let (heard, texts) = self.ask(&prompt, want, heated(hottest, SAMPLES)).await?;
        let different = distinct(&texts);
        let seen = format!(
            "{SAMPLES} texts asked for, {} came, {different} different",
            texts.len()
        );
        let (status, seen) = match (&heard.outcome, texts.len()) {
            (Outcome::Text { .. }, SAMPLES) if different > 1 => (Status::Verified, seen),
            (Outcome::Text { .. }, _) => (Status::SilentlyIgnored, seen),
            (other, _) => (Status::Refused, why(other)),
        };
        self.found("several", status, seen);
        let hot = match self.is_verified("several") {
            true => (texts, left_out(&heard, "temperature")),
            false => self.samples(&prompt, hottest).await?,
        };
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
            let (heard, texts) = asked.await?;
            if texts.len() == SAMPLES {
                return Ok((texts, left_out(&heard, "temperature")));
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
        let refused = all.iter().any(|heard| left_out(heard, "temperature"));
        let texts = all.into_iter().filter_map(|heard| match heard.outcome {
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
            let (heard, _) = asked.await?;
            if !sends_seed(&heard.exchange.calls) {
                let seen = "there is no such parameter, or it is refused";
                self.found("seed", Status::Refused, seen);
                return Ok(());
            }
            match heard.outcome {
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

    /// How many alternatives are named, and are the numbers probabilities of what is written?
    pub(super) async fn top(&mut self, pose: Pose) -> Result<(), HostedError> {
        let name = format!("top_{}", pose_name(pose));
        let prompt = open(pose);
        let (heard, _) = self
            .ask(&prompt, Want::Top { top: MOST }, Sampling::default())
            .await?;
        let Outcome::Top(mut first) = heard.outcome else {
            self.found(&name, Status::Refused, why(&heard.outcome));
            return Ok(());
        };
        let route = heard.exchange.calls.last().map(|call| call.path.clone());
        let route = route.unwrap_or_default();
        let learnt = &self.transport.endpoint().learnt;
        while let Some(more) = learnt.ceiling(&route).narrow(MOST) {
            // Accepted in full and given in part: a cap that nobody is told of.
            if first.len() * 2 < learnt.ceiling(&route).accepted {
                break;
            }
            let want = Want::Top { top: more };
            let (heard, _) = self.ask(&prompt, want, Sampling::default()).await?;
            match heard.outcome {
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
        let holds = sum <= SUM && moved.is_some_and(|moved| moved < SHARED_NOISE) && greedy.0;
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
        let (heard, _) = self.ask(prompt, want, heated(0.0, 1)).await?;
        let Outcome::Text { text, .. } = heard.outcome else {
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
        let (heard, _) = asked.await?;
        let (status, seen) = match moved(at_one, &heard.outcome) {
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
            None => (Status::Untested, why(&heard.outcome)),
        };
        self.found(name, status, seen);
        Ok(())
    }

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
            let (heard, _) = self.ask(prompt, want, Sampling::default()).await?;
            let Outcome::Score {
                log_probability,
                tokens,
            } = heard.outcome
            else {
                let ignored =
                    matches!(&heard.outcome, Outcome::Unavailable(why) if why.contains("ignores"));
                let status = if ignored {
                    Status::SilentlyIgnored
                } else {
                    Status::Refused
                };
                self.found(name, status, why(&heard.outcome));
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

/// Requests that an answer took, at least one.
fn calls(heard: &Heard) -> u64 {
    (heard.exchange.calls.len() as u64).max(1)
}

fn distinct(texts: &[String]) -> usize {
    texts.iter().collect::<BTreeSet<_>>().len()
}

/// The ids in a list of models, in all its forms.
fn ids<'a>(reply: &'a Value) -> Vec<&'a str> {
    let list = [Some(reply), reply.get("data"), reply.get("models")];
    let list = list.into_iter().flatten().find_map(Value::as_array);
    let id = |model: &'a Value| model["id"].as_str().or_else(|| model["name"].as_str());
    list.map_or_else(Vec::new, |list| list.iter().filter_map(id).collect())
}

fn rate_headers(calls: &[WireCall]) -> String {
    let headers = calls.iter().flat_map(|call| &call.headers);
    let limits: BTreeMap<&String, &String> = headers
        .filter(|(name, _)| name.contains("ratelimit"))
        .collect();
    let limits: Vec<String> = limits
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    limits.join(", ")
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

/// The most that a log-probability moved between two answers; nothing when they share no token.
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
