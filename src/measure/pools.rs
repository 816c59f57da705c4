//! The scored pools of several models, laid out alike, so that two of them are compared by numbers and not by
//! strings, and every probability is computed once.

use std::collections::{BTreeMap, BTreeSet};

use super::Side;

/// By model and probe the probability of each string that any of the models scored, in the order of the strings;
/// NaN where this one did not.
pub(super) struct Pools<'a>(BTreeMap<&'a str, BTreeMap<String, Vec<f64>>>);

impl<'a> Pools<'a> {
    pub(super) fn new(sides: &[Side<'a>]) -> Self {
        let mut strings: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (probe, pool) in sides.iter().flat_map(|side| &side.print.pool) {
            let known = strings.entry(probe).or_default();
            known.extend(pool.keys().map(String::as_str));
        }
        let laid_out = |(probe, pool): (&'a String, &'a BTreeMap<String, f64>)| {
            let mut own = pool.iter().peekable();
            let probability = |string: &&str| {
                let (_, log) = own.next_if(|(text, _)| text == string)?;
                Some(log.exp())
            };
            let all = strings[probe.as_str()].iter();
            let values = all.map(probability).map(|p| p.unwrap_or(f64::NAN));
            (probe.clone(), values.collect())
        };
        let of = |side: &Side<'a>| (side.id, side.print.pool.iter().map(laid_out).collect());
        Self(sides.iter().map(of).collect())
    }

    /// Those of a model.
    pub(super) fn of(&self, id: &str) -> &BTreeMap<String, Vec<f64>> {
        &self.0[id]
    }
}

/// The probabilities of two models for the strings that both scored; `None` without one.
pub(super) fn shared(a: &[f64], b: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
    let both = a.iter().zip(b).filter(|(x, y)| !x.is_nan() && !y.is_nan());
    let (p, q): (Vec<f64>, Vec<f64>) = both.unzip();
    (!p.is_empty()).then_some((p, q))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::Fingerprint;

    #[test]
    fn every_string_has_one_place_whoever_scored_it() {
        let print = |probe: &str, pool: &[(&str, f64)]| {
            let pool = pool.iter().map(|(text, p)| ((*text).to_owned(), p.ln()));
            Fingerprint {
                pool: [(probe.to_owned(), pool.collect())].into(),
                ..Fingerprint::default()
            }
        };
        let a = print("p", &[("b", 0.5), ("d", 0.25)]);
        let b = print("p", &[("a", 0.125), ("d", 0.5), ("e", 0.0)]);
        let c = print("q", &[("b", 0.5)]);
        let sides = [("a", &a), ("b", &b), ("c", &c)].map(|(id, print)| Side { id, print });
        let pools = Pools::new(&sides);
        let [a, b] = ["a", "b"].map(|id| &pools.of(id)["p"]);
        let known = |values: &[f64]| values.iter().map(|v| !v.is_nan()).collect::<Vec<_>>();
        assert_eq!(known(a), [false, true, true, false]);
        assert_eq!(known(b), [true, false, true, true]);
        let (p, q) = shared(a, b).unwrap();
        assert_eq!((p.len(), q.len()), (1, 1));
        assert!((p[0] - 0.25).abs() < 1e-15 && (q[0] - 0.5).abs() < 1e-15);
        assert_eq!(shared(a, &[f64::NAN; 4]), None);
        assert!(!pools.of("c").contains_key("p"));
    }
}
