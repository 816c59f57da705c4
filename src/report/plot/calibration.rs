//! Likelihood ratios: how they are spread, what they cost, and where a score leads.

use super::axis::Axis;
use super::{Canvas, Heading, Ink, Side, draw};
use crate::weigh::{EcePoint, Tippett};

const WIDTH: i32 = 380;
/// Room for the numbers of the upright axis.
const LEFT: i32 = 64;
const RIGHT: i32 = WIDTH - 14;
const TOP: i32 = 30;
const BOTTOM: i32 = TOP + 200;
const HEIGHT: i32 = BOTTOM + 44;
/// Length of a dash.
const DASH: i32 = 4;
/// Costs above this many bits lie on the upper edge.
const MAX_BITS: f64 = 1.5;
const LOG_LR: &str = "log10 likelihood ratio";

/// Two axes.
struct Frame {
    across: Axis,
    up: Axis,
}

impl Frame {
    fn new(across: impl Iterator<Item = f64>, up: impl Iterator<Item = f64>) -> Self {
        Self {
            across: Axis::new(across, LEFT, RIGHT),
            up: Axis::new(up, BOTTOM, TOP),
        }
    }

    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        (self.across.at(x), self.up.at(y))
    }

    fn draw(&self, canvas: &mut Canvas<'_>, across: &str, up: &str) {
        self.across.draw(canvas, TOP, BOTTOM);
        self.up.draw_upright(canvas, LEFT, RIGHT);
        let middle = i32::midpoint(LEFT, RIGHT);
        canvas.text(across, (middle, BOTTOM + 30), Side::Middle, Ink::Quiet);
        canvas.text(up, (10, BOTTOM), Side::Upward, Ink::Quiet);
    }
}

/// How a line is drawn: told apart without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stroke {
    Thick,
    Thin,
    Dashed,
}

impl Stroke {
    fn line(self, canvas: &mut Canvas<'_>, from: (i32, i32), to: (i32, i32), ink: Ink) {
        self.path(canvas, [from, to], ink);
    }

    /// Lines from point to point, none of no length.
    fn path(self, canvas: &mut Canvas<'_>, points: impl IntoIterator<Item = (i32, i32)>, ink: Ink) {
        let mut points = points.into_iter();
        let Some(mut at) = points.next() else {
            return;
        };
        // Dashes go on from one line to the next.
        let mut dash = 0;
        for to in points {
            let (width, height) = (to.0 - at.0, to.1 - at.1);
            let length = width.abs().max(height.abs());
            let pieces = match self {
                Self::Dashed => (length / DASH).max(1),
                Self::Thick | Self::Thin => 1,
            };
            let part = |i: i32| (at.0 + width * i / pieces, at.1 + height * i / pieces);
            for i in (0..pieces).filter(|_| length > 0) {
                match self {
                    Self::Thick => canvas.thick_line(part(i), part(i + 1), ink),
                    Self::Dashed if dash % 2 == 1 => {}
                    Self::Thin | Self::Dashed => canvas.line(part(i), part(i + 1), ink),
                }
                dash += 1;
            }
            at = to;
        }
    }

    fn legend(self, canvas: &mut Canvas<'_>, x: i32, text: &str, ink: Ink) {
        self.line(canvas, (x, 12), (x + 24, 12), ink);
        canvas.text(text, (x + 30, 12), Side::Right, Ink::Text);
    }
}

