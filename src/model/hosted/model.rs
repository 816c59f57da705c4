//! An endpoint as a model: many questions under way at once, each answered once.

mod answer;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::ready;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, timeout_at};

use super::access::{self, AccessReport};
use super::endpoint::Endpoint;
use super::error::HostedError;
use super::transport::{Options, Transport};
use super::wire::{self, Answered, Call, Want};
use crate::battery::Pose;
use crate::identity::{Ability, ModelIdentity, Source};
use crate::model::{Abilities, Answer, Model, ModelError, Seed};
use crate::question::{Prompt, Question, Request};
use crate::response::{Exchange, Response};
use answer::{join, response, sampling_seed};

/// How long requests under way may still take once the run has come to its end: they are paid for.
const GRACE: Duration = Duration::from_secs(30);

/// What the access check found out about an endpoint.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What can be asked of it.
    pub abilities: Abilities,
    /// Every ability with what became of it.
    pub access: BTreeMap<String, Ability>,
    /// The model that the server says answers.
    pub served: Option<String>,
    /// Sampling parameters as sent.
    pub sampling: BTreeMap<String, serde_json::Value>,
}

impl From<&AccessReport> for Checked {
    fn from(report: &AccessReport) -> Self {
        Self {
            abilities: report.model,
            access: report.abilities.clone(),
            served: report.served.clone(),
            sampling: report.sampling.clone(),
        }
    }
}

/// A model behind an endpoint.
#[derive(Debug)]
pub struct HostedModel {
    identity: ModelIdentity,
    abilities: Abilities,
    transport: Transport,
    runtime: Runtime,
    /// The model that answers, as the first reply that says so names it.
    served: Mutex<Option<String>>,
}

impl HostedModel {
    /// Checks an endpoint and takes it as what the check found, which is given beside it.
    ///
    /// # Errors
    ///
    /// When nothing can be sent at all (an unfit key, a limit of costs without a price), or the endpoint
    /// does not answer.
    pub fn open(endpoint: Endpoint, options: Options) -> Result<(Self, AccessReport), HostedError> {
        let runtime = runtime()?;
        let transport = Transport::new(endpoint, options)?;
        let report = runtime.block_on(access::check(&transport))?;
        Ok((Self::of(transport, runtime, Checked::from(&report)), report))
    }

    /// An endpoint that was checked before.
    ///
    /// # Errors
    ///
    /// When nothing can be sent at all: an unfit key, a limit of costs without a price.
    pub fn new(
        endpoint: Endpoint,
        options: Options,
        checked: Checked,
    ) -> Result<Self, HostedError> {
        let transport = Transport::new(endpoint, options)?;
        Ok(Self::of(transport, runtime()?, checked))
    }

    fn of(transport: Transport, runtime: Runtime, checked: Checked) -> Self {
        let endpoint = transport.endpoint();
        let identity = ModelIdentity {
            name: endpoint.name.clone(),
            source: Source::Endpoint {
                provider: endpoint.provider.clone(),
                dialect: endpoint.dialect.name().to_owned(),
                url: endpoint.url.clone(),
                asked: endpoint.model.clone(),
                served: checked.served.clone(),
                access: checked.access,
                sampling: checked.sampling,
            },
        };
        Self {
            identity,
            abilities: checked.abilities,
            transport,
            runtime,
            served: Mutex::new(checked.served),
        }
    }

    /// Asks everything and hands on answers as they come, until there are no more, the sink breaks off, or
    /// the run cannot go on. Then what is under way gets a while to end, and nothing more is sent.
    async fn ask_all(
        &self,
        questions: &[Question],
        seed: Seed,
        sink: &mut dyn FnMut(usize, Answer) -> ControlFlow<()>,
    ) -> Result<(), HostedError> {
        let ask = |(index, question)| async move { (index, self.ask(question, seed).await) };
        let most = self.transport.options().concurrency.max(1);
        let closing = Cell::new(None);
        let mut failure = None;
        self.transport.open();
        let mut under_way = stream::iter(questions.iter().enumerate())
            .take_while(|_| ready(closing.get().is_none()))
            .map(ask)
            .buffer_unordered(most);
        loop {
            let next = match closing.get() {
                None => under_way.next().await,
                Some(end) => timeout_at(end, under_way.next()).await.unwrap_or(None),
            };
            match next {
                None => return failure.map_or(Ok(()), Err),
                Some((index, Ok(answer))) => {
                    if sink(index, answer).is_break() {
                        return Ok(());
                    }
                }
                Some((_, Err(error))) if failure.is_none() => {
                    let grace = match error {
                        HostedError::Broken { .. } => Duration::ZERO,
                        _ => GRACE,
                    };
                    closing.set(Some(Instant::now() + grace));
                    self.transport.close();
                    failure = Some(error);
                }
                Some((_, Err(_))) => {}
            }
        }
    }

