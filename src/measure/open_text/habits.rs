//! Habits: which words and pairs of words a model's answers begin with, whatever they are about.
//!
//! For a window of the first characters of every answer (150 and 400), f a word or a pair of words that stands in at
//! least one of 500 answers of the panel, x(m, f) the share of model m's answers that hold it (samples of one prompt
//! share that prompt's weight) and n(m) the number of its answers:
//!
//! ```text
//! y(m, f) = asin sqrt((n x + 1/2) / (n + 1))
//! K(a, b) = sum over windows of  sum over f of y'(a, f) y'(b, f) / trace,   y' = y - mean over models of y
//! ```
//!
//! The arc sine makes the variance of a share about 1/(4 n) whatever the share (Anscombe, *Biometrika* 35 (1948)
//! 246-254, with his correction in its simplest form), so that rare and frequent features count alike. All models
//! answer the same prompts, so that what the prompts are about cancels. The windows are short because lengths differ
//! between models and would tell more than habits do; each window counts the same.

use std::collections::BTreeMap;

use ndarray::Array2;
use rayon::prelude::*;

use super::{Panel, centred};

/// One answer of so many must hold a feature.
pub(super) const ONE_OF: f64 = 500.0;

/// The inner products of every pair of members.
pub(super) fn inner(panel: &Panel<'_>) -> Array2<f64> {
    let members = panel.members.len();
    let mut total = Array2::zeros((members, members));
    for window in 0..super::words::WINDOWS.len() {
        let inner = centred(&of_window(panel, window));
        let trace: f64 = inner.diag().sum();
        if trace > 0.0 {
            total += &(inner / trace);
        }
    }
    total
}

/// The same of one window, with the mean vector still in.
fn of_window(panel: &Panel<'_>, window: usize) -> Array2<f64> {
    let counted: Vec<Shares> = panel
        .members
        .par_iter()
        .map(|(_, answers)| Shares::of(panel.probes.iter().map(|p| &answers[*p]), window))
        .collect();
    let mut held: BTreeMap<u64, f64> = BTreeMap::new();
    for (feature, share) in counted.iter().flat_map(|c| &c.shares) {
        *held.entry(*feature).or_default() += share;
    }
    let least = panel.members.len() as f64 / ONE_OF;
    let kept: Vec<u64> = held
        .into_iter()
        .filter(|(_, sum)| *sum >= least)
        .map(|(f, _)| f)
        .collect();
    let vectors: Vec<Vec<f64>> = counted.par_iter().map(|c| c.vector(&kept)).collect();
    let width = kept.len();
    let flat: Vec<f64> = vectors.into_iter().flatten().collect();
    // The shape is that of what was just made.
    let y = Array2::from_shape_vec((panel.members.len(), width), flat).unwrap_or_default();
    y.dot(&y.t())
}

/// The shares of one model's answers that hold each feature.
struct Shares {
    answers: f64,
    /// In the order of the features.
    shares: Vec<(u64, f64)>,
}

impl Shares {
    fn of<'a>(
        prompts: impl ExactSizeIterator<Item = &'a Vec<super::Features>>,
        window: usize,
    ) -> Self {
        let count = prompts.len() as f64;
        let mut answers = 0.0;
        let mut held: Vec<(u64, f64)> = Vec::new();
        for samples in prompts {
            answers += samples.len() as f64;
            let share = 1.0 / (count * samples.len() as f64);
            let features = samples.iter().flat_map(|s| &s.habits[window]);
            held.extend(features.map(|f| (*f, share)));
        }
        held.sort_by_key(|(feature, _)| *feature);
        let mut shares: Vec<(u64, f64)> = Vec::new();
        for (feature, share) in held {
            match shares.last_mut() {
                Some((last, sum)) if *last == feature => *sum += share,
                _ => shares.push((feature, share)),
            }
        }
        Self { answers, shares }
    }

    /// The variance-stabilised shares of the features that count, in their order.
    fn vector(&self, kept: &[u64]) -> Vec<f64> {
        let mut own = self.shares.iter().peekable();
        let value = |feature: &u64| {
            while own.next_if(|(f, _)| f < feature).is_some() {}
            let share = own.next_if(|(f, _)| f == feature).map_or(0.0, |(_, s)| *s);
            stabilised(share, self.answers)
        };
        kept.iter().map(value).collect()
    }
}

/// `asin sqrt((n x + 1/2) / (n + 1))` of a share x of n answers.
fn stabilised(share: f64, answers: f64) -> f64 {
    ((answers * share + 0.5) / (answers + 1.0))
        .clamp(0.0, 1.0)
        .sqrt()
        .asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    // numpy: np.arcsin(np.sqrt((n * x + .5) / (n + 1))).
    #[test]
    fn shares_are_stabilised_as_by_numpy() {
        for (share, answers, expected) in [
            (0.0, 805.0, 0.024_909_349_930_535_375),
            (0.25, 40.0, 0.530_611_470_051_512_1),
            (1.0, 3.0, 1.209_429_202_888_189),
        ] {
            let found = stabilised(share, answers);
            assert!(
                (found - expected).abs() < 1e-12,
                "{share} {answers}: {found}"
            );
        }
    }
}
