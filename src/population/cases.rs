//! Questions with known answers: every candidate parent as the protected model, every other model of its
//! part as the suspect.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Part, Population};
use crate::digest;
use crate::panel::{Declared, Lineage, Named, Panel};

/// What a suspect truly is to a protected model. All but the first two and the last are innocent.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// It learned from the protected model's outputs, or was made from one that did.
    Student,
    /// It was made from the protected model's weights, without learning from its outputs.
    Derivative,
    /// It is the protected model's sibling, or made from a sibling's weights.
    Sibling,
    /// It learned from a sibling's outputs.
    SiblingStudent,
    /// It learned from a model like the protected one that no panel lists.
    UnseenStudent,
    /// It learned from the protected model's own real text.
    SameData,
    /// None of these.
    Other,
    /// What is declared neither says that it learned from the protected model nor rules it out.
    Unknown,
}

impl Relation {
    /// All relations.
    pub const ALL: [Self; 8] = [
        Self::Student,
        Self::Derivative,
        Self::Sibling,
        Self::SiblingStudent,
        Self::UnseenStudent,
        Self::SameData,
        Self::Other,
        Self::Unknown,
    ];

    /// The relations of innocent models: each is an explanation to be weighed against.
    pub const INNOCENT: [Self; 5] = [
        Self::Sibling,
        Self::SiblingStudent,
        Self::UnseenStudent,
        Self::SameData,
        Self::Other,
    ];

    /// The word in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Student => "student",
            Self::Derivative => "derivative",
            Self::Sibling => "sibling",
            Self::SiblingStudent => "sibling_student",
            Self::UnseenStudent => "unseen_student",
            Self::SameData => "same_data",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }

    /// The model has nothing of the protected one.
    pub fn is_innocent(self) -> bool {
        Self::INNOCENT.contains(&self)
    }
}

/// A case: who is asked about whom, and what is true.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The part that both belong to.
    pub part: Part,
    /// The protected model's source.
    pub source: String,
    /// The protected model.
    pub protected: String,
    /// The suspect.
    pub suspect: String,
    /// What the suspect is.
    pub kind: String,
    /// What it truly is to the protected model.
    pub relation: Relation,
    /// The share of its training that the protected model wrote: 0 for an innocent, `None` if it is not
    /// known or there was more than one step between them.
    pub dose: Option<f64>,
}

/// What is taken away from a panel or a battery, to see what it was worth.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(tag = "thinned", content = "to", rename_all = "snake_case")]
pub enum Thinning {
    /// Nothing.
    #[default]
    None,
    /// All but so many controls; the siblings stay candidate parents.
    Controls(usize),
    /// All but so many probes.
    Probes(usize),
}

impl Population {
    /// Every case of a part. The order is that of the lineage file.
    pub fn cases(&self, part: Part) -> Vec<Case> {
        let mut cases = Vec::new();
        for source in self.sources(part) {
            for protected in self.parents(source) {
                for suspect in self.models(part) {
                    let own = suspect.id == protected.id;
                    if own || self.lineage.descends(&protected.id, &suspect.id) {
                        continue;
                    }
                    let relation = self.relation(suspect, protected);
                    cases.push(Case {
                        part,
                        source: source.clone(),
                        protected: protected.id.clone(),
                        suspect: suspect.id.clone(),
                        kind: suspect.kind.clone(),
                        dose: dose(suspect, protected, relation),
                        relation,
                    });
                }
            }
        }
        cases
    }

    fn relation(&self, suspect: &Declared, protected: &Declared) -> Relation {
        let lineage = &self.lineage;
        if learned(lineage, &suspect.id, &protected.id) {
            return Relation::Student;
        }
        if lineage.descends(&suspect.id, &protected.id) {
            return Relation::Derivative;
        }
        let siblings = || {
            let models = lineage.models.iter();
            models.filter(|m| m.group.is_some() && m.group == protected.group)
        };
        if siblings().any(|s| learned(lineage, &suspect.id, &s.id)) {
            return Relation::SiblingStudent;
        }
        if siblings().any(|s| s.id == suspect.id || lineage.descends(&suspect.id, &s.id)) {
            return Relation::Sibling;
        }
        let alike = |m: &Declared| {
            !protected.data.is_empty() && protected.data.iter().all(|d| m.data.contains(d))
        };
        let unseen = self.unlisted.iter().filter_map(|id| lineage.get(id));
        if unseen
            .filter(|u| alike(u))
            .any(|u| learned(lineage, &suspect.id, &u.id))
        {
            return Relation::UnseenStudent;
        }
        // What a model's base has read, the model has read.
        let mut open = Some(suspect);
        while let Some(model) = open {
            if alike(model) {
                return Relation::SameData;
            }
            open = model.base.as_ref().and_then(|b| lineage.get(b));
        }
        Relation::Other
    }

    /// The panel of a case: all models of the part that a user could know of, less the suspect's and the
    /// protected model's own descendants.
    pub fn panel(&self, case: &Case, thinning: Thinning) -> Panel {
        let shown = self
            .models(case.part)
            .filter(|m| m.id == case.suspect || !self.is_unlisted(&m.id));
        let lineage = Lineage {
            name: self.lineage.name.clone(),
            models: shown.cloned().collect(),
            picked: None,
        };
        let named = Named {
            protected: case.protected.clone(),
            suspect: case.suspect.clone(),
            ..Named::default()
        };
        let mut panel = Panel::new(&named, &[lineage]);
        if let Thinning::Controls(count) = thinning {
            // A draw that depends on nothing but the case.
            let place =
                |id: &str| digest::of_value(&(&case.protected, &case.suspect, id, "controls"));
            panel.controls.sort_by_cached_key(|c| place(&c.id));
            panel.controls.truncate(count);
        }
        panel
    }
}

/// What is declared of the dose, where it is that of the protected model alone.
fn dose(suspect: &Declared, protected: &Declared, relation: Relation) -> Option<f64> {
    if relation.is_innocent() {
        return Some(0.0);
    }
    let alone = suspect.parents.len() == 1 && suspect.parents[0] == protected.id;
    suspect.dose.filter(|_| alone)
}

/// Whether a model learned from the outputs of another, or was made from one that did.
fn learned(lineage: &Lineage, id: &str, teacher: &str) -> bool {
    let Some(model) = lineage.get(id) else {
        return false;
    };
    let from = |parent: &String| parent == teacher || lineage.descends(parent, teacher);
    model.parents.iter().any(from)
        || model
            .base
            .as_ref()
            .is_some_and(|base| learned(lineage, base, teacher))
}
