//! What it takes: the models it lists, chat turns, plain text.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::identity::AbilityStatus as Status;
use crate::response::WireCall;

use super::super::error::HostedError;
use super::super::wire::{Answered, Dialect, Outcome, Sampling, Want};
use super::{Check, SHORT, plain, turn, why};

/// Tokens that may stand around plain text: one that begins it, and one that parts differently.
const MAX_ADDED: u64 = 3;

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
                let count = ids.len();
                if is_listed {
                    (Status::Verified, format!("listed among {count}"))
                } else {
                    (Status::Untested, format!("not among the {count} listed"))
                }
            }
        };
        self.found("models", status, seen);
        Ok(())
    }

    /// Does it answer a chat turn, behind which guard, with which hidden reasoning and limits?
    pub(super) async fn chat(&mut self) -> Result<(), HostedError> {
        let (say, want) = (turn("Say A."), Want::Text { max_tokens: 16 });
        let (answered, _) = self.ask(&say, want, Sampling::default()).await?;
        let limits = rate_headers(&answered.exchange.calls);
        if limits.is_empty() {
            self.found("rate_headers", Status::Untested, "none came");
        } else {
            self.found("rate_headers", Status::Verified, limits);
        }
        match &answered.outcome {
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
        let noted = |words: &str| {
            answered
                .exchange
                .notes
                .iter()
                .any(|note| note.contains(words))
        };
        let tokens = answered.exchange.usage.reasoning;
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
        self.system(&answered).await
    }

    /// Is there a system turn of the server's own that an empty one replaces?
    async fn system(&mut self, without: &Answered) -> Result<(), HostedError> {
        let sampling = Sampling {
            system: Some(""),
            ..Sampling::default()
        };
        let (say, want) = (turn("Say A."), Want::Text { max_tokens: 16 });
        let (with, _) = self.ask(&say, want, sampling).await?;
        match &with.outcome {
            Outcome::Text { text, .. } if text.trim().is_empty() => {
                self.found("system", Status::Untested, "the answer was empty");
            }
            Outcome::Text { .. } => {
                let last = |answered: &Answered| answered.exchange.usage.prompt / calls(answered);
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
        let (answered, _) = self.ask(&asked[0], want, Sampling::default()).await?;
        let Outcome::Text { text, .. } = &answered.outcome else {
            self.found("raw", Status::Refused, why(&answered.outcome));
            return Ok(());
        };
        let (twice, _) = self.ask(&asked[1], want, Sampling::default()).await?;
        let read = |answered: &Answered| answered.exchange.usage.prompt / calls(answered);
        let (one, two) = (read(&answered), read(&twice));
        let added = (2 * one).saturating_sub(two);
        let counted = answered.exchange.usage.reported && twice.exchange.usage.reported;
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
}

/// Requests that an answer took, at least one.
fn calls(answered: &Answered) -> u64 {
    (answered.exchange.calls.len() as u64).max(1)
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
