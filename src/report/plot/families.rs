//! The suspect's interaction by family of probes, with intervals.

use super::axis::Axis;
use super::{Canvas, Heading, Ink, ROW, Side, draw, fit};
use crate::detail::FamilyEffect;

const WIDTH: i32 = 380;
const NAMES: i32 = 136;
const TOP: i32 = 30;

/// One line a family: a diamond at the suspect's mean, its interval, and behind it the controls' range.
pub fn families(id: &str, effects: &[FamilyEffect]) -> Option<String> {
    if effects.is_empty() {
        return None;
    }
    let values = effects.iter().flat_map(|e| {
        let ends = [e.low, e.high, e.controls_low, e.controls_high];
        ends.into_iter().flatten().chain([e.mean])
    });
    let axis = Axis::new(values, NAMES + 8, WIDTH - 14);
    let bottom = TOP + ROW * i32::try_from(effects.len()).ok()?;
    let above = effects
        .iter()
        .filter(|e| e.controls_high.is_some_and(|c| e.mean > c))
        .count();
    let heading = Heading {
        id,
        title: "The suspect's interaction by family of probes".to_owned(),
        description: format!(
            "Means with 95 % intervals over probes. In {above} of {} families the suspect's mean lies above that of every control.",
            effects.len()
        ),
    };
    Some(draw((WIDTH, bottom + 44), &heading, |canvas| {
        legend(canvas);
        axis.draw(canvas, TOP, bottom);
        for (i, effect) in (0..).zip(effects) {
            line(canvas, &axis, effect, TOP + ROW * i + ROW / 2);
        }
        let middle = i32::midpoint(NAMES, WIDTH);
        let unit = "standard deviations of a control";
        canvas.text(unit, (middle, bottom + 30), Side::Middle, Ink::Quiet);
    }))
}

fn line(canvas: &mut Canvas<'_>, axis: &Axis, effect: &FamilyEffect, y: i32) {
    let name = fit(&effect.family, NAMES);
    canvas.text(&name, (NAMES, y), Side::Left, Ink::Text);
    if let (Some(low), Some(high)) = (effect.controls_low, effect.controls_high) {
        let (from, to) = ((axis.at(low), y - 6), (axis.at(high), y + 6));
        canvas.rectangle(from, to, Ink::Band, 1.0);
    }
    if let (Some(low), Some(high)) = (effect.low, effect.high) {
        canvas.thick_line((axis.at(low), y), (axis.at(high), y), Ink::Suspect);
    }
    canvas.diamond((axis.at(effect.mean), y), Ink::Suspect);
}

fn legend(canvas: &mut Canvas<'_>) {
    let y = 12;
    canvas.thick_line((NAMES + 2, y), (NAMES + 30, y), Ink::Suspect);
    canvas.diamond((NAMES + 16, y), Ink::Suspect);
    canvas.text("suspect", (NAMES + 36, y), Side::Right, Ink::Text);
    canvas.rectangle((NAMES + 100, y - 6), (NAMES + 124, y + 6), Ink::Band, 1.0);
    canvas.text("all controls", (NAMES + 130, y), Side::Right, Ink::Text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(family: &str, mean: f64, low: Option<f64>) -> FamilyEffect {
        FamilyEffect {
            family: family.to_owned(),
            title: String::new(),
            probes: 3,
            mean,
            low,
            high: low.map(|l| 2.0 * mean - l),
            controls_low: Some(-0.5),
            controls_high: Some(0.5),
        }
    }

    #[test]
    fn a_diamond_an_interval_and_a_band_a_family() {
        let effects = [effect("code", 1.0, Some(0.2)), effect("numbers", 0.1, None)];
        let plot = families("x", &effects).unwrap();
        assert_eq!(plot.matches("<polygon").count(), 3);
        assert_eq!(plot.matches("<rect").count(), 3);
        assert_eq!(plot.matches("stroke-width=\"2\"").count(), 2);
        assert!(plot.contains("In 1 of 2 families"));
        assert_eq!(families("x", &[]), None);
    }
}
