//! Published and private probes apart: who serves another model for questions that are known answers the others as himself.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Gates, weigh};
use crate::fingerprint::Fingerprint;
use crate::panel::Panel;
use crate::verdict::Finding;

/// What the answers to each kind of probes say by themselves, weights left aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Parts {
    /// Published ones.
    pub published: Finding,
    /// Private ones.
    pub private: Finding,
}

impl Parts {
    /// Weighs both parts of a case. `None` if all probes are of one kind.
    pub fn of(
        panel: &Panel,
        prints: &BTreeMap<String, Fingerprint>,
        order: &[String],
        published: &BTreeSet<&str>,
    ) -> Option<Self> {
        let (known, private): (Vec<String>, Vec<String>) = order
            .iter()
            .cloned()
            .partition(|id| published.contains(id.as_str()));
        if known.is_empty() || private.is_empty() {
            return None;
        }
        let finding = |order: &[String]| {
            let ids: BTreeSet<&str> = order.iter().map(String::as_str).collect();
            let prints = prints
                .iter()
                .map(|(m, print)| (m.clone(), print.part(&ids)));
            let case = weigh(panel, &prints.collect(), Gates::default(), order);
            case.verdict.finding
        };
        Some(Self {
            published: finding(&known),
            private: finding(&private),
        })
    }

    /// Whether one part speaks for descent and the other one, which could have shown it, against.
    pub fn contradict(self) -> bool {
        let speaks = |finding| {
            matches!(
                finding,
                Finding::SameModel
                    | Finding::WeightDerivative
                    | Finding::Distilled
                    | Finding::Family
            )
        };
        let denies = |finding| matches!(finding, Finding::Shared | Finding::Unrelated);
        let (a, b) = (self.published, self.private);
        speaks(a) && denies(b) || denies(a) && speaks(b)
    }
}
