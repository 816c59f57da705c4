//! The second pass: what models are asked once the first answers are in.
//!
//! Every model scores one common pool of strings after each `next` context, so that distributions are
//! compared over strings and not over tokens; and every reader reads what the candidate parents wrote.
//! The pool comes from the candidate parents alone, so no control changes what another is asked.

use std::collections::{BTreeMap, BTreeSet};

use crate::battery::{Ask, Battery, Probe};
use crate::fingerprint::{Fingerprint, to_read};
use crate::measure::Side;
use crate::panel::Panel;
use crate::question::{Access, Posing, Question, Request, pose};

/// Strings that each candidate parent puts into the pool of a context.
pub const POOL_EACH: usize = 24;

/// The common pool of each `next` probe: the most probable continuations of every candidate parent.
fn pools(columns: &[Side<'_>]) -> BTreeMap<String, Vec<String>> {
    let mut pools: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for column in columns {
        for (probe, top) in &column.print.next {
            let pool = pools.entry(probe.clone()).or_default();
            for continuation in top.iter().take(POOL_EACH) {
                if !pool.contains(&continuation.text) {
                    pool.push(continuation.text.clone());
                }
            }
        }
    }
    pools
}

/// The second pass of a whole panel.
#[derive(Debug)]
pub struct SecondPass<'a> {
    pools: BTreeMap<String, Vec<String>>,
    parents: Vec<&'a str>,
    columns: Vec<Side<'a>>,
    everyone: Vec<Side<'a>>,
}

impl<'a> SecondPass<'a> {
    /// Settles what is asked from the first answers, by model name.
    pub fn new(
        panel: &'a Panel,
        fingerprints: &'a BTreeMap<String, Fingerprint>,
        access: Access,
    ) -> Self {
        let side = |model: &str| {
            let found = fingerprints.get_key_value(model);
            found.map(|(id, fingerprint)| Side {
                id,
                print: fingerprint,
            })
        };
        let alternatives = panel.alternatives.iter().map(|a| a.model.as_str());
        let parents: Vec<&str> = std::iter::once(panel.protected.model.as_str())
            .chain(alternatives)
            .collect();
        let columns: Vec<Side<'_>> = parents.iter().filter_map(|m| side(m)).collect();
        Self {
            // Where not everyone can be asked for given strings, they are compared over their top tokens.
            pools: match access {
                Access::Scored => pools(&columns),
                Access::Top | Access::Text => BTreeMap::new(),
            },
            everyone: fingerprints.keys().filter_map(|m| side(m)).collect(),
            parents,
            columns,
        }
    }

    /// Whether a model is a candidate parent; what is asked in this pass depends on nothing else.
    pub fn is_parent(&self, model: &str) -> bool {
        self.parents.contains(&model)
    }

    /// What a model is asked: a candidate parent reads everyone, the others read the candidate parents.
    pub fn questions(&self, model: &str, battery: &Battery, posing: Posing) -> Vec<Question> {
        let probes = battery.probes.iter();
        probes
            .flat_map(|probe| self.about(probe, model, posing))
            .collect()
    }

    /// The same about one probe: the pool, or the texts of the authors.
    pub fn about(&self, probe: &Probe, model: &str, posing: Posing) -> Vec<Question> {
        let authors = if self.is_parent(model) {
            &self.everyone
        } else {
            &self.columns
        };
        let lists: Vec<Vec<String>> = match &probe.ask {
            Ask::Next => self.pools.get(&probe.id).cloned().into_iter().collect(),
            Ask::Write { .. } => authors.iter().map(|a| written(a, probe)).collect(),
            Ask::Choose { .. } => Vec::new(),
        };
        // Two authors who wrote the same are read once: a question stands once in a recording.
        let mut seen = BTreeSet::new();
        let asked = lists.into_iter().filter(|texts| !texts.is_empty());
        let asked = asked.filter(|texts| seen.insert(texts.clone()));
        let question = |texts| Question {
            probe: probe.id.clone(),
            variant: 0,
            prompt: pose(probe, posing),
            request: Request::Score { texts },
        };
        asked.map(question).collect()
    }
}

/// What is read of an author on a probe, each text once.
fn written(author: &Side<'_>, probe: &Probe) -> Vec<String> {
    let written = author.print.texts.get(&probe.id).into_iter().flatten();
    let mut texts: Vec<String> = to_read(written).cloned().collect();
    texts.sort();
    texts.dedup();
    texts
}
