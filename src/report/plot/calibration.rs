//! Likelihood ratios: how they are spread and what they cost.

use super::frame::{FIRST, Frame, HEIGHT, LEFT, RIGHT, Stroke, WIDTH};
use super::{Heading, Ink, draw};
use crate::weigh::{EcePoint, Tippett};

/// Costs above this many bits lie on the upper edge.
const MAX_BITS: f64 = 1.5;
/// What an axis of ratios is in.
pub(super) const LOG_LR: &str = "log10 likelihood ratio";

/// The Tippett curves of `name` (a condition): the share of each class whose ratio is at least so large.
/// Infinite ratios lie on the edges. The log10 ratio of a case is marked upright. Nothing without items.
pub fn tippett(id: &str, name: &str, curves: &Tippett, case: Option<f64>) -> Option<String> {
    let Tippett { students, others } = curves;
    if students.is_empty() || others.is_empty() {
        return None;
    }
    let frame = Frame::new(
        students.iter().chain(others).map(|p| p.0).chain(case),
        [1.0].into_iter(),
    );
    let reached = |log10_lr: f64| {
        let (students, others) = curves.at_least(log10_lr);
        let (students, others) = (100.0 * students, 100.0 * others);
        format!("{students:.1} % of students and {others:.1} % of the innocent models.")
    };
    let marked = case.map_or_else(String::new, |x| {
        format!(
            " This case stands at {x:.2}; there or above lie {}",
            reached(x)
        )
    });
    let heading = Heading {
        id,
        title: format!("{name}: Tippett curves"),
        description: format!(
            "Shares whose likelihood ratio is at least so large. Above 1 lie {}{marked}",
            // A ratio of 1 is not above it.
            reached(f64::MIN_POSITIVE)
        ),
    };
    Some(draw((WIDTH, HEIGHT), &heading, |canvas| {
        frame.draw(canvas, LOG_LR, "share at least so large");
        Stroke::Thick.legend(canvas, (LEFT, FIRST), "students", Ink::More);
        Stroke::Thin.legend(canvas, (LEFT + 120, FIRST), "innocent models", Ink::Control);
        if let Some(case) = case {
            frame.mark(canvas, case, "this case");
        }
        Stroke::Thin.path(canvas, steps(&frame, others), Ink::Control);
        Stroke::Thick.path(canvas, steps(&frame, students), Ink::More);
    }))
}

/// Down at every ratio that occurs, from all on the left to none on the right.
fn steps(frame: &Frame, curve: &[(f64, f64)]) -> Vec<(i32, i32)> {
    let mut points = vec![(LEFT, frame.up.at(1.0))];
    for &(x, share) in curve {
        let x = frame.across.at(x);
        let (before, height) = (points[points.len() - 1].0, frame.up.at(share));
        points.extend([(before, height), (x, height)]);
    }
    let last = points[points.len() - 1].0;
    points.extend([(last, frame.up.at(0.0)), (RIGHT, frame.up.at(0.0))]);
    points
}

