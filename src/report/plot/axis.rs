//! A horizontal or upright axis.

use super::{Canvas, Ink, Side};

/// About this many marks stand on an axis.
const MARKS: f64 = 5.0;

/// A linear axis over an interval, drawn between two positions: left and right, or bottom and top.
pub(super) struct Axis {
    low: f64,
    high: f64,
    left: i32,
    right: i32,
}

impl Axis {
    /// An axis that holds all values and zero, with a little room at both ends.
    pub(super) fn new(values: impl Iterator<Item = f64>, left: i32, right: i32) -> Self {
        let (low, high) = values
            .filter(|v| v.is_finite())
            .fold((0.0_f64, 0.0_f64), |(low, high), v| {
                (low.min(v), high.max(v))
            });
        let room = if high > low { (high - low) * 0.05 } else { 1.0 };
        Self {
            low: low - room,
            high: high + room,
            left,
            right,
        }
    }

    /// The position of a value.
    pub(super) fn at(&self, value: f64) -> i32 {
        let share = (value - self.low) / (self.high - self.low);
        let width = f64::from(self.right - self.left);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "clamped to the width of the drawing"
        )]
        let offset = (share.clamp(0.0, 1.0) * width).round() as i32;
        self.left + offset
    }

    /// Whole steps of 1, 2 or 5 times a power of ten.
    fn marks(&self) -> (Vec<f64>, usize) {
        let rough = (self.high - self.low) / MARKS;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|s| s * power)
            .into_iter()
            .find(|s| *s >= rough)
            .unwrap_or(rough);
        let first = (self.low / step).ceil();
        let marks = (0..20_u8)
            .map(|i| (first + f64::from(i)) * step)
            .take_while(|m| *m <= self.high);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0 to 9"
        )]
        let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        (marks.collect(), decimals)
    }

    /// Marks and their numbers below `bottom`, faint lines up to `top`, and a clear one at zero.
    pub(super) fn draw(&self, canvas: &mut Canvas<'_>, top: i32, bottom: i32) {
        let (marks, decimals) = self.marks();
        for mark in marks {
            let label = label(mark, decimals);
            let x = self.at(mark);
            canvas.line((x, top), (x, bottom), Ink::Line);
            canvas.text(&label, (x, bottom + 12), Side::Middle, Ink::Quiet);
        }
        let zero = self.at(0.0);
        canvas.line((zero, top), (zero, bottom), Ink::Quiet);
    }

    /// The same of an axis from bottom to top: numbers left of `left`, lines up to `right`.
    pub(super) fn draw_upright(&self, canvas: &mut Canvas<'_>, left: i32, right: i32) {
        let (marks, decimals) = self.marks();
        for mark in marks {
            let y = self.at(mark);
            canvas.line((left, y), (right, y), Ink::Line);
            canvas.text(
                &label(mark, decimals),
                (left - 6, y),
                Side::Left,
                Ink::Quiet,
            );
        }
        let zero = self.at(0.0);
        canvas.line((left, zero), (right, zero), Ink::Quiet);
    }
}

fn label(mark: f64, decimals: usize) -> String {
    // Adding 0.0 turns -0.0 into 0.0.
    format!("{:.decimals$}", mark + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_inside() {
        let axis = Axis::new([-0.013, 0.049].into_iter(), 100, 300);
        let (marks, decimals) = axis.marks();
        let labels: Vec<String> = marks
            .iter()
            .map(|m| format!("{:.decimals$}", m + 0.0))
            .collect();
        assert_eq!(labels, ["0.00", "0.02", "0.04"]);
        assert!(axis.at(-9.0) == 100 && axis.at(9.0) == 300);
    }

    #[test]
    fn no_value_and_equal_values_have_an_axis() {
        for values in [vec![], vec![0.0], vec![f64::NAN], vec![1e-300], vec![1e300]] {
            let axis = Axis::new(values.into_iter(), 0, 100);
            assert!(axis.marks().0.len() < 20);
            assert!((0..=100).contains(&axis.at(0.0)));
        }
    }
}
