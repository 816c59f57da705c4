//! One call's way over the wire: requests sent and kept, refused parameters dropped and remembered.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::model::hosted::Endpoint;
use crate::model::hosted::error::HostedError;
use crate::model::hosted::transport::Transport;
use crate::response::{Exchange, WireCall};

use super::decline::Decline;
use super::generate::{Generate, Input, Sampling, Thought};
use super::learnt::Ceiling;
use super::logprobs::Shape;
use super::reading::Reading;
use super::{Form, Outcome, Parsed, WireRequest};

/// The most requests for one generation: every optional parameter could be refused one by one.
const MAX_TRIES: usize = 24;
/// What is kept of a reply's body.
const MAX_KEPT: usize = 256 * 1024;
/// What is kept of a reply that is no answer.
const MAX_KEPT_DECLINE: usize = 4 * 1024;

/// Sampling parameters that can be left out, the least important first, by all their names.
const SAMPLING: &[&str] = &[
    "xtc_probability",
    "dry_multiplier",
    "typical_p",
    "min_p",
    "repetition_penalty",
    "repeat_penalty",
    "top_k",
    "presence_penalty",
    "presencePenalty",
    "frequency_penalty",
    "frequencyPenalty",
    "sampling_seed",
    "random_seed",
    "seed",
    "top_p",
    "topP",
    "temperature",
];
/// Others that can be left out.
const OPTIONAL: &[&str] = &[
    "return_tokens_as_token_ids",
    "prompt_logprobs",
    "cache_prompt",
    "store",
    "think",
    "thinking",
    "thinkingConfig",
    "chat_template_kwargs",
    "reasoning_effort",
    "reasoning",
];
/// What servers call these when they refuse them.
const ALSO: &[(&str, &[&str])] = &[
    ("thinkingConfig", &["thinkingBudget", "thinking", "budget"]),
    ("chat_template_kwargs", &["enable_thinking"]),
    ("reasoning", &["effort"]),
];
/// Objects of a body that hold parameters.
const HOLDERS: &[&str] = &["options", "sampling_params", "generationConfig"];
/// All names for the number of alternatives.
const TOP: &[&str] = &[
    "top_logprobs",
    "logprobs",
    "n_probs",
    "top_logprobs_num",
    "responseLogprobs",
    "return_logprob",
];
/// All names for the limit of tokens.
const LIMIT: &[&str] = &[
    "max_tokens",
    "max_completion_tokens",
    "max_new_tokens",
    "max_output_tokens",
    "maxOutputTokens",
    "n_predict",
];

/// Why a reasoning model has no next token to ask about.
pub(super) const REASONS: &str =
    "the model reasons before it answers: its first token is not the answer's";

/// Why a call goes no further.
#[derive(Debug)]
pub(super) enum Halt {
    /// It has its answer.
    Answer(Outcome),
    /// The run cannot go on.
    Failed(HostedError),
}

impl Halt {
    pub(super) fn unavailable(reason: impl Into<String>) -> Self {
        Self::Answer(Outcome::Unavailable(reason.into()))
    }
}

impl From<HostedError> for Halt {
    fn from(error: HostedError) -> Self {
        Self::Failed(error)
    }
}

/// All that goes over the wire for one call.
#[derive(Debug)]
pub(in crate::model::hosted) struct Conversation<'a> {
    transport: &'a Transport,
    exchange: Exchange,
}

/// What a refusal calls for.
enum Remedy {
    /// Ask the same without something, remembered.
    Again,
    /// Nothing helps.
    Nothing,
}

impl<'a> Conversation<'a> {
    pub(in crate::model::hosted) fn new(transport: &'a Transport) -> Self {
        Self {
            transport,
            exchange: Exchange::default(),
        }
    }

