//! A recording as something that can be compared: by probe, over strings, without tokens.

mod choices;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::battery::{Ask, Battery};
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
    /// Log-probability (nats) of texts written by others, by probe and text.
    pub readings: BTreeMap<String, BTreeMap<String, f64>>,
    /// Questions without an answer.
    pub unanswered: usize,
    /// What became of the questions, all passes together.
    pub counts: AnswerCounts,
    /// Answers left out because sentinels show that the model had changed before them.
    pub set_aside: usize,
}

impl AnswerCounts {
    fn add(&mut self, response: &Response) {
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

    fn add(&mut self, entry: &Entry, ask: &Ask, parts: &mut Parts) {
        let probe = &entry.question.probe;
        match (&entry.question.request, &entry.response) {
            (Request::Score { texts }, Response::Scored { scores }) => {
                let logs: Vec<Option<f64>> = scores.iter().map(|s| s.log_probability).collect();
                let named = texts.iter().cloned().zip(logs.iter().copied());
                let named = named.filter_map(|(text, log)| Some((text, log?)));
                match ask {
                    Ask::Choose { .. } => {
                        let distribution = whole(&logs).and_then(|l| normalise(&l));
                        parts.rotation(probe, distribution);
                    }
                    Ask::Next => self.pool.entry(probe.clone()).or_default().extend(named),
                    Ask::Write { .. } => {
                        let readings = self.readings.entry(probe.clone()).or_default();
                        readings.extend(named);
                    }
                }
            }
            (Request::Next { .. }, Response::Next { top }) => match ask {
                Ask::Choose { options } => {
                    parts.rotation(probe, choices::of_tokens(top, options));
                }
                _ => {
                    self.next.insert(probe.clone(), top.clone());
                }
            },
            (Request::Write { sample, .. }, Response::Text { text, .. }) => {
                let samples = match ask {
                    Ask::Write { .. } => &mut parts.texts,
                    Ask::Choose { .. } | Ask::Next => &mut parts.shorts,
                };
                let samples = samples.entry(probe.clone()).or_default();
                samples.insert((entry.question.variant, *sample), text.clone());
            }
            _ => self.unanswered += 1,
        }
    }
}

/// A fingerprint while answers come in one by one, for recordings too long to be held.
#[derive(Debug)]
pub struct Taking<'a> {
    asks: BTreeMap<&'a str, &'a Ask>,
    print: Fingerprint,
    parts: Parts,
    /// Answers that are still to be taken; those behind them are set aside.
    stable: usize,
}

impl<'a> Taking<'a> {
    /// Nothing yet of (a part of) a battery; so many answers are of one model (see
    /// [`sentinel::Watch::stable`]).
    pub fn new(battery: &'a Battery, stable: usize) -> Self {
        let asks = battery.probes.iter().map(|p| (p.id.as_str(), &p.ask));
        Self {
            asks: asks.collect(),
            print: Fingerprint::default(),
            parts: Parts::default(),
            stable,
        }
    }

    /// Takes one answer. What is no answer to a probe of the battery is passed over.
    pub fn take(&mut self, entry: &Entry) {
        if self.stable == 0 {
            self.print.set_aside += 1;
            return;
        }
        self.stable -= 1;
        if let Some(ask) = self.asks.get(entry.question.probe.as_str()) {
            self.print.counts.add(&entry.response);
            self.print.add(entry, ask, &mut self.parts);
        }
    }

    /// What was taken.
    pub fn print(self) -> Fingerprint {
        let Self {
            asks,
            mut print,
            parts,
            ..
        } = self;
        print.choices = parts
            .rotations
            .into_iter()
            .map(|(probe, parts)| (probe, mean(&parts)))
            .collect();
        for (probe, texts) in &parts.shorts {
            if let Some(Ask::Choose { options }) = asks.get(probe.as_str()) {
                let chosen = choices::of_samples(texts.values().map(String::as_str), options);
                print.choices.extend(chosen.map(|c| (probe.clone(), c)));
            }
        }
        let in_order = |samples: BTreeMap<String, BTreeMap<(usize, usize), String>>| {
            samples
                .into_iter()
                .map(|(probe, texts)| (probe, texts.into_values().collect()))
                .collect()
        };
        print.texts = in_order(parts.texts);
        print.shorts = in_order(parts.shorts);
        print
    }
}

/// What is put together from several answers; samples by variant and number.
#[derive(Debug, Default)]
struct Parts {
    rotations: BTreeMap<String, Vec<Vec<f64>>>,
    texts: BTreeMap<String, BTreeMap<(usize, usize), String>>,
    shorts: BTreeMap<String, BTreeMap<(usize, usize), String>>,
}

impl Parts {
    fn rotation(&mut self, probe: &str, distribution: Option<Vec<f64>>) {
        if let Some(distribution) = distribution {
            let rotations = self.rotations.entry(probe.to_owned()).or_default();
            rotations.push(distribution);
        }
    }
}

/// All values, or nothing when one is missing.
fn whole(logs: &[Option<f64>]) -> Option<Vec<f64>> {
    logs.iter().copied().collect()
}

/// Log-probabilities to a distribution over the alternatives; nothing when none is possible.
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
    fn rotations_are_averaged() {
        assert_eq!(mean(&[vec![0.0, 1.0], vec![1.0, 0.0]]), vec![0.5, 0.5]);
    }
}
