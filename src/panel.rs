//! The panel: which models stand in which role, and what is declared of their descent.
//!
//! A lineage file says of models what is known: from which weights each started (`base`), on whose
//! outputs it was trained (`parents`), on which real text (`data`), and which models are alike in data
//! and kind (`group`). For a given protected model the file gives the controls (all that do not descend
//! from it) and the matched alternatives (its group). What the file says of the suspect's parents is not
//! used: the suspect is whatever the measurements say. Its base, size and date, where they are declared,
//! say only which controls are of its kind ([`ControlKind`]).
//!
//! `size` (parameters), `released` (YYYY-MM) and `family` may be declared of every model. A list of public
//! models in the same form comes with the tool (`public`).

mod kinds;
mod lineage;
mod matter;
mod own_name;
mod public;
mod write;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use lineage::same_model;

pub(crate) use lineage::same_source;
pub use own_name::own_name;

pub use kinds::ControlKind;
pub use lineage::{Declared, Lineage, LineageError};
pub use matter::Matter;
pub use public::{Pick, PickError, SizeClass, public};

/// Why a model may stand against shared data as the explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Matching {
    /// The lineage file puts it beside the protected model: same group or same data.
    Declared,
    /// The user named it as an alternative; nothing else is known.
    Named,
    /// It is not known to share data or kind with the protected model.
    None,
}

/// A model in its role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Unique within the comparison.
    pub id: String,
    /// How the command line names it.
    pub model: String,
    /// What it is, in words.
    pub kind: String,
    /// How it is matched with the protected model.
    pub matching: Matching,
    /// The id of its base, when that is in the panel.
    pub base: Option<String>,
    /// Candidate parents that it is known to descend from: these cells do not exist.
    pub known_parents: Vec<String>,
    /// What it is to the case, as far as it is declared; empty for roles other than control.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<ControlKind>,
    /// The group that it is declared to belong to: with others it is a house of candidate parents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// All models of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    /// The model whose outputs may have been learned from.
    pub protected: Member,
    /// The model under question.
    pub suspect: Member,
    /// The suspect's own base or earlier checkpoint.
    pub base: Option<Member>,
    /// Models known not to descend from the protected one.
    pub controls: Vec<Member>,
    /// Other candidate parents.
    pub alternatives: Vec<Member>,
    /// Entries of the lineage file that were left out, and why.
    pub left_out: Vec<(String, String)>,
    /// The kinds of control that enough is declared to tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decidable: Vec<ControlKind>,
    /// The alternatives (ids) that are asked about together with the protected model: its group. Empty
    /// when the question is about the protected model alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub family: Vec<String>,
}

/// The models named on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// `--protected`.
    pub protected: String,
    /// `--suspect`.
    pub suspect: String,
    /// `--base`.
    pub base: Option<String>,
    /// `--control`.
    pub controls: Vec<String>,
    /// `--alternative`.
    pub alternatives: Vec<String>,
    /// `--family`: the question is about the protected model's group.
    pub family: bool,
}

impl Named {
    /// The same with ids of lineage files replaced by the models that they stand for. A name that `means` something by
    /// itself stays.
    #[must_use]
    pub fn by_ids(&self, lineages: &[Lineage], means: &dyn Fn(&str) -> bool) -> Self {
        let model = |name: &String| {
            let declared = lineages.iter().find_map(|lineage| lineage.get(name));
            let declared = declared.filter(|_| !means(name));
            declared.map_or_else(|| name.clone(), |entry| entry.model.clone())
        };
        Self {
            protected: model(&self.protected),
            suspect: model(&self.suspect),
            base: self.base.as_ref().map(model),
            controls: self.controls.iter().map(model).collect(),
            alternatives: self.alternatives.iter().map(model).collect(),
            family: self.family,
        }
    }
}

