//! The access check: what an endpoint really gives, found out with positive controls.
//!
//! Servers pass over what they do not know: an accepted parameter proves nothing. So every ability is
//! tried on something whose outcome is known beforehand (a memorised line is more probable than a
//! shuffled one; more heat gives more different texts), and what no control has shown is not asked for.

mod basics;
mod render;
mod sampling;
mod score;
mod top;

use std::collections::BTreeMap;

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::battery::Pose;
use crate::identity::{Ability, AbilityStatus};
use crate::model::Abilities;
use crate::question::Prompt;
use crate::response::{Exchange, Usage};

use super::error::HostedError;
use super::transport::Transport;
use super::wire::{Answered, Call, Conversation, Outcome, Sampling, Want, WireRequest, ask_with};

/// What the access check found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessReport {
    /// The name by which the user pointed at the endpoint.
    pub name: String,
    /// The provider or the kind of server.
    pub provider: String,
    /// The dialect spoken.
    pub dialect: String,
    /// The address, without key.
    pub url: String,
    /// The model asked for.
    pub asked: String,
    /// The model that the server says answers, as the last reply names it.
    pub served: Option<String>,
    /// All models that replies of the check named: more than one are more than one item.
    pub all_served: Vec<String>,
    /// The server's mark of its configuration.
    pub fingerprint: Option<String>,
    /// The provider behind a router.
    pub upstream: Option<String>,
    /// Ability to what became of it.
    pub abilities: BTreeMap<String, Ability>,
    /// What follows for questions: only what a control has shown.
    pub model: Abilities,
    /// Sampling parameters as sent in a run; those that were refused are missing.
    pub sampling: BTreeMap<String, Value>,
    /// Requests that the check took, refused ones and those for tokens included.
    pub requests: u64,
    /// Tokens that it took.
    pub usage: Usage,
}

/// Finds out what an endpoint gives, in about twenty small requests where only texts are to be had, and
/// twice as many where there is more to check. An error means that it cannot be asked at all.
pub(super) async fn check(transport: &Transport) -> Result<AccessReport, HostedError> {
    let mut check = Check::new(transport);
    check.models().await?;
    check.chat().await?;
    check.raw().await?;
    if let Some(pose) = check.pose() {
        check.temperature(pose).await?;
        check.seed(pose).await?;
    }
    for pose in [Pose::Chat, Pose::Raw] {
        if check.is_verified(pose_name(pose)) {
            check.top(pose).await?;
        }
    }
    check.score().await?;
    check.score_chat().await?;
    Ok(check.finish())
}

/// Abilities that are looked at, in the order of a report; what was not looked at is said to be so.
pub(super) const NAMES: [&str; 16] = [
    "models",
    "chat",
    "raw",
    "guard",
    "system",
    "thinking_off",
    "rate_headers",
    "temperature",
    "several",
    "seed",
    "top_chat",
    "top_raw",
    "logprobs_before_temperature",
    "score",
    "score_exact",
    "score_chat",
];

fn pose_name(pose: Pose) -> &'static str {
    match pose {
        Pose::Chat => "chat",
        Pose::Raw => "raw",
    }
}

/// Tokens of a short text.
const SHORT: usize = 8;
/// How far the same log-probability may move from call to call on one machine, in nats.
const NOISE: f64 = 0.05;
/// How far it may move on shared ones, where batches differ.
const SHARED_NOISE: f64 = 0.5;

/// A check under way.
struct Check<'a> {
    transport: &'a Transport,
    report: AccessReport,
    /// How many of the most probable tokens each pose gives.
    tops: BTreeMap<&'static str, usize>,
}

impl<'a> Check<'a> {
    fn new(transport: &'a Transport) -> Self {
        let endpoint = transport.endpoint();
        let untested = || Ability {
            status: AbilityStatus::Untested,
            seen: "not reached".to_owned(),
        };
        Self {
            transport,
            report: AccessReport {
                name: endpoint.name.clone(),
                provider: endpoint.provider.clone(),
                dialect: endpoint.dialect.name().to_owned(),
                url: format!("{}{}", endpoint.url, endpoint.prefix),
                asked: endpoint.model.clone(),
                served: None,
                all_served: Vec::new(),
                fingerprint: None,
                upstream: None,
                abilities: NAMES
                    .iter()
                    .map(|name| ((*name).to_owned(), untested()))
                    .collect(),
                model: Abilities {
                    chat: false,
                    raw: false,
                    score: false,
                    score_chat: false,
                    top: 0,
                },
                sampling: BTreeMap::new(),
                requests: 0,
                usage: Usage::default(),
            },
            tops: BTreeMap::new(),
        }
    }

