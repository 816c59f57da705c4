//! What a reply means for the request: the last word, another attempt, or the end of the run.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::super::endpoint::Endpoint;
use super::super::error::HostedError;
use super::Reply;

/// The longest wait that a header may ask for, as OpenAI's own client takes it; zero and less are sent by
/// servers that mean nothing by it.
const LONGEST: Duration = Duration::from_mins(2);
/// As much of a server's words as an error repeats.
const WORDS: usize = 300;

/// What is to be done about a reply.
#[derive(Debug)]
pub(super) enum Next {
    /// It is the last word: an answer, or a refusal of this request.
    Done,
    /// The server could not; asking again will not help.
    Failed,
    /// Another attempt, after this wait if the server asked for one.
    Again(Option<Duration>),
    /// The run ends.
    End(HostedError),
}

/// Judges the reply to a request, which `posts` when it asks the model itself: what else a key may read, or
/// which routes there are, does not end a run.
pub(super) fn judge(reply: &Reply, endpoint: &Endpoint, posts: bool) -> Next {
    let status = effective(reply);
    if (200..300).contains(&status) {
        return match reply.json {
            Ok(_) => Next::Done,
            // A page of a gateway or a part of a reply passes; what comes twice comes always.
            Err(_) if reply.attempts == 0 => Next::Again(None),
            Err(_) => Next::Failed,
        };
    }
    if (300..400).contains(&status) {
        return Next::End(HostedError::Redirected {
            endpoint: endpoint.name.clone(),
            to: reply.headers.get("location").cloned().unwrap_or_default(),
        });
    }
    if posts && let Some(error) = terminal(status, &words(reply), endpoint) {
        return Next::End(error);
    }
    match reply.headers.get("x-should-retry").map(String::as_str) {
        Some("true") => Next::Again(asked(reply)),
        Some("false") if retryable(status) => Next::Failed,
        _ if retryable(status) => Next::Again(asked(reply)),
        _ => Next::Done,
    }
}

/// Whether the server cannot keep up.
pub(super) fn overloaded(reply: &Reply) -> bool {
    matches!(effective(reply), 429 | 503 | 504 | 529)
}

/// What the reply says went wrong, cut short.
pub(super) fn words(reply: &Reply) -> String {
    let said = |error: &Value| match error {
        Value::String(text) => text.clone(),
        Value::Object(fields) => ["type", "code", "status", "message"]
            .into_iter()
            .filter_map(|name| fields.get(name)?.as_str())
            .collect::<Vec<_>>()
            .join(": "),
        _ => String::new(),
    };
    let said = error(reply).map(said).filter(|text| !text.is_empty());
    let text = said.unwrap_or_else(|| String::from_utf8_lossy(&reply.body).into_owned());
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(WORDS) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None if text.is_empty() => "no reason given".to_owned(),
        None => text,
    }
}

/// What the reply has under `error`.
fn error(reply: &Reply) -> Option<&Value> {
    reply.value()?.get("error")
}

/// The status, or the one that a router put into the body of a 200.
fn effective(reply: &Reply) -> u16 {
    let within = || {
        let code = error(reply)?.get("code")?.as_u64()?;
        u16::try_from(code)
            .ok()
            .filter(|code| (400..600).contains(code))
    };
    match reply.status {
        200..300 => within().unwrap_or(reply.status),
        status => status,
    }
}

fn retryable(status: u16) -> bool {
    // 501 and 505: what a server does not implement now, it will not in a second either.
    matches!(status, 408 | 409 | 429) || (status >= 500 && status != 501 && status != 505)
}

/// What no further request gets around.
fn terminal(status: u16, words: &str, endpoint: &Endpoint) -> Option<HostedError> {
    /// Words of exhausted accounts. Gemini's "exceeded your current quota, please check your plan and billing
    /// details" is not among them: it says so of limits a minute as well.
    const BILLING: [&str; 12] = [
        "insufficient_quota",
        "insufficient quota",
        "insufficient credit",
        "insufficient balance",
        "insufficient funds",
        "credit balance",
        "available credits",
        "out of credits",
        "spend limit",
        "spending limit",
        "billing_hard_limit",
        "billing_not_active",
    ];
    const MISSING: [&str; 6] = [
        "model_not_found",
        "model not found",
        "model not exist",
        "model does not exist",
        "deploymentnotfound",
        "invalid model",
    ];
    // Gemini and xAI answer 400 to a wrong key.
    const KEY: [&str; 4] = [
        "api_key_invalid",
        "api key not valid",
        "invalid api key",
        "incorrect api key",
    ];
    let said = words.to_lowercase();
    let says = |signs: &[&str]| signs.iter().any(|sign| said.contains(sign));
    let (name, reason) = (endpoint.name.clone(), words.to_owned());
    if status == 402 || (matches!(status, 400 | 403 | 429) && says(&BILLING)) {
        return Some(HostedError::Billing {
            endpoint: name,
            status,
            reason,
        });
    }
    let named = said.contains(&endpoint.model.to_lowercase());
    if (status == 404 && named) || (matches!(status, 400 | 404) && says(&MISSING)) {
        return Some(HostedError::NotFound {
            endpoint: name,
            model: endpoint.model.clone(),
            reason,
        });
    }
    // A router answers 403 where a filter flagged the prompt: that is about this prompt only.
    let flagged = status == 403 && says(&["flagged", "moderation"]);
    let key = status == 401 || status == 403 && !flagged || status == 400 && says(&KEY);
    key.then_some(HostedError::Auth {
        endpoint: name,
        status,
        reason,
    })
}

/// The wait that the server asks for, if it is a sane one.
fn asked(reply: &Reply) -> Option<Duration> {
    let sane = |wait: &Duration| !wait.is_zero() && *wait <= LONGEST;
    milliseconds(&reply.headers)
        .filter(sane)
        .or_else(|| seconds_or_date(&reply.headers).filter(sane))
        .or_else(|| retry_info(reply).filter(sane))
}

fn milliseconds(headers: &BTreeMap<String, String>) -> Option<Duration> {
    let wait: f64 = headers.get("retry-after-ms")?.trim().parse().ok()?;
    Duration::try_from_secs_f64(wait / 1e3).ok()
}

fn seconds_or_date(headers: &BTreeMap<String, String>) -> Option<Duration> {
    let text = headers.get("retry-after")?.trim();
    if let Ok(wait) = text.parse() {
        return Duration::try_from_secs_f64(wait).ok();
    }
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    // By the server's own clock, if it tells.
    let now = headers.get("date").and_then(|text| date(text));
    date(text)?.duration_since(now.unwrap_or_else(clock)).ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a date to wait for is in the time of the world"
)]
fn clock() -> SystemTime {
    SystemTime::now()
}

/// Gemini's `google.rpc.RetryInfo`: `{"retryDelay": "34.07s"}` among the details of the error.
fn retry_info(reply: &Reply) -> Option<Duration> {
    let details = error(reply)?.get("details")?.as_array()?;
    let delay = details.iter().find_map(|d| d.get("retryDelay")?.as_str())?;
    let wait: f64 = delay.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(wait).ok()
}

#[cfg(test)]
mod tests;
