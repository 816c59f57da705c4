//! Affinities as a table of shades.

use super::{Canvas, Heading, Ink, ROW, Side, draw, fit, width};
use crate::detail::AffinityTable;

/// Room for names of rows, at most, and for those of columns above the cells.
const MOST_NAMES: i32 = 280;
const MOST_HEADS: i32 = 180;
const CELL: i32 = 54;
/// Cells are no darker than this, so that their numbers can be read.
const DARKEST: f64 = 0.5;
/// The most rows that are drawn; further ones are counted.
const MAX_ROWS: usize = 60;

/// A cell a pair: shade and signed number say how much closer the pair is than row and column explain.
pub fn heat(id: &str, table: &AffinityTable) -> Option<String> {
    let columns = i32::try_from(table.columns.len()).ok()?;
    let drawn = table.rows.len().min(MAX_ROWS);
    let rows = i32::try_from(drawn).ok()?;
    let most = table.beyond.iter().flatten().flatten();
    let most = most.fold(0.0_f64, |m, x| m.max(x.abs()));
    let name = table.measure.name();
    let heading = Heading {
        id,
        title: format!("{name}: affinity beyond what row and column explain"),
        description: format!(
            "Heat map of {} models under test by {} candidate parents; blue with plus is closer than expected, brown with minus farther. The numbers stand in the table below it.",
            table.rows.len(),
            table.columns.len()
        ),
    };
    let further = table.rows.len() - drawn;
    let longest = table.columns.iter().map(|c| width(c)).max().unwrap_or(0);
    let heads = (longest + 16).min(MOST_HEADS);
    let longest = table.rows.iter().map(|r| width(r)).max().unwrap_or(0);
    let names = (longest + 16).min(MOST_NAMES);
    let size = (
        names + CELL * columns + 12,
        heads + ROW * rows + 12 + if further > 0 { ROW } else { 0 },
    );
    (most > 0.0 && columns > 0).then(|| {
        draw(size, &heading, |canvas| {
            for (k, column) in (0..).zip(&table.columns) {
                let x = names + CELL * k + CELL / 2;
                let label = fit(column, heads - 12);
                canvas.text(&label, (x, heads - 8), Side::Upward, Ink::Text);
            }
            let lines = table.rows.iter().zip(&table.beyond).take(drawn);
            for (i, (row, values)) in (0..).zip(lines) {
                line(canvas, (names, heads + ROW * i), row, values, most);
            }
            if further > 0 {
                let text = format!("{further} further models are not drawn");
                let at = (6, heads + ROW * rows + ROW / 2);
                canvas.text(&text, at, Side::Right, Ink::Quiet);
            }
        })
    })
}

fn line(
    canvas: &mut Canvas<'_>,
    (names, top): (i32, i32),
    row: &str,
    values: &[Option<f64>],
    most: f64,
) {
    let middle = top + ROW / 2;
    let name = fit(row, names - 8);
    let at = (names - 6, middle);
    if row == "suspect" {
        canvas.bold(&name, at, Side::Left, Ink::Suspect);
    } else {
        canvas.text(&name, at, Side::Left, Ink::Text);
    }
    for (k, value) in (0..).zip(values) {
        let left = names + CELL * k;
        let Some(value) = value else {
            canvas.text("-", (left + CELL / 2, middle), Side::Middle, Ink::Quiet);
            continue;
        };
        let ink = if *value >= 0.0 { Ink::More } else { Ink::Less };
        let strength = DARKEST * value.abs() / most;
        canvas.rectangle(
            (left + 1, top + 1),
            (left + CELL - 1, top + ROW - 1),
            ink,
            strength,
        );
        let number = format!("{value:+.3}");
        canvas.text(&number, (left + CELL / 2, middle), Side::Middle, Ink::Text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Measure;

    fn table(rows: usize) -> AffinityTable {
        AffinityTable {
            measure: Measure::Next,
            unit: "u",
            rows: (0..rows).map(|i| format!("r{i}")).collect(),
            columns: vec!["p".to_owned(), "a".to_owned()],
            means: vec![vec![Some(0.5), Some(0.5)]; rows],
            beyond: vec![vec![Some(0.2), None]; rows],
        }
    }

    #[test]
    fn a_cell_that_does_not_exist_has_no_shade() {
        let plot = heat("x", &table(3)).unwrap();
        assert_eq!(plot.matches("<rect").count(), 3);
        assert_eq!(plot.matches("+0.200").count(), 3);
    }

    #[test]
    fn many_rows_are_cut_and_counted() {
        let plot = heat("x", &table(70)).unwrap();
        assert_eq!(plot.matches("<rect").count(), MAX_ROWS);
        assert!(plot.contains("10 further models"));
    }

    #[test]
    fn nothing_is_drawn_where_rows_and_columns_explain_all() {
        let mut flat = table(2);
        flat.beyond = vec![vec![Some(0.0), Some(0.0)]; 2];
        assert_eq!(heat("x", &flat), None);
    }
}