    pub(super) fn endpoint(&self) -> &'a Endpoint {
        self.transport.endpoint()
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.exchange.notes.contains(&note) {
            self.exchange.notes.push(note);
        }
    }

    pub(in crate::model::hosted) fn into_exchange(self) -> Exchange {
        self.exchange
    }

    /// Sends one request and keeps it with its reply.
    pub(in crate::model::hosted) async fn send(
        &mut self,
        request: WireRequest,
    ) -> Result<Result<Value, Decline>, HostedError> {
        let reply = self.transport.send(&request).await?;
        let answer = self.answer(reply.status, &reply.body, reply.json);
        let most = if answer.is_ok() {
            MAX_KEPT
        } else {
            MAX_KEPT_DECLINE
        };
        let kept = |(name, _): &(String, String)| is_worth_keeping(name);
        self.exchange.calls.push(WireCall {
            path: request.path,
            request: request.body.unwrap_or_default(),
            attempts: reply.attempts,
            status: reply.status,
            headers: reply.headers.into_iter().filter(kept).collect(),
            reply_bytes: reply.body.len() as u64,
            reply: text_of(reply.body, most),
        });
        Ok(answer)
    }

    fn answer(
        &mut self,
        status: u16,
        body: &[u8],
        json: Result<Parsed, String>,
    ) -> Result<Value, Decline> {
        if !(200..300).contains(&status) {
            let value = json.as_ref().ok().map(|parsed| &parsed.value);
            return Err(Decline::read(status, body, value));
        }
        match json {
            Ok(Parsed { value, mended }) => {
                if let Some(note) = mended {
                    self.note(note);
                }
                match Decline::within(status, &value) {
                    Some(decline) => Err(decline),
                    None => Ok(value),
                }
            }
            Err(error) => Err(Decline {
                status,
                code: None,
                param: None,
                message: format!("the reply is not JSON: {error}"),
            }),
        }
    }

    /// The body that was sent last.
    fn sent(&self) -> &Value {
        let call = self.exchange.calls.last();
        call.map_or(&Value::Null, |call| &call.request)
    }

    /// Generates, without what the server has refused before or refuses now.
    pub(super) async fn generate(
        &mut self,
        form: Form,
        mut want: Generate<'_>,
    ) -> Result<Reading, Halt> {
        let endpoint = self.endpoint();
        let learnt = &endpoint.learnt;
        let most = want.top;
        // Only what a run sends teaches: another temperature may be refused for its value alone.
        let usual = want.sampling == Sampling::default();
        let mut now = BTreeSet::new();
        for _ in 0..MAX_TRIES {
            if matches!(want.input, Input::Turn { .. }) {
                want.thought = learnt.thought();
            }
            if want.top > 0 && want.thought == Thought::GivenRoom {
                return Err(Halt::unavailable(REASONS));
            }
            let mut request = form.request(endpoint, &want);
            let route = request.path.clone();
            if most > 0 {
                let Some(top) = learnt.ceiling(&route).next(most) else {
                    return Err(Halt::unavailable("the server gives no log-probabilities"));
                };
                want.top = top;
                request = form.request(endpoint, &want);
            }
            if want.max_tokens == 0 && learnt.writes_something(&route) {
                want.max_tokens = 1;
                request = form.request(endpoint, &want);
            }
            now.extend(learnt.refused(&route));
            let body = request.body.get_or_insert_default();
            for name in &now {
                if remove(body, name) && SAMPLING.contains(name) {
                    self.note(format!("sampling: provider_default {name}"));
                }
            }
            if learnt.other_limit(&route) {
                rename_limit(body);
            }
            match self.send(request).await? {
                Ok(value) => {
                    let reading = self.read(form, &value, &want);
                    if usual {
                        learnt.keep_sampling(&route, &now, || sampling_of(self.sent()));
                    }
                    if want.top > 0 {
                        self.accept(&route, want.top);
                    }
                    if self.thinks_anew(&reading, &want) {
                        continue;
                    }
                    return Ok(reading);
                }
                Err(decline) => match self.remedy(&decline, &route, &want, usual, &mut now) {
                    Remedy::Again => {}
                    Remedy::Nothing => return Err(Halt::Answer(decline.outcome())),
                },
            }
        }
        Err(Halt::unavailable(
            "the server refused every form of the request",
        ))
    }

    /// Settles what to leave out after a refusal.
    fn remedy(
        &mut self,
        decline: &Decline,
        route: &str,
        want: &Generate<'_>,
        usual: bool,
        now: &mut BTreeSet<&'static str>,
    ) -> Remedy {
        let learnt = &self.endpoint().learnt;
        let body = self.sent();
        if decline.is_too_long() {
            return Remedy::Nothing;
        }
        if want.max_tokens == 0 && decline.names(LIMIT) {
            learnt.set_writes_something(route);
            return Remedy::Again;
        }
        let other = body.get("max_tokens").is_some() || body.get("max_completion_tokens").is_some();
        if other && decline.says_never() && decline.names(LIMIT) && !learnt.other_limit(route) {
            learnt.set_other_limit(route);
            self.note("limit: by its other name");
            return Remedy::Again;
        }
        if want.top > 0 && decline.names(TOP) {
            let refused = if decline.says_never() && !decline.message.chars().any(char::is_numeric)
            {
                1
            } else {
                want.top
            };
            let accepted = learnt.ceiling(route).accepted;
            learnt.set_ceiling(
                route,
                Ceiling {
                    accepted: accepted.min(refused - 1),
                    refused: Some(refused),
                },
            );
            return Remedy::Again;
        }
        let named = SAMPLING.iter().chain(OPTIONAL).copied().find(|name| {
            let also = ALSO.iter().find(|(of, _)| of == name);
            holds(body, name)
                && (decline.names(&[name]) || also.is_some_and(|(_, also)| decline.names(also)))
        });
        let Some(name) = named else {
            return Remedy::Nothing;
        };
        now.insert(name);
        if usual {
            learnt.refuse(route, name);
        }
        if !SAMPLING.contains(&name) {
            self.note(format!("dropped: {name}"));
        }
        Remedy::Again
    }

    fn accept(&self, route: &str, top: usize) {
        let learnt = &self.endpoint().learnt;
        let ceiling = learnt.ceiling(route);
        if top > ceiling.accepted {
            let accepted = top;
            learnt.set_ceiling(
                route,
                Ceiling {
                    accepted,
                    ..ceiling
                },
            );
        }
    }

    /// Whether hidden reasoning shows for which nothing has been done yet; then the call is repeated.
    fn thinks_anew(&mut self, reading: &Reading, want: &Generate<'_>) -> bool {
        let thought = match want.thought {
            _ if reading.usage.reasoning == 0 || want.echo => return false,
            Thought::Unseen => Thought::SwitchedOff,
            Thought::SwitchedOff => Thought::GivenRoom,
            Thought::GivenRoom => return false,
        };
        self.endpoint().learnt.set_thought(thought);
        self.note(match thought {
            Thought::GivenRoom => "reasoning: cannot be switched off, given room of its own",
            _ => "reasoning: seen, asked to be left out",
        });
        true
    }

    /// Reads a reply and keeps what it says of itself.
    fn read(&mut self, form: Form, value: &Value, want: &Generate<'_>) -> Reading {
        let mut reading = form.read(value);
        reading.complete_usage(want.bytes());
        let (sum, new) = (&mut self.exchange.usage, reading.usage);
        // What is counted in part is not counted.
        sum.reported = new.reported && (sum.reported || sum.prompt + sum.completion == 0);
        sum.prompt += new.prompt;
        sum.completion += new.completion;
        sum.reasoning += new.reasoning;
        self.exchange.served.clone_from(&reading.served);
        self.exchange.fingerprint.clone_from(&reading.fingerprint);
        self.exchange.upstream.clone_from(&reading.upstream);
        for note in &reading.notes {
            self.note(note.clone());
        }
        if want.top > 0 || reading.written.shape != Shape::Absent {
            self.note(reading.written.shape.note());
        }
        reading
    }
}

