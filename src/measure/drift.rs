//! Drift: did the model change behind its name while it was asked?
//!
//! The same few questions, the sentinels, are asked in several rounds of a run. Rounds that follow each
//! other are compared, and the first with the last. Where the most probable tokens were given, the largest
//! difference of log-probability counts; where only text was, the two-sample test of
//! [`super::text_equality`], corrected by Holm's method for the comparisons made.

use std::collections::BTreeMap;

use serde::Serialize;

use super::text_equality::{Samples, two_samples};
use crate::response::Continuation;
use crate::weigh::holm;

/// What the sentinels were answered in one round, by probe.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Round {
    /// The most probable tokens.
    pub tops: BTreeMap<String, Vec<Continuation>>,
    /// Samples of text.
    pub texts: BTreeMap<String, Vec<String>>,
}

/// Two rounds compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Drift {
    /// The earlier round.
    pub from: usize,
    /// The later one.
    pub to: usize,
    /// Largest absolute difference of log-probability (nats) over the strings that both lists of a probe
    /// name; infinite when two lists name none in common. `None` without such lists.
    pub largest: Option<f64>,
    /// The two-sample p, Holm-corrected over all pairs of rounds with text; `None` without enough text.
    pub p: Option<f64>,
}

impl Drift {
    /// Whether the rounds differ: by more than `tolerance` nats, or with p of at most `alpha`.
    ///
    /// Servers repeat themselves only nearly: one that read most of a prompt from its cache moved a
    /// log-probability by 2e-5 nats, and batches, other hardware and 16-bit arithmetic move more. The
    /// tolerance is what an endpoint was seen to do when asked twice in a row, and a margin.
    pub fn is_beyond(&self, tolerance: f64, alpha: f64) -> bool {
        self.largest.is_some_and(|d| d > tolerance) || self.p.is_some_and(|p| p <= alpha)
    }
}

/// Compares rounds, which stand in the order in which they were asked. Fewer than two have no drift.
pub fn drift(rounds: &[Round]) -> Vec<Drift> {
    let last = rounds.len().saturating_sub(1);
    let ends = (last > 1).then_some((0, last));
    let pairs = (0..last).map(|i| (i, i + 1)).chain(ends);
    let mut drifts: Vec<Drift> = pairs
        .map(|(from, to)| Drift {
            from,
            to,
            largest: largest(&rounds[from], &rounds[to]),
            p: p_of(&rounds[from], &rounds[to]),
        })
        .collect();
    let found: Vec<f64> = drifts.iter().filter_map(|d| d.p).collect();
    let corrected = holm(&found).unwrap_or_default();
    let with_text = drifts.iter_mut().filter_map(|d| d.p.as_mut());
    for (p, corrected) in with_text.zip(corrected) {
        *p = corrected;
    }
    drifts
}

fn largest(from: &Round, to: &Round) -> Option<f64> {
    from.tops
        .iter()
        .filter_map(|(probe, top)| largest_of_probe(top, to.tops.get(probe)?))
        .reduce(f64::max)
}

/// `None` if a list is empty.
fn largest_of_probe(a: &[Continuation], b: &[Continuation]) -> Option<f64> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let (a, b) = (logs(a), logs(b));
    let differences = a
        .iter()
        .filter_map(|(text, log)| Some((log - b.get(text)?).abs()));
    // Lists without a string in common could hardly differ more.
    Some(differences.reduce(f64::max).unwrap_or(f64::INFINITY))
}

/// Log-probabilities by string; two tokens of one text are one string.
fn logs(top: &[Continuation]) -> BTreeMap<&str, f64> {
    let mut masses: BTreeMap<&str, f64> = BTreeMap::new();
    for continuation in top.iter().filter(|c| c.log_probability.is_finite()) {
        *masses.entry(&continuation.text).or_default() += continuation.log_probability.exp();
    }
    masses
        .into_iter()
        .map(|(text, mass)| (text, mass.ln()))
        .collect()
}

