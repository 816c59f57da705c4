//! Members that are no controls, found by their answers before anything is weighed.
//!
//! A control that answers as the protected model does is that model under another name, and one that answers as the
//! suspect does is the suspect: neither shows what an innocent model does, and as a part of mixes each would explain
//! the suspect away. Copies of one control count once, or many names would make few models look like many.
//! All these are found by the rule for *same model*, applied to pairs of members, and where nothing but open text was
//! had by equal answers.
//!
//! Undeclared descendants of the protected model, which would explain the suspect away, are looked for among the rest
//! ([`undeclared()`]) and left out of rows, columns and mixes likewise.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::undeclared::undeclared;
use super::{Affinity, Prepared, Sides};
use crate::fingerprint::Fingerprint;
use crate::measure::equality::is_copy;
use crate::panel::{Member, Panel};
use crate::rules::{Rules, Screen};

/// Why a member is no control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoControl {
    /// It answers as the protected model does.
    Protected,
    /// It answers as the suspect does.
    Suspect,
    /// It answers as another control does, which stays.
    Copy,
    /// It lies so far beyond the other controls that it is taken for an undeclared descendant.
    Beyond,
}

/// A member that is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Screened {
    /// Its id.
    pub id: String,
    /// Why.
    pub why: NoControl,
    /// The member that it answers like; `None` for one that lies beyond the others.
    pub like: Option<String>,
}

/// The panel without members that are no controls, the tables of what is left, and who was left out.
pub(super) fn screened(
    panel: &Panel,
    prints: &BTreeMap<String, Fingerprint>,
    prepared: Option<&Prepared>,
    rules: &Rules,
) -> (Panel, Vec<Affinity>, Vec<Screened>) {
    let mut out = copies(panel, prints, prepared, &rules.screen);
    let mut kept = without(panel, &out);
    let sides = Sides {
        prepared,
        ..Sides::new(&kept, prints, rules)
    };
    let mut tables = sides.tables();
    let found: Vec<Screened> = undeclared(&sides, &tables)
        .into_iter()
        .map(|id| Screened {
            id,
            why: NoControl::Beyond,
            like: None,
        })
        .collect();
    if !found.is_empty() {
        let gone: BTreeSet<&String> = found.iter().map(|s| &s.id).collect();
        for table in &mut tables {
            let stays = |ids: &[String]| -> Vec<usize> {
                (0..ids.len())
                    .filter(|i| !gone.contains(&ids[*i]))
                    .collect()
            };
            *table = table.part(&stays(&table.rows), &stays(&table.columns));
        }
        kept = without(&kept, &found);
        out.extend(found);
    }
    (kept, tables, out)
}

/// The panel without some members.
fn without(panel: &Panel, out: &[Screened]) -> Panel {
    let stays = |m: &Member| !out.iter().any(|s| s.id == m.id);
    let mut less = panel.clone();
    less.controls.retain(stays);
    less.alternatives.retain(stays);
    less.family.retain(|id| !out.iter().any(|s| s.id == *id));
    less
}

/// Controls and alternatives that answer as another member does.
fn copies(
    panel: &Panel,
    prints: &BTreeMap<String, Fingerprint>,
    prepared: Option<&Prepared>,
    screen: &Screen,
) -> Vec<Screened> {
    let alike = |a: &Member, b: &Member| {
        if a.model == b.model {
            return false;
        }
        match (prepared, prints.get(&a.model), prints.get(&b.model)) {
            (Some(prepared), ..) => prepared.is_copy(&a.model, &b.model),
            (None, Some(a), Some(b)) => is_copy(a, b, screen),
            _ => false,
        }
    };
    let mut out: Vec<Screened> = Vec::new();
    let mut drop = |member: &Member, why, like: &Member| {
        out.push(Screened {
            id: member.id.clone(),
            why,
            like: Some(like.id.clone()),
        });
    };
    let mut kept: Vec<&Member> = Vec::new();
    for member in &panel.alternatives {
        if alike(member, &panel.protected) {
            drop(member, NoControl::Protected, &panel.protected);
        }
    }
    for control in &panel.controls {
        let earlier = kept.iter().find(|k| alike(control, k));
        if alike(control, &panel.protected) {
            drop(control, NoControl::Protected, &panel.protected);
        } else if alike(control, &panel.suspect) {
            drop(control, NoControl::Suspect, &panel.suspect);
        } else if let Some(first) = earlier {
            drop(control, NoControl::Copy, first);
        } else {
            kept.push(control);
        }
    }
    out
}
