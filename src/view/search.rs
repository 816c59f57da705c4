//! Looking through probes and answers, page by page; what is not on the page is not held.

use std::fmt::Write as _;

use serde::Serialize;

use crate::battery::{Ask, Battery, Probe};
use crate::bundle::Outline;
use crate::evidence::{Entry, entries};
use crate::question::Request;
use crate::response::Response;

/// Probes or answers on a page.
pub(super) const PAGE: usize = 50;
/// Texts shown of one answer: the most probable continuations, or those that were scored.
const TEXTS: usize = 24;

/// What of the answers is wanted; empty texts want everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Wanted {
    /// A model's id in the panel.
    pub(super) model: String,
    /// A probe's id.
    pub(super) probe: String,
    /// A word of [`kind`].
    pub(super) kind: String,
    /// Words in the prompt or in the answer.
    pub(super) q: String,
    /// Hits of the pages before.
    pub(super) from: usize,
}

/// A page of hits.
#[derive(Debug, Serialize)]
pub(super) struct Hits<T> {
    pub(super) shown: Vec<T>,
    /// There is at least one more.
    pub(super) more: bool,
    /// Recordings that cannot be read to their end, and why.
    pub(super) damaged: Vec<String>,
}

impl<T> Hits<T> {
    pub(super) fn new() -> Self {
        Self {
            shown: Vec::new(),
            more: false,
            damaged: Vec::new(),
        }
    }
}

/// An answer to be shown.
#[derive(Debug, Serialize)]
pub(super) struct Hit {
    /// The model's id in the panel.
    pub(super) model: String,
    pub(super) n: u64,
    pub(super) probe: String,
    pub(super) kind: &'static str,
    pub(super) prompt: String,
    /// What came back: texts, each with its figure where it has one.
    pub(super) texts: Vec<(String, String)>,
    /// Texts that are not shown.
    pub(super) left_off: usize,
}

/// A probe to be shown.
#[derive(Debug, Serialize)]
pub(super) struct ProbeHit {
    pub(super) id: String,
    pub(super) family: String,
    pub(super) kind: &'static str,
    pub(super) prompt: String,
    pub(super) options: Vec<String>,
}

/// The kinds of answers.
pub(super) const KINDS: [&str; 5] = ["text", "next", "scored", "refused", "unavailable"];

/// The kind of an answer, as in the recording.
fn kind(response: &Response) -> &'static str {
    match response {
        Response::Text { .. } => "text",
        Response::Next { .. } => "next",
        Response::Scored { .. } => "scored",
        Response::Refused { .. } => "refused",
        Response::Unavailable { .. } => "unavailable",
    }
}

/// A page of the answers of a case, in the order of the panel and of the recordings.
pub(super) fn answers(outline: &Outline, wanted: &Wanted) -> Hits<Hit> {
    let mut hits = Hits::new();
    let mut passed = 0;
    let q = wanted.q.to_lowercase();
    for member in outline.plan.panel.members() {
        let place = outline.places.get(&member.model);
        let directory = place.and_then(|place| place.directory.as_ref());
        let Some(directory) = directory.filter(|_| wants(&wanted.model, &member.id)) else {
            continue;
        };
        let found = entries(directory).and_then(|mut entries| {
            entries.try_for_each(|entry| {
                let entry = entry?;
                if !hits.more && is_wanted(&entry, wanted, &q) {
                    passed += 1;
                    if hits.shown.len() == PAGE {
                        hits.more = true;
                    } else if passed > wanted.from {
                        hits.shown.push(hit(&member.id, &entry));
                    }
                }
                Ok(())
            })
        });
        if let Err(error) = found {
            hits.damaged.push(error.to_string());
        }
        if hits.more {
            break;
        }
    }
    hits
}

fn wants(wanted: &str, found: &str) -> bool {
    wanted.is_empty() || wanted == found
}

