//! The list of public models that comes with the tool, and panels picked from it.

use std::collections::BTreeMap;
use std::path::Path;

use super::lineage::same_source;
use super::{Declared, Lineage, LineageError, kinds};

/// The list, as it lies in the repository.
const LIST: &str = include_str!("../../models/public.toml");
/// Its name in messages.
const PATH: &str = "models/public.toml";
/// Controls that a matched panel is made of.
const PANEL: usize = 10;
/// Models of one family in a matched panel, at most: relatives count for less than strangers.
const PER_FAMILY: usize = 3;
/// A matched control has at most so many times the suspect's parameters, and no less than so small a part.
const REACH: f64 = 4.0;
/// Months that count as much as a factor of two in size when controls are ranked by nearness.
const MONTHS_A_DOUBLING: f64 = 12.0;

/// The list of public models.
///
/// # Errors
///
/// Never, which a test holds: it is a part of the program.
pub fn public() -> Result<Lineage, LineageError> {
    Lineage::parse(LIST, Path::new(PATH))
}

/// How large a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeClass {
    /// At most a billion parameters.
    Small,
    /// At most ten billion.
    Medium,
    /// More.
    Large,
}

impl SizeClass {
    /// The class of so many parameters.
    pub fn of(size: u64) -> Self {
        match size {
            ..=1_000_000_000 => Self::Small,
            1_000_000_001..=10_000_000_000 => Self::Medium,
            _ => Self::Large,
        }
    }
}

/// What is asked for of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// All of one size.
    Class(SizeClass),
    /// The nearest to a model of this size and date.
    Like {
        /// Its parameters.
        size: u64,
        /// Its release as YYYY-MM, where it is known.
        released: Option<String>,
    },
}

/// No panel could be picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PickError {
    /// The list has nothing of the kind.
    #[error("the list of public models has none of a size near {size} parameters")]
    Nothing {
        /// The suspect's parameters.
        size: u64,
    },
}

impl Lineage {
    /// The list with a panel picked from it. Neither `others` (the models of the case) nor entries that are
    /// there for their descent alone are picked.
    ///
    /// For [`Pick::Like`] the ten nearest are taken, by `|log2 of the ratio of sizes| + months / 12`, without
    /// the months where the suspect's date is not known, and a year for an entry without one; at most three of a family, and none with more than four
    /// times the parameters or less than a quarter.
    ///
    /// # Errors
    ///
    /// When nothing is near enough.
    pub fn pick(mut self, wanted: &Pick, others: &[&str]) -> Result<Self, PickError> {
        let is_open = |m: &&Declared| m.pick && !others.iter().any(|o| same_source(o, &m.model));
        let open = self.models.iter().filter(is_open);
        let picked: Vec<&Declared> = match wanted {
            Pick::Class(class) => open
                .filter(|m| m.size.map(SizeClass::of) == Some(*class))
                .collect(),
            Pick::Like { size, released } => nearest(open, *size, released.as_deref()),
        };
        if let (true, Pick::Like { size, .. }) = (picked.is_empty(), wanted) {
            return Err(PickError::Nothing { size: *size });
        }
        self.picked = Some(picked.into_iter().map(|m| m.id.clone()).collect());
        Ok(self)
    }
}

