//! What was asked, and why.

use schemars::JsonSchema;
use serde::Serialize;

use crate::battery::Battery;

/// A family of probes in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FamilyFacts {
    /// Its name.
    pub name: String,
    /// A few words.
    pub title: String,
    /// Why its answers can tell about parentage.
    pub why: String,
    /// The publication behind it.
    pub source: String,
    /// Closed questions asked.
    pub choose: usize,
    /// Contexts to go on with.
    pub next: usize,
    /// Open questions asked.
    pub write: usize,
}

pub(super) fn families(battery: &Battery) -> Vec<FamilyFacts> {
    let families = battery.families.iter();
    families
        .map(|family| {
            let count = |ask: &str| {
                let probes = battery.probes.iter().filter(|p| p.family == family.name);
                probes.filter(|p| p.ask.name() == ask).count()
            };
            FamilyFacts {
                name: family.name.clone(),
                title: family.title.clone(),
                why: family.why.clone(),
                source: family.source.clone(),
                choose: count("choose"),
                next: count("next"),
                write: count("write"),
            }
        })
        .collect()
}