    fn found(&mut self, name: &str, status: AbilityStatus, seen: impl Into<String>) {
        let seen = seen.into();
        let ability = Ability { status, seen };
        self.report.abilities.insert(name.to_owned(), ability);
    }

    fn status(&self, name: &str) -> AbilityStatus {
        let ability = self.report.abilities.get(name);
        ability.map_or(AbilityStatus::Untested, |ability| ability.status)
    }

    fn is_verified(&self, name: &str) -> bool {
        self.status(name) == AbilityStatus::Verified
    }

    /// The pose in which sampling is looked at: plain text where there is some, for then no template
    /// and no guard stand between.
    fn pose(&self) -> Option<Pose> {
        let mut poses = [Pose::Raw, Pose::Chat].into_iter();
        poses.find(|pose| self.is_verified(pose_name(*pose)))
    }

    /// Asks and counts.
    async fn ask(
        &mut self,
        prompt: &Prompt,
        want: Want<'_>,
        sampling: Sampling<'_>,
    ) -> Result<(Answered, Vec<String>), HostedError> {
        self.ask_seeded(prompt, want, sampling, 1).await
    }

    async fn ask_seeded(
        &mut self,
        prompt: &Prompt,
        want: Want<'_>,
        sampling: Sampling<'_>,
        seed: u64,
    ) -> Result<(Answered, Vec<String>), HostedError> {
        let call = Call { prompt, want, seed };
        let (answered, texts) = ask_with(self.transport, call, sampling).await?;
        self.count(&answered.exchange);
        Ok((answered, texts))
    }

    /// Texts under different seeds, asked for one by one.
    async fn ask_each(
        &mut self,
        prompt: &Prompt,
        max_tokens: usize,
        sampling: Sampling<'_>,
        count: u64,
    ) -> Result<Vec<Answered>, HostedError> {
        let ask = |seed| {
            let want = Want::Text { max_tokens };
            ask_with(self.transport, Call { prompt, want, seed }, sampling)
        };
        // Far apart, since some servers count on from a seed.
        let asked = join_all((1..=count).map(|i| ask(i * 1000))).await;
        let mut all = Vec::new();
        for answered in asked {
            let (answered, _) = answered?;
            self.count(&answered.exchange);
            all.push(answered);
        }
        Ok(all)
    }

    async fn get(
        &mut self,
        path: String,
    ) -> Result<Result<Value, super::wire::Decline>, HostedError> {
        let mut conversation = Conversation::new(self.transport);
        let answer = conversation.send(WireRequest::get(path)).await?;
        self.count(&conversation.into_exchange());
        Ok(answer)
    }

    fn count(&mut self, exchange: &Exchange) {
        let report = &mut self.report;
        report.requests += exchange.calls.len() as u64;
        let (sum, new) = (&mut report.usage, exchange.usage);
        if new.prompt + new.completion > 0 {
            sum.reported = new.reported && (sum.reported || sum.prompt + sum.completion == 0);
        }
        sum.prompt += new.prompt;
        sum.completion += new.completion;
        sum.reasoning += new.reasoning;
        if let Some(served) = &exchange.served {
            if !report.all_served.contains(served) {
                report.all_served.push(served.clone());
            }
            report.served = Some(served.clone());
        }
        if exchange.fingerprint.is_some() {
            report.fingerprint.clone_from(&exchange.fingerprint);
        }
        if exchange.upstream.is_some() {
            report.upstream.clone_from(&exchange.upstream);
        }
    }

    fn finish(mut self) -> AccessReport {
        let poses = ["chat", "raw"];
        let taken = poses.into_iter().filter(|pose| self.is_verified(pose));
        // Questions are put in every pose that a model takes, so the least of them counts.
        let top = taken.map(|pose| self.tops.get(pose).copied().unwrap_or(0));
        let exact = self.status("score_exact") != AbilityStatus::SilentlyIgnored;
        self.report.model = Abilities {
            chat: self.is_verified("chat"),
            raw: self.is_verified("raw"),
            score: self.is_verified("score") && exact,
            score_chat: self.is_verified("score_chat") && exact,
            top: top.min().unwrap_or(0),
        };
        self.report.sampling = self.transport.endpoint().learnt.sampling();
        self.report
    }
}

/// Why a call has no answer: refused, or not to be had.
fn why(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Refused(reason) => format!("declined: {reason}"),
        Outcome::Unavailable(reason) => reason.clone(),
        Outcome::Text { .. } | Outcome::Top(_) | Outcome::Score { .. } => {
            "an answer of another kind".to_owned()
        }
    }
}

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
