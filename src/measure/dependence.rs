//! Whether a model's answers depend on what it was asked.
//!
//! Who gives one sentence to everything, or answers that were made of another prompt, shows nothing of what a model has
//! learned, and stands as far from every candidate parent as a stranger does. So a model's answers to different questions
//! are held against each other before anything is concluded from them.
//!
//! Two answers to one question begin alike more often than two answers to different questions: with probabilities p(w) of
//! what an answer begins with, the mean over questions of the sum of p(w) squared, against the mean over pairs of questions
//! of the sum of p(w) q(w). Simpson's index of concentration (1949) is the former. The tiny models of the shipped family,
//! asked for 16 short samples of 40 questions, have ratios of 1.8 to 6.1; answers that do not depend on the question have
//! a ratio of one; of their most probable tokens after 20 contexts the ratios of 25 such models are 3.3 to 9.6.

use std::collections::{BTreeMap, HashMap};

use crate::fingerprint::Fingerprint;

/// Below this ratio answers do not depend on the question.
pub(crate) const LEAST_RATIO: f64 = 1.2;
/// The share of the open answers that one text may make up.
pub(crate) const MOST_ONE_TEXT: f64 = 0.5;
/// Fewer questions say nothing.
const MIN_PROBES: usize = 10;
/// Fewer samples of a question do not say what its answers begin with.
const MIN_SAMPLES: usize = 4;

/// How answers show that they do not depend on the question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unresponsive {
    /// One text makes up so large a share of the open answers.
    OneText {
        /// The share.
        share: f64,
        /// Questions looked at.
        probes: usize,
    },
    /// Answers to one question begin alike no more often than answers to different ones.
    Alike {
        /// How often two answers to one question do.
        within: f64,
        /// How often two answers to different questions do.
        across: f64,
        /// Questions looked at.
        probes: usize,
    },
}

impl Unresponsive {
    /// In words, of whom they are said.
    pub fn words(&self) -> String {
        match self {
            Self::OneText { share, probes } => format!(
                "one text makes up {:.0} % of its open answers to {probes} different questions",
                100.0 * share
            ),
            Self::Alike {
                within,
                across,
                probes,
            } => format!(
                "answers to one question begin alike no more often ({:.1} %) than answers to different questions do ({:.1} %, {probes} questions)",
                100.0 * within,
                100.0 * across
            ),
        }
    }
}

/// Why a model's answers say nothing of it; `None` if they depend on the question, or too little was asked to tell.
pub fn unresponsive(print: &Fingerprint) -> Option<Unresponsive> {
    one_text(&print.texts)
        .or_else(|| alike(&of_tokens(print)).or_else(|| alike(&of_samples(&print.shorts))))
}

/// What answers to one question begin with.
struct Beginnings<'a> {
    /// The probability of each.
    shares: HashMap<&'a str, f64>,
    /// That of two answers that begin alike.
    within: f64,
}

fn of_tokens(print: &Fingerprint) -> Vec<Beginnings<'_>> {
    let questions = print.next.values().filter(|top| !top.is_empty());
    questions
        .map(|top| {
            let tokens = top.iter();
            let shares = tokens.map(|t| (t.text.as_str(), t.log_probability.exp()));
            let shares: HashMap<&str, f64> = shares.collect();
            let within = squares(&shares);
            Beginnings { shares, within }
        })
        .collect()
}

fn of_samples(shorts: &BTreeMap<String, Vec<String>>) -> Vec<Beginnings<'_>> {
    let questions = shorts.values().filter(|s| s.len() >= MIN_SAMPLES);
    questions
        .map(|samples| {
            let n = samples.len() as f64;
            let mut shares = HashMap::new();
            for sample in samples {
                let word = sample.split_whitespace().next().unwrap_or_default();
                *shares.entry(word).or_insert(0.0) += 1.0 / n;
            }
            // Two of the samples, not one twice: with few samples that would look like dependence.
            let within = (n * squares(&shares) - 1.0) / (n - 1.0);
            Beginnings { shares, within }
        })
        .collect()
}

