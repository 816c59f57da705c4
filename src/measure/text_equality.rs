//! The equality gate on text alone: do two models' samples come from one distribution?
//!
//! A two-sample test with the maximum mean discrepancy (MMD) under the Hamming kernel: the share of
//! places at which two answers to the same prompt have the same character.
//!
//! ```text
//! T = mean K(x, x') - 2 mean K(x, y) + mean K(y, y')      x != x' of one model, y != y' of the other
//! p = (1 + #{exchanges with T at least as large}) / (1 + exchanges)
//! ```
//!
//! The means run over all pairs within a prompt, all prompts together; T is dimensionless, about 0 for
//! equal models (also below, for it is unbiased) and at most 2. Answers are cut to [`LONGEST`] characters
//! and padded to the longest at their prompt; padding equals padding. Exchanges shuffle the samples of both
//! models within each prompt, which holds whatever the prompts are.
//!
//! Source: Gao, Liang and Guestrin, "Model Equality Testing: Which Model Is This API Serving?" (ICLR 2025,
//! arXiv 2410.20247), whose package model-equality-testing gives the same T where all prompts have one
//! longest answer; it pads to one length for all prompts and exchanges across them.
//!
//! What may be claimed: a small p says that the answers differ, which may be the model, its quantisation,
//! its sampling or its system prompt. A large p says nothing by itself: with few samples strangers pass as
//! well, so the same test between the protected model and its controls has to tell *them* apart. It never
//! says anything of distillation: a student always differs from its teacher.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use schemars::JsonSchema;
use serde::Serialize;

use crate::digest;
use crate::fingerprint::Fingerprint;

/// Characters of an answer that are compared.
pub const LONGEST: usize = 200;
/// Samples of one model at one prompt that are compared, the first.
const MOST_SAMPLES: usize = 32;
/// Exchanges, so that p is at least 1/1000.
const EXCHANGES: usize = 999;
/// Sums in another order differ by rounding.
const ROUNDING: f64 = 1e-12;

/// The constants by name.
pub(super) fn constants() -> [(&'static str, f64); 3] {
    [
        ("texts.longest", LONGEST as f64),
        ("texts.most_samples", MOST_SAMPLES as f64),
        ("texts.exchanges", EXCHANGES as f64),
    ]
}

/// How far apart two models' texts are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct TextEquality {
    /// Squared maximum mean discrepancy, unbiased; dimensionless.
    pub statistic: f64,
    /// Probability of a statistic at least as large if both models are one.
    pub p: f64,
    /// Samples compared, both models together.
    pub samples: usize,
    /// Prompts compared.
    pub prompts: usize,
}

/// The samples of two models at one prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Samples<'a> {
    pub(super) a: &'a [String],
    pub(super) b: &'a [String],
}

/// Compares the texts of two models at the prompts that both answered: open text, and short samples that
/// stand for what follows a context. Closed questions are left out, whose samples answer several forms of
/// a prompt. `None` unless each model has two samples at some prompt.
///
/// The exchanges are drawn from a generator seeded with the texts. Time grows with prompts times the
/// square of samples (at most 32 a model) times the longest answer or the number of exchanges.
pub fn text_equality(a: &Fingerprint, b: &Fingerprint) -> Option<TextEquality> {
    let open = a.shorts.iter().filter(|(p, _)| !a.choices.contains_key(*p));
    let shorts = open.filter_map(|(p, texts)| Some((texts, b.shorts.get(p)?)));
    let texts = a
        .texts
        .iter()
        .filter_map(|(p, t)| Some((t, b.texts.get(p)?)));
    let prompts: Vec<Samples<'_>> = shorts.chain(texts).map(|(a, b)| Samples { a, b }).collect();
    two_samples(&prompts)
}

