//! Which models a screening is about: read from files, each once, before any is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use super::request::{Protected, ScreenRequest, Suspects};
use crate::evidence;
use crate::panel::{Declared, Lineage, LineageError, own_name, same_source};
use crate::pipeline::error::PipelineError;

/// A list of names beyond this size is refused.
const MAX_LIST: u64 = 64 << 20;

/// The models of a screening.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    /// What is declared of suspects and controls.
    pub(super) lineage: Lineage,
    /// The ids of the suspects.
    pub(super) suspects: BTreeSet<String>,
    /// What is asked about.
    pub(super) asked: Vec<House>,
}

/// A protected model, or several that are asked about together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct House {
    /// What it is called here.
    pub(super) name: String,
    /// The model that a comparison names as the protected one.
    pub(super) first: String,
    /// The ids of its members in the lineage; none if the lineage does not have it.
    pub(super) members: Vec<String>,
    /// Whether all members are asked about, as one candidate.
    pub(super) whole: bool,
}

impl Listed {
    /// Reads the files of a request.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, names no suspect, or has no house of a name that is asked about.
    pub(super) fn new(request: &ScreenRequest) -> Result<Self, PipelineError> {
        let mut lineage = match &request.suspects {
            Suspects::Named(names) => of_names("suspects", names),
            Suspects::At(path) => at(path)?,
        };
        let suspects: BTreeSet<String> = lineage.models.iter().map(|m| m.id.clone()).collect();
        if suspects.is_empty() {
            return Err(PipelineError::NoSuspects {
                path: match &request.suspects {
                    Suspects::At(path) => path.clone(),
                    Suspects::Named(_) => request.out.clone(),
                },
            });
        }
        if let Some(path) = &request.controls {
            join(&mut lineage, Lineage::read(path)?, path)?;
        }
        let mut asked = Vec::new();
        for protected in &request.protected {
            match protected {
                Protected::Model(name) => asked.push(model(&lineage, name, &asked)),
                Protected::House(name) => {
                    asked.push(house(&lineage, name).ok_or_else(|| PipelineError::NoHouse {
                        house: name.clone(),
                    })?);
                }
                Protected::EveryHouse => {
                    let groups: BTreeSet<&String> = lineage
                        .models
                        .iter()
                        .filter_map(|m| m.group.as_ref())
                        .collect();
                    asked.extend(groups.into_iter().filter_map(|g| house(&lineage, g)));
                }
            }
        }
        let mut seen = BTreeSet::new();
        asked.retain(|house| seen.insert((house.first.clone(), house.whole)));
        let mut taken = BTreeSet::new();
        for house in &mut asked {
            // A house may have the name of a model.
            while !taken.insert(house.name.clone()) {
                house.name.push_str(" (house)");
            }
        }
        if asked.is_empty() {
            return Err(PipelineError::NoHouse {
                house: String::new(),
            });
        }
        Ok(Self {
            lineage,
            suspects,
            asked,
        })
    }

    /// Every model by its name on the command line, with what it is called here.
    pub(super) fn models(&self) -> BTreeMap<String, String> {
        let listed = self.lineage.models.iter();
        let listed = listed.map(|m| (m.model.clone(), m.id.clone()));
        let alone = self.asked.iter().filter(|h| h.members.is_empty());
        let alone = alone.map(|h| (h.first.clone(), h.name.clone()));
        alone.chain(listed).collect()
    }

    /// The same without some models; what started from one of them, or learned from it, did so from what it started
    /// from itself. A house that has lost a member is asked about without it.
    pub(super) fn without(mut self, gone: &BTreeSet<&str>) -> Self {
        let is_gone = |m: &Declared| gone.contains(m.model.as_str());
        let ids: BTreeSet<String> = self
            .lineage
            .models
            .iter()
            .filter(|m| is_gone(m))
            .map(|m| m.id.clone())
            .collect();
        let ancestors = |of: &Declared| ancestors(&self.lineage, of, &ids);
        let kept = self.lineage.models.iter().filter(|m| !is_gone(m));
        let kept = kept.map(|m| Declared {
            base: m.base.clone().filter(|id| !ids.contains(id)),
            parents: ancestors(m),
            ..m.clone()
        });
        self.lineage.models = kept.collect();
        self.suspects.retain(|id| !ids.contains(id));
        for house in &mut self.asked {
            house.members.retain(|id| !ids.contains(id));
            if house.whole
                && let Some(first) = house.members.first().and_then(|id| self.lineage.get(id))
            {
                house.first.clone_from(&first.model);
            }
        }
        self.asked.retain(|h| !gone.contains(h.first.as_str()));
        self
    }
}

/// The parents of a model, those that are gone replaced by what they descend from.
fn ancestors(lineage: &Lineage, of: &Declared, gone: &BTreeSet<String>) -> Vec<String> {
    let mut open: Vec<&String> = of.parents.iter().rev().collect();
    open.extend(of.base.iter().filter(|id| gone.contains(*id)));
    let (mut seen, mut parents) = (BTreeSet::new(), Vec::new());
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        match lineage.get(id).filter(|_| gone.contains(id)) {
            Some(entry) => open.extend(entry.base.iter().chain(&entry.parents)),
            None if *id != of.id => parents.push(id.clone()),
            None => {}
        }
    }
    parents
}