impl Panel {
    /// Gives every model its role.
    pub fn new(named: &Named, lineages: &[Lineage]) -> Self {
        let mut panel = Self {
            protected: single("protected", &named.protected, Matching::None),
            suspect: single("suspect", &named.suspect, Matching::None),
            base: named
                .base
                .as_ref()
                .map(|model| single("base", model, Matching::None)),
            controls: Vec::new(),
            alternatives: Vec::new(),
            left_out: Vec::new(),
            decidable: Vec::new(),
            family: Vec::new(),
        };
        let about = kinds::About::new(named, lineages);
        panel.decidable = about.decidable();
        for lineage in lineages {
            panel.add(lineage, named, &about);
        }
        // A model must not count twice, nor be a control of its own case.
        let taken = [
            Some(&named.protected),
            Some(&named.suspect),
            named.base.as_ref(),
        ];
        let is_taken = |model: &str| taken.iter().flatten().any(|t| same_model(t, model));
        let is_related = |model: &str| taken.iter().flatten().any(|t| same_source(t, model));
        panel.controls.retain(|c| !is_related(&c.model));
        let mut seen = BTreeSet::new();
        panel.controls.retain(|c| seen.insert(c.model.clone()));
        for model in &named.controls {
            let known = panel.controls.iter().any(|c| same_model(&c.model, model));
            if known || is_taken(model) {
                panel
                    .left_out
                    .push((model.clone(), "stands in another role already".to_owned()));
                continue;
            }
            let id = panel.name_of(model);
            panel.controls.push(Member {
                kinds: about.kinds_of_named(model),
                ..single(&id, model, Matching::None)
            });
        }
        for model in &named.alternatives {
            let id = panel.name_of(model);
            panel.alternatives.push(single(&id, model, Matching::Named));
        }
        panel
    }

    /// What a model that no lineage file declares is called beside the members so far.
    fn name_of(&self, model: &str) -> String {
        let roles = ["protected", "suspect", "base"];
        let members = self.alternatives.iter().chain(&self.controls);
        let taken = roles.into_iter().map(str::to_owned);
        own_name(model, &taken.chain(members.map(|m| m.id.clone())).collect())
    }

    /// The candidate parents (ids) that are asked about: the protected model, and its group if the question is about it.
    pub fn asked(&self) -> Vec<&str> {
        let group = self.family.iter().map(String::as_str);
        std::iter::once(self.protected.id.as_str())
            .chain(group)
            .collect()
    }

    /// Every model once, each with the role that it plays first.
    pub fn members(&self) -> Vec<&Member> {
        let mut seen = BTreeSet::new();
        [&self.protected, &self.suspect]
            .into_iter()
            .chain(&self.base)
            .chain(&self.alternatives)
            .chain(&self.controls)
            .filter(|m| seen.insert(m.model.as_str()))
            .collect()
    }

    fn add(&mut self, lineage: &Lineage, named: &Named, about: &kinds::About<'_>) {
        let protected = lineage.find_model(&named.protected);
        let suspect = lineage.find_model(&named.suspect);
        if let Some(protected) = protected {
            self.protected.group.clone_from(&protected.group);
        }
        let siblings: Vec<&Declared> = lineage
            .models
            .iter()
            .filter(|m| {
                let group = protected.and_then(|p| p.group.as_ref());
                group.is_some() && m.group.as_ref() == group
            })
            .collect();
        let of_others = lineage
            .models
            .iter()
            .filter(|m| m.group.is_some() && !siblings.iter().any(|s| s.id == m.id));
        let candidates: Vec<&Declared> = siblings.iter().copied().chain(of_others).collect();
        let is = |m: &Declared, other: Option<&Declared>| other.is_some_and(|o| o.id == m.id);
        for entry in &lineage.models {
            let offered = lineage.picked.as_ref();
            let unpicked = offered.is_some_and(|ids| !ids.contains(&entry.id));
            if is(entry, protected) || is(entry, suspect) || unpicked {
                continue;
            }
            let of_family = |s: &&&Declared| !is(s, protected) && !is(s, suspect);
            let reason = match (protected, suspect) {
                (Some(p), _) if lineage.descends(&entry.id, &p.id) => {
                    "descends from the protected model"
                }
                (Some(p), _) if lineage.descends(&p.id, &entry.id) => {
                    "is an ancestor of the protected model"
                }
                (_, Some(s)) if lineage.descends(&entry.id, &s.id) => "descends from the suspect",
                _ if named.family
                    && siblings.iter().filter(of_family).any(|s| {
                        lineage.descends(&entry.id, &s.id) || lineage.descends(&s.id, &entry.id)
                    }) =>
                {
                    "descends from one of the protected model's group, or one of it from it"
                }
                _ => "",
            };
            if !reason.is_empty() {
                self.left_out.push((entry.id.clone(), reason.to_owned()));
                continue;
            }
            let alike = protected.is_some_and(|p| {
                !p.data.is_empty() && p.data.iter().all(|d| entry.data.contains(d))
            });
            let member = Member {
                id: entry.id.clone(),
                model: entry.model.clone(),
                kind: entry.kind.clone(),
                matching: if alike {
                    Matching::Declared
                } else {
                    Matching::None
                },
                base: entry.base.clone(),
                known_parents: candidates
                    .iter()
                    .filter(|s| lineage.descends(&entry.id, &s.id))
                    .map(|s| s.id.clone())
                    .collect(),
                kinds: about.kinds(lineage, entry),
                group: entry.group.clone(),
            };
            if siblings.iter().any(|s| s.id == entry.id) {
                self.alternatives.push(Member {
                    matching: Matching::Declared,
                    kinds: Vec::new(),
                    ..member.clone()
                });
                if named.family {
                    self.family.push(entry.id.clone());
                }
            }
            self.controls.push(member);
        }
    }
}