fn is_wanted(entry: &Entry, wanted: &Wanted, q: &str) -> bool {
    let question = &entry.question;
    if !wants(&wanted.probe, &question.probe) || !wants(&wanted.kind, kind(&entry.response)) {
        return false;
    }
    let has = |text: &str| text.to_lowercase().contains(q);
    q.is_empty()
        || has(&question.prompt.text)
        || has(&question.prompt.lead)
        || match (&entry.response, &question.request) {
            (Response::Text { text, .. }, _) => has(text),
            (Response::Next { top }, _) => top.iter().any(|t| has(&t.text)),
            (Response::Scored { .. }, Request::Score { texts }) => texts.iter().any(|t| has(t)),
            (Response::Refused { reason } | Response::Unavailable { reason }, _) => has(reason),
            (Response::Scored { .. }, _) => false,
        }
}

fn hit(model: &str, entry: &Entry) -> Hit {
    let question = &entry.question;
    let one = |text: &str| vec![(text.to_owned(), String::new())];
    let mut texts: Vec<(String, String)> = match (&entry.response, &question.request) {
        (Response::Text { text, .. }, _) => one(text),
        (Response::Refused { reason } | Response::Unavailable { reason }, _) => one(reason),
        (Response::Next { top }, _) => {
            let shown = top
                .iter()
                .map(|t| (t.text.clone(), nats(Some(t.log_probability))));
            shown.collect()
        }
        (Response::Scored { scores }, Request::Score { texts }) => {
            let pairs = texts.iter().zip(scores);
            let shown = pairs.map(|(text, score)| (text.clone(), nats(score.log_probability)));
            shown.collect()
        }
        (Response::Scored { .. }, _) => Vec::new(),
    };
    let left_off = texts.len().saturating_sub(TEXTS);
    texts.truncate(TEXTS);
    Hit {
        model: model.to_owned(),
        n: entry.n,
        probe: question.probe.clone(),
        kind: kind(&entry.response),
        prompt: format!("{}{}", question.prompt.text, question.prompt.lead),
        texts,
        left_off,
    }
}

fn nats(log_probability: Option<f64>) -> String {
    log_probability.map_or_else(|| "not given".to_owned(), |l| format!("{l:.3} nats"))
}

/// A page of the probes.
pub(super) fn probes(battery: &Battery, wanted: &Wanted) -> Hits<ProbeHit> {
    let q = wanted.q.to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&q);
    let is_wanted = |probe: &&Probe| {
        wants(&wanted.kind, probe.ask.name())
            && (has(&probe.id) || has(&probe.prompt) || has(&probe.lead))
    };
    let mut found = battery.probes.iter().filter(is_wanted).skip(wanted.from);
    let shown = found.by_ref().take(PAGE).map(|probe| ProbeHit {
        id: probe.id.clone(),
        family: probe.family.clone(),
        kind: probe.ask.name(),
        prompt: format!("{}{}", probe.prompt, probe.lead),
        options: match &probe.ask {
            Ask::Choose { options } => options.clone(),
            Ask::Next | Ask::Write { .. } => Vec::new(),
        },
    });
    let mut hits = Hits::new();
    hits.shown = shown.collect();
    hits.more = found.next().is_some();
    hits
}

/// The query of an address, with every value in a form that can stand there.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let mut query = String::new();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        let mark = if query.is_empty() { '?' } else { '&' };
        query.push(mark);
        query.push_str(name);
        query.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                query.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(query, "%{byte:02X}");
            }
        }
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_an_address_is_written_by_its_bytes() {
        assert_eq!(query(&[]), "");
        assert_eq!(
            query(&[("q", ""), ("probe", "a-1.b_c~")]),
            "?probe=a-1.b_c~"
        );
        assert_eq!(
            query(&[("q", "a&b=c#%+ \"<é"), ("from", "50")]),
            "?q=a%26b%3Dc%23%25%2B%20%22%3C%C3%A9&from=50"
        );
    }
}
