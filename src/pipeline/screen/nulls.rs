//! Who is a control of whom: all models but those that were found, and no more than a number of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::listed::{House, Listed};
use super::request::ScreenRequest;
use crate::digest;
use crate::identity::plain_name;
use crate::panel::{Declared, Lineage, Named, Panel};
use crate::pipeline::error::PipelineError;

/// The controls of one protected model or house.
#[derive(Debug, Clone)]
pub(super) struct Controls {
    /// Where the lineage file goes.
    pub(super) path: PathBuf,
    /// Its text.
    pub(super) text: String,
    /// What is read of it.
    pub(super) lineage: Lineage,
    /// Models that are declared to descend from what was found.
    pub(super) with_them: Vec<String>,
}

impl Controls {
    /// The controls of a house without those that were found (ids) and what descends from these.
    pub(super) fn new(
        request: &ScreenRequest,
        listed: &Listed,
        house: &House,
        found: &BTreeSet<String>,
    ) -> Result<Self, PipelineError> {
        let all = &listed.lineage;
        let of_them = |id: &str| found.iter().any(|f| all.descends(id, f));
        let is_member = |m: &Declared| house.members.contains(&m.id);
        let (mut kept, mut with_them) = (Vec::new(), Vec::new());
        for entry in &all.models {
            if found.contains(&entry.id) {
                continue;
            }
            if !is_member(entry) && of_them(&entry.id) {
                with_them.push(entry.id.clone());
            } else {
                kept.push(entry);
            }
        }
        let drawn = drawn(request, listed, house, &kept);
        let mut models: Vec<Declared> = kept
            .into_iter()
            .filter(|m| drawn.contains(&m.id))
            .cloned()
            .collect();
        for model in &mut models {
            let there = |id: &String| drawn.contains(id);
            model.base = model.base.take().filter(there);
            model.parents.retain(there);
        }
        let lineage = Lineage {
            name: format!("controls of {}", house.name),
            models,
            picked: None,
        };
        let path = request.out.join("controls").join(file(house));
        let text = lineage.text().map_err(PipelineError::Declare)?;
        // What a comparison will read is what is weighed here.
        let lineage = Lineage::of_text(&text, &path)?;
        Ok(Self {
            path,
            text,
            lineage,
            with_them,
        })
    }

    /// The panel of a suspect.
    pub(super) fn panel(&self, listed: &Listed, house: &House, suspect: &str) -> Panel {
        let named = named(listed, house, suspect);
        Panel::new(&named, std::slice::from_ref(&self.lineage))
    }
}

/// The models of a comparison of a suspect with a house, as the command line names them.
pub(super) fn named(listed: &Listed, house: &House, suspect: &str) -> Named {
    let mut named = Named {
        protected: house.first.clone(),
        suspect: suspect.to_owned(),
        family: house.whole && house.members.len() > 1,
        ..Named::default()
    };
    // Protected models of which nothing is declared stand beside one another as candidates.
    if house.members.is_empty() {
        let others = listed.asked.iter();
        let others = others.filter(|h| h.members.is_empty() && h.first != house.first);
        let others = others.filter(|h| h.first != suspect);
        named.alternatives = others.map(|h| h.first.clone()).collect();
    }
    named
}

/// The models that a lineage file lists: every candidate parent, what the rest started from, and as many of the others
/// as there may be, those first that are no suspects.
///
/// Who is drawn hangs on names alone, so that what one run takes the next one takes as well.
fn drawn(
    request: &ScreenRequest,
    listed: &Listed,
    house: &House,
    kept: &[&Declared],
) -> BTreeSet<String> {
    let asked: BTreeSet<&String> = listed.asked.iter().flat_map(|h| &h.members).collect();
    let must = |m: &&&Declared| {
        m.group.is_some() || asked.contains(&m.id) || house.members.contains(&m.id)
    };
    let mut drawn: BTreeSet<String> = kept.iter().filter(must).map(|m| m.id.clone()).collect();
    let mut others: Vec<&&Declared> = kept.iter().filter(|m| !drawn.contains(&m.id)).collect();
    others.sort_by_cached_key(|m| {
        let suspect = listed.suspects.contains(&m.id);
        (
            suspect,
            digest::of_value(&(&m.id, "controls of a screening")),
        )
    });
    drawn.extend(
        others
            .iter()
            .take(request.most_controls)
            .map(|m| m.id.clone()),
    );
    // Descent is declared by chains, and no link of one may be missing.
    let by_id: BTreeMap<&str, &Declared> = kept.iter().map(|m| (m.id.as_str(), *m)).collect();
    let mut open: Vec<String> = drawn.iter().cloned().collect();
    while let Some(id) = open.pop() {
        let Some(entry) = by_id.get(id.as_str()) else {
            continue;
        };
        for ancestor in entry.base.iter().chain(&entry.parents) {
            if by_id.contains_key(ancestor.as_str()) && drawn.insert(ancestor.clone()) {
                open.push(ancestor.clone());
            }
        }
    }
    drawn
}

/// The name of the file: readable, and different for whatever differs in name.
fn file(house: &House) -> String {
    let whole = digest::of_value(&(&house.name, &house.first, house.whole));
    format!("{}-{}.toml", plain_name(&house.name), &whole[..8])
}