    async fn ask(&self, question: &Question, seed: Seed) -> Result<Answer, HostedError> {
        let prompt = &question.prompt;
        let (response, exchange) = if let Some(reason) = self.not_verified(question) {
            (Response::Unavailable { reason }, None)
        } else {
            let seed = sampling_seed(seed, question);
            let (response, exchange) = self.respond(prompt, &question.request, seed).await?;
            (response, Some(exchange))
        };
        Ok(Answer {
            rendered: format!("{}{}", prompt.text, prompt.lead),
            response,
            exchange,
        })
    }

    /// Why a question is not asked: what was not verified is not recorded as if it were.
    fn not_verified(&self, question: &Question) -> Option<String> {
        let abilities = self.abilities;
        let (posed, pose) = match question.prompt.pose {
            Pose::Chat => (abilities.chat, "chat turns"),
            Pose::Raw => (abilities.raw, "plain text"),
        };
        let (asked, what) = match (&question.request, question.prompt.pose) {
            (Request::Write { .. }, _) => (posed, "to write"),
            (Request::Next { .. }, _) => (posed && abilities.top > 0, "the most probable tokens"),
            (Request::Score { .. }, Pose::Raw) => (abilities.score, "the probability of texts"),
            (Request::Score { .. }, Pose::Chat) => {
                (abilities.score_chat, "the probability of texts")
            }
        };
        (!asked).then(|| format!("the access check did not verify {what} after {pose}"))
    }

    async fn respond(
        &self,
        prompt: &Prompt,
        request: &Request,
        seed: u64,
    ) -> Result<(Response, Exchange), HostedError> {
        let want = match request {
            Request::Write { max_tokens, .. } => Want::Text {
                max_tokens: *max_tokens,
            },
            Request::Next { top } => Want::Top {
                top: (*top).min(self.abilities.top),
            },
            Request::Score { texts } => return self.score(prompt, texts, seed).await,
        };
        let answered = self.call(Call { prompt, want, seed }).await?;
        Ok((response(answered.outcome), answered.exchange))
    }

    /// One call a text; the first that has no answer ends it, since the scores are one answer.
    async fn score(
        &self,
        prompt: &Prompt,
        texts: &[String],
        seed: u64,
    ) -> Result<(Response, Exchange), HostedError> {
        let mut exchange = Exchange::default();
        let mut scores = Vec::with_capacity(texts.len());
        for text in texts {
            let want = Want::Score { text };
            let answered = self.call(Call { prompt, want, seed }).await?;
            join(&mut exchange, answered.exchange);
            match response(answered.outcome) {
                Response::Scored { scores: one } => scores.extend(one),
                other => return Ok((other, exchange)),
            }
        }
        Ok((Response::Scored { scores }, exchange))
    }

    async fn call(&self, call: Call<'_>) -> Result<Answered, HostedError> {
        let answered = wire::ask(&self.transport, call).await?;
        if let Some(now) = &answered.exchange.served {
            self.check_served(now)?;
        }
        Ok(answered)
    }

    /// Answers of another model than before belong to another recording.
    fn check_served(&self, now: &str) -> Result<(), HostedError> {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        match served.as_deref() {
            None => {
                *served = Some(now.to_owned());
                Ok(())
            }
            Some(before) if before == now => Ok(()),
            Some(before) => Err(HostedError::ServedChanged {
                endpoint: self.identity.name.clone(),
                before: before.to_owned(),
                now: now.to_owned(),
            }),
        }
    }
}

impl Model for HostedModel {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn abilities(&self) -> Abilities {
        self.abilities
    }

    fn answer(
        &self,
        questions: &[Question],
        seed: Seed,
        sink: &mut dyn FnMut(usize, Answer) -> ControlFlow<()>,
    ) -> Result<(), ModelError> {
        // All on this thread: while the sink writes to disk, replies wait in the system's buffers.
        let asked = self.runtime.block_on(self.ask_all(questions, seed, sink));
        asked.map_err(|source| source.of(&self.identity.name))
    }
}

fn runtime() -> Result<Runtime, HostedError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|source| HostedError::Runtime { source })
}
