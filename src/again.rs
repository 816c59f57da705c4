//! A model asked again: how often answers that a recording holds could have come from it.
//!
//! [`Drawing`] picks some of the answers, [`questions`] says what is asked of the model at hand, and [`compare`] holds
//! what it says against them:
//!
//! - *Probabilities* (of given texts, of next tokens) have no sampling error: the same weights give them again to within
//!   arithmetic. What is compared is their distance ([`distance`]).
//! - *Texts* are draws. The model writes [`FRESH`] new texts to the same prompt. If the recorded one came from it, all
//!   are drawn alike, and whatever is reckoned of them in the same way, the recorded one is the lowest of all in one of
//!   [`FRESH`] + 1 cases. What is reckoned is how probable the model itself finds each text, where it tells, and
//!   otherwise how much each text is like the others.
//!
//! It shows whether the model at hand gives such answers. It does not show who wrote the recording, nor that the model at
//! hand is the one that was served when the recording was made.

use std::collections::BTreeMap;

use serde::Serialize;
use statrs::distribution::{Beta, Binomial, ContinuousCDF, DiscreteCDF};

use crate::digest;
use crate::evidence::Entry;
use crate::model::Seed;
use crate::question::{Question, Request};
use crate::response::{Continuation, Response, Scored};

/// New texts beside each recorded one.
pub const FRESH: usize = 9;
/// The greatest distance of probabilities that still counts as the same: other machines and batches move them by 0.001,
/// servers in half precision by some hundredths.
pub const NEAR: f64 = 0.05;
/// Fewer comparisons than this say nothing.
pub const FEWEST: usize = 10;
/// The share of probabilities that must be near: a lower one is a contradiction once its whole interval lies below.
const SHARE: f64 = 0.9;
/// How improbable it must be that recorded texts are the lowest so often.
const IMPROBABLE: f64 = 0.001;
/// How much of repeated intervals shall hold the share.
const COVERAGE: f64 = 0.95;
/// Characters that are counted together where texts are compared with one another.
const GRAM: usize = 4;

/// The kinds of answers, which are drawn in equal parts as far as there are enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Scored,
    Next,
    Text,
}

/// Where an answer stands in the drawing.
type Rank = [u8; 32];
/// Answers by the rank of what must not be picked twice, each with its own rank among those of its kind.
type Ranked = BTreeMap<Rank, (Rank, Entry)>;

/// Picks answers of a recording as they go by, by a seed. Of the texts to one prompt it picks one at most.
#[derive(Debug)]
pub struct Drawing {
    seed: Seed,
    count: usize,
    kept: BTreeMap<Kind, Ranked>,
}

impl Drawing {
    /// Will pick so many answers.
    pub fn new(count: usize, seed: Seed) -> Self {
        Self {
            seed,
            count,
            kept: BTreeMap::new(),
        }
    }

    /// Considers an answer. What holds none is passed over.
    pub fn offer(&mut self, entry: &Entry) {
        let own = digest::seed(&(self.seed, "again", entry.n));
        let (kind, rank) = match &entry.response {
            Response::Scored { .. } => (Kind::Scored, own),
            Response::Next { .. } => (Kind::Next, own),
            Response::Text { .. } => {
                let prompt = digest::seed(&(self.seed, "again", &entry.question.prompt));
                (Kind::Text, prompt)
            }
            Response::Refused { .. } | Response::Unavailable { .. } => return,
        };
        let kept = self.kept.entry(kind).or_default();
        match kept.get(&rank) {
            Some((before, _)) if *before <= own => {}
            _ => drop(kept.insert(rank, (own, entry.clone()))),
        }
        if kept.len() > self.count {
            kept.pop_last();
        }
    }