fn alike(questions: &[Beginnings<'_>]) -> Option<Unresponsive> {
    let probes = questions.len();
    if probes < MIN_PROBES {
        return None;
    }
    let n = probes as f64;
    let within = questions.iter().map(|q| q.within).sum::<f64>() / n;
    // The sum over all pairs is the square of the sum, without the pairs of a question with itself. Words are added in
    // their order, so that the last digit is always the same.
    let mut total: BTreeMap<&str, f64> = BTreeMap::new();
    for question in questions {
        for (word, share) in &question.shares {
            *total.entry(word).or_insert(0.0) += share;
        }
    }
    let all: f64 = total.values().map(|p| p * p).sum();
    let own: f64 = questions.iter().map(|q| squares(&q.shares)).sum();
    let across = (all - own) / (n * (n - 1.0));
    (across > 0.0 && within < LEAST_RATIO * across).then_some(Unresponsive::Alike {
        within,
        across,
        probes,
    })
}

fn squares(shares: &HashMap<&str, f64>) -> f64 {
    let mut squares: Vec<f64> = shares.values().map(|p| p * p).collect();
    squares.sort_by(f64::total_cmp);
    squares.iter().sum()
}

fn one_text(texts: &BTreeMap<String, Vec<String>>) -> Option<Unresponsive> {
    let probes = texts.len();
    if probes < MIN_PROBES {
        return None;
    }
    let (mut counts, mut all) = (HashMap::new(), 0usize);
    for text in texts.values().flatten() {
        *counts.entry(text.trim()).or_insert(0usize) += 1;
        all += 1;
    }
    let most = counts.into_values().max()?;
    let share = most as f64 / all as f64;
    (share >= MOST_ONE_TEXT).then_some(Unresponsive::OneText { share, probes })
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

    use super::*;
    use crate::response::Continuation;

    /// Short samples of twenty questions, each drawn from words that `favours` says of its question.
    fn sampled(favours: impl Fn(usize) -> usize) -> Fingerprint {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut print = Fingerprint::default();
        for question in 0..20 {
            let samples = (0..16).map(|_| {
                let own = rng.next_u32() % 10 < 4;
                let word = if own {
                    favours(question)
                } else {
                    rng.next_u32() as usize % 30
                };
                format!("w{word} and more")
            });
            print
                .shorts
                .insert(format!("p-{question}"), samples.collect());
        }
        print
    }

    #[test]
    fn answers_that_depend_on_the_question_are_told_from_those_that_do_not() {
        assert_eq!(unresponsive(&sampled(|question| question)), None);
        let found = unresponsive(&sampled(|_| 7));
        assert!(
            matches!(found, Some(Unresponsive::Alike { probes: 20, .. })),
            "{found:?}"
        );
        // Of few questions nothing is said.
        let mut few = sampled(|_| 7);
        few.shorts.retain(|probe, _| probe.len() < 4);
        few.shorts.remove("p-0");
        assert_eq!(unresponsive(&few), None);
        assert_eq!(unresponsive(&Fingerprint::default()), None);
    }

    #[test]
    fn the_ratio_is_that_of_simpsons_index() {
        let question = |words: [&'static str; 2]| {
            let shares = HashMap::from(words.map(|word| (word, 0.5)));
            let within = squares(&shares);
            Beginnings { shares, within }
        };
        let second = |i: usize| if i.is_multiple_of(2) { "b" } else { "c" };
        let questions: Vec<Beginnings<'_>> = (0..10).map(|i| question(["a", second(i)])).collect();
        // Within 0.5; across 0.25 of "a", and 0.25 more for the 4 of 9 others that share the second word.
        assert!(alike(&questions).is_none());
        let same: Vec<Beginnings<'_>> = (0..10).map(|_| question(["a", "b"])).collect();
        let Some(Unresponsive::Alike { within, across, .. }) = alike(&same) else {
            panic!("the same for all");
        };
        assert!((within - 0.5).abs() < 1e-12 && (across - 0.5).abs() < 1e-12);
        // Of four samples, two and two: two of six pairs are alike.
        let samples = BTreeMap::from([(
            "p".to_owned(),
            ["a x", "a", "b", "b y"].map(str::to_owned).to_vec(),
        )]);
        assert!((of_samples(&samples)[0].within - 2.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn one_distribution_for_all_contexts_is_found() {
        let mut print = Fingerprint::default();
        let token = |text: &str, p: f64| Continuation {
            text: text.to_owned(),
            log_probability: p.ln(),
        };
        for i in 0..12 {
            print
                .next
                .insert(format!("p-{i}"), vec![token("a", 0.6), token("b", 0.3)]);
        }
        assert!(matches!(
            unresponsive(&print),
            Some(Unresponsive::Alike { .. })
        ));
        for i in 0..12 {
            print.next.insert(
                format!("p-{i}"),
                vec![token("a", 0.2), token(&format!("t{i}"), 0.5)],
            );
        }
        assert_eq!(unresponsive(&print), None);
    }

    #[test]
    fn one_sentence_to_everything_is_found() {
        let mut print = Fingerprint::default();
        for i in 0..10 {
            let other = format!("an answer to {i}");
            let texts = [
                "I would rather not say.",
                " I would rather not say.",
                &other,
            ];
            print
                .texts
                .insert(format!("p-{i}"), texts.map(str::to_owned).to_vec());
        }
        let found = unresponsive(&print).map(|u| u.words()).unwrap_or_default();
        assert!(found.starts_with("one text makes up 67 %"), "{found}");
        for texts in print.texts.values_mut() {
            texts[0].push('!');
            let probe = texts[2].clone();
            texts[1] = probe;
        }
        assert_eq!(unresponsive(&print), None);
    }
}