/// The beginning of a body as text.
fn text_of(mut body: Vec<u8>, most: usize) -> String {
    body.truncate(most);
    String::from_utf8(body).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Headers that say who answered, under which version and which limits.
fn is_worth_keeping(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "date",
        "server",
        "retry-after",
        "retry-after-ms",
        "request-id",
        "cf-ray",
        "content-type",
    ];
    const STARTS: &[&str] = &[
        "x-ratelimit-",
        "ratelimit",
        "anthropic-",
        "openai-",
        "x-request-id",
        "x-goog-",
        "x-ms-",
        "apim-request-id",
        "x-served-",
        "x-model-",
    ];
    let secret = name.contains("cookie") || name.contains("organization");
    !secret && (NAMES.contains(&name) || STARTS.iter().any(|start| name.starts_with(start)))
}

/// The objects of a body that may hold a parameter.
fn holders(body: &Value) -> impl Iterator<Item = &Value> {
    std::iter::once(body).chain(HOLDERS.iter().filter_map(|holder| body.get(*holder)))
}

fn holds(body: &Value, name: &str) -> bool {
    holders(body).any(|holder| holder.get(name).is_some())
}

fn remove(body: &mut Value, name: &str) -> bool {
    let inside = HOLDERS.iter().any(|holder| {
        let holder = body.get_mut(*holder).and_then(Value::as_object_mut);
        holder.is_some_and(|holder| holder.shift_remove(name).is_some())
    });
    let body = body.as_object_mut();
    inside | body.is_some_and(|body| body.shift_remove(name).is_some())
}

/// `max_tokens` to `max_completion_tokens` and back.
fn rename_limit(body: &mut Value) {
    let Some(body) = body.as_object_mut() else {
        return;
    };
    let pair = ["max_tokens", "max_completion_tokens"];
    for (old, new) in [(pair[0], pair[1]), (pair[1], pair[0])] {
        if let Some(limit) = body.shift_remove(old) {
            body.insert(new.to_owned(), limit);
            return;
        }
    }
}

/// The sampling parameters of a request, without the seed, which differs from call to call.
fn sampling_of(body: &Value) -> BTreeMap<String, Value> {
    let sent = |name: &&&str| !name.contains("seed");
    let value = |name: &&str| {
        let value = holders(body).find_map(|holder| holder.get(*name))?;
        Some(((*name).to_owned(), value.clone()))
    };
    SAMPLING.iter().filter(sent).filter_map(value).collect()
}
