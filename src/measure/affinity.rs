//! Affinities: rows are models under test, columns are candidate parents, one number a probe.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use ndarray::{Array2, Array3, Axis};
use rayon::prelude::*;

use super::distance::bhattacharyya;
use super::open_text::{Gram, Written};
use super::pools::{Pools, shared};
use super::style::style;
use super::wording::wording;
use super::{Basis, Measure};
use crate::fingerprint::{Fingerprint, Readings, to_read};
use crate::response::Continuation;

/// A model on one side of the table.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Its id.
    pub id: &'a str,
    /// What it answered.
    pub print: &'a Fingerprint,
}

/// The affinities of one measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Affinity {
    /// Which measure.
    pub measure: Measure,
    /// Ids of the models under test.
    pub rows: Vec<String>,
    /// Ids of the candidate parents.
    pub columns: Vec<String>,
    /// Ids of the probes, in order; of blocks of probes for [`Measure::Style`].
    pub probes: Vec<String>,
    /// [rows, columns, probes]; NaN where a cell does not exist.
    pub cells: Array3<f64>,
    /// Of the measures of open text the inner products of all models, which nearness is read from.
    pub gram: Option<Gram>,
}

impl Affinity {
    /// What some rows and columns gave on some probes.
    pub(super) fn new(
        measure: Measure,
        rows: &[Side<'_>],
        columns: &[Side<'_>],
        probes: Vec<String>,
        cells: Array3<f64>,
    ) -> Self {
        let ids = |sides: &[Side<'_>]| sides.iter().map(|s| s.id.to_owned()).collect();
        Self {
            measure,
            rows: ids(rows),
            columns: ids(columns),
            probes,
            cells,
            gram: None,
        }
    }

    /// Without the cells that do not exist.
    #[must_use]
    pub(crate) fn existing(mut self, exists: &dyn Fn(&str, &str) -> bool) -> Self {
        for (row, mut cells) in self.rows.iter().zip(self.cells.outer_iter_mut()) {
            for (column, mut lane) in self.columns.iter().zip(cells.outer_iter_mut()) {
                if !exists(row, column) {
                    lane.fill(f64::NAN);
                }
            }
        }
        self
    }

    /// The mean of every cell over the probes on which it exists, [rows, columns]; NaN without any.
    pub fn means(&self) -> Array2<f64> {
        self.cells.map_axis(Axis(2), |cells| {
            let present = cells.iter().filter(|c| c.is_finite());
            present.clone().sum::<f64>() / present.count() as f64
        })
    }

    /// Some rows and some columns of it, by their places.
    ///
    /// # Panics
    ///
    /// When it has no such place.
    #[must_use]
    pub fn part(&self, rows: &[usize], columns: &[usize]) -> Self {
        let ids =
            |all: &[String], places: &[usize]| places.iter().map(|i| all[*i].clone()).collect();
        Self {
            measure: self.measure,
            rows: ids(&self.rows, rows),
            columns: ids(&self.columns, columns),
            probes: self.probes.clone(),
            cells: self.cells.select(Axis(0), rows).select(Axis(1), columns),
            gram: self.gram.clone(),
        }
    }
}

/// Compares every row with every column by one measure. `exists` says which cells are real: a model is not compared
/// with itself, nor a known student with its own teacher.
pub fn affinity(
    measure: Measure,
    rows: &[Side<'_>],
    columns: &[Side<'_>],
    exists: &(dyn Fn(&str, &str) -> bool + Sync),
) -> Affinity {
    match measure {
        Measure::Style => style(rows, columns, exists),
        Measure::Wording => {
            let [forth, _] = wording(rows, columns, exists);
            forth
        }
        Measure::WordingReverse => {
            let [_, back] = wording(rows, columns, exists);
            back
        }
        Measure::Preference | Measure::Next | Measure::Likelihood | Measure::LikelihoodReverse => {
            by_pair(measure, rows, columns, exists)
        }
        Measure::Habits | Measure::Phrases => {
            let written = Written::new(&[rows, columns].concat());
            let found = of_written(&written, measure, rows, columns, exists);
            let none = Array3::from_elem((rows.len(), columns.len(), 0), f64::NAN);
            found.unwrap_or_else(|| Affinity::new(measure, rows, columns, Vec::new(), none))
        }
    }
}

/// A measure of open text; `None` for another measure.
fn of_written(
    written: &Written,
    measure: Measure,
    rows: &[Side<'_>],
    columns: &[Side<'_>],
    exists: &dyn Fn(&str, &str) -> bool,
) -> Option<Affinity> {
    let sides = [rows, columns].concat();
    let ids: BTreeMap<&str, &str> = sides.iter().map(|s| (s.id, s.id)).collect();
    let found = written.compare(measure, rows, columns, &|id| ids[id])?;
    Some(found.existing(exists))
}

/// The same by every measure of a basis, in the order of [`Measure::ALL`].
pub fn affinities(
    basis: Basis,
    rows: &[Side<'_>],
    columns: &[Side<'_>],
    exists: &(dyn Fn(&str, &str) -> bool + Sync),
) -> Vec<Affinity> {
    if basis == Basis::OpenText {
        let written = Written::new(&[rows, columns].concat());
        let measures = basis.measures().iter();
        return measures
            .filter_map(|m| of_written(&written, *m, rows, columns, exists))
            .collect();
    }
    // One behind the other: both use all cores, and what each counts of all texts is large.
    let mut tables = pairwise(rows, columns, exists);
    tables.push(style(rows, columns, exists));
    tables.sort_by_key(|table| table.measure);
    tables
}

/// The same by every measure whose cells do not depend on who else is in the table. The two of wording share
/// their work.
pub(super) fn pairwise(
    rows: &[Side<'_>],
    columns: &[Side<'_>],
    exists: &(dyn Fn(&str, &str) -> bool + Sync),
) -> Vec<Affinity> {
    let answers = Measure::ALL.par_iter().filter(|m| m.is_by_probe());
    let (mut tables, wording) = rayon::join(
        || -> Vec<Affinity> {
            answers
                .map(|m| by_pair(*m, rows, columns, exists))
                .collect()
        },
        || wording(rows, columns, exists),
    );
    tables.extend(wording);
    tables
}

/// The measures that take two models and a probe at a time.
fn by_pair(
    measure: Measure,
    rows: &[Side<'_>],
    columns: &[Side<'_>],
    exists: &dyn Fn(&str, &str) -> bool,
) -> Affinity {
    let pairs = (0..rows.len()).flat_map(|i| (0..columns.len()).map(move |k| (i, k)));
    let pairs: Vec<(usize, usize)> = pairs
        .filter(|(i, k)| exists(rows[*i].id, columns[*k].id))
        .collect();
    let pools = match measure {
        Measure::Next => Pools::new(&[rows, columns].concat()),
        _ => Pools::new(&[]),
    };
    let values: Vec<Vec<(&str, f64)>> = pairs
        .par_iter()
        .map(|(i, k)| compare(measure, rows[*i], columns[*k], &pools))
        .collect();
    let mut probes: Vec<&str> = values.iter().flatten().map(|(probe, _)| *probe).collect();
    probes.sort_unstable();
    probes.dedup();
    let mut cells = Array3::from_elem((rows.len(), columns.len(), probes.len()), f64::NAN);
    for ((i, k), by_probe) in pairs.into_iter().zip(values) {
        let mut values = by_probe.into_iter().peekable();
        for (t, probe) in probes.iter().enumerate() {
            if let Some((_, value)) = values.next_if(|(of, _)| of == probe) {
                cells[[i, k, t]] = value;
            }
        }
    }
    let probes = probes.into_iter().map(str::to_owned).collect();
    Affinity::new(measure, rows, columns, probes, cells)
}

/// The affinity of two models on each probe that both answered, in the order of their ids.
fn compare<'a>(
    measure: Measure,
    row: Side<'a>,
    column: Side<'a>,
    pools: &'a Pools<'a>,
) -> Vec<(&'a str, f64)> {
    let (ids, row, column) = ([row.id, column.id], row.print, column.print);
    match measure {
        Measure::Preference => {
            by_probe(&row.choices, &column.choices, |_, p, q| bhattacharyya(p, q))
        }
        Measure::Next if !row.pool.is_empty() => {
            let [row, column] = ids.map(|id| pools.of(id));
            by_probe(row, column, |_, p, q| {
                let (p, q) = shared(p, q)?;
                bhattacharyya(&complete(p), &complete(q))
            })
        }
        Measure::Next if !row.next.is_empty() => by_probe(&row.next, &column.next, |_, p, q| {
            let (low, high) = top_bounds(p, q)?;
            Some(f64::midpoint(low, high))
        }),
        Measure::Next => by_probe(&row.shorts, &column.shorts, |probe, p, q| {
            // The short samples of closed questions have been read as choices.
            let open = !row.choices.contains_key(probe);
            open.then(|| frequencies(p, q))
                .and_then(|(p, q)| bhattacharyya(&p, &q))
        }),
        Measure::Likelihood => by_probe(&row.readings, &column.texts, |_, readings, texts| {
            reading(readings, texts)
        }),
        Measure::LikelihoodReverse => {
            by_probe(&column.readings, &row.texts, |_, readings, texts| {
                reading(readings, texts)
            })
        }
        Measure::Style
        | Measure::Wording
        | Measure::WordingReverse
        | Measure::Habits
        | Measure::Phrases => Vec::new(),
    }
}

fn by_probe<'a, A, B>(
    a: &'a BTreeMap<String, A>,
    b: &'a BTreeMap<String, B>,
    f: impl Fn(&str, &'a A, &'a B) -> Option<f64>,
) -> Vec<(&'a str, f64)> {
    in_common(a, b)
        .filter_map(|(probe, a, b)| Some((probe, f(probe, a, b)?)))
        .collect()
}

/// What stands in both of two maps, in order. They are walked in step, because looking up every key is slow
/// where there are many.
pub(super) fn in_common<'a, A, B>(
    a: &'a BTreeMap<String, A>,
    b: &'a BTreeMap<String, B>,
) -> impl Iterator<Item = (&'a str, &'a A, &'a B)> {
    let mut others = b.iter().peekable();
    a.iter().filter_map(move |(key, value)| {
        loop {
            let (other, _) = others.peek()?;
            match (*other).cmp(key) {
                Ordering::Less => others.next(),
                Ordering::Equal => {
                    return others.next().map(|(_, other)| (key.as_str(), value, other));
                }
                Ordering::Greater => return None,
            };
        }
    })
}

/// Two models' distributions over the strings that both scored, and the rest.
///
/// Strings may be beginnings of one another when tokenizers differ, so that their probabilities can add
/// up to more than one; each side is then scaled to one and its rest is nothing.
pub(super) fn over_pool(
    a: &BTreeMap<String, f64>,
    b: &BTreeMap<String, f64>,
) -> Option<(Vec<f64>, Vec<f64>)> {
    let shared = in_common(a, b).map(|(_, x, y)| (x.exp(), y.exp()));
    let (p, q): (Vec<f64>, Vec<f64>) = shared.unzip();
    if p.is_empty() {
        return None;
    }
    Some((complete(p), complete(q)))
}

/// Probabilities with the rest to one behind them; scaled to one when they are more.
fn complete(values: Vec<f64>) -> Vec<f64> {
    let total: f64 = values.iter().sum();
    let scale = total.max(1.0);
    let rest = (1.0 - total).max(0.0);
    values
        .into_iter()
        .chain([rest])
        .map(|v| v / scale)
        .collect()
}

/// Bounds on the Bhattacharyya coefficient of two distributions of which only the most probable strings
/// are known; `None` if either list is empty.
///
/// With S the strings named by both and r, s the masses that are left, the coefficient is at least
/// `sum over S of sqrt(p q)`, where the rest is disjoint, and at most that plus `sqrt(r s)`, where the
/// rest is alike (Cauchy-Schwarz).
pub(super) fn top_bounds(a: &[Continuation], b: &[Continuation]) -> Option<(f64, f64)> {
    let (p, q) = over_tops(a, b)?;
    let shared: f64 = p.iter().zip(&q).map(|(x, y)| (x * y).sqrt()).sum();
    let (rest, other) = (p.last()?, q.last()?);
    let alike = (rest * other).sqrt();
    Some((shared - alike, shared))
}

/// Two distributions over the strings that both lists name, and the rest; `None` if either is empty.
pub(super) fn over_tops(a: &[Continuation], b: &[Continuation]) -> Option<(Vec<f64>, Vec<f64>)> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    // Two tokens may have one text: they are one string.
    let masses = |top: &[Continuation]| {
        let mut masses: BTreeMap<String, f64> = BTreeMap::new();
        for continuation in top {
            *masses.entry(continuation.text.clone()).or_default() +=
                continuation.log_probability.exp();
        }
        masses
    };
    let (a, b) = (masses(a), masses(b));
    let shared = in_common(&a, &b).map(|(_, x, y)| (*x, *y));
    let (p, q): (Vec<f64>, Vec<f64>) = shared.unzip();
    Some((complete(p), complete(q)))
}

/// The frequencies of first words in two sets of samples, over all words of both.
fn frequencies(a: &[String], b: &[String]) -> (Vec<f64>, Vec<f64>) {
    let words = |texts: &[String]| -> Vec<String> { texts.iter().map(|t| first_word(t)).collect() };
    let (a, b) = (words(a), words(b));
    let all: BTreeSet<&String> = a.iter().chain(&b).collect();
    let share = |words: &[String]| {
        all.iter()
            .map(|word| words.iter().filter(|w| w == word).count() as f64 / words.len() as f64)
            .collect()
    };
    (share(&a), share(&b))
}

/// The beginning of a continuation up to the end of its first word, with one space for any before it.
fn first_word(text: &str) -> String {
    const LONGEST: usize = 32;
    let word: String = text
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .chars()
        .take(LONGEST)
        .collect();
    if text.starts_with(char::is_whitespace) {
        format!(" {word}")
    } else {
        word
    }
}

/// Minus bits per byte over the texts that were to be read; `None` if none was.
fn reading(readings: &Readings, texts: &[String]) -> Option<f64> {
    let read: Vec<(usize, f64)> = to_read(texts)
        .filter_map(|text| Some((text.len(), readings.get(text)?)))
        .filter(|(bytes, log)| *bytes > 0 && log.is_finite())
        .collect();
    let bytes: usize = read.iter().map(|(b, _)| b).sum();
    let nats: f64 = read.iter().map(|(_, l)| l).sum();
    (bytes > 0).then(|| nats / bytes as f64 / std::f64::consts::LN_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(values: &[(&str, f64)]) -> BTreeMap<String, f64> {
        values
            .iter()
            .map(|(t, p)| ((*t).to_owned(), p.ln()))
            .collect()
    }

    #[test]
    fn what_two_maps_have_in_common_is_found_wherever_they_end() {
        let found = |a: &[&str], b: &[&str]| -> String {
            let map = |keys: &[&str], value: usize| -> BTreeMap<String, usize> {
                keys.iter().map(|k| ((*k).to_owned(), value)).collect()
            };
            let (a, b) = (map(a, 1), map(b, 2));
            assert!(in_common(&a, &b).all(|(_, x, y)| (*x, *y) == (1, 2)));
            in_common(&a, &b).map(|(key, ..)| key).collect()
        };
        assert_eq!(found(&["a", "b", "d", "e"], &["b", "c", "e", "f"]), "be");
        assert_eq!(found(&["b", "c", "e", "f"], &["a", "b", "d", "e"]), "be");
        assert_eq!(found(&["x"], &["a", "b", "x"]), "x");
        assert_eq!(found(&["a", "b", "x"], &["x"]), "x");
        assert_eq!(found(&["a"], &["b"]), "");
        assert_eq!(found(&[], &["b"]) + &found(&["b"], &[]), "");
    }

    #[test]
    fn the_rest_of_the_pool_is_an_outcome_of_its_own() {
        let a = pool(&[("x", 0.5), ("y", 0.25), ("only a", 0.1)]);
        let b = pool(&[("x", 0.25), ("y", 0.25)]);
        let (p, q) = over_pool(&a, &b).unwrap();
        let close = |v: &[f64], w: &[f64]| v.iter().zip(w).all(|(x, y)| (x - y).abs() < 1e-12);
        assert!(close(&p, &[0.5, 0.25, 0.25]), "{p:?}");
        assert!(close(&q, &[0.25, 0.25, 0.5]), "{q:?}");
        assert!(over_pool(&a, &pool(&[("z", 0.5)])).is_none());
        let (p, _) = over_pool(
            &pool(&[("t", 0.9), ("th", 0.6)]),
            &pool(&[("t", 0.5), ("th", 0.2)]),
        )
        .unwrap();
        assert!(close(&p, &[0.6, 0.4, 0.0]), "{p:?}");
    }

    fn top(values: &[(&str, f64)]) -> Vec<Continuation> {
        let token = |(text, p): &(&str, f64)| Continuation {
            text: (*text).to_owned(),
            log_probability: p.ln(),
        };
        values.iter().map(token).collect()
    }

    #[test]
    fn lists_of_top_tokens_bound_the_likeness() {
        let a = top(&[("x", 0.64), ("y", 0.16), ("only a", 0.1)]);
        let b = top(&[("x", 0.36), ("y", 0.36), ("z", 0.1)]);
        let (low, high) = top_bounds(&a, &b).unwrap();
        let shared = 0.8 * 0.6 + 0.4 * 0.6;
        assert!((low - shared).abs() < 1e-12, "{low}");
        let alike = (0.2f64 * 0.28).sqrt();
        assert!((high - shared - alike).abs() < 1e-12, "{high}");
        let (low, high) = top_bounds(&a, &a).unwrap();
        assert!(low < 1.0 && (high - 1.0).abs() < 1e-12, "{low} {high}");
        // Nothing in common: anything from nothing to everything.
        let (low, high) = top_bounds(&a, &top(&[("q", 0.5)])).unwrap();
        assert!((low, high) == (0.0, 1.0), "{low} {high}");
        assert_eq!(top_bounds(&a, &[]), None);
        // Two tokens of one text are one string.
        let twice = top(&[("x", 0.32), ("x", 0.32), ("y", 0.16), ("only a", 0.1)]);
        assert_eq!(top_bounds(&twice, &b), top_bounds(&a, &b));
    }

    #[test]
    fn short_samples_are_compared_by_their_first_words() {
        let texts = |t: &[&str]| -> Vec<String> { t.iter().map(|s| (*s).to_owned()).collect() };
        let a = texts(&[" the cat", " the dog", "\n a", ""]);
        let b = texts(&["  the end", "the end"]);
        let (p, q) = frequencies(&a, &b);
        // Words in order: "", " a", " the", "the".
        assert_eq!(p, [0.25, 0.25, 0.5, 0.0]);
        assert_eq!(q, [0.0, 0.0, 0.5, 0.5]);
    }

    #[test]
    fn reading_counts_bits_per_byte_over_what_was_read() {
        let mut readings = Readings::default();
        readings.insert("abcd", -8.0 * std::f64::consts::LN_2);
        readings.insert("", 0.0);
        let texts = ["abcd".to_owned(), String::new(), "unread".to_owned()];
        assert!((reading(&readings, &texts).unwrap() + 2.0).abs() < 1e-12);
        assert_eq!(reading(&readings, &texts[1..]), None);
    }

    #[test]
    fn cells_that_do_not_exist_are_nan() {
        let mut print = Fingerprint::default();
        print.choices.insert("p-1".to_owned(), vec![0.5, 0.5]);
        let sides = [
            Side {
                id: "a",
                print: &print,
            },
            Side {
                id: "b",
                print: &print,
            },
        ];
        let table = affinity(Measure::Preference, &sides, &sides, &|r, c| r != c);
        assert!(table.cells[[0, 0, 0]].is_nan());
        assert!((table.cells[[0, 1, 0]] - 1.0).abs() < 1e-12);
    }
}
