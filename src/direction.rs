//! Direction among three models, from their affinities.

use std::collections::BTreeMap;

use ndarray::Axis;

use crate::case::{Weighed, adjust_for_level, pool};
use crate::fingerprint::Fingerprint;
use crate::measure::{Affinity, Contrast, Measure, Side, affinity, contrast};
use crate::panel::{Member, Panel};
use crate::rules::Rules;
use crate::weigh::{Direction, Null, Open, Pairs, Standing, direction, pooled};

/// The measures that any two models have, whoever has read whose texts.
pub const MEASURES: [Measure; 2] = [Measure::Preference, Measure::Next];

/// Columns beside the three at least. With one, being far from that one looks like being close to another: on the
/// fitting part of `models/population` a sibling of the third model and a student of it passed for two students.
pub const MIN_ALIKE: usize = 2;

/// What three models say of who learned from whom, and the closeness of the pairs that it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Among {
    /// The answer.
    pub answer: Direction,
    /// The suspect to the protected model; nothing where no measure can say.
    pub suspect_protected: Option<Standing>,
    /// The protected model to the suspect.
    pub protected_suspect: Option<Standing>,
    /// The suspect to the third model.
    pub suspect_third: Option<Standing>,
    /// The protected model to the third model.
    pub protected_third: Option<Standing>,
}

/// How alike models answer, averaged over the probes, by their names.
#[derive(Debug)]
pub struct Likeness {
    tables: Vec<Affinity>,
}