fn nearest<'a>(
    open: impl Iterator<Item = &'a Declared>,
    size: u64,
    released: Option<&str>,
) -> Vec<&'a Declared> {
    let distance = |m: &Declared| {
        let doublings = (m.size? as f64 / size as f64).log2().abs();
        let apart = kinds::months_between(released, m.released.as_deref());
        let months = match (released, apart) {
            (None, _) => 0.0,
            (Some(_), None) => MONTHS_A_DOUBLING,
            (Some(_), Some(months)) => f64::from(months),
        };
        (doublings <= REACH.log2()).then_some(doublings + months / MONTHS_A_DOUBLING)
    };
    let mut near: Vec<(f64, &Declared)> = open.filter_map(|m| Some((distance(m)?, m))).collect();
    near.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.id.cmp(&b.1.id)));
    let mut of_family: BTreeMap<&str, usize> = BTreeMap::new();
    near.into_iter()
        .map(|(_, m)| m)
        .filter(|m| {
            let family = m.family.as_deref().unwrap_or(&m.id);
            let count = of_family.entry(family).or_default();
            *count += 1;
            *count <= PER_FAMILY
        })
        .take(PANEL)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::{Named, Panel};

    fn ids(wanted: &Pick, others: &[&str]) -> Vec<String> {
        let list = public().unwrap().pick(wanted, others).unwrap();
        list.picked.unwrap().into_iter().collect()
    }

    #[test]
    fn every_entry_of_the_list_is_whole() {
        let list = public().unwrap();
        assert!(list.models.len() >= 20, "{}", list.models.len());
        let names: std::collections::BTreeSet<&str> =
            list.models.iter().map(|m| m.model.as_str()).collect();
        assert_eq!(names.len(), list.models.len());
        for entry in &list.models {
            assert!(entry.model.starts_with("hf:"), "{}", entry.id);
            assert!(entry.family.is_some(), "{}", entry.id);
            assert!(!entry.pick || entry.size.is_some(), "{}", entry.id);
        }
        let documents: toml::Table = LIST.parse().unwrap();
        for entry in documents["model"].as_array().unwrap() {
            let document = entry.get("document").and_then(toml::Value::as_str);
            assert!(
                document.is_some_and(|d| d.contains(' ') && d.contains("://")),
                "{entry}"
            );
            assert!(entry.get("licence").is_some(), "{entry}");
        }
    }

    #[test]
    fn every_class_has_enough_for_a_panel() {
        for class in [SizeClass::Small, SizeClass::Medium, SizeClass::Large] {
            let picked = ids(&Pick::Class(class), &[]);
            assert!(
                picked.len() >= crate::rules::MIN_CONTROLS,
                "{class:?} {picked:?}"
            );
        }
        assert_eq!(SizeClass::of(1_000_000_000), SizeClass::Small);
        assert_eq!(SizeClass::of(1_000_000_001), SizeClass::Medium);
        assert_eq!(SizeClass::of(10_000_000_001), SizeClass::Large);
    }

    #[test]
    fn a_matched_panel_is_near_in_size_and_mixed_in_family() {
        let list = public().unwrap();
        let wanted = |released: Option<&str>| Pick::Like {
            size: 500_000_000,
            released: released.map(str::to_owned),
        };
        let picked = ids(&wanted(Some("2024-10")), &[]);
        assert_eq!(picked.len(), PANEL);
        let mut families: BTreeMap<&str, usize> = BTreeMap::new();
        for id in &picked {
            let entry = list.get(id).unwrap();
            let size = entry.size.unwrap() as f64;
            assert!((125e6..=2e9).contains(&size), "{id}");
            *families
                .entry(entry.family.as_deref().unwrap())
                .or_default() += 1;
        }
        assert!(families.values().all(|n| *n <= PER_FAMILY), "{families:?}");
        // The date counts: an old suspect gets older controls.
        assert_ne!(picked, ids(&wanted(Some("2019-02")), &[]));
        let tiny = Pick::Like {
            size: 1000,
            released: None,
        };
        assert!(public().unwrap().pick(&tiny, &[]).is_err());
    }

    #[test]
    fn models_of_the_case_and_the_protected_models_students_are_no_controls() {
        let gpt2 = "hf:openai-community/gpt2@main";
        let picked = public()
            .unwrap()
            .pick(&Pick::Class(SizeClass::Small), &[gpt2])
            .unwrap();
        let named = Named {
            protected: gpt2.to_owned(),
            suspect: "s".to_owned(),
            ..Named::default()
        };
        let panel = Panel::new(&named, &[picked]);
        let has = |id: &str| panel.controls.iter().any(|c| c.id == id);
        assert!(!has("gpt2") && !has("distilgpt2") && has("gpt2-medium"));
        let left: Vec<&str> = panel.left_out.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(left, ["distilgpt2"]);
    }
}
