//! The path of the bets: wealth against probes, in the order that was fixed before the first answer.

use super::axis::Axis;
use super::{Canvas, Heading, Ink, ROW, Side, draw};
use crate::sequential::{Decision, Sequential};

const WIDTH: i32 = 380;
const LEFT: i32 = 48;
const RIGHT: i32 = WIDTH - 14;
const TOP: i32 = 3 * ROW;
const BOTTOM: i32 = TOP + 180;

/// Two paths of log10 e over probes, with the e-values that decide as dashes and the probe that decided as
/// an upright line. `None` if nothing was bet on.
///
/// The first path is that of the rival told apart least, the second that of the rival who does best against
/// the suspect. An infinite e-value is drawn at the edge.
pub fn bets(id: &str, facts: &Sequential) -> Option<String> {
    let last = *facts.path.last()?;
    let (each, any) = facts.thresholds();
    let probes = facts.path.len();
    let paths = facts.path.iter().chain(&facts.path_against).copied();
    let up = Axis::new(paths.chain([each, any]), BOTTOM, TOP);
    let along = Axis::new([0.0, probes as f64].into_iter(), LEFT, RIGHT);
    let decided = match (facts.decision, facts.decided_after) {
        (Decision::Closer, Some(n)) => format!("Decided after {n}: closer than every rival."),
        (Decision::NotCloser, Some(n)) => {
            format!("Decided after {n}: not closer than some rival.")
        }
        _ => "Not decided.".to_owned(),
    };
    let heading = Heading {
        id,
        title: "The bets on the probes, in the committed order".to_owned(),
        description: format!(
            "Lines of log10 e over {probes} probes. The bet with the least favourable rival ends at {last:.2}; {each:.2} would decide for it, {any:.2} against any one rival. {decided}"
        ),
    };
    Some(draw((WIDTH, BOTTOM + 44), &heading, |canvas| {
        along.draw(canvas, TOP, BOTTOM);
        up.draw_upright(canvas, LEFT, RIGHT);
        let height = |value: f64| up.at(value);
        threshold(canvas, height(each), Ink::Suspect);
        threshold(canvas, height(any), Ink::Control);
        if let Some(n) = facts.decided_after {
            let x = along.at(n as f64);
            canvas.line((x, TOP), (x, BOTTOM), Ink::Text);
        }
        for (path, ink) in [
            (&facts.path_against, Ink::Control),
            (&facts.path, Ink::Suspect),
        ] {
            trace(canvas, path, &along, &height, ink);
        }
        legend(canvas);
        let middle = i32::midpoint(LEFT, RIGHT);
        let unit = "probes bet on";
        canvas.text(unit, (middle, BOTTOM + 30), Side::Middle, Ink::Quiet);
    }))
}

/// A path from nothing staked, one corner a column of the drawing at most: the last value in it.
fn trace(
    canvas: &mut Canvas<'_>,
    path: &[f64],
    along: &Axis,
    height: &dyn Fn(f64) -> i32,
    ink: Ink,
) {
    let mut corners = vec![(along.at(0.0), height(0.0))];
    for (n, value) in (1_u32..).zip(path) {
        let corner = (along.at(f64::from(n)), height(*value));
        match corners.last_mut() {
            Some(last) if last.0 == corner.0 => *last = corner,
            _ => corners.push(corner),
        }
    }
    canvas.path(&corners, ink, 2);
}

fn threshold(canvas: &mut Canvas<'_>, y: i32, ink: Ink) {
    for x in (LEFT..RIGHT).step_by(8) {
        canvas.line((x, y), ((x + 4).min(RIGHT), y), ink);
    }
}

fn legend(canvas: &mut Canvas<'_>) {
    let lines = [
        (Ink::Suspect, "closer: the rival it does worst against"),
        (Ink::Control, "not closer: the rival it does best against"),
    ];
    for (i, (ink, text)) in (0..).zip(lines) {
        let y = 10 + ROW * i;
        canvas.thick_line((LEFT, y), (LEFT + 24, y), ink);
        canvas.text(text, (LEFT + 32, y), Side::Right, Ink::Text);
    }
    canvas.text("log10 e", (4, TOP - 12), Side::Right, Ink::Quiet);
    let dashed = "dashed: decides";
    canvas.text(dashed, (RIGHT, TOP - 12), Side::Left, Ink::Quiet);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequential::{Rival, Role};

    fn facts(path: Vec<f64>, decided_after: Option<usize>) -> Sequential {
        Sequential {
            alpha: 1e-3,
            probes: path.len(),
            planned: path.len(),
            decided_after,
            decision: decided_after.map_or(Decision::Open, |_| Decision::Closer),
            rivals: vec![Rival {
                id: "c".to_owned(),
                role: Role::Control,
                log10_e: 0.0,
                log10_e_against: 0.0,
                p: 1.0,
                decided_after,
            }],
            path_against: path.iter().map(|e| -e).collect(),
            path,
        }
    }

    fn corners(plot: &str) -> usize {
        let drawn = plot.split("<polyline").skip(1);
        let points = drawn.filter_map(|p| p.split("points=\"").nth(1)?.split('"').next());
        points.map(|p| p.split_whitespace().count()).sum()
    }

    #[test]
    fn two_paths_two_thresholds_and_the_probe_that_decided() {
        let path: Vec<f64> = (1..=100).map(|n| f64::from(n) / 20.0).collect();
        let plot = bets("x", &facts(path.clone(), Some(60))).unwrap();
        assert_eq!(plot.matches("<polyline").count(), 2);
        assert_eq!(corners(&plot), 2 * 101);
        assert!(plot.contains("ends at 5.00; 3.00 would decide"), "{plot}");
        assert!(plot.contains("Decided after 60"));
        let open = bets("x", &facts(path, None)).unwrap();
        assert!(open.contains("Not decided."));
        assert_ne!(plot.matches("<line").count(), open.matches("<line").count());
    }

    #[test]
    fn a_long_path_has_no_more_corners_than_the_drawing_has_columns() {
        let path = (0..200_000).map(|n| f64::from(n % 7)).collect();
        let plot = bets("x", &facts(path, None)).unwrap();
        assert!(corners(&plot) <= 2 * usize::try_from(RIGHT - LEFT + 1).unwrap());
    }

    #[test]
    fn infinite_wealth_stays_in_the_drawing_and_nothing_is_drawn_of_nothing() {
        let plot = bets("x", &facts(vec![1.0, f64::INFINITY], None)).unwrap();
        assert!(!plot.contains("inf,") && !plot.contains(",inf"), "{plot}");
        assert_eq!(corners(&plot), 6);
        assert_eq!(bets("x", &facts(Vec::new(), None)), None);
    }
}
