//! Undeclared descendants of the protected model among the controls.
//!
//! Every control is tried as if it were the suspect: by its gap to a mix of the other controls, among the gaps of
//! these. Descendants hide one another, for each explains the others in their mixes; so the control that stands out
//! most is taken away, the mixes are fitted without it, and so on until a share of the controls is gone. How many of
//! them do not belong is then read off all these steps ([`outliers`]): the last that stands out by itself, and all that
//! were taken away before it.
//!
//! A control whose mixes do not fit it at other candidate parents is of another kind than the rest, which says nothing
//! of descent: it is not taken away. Candidate parents are declared to be no descendants. Descendants that are more than
//! the share, or that learned little, stay.
//!
//! It was settled on the shipped family, where 1 and 2 students of the teacher among 24 controls were all found with ten
//! suspects each, 4 with nine of ten, and nobody else; of smaller panels fewer than half were. By how far a control lies
//! above the controls' median in its contrast, which was tried before, they could not be told from models of other data.
//! That a control must stand out as a suspect must that is accused, and that it takes two other candidate parents, was
//! settled on the confirmation (`docs/validation.md`).

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::{Sides, Weighed, pool};
use crate::measure::{Affinity, Gap, Measure, Scores, gaps_of_controls, gaps_without, scores_of};
use crate::rules::{MIN_COLUMNS, MIN_TO_SCREEN};
use crate::weigh::{Fitted, Null, Row, fitted, outliers, pooled};

/// The controls that are taken for undeclared descendants of the protected model, the one that stands out most first.
pub(super) fn undeclared(sides: &Sides<'_>, tables: &[Affinity]) -> Vec<String> {
    let screen = &sides.rules.screen;
    let unlike = sides.rules.ladder(sides.condition()).unlike;
    let mut left = Left::new(sides, tables);
    let controls = left.ids().len();
    let parents: BTreeSet<&str> = sides.columns.iter().map(|c| c.id).collect();
    // By one other candidate parent a mix is fitted to little, and innocents stand out by what it misses.
    if controls < MIN_TO_SCREEN || sides.columns.len() < MIN_COLUMNS {
        return Vec::new();
    }
    let mut path: Vec<(String, f64)> = Vec::new();
    let most = screen.most * controls as f64;
    while ((path.len() + 1) as f64) <= most {
        let Some((id, p)) = left.farthest(&parents, unlike) else {
            break;
        };
        left = left.without(sides, &id);
        path.push((id, p));
    }
    let ps: Vec<f64> = path.iter().map(|(_, p)| *p).collect();
    path.truncate(outliers(&ps, controls, screen.beyond_p));
    path.into_iter().map(|(id, _)| id).collect()
}

/// What the controls that are left say by one measure.
struct Placebos {
    measure: Measure,
    table: Affinity,
    /// Their gaps at the protected model.
    gaps: Vec<Gap>,
    /// And at other candidate parents.
    elsewhere: Vec<BTreeMap<String, f64>>,
}

/// The controls that are left.
struct Left {
    null: Null,
    placebos: Vec<Placebos>,
}

impl Left {
    fn new(sides: &Sides<'_>, tables: &[Affinity]) -> Self {
        let (suspect, protected) = (&sides.panel.suspect.id, &sides.panel.protected.id);
        // By open text nothing is fitted: how controls lie is estimated from their shortest half.
        let tables = tables.par_iter().filter(|t| t.gram.is_none());
        let placebos = tables.map(|table| {
            let gaps = |parent: &String| gaps_of_controls(table, suspect, parent, sides.base);
            let others = sides.other_columns(table, protected);
            Placebos {
                measure: table.measure,
                table: table.clone(),
                gaps: gaps(protected),
                elsewhere: others
                    .into_par_iter()
                    .map(|k| scores_of(&gaps(k)).collect())
                    .collect(),
            }
        });
        let placebos: Vec<Placebos> = placebos.collect();
        let usable = placebos.into_iter().filter(|p| p.gaps.len() > 2);
        Self {
            null: sides.null(),
            placebos: usable.collect(),
        }
    }

    /// The controls that every measure has and their gaps, a row a measure; the first score of a row is nobody's.
    fn rows(&self) -> (Vec<String>, Vec<Row>) {
        let weighed = self.placebos.iter().map(|of| Weighed {
            weight: of.measure.weight(),
            scores: Scores {
                suspect: 0.0,
                controls: scores_of(&of.gaps).collect(),
            },
            elsewhere: of.elsewhere.clone(),
        });
        pool(&weighed.collect::<Vec<_>>())
    }

    fn ids(&self) -> Vec<String> {
        self.rows().0
    }

    /// The control that stands out most among the others, with its p, of those that are no candidate parents and less
    /// than `unlike` of whose mixes fit too badly; `None` if none can be judged.
    fn farthest(&self, parents: &BTreeSet<&str>, unlike: f64) -> Option<(String, f64)> {
        let (ids, rows) = self.rows();
        let can_be = |id: &String| !parents.contains(id.as_str()) && self.unlike(id) < unlike;
        let places = (0..ids.len()).filter(|i| can_be(&ids[*i]));
        let judged = places.filter_map(|place| {
            let as_suspect = |row: &Row| {
                let mut less = row.without(place);
                less.scores[0] = row.scores[place + 1];
                less
            };
            let rows: Vec<Row> = rows.iter().map(as_suspect).collect();
            Some((place, pooled(&rows, &self.null)?.t?.p))
        });
        let (place, p) = judged.min_by(|a, b| a.1.total_cmp(&b.1))?;
        Some((ids[place].clone(), p))
    }

