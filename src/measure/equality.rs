//! The equality gate: do two models answer alike to within arithmetic?
//!
//! A gate, never evidence of distillation: a distilled student always differs from its teacher.

use schemars::JsonSchema;
use serde::Serialize;

use super::affinity::{in_common, over_pool, over_tops};
use super::distance::jensen_shannon;
use crate::fingerprint::Fingerprint;

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

/// Compares two models on the contexts that both answered; nothing when there is none.
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