/// The test on the samples at several prompts.
pub(super) fn two_samples(prompts: &[Samples<'_>]) -> Option<TextEquality> {
    let prompts: Vec<Samples<'_>> = prompts
        .iter()
        .map(|s| Samples {
            a: &s.a[..s.a.len().min(MOST_SAMPLES)],
            b: &s.b[..s.b.len().min(MOST_SAMPLES)],
        })
        .filter(|s| !s.a.is_empty() && !s.b.is_empty())
        .collect();
    let kernels: Vec<Kernel> = prompts.iter().map(Kernel::new).collect();
    let orders = || kernels.iter().map(|k| (0..k.size).collect());
    let mut orders: Vec<Vec<usize>> = orders().collect();
    let observed = statistic(&kernels, &orders)?;
    let mut rng = ChaCha8Rng::from_seed(digest::seed(&("text equality", &prompts)));
    let mut as_large = 0;
    for _ in 0..EXCHANGES {
        for order in &mut orders {
            shuffle(order, &mut rng);
        }
        let exchanged = statistic(&kernels, &orders)?;
        as_large += usize::from(exchanged >= observed - ROUNDING);
    }
    Some(TextEquality {
        statistic: observed,
        p: (1 + as_large) as f64 / (1 + EXCHANGES) as f64,
        samples: kernels.iter().map(|k| k.size).sum(),
        prompts: kernels.len(),
    })
}

/// The likeness of every pair of samples at one prompt, those of the first model first.
struct Kernel {
    first: usize,
    size: usize,
    values: Vec<f64>,
    total: f64,
}

impl Kernel {
    fn new(samples: &Samples<'_>) -> Self {
        let cut = |t: &String| t.chars().take(LONGEST).collect::<Vec<char>>();
        let texts: Vec<Vec<char>> = samples.a.iter().chain(samples.b).map(cut).collect();
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let alike = |x: &[char], y: &[char]| {
            let same = x.iter().zip(y).filter(|(c, d)| c == d).count();
            (same + longest - x.len().max(y.len())) as f64 / longest as f64
        };
        let size = texts.len();
        let values: Vec<f64> = (0..size * size)
            .map(|i| (i / size, i % size))
            .map(|(i, j)| {
                if i == j {
                    0.0
                } else {
                    alike(&texts[i], &texts[j])
                }
            })
            .collect();
        Self {
            first: samples.a.len(),
            size,
            total: values.iter().sum(),
            values,
        }
    }

    /// The sum over ordered pairs of some samples.
    fn within(&self, chosen: &[usize]) -> f64 {
        let row = |i: &usize| &self.values[i * self.size..][..self.size];
        let sum = |i: &usize| chosen.iter().map(|j| row(i)[*j]).sum::<f64>();
        chosen.iter().map(sum).sum()
    }
}

/// The statistic when the first samples of each order are the first model's; `None` if a mean has no
/// pairs.
fn statistic(kernels: &[Kernel], orders: &[Vec<usize>]) -> Option<f64> {
    let (mut a, mut between, mut b) = ((0.0, 0), (0.0, 0), (0.0, 0));
    for (kernel, order) in kernels.iter().zip(orders) {
        let (n, m) = (kernel.first, kernel.size - kernel.first);
        let (own, other) = (kernel.within(&order[..n]), kernel.within(&order[n..]));
        a = (a.0 + own, a.1 + n * (n - 1));
        b = (b.0 + other, b.1 + m * (m - 1));
        between = (
            between.0 + (kernel.total - own - other) / 2.0,
            between.1 + n * m,
        );
    }
    let mean = |(sum, pairs): (f64, usize)| (pairs > 0).then(|| sum / pairs as f64);
    Some(mean(a)? - 2.0 * mean(between)? + mean(b)?)
}

/// Fisher and Yates.
fn shuffle(order: &mut [usize], rng: &mut ChaCha8Rng) {
    for i in (1..order.len()).rev() {
        order.swap(i, below(i + 1, rng));
    }
}

/// A number below `n`, which is small: the bias is below 2^-57.
fn below(n: usize, rng: &mut ChaCha8Rng) -> usize {
    usize::try_from(rng.next_u64() % n as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Answer {
        a: Vec<Vec<String>>,
        b: Vec<Vec<String>>,
        statistic: f64,
        /// Over every exchange, where they are few.
        p: Option<f64>,
    }

    fn test(a: &[Vec<String>], b: &[Vec<String>]) -> Option<TextEquality> {
        let pairs = a.iter().zip(b);
        two_samples(&pairs.map(|(a, b)| Samples { a, b }).collect::<Vec<_>>())
    }

    // model-equality-testing 0.0.2, by scripts/make-equality-answers.py.
    #[test]
    fn the_statistic_agrees_with_the_authors_package() {
        let data = include_str!("../../tests/data/text_equality.json");
        let answers: Vec<Answer> = serde_json::from_str(data).unwrap();
        assert_eq!(answers.len(), 5);
        for (n, answer) in answers.iter().enumerate() {
            let found = test(&answer.a, &answer.b).unwrap();
            let off = (found.statistic - answer.statistic).abs();
            assert!(off < 1e-12, "{n}: {found:?} {}", answer.statistic);
            if let Some(p) = answer.p {
                // Four standard errors of a share of 999 exchanges, and the one that counts itself.
                let margin = 4.0 * (p * (1.0 - p) / 999.0).sqrt() + 1e-3;
                assert!((found.p - p).abs() < margin, "{n}: {} {p}", found.p);
            }
        }
        assert!(answers.iter().any(|a| a.p.is_some_and(|p| p < 0.05)));
    }

    /// Samples of a model that writes one of a few words, by a rule of its own.
    fn written(model: u64, prompts: usize, samples: usize, seed: u64) -> Fingerprint {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut print = Fingerprint::default();
        for p in 0..prompts {
            let mut word = || ["one", "two", "seven", "eleven"][below(3, &mut rng)].to_owned();
            let mut text = || if model == 0 { word() } else { word() + "teen" };
            let texts = (0..samples).map(|_| text()).collect();
            print.texts.insert(format!("p-{p}"), texts);
        }
        print
    }

    #[test]
    fn two_samples_of_one_model_are_rejected_no_more_often_than_said() {
        let p = |seed| {
            let (a, b) = (written(0, 6, 4, seed), written(0, 6, 4, seed + 1000));
            text_equality(&a, &b).unwrap().p
        };
        let ps: Vec<f64> = (0..200).map(p).collect();
        let below = |level: f64| ps.iter().filter(|p| **p <= level).count();
        // Binomial: 10 and 100 expected, 4 standard deviations 12 and 28.
        assert!(below(0.05) <= 22, "{}", below(0.05));
        assert!((72..=128).contains(&below(0.5)), "{}", below(0.5));
    }

    #[test]
    fn strangers_are_told_apart_when_there_are_samples_enough() {
        let test = |samples| {
            let (a, b) = (written(0, 6, samples, 1), written(1, 6, samples, 2));
            text_equality(&a, &b)
        };
        let found = test(6).unwrap();
        assert!(found.p < 0.01 && found.statistic > 0.1, "{found:?}");
        assert_eq!((found.samples, found.prompts), (72, 6));
        assert_eq!(found, test(6).unwrap());
        assert_eq!(test(1), None);
        assert_eq!(test(0), None);
    }

    #[test]
    fn closed_questions_and_prompts_of_one_side_take_no_part() {
        let (mut a, mut b) = (written(0, 2, 3, 1), written(0, 2, 3, 2));
        let plain = text_equality(&a, &b);
        let words = |w: &str| vec![w.to_owned(); 3];
        for (print, word) in [(&mut a, "x"), (&mut b, "y")] {
            print.choices.insert("c-1".to_owned(), vec![1.0]);
            print.shorts.insert("c-1".to_owned(), words(word));
        }
        a.texts.insert("only-a".to_owned(), words("z"));
        assert_eq!(text_equality(&a, &b), plain);
        for (print, word) in [(&mut a, "x"), (&mut b, "y")] {
            print.shorts.insert("n-1".to_owned(), words(word));
        }
        assert_eq!(text_equality(&a, &b).unwrap().prompts, 3);
    }

    #[test]
    fn any_text_is_taken() {
        let texts = |t: &[&str]| vec![t.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()];
        let same = test(&texts(&["", ""]), &texts(&["", ""])).unwrap();
        assert!(same.statistic.abs() < 1e-15 && (same.p - 1.0).abs() < 1e-15);
        let long = "a".repeat(1 << 20);
        let far = test(&texts(&[&long, &long]), &texts(&["\u{202e}", "本"])).unwrap();
        assert!(far.statistic > 1.9, "{far:?}");
        // Beyond the limit nothing is read.
        let longer = long.clone() + "b";
        let equal = test(&texts(&[&long, &long]), &texts(&[&longer, &longer])).unwrap();
        assert!(equal.statistic.abs() < 1e-15);
        let many = vec![vec!["a".to_owned(); 100]];
        assert_eq!(test(&many, &many).unwrap().samples, 2 * MOST_SAMPLES);
    }
}
