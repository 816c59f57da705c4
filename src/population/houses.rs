//! A population of published models: who learned from which house, as far as it is declared.
//!
//! Its directory has a lineage file, in which candidate parents have their house as `group` and its maker as `family`,
//! and `split.toml`, which names the houses and the models that no panel lists:
//!
//! ```toml
//! houses = ["chatgpt", "gpt4", "cohere"]
//! unlisted = ["a-model-behind-another-prompt"]
//! ```
//!
//! A case is a suspect and a house. There are no parts: what is fitted is fitted on all houses but the one that it is
//! tried on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::{Case, LINEAGE_FILE, Part, PopulationError, Relation, SPLIT_FILE, Score, Thinning};
use super::{score, text};
use crate::case;
use crate::digest;
use crate::fingerprint::Fingerprint;
use crate::identity::Served;
use crate::measure::Prepared;
use crate::panel::{Declared, Lineage, Member, Named, Panel};
use crate::question::Access;
use crate::rules::Rules;

/// The kind of a model that is declared to have learned from people alone.
const INNOCENT: &str = "innocent";
/// How the kinds of models begin that are declared to have learned from a house.
const STUDENT: &str = "student";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Split {
    houses: Vec<String>,
    #[serde(default)]
    unlisted: BTreeSet<String>,
}

/// Published models with what is declared of their descent. A model's name in panels is its id.
#[derive(Debug, Clone, PartialEq)]
pub struct Houses {
    lineage: Lineage,
    names: Vec<String>,
}

impl Houses {
    /// Whether a directory has a population by house. What is wrong with a split is said where it is read.
    pub fn is_here(directory: &Path) -> bool {
        let split = text(&directory.join(SPLIT_FILE)).unwrap_or_default();
        let table: toml::Table = toml::from_str(&split).unwrap_or_default();
        table.contains_key("houses")
    }

    /// Reads and checks the lineage and the split.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or a house has no model in the lineage file.
    pub fn read(directory: &Path) -> Result<Self, PopulationError> {
        let mut lineage = Lineage::read(&directory.join(LINEAGE_FILE))?;
        let path = directory.join(SPLIT_FILE);
        let split: Split =
            toml::from_str(&text(&path)?).map_err(|source| PopulationError::Parse {
                path: path.clone(),
                source: Box::new(source),
            })?;
        let of = |house: &String| {
            lineage
                .models
                .iter()
                .any(|m| m.group.as_ref() == Some(house))
        };
        let known = |id: &String| lineage.get(id).is_some();
        let missing = split
            .houses
            .iter()
            .find(|h| !of(h))
            .map(|h| format!("house '{h}' has no model"));
        let stranger = split.unlisted.iter().find(|id| !known(id));
        let stranger = stranger.map(|id| format!("the unlisted '{id}' is not in the lineage file"));
        if let Some(what) = missing.or(stranger) {
            return Err(PopulationError::Split { path, what });
        }
        lineage.models.retain(|m| !split.unlisted.contains(&m.id));
        for entry in &mut lineage.models {
            entry.model.clone_from(&entry.id);
        }
        Ok(Self {
            lineage,
            names: split.houses,
        })
    }

    /// The ids of all models that panels list.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.lineage.models.iter().map(|m| m.id.as_str())
    }

    fn members<'a>(&'a self, house: &'a str) -> impl Iterator<Item = &'a Declared> {
        self.lineage
            .models
            .iter()
            .filter(move |m| m.group.as_deref() == Some(house))
    }

    /// Every house with every model that is no candidate parent.
    pub fn cases(&self) -> Vec<Case> {
        let suspects = || self.lineage.models.iter().filter(|m| m.group.is_none());
        let case = |house: &String, suspect: &Declared| Case {
            part: Part::Fit,
            source: house.clone(),
            protected: house.clone(),
            suspect: suspect.id.clone(),
            kind: suspect.kind.clone(),
            relation: self.relation(suspect, house),
            dose: None,
        };
        self.names
            .iter()
            .flat_map(|house| suspects().map(move |s| case(house, s)))
            .collect()
    }

    /// What a model is to a house by what is declared. A declared student of one house is innocent of all makers but
    /// those of its teachers; who else is not declared innocent may be a student of anybody.
    fn relation(&self, suspect: &Declared, house: &str) -> Relation {
        let teachers: Vec<&Declared> = suspect
            .parents
            .iter()
            .filter_map(|p| self.lineage.get(p))
            .collect();
        let makers = |models: &[&Declared]| -> BTreeSet<String> {
            models.iter().filter_map(|m| m.family.clone()).collect()
        };
        let own = makers(&self.members(house).collect::<Vec<_>>());
        let student = suspect.kind.starts_with(STUDENT);
        if student && teachers.iter().any(|t| t.group.as_deref() == Some(house)) {
            Relation::Student
        } else if suspect.kind == INNOCENT || student && own.is_disjoint(&makers(&teachers)) {
            Relation::Other
        } else {
            Relation::Unknown
        }
    }

    /// The panel of a case: the question is about the house, and all other models are there.
    pub fn panel(&self, case: &Case, thinning: Thinning) -> Panel {
        let first = self.members(&case.source).next();
        let named = Named {
            protected: first.map_or_else(String::new, |m| m.id.clone()),
            suspect: case.suspect.clone(),
            family: true,
            ..Named::default()
        };
        let mut panel = Panel::new(&named, std::slice::from_ref(&self.lineage));
        if let Thinning::Controls(count) = thinning {
            // Candidate parents stay; a draw that depends on nothing but the case.
            let place = |id: &str| digest::of_value(&(&case.source, &case.suspect, id, "controls"));
            let (parents, mut others): (Vec<Member>, Vec<Member>) =
                panel.controls.into_iter().partition(|c| c.group.is_some());
            others.sort_by_cached_key(|c| place(&c.id));
            others.truncate(count);
            panel.controls = parents.into_iter().chain(others).collect();
        }
        panel
    }

    /// Weighs a case as a comparison would, from the answers of all models.
    pub fn score(
        &self,
        case: &Case,
        thinning: Thinning,
        fingerprints: &BTreeMap<String, Fingerprint>,
        prepared: &Prepared,
    ) -> Score {
        let panel = self.panel(case, thinning);
        let weighed = case::weigh_scores(&panel, fingerprints, prepared, &[], &Rules::HERE);
        let probes = fingerprints.get(&case.suspect).map_or(0, |p| p.texts.len());
        score::Scored {
            case,
            access: Access::Text,
            thinning,
            served: Served::Plain,
            probes,
            bytes: None,
        }
        .of(&weighed)
    }
}
