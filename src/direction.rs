//! Direction among three models, from their affinities.

use crate::case::{adjust_for_level, pool};
use crate::measure::{Affinity, Contrast, contrast};
use crate::weigh::{Direction, Open, Pairs, Standing, direction, pooled};

/// Decides between "the suspect from the protected model", "the protected model from the suspect" and "both
/// from the third", by the rule of [`direction`].
///
/// The tables have all three as rows and as columns, beside controls and alternatives (rows and columns of which nothing
/// descends from the three, or whose cells are missing where they do). For each pair one of the three is the row
/// and one the column; the others take no part in it, neither as controls nor as alternatives, so that a
/// tie to one is not measured against a tie to another. Closeness is the pooled contrast of the case.
pub fn among(tables: &[Affinity], suspect: &str, protected: &str, third: &str) -> Direction {
    let all = [suspect, protected, third];
    let found = [
        (suspect, protected),
        (protected, suspect),
        (suspect, third),
        (protected, third),
    ]
    .map(|(row, column)| closeness(tables, row, column, &all));
    let [Some(to), Some(from), Some(suspect), Some(protected)] = &found else {
        return Direction::CannotSay(Open::NoStanding);
    };
    direction(Pairs {
        suspect_protected: to,
        protected_suspect: from,
        suspect_third: suspect,
        protected_third: protected,
    })
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
    let usable = contrasts.iter().map(|c| (c.measure.weight(), c));
    let (_, scores) = pool(&usable.collect::<Vec<_>>());
    pooled(&scores).map(|z| Standing::new(z[0], z[1..].to_vec()))
}
