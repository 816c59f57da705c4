//! A recording as something that can be compared: by probe, over strings, without tokens.

mod choices;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::Serialize;

use crate::battery::{Ask, Battery, Probe};
use crate::digest;
use crate::evidence::{Entry, Recording};
use crate::question::Request;
use crate::response::{Continuation, Response};
use crate::sentinel;

/// What became of the questions to one model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AnswerCounts {
    /// Questions put.
    pub asked: usize,
    /// Answered.
    pub answered: usize,
    /// Declined by the model.
    pub refused: usize,
    /// Without an answer for another reason.
    pub unavailable: usize,
}

/// Texts of an author that others read of every probe. Everybody reads what everybody wrote, so the cost grows
/// with the square of the number of models.
pub const READ_EACH: usize = 4;

/// What others read of a model's samples: the first that are not empty.
pub fn to_read<'a>(
    samples: impl IntoIterator<Item = &'a String>,
) -> impl Iterator<Item = &'a String> {
    let texts = samples.into_iter().filter(|text| !text.is_empty());
    texts.take(READ_EACH)
}

/// The comparable view of a recording.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fingerprint {
    /// `choose`: a distribution over the options, averaged over their rotations. Where it was read off
    /// tokens or short samples, one more outcome stands for whatever is no option.
    pub choices: BTreeMap<String, Vec<f64>>,
    /// `next`: the most probable continuations.
    pub next: BTreeMap<String, Vec<Continuation>>,
    /// `next`: log-probability (nats) of each string of the common pool.
    pub pool: BTreeMap<String, BTreeMap<String, f64>>,
    /// `choose` and `next` where only text is to be had: the short samples, in order.
    pub shorts: BTreeMap<String, Vec<String>>,
    /// `write`: the samples, in order of their number.
    pub texts: BTreeMap<String, Vec<String>>,
    /// Log-probabilities of texts written by others, by probe.
    pub readings: BTreeMap<String, Readings>,
    /// Questions without an answer.
    pub unanswered: usize,
    /// What became of the questions, all passes together.
    pub counts: AnswerCounts,
    /// Answers left out because sentinels show that the model had changed before them.
    pub set_aside: usize,
}

/// Log-probabilities (nats) of texts, by a digest of each: everybody reads the same texts, which stand with who wrote
/// them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Readings(BTreeMap<u128, f64>);

impl Readings {
    /// Adds a text's log-probability.
    pub fn insert(&mut self, text: &str, log_probability: f64) {
        self.0.insert(digest::key(&text), log_probability);
    }

    /// A text's log-probability, if it was read.
    pub fn get(&self, text: &str) -> Option<f64> {
        self.0.get(&digest::key(&text)).copied()
    }
}

impl AnswerCounts {
    fn add<S>(&mut self, response: &Response<S>) {
        self.asked += 1;
        match response {
            Response::Refused { .. } => self.refused += 1,
            Response::Unavailable { .. } => self.unavailable += 1,
            _ => self.answered += 1,
        }
    }
}

impl Fingerprint {
    /// The view of a recording of (a part of) a battery.
    pub fn new(recording: &Recording, battery: &Battery) -> Self {
        let mut taking = Taking::new(battery, sentinel::stable(&recording.entries));
        for entry in &recording.entries {
            taking.take(entry);
        }
        taking.print()
    }

    /// Whether it has answers to open questions and nothing else.
    pub fn is_open_text(&self) -> bool {
        !self.texts.is_empty()
            && self.choices.is_empty()
            && self.next.is_empty()
            && self.pool.is_empty()
            && self.shorts.is_empty()
    }

    /// The same without all but some probes.
    #[must_use]
    pub fn part(&self, probes: &BTreeSet<&str>) -> Self {
        fn kept<T: Clone>(
            of: &BTreeMap<String, T>,
            probes: &BTreeSet<&str>,
        ) -> BTreeMap<String, T> {
            let kept = of.iter().filter(|(id, _)| probes.contains(id.as_str()));
            kept.map(|(id, value)| (id.clone(), value.clone()))
                .collect()
        }
        Self {
            choices: kept(&self.choices, probes),
            next: kept(&self.next, probes),
            pool: kept(&self.pool, probes),
            shorts: kept(&self.shorts, probes),
            texts: kept(&self.texts, probes),
            readings: kept(&self.readings, probes),
            ..self.clone()
        }
    }
}

/// A fingerprint while answers come in one by one, for recordings too long to be held.
#[derive(Debug)]
pub struct Taking<'a> {
    places: HashMap<&'a str, usize>,
    /// One a probe of the battery, in its order.
    probes: Vec<(&'a Probe, Parts)>,
    print: Fingerprint,
    /// Answers that are still to be taken; those behind them are set aside.
    stable: usize,
}

impl<'a> Taking<'a> {
    /// Nothing yet of (a part of) a battery; so many answers are of one model (see
    /// [`sentinel::Watch::stable`]).
    pub fn new(battery: &'a Battery, stable: usize) -> Self {
        let places = battery.probes.iter().enumerate();
        let probes = battery.probes.iter();
        Self {
            places: places.map(|(i, p)| (p.id.as_str(), i)).collect(),
            probes: probes.map(|p| (p, Parts::default())).collect(),
            print: Fingerprint::default(),
            stable,
        }
    }

    /// Takes one answer. What is no answer to a probe of the battery is passed over.
    pub fn take<S: AsRef<str>>(&mut self, entry: &Entry<S>) {
        if self.stable == 0 {
            self.print.set_aside += 1;
            return;
        }
        self.stable -= 1;
        if let Some(place) = self.places.get(entry.question.probe.as_ref()) {
            let (probe, parts) = &mut self.probes[*place];
            self.print.counts.add(&entry.response);
            if !parts.add(entry, &probe.ask) {
                self.print.unanswered += 1;
            }
        }
    }