    /// What was picked, kind by kind in turn.
    pub fn picked(self) -> Vec<Entry> {
        let mut kinds: Vec<_> = self.kept.into_values().map(BTreeMap::into_values).collect();
        let mut picked = Vec::new();
        while picked.len() < self.count {
            let before = picked.len();
            for kind in &mut kinds {
                if picked.len() < self.count {
                    picked.extend(kind.next().map(|(_, entry)| entry));
                }
            }
            if picked.len() == before {
                break;
            }
        }
        picked
    }
}

/// What the model at hand is asked about a recorded answer.
pub fn questions(held: &Entry) -> Vec<Question> {
    match held.question.request {
        Request::Score { .. } | Request::Next { .. } => vec![held.question.clone()],
        Request::Write { max_tokens, .. } => (0..FRESH)
            .map(|sample| Question {
                request: Request::Write { sample, max_tokens },
                ..held.question.clone()
            })
            .collect(),
    }
}

/// The question how probable the model at hand finds a recorded text and its own, in this order. `None` where there is no
/// recorded text, or the model did not write all of its own.
pub fn reading(held: &Entry, now: &[Response]) -> Option<Question> {
    let texts: Option<Vec<String>> = pool(held, now).map(|texts| {
        let texts = texts.into_iter();
        texts.map(str::to_owned).collect()
    });
    // The probability of an empty text says nothing of its end.
    let texts = texts.filter(|texts| texts.iter().all(|text| !text.is_empty()))?;
    Some(Question {
        request: Request::Score { texts },
        ..held.question.clone()
    })
}

/// The recorded text and the new ones.
fn pool<'a>(held: &'a Entry, now: &'a [Response]) -> Option<Vec<&'a str>> {
    let text = |response: &'a Response| match response {
        Response::Text { text, .. } => Some(text.as_str()),
        _ => None,
    };
    let all = std::iter::once(&held.response).chain(now);
    let texts: Vec<&str> = all.map(text).collect::<Option<_>>()?;
    (texts.len() == FRESH + 1).then_some(texts)
}

/// What came of one recorded answer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Found {
    /// How far probabilities lie apart.
    Apart(f64),
    /// Whether the recorded text is lower than all new ones, and whether that is by probability.
    Lowest(bool, bool),
}

/// A recorded answer with what the model at hand says.
#[derive(Debug)]
pub struct Heard {
    /// What the recording holds.
    pub held: Entry,
    /// The answers to [`questions`], in their order.
    pub now: Vec<Response>,
    /// The answer to [`reading`], where it was asked.
    pub read: Option<Response>,
}

impl Heard {
    /// `None` where the model at hand gave no answer that could be compared.
    fn found(&self) -> Option<Found> {
        match (&self.held.response, self.now.as_slice()) {
            (Response::Scored { scores: held }, [Response::Scored { scores: now }]) => {
                per_token(held, now).map(Found::Apart)
            }
            (Response::Next { top: held }, [Response::Next { top: now }]) => {
                Some(Found::Apart(distance(held, now)))
            }
            (Response::Text { .. }, now) => {
                let texts = pool(&self.held, now)?;
                let probable = self.read.as_ref().and_then(per_token_each);
                let by_probability = probable.is_some();
                let values = probable.unwrap_or_else(|| likeness(&texts));
                Some(Found::Lowest(is_lowest(&values), by_probability))
            }
            _ => None,
        }
    }
}

/// How far the probabilities of given texts lie apart: the mean over the texts of the difference of their logarithms, in
/// nats a token. `None` if there is no text that both gave a probability for.
fn per_token(held: &[Scored], now: &[Scored]) -> Option<f64> {
    if held.len() != now.len() {
        return None;
    }
    let both = held.iter().zip(now).filter_map(|(held, now)| {
        let apart = (held.log_probability? - now.log_probability?).abs();
        Some(apart / held.tokens.max(1) as f64)
    });
    let apart: Vec<f64> = both.collect();
    (!apart.is_empty()).then(|| apart.iter().sum::<f64>() / apart.len() as f64)
}

