//! The equality gate: do two models answer alike to within arithmetic?
//!
//! A gate, never evidence of distillation: a distilled student always differs from its teacher.

use schemars::JsonSchema;
use serde::Serialize;

use super::affinity::{in_common, over_pool, over_tops};
use super::distance::jensen_shannon;
use crate::fingerprint::Fingerprint;
use crate::rules::Screen;

/// How far apart two models' answers are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Equality {
    /// Mean Jensen-Shannon divergence of what follows a context, in nats (0 to ln 2).
    pub divergence: f64,
    /// Share of contexts on which both have the same most probable string (0 to 1).
    pub agreement: f64,
    /// Contexts compared.
    pub probes: usize,
}

/// Compares two models on the contexts that both answered; `None` if there is none.
pub fn equality(a: &Fingerprint, b: &Fingerprint) -> Option<Equality> {
    let mut divergences = Vec::new();
    let mut agreed = 0;
    let mut add = |(p, q): (Vec<f64>, Vec<f64>)| {
        if let Some(divergence) = jensen_shannon(&p, &q) {
            divergences.push(divergence);
            // The last outcome is the rest of the pool, which is no string.
            agreed += usize::from(first(&p[..p.len() - 1]) == first(&q[..q.len() - 1]));
        }
    };
    // Pools hold more strings than lists of top tokens, which are all that some endpoints give.
    if a.pool.is_empty() || b.pool.is_empty() {
        let tops = in_common(&a.next, &b.next);
        tops.filter_map(|(_, a, b)| over_tops(a, b))
            .for_each(&mut add);
    } else {
        let pools = in_common(&a.pool, &b.pool);
        pools
            .filter_map(|(_, a, b)| over_pool(a, b))
            .for_each(&mut add);
    }
    let probes = divergences.len();
    (probes > 0).then(|| Equality {
        divergence: divergences.iter().sum::<f64>() / probes as f64,
        agreement: agreed as f64 / probes as f64,
        probes,
    })
}

/// Contexts after which two models that are no copies can be told so.
const EARLY: usize = 20;
/// How far a mean over so few may lie above that over all.
const ALLOWANCE: f64 = 10.0;
/// Shorter answers are given by many models.
const SHORT_TEXT: usize = 20;
/// Fewer texts say nothing.
const MIN_TEXTS: usize = 10;

/// The constants of this file that can move a finding, by name.
pub(super) fn constants() -> [(&'static str, f64); 4] {
    [
        ("copies.early", EARLY as f64),
        ("copies.allowance", ALLOWANCE),
        ("copies.short_text", SHORT_TEXT as f64),
        ("copies.min_texts", MIN_TEXTS as f64),
    ]
}

/// Whether two models answer alike to within arithmetic: the rule for *same model*, applied to any two. Where
/// distributions cannot be compared, by the share of open questions to which the first answers are the same.
pub fn is_copy(a: &Fingerprint, b: &Fingerprint, screen: &Screen) -> bool {
    if a.pool.is_empty() || b.pool.is_empty() {
        return match equality(a, b) {
            Some(equality) => equality.divergence <= screen.copy_divergence,
            None => same_texts(a, b, screen),
        };
    }
    let pools = || in_common(&a.pool, &b.pool).filter_map(|(_, a, b)| over_pool(a, b));
    let early = mean(pools().take(EARLY));
    // Nearly all pairs end here, and there are as many pairs as the square of the members.
    if early.is_none_or(|d| d > ALLOWANCE * screen.copy_divergence) {
        return false;
    }
    mean(pools()).is_some_and(|d| d <= screen.copy_divergence)
}

/// The mean divergence of some distributions.
fn mean(pairs: impl Iterator<Item = (Vec<f64>, Vec<f64>)>) -> Option<f64> {
    let found: Vec<f64> = pairs.filter_map(|(p, q)| jensen_shannon(&p, &q)).collect();
    (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
}

/// Whether first answers to open questions are mostly the same, to the letter.
fn same_texts(a: &Fingerprint, b: &Fingerprint, screen: &Screen) -> bool {
    let firsts = a.texts.iter().filter_map(|(probe, texts)| {
        let (one, other) = (texts.first()?, b.texts.get(probe)?.first()?);
        (one.len().max(other.len()) >= SHORT_TEXT).then_some(one == other)
    });
    let firsts: Vec<bool> = firsts.collect();
    let same = firsts.iter().filter(|same| **same).count();
    firsts.len() >= MIN_TEXTS && same as f64 >= screen.copy_texts * firsts.len() as f64
}

fn first(values: &[f64]) -> Option<usize> {
    (0..values.len()).max_by(|i, j| values[*i].total_cmp(&values[*j]).then(j.cmp(i)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(p: &[(&str, f64)]) -> Fingerprint {
        let pool = p.iter().map(|(t, p)| ((*t).to_owned(), p.ln())).collect();
        let mut print = Fingerprint::default();
        print.pool.insert("n-1".to_owned(), pool);
        print
    }

    #[test]
    fn a_model_equals_itself_and_differs_from_another() {
        let a = print(&[("x", 0.7), ("y", 0.2)]);
        let b = print(&[("x", 0.2), ("y", 0.7)]);
        let same = equality(&a, &a).unwrap();
        assert!(same.divergence < 1e-15 && (same.agreement - 1.0).abs() < 1e-15);
        let other = equality(&a, &b).unwrap();
        assert!(other.divergence > 0.1 && other.agreement == 0.0);
        assert_eq!(equality(&a, &Fingerprint::default()), None);
    }
}