    /// The share of the measures' weight whose mixes fit a control too badly at other candidate parents.
    fn unlike(&self, id: &str) -> f64 {
        let (mut badly, mut all) = (0.0, 0.0);
        for of in &self.placebos {
            let Some(own) = of.gaps.iter().find(|g| g.id == id) else {
                continue;
            };
            let others = of.gaps.iter().filter(|g| g.id != id).map(|g| g.error);
            all += of.measure.weight();
            if fitted(own.error, others.collect()) == Fitted::TooBadly {
                badly += of.measure.weight();
            }
        }
        if all > 0.0 { badly / all } else { 0.0 }
    }

    /// The same without one control, out of the mixes of the others as well.
    fn without(self, sides: &Sides<'_>, out: &str) -> Self {
        let (suspect, protected) = (&sides.panel.suspect.id, &sides.panel.protected.id);
        let placebos = self.placebos.into_par_iter().map(|mut of| {
            let known = (out, of.gaps.as_slice());
            of.gaps = gaps_without(&of.table, suspect, protected, sides.base, known);
            let rows = (0..of.table.rows.len()).filter(|i| of.table.rows[*i] != out);
            let columns: Vec<usize> = (0..of.table.columns.len()).collect();
            of.table = of.table.part(&rows.collect::<Vec<_>>(), &columns);
            of
        });
        Self {
            null: self.null,
            placebos: placebos.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::fingerprint::Fingerprint;
    use crate::measure::Side;
    use crate::panel::{Member, Named, Panel};
    use crate::rules::Rules;

    const PROBES: usize = 40;

    /// A number from -0.5 to 0.5 that is settled by four others.
    fn noise(seed: usize, i: usize, k: usize, t: usize) -> f64 {
        let mut x = (seed * 1_000_003 + i * 10_007 + k * 101 + t) as u64;
        for _ in 0..3 {
            x = x
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            x ^= x >> 29;
        }
        (x >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    }

    /// What a control has beside what all have: a pattern over the probes of all candidate parents, how strong it is,
    /// and how much of it is at the protected model alone.
    type Own = Option<(usize, f64, f64)>;

    /// Controls that are mixes of three kinds, some with something of their own; the first row is the suspect.
    fn table(owns: &[Own]) -> Affinity {
        let cell = |(i, k, t): (usize, usize, usize)| {
            let kinds = (0..3).map(|f| (noise(11, i, f, 0) + 0.6) * noise(12, f, k, t));
            let own = i.checked_sub(1).and_then(|control| owns[control]);
            let own = own.map_or(0.0, |(pattern, strength, more)| {
                strength * noise(13, pattern, k, t) + if k == 0 { more } else { 0.0 }
            });
            kinds.sum::<f64>() + own + 0.2 * noise(14, i, k, t)
        };
        let ids = |prefix: &str, n: usize| (0..n).map(|i| format!("{prefix}{i}")).collect();
        let rows = owns.len() + 1;
        Affinity {
            gram: None,
            measure: Measure::Next,
            rows: ids("r", rows),
            columns: ids("c", 4),
            probes: ids("p", PROBES),
            cells: Array3::from_shape_fn((rows, 4, PROBES), cell),
        }
    }

    fn found(owns: &[Own]) -> BTreeSet<String> {
        found_among(owns, &["c0", "c1", "c2", "c3"])
    }

    fn found_among(owns: &[Own], parents: &[&str]) -> BTreeSet<String> {
        let mut panel = Panel::new(&Named::default(), &[]);
        panel.protected.id = "c0".to_owned();
        panel.suspect.id = "r0".to_owned();
        let alternative = |k: usize| Member {
            id: format!("c{k}"),
            ..panel.protected.clone()
        };
        panel.alternatives = (1..4).map(alternative).collect();
        let prints = BTreeMap::<String, Fingerprint>::new();
        let print = Fingerprint::default();
        let parent = |id| Side { id, print: &print };
        let sides = Sides {
            columns: parents.iter().copied().map(parent).collect(),
            ..Sides::new(&panel, &prints, &Rules::HERE)
        };
        undeclared(&sides, &[table(owns)]).into_iter().collect()
    }

    #[test]
    fn descendants_that_hide_each_other_are_all_found() {
        let student = Some((7, 0.25, 0.4));
        let mut owns = vec![None; 18];
        assert!(found(&owns).is_empty());
        owns[5] = student;
        assert_eq!(found(&owns), BTreeSet::from(["r6".to_owned()]));
        owns[11] = Some((7, 0.225, 0.35));
        owns[17] = Some((7, 0.275, 0.45));
        let all = ["r6", "r12", "r18"].map(str::to_owned);
        assert_eq!(found(&owns), BTreeSet::from(all));
    }

    #[test]
    fn models_of_another_kind_are_not_taken_for_descendants() {
        // They lie as far beyond the others as the descendants do, but nothing else fits them elsewhere either.
        let mut owns = vec![None; 18];
        owns[5] = Some((7, 6.0, 0.4));
        assert!(found(&owns).is_empty());
        owns[11] = Some((7, 5.0, 0.35));
        assert!(found(&owns).is_empty());
    }

    #[test]
    fn with_few_controls_or_one_other_candidate_parent_none_is_looked_for() {
        let mut owns = vec![None; MIN_TO_SCREEN - 1];
        owns[2] = Some((7, 0.25, 0.4));
        assert!(found(&owns).is_empty());
        owns.resize(18, None);
        assert!(!found(&owns).is_empty());
        assert!(found_among(&owns, &["c0", "c1"]).is_empty());
    }
}
