//! Where a standing among controls leads.

use super::calibration::LOG_LR;
use super::frame::{FIRST, Frame, HEIGHT, LEFT, RIGHT, SECOND, Stroke, WIDTH};
use super::{Canvas, Heading, Ink, Side, draw};
use crate::validation::{CaseRatio, Curves, LARGEST};

/// How far the curve is drawn beyond what is to be seen on it, in units of the deviate.
const BEYOND: f64 = 1.0;

/// Draws the curve from deviate to log10 likelihood ratio that leads: the case a filled diamond with its
/// interval upright, bounds dashed, and the cap of an extrapolated case thin. `None` if the case's numbers
/// are not finite.
pub fn lr_curve(id: &str, ratio: &CaseRatio) -> Option<String> {
    let (deviate, log10_lr) = (ratio.deviate, ratio.log10_lr);
    if !deviate.is_finite() || !log10_lr.is_finite() {
        return None;
    }
    let corners = corners(&ratio.curves, deviate);
    let bounds = [ratio.curves.fitted.lower, ratio.curves.fitted.upper];
    let caps = ratio
        .curves
        .cap
        .map_or_else(Vec::new, |cap| vec![-cap, cap]);
    let interval = ratio.low.zip(ratio.high);
    let up = bounds.iter().chain(&caps).chain([&log10_lr]);
    let frame = Frame::new(corners.iter().map(|p| p.0), up.copied());
    let capped = ratio.curves.cap.map_or_else(String::new, |cap| {
        format!(" It is extrapolated, and capped at {cap:.2} either way.")
    });
    let [low, high] = bounds;
    let heading = Heading {
        id,
        title: "From deviate to likelihood ratio".to_owned(),
        description: format!(
            "The case's deviate of {deviate:.2} leads to a log10 likelihood ratio of {log10_lr:.2}. The curve's bounds are {low:.2} and {high:.2}.{capped}"
        ),
    };
    Some(draw((WIDTH, HEIGHT), &heading, |canvas| {
        frame.draw(
            canvas,
            "normal deviate of the standing among controls",
            LOG_LR,
        );
        let mut level = |stroke: Stroke, value: f64| {
            let y = frame.up.at(value);
            stroke.line(canvas, (LEFT, y), (RIGHT, y), Ink::Less);
        };
        for cap in &caps {
            level(Stroke::Thin, *cap);
        }
        for bound in &bounds {
            level(Stroke::Dashed, *bound);
        }
        Stroke::Thick.path(canvas, corners.iter().map(|p| frame.at(*p)), Ink::Control);
        if let Some((low, high)) = interval {
            upright(canvas, frame.at((deviate, low)), frame.at((deviate, high)));
        }
        canvas.diamond(frame.at((deviate, log10_lr)), Ink::Suspect);
        legend(canvas, interval.is_some(), !caps.is_empty());
    }))
}

/// Where the curve begins, bends and ends: as far as zero, its bends and the case need.
fn corners(curves: &Curves, deviate: f64) -> Vec<(f64, f64)> {
    let fitted = curves.fitted;
    let (low, high) = curves.limits();
    // No deviate lies further out; a flat curve bends nowhere.
    let bends = [low, high].map(|log10_lr| (log10_lr - fitted.intercept) / fitted.slope);
    let bends = bends.into_iter().filter(|x| x.abs() <= LARGEST);
    let mut deviates: Vec<f64> = bends.chain([0.0, deviate]).collect();
    deviates.sort_by(f64::total_cmp);
    let ends = [deviates[0] - BEYOND, deviates[deviates.len() - 1] + BEYOND];
    deviates.insert(0, ends[0]);
    deviates.push(ends[1]);
    let value = |x: f64| (fitted.intercept + fitted.slope * x).max(low).min(high);
    deviates.into_iter().map(|x| (x, value(x))).collect()
}

/// A line between two points one above the other, its ends barred.
fn upright(canvas: &mut Canvas<'_>, low: (i32, i32), high: (i32, i32)) {
    canvas.thick_line(low, high, Ink::Suspect);
    for (x, y) in [low, high] {
        canvas.thick_line((x - 4, y), (x + 4, y), Ink::Suspect);
    }
}