/// The logarithm of the probability of each text, in nats a token; `None` if one is missing.
fn per_token_each(read: &Response) -> Option<Vec<f64>> {
    let Response::Scored { scores } = read else {
        return None;
    };
    let each = scores.iter().map(|score| {
        let tokens = (score.tokens > 0).then_some(score.tokens as f64)?;
        Some(score.log_probability? / tokens)
    });
    each.collect::<Option<Vec<f64>>>()
        .filter(|values| values.len() == FRESH + 1)
}

/// Half the sum of the differences of the probabilities of all tokens that either side names, at the least: one that a side
/// does not name has there at most the probability of the last one named, and no more than is left. Between 0 and 1.
pub fn distance(held: &[Continuation], now: &[Continuation]) -> f64 {
    let mut both: BTreeMap<&str, [Option<f64>; 2]> = BTreeMap::new();
    let mut unnamed = [0.0; 2];
    for (side, top) in [held, now].into_iter().enumerate() {
        let (mut sum, mut least) = (0.0, 1.0_f64);
        for token in top {
            let probability = token.log_probability.exp();
            let of = both.entry(&token.text).or_default();
            of[side] = Some(of[side].unwrap_or(0.0) + probability);
            sum += probability;
            least = least.min(probability);
        }
        unnamed[side] = least.min(1.0 - sum).max(0.0);
    }
    let apart = both.values().map(|of| match *of {
        [Some(a), Some(b)] => (a - b).abs(),
        [Some(a), None] => (a - unnamed[1]).max(0.0),
        [None, b] => (b.unwrap_or(0.0) - unnamed[0]).max(0.0),
    });
    apart.sum::<f64>() / 2.0
}

/// How much each of some texts is like the others: the sum over them of the cosines of their counts of characters.
fn likeness(texts: &[&str]) -> Vec<f64> {
    let counted: Vec<BTreeMap<Vec<char>, f64>> = texts.iter().map(|text| grams(text)).collect();
    let product = |a: &BTreeMap<Vec<char>, f64>, b: &BTreeMap<Vec<char>, f64>| {
        a.iter()
            .filter_map(|(gram, n)| Some(n * b.get(gram)?))
            .sum::<f64>()
    };
    let lengths: Vec<f64> = counted.iter().map(|c| product(c, c).sqrt()).collect();
    let others = |i: usize| {
        let cosines = (0..counted.len()).filter(|j| *j != i).map(|j| {
            // Rounded, so that equal texts have equal sums in whatever order they are taken.
            let cosine = product(&counted[i], &counted[j]) / (lengths[i] * lengths[j]);
            (cosine * 1e9).round()
        });
        cosines.sum::<f64>()
    };
    (0..counted.len()).map(others).collect()
}

/// The characters of a text, some at a time; its beginning and end count as characters.
fn grams(text: &str) -> BTreeMap<Vec<char>, f64> {
    let ends = std::iter::once('\0');
    let chars: Vec<char> = ends.clone().chain(text.chars()).chain(ends).collect();
    let mut counts = BTreeMap::new();
    for gram in chars.windows(GRAM.min(chars.len())) {
        *counts.entry(gram.to_vec()).or_insert(0.0) += 1.0;
    }
    counts
}

/// Whether the first value is lower than all others: where some are as low, it could as well be one of them.
fn is_lowest(values: &[f64]) -> bool {
    values
        .split_first()
        .is_some_and(|(first, others)| others.iter().all(|other| first < other))
}

