//! What an endpoint turned out to take: remembered, so that nothing is refused twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::generate::Thought;

/// The memory of one endpoint, shared by its clones.
#[derive(Debug, Clone, Default)]
pub(in crate::model::hosted) struct Learnt(Arc<Mutex<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    refused: BTreeMap<String, BTreeSet<&'static str>>,
    ceilings: BTreeMap<String, Ceiling>,
    other_limit: BTreeSet<String>,
    writes_something: BTreeSet<String>,
    thought: Thought,
    no_tokenizer: bool,
    sampling: BTreeMap<String, Value>,
    /// The route that it was sent on, and what was left out there.
    sampled: Option<(String, BTreeSet<&'static str>)>,
}

/// How many alternatives a route accepts: bounds found so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::model::hosted) struct Ceiling {
    /// The most that were accepted.
    pub(in crate::model::hosted) accepted: usize,
    /// The least that were refused.
    pub(in crate::model::hosted) refused: Option<usize>,
}

/// Limits that providers document, tried before halving.
const USUAL: [usize; 4] = [20, 10, 8, 5];

impl Ceiling {
    /// What to ask for to get at most `most`; `None` if even one is refused.
    pub(in crate::model::hosted) fn next(self, most: usize) -> Option<usize> {
        let Some(refused) = self.refused.filter(|refused| *refused <= most) else {
            return (most > 0).then_some(most);
        };
        // Within bounds that are known to hold, what was accepted is asked again.
        if self.accepted > 0 {
            return Some(self.accepted);
        }
        let usual = USUAL.into_iter().find(|usual| *usual < refused);
        let halved = usual.unwrap_or(refused / 2);
        (halved > 0).then_some(halved)
    }

    /// What to ask for to narrow the bounds, up to `most`; `None` if they are as narrow as can be.
    pub(in crate::model::hosted) fn narrow(self, most: usize) -> Option<usize> {
        let refused = self.refused.unwrap_or(most + 1).min(most + 1);
        if self.accepted + 1 >= refused {
            return None;
        }
        if USUAL.contains(&self.accepted) {
            return Some(self.accepted + 1);
        }
        let usual = USUAL
            .into_iter()
            .find(|usual| (self.accepted + 1..refused).contains(usual));
        Some(usual.unwrap_or(usize::midpoint(self.accepted, refused)))
    }
}

impl Learnt {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Every write is one insertion: a panic elsewhere leaves nothing half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The parameters that a route refuses.
    pub(super) fn refused(&self, route: &str) -> BTreeSet<&'static str> {
        let memory = self.memory();
        memory.refused.get(route).cloned().unwrap_or_default()
    }

    pub(super) fn refuse(&self, route: &str, name: &'static str) {
        let mut memory = self.memory();
        memory
            .refused
            .entry(route.to_owned())
            .or_default()
            .insert(name);
    }

    /// The bounds of a route's alternatives.
    pub(in crate::model::hosted) fn ceiling(&self, route: &str) -> Ceiling {
        let memory = self.memory();
        memory.ceilings.get(route).copied().unwrap_or_default()
    }

    pub(super) fn set_ceiling(&self, route: &str, ceiling: Ceiling) {
        self.memory().ceilings.insert(route.to_owned(), ceiling);
    }

    /// Whether a route calls the limit of tokens by the other name.
    pub(super) fn other_limit(&self, route: &str) -> bool {
        self.memory().other_limit.contains(route)
    }

    pub(super) fn set_other_limit(&self, route: &str) {
        self.memory().other_limit.insert(route.to_owned());
    }

    /// Whether a route refuses to write nothing.
    pub(super) fn writes_something(&self, route: &str) -> bool {
        self.memory().writes_something.contains(route)
    }

    pub(super) fn set_writes_something(&self, route: &str) {
        self.memory().writes_something.insert(route.to_owned());
    }

    /// What is done about hidden reasoning.
    pub(super) fn thought(&self) -> Thought {
        self.memory().thought
    }

    pub(super) fn set_thought(&self, thought: Thought) {
        self.memory().thought = thought;
    }

    /// Whether the server has no tokenizer to ask.
    pub(super) fn no_tokenizer(&self) -> bool {
        self.memory().no_tokenizer
    }

    pub(super) fn set_no_tokenizer(&self) {
        self.memory().no_tokenizer = true;
    }

    /// Sampling parameters as last sent and accepted at a run's settings.
    pub(in crate::model::hosted) fn sampling(&self) -> BTreeMap<String, Value> {
        self.memory().sampling.clone()
    }

    /// Keeps what was sent on a route without some parameters, when that is new.
    pub(super) fn keep_sampling(
        &self,
        route: &str,
        without: &BTreeSet<&'static str>,
        sent: impl FnOnce() -> BTreeMap<String, Value>,
    ) {
        let mut memory = self.memory();
        let kept = memory.sampled.as_ref();
        if kept.is_none_or(|(on, left_out)| on != route || left_out != without) {
            memory.sampling = sent();
            memory.sampled = Some((route.to_owned(), without.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks as a server with this limit would be asked; returns the requests it took.
    fn find(limit: usize, most: usize) -> (usize, usize) {
        let (mut ceiling, mut requests) = (Ceiling::default(), 0);
        let mut next = ceiling.next(most);
        while let Some(top) = next {
            requests += 1;
            if top <= limit {
                ceiling.accepted = ceiling.accepted.max(top);
                next = ceiling.narrow(most);
            } else {
                ceiling.refused = Some(top);
                next = match ceiling.accepted {
                    0 => ceiling.next(most),
                    _ => ceiling.narrow(most),
                };
            }
            assert!(requests < 20);
        }
        (ceiling.accepted, requests)
    }

    #[test]
    fn every_limit_is_found_and_the_usual_ones_at_once() {
        for limit in 0..=130 {
            assert_eq!(find(limit, 100).0, limit.min(100), "{limit}");
        }
        for (limit, requests) in [(100, 1), (20, 3), (8, 5), (5, 6)] {
            assert_eq!(find(limit, 100).1, requests, "{limit}");
        }
    }

    #[test]
    fn what_was_refused_is_not_asked_again() {
        let ceiling = Ceiling {
            accepted: 20,
            refused: Some(21),
        };
        assert_eq!(ceiling.next(50), Some(20));
        assert_eq!(ceiling.next(5), Some(5));
        let none = Ceiling {
            accepted: 0,
            refused: Some(1),
        };
        assert_eq!(none.next(5), None);
    }

    #[test]
    fn what_was_sent_last_is_kept_wherever_it_is_new() {
        let learnt = Learnt::default();
        let send = |route: &str, without: &[&'static str], value: u64| {
            let without = without.iter().copied().collect();
            let sent = || BTreeMap::from([("top_p".to_owned(), value.into())]);
            learnt.keep_sampling(route, &without, sent);
            learnt.sampling()["top_p"].as_u64()
        };
        assert_eq!(send("/chat", &[], 1), Some(1));
        // The same request again is not looked at.
        assert_eq!(send("/chat", &[], 2), Some(1));
        assert_eq!(send("/chat", &["seed"], 3), Some(3));
        assert_eq!(send("/text", &["seed"], 4), Some(4));
        assert_eq!(send("/chat", &[], 5), Some(5));
    }
}
