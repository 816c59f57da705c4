//! Where the suspect stands among the controls.

use super::axis::Axis;
use super::{Canvas, Heading, Ink, ROW, Side, draw, fit};
use crate::report::facts::StandingFacts;

const WIDTH: i32 = 380;
/// Room for names.
const NAMES: i32 = 136;
const TOP: i32 = 30;
/// The most models that are drawn, the closest first; further ones are counted.
const MAX_ROWS: usize = 40;

/// One line a model, the closest on top: the suspect a filled diamond, controls rings. `None` if the
/// figures are null.
pub fn standing(id: &str, name: &str, unit: &str, facts: &StandingFacts) -> Option<String> {
    let suspect = facts.score?;
    let mut rows: Vec<(f64, Option<&str>)> = facts
        .controls
        .iter()
        .map(|(id, value)| (*value, Some(id.as_str())))
        .chain([(suspect, None)])
        .collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let closer = rows.iter().position(|r| r.1.is_none()).unwrap_or(0);
    let further = rows.len().saturating_sub(MAX_ROWS);
    if further > 0 && closer >= MAX_ROWS {
        // The suspect is always drawn.
        rows.swap(MAX_ROWS - 1, closer);
    }
    rows.truncate(MAX_ROWS);
    let axis = Axis::new(rows.iter().map(|r| r.0), NAMES + 8, WIDTH - 14);
    let bottom = TOP + ROW * i32::try_from(rows.len()).ok()?;
    let heading = Heading {
        id,
        title: format!("{name}: the suspect among the controls"),
        description: format!(
            "Dot plot of scores. The suspect stands at {suspect:.4}; {closer} of {} controls lie above it.",
            facts.controls.len()
        ),
    };
    let below = if further > 0 { ROW } else { 0 };
    Some(draw((WIDTH, bottom + 44 + below), &heading, |canvas| {
        legend(canvas);
        axis.draw(canvas, TOP, bottom);
        for (i, (value, control)) in (0..).zip(&rows) {
            let y = TOP + ROW * i + ROW / 2;
            let at = (axis.at(*value), y);
            if let Some(name) = control {
                canvas.text(&fit(name, NAMES), (NAMES, y), Side::Left, Ink::Text);
                canvas.ring(at, Ink::Control);
            } else {
                canvas.bold("suspect", (NAMES, y), Side::Left, Ink::Suspect);
                canvas.diamond(at, Ink::Suspect);
            }
        }
        let middle = i32::midpoint(NAMES, WIDTH);
        canvas.text(unit, (middle, bottom + 30), Side::Middle, Ink::Quiet);
        if further > 0 {
            let text = format!("{further} further controls are not drawn");
            canvas.text(&text, (middle, bottom + 30 + ROW), Side::Middle, Ink::Quiet);
        }
    }))
}

fn legend(canvas: &mut Canvas<'_>) {
    let y = 12;
    canvas.diamond((NAMES + 16, y), Ink::Suspect);
    canvas.text("suspect", (NAMES + 28, y), Side::Right, Ink::Text);
    canvas.ring((NAMES + 110, y), Ink::Control);
    canvas.text("control", (NAMES + 120, y), Side::Right, Ink::Text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(suspect: f64, controls: usize) -> StandingFacts {
        StandingFacts {
            score: Some(suspect),
            controls: (0..controls)
                .map(|i| (format!("c{i:03}"), i as f64))
                .collect(),
            ..StandingFacts::default()
        }
    }

    #[test]
    fn one_mark_a_model_and_the_suspect_by_shape() {
        let plot = standing("x", "pooled", "sd", &facts(9.0, 5)).unwrap();
        // Five and the legend's.
        assert_eq!(plot.matches("<circle").count(), 6);
        assert_eq!(plot.matches("<polygon").count(), 2);
        assert!(plot.contains("0 of 5 controls lie above it"));
        assert_eq!(plot, standing("x", "pooled", "sd", &facts(9.0, 5)).unwrap());
    }

    #[test]
    fn of_many_controls_the_closest_are_drawn_and_the_suspect_always() {
        for suspect in [1e6, -1.0] {
            let plot = standing("x", "pooled", "sd", &facts(suspect, 300)).unwrap();
            assert_eq!(plot.matches("<circle").count(), MAX_ROWS);
            assert_eq!(plot.matches("<polygon").count(), 2);
            assert!(plot.contains("261 further controls"), "{plot}");
        }
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(standing("x", "n", "u", &StandingFacts::default()), None);
    }
}