/// A share with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// How many could have come from the model at hand.
    pub could: usize,
    /// Of how many.
    pub of: usize,
    /// The lower end of the 95 % interval of the share.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Share {
    /// The interval of Clopper and Pearson (1934), *Biometrika* 26, 404-413, by quantiles of beta distributions.
    fn new(could: usize, of: usize) -> Self {
        let (hits, misses) = (could as f64, (of - could) as f64);
        let tail = f64::midpoint(0.0, 1.0 - COVERAGE);
        let quantile = |a: f64, b: f64, p: f64| Beta::new(a, b).map(|beta| beta.inverse_cdf(p));
        let low = match could {
            0 => 0.0,
            _ => quantile(hits, misses + 1.0, tail).unwrap_or(0.0),
        };
        let high = match of - could {
            0 => 1.0,
            _ => quantile(hits + 1.0, misses, 1.0 - tail).unwrap_or(1.0),
        };
        Self {
            could,
            of,
            low,
            high,
        }
    }
}

/// What texts say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Texts {
    /// Those that were not lower than all new ones.
    pub share: Share,
    /// The share to be expected of the model's own texts, at the least.
    pub expected: f64,
    /// The probability of so many that were lower, or more, if all came from the model at hand.
    pub p: f64,
    /// How many were compared by their probabilities; the others by how much they are like the new ones.
    pub by_probability: usize,
}

/// What the probabilities say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Probabilities {
    /// Those that are near.
    pub share: Share,
    /// The median distance.
    pub median: f64,
}

/// What all of it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Agreement {
    /// The answers could have come from the model at hand, as far as they were compared.
    Agrees,
    /// Too many of them could not.
    Disagrees,
    /// Too few could be compared.
    Unknown,
}

/// How often recorded answers could have come from the model at hand.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Again {
    /// Answers drawn.
    pub drawn: usize,
    /// Of those, the ones to which the model at hand gave nothing that could be compared.
    pub without: usize,
    /// `None` if there were none.
    pub probabilities: Option<Probabilities>,
    /// `None` if there were none.
    pub texts: Option<Texts>,
    /// What follows.
    pub agreement: Agreement,
}

/// Holds recorded answers against what the model at hand says.
pub fn compare(heard: &[Heard]) -> Again {
    let found: Vec<Found> = heard.iter().filter_map(Heard::found).collect();
    let mut apart: Vec<f64> = found
        .iter()
        .filter_map(|found| match found {
            Found::Apart(apart) => Some(*apart),
            Found::Lowest(..) => None,
        })
        .collect();
    apart.sort_by(f64::total_cmp);
    let probabilities = (!apart.is_empty()).then(|| {
        let near = apart.iter().filter(|apart| **apart <= NEAR).count();
        Probabilities {
            share: Share::new(near, apart.len()),
            median: f64::midpoint(apart[(apart.len() - 1) / 2], apart[apart.len() / 2]),
        }
    });
    let texts = texts(&found);
    let far = probabilities.is_some_and(|p| p.share.high < SHARE);
    let agreement = if far || texts.is_some_and(|t| t.p < IMPROBABLE) {
        Agreement::Disagrees
    } else if found.len() < FEWEST {
        Agreement::Unknown
    } else {
        Agreement::Agrees
    };
    Again {
        drawn: heard.len(),
        without: heard.len() - found.len(),
        probabilities,
        texts,
        agreement,
    }
}

fn texts(found: &[Found]) -> Option<Texts> {
    let lowest: Vec<(bool, bool)> = found
        .iter()
        .filter_map(|found| match found {
            Found::Lowest(lowest, by) => Some((*lowest, *by)),
            Found::Apart(_) => None,
        })
        .collect();
    let of = lowest.len();
    let low = lowest.iter().filter(|(lowest, _)| *lowest).count();
    let chance = 1.0 / (FRESH as f64 + 1.0);
    let p = match low.checked_sub(1) {
        None => 1.0,
        Some(fewer) => Binomial::new(chance, of as u64).ok()?.sf(fewer as u64),
    };
    (of > 0).then(|| Texts {
        share: Share::new(of - low, of),
        expected: 1.0 - chance,
        p,
        by_probability: lowest.iter().filter(|(_, by)| *by).count(),
    })
}

#[cfg(test)]
mod tests;