/// Empirical cross-entropy over priors, of `name` (a condition): of the ratios, of the best calibration of them
/// and of no evidence. The log10 of stated prior odds is marked upright, beyond the curve at its end. Nothing
/// without points.
pub fn ece(id: &str, name: &str, curve: &[EcePoint], prior: Option<f64>) -> Option<String> {
    let worst = curve.iter().map(|p| p.ece).max_by(f64::total_cmp)?;
    let worse = curve.iter().filter(|p| p.ece > p.neutral).count();
    let bits = curve
        .iter()
        .flat_map(|p| [p.ece.min(MAX_BITS), p.ece_min, p.neutral]);
    let frame = Frame::new(curve.iter().map(|p| p.log10_prior_odds), bits);
    let marked = prior.map_or_else(String::new, |x| {
        format!(" The stated prior odds stand at {x:.2}.")
    });
    let heading = Heading {
        id,
        title: format!("{name}: empirical cross-entropy"),
        description: format!(
            "Cost in bits over prior odds, at most {worst:.2}. At {worse} of {} prior odds the ratios cost more than no evidence.{marked}",
            curve.len()
        ),
    };
    Some(draw((WIDTH, HEIGHT), &heading, |canvas| {
        frame.draw(canvas, "log10 prior odds", "bits");
        Stroke::Thick.legend(canvas, (LEFT, FIRST), "ratios", Ink::More);
        Stroke::Thin.legend(canvas, (LEFT + 90, FIRST), "best calibrated", Ink::Control);
        Stroke::Dashed.legend(canvas, (LEFT + 228, FIRST), "none", Ink::Quiet);
        if let Some(prior) = prior {
            frame.mark(canvas, prior, "stated prior");
        }
        let mut path = |stroke: Stroke, of: fn(&EcePoint) -> f64, ink| {
            let points = curve.iter().map(|p| frame.at((p.log10_prior_odds, of(p))));
            stroke.path(canvas, points, ink);
        };
        path(Stroke::Dashed, |p| p.neutral, Ink::Quiet);
        path(Stroke::Thin, |p| p.ece_min, Ink::Control);
        path(Stroke::Thick, |p| p.ece, Ink::More);
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::ruler::{blur, diamonds, values};

    const THICK: &str = "stroke-width=\"2\"";

    fn curves() -> Tippett {
        Tippett {
            students: vec![(-1.0, 1.0), (2.0, 0.5), (f64::INFINITY, 0.25)],
            others: vec![(-3.0, 1.0), (0.0, 0.25)],
        }
    }

    #[test]
    fn tippett_curves_step_down_and_end_on_the_edges() {
        let frame = Frame::new([-3.0, 2.0].into_iter(), [1.0].into_iter());
        let points = steps(&frame, &curves().students);
        assert!(points.is_sorted_by_key(|p| p.0) && points.is_sorted_by_key(|p| p.1));
        assert_eq!(points[0], (LEFT, frame.up.at(1.0)));
        assert_eq!(points[points.len() - 1], (RIGHT, frame.up.at(0.0)));
        // All reach -1, so the curve does not fall before it.
        assert!(points.contains(&(frame.across.at(-1.0), frame.up.at(1.0))));
        assert!(points.contains(&(frame.across.at(2.0), frame.up.at(0.5))));
    }

    #[test]
    fn tippett_curves_are_told_in_words() {
        let plot = tippett("t", "<b>", &curves(), None).unwrap();
        assert!(
            plot.contains("50.0 % of students and 0.0 % of the innocent models"),
            "{plot}"
        );
        assert!(plot.contains("aria-labelledby=\"t-title t-description\""));
        assert!(plot.contains(">&lt;b&gt;: Tippett curves</title>"));
        assert_eq!(plot, tippett("t", "<b>", &curves(), None).unwrap());
        let none = Tippett {
            others: Vec::new(),
            ..curves()
        };
        assert_eq!(tippett("t", "x", &none, None), None);
    }

    #[test]
    fn many_items_take_no_more_points_than_there_is_room_for() {
        let students: Vec<(f64, f64)> = (0..20_000)
            .map(|i| (f64::from(i) / 1e4, 1.0 - f64::from(i) / 2e4))
            .collect();
        let many = Tippett {
            students,
            ..curves()
        };
        let plot = tippett("t", "x", &many, None).unwrap();
        assert!(plot.len() < 12_000, "{}", plot.len());
    }

    #[test]
    fn entropy_says_where_ratios_are_worse_than_none() {
        let point = |odds: f64, ece: f64| EcePoint {
            log10_prior_odds: odds,
            ece,
            ece_min: 0.1,
            neutral: 0.5,
        };
        let curve = [point(-1.0, 0.2), point(0.0, f64::INFINITY), point(1.0, 0.6)];
        let plot = ece("e", "text", &curve, None).unwrap();
        assert!(plot.contains("at most inf. At 2 of 3 prior odds"), "{plot}");
        // The legend's and its own.
        assert_eq!(plot.matches(THICK).count(), 2);
        assert_eq!(ece("e", "text", &[], None), None);
    }

    /// Where the only mark stands across.
    fn marked(plot: &str) -> f64 {
        let [mark] = diamonds(plot)[..] else {
            panic!("one diamond");
        };
        // The line below it, to the lower edge.
        assert!(plot.contains(&format!("x1=\"{0}\" y1=\"{1}\" x2=\"{0}\"", mark.0, mark.1)));
        values(plot, mark).0
    }

    #[test]
    fn a_case_is_marked_where_its_ratio_is() {
        for case in [-2.5, -1.0, 0.0, 0.3, 2.0, 6.0] {
            let plot = tippett("t", "x", &curves(), Some(case)).unwrap();
            let (found, blur) = (marked(&plot), blur(&plot).0);
            assert!((found - case).abs() < blur, "{found}: {case}");
        }
        let plot = tippett("t", "x", &curves(), Some(2.0)).unwrap();
        let said = "This case stands at 2.00; there or above lie 50.0 % of students and 0.0 % of the innocent models.";
        assert!(plot.contains(said), "{plot}");
        assert_eq!(diamonds(&tippett("t", "x", &curves(), None).unwrap()), []);
    }

    #[test]
    fn a_stated_prior_is_marked_and_beyond_the_curve_at_its_end() {
        let point = |odds: f64| EcePoint {
            log10_prior_odds: odds,
            ece: 0.2,
            ece_min: 0.1,
            neutral: 0.5,
        };
        let curve = [point(-3.0), point(0.0), point(3.0)];
        for (prior, shown) in [(-2.0, -2.0), (0.5, 0.5), (-9.0, -3.3), (9.0, 3.3)] {
            let plot = ece("e", "x", &curve, Some(prior)).unwrap();
            let (found, blur) = (marked(&plot), blur(&plot).0);
            assert!((found - shown).abs() < blur, "{found}: {shown}");
            assert!(plot.contains(&format!("The stated prior odds stand at {prior:.2}.")));
        }
        assert_eq!(diamonds(&ece("e", "x", &curve, None).unwrap()), []);
    }
}