fn legend(canvas: &mut Canvas<'_>, has_interval: bool, is_capped: bool) {
    canvas.diamond((LEFT + 12, FIRST), Ink::Suspect);
    canvas.bold("this case", (LEFT + 30, FIRST), Side::Right, Ink::Suspect);
    if has_interval {
        let x = LEFT + 132;
        upright(canvas, (x, FIRST + 6), (x, FIRST - 6));
        canvas.text("its 95 % interval", (x + 18, FIRST), Side::Right, Ink::Text);
    }
    Stroke::Dashed.legend(canvas, (LEFT, SECOND), "bounds", Ink::Less);
    if is_capped {
        let at = (LEFT + 120, SECOND);
        Stroke::Thin.legend(canvas, at, "cap, extrapolated", Ink::Less);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::ruler::{blur, diamonds, values};
    use crate::validation::tests::{BEYOND_ALL, made_up};

    /// The case as the plot shows it; the second diamond is the legend's.
    fn shown(plot: &str) -> (f64, f64) {
        let [case, _] = diamonds(plot)[..] else {
            panic!("two diamonds");
        };
        values(plot, case)
    }

    fn assert_shows(plot: &str, deviate: f64, log10_lr: f64) {
        let (shown, blur) = (shown(plot), blur(plot));
        assert!((shown.0 - deviate).abs() < blur.0, "{shown:?}: {deviate}");
        assert!((shown.1 - log10_lr).abs() < blur.1, "{shown:?}: {log10_lr}");
    }

    #[test]
    fn the_case_stands_at_its_deviate_and_ratio() {
        for score in [-5.0, 2.0, 3.0, 4.0, 6.0, 12.0] {
            let ratio = made_up(score, false, None);
            let plot = lr_curve("c", &ratio).unwrap();
            assert_shows(&plot, ratio.deviate, ratio.log10_lr);
            let said = format!(
                "{:.2} leads to a log10 likelihood ratio of {:.2}.",
                ratio.deviate, ratio.log10_lr
            );
            assert!(plot.contains(&said), "{plot}");
            assert_eq!(plot, lr_curve("c", &ratio).unwrap());
        }
    }

    #[test]
    fn the_largest_deviate_stands_on_the_flat_end_at_the_bound() {
        let ratio = made_up(BEYOND_ALL, false, None);
        let upper = ratio.curves.fitted.upper;
        assert_shows(&lr_curve("c", &ratio).unwrap(), LARGEST, upper);
        let corners = corners(&ratio.curves, ratio.deviate);
        assert_eq!(corners[corners.len() - 1], (LARGEST + BEYOND, upper));
    }

    #[test]
    fn an_extrapolated_curve_ends_at_the_cap_and_shows_it() {
        let mut ratio = made_up(12.0, true, None);
        ratio.curves.fitted.upper = 5.0;
        ratio.log10_lr = 2.0;
        let plot = lr_curve("c", &ratio).unwrap();
        assert_shows(&plot, ratio.deviate, 2.0);
        assert!(plot.contains("cap, extrapolated") && plot.contains("capped at 2.00 either way"));
        let corners = corners(&ratio.curves, ratio.deviate);
        assert!(corners.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1));
        assert!(corners.iter().all(|p| p.1 <= 2.0), "{corners:?}");
        let within = lr_curve("c", &made_up(12.0, false, None)).unwrap();
        assert!(!within.contains("cap"), "{within}");
    }

    #[test]
    fn a_flat_curve_bends_nowhere() {
        let mut ratio = made_up(4.0, false, None);
        (ratio.curves.fitted.slope, ratio.curves.fitted.intercept) = (0.0, 0.3);
        let corners = corners(&ratio.curves, ratio.deviate);
        assert_eq!(corners.len(), 4);
        assert!(
            corners
                .iter()
                .all(|p| p.0.is_finite() && (p.1 - 0.3).abs() < 1e-12)
        );
    }

    #[test]
    fn what_is_no_number_is_not_drawn() {
        for (deviate, log10_lr) in [(f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            let mut ratio = made_up(4.0, false, None);
            (ratio.deviate, ratio.log10_lr) = (deviate, log10_lr);
            assert_eq!(lr_curve("c", &ratio), None);
        }
        let mut ratio = made_up(4.0, false, None);
        ratio.low = None;
        assert!(!lr_curve("c", &ratio).unwrap().contains("interval"));
    }
}