fn single(id: &str, model: &str, matching: Matching) -> Member {
    Member {
        id: id.to_owned(),
        model: model.to_owned(),
        kind: String::new(),
        matching,
        base: None,
        known_parents: Vec::new(),
        kinds: Vec::new(),
        group: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(id: &str, base: Option<&str>, parents: &[&str], group: Option<&str>) -> Declared {
        Declared {
            id: id.to_owned(),
            model: format!("m/{id}"),
            kind: String::new(),
            base: base.map(str::to_owned),
            parents: parents.iter().map(|p| (*p).to_owned()).collect(),
            data: vec!["d".to_owned()],
            group: group.map(str::to_owned),
            source: None,
            dose: None,
            size: None,
            released: None,
            family: None,
            pick: true,
        }
    }

    fn family() -> Lineage {
        Lineage {
            name: "f".to_owned(),
            models: vec![
                declared("p", None, &[], Some("g")),
                declared("twin", None, &[], Some("g")),
                declared("base", None, &[], None),
                declared("child", Some("base"), &["p"], None),
                declared("grandchild", None, &["child"], None),
                declared("twin-child", Some("base"), &["twin"], None),
                declared("plain", None, &[], None),
            ],
            picked: None,
        }
    }

    fn panel(suspect: &str, base: Option<&str>, controls: &[&str]) -> Panel {
        let named = Named {
            protected: "m/p".to_owned(),
            suspect: suspect.to_owned(),
            base: base.map(str::to_owned),
            controls: controls.iter().map(|c| (*c).to_owned()).collect(),
            alternatives: Vec::new(),
            family: false,
        };
        Panel::new(&named, &[family()])
    }

    fn ids(members: &[Member]) -> Vec<&str> {
        members.iter().map(|m| m.id.as_str()).collect()
    }

    #[test]
    fn what_descends_from_the_protected_model_is_no_control() {
        let panel = panel("elsewhere", None, &[]);
        assert_eq!(
            ids(&panel.controls),
            ["twin", "base", "twin-child", "plain"]
        );
        assert_eq!(ids(&panel.alternatives), ["twin"]);
        let left: Vec<&str> = panel.left_out.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(left, ["child", "grandchild"]);
        let twins = panel
            .controls
            .iter()
            .find(|c| c.id == "twin-child")
            .unwrap();
        assert_eq!(twins.known_parents, ["twin"]);
    }

    #[test]
    fn a_suspect_is_no_control_and_neither_are_its_descendants() {
        let panel = panel("m/twin", None, &[]);
        assert_eq!(ids(&panel.controls), ["base", "plain"]);
        assert!(panel.alternatives.is_empty());
    }

    #[test]
    fn no_model_counts_twice() {
        let panel = panel("m/child", Some("m/base"), &["m/plain", "m/child", "other"]);
        assert_eq!(
            ids(&panel.controls),
            ["twin", "twin-child", "plain", "other"]
        );
        assert_eq!(panel.left_out.len(), 3);
    }
}
