//! Two axes with lines between them, and a mark on one case.

use super::axis::Axis;
use super::{Canvas, Ink, ROW, Side};

pub(super) const WIDTH: i32 = 380;
/// Room for the numbers of the upright axis.
pub(super) const LEFT: i32 = 64;
pub(super) const RIGHT: i32 = WIDTH - 14;
/// Room for two rows of legend.
const TOP: i32 = 30 + ROW;
const BOTTOM: i32 = TOP + 200;
pub(super) const HEIGHT: i32 = BOTTOM + 44;
/// Heights of the two rows.
pub(super) const FIRST: i32 = 12;
pub(super) const SECOND: i32 = FIRST + ROW;
/// Length of a dash.
const DASH: i32 = 4;

/// Two axes.
pub(super) struct Frame {
    pub(super) across: Axis,
    pub(super) up: Axis,
}

impl Frame {
    pub(super) fn new(across: impl Iterator<Item = f64>, up: impl Iterator<Item = f64>) -> Self {
        Self {
            across: Axis::new(across, LEFT, RIGHT),
            up: Axis::new(up, BOTTOM, TOP),
        }
    }

    pub(super) fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        (self.across.at(x), self.up.at(y))
    }

    pub(super) fn draw(&self, canvas: &mut Canvas<'_>, across: &str, up: &str) {
        self.across.draw(canvas, TOP, BOTTOM);
        self.up.draw_upright(canvas, LEFT, RIGHT);
        let middle = i32::midpoint(LEFT, RIGHT);
        canvas.text(across, (middle, BOTTOM + 30), Side::Middle, Ink::Quiet);
        canvas.text(up, (10, BOTTOM), Side::Upward, Ink::Quiet);
    }

    /// An upright line at a value, from a diamond in the second row; its name stands where there is room.
    /// A value beyond the axis is marked at its end.
    pub(super) fn mark(&self, canvas: &mut Canvas<'_>, value: f64, name: &str) {
        let x = self.across.at(value);
        canvas.thick_line((x, SECOND), (x, BOTTOM), Ink::Suspect);
        canvas.diamond((x, SECOND), Ink::Suspect);
        let (at, side) = if x < i32::midpoint(LEFT, RIGHT) {
            (x + 12, Side::Right)
        } else {
            (x - 12, Side::Left)
        };
        canvas.bold(name, (at, SECOND), side, Ink::Suspect);
    }
}

/// How a line is drawn: told apart without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stroke {
    Thick,
    Thin,
    Dashed,
}

impl Stroke {
    pub(super) fn line(self, canvas: &mut Canvas<'_>, from: (i32, i32), to: (i32, i32), ink: Ink) {
        self.path(canvas, [from, to], ink);
    }

    /// A line through points.
    pub(super) fn path(
        self,
        canvas: &mut Canvas<'_>,
        points: impl IntoIterator<Item = (i32, i32)>,
        ink: Ink,
    ) {
        let mut points: Vec<(i32, i32)> = points.into_iter().collect();
        points.dedup();
        match self {
            Self::Thick => canvas.path(&points, ink, 2),
            Self::Thin => canvas.path(&points, ink, 1),
            Self::Dashed => dashes(canvas, &points, ink),
        }
    }

    /// What a line is, at the left end of a row of the legend.
    pub(super) fn legend(self, canvas: &mut Canvas<'_>, (x, y): (i32, i32), text: &str, ink: Ink) {
        self.line(canvas, (x, y), (x + 24, y), ink);
        canvas.text(text, (x + 30, y), Side::Right, Ink::Text);
    }
}

/// Dashes that go on from one line to the next.
fn dashes(canvas: &mut Canvas<'_>, points: &[(i32, i32)], ink: Ink) {
    let mut dash = 0;
    for line in points.windows(2) {
        let (from, to) = (line[0], line[1]);
        let (width, height) = (to.0 - from.0, to.1 - from.1);
        let pieces = (width.abs().max(height.abs()) / DASH).max(1);
        let part = |i: i32| (from.0 + width * i / pieces, from.1 + height * i / pieces);
        for i in 0..pieces {
            if dash % 2 == 0 {
                canvas.line(part(i), part(i + 1), ink);
            }
            dash += 1;
        }
    }
}