/// A lineage file, a directory of recordings, or a list of names.
fn at(path: &Path) -> Result<Lineage, PipelineError> {
    if path.is_dir() {
        return directory(path);
    }
    if path.extension().is_some_and(|e| e == "toml") {
        return Ok(Lineage::read(path)?);
    }
    let failed = |source| PipelineError::Suspects {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() > MAX_LIST {
        return Err(failed(std::io::Error::other(format!(
            "a list of more than {MAX_LIST} bytes"
        ))));
    }
    file.take(MAX_LIST)
        .read_to_string(&mut text)
        .map_err(failed)?;
    let lines = text.lines().map(str::trim);
    let names = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let names: Vec<String> = names.map(str::to_owned).collect();
    Ok(of_names(&path.to_string_lossy(), &names))
}

/// The recordings in a directory, by name.
fn directory(path: &Path) -> Result<Lineage, PipelineError> {
    let failed = |source| PipelineError::Suspects {
        path: path.to_owned(),
        source,
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?.path();
        if evidence::is_recording(&entry) {
            names.push(entry.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(of_names(&path.to_string_lossy(), &names))
}

/// Models of which nothing is known but their names.
fn of_names(name: &str, names: &[String]) -> Lineage {
    let mut taken: BTreeSet<String> = ["protected", "suspect", "base"].map(str::to_owned).into();
    let (mut seen, mut models) = (BTreeSet::new(), Vec::new());
    for model in names.iter().filter(|model| seen.insert(*model)) {
        let id = own_name(model, &taken);
        taken.insert(id.clone());
        models.push(Lineage::undeclared(&id, model));
    }
    Lineage {
        name: name.to_owned(),
        models,
        picked: None,
    }
}

/// Adds the models of a further file. A model that stands in both is declared by the first.
fn join(lineage: &mut Lineage, more: Lineage, path: &Path) -> Result<(), LineageError> {
    let known: BTreeMap<String, String> = lineage
        .models
        .iter()
        .map(|m| (m.id.clone(), m.model.clone()))
        .collect();
    for entry in more.models {
        match known.get(&entry.id) {
            None => lineage.models.push(entry),
            Some(model) if same_source(model, &entry.model) => {}
            Some(_) => {
                return Err(LineageError::Entry {
                    path: path.to_owned(),
                    id: entry.id,
                    what: "is another model among the suspects".to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// One model, as it is called in the lineage or by its own name.
fn model(lineage: &Lineage, name: &str, asked: &[House]) -> House {
    if let Some(entry) = lineage.find_model(name) {
        return House {
            name: entry.id.clone(),
            // As the others know it, however it is written.
            first: entry.model.clone(),
            members: vec![entry.id.clone()],
            whole: false,
        };
    }
    let taken = lineage.models.iter().map(|m| m.id.clone());
    let taken = taken.chain(asked.iter().map(|h| h.name.clone())).collect();
    House {
        name: own_name(name, &taken),
        first: name.to_owned(),
        members: Vec::new(),
        whole: false,
    }
}

/// The models of a group; `None` if there is none.
fn house(lineage: &Lineage, name: &str) -> Option<House> {
    let of = lineage.models.iter();
    let of = of.filter(|m| m.group.as_deref() == Some(name));
    let members: Vec<&Declared> = of.collect();
    Some(House {
        name: name.to_owned(),
        first: members.first()?.model.clone(),
        members: members.iter().map(|m| m.id.clone()).collect(),
        whole: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage() -> Lineage {
        let entry =
            |id: &str, base: Option<&str>, parents: &[&str], group: Option<&str>| Declared {
                base: base.map(str::to_owned),
                parents: parents.iter().map(|p| (*p).to_owned()).collect(),
                group: group.map(str::to_owned),
                ..Lineage::undeclared(id, &format!("m/{id}"))
            };
        Lineage {
            name: "n".to_owned(),
            models: vec![
                entry("old", None, &[], Some("g")),
                entry("new", None, &[], Some("g")),
                entry("child", None, &["old"], None),
                entry("grandchild", Some("child"), &["new"], None),
            ],
            picked: None,
        }
    }

    #[test]
    fn what_descends_from_a_model_that_is_gone_descends_from_what_that_did() {
        let listed = Listed {
            suspects: ["child", "grandchild"].map(str::to_owned).into(),
            asked: house(&lineage(), "g").into_iter().collect(),
            lineage: lineage(),
        };
        let less = listed.clone().without(&["m/child"].into());
        let grandchild = less.lineage.get("grandchild").unwrap();
        assert_eq!(grandchild.base, None);
        assert_eq!(grandchild.parents, ["old", "new"]);
        assert_eq!(less.suspects.len(), 1);
        let less = listed.clone().without(&["m/old"].into());
        assert_eq!(less.asked[0].first, "m/new");
        assert_eq!(less.asked[0].members, ["new"]);
        assert!(less.lineage.get("child").unwrap().parents.is_empty());
        let none = listed.without(&["m/old", "m/new"].into());
        assert!(none.asked.is_empty());
    }

    #[test]
    fn a_list_is_read_without_comments_and_repeats() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("names.txt");
        fs::write(&path, "# mine\n a/x \n\nb/x\na/x\n").unwrap();
        let read = at(&path).unwrap();
        let ids: Vec<&str> = read.models.iter().map(|m| m.id.as_str()).collect();
        assert_eq!(ids, ["x", "x-2"]);
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(at(&path), Err(PipelineError::Suspects { .. })));
    }
}
