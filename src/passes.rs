//! The second pass: what models are asked once the first answers are in.
//!
//! Every model scores one common pool of strings after each `next` context, so that distributions are
//! compared over strings and not over tokens; and every reader reads what the candidate parents wrote.
//! The pool comes from the candidate parents alone, so no control changes what another is asked.

use std::collections::BTreeMap;

use crate::battery::{Ask, Battery};
use crate::measure::Side;
use crate::question::{Posing, Question, Request, pose};

/// Strings that each candidate parent puts into the pool of a context.
const POOL_EACH: usize = 24;

/// The common pool of each `next` probe: the most probable continuations of every candidate parent.
pub fn pools(columns: &[Side<'_>]) -> BTreeMap<String, Vec<String>> {
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

/// The questions of the second pass: the pools, and the texts of some authors.
pub fn second_pass(
    battery: &Battery,
    posing: Posing,
    pools: &BTreeMap<String, Vec<String>>,
    authors: &[Side<'_>],
) -> Vec<Question> {
    let mut questions = Vec::new();
    for probe in &battery.probes {
        let mut ask = |texts: Vec<String>| {
            if !texts.is_empty() {
                questions.push(Question {
                    probe: probe.id.clone(),
                    variant: 0,
                    prompt: pose(probe, posing),
                    request: Request::Score { texts },
                });
            }
        };
        match &probe.ask {
            Ask::Next => ask(pools.get(&probe.id).cloned().unwrap_or_default()),
            Ask::Write { .. } => {
                for author in authors {
                    let written = author.print.texts.get(&probe.id);
                    let mut texts: Vec<String> = written.cloned().unwrap_or_default();
                    texts.retain(|t| !t.is_empty());
                    texts.sort();
                    texts.dedup();
                    ask(texts);
                }
            }
            Ask::Choose { .. } => {}
        }
    }
    questions
}