    /// What was taken.
    pub fn print(self) -> Fingerprint {
        let mut probes = self.probes;
        // Maps are made fastest of what is in order.
        probes.sort_by_key(|(probe, _)| &probe.id);
        Fingerprint {
            choices: each(&mut probes, |probe, parts| parts.choice(&probe.ask)),
            next: each(&mut probes, |_, parts| parts.next.take()),
            pool: each(&mut probes, |_, parts| parts.pool.take()),
            shorts: each(&mut probes, |_, parts| samples(&mut parts.shorts)),
            texts: each(&mut probes, |_, parts| samples(&mut parts.texts)),
            readings: each(&mut probes, |_, parts| parts.readings.take()),
            ..self.print
        }
    }
}

/// Something of the probes that have it.
fn each<T>(
    probes: &mut [(&Probe, Parts)],
    of: impl Fn(&Probe, &mut Parts) -> Option<T>,
) -> BTreeMap<String, T> {
    let found = probes.iter_mut();
    let found = found.filter_map(|(probe, parts)| Some((probe.id.clone(), of(probe, parts)?)));
    found.collect()
}

/// Samples in their order; `None` if there are none.
fn samples(of: &mut BTreeMap<(usize, usize), String>) -> Option<Vec<String>> {
    (!of.is_empty()).then(|| std::mem::take(of).into_values().collect())
}

/// What one probe's answers give; samples by variant and number.
#[derive(Debug, Default)]
struct Parts {
    rotations: Vec<Vec<f64>>,
    next: Option<Vec<Continuation>>,
    pool: Option<BTreeMap<String, f64>>,
    readings: Option<Readings>,
    texts: BTreeMap<(usize, usize), String>,
    shorts: BTreeMap<(usize, usize), String>,
}

impl Parts {
    /// The distribution over the options of a closed question, if there is one.
    fn choice(&self, ask: &Ask) -> Option<Vec<f64>> {
        let scored = || (!self.rotations.is_empty()).then(|| mean(&self.rotations));
        let Ask::Choose { options } = ask else {
            return scored();
        };
        let texts = self.shorts.values().map(String::as_str);
        choices::of_samples(texts, options).or_else(scored)
    }

    /// Adds an answer; false for one that is none.
    fn add<S: AsRef<str>>(&mut self, entry: &Entry<S>, ask: &Ask) -> bool {
        match (&entry.question.request, &entry.response) {
            (Request::Score { texts }, Response::Scored { scores }) => {
                let logs = scores.iter().map(|s| s.log_probability);
                let named = texts.iter().zip(logs.clone());
                let named = named.filter_map(|(text, log)| Some((text.as_ref(), log?)));
                match ask {
                    Ask::Choose { .. } => {
                        let logs: Option<Vec<f64>> = logs.collect();
                        self.rotations.extend(logs.and_then(|l| normalise(&l)));
                    }
                    Ask::Next => {
                        let named = named.map(|(text, log)| (text.to_owned(), log));
                        self.pool.get_or_insert_default().extend(named);
                    }
                    Ask::Write { .. } => {
                        let readings = self.readings.get_or_insert_default();
                        named.for_each(|(text, log)| readings.insert(text, log));
                    }
                }
            }
            (Request::Next { .. }, Response::Next { top }) => match ask {
                Ask::Choose { options } => {
                    self.rotations.extend(choices::of_tokens(top, options));
                }
                _ => self.next = Some(top.iter().map(Continuation::owned).collect()),
            },
            (Request::Write { sample, .. }, Response::Text { text, .. }) => {
                let samples = match ask {
                    Ask::Write { .. } => &mut self.texts,
                    Ask::Choose { .. } | Ask::Next => &mut self.shorts,
                };
                let text = text.as_ref().to_owned();
                samples.insert((entry.question.variant, *sample), text);
            }
            _ => return false,
        }
        true
    }
}

/// Log-probabilities to a distribution over the alternatives; `None` if none is possible.
fn normalise(logs: &[f64]) -> Option<Vec<f64>> {
    let max = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !max.is_finite() {
        return None;
    }
    let weights: Vec<f64> = logs.iter().map(|l| (l - max).exp()).collect();
    let total: f64 = weights.iter().sum();
    Some(weights.iter().map(|w| w / total).collect())
}

fn mean(parts: &[Vec<f64>]) -> Vec<f64> {
    let width = parts.iter().map(Vec::len).min().unwrap_or(0);
    (0..width)
        .map(|i| parts.iter().map(|p| p[i]).sum::<f64>() / parts.len() as f64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_are_normalised_without_overflow() {
        let p = normalise(&[-1000.0, -1000.0 + 3f64.ln()]).unwrap();
        assert!((p[0] - 0.25).abs() < 1e-12 && (p[1] - 0.75).abs() < 1e-12);
        assert_eq!(normalise(&[f64::NEG_INFINITY]), None);
        assert_eq!(normalise(&[]), None);
    }

    #[test]
    fn the_first_texts_that_are_not_empty_are_read() {
        let texts = ["", "a", "b", "a", "", "c", "d"].map(str::to_owned);
        let read: Vec<&String> = to_read(&texts).collect();
        assert_eq!(read, ["a", "b", "a", "c"]);
        assert_eq!(to_read(&texts[..1]).count(), 0);
    }

    #[test]
    fn rotations_are_averaged() {
        assert_eq!(mean(&[vec![0.0, 1.0], vec![1.0, 0.0]]), vec![0.5, 0.5]);
    }
}
