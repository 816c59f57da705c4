//! Members that are no controls, found by their answers before anything is weighed.
//!
//! A control that answers as the protected model does is that model under another name, and one that answers as the
//! suspect does is the suspect: neither shows what an innocent model does, and as a part of mixes each would explain
//! the suspect away. Copies of one control count once, or many names would make few models look like many.
//! All these are found by the rule for *same model*, applied to pairs of members, and where nothing but open text was
//! had by equal answers.
//!
//! Undeclared descendants stand out among the controls as the suspect would: by how much closer they are to the
//! protected model than to its like. They are looked for by the contrast, in which no mix of other descendants can
//! explain them away, from the controls' median and in units of how controls scatter at other candidate parents
//! ([`beyond_median`]): a few that do not belong move neither. Who lies beyond the rules' threshold is left out of
//! rows, columns and mixes. Weak students stay below it and remain: `models/README.md` says which.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Affinity, Prepared, Scores, Sides, Weighed, pool};
use crate::fingerprint::Fingerprint;
use crate::measure::equality::is_copy;
use crate::panel::{Member, Panel};
use crate::rules::{MIN_FOR_MEDIAN, Rules, Screen};
use crate::weigh::beyond_median;

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
    /// The member that it answers like; nothing for one that lies beyond the others.
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
    let found = beyond(&sides, &tables);
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

/// Controls that stand out among the others as a descendant would.
fn beyond(sides: &Sides<'_>, tables: &[Affinity]) -> Vec<Screened> {
    let gaps = |table: &Affinity, parents: &[&str]| -> Option<Vec<(String, f64)>> {
        let scores = match (&table.gram, parents) {
            (Some(_), _) => sides.near(table, parents).ok()?,
            (None, [parent]) => sides.contrast(table, parent).ok()?.scores(),
            (None, _) => return None,
        };
        Some(scores.controls)
    };
    let contrasted = tables.par_iter().filter_map(|table| {
        let (asked, others) = sides.parents(table);
        Some(Weighed {
            weight: table.measure.weight(),
            scores: Scores {
                suspect: 0.0,
                controls: gaps(table, &asked)?,
            },
            elsewhere: others
                .iter()
                .filter_map(|k| Some(gaps(table, k)?.into_iter().collect()))
                .collect(),
        })
    });
    let (ids, rows) = pool(&contrasted.collect::<Vec<_>>());
    let Some(far) = beyond_median(&rows).filter(|_| ids.len() >= MIN_FOR_MEDIAN) else {
        return Vec::new();
    };
    let parents: BTreeSet<&str> = sides.columns.iter().map(|c| c.id).collect();
    descendants(ids.into_iter().zip(far), &parents, &sides.rules.screen)
        .into_iter()
        .map(|id| Screened {
            id,
            why: NoControl::Beyond,
            like: None,
        })
        .collect()
}

/// The controls that are taken for undeclared descendants by how far each lies above the median, the farthest first.
///
/// Candidate parents are declared to be none, and siblings of the protected model lie far above the median by nature:
/// they stay. Where more than the rules' share lie so far, these are no exceptions but a kind of their own, which the
/// mixes need, and all stay.
fn descendants(
    far: impl ExactSizeIterator<Item = (String, f64)>,
    parents: &BTreeSet<&str>,
    screen: &Screen,
) -> Vec<String> {
    let all = far.len() as f64;
    let mut found: Vec<(String, f64)> = far
        .filter(|(id, score)| *score > screen.beyond && !parents.contains(id.as_str()))
        .collect();
    if found.len() as f64 > screen.most * all {
        return Vec::new();
    }
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found.into_iter().map(|(id, _)| id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(scores: &[(&str, f64)], parents: &[&str]) -> Vec<String> {
        let scores: Vec<(String, f64)> = scores
            .iter()
            .map(|(id, x)| ((*id).to_owned(), *x))
            .collect();
        let parents = parents.iter().copied().collect();
        descendants(scores.into_iter(), &parents, &Rules::HERE.screen)
    }

    #[test]
    fn who_lies_far_above_the_others_is_taken_for_a_descendant_unless_it_is_a_candidate_parent() {
        let few = [0.1, -1.0, 0.4, 1.2, -0.3, 0.0, 0.8, -2.0];
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let mut scores: Vec<(&str, f64)> = names.into_iter().zip(few).collect();
        scores.extend([("sibling", 9.0), ("student", 6.0), ("other", 12.0)]);
        // Two of eleven are less than a fifth, three are more.
        assert_eq!(found(&scores, &["sibling"]), ["other", "student"]);
        assert!(found(&scores, &[]).is_empty());
        assert!(found(&scores[..9], &["sibling"]).is_empty());
        assert_eq!(found(&scores[..9], &[]), ["sibling"]);
        assert!(found(&[], &[]).is_empty());
    }
}