/// The Tippett curves of `name` (a condition): the share of each class whose ratio is at least so large.
/// Infinite ratios lie on the edges. Nothing without items.
pub fn tippett(id: &str, name: &str, curves: &Tippett) -> Option<String> {
    let Tippett { students, others } = curves;
    if students.is_empty() || others.is_empty() {
        return None;
    }
    let frame = Frame::new(
        students.iter().chain(others).map(|p| p.0),
        [1.0].into_iter(),
    );
    let reached = |curve: &[(f64, f64)], from: fn(f64) -> bool| {
        curve
            .iter()
            .find(|p| from(p.0))
            .map_or(0.0, |p| 100.0 * p.1)
    };
    let heading = Heading {
        id,
        title: format!("{name}: Tippett curves"),
        description: format!(
            "Shares whose likelihood ratio is at least so large. Above 1 lie {:.1} % of students and {:.1} % of the others.",
            reached(students, |x| x > 0.0),
            reached(others, |x| x > 0.0)
        ),
    };
    Some(draw((WIDTH, HEIGHT), &heading, |canvas| {
        frame.draw(canvas, LOG_LR, "share at least so large");
        Stroke::Thick.legend(canvas, LEFT, "students", Ink::More);
        Stroke::Thin.legend(canvas, LEFT + 120, "others", Ink::Control);
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
/// and of no evidence. Nothing without points.
pub fn ece(id: &str, name: &str, curve: &[EcePoint]) -> Option<String> {
    let worst = curve.iter().map(|p| p.ece).max_by(f64::total_cmp)?;
    let worse = curve.iter().filter(|p| p.ece > p.neutral).count();
    let bits = curve
        .iter()
        .flat_map(|p| [p.ece.min(MAX_BITS), p.ece_min, p.neutral]);
    let frame = Frame::new(curve.iter().map(|p| p.log10_prior_odds), bits);
    let heading = Heading {
        id,
        title: format!("{name}: empirical cross-entropy"),
        description: format!(
            "Cost in bits over prior odds, at most {worst:.2}. At {worse} of {} prior odds the ratios cost more than no evidence.",
            curve.len()
        ),
    };
    Some(draw((WIDTH, HEIGHT), &heading, |canvas| {
        frame.draw(canvas, "log10 prior odds", "bits");
        Stroke::Thick.legend(canvas, LEFT, "ratios", Ink::More);
        Stroke::Thin.legend(canvas, LEFT + 90, "best calibrated", Ink::Control);
        Stroke::Dashed.legend(canvas, LEFT + 228, "none", Ink::Quiet);
        let mut path = |stroke: Stroke, of: fn(&EcePoint) -> f64, ink| {
            let points = curve.iter().map(|p| frame.at((p.log10_prior_odds, of(p))));
            stroke.path(canvas, points, ink);
        };
        path(Stroke::Dashed, |p| p.neutral, Ink::Quiet);
        path(Stroke::Thin, |p| p.ece_min, Ink::Control);
        path(Stroke::Thick, |p| p.ece, Ink::More);
    }))
}

/// A curve from score to log10 likelihood ratio with one case on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LrCurve<'a> {
    /// Unit of the score.
    pub unit: &'a str,
    /// (score, log10 likelihood ratio), by rising score.
    pub points: &'a [(f64, f64)],
    /// The case's.
    pub case: (f64, f64),
    /// Bounds of the log10 likelihood ratio, lower and upper.
    pub bounds: Option<(f64, f64)>,
}

/// Draws a [`LrCurve`]: the case a filled diamond, bounds dashed. Nothing without points, or when the case's
/// numbers are not finite.
pub fn lr_curve(id: &str, curve: &LrCurve<'_>) -> Option<String> {
    let (score, log10_lr) = curve.case;
    if curve.points.is_empty() || !score.is_finite() || !log10_lr.is_finite() {
        return None;
    }
    let bounds = curve
        .bounds
        .map_or_else(Vec::new, |(low, high)| vec![low, high]);
    let all = curve.points.iter().chain([&curve.case]);
    let up = all.clone().map(|p| p.1).chain(bounds.iter().copied());
    let frame = Frame::new(all.map(|p| p.0), up);
    let told = curve.bounds.map_or_else(String::new, |(low, high)| {
        format!(" Its bounds are {low:.2} and {high:.2}.")
    });
    let heading = Heading {
        id,
        title: "From score to likelihood ratio".to_owned(),
        description: format!(
            "The case's score of {score:.2} leads to a log10 likelihood ratio of {log10_lr:.2}.{told}"
        ),
    };
    Some(draw((WIDTH, HEIGHT), &heading, |canvas| {
        frame.draw(canvas, curve.unit, LOG_LR);
        canvas.diamond((LEFT + 8, 12), Ink::Suspect);
        canvas.text("this case", (LEFT + 20, 12), Side::Right, Ink::Text);
        if !bounds.is_empty() {
            Stroke::Dashed.legend(canvas, LEFT + 120, "bounds", Ink::Less);
        }
        for bound in bounds {
            let y = frame.up.at(bound);
            Stroke::Dashed.line(canvas, (LEFT, y), (RIGHT, y), Ink::Less);
        }
        let points = curve.points.iter().map(|p| frame.at(*p));
        Stroke::Thick.path(canvas, points, Ink::Control);
        canvas.diamond(frame.at(curve.case), Ink::Suspect);
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let plot = tippett("t", "<b>", &curves()).unwrap();
        assert!(
            plot.contains("50.0 % of students and 0.0 % of the others"),
            "{plot}"
        );
        assert!(plot.contains("aria-labelledby=\"t-title t-description\""));
        assert!(plot.contains(">&lt;b&gt;: Tippett curves</title>"));
        assert_eq!(plot, tippett("t", "<b>", &curves()).unwrap());
        let none = Tippett {
            others: Vec::new(),
            ..curves()
        };
        assert_eq!(tippett("t", "x", &none), None);
    }

    #[test]
    fn many_items_take_no_more_lines_than_there_is_room_for() {
        let students: Vec<(f64, f64)> = (0..20_000)
            .map(|i| (f64::from(i) / 1e4, 1.0 - f64::from(i) / 2e4))
            .collect();
        let many = Tippett {
            students,
            ..curves()
        };
        let plot = tippett("t", "x", &many).unwrap();
        assert!(
            plot.matches("<line").count() < 700,
            "{}",
            plot.matches("<line").count()
        );
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
        let plot = ece("e", "text", &curve).unwrap();
        assert!(plot.contains("at most inf. At 2 of 3 prior odds"), "{plot}");
        assert_eq!(plot.matches(THICK).count(), 3);
        assert_eq!(ece("e", "text", &[]), None);
    }

    #[test]
    fn the_case_is_marked_by_shape_and_bounds_are_drawn() {
        let curve = LrCurve {
            unit: "sd of controls",
            points: &[(-2.0, -3.0), (6.0, 5.0)],
            case: (4.0, 1.5),
            bounds: Some((-1.0, 1.5)),
        };
        let plot = lr_curve("c", &curve).unwrap();
        // The legend's and its own.
        assert_eq!(plot.matches("<polygon").count(), 2);
        assert!(plot.contains("score of 4.00 leads to a log10 likelihood ratio of 1.50. Its bounds are -1.00 and 1.50."));
        let free = LrCurve {
            bounds: None,
            ..curve
        };
        let free = lr_curve("c", &free).unwrap();
        assert!(free.matches("<line").count() < plot.matches("<line").count());
        for nothing in [
            LrCurve {
                points: &[],
                ..curve
            },
            LrCurve {
                case: (f64::NAN, 0.0),
                ..curve
            },
            LrCurve {
                case: (0.0, f64::INFINITY),
                ..curve
            },
        ] {
            assert_eq!(lr_curve("c", &nothing), None);
        }
    }
}