impl Likeness {
    /// Compares models with those of them that are named.
    pub fn new(rows: &[Side<'_>], columns: &[&str]) -> Self {
        let columns: Vec<Side<'_>> = rows
            .iter()
            .filter(|s| columns.contains(&s.id))
            .copied()
            .collect();
        let averaged = |measure: &Measure| {
            let table = affinity(*measure, rows, &columns, &|row, column| row != column);
            Affinity {
                cells: table.means().insert_axis(Axis(2)),
                probes: vec!["all".to_owned()],
                ..table
            }
        };
        Self {
            tables: MEASURES.iter().map(averaged).collect(),
        }
    }

    /// Decides for the three models of a panel; nothing without a third one, and no answer with fewer than
    /// [`MIN_ALIKE`] columns beside the three.
    ///
    /// Rows beside the three are the controls; columns beside them are the alternatives and the controls of the
    /// third model's group, so that closeness to it is more than closeness to its like. What is declared to be of
    /// the third model's kin takes no part.
    pub fn among(&self, panel: &Panel) -> Option<Among> {
        let third = &panel.third.as_ref()?.member;
        let three = [&panel.suspect, &panel.protected, third].map(|m| m.model.as_str());
        let names = |others: &[&Member]| -> Vec<String> {
            let others = others.iter().map(|m| m.model.as_str());
            three.into_iter().chain(others).map(str::to_owned).collect()
        };
        let (rows, columns) = (controls(panel), like(panel));
        let alike = columns.len();
        // A known student is not compared with its teacher.
        let students: Vec<(&str, &str)> = rows
            .iter()
            .flat_map(|row| columns.iter().map(move |column| (row, column)))
            .filter(|(row, column)| row.known_parents.contains(&column.id))
            .map(|(row, column)| (row.model.as_str(), column.model.as_str()))
            .collect();
        let exists = |row: &str, column: &str| !students.contains(&(row, column));
        let (rows, columns) = (names(&rows), names(&columns));
        let places = |all: &[String], kept: &[String]| -> Vec<usize> {
            (0..all.len()).filter(|i| kept.contains(&all[*i])).collect()
        };
        let part = |table: &Affinity| {
            let (rows, columns) = (places(&table.rows, &rows), places(&table.columns, &columns));
            table.part(&rows, &columns).existing(&exists)
        };
        let tables: Vec<Affinity> = self.tables.iter().map(part).collect();
        let found = among(&tables, three[0], three[1], three[2]);
        Some(Among {
            answer: if alike < MIN_ALIKE {
                Direction::CannotSay(Open::FewAlike)
            } else {
                found.answer
            },
            ..found
        })
    }
}

/// Decides for the three models of a panel from what all its members answered, by model name; nothing without a
/// third one.
pub fn among_members(panel: &Panel, prints: &BTreeMap<String, Fingerprint>) -> Option<Among> {
    let third = &panel.third.as_ref()?.member;
    let sides = prints.iter().map(|(id, print)| Side { id, print });
    let three = [&panel.suspect, &panel.protected, third].into_iter();
    let columns = three.chain(like(panel)).map(|m| m.model.as_str());
    let likeness = Likeness::new(&sides.collect::<Vec<_>>(), &columns.collect::<Vec<_>>());
    likeness.among(panel)
}

/// The controls that are not of the third model's kin.
fn controls(panel: &Panel) -> Vec<&Member> {
    let kin = panel.third.iter().flat_map(|t| &t.kin);
    let kin: Vec<&String> = kin.collect();
    let controls = panel.controls.iter();
    controls.filter(|c| !kin.contains(&&c.id)).collect()
}

/// The alternatives, and the controls of the third model's group, that are not of its kin.
fn like(panel: &Panel) -> Vec<&Member> {
    let Some(third) = &panel.third else {
        return Vec::new();
    };
    let alike = panel
        .controls
        .iter()
        .filter(|c| third.alike.contains(&c.id));
    let mut like: Vec<&Member> = panel.alternatives.iter().collect();
    for member in alike {
        if !like.iter().any(|m| m.model == member.model) {
            like.push(member);
        }
    }
    like.retain(|m| !third.kin.contains(&m.id));
    like
}

/// Decides between "the suspect from the protected model", "the protected model from the suspect" and "both
/// from the third", by the rule of [`direction`].
///
/// The tables have all three as rows and as columns, beside controls and alternatives (rows and columns of which nothing
/// descends from the three, or whose cells are missing where they do). For each pair one of the three is the row
/// and one the column; the others take no part in it, neither as controls nor as alternatives, so that a
/// tie to one is not measured against a tie to another. Closeness is the pooled contrast.
pub fn among(tables: &[Affinity], suspect: &str, protected: &str, third: &str) -> Among {
    let all = [suspect, protected, third];
    let found = [
        (suspect, protected),
        (protected, suspect),
        (suspect, third),
        (protected, third),
    ]
    .map(|(row, column)| closeness(tables, row, column, &all));
    let answer = match &found {
        [Some(to), Some(from), Some(suspect), Some(protected)] => direction(Pairs {
            suspect_protected: to,
            protected_suspect: from,
            suspect_third: suspect,
            protected_third: protected,
        }),
        _ => Direction::CannotSay(Open::NoStanding),
    };
    let [to, from, suspect, protected] = found;
    Among {
        answer,
        suspect_protected: to,
        protected_suspect: from,
        suspect_third: suspect,
        protected_third: protected,
    }
}

/// How close `row` is to `column`, beyond the other columns and the other rows; those named in `apart` do not count
/// among the others. Nothing when no measure can say.
pub fn closeness(tables: &[Affinity], row: &str, column: &str, apart: &[&str]) -> Option<Standing> {
    let contrasts: Vec<Contrast> = tables
        .iter()
        .filter_map(|table| {
            let kept = |ids: &[String], own: &str| -> Vec<usize> {
                let keeps = |id: &str| id == own || !apart.contains(&id);
                (0..ids.len()).filter(|i| keeps(&ids[*i])).collect()
            };
            let part = table.part(&kept(&table.rows, row), &kept(&table.columns, column));
            let mut found = contrast(&part, row, column).ok()?;
            adjust_for_level(&mut found);
            Some(found)
        })
        .collect();
    let usable = contrasts.iter().map(|c| Weighed {
        weight: c.measure.weight(),
        scores: c.scores(),
        elsewhere: Vec::new(),
    });
    let (_, rows) = pool(&usable.collect::<Vec<_>>());
    pooled(&rows, &Null::Moderated(Rules::HERE.scatter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::Named;
    use crate::weigh::Answer;

    /// A number from -2 to 2 that words decide (FNV-1a).
    fn own(model: &str, probe: usize) -> f64 {
        let probe = probe.to_string();
        let bytes = [model, &probe]
            .into_iter()
            .flat_map(|w| w.bytes().chain([0]));
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
        });
        let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        4.0 * (mixed >> 40) as f64 / f64::from(1_u32 << 24) - 2.0
    }

    /// The log-odds of a made-up model: "child" is a noisy copy of "root", and "grandchild" one of "child".
    fn odds(model: &str, probe: usize) -> f64 {
        let parent = match model {
            "child" => own("root", probe),
            "grandchild" => odds("child", probe),
            _ => 0.0,
        };
        parent + own(model, probe)
    }

    fn print(model: &str) -> Fingerprint {
        let choice = |probe: usize| {
            let share = 1.0 / (1.0 + (-odds(model, probe)).exp());
            (format!("p{probe}"), vec![share, 1.0 - share])
        };
        Fingerprint {
            choices: (0..400).map(choice).collect(),
            ..Fingerprint::default()
        }
    }

    fn found(protected: &str, suspect: &str, third: Option<&str>, alike: usize) -> Option<Among> {
        let named = Named {
            protected: protected.to_owned(),
            suspect: suspect.to_owned(),
            third: third.map(str::to_owned),
            controls: (0..12).map(|i| format!("c{i}")).collect(),
            alternatives: (1..=alike).map(|i| format!("a{i}")).collect(),
            ..Named::default()
        };
        let mut panel = Panel::new(&named, &[]);
        // As in a lineage file, they are controls besides.
        panel.controls.extend(panel.alternatives.clone());
        let members = panel.members().into_iter();
        let prints = members.map(|m| (m.model.clone(), print(&m.model)));
        among_members(&panel, &prints.collect())
    }

    #[test]
    fn a_made_up_chain_is_told_in_both_roles_and_only_beside_enough_of_its_like() {
        let told = found("child", "grandchild", Some("root"), 2).unwrap();
        assert_eq!(told.answer.answer(), Answer::SuspectFromProtected);
        // numpy 2.4, the same made-up models: the two-way fit, the line through the levels, and the t.
        for (standing, t) in [
            (&told.suspect_protected, 14.007_750_041_638),
            (&told.protected_suspect, 18.899_668_343_863),
            (&told.suspect_third, 6.832_994_730_290),
            (&told.protected_third, 10.603_968_549_014),
        ] {
            let found = standing.as_ref().unwrap().t.unwrap().t;
            assert!((found - t).abs() < 1e-6, "{found} {t}");
        }
        let turned = found("grandchild", "child", Some("root"), 2).unwrap();
        assert_eq!(turned.answer.answer(), Answer::ProtectedFromSuspect);
        let alone = found("child", "grandchild", Some("root"), 1).unwrap();
        assert_eq!(alone.answer, Direction::CannotSay(Open::FewAlike));
        let stranger = found("child", "grandchild", Some("stranger"), 2).unwrap();
        assert_eq!(stranger.answer, Direction::CannotSay(Open::ThirdNotClose));
        assert_eq!(found("child", "grandchild", None, 2), None);
    }
}
