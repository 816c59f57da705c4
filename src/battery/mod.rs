//! The battery: an ordered, named, digested set of probes.
//!
//! `file` reads batteries from TOML and refuses what is malformed; `lint` warns of what is
//! legal but weak; `write` makes the files of a new battery; [`Battery::select`] cuts nested tiers.

mod file;
mod lint;
mod write;

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::digest;

pub use file::BatteryError;
pub use lint::{Finding, favourites, lint};
pub use write::{BatteryFile, compose};

/// The batteries that ship with the tool.
pub const BUILT_IN: [&str; 1] = ["core-v1"];

/// What a probe asks of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Ask {
    /// A distribution over closed answers.
    Choose {
        /// The answers, without leading space.
        options: Vec<String>,
    },
    /// What follows the context.
    Next,
    /// Open text, several samples.
    Write {
        /// The longest answer, in tokens.
        max_tokens: usize,
    },
}

impl Ask {
    /// The word for it in files and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Choose { .. } => "choose",
            Self::Next => "next",
            Self::Write { .. } => "write",
        }
    }
}

/// How a probe is put to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pose {
    /// As a user's turn, answered by the assistant.
    Chat,
    /// As plain text to go on with.
    Raw,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Unique within the battery.
    pub id: String,
    /// The family it belongs to.
    pub family: String,
    /// What is asked.
    pub ask: Ask,
    /// How it is put to models that have a chat form.
    pub pose: Pose,
    /// The question or the context; `{options}` stands for the list of options.
    pub prompt: String,
    /// The start of the answer, already written for the model; may be empty.
    pub lead: String,
}

/// Why a group of probes is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Its name, the prefix of its probes' ids.
    pub name: String,
    /// A few words for reports.
    pub title: String,
    /// Why answers of this kind discriminate parentage.
    pub why: String,
    /// The publication behind it.
    pub source: String,
}

/// How much of a battery is asked; smaller tiers are contained in larger ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// The first 60 probes.
    Quick,
    /// The first 200.
    Standard,
    /// All.
    Full,
}

impl Tier {
    /// The most probes that the tier holds.
    pub fn size(self) -> usize {
        match self {
            Self::Quick => 60,
            Self::Standard => 200,
            Self::Full => usize::MAX,
        }
    }
}

/// An ordered set of probes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Battery {
    /// Its name; batteries joined are named `a+b`.
    pub name: String,
    /// Changes with any change of a probe.
    pub version: u32,
    /// The families, in order.
    pub families: Vec<Family>,
    /// The probes: the first of every family, then the second of every family, and so on.
    pub probes: Vec<Probe>,
}

impl Battery {
    /// Whether all its probes ship with the tool, by what they are and not by where they were read: a suspect could have
    /// been trained to answer them differently.
    pub fn is_published(&self) -> bool {
        self.published().len() == self.probes.len()
    }

    /// The ids of those probes that ship with the tool.
    pub fn published(&self) -> BTreeSet<&str> {
        let built_in = BUILT_IN.iter().filter_map(|name| Self::built_in(name).ok());
        let built_in: Vec<Probe> = built_in.flat_map(|battery| battery.probes).collect();
        let known: HashMap<&str, &Probe> = built_in.iter().map(|p| (p.id.as_str(), p)).collect();
        let probes = self.probes.iter();
        let probes = probes.filter(|probe| known.get(probe.id.as_str()) == Some(probe));
        probes.map(|probe| probe.id.as_str()).collect()
    }

    /// The first probes of a tier. Probes stand in turns over the families, so a tier is balanced.
    #[must_use]
    pub fn select(mut self, tier: Tier) -> Self {
        self.probes.truncate(tier.size());
        self
    }

    /// The battery with some of its probes only, in the battery's order.
    #[must_use]
    pub fn part(&self, ids: &[String]) -> Self {
        let ids: BTreeSet<&String> = ids.iter().collect();
        let mut part = self.clone();
        part.probes.retain(|p| ids.contains(&p.id));
        part
    }

    /// The ids of the probes in a random order that the seed fixes: the order of an evaluation that may
    /// stop early.
    pub fn order(&self, seed: u64) -> Vec<String> {
        let whole = self.digest();
        let mut ids: Vec<String> = self.probes.iter().map(|p| p.id.clone()).collect();
        // By digests that nobody can foresee without seed and battery.
        ids.sort_by_cached_key(|id| digest::of_value(&(seed, &whole, id)));
        ids
    }

    /// SHA-256 of the probes in order: the battery's identity in every recording.
    pub fn digest(&self) -> String {
        digest::of_value(&self.probes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_of_the_core_battery_are_nested_and_balanced() {
        let full = Battery::built_in("core-v1").unwrap();
        assert!(full.probes.len() >= 400 && full.families.len() >= 12);
        let quick = full.clone().select(Tier::Quick);
        let standard = full.clone().select(Tier::Standard);
        assert_eq!(quick.probes.len(), 60);
        assert_eq!(standard.probes.len(), 200);
        assert_eq!(quick.probes[..], standard.probes[..60]);
        for battery in [&quick, &standard] {
            let count = |name: &str| battery.probes.iter().filter(|p| p.family == name).count();
            let counts: Vec<_> = full.families.iter().map(|f| count(&f.name)).collect();
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(most - least <= 1, "{counts:?}");
            for ask in ["choose", "next", "write"] {
                let asked = battery
                    .probes
                    .iter()
                    .filter(|p| p.ask.name() == ask)
                    .count();
                assert!(asked * 4 >= battery.probes.len(), "{ask}: {asked}");
            }
        }
        assert_ne!(quick.digest(), standard.digest());
    }

    #[test]
    fn probes_are_published_by_what_they_are() {
        let mut battery = Battery::built_in("core-v1").unwrap();
        assert!(battery.is_published());
        assert!(battery.clone().select(Tier::Quick).is_published());
        battery.name = "mine".to_owned();
        assert!(battery.is_published());
        battery.probes[7].prompt.push('.');
        assert!(!battery.is_published());
    }

    #[test]
    fn the_seed_fixes_a_random_order() {
        let quick = Battery::built_in("core-v1").unwrap().select(Tier::Quick);
        let order = quick.order(1);
        assert_eq!(order, quick.order(1));
        assert_ne!(order, quick.order(2));
        let mut sorted = order.clone();
        sorted.sort();
        let mut ids: Vec<String> = quick.probes.iter().map(|p| p.id.clone()).collect();
        assert_ne!(order, ids);
        ids.sort();
        assert_eq!(sorted, ids);
    }
}