fn p_of<'a>(from: &'a Round, to: &'a Round) -> Option<f64> {
    let both = |(probe, a): (&String, &'a Vec<String>)| {
        let b = to.texts.get(probe)?;
        Some(Samples { a, b })
    };
    let prompts: Vec<Samples<'a>> = from.texts.iter().filter_map(both).collect();
    two_samples(&prompts).map(|test| test.p)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tops(logs: &[(&str, f64)]) -> Round {
        let token = |(text, log): &(&str, f64)| Continuation {
            text: (*text).to_owned(),
            log_probability: *log,
        };
        Round {
            tops: [("s-1".to_owned(), logs.iter().map(token).collect())].into(),
            ..Round::default()
        }
    }

    fn texts(word: &str, prompts: usize, samples: usize) -> Round {
        let text = |p: usize, s: usize| format!("{word} {} {}", p, s % 3);
        let of_prompt = |p| (0..samples).map(|s| text(p, s)).collect();
        Round {
            texts: (0..prompts)
                .map(|p| (format!("s-{p}"), of_prompt(p)))
                .collect(),
            ..Round::default()
        }
    }

    #[test]
    fn the_largest_difference_over_shared_strings_counts() {
        let a = tops(&[("x", -0.1), ("y", -3.0), ("only a", -4.0)]);
        let b = tops(&[("y", -3.5), ("x", -0.2), ("only b", -9.0)]);
        let found = drift(&[a.clone(), b.clone(), a.clone()]);
        let places: Vec<_> = found.iter().map(|d| (d.from, d.to)).collect();
        assert_eq!(places, [(0, 1), (1, 2), (0, 2)]);
        assert!((found[0].largest.unwrap() - 0.5).abs() < 1e-12);
        assert!(found[2].largest.unwrap() < 1e-15);
        assert!(found[0].is_beyond(0.4, 0.05) && !found[0].is_beyond(0.6, 0.05));
        assert!(found.iter().all(|d| d.p.is_none()));
        // Two tokens of one text: their masses add up.
        let half = 0.5f64.ln();
        let twice = tops(&[("x", -0.1 + half), ("x", -0.1 + half)]);
        assert!(drift(&[a, twice])[0].largest.unwrap() < 1e-12);
    }

    #[test]
    fn lists_with_nothing_in_common_differ_without_bound() {
        let found = drift(&[tops(&[("x", -0.1)]), tops(&[("y", -0.1)])]);
        assert_eq!(found[0].largest, Some(f64::INFINITY));
        let empty = drift(&[tops(&[]), tops(&[("y", -0.1)])]);
        assert_eq!(empty[0].largest, None);
        assert!(!empty[0].is_beyond(0.0, 0.05));
        let broken = drift(&[tops(&[("x", f64::NAN)]), tops(&[("x", f64::NEG_INFINITY)])]);
        assert_eq!(broken[0].largest, Some(f64::INFINITY));
    }

    #[test]
    fn texts_that_change_in_the_middle_are_told_from_those_that_do_not() {
        let (before, after) = (texts("the same", 5, 8), texts("another", 5, 8));
        let found = drift(&[before.clone(), before.clone(), after.clone()]);
        assert!(!found[0].is_beyond(0.1, 0.05), "{found:?}");
        // Three comparisons: the smallest p there is, three times.
        assert!((found[1].p.unwrap() - 0.003).abs() < 1e-12, "{found:?}");
        assert!(found[1].is_beyond(0.1, 0.05) && found[2].is_beyond(0.1, 0.05));
        assert!((found[0].p.unwrap() - 1.0).abs() < 0.2);
    }

    #[test]
    fn one_round_or_none_has_no_drift() {
        assert!(drift(&[]).is_empty());
        assert!(drift(&[texts("a", 5, 8)]).is_empty());
        let two = drift(&[texts("a", 5, 1), Round::default()]);
        assert_eq!((two.len(), two[0].largest, two[0].p), (1, None, None));
    }
}
