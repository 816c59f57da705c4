//! One request at a time, through retries, rates, the budget and the circuit breaker.
//!
//! ```text
//! request -> rate (requests and tokens a minute) -> gate (how many at once, none in a pause) -> budget
//!         -> attempt -> judgement: last word | another attempt after a pause | end of the run
//! ```
//!
//! A request that fails to its last attempt is a reply like any other; too many of them in a row end the
//! run, as do a refused key, a missing model, an exhausted account and a limit of the user's.

mod attempt;
mod breaker;
mod budget;
mod gate;
mod options;
mod rate;
mod retry;
mod usage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};

use super::endpoint::{Auth, Endpoint, is_loopback};
use super::error::HostedError;
use super::price::Price;
use super::wire::{Parsed, WireRequest, parse};
use attempt::Sent;
use breaker::Breaker;
use budget::{Estimate, Reserved};
use gate::{Gate, Inside};
use rate::Rate;
use retry::Next;
use usage::usage;

pub use budget::{Budget, Limits, Spent};
pub use options::Options;
pub use rate::Rates;

/// What came back, whole; an HTTP error that is the server's last word is a reply as well. Status 0 is no
/// whole reply at the last attempt: the body then says why, in words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    /// HTTP status, or 0.
    pub(super) status: u16,
    /// All headers, names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    /// The body.
    pub(super) body: Vec<u8>,
    /// The body parsed, or why it is not JSON.
    pub(super) json: Result<Parsed, String>,
    /// How often the request was sent; while it is judged, how often before.
    pub(super) attempts: u32,
}

impl Reply {
    /// A reply that is not yet counted.
    fn new(status: u16, headers: BTreeMap<String, String>, body: Vec<u8>) -> Self {
        Self {
            status,
            headers,
            json: parse(&body),
            body,
            attempts: 0,
        }
    }

    /// The body where it is JSON.
    fn value(&self) -> Option<&Value> {
        self.json.as_ref().ok().map(|parsed| &parsed.value)
    }
}

/// The way to one endpoint.
#[derive(Debug)]
pub(super) struct Transport {
    endpoint: Endpoint,
    client: reqwest::Client,
    key: Option<(HeaderName, HeaderValue)>,
    price: Option<Price>,
    options: Options,
    rate: Arc<Rate>,
    gate: Gate,
    breaker: Breaker,
    /// Whether anything has ever answered at the address.
    answered: AtomicBool,
}

/// A request ready to be sent, as often as it takes.
struct Prepared {
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
    estimate: Estimate,
}

impl Transport {
    pub(super) fn new(endpoint: Endpoint, options: Options) -> Result<Self, HostedError> {
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("parentage/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(options.connect_timeout)
            .timeout(options.timeout)
            // A redirect could carry the key to another host.
            .redirect(Policy::none())
            .tcp_nodelay(true)
            .pool_max_idle_per_host(options.concurrency);
        // Plain HTTP is for this machine alone: a proxy of the environment would carry key and answers away in clear.
        if is_loopback(&endpoint.url) {
            client = client.no_proxy();
        }
        let client = client
            .build()
            .map_err(|source| HostedError::Client { source })?;
        let price = options.prices.of(&endpoint.provider, &endpoint.model);
        let price = price.cloned();
        if options.budget.limits().cost.is_some() && price.is_none() {
            return Err(HostedError::Unpriced {
                provider: endpoint.provider,
                model: endpoint.model,
            });
        }
        Ok(Self {
            key: key_header(&endpoint)?,
            client,
            price,
            rate: options.rates.of(
                &endpoint,
                options.requests_per_minute,
                options.tokens_per_minute,
            ),
            gate: Gate::new(options.concurrency),
            breaker: Breaker::new(options.failures),
            answered: AtomicBool::new(false),
            endpoint,
            options,
        })
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// Sends a request until there is a last word. An error means that the run cannot go on.
    pub(super) async fn send(&self, request: &WireRequest) -> Result<Reply, HostedError> {
        let prepared = self.prepare(request);
        let mut pauses = self.options.pauses();
        let mut first = None;
        let mut attempts = 0;
        loop {
            self.rate.pace(prepared.estimate.paced()).await;
            let inside = self.enter().await?;
            let price = self.price.as_ref();
            let budget = &self.options.budget;
            let reserved = budget.reserve(prepared.estimate, price).await?;
            let first = *first.get_or_insert_with(Instant::now);
            let key = self.endpoint.key.as_ref();
            let sent = attempt::send(self.build(&prepared), key)
                .await
                .map_err(|source| HostedError::Client { source })?;
            let (mut reply, next) =
                self.settle(sent, attempts, reserved, inside, prepared.body.is_some());
            attempts += 1;
            reply.attempts = attempts;
            let asked = match next {
                Next::Done => {
                    self.breaker.answered();
                    return Ok(reply);
                }
                Next::End(error) => return Err(error),
                Next::Failed => return self.failed(reply),
                Next::Again(asked) => asked,
            };
            let Some(pause) = pauses.next() else {
                return self.failed(reply);
            };
            let pause = asked.unwrap_or(pause);
            if first.elapsed() + pause > self.options.patience {
                return self.failed(reply);
            }
            if let Some(asked) = asked {
                self.rate.pause(asked);
            }
            sleep(pause).await;
        }
    }

    /// Lets requests go.
    pub(super) fn open(&self) {
        self.gate.open();
    }

    /// Lets no further request go, nor another attempt: those who wait are told that the run has ended.
    pub(super) fn close(&self) {
        self.gate.close();
    }

    /// Waits for a place inside while the server has asked for no pause: one may have begun while others waited.
    async fn enter(&self) -> Result<Inside<'_>, HostedError> {
        loop {
            let ended = || HostedError::Ended {
                endpoint: self.endpoint.name.clone(),
            };
            let inside = self.gate.enter().await.ok_or_else(ended)?;
            let Some(until) = self.rate.paused() else {
                return Ok(inside);
            };
            drop(inside);
            sleep_until(until).await;
        }
    }

    fn prepare(&self, request: &WireRequest) -> Prepared {
        let text = request.body.as_ref().map(ToString::to_string);
        let nothing = Estimate {
            prompt: 0,
            completion: 0,
        };
        Prepared {
            url: format!("{}{}", self.endpoint.url, request.path),
            headers: request.headers.clone(),
            estimate: match (&request.body, &text) {
                (Some(body), Some(text)) => Estimate::of(body, text),
                _ => nothing,
            },
            body: text,
        }
    }

    fn build(&self, prepared: &Prepared) -> reqwest::RequestBuilder {
        let mut request = match &prepared.body {
            Some(body) => self
                .client
                .post(&prepared.url)
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone()),
            None => self.client.get(&prepared.url),
        };
        request = request.header(ACCEPT, "application/json");
        for (name, value) in &prepared.headers {
            request = request.header(*name, value);
        }
        match &self.key {
            Some((name, value)) => request.header(name, value),
            None => request,
        }
    }

    /// Tells budget, gate and rate what came of an attempt, which others may have come `before`, and judges
    /// it.
    fn settle(
        &self,
        sent: Sent,
        before: u32,
        reserved: Reserved<'_>,
        inside: Inside<'_>,
        posts: bool,
    ) -> (Reply, Next) {
        let reply = match sent {
            Sent::Whole(reply) => {
                self.answered.store(true, Ordering::Relaxed);
                Reply {
                    attempts: before,
                    ..reply
                }
            }
            Sent::Broken(broken) => {
                if broken.unsent {
                    reserved.turned_down();
                }
                if broken.slow {
                    inside.overloaded();
                }
                let next = if broken.for_good {
                    Next::Failed
                } else if broken.unsent && before > 0 && !self.answered.load(Ordering::Relaxed) {
                    // Nobody waits minutes for a server that is not there; one that was there may come back.
                    Next::End(HostedError::Unreachable {
                        endpoint: self.endpoint.name.clone(),
                        url: self.endpoint.url.clone(),
                        reason: broken.reason.clone(),
                    })
                } else {
                    Next::Again(None)
                };
                return (broken.into_reply(), next);
            }
        };
        self.rate.learn(&reply.headers);
        match (reply.status, reply.value().and_then(usage)) {
            (200..300, Some(usage)) => reserved.counted(usage),
            (200..300, None) => drop(reserved),
            _ => reserved.turned_down(),
        }
        let next = retry::judge(&reply, &self.endpoint, posts);
        if retry::overloaded(&reply) {
            inside.overloaded();
        } else if matches!(next, Next::Done) {
            inside.went_well();
        }
        (reply, next)
    }

    /// A request that came to nothing is a reply of its own, unless there are too many in a row.
    fn failed(&self, reply: Reply) -> Result<Reply, HostedError> {
        match self.breaker.failed() {
            Some(failures) => Err(HostedError::Broken {
                endpoint: self.endpoint.name.clone(),
                failures,
                reason: match reply.status {
                    0 => String::from_utf8_lossy(&reply.body).into_owned(),
                    status => format!("status {status}: {}", retry::words(&reply)),
                },
            }),
            None => Ok(reply),
        }
    }
}

/// The one header that carries the key, marked so that nothing prints it.
fn key_header(endpoint: &Endpoint) -> Result<Option<(HeaderName, HeaderValue)>, HostedError> {
    let Some(key) = &endpoint.key else {
        return Ok(None);
    };
    let unfit = || HostedError::Key {
        endpoint: endpoint.name.clone(),
    };
    let (name, text) = match endpoint.auth {
        Auth::Bearer => (Some(AUTHORIZATION), format!("Bearer {}", key.expose())),
        Auth::Header(name) => (
            HeaderName::from_bytes(name.as_bytes()).ok(),
            key.expose().to_owned(),
        ),
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| unfit())?;
    value.set_sensitive(true);
    Ok(Some((name.ok_or_else(unfit)?, value)))
}

#[cfg(test)]
mod tests;
