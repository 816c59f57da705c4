//! The tree as text, root on the left, distance growing leftwards.

use super::{Dendrogram, Node};
use crate::printable::visible_line;

/// Fewest columns left to the branches, however long the labels are.
const FEWEST_COLUMNS: usize = 12;

/// A set of characters for lines; indexed by the directions a line leaves its cell in.
type Strokes = [char; 16];

const LEFT: usize = 1;
const RIGHT: usize = 2;
const UP: usize = 4;
const DOWN: usize = 8;

const BOX_DRAWING: Strokes = [
    ' ', '─', '─', '─', '│', '┘', '└', '┴', '│', '┐', '┌', '┬', '│', '┤', '├', '┼',
];
const ASCII: Strokes = [
    ' ', '-', '-', '-', '|', '+', '+', '+', '|', '+', '+', '+', '|', '+', '+', '+',
];

impl Dendrogram {
    /// Draws the tree in box-drawing characters, about `width` columns wide.
    ///
    /// One line a leaf, one between, and last a scale of the distance at the root and at the leaves.
    /// Labels are never cut, since names often differ at their end: long ones make lines longer than
    /// `width`. Control and invisible characters in labels are left out.
    pub fn render_text(&self, width: usize) -> String {
        self.draw(width, &BOX_DRAWING)
    }

    /// [`Dendrogram::render_text`] with lines in ASCII; labels stay as they are.
    pub fn render_ascii(&self, width: usize) -> String {
        self.draw(width, &ASCII)
    }

    fn draw(&self, width: usize, strokes: &Strokes) -> String {
        let order = self.leaf_order();
        let labels: Vec<String> = order
            .iter()
            .map(|&l| visible_line(&self.labels[l]))
            .collect();
        let longest = labels.iter().map(|l| l.chars().count()).max().unwrap_or(0);
        let columns = width.saturating_sub(longest + 1).max(FEWEST_COLUMNS);
        let mut canvas = Canvas {
            cells: vec![vec![0; columns]; 2 * order.len() - 1],
        };
        let mut line_of_leaf = vec![0; order.len()];
        for (position, &leaf) in order.iter().enumerate() {
            line_of_leaf[leaf] = 2 * position;
        }
        let place = |node: Node, lines: &[usize]| match node {
            Node::Leaf(leaf) => (line_of_leaf[leaf], columns),
            Node::Merge(merge) => (lines[merge], self.column(merge, columns)),
        };
        let mut lines = Vec::with_capacity(self.merges.len());
        for (merge, part) in self.merges.iter().enumerate() {
            let column = self.column(merge, columns);
            let (top, right_of_top) = place(part.left, &lines);
            let (bottom, right_of_bottom) = place(part.right, &lines);
            canvas.across(top, column, right_of_top);
            canvas.across(bottom, column, right_of_bottom);
            canvas.down(column, top, bottom);
            lines.push(usize::midpoint(top, bottom));
        }
        let (root, end) = place(self.root(), &lines);
        canvas.across(root, 0, end);
        let mut text = String::new();
        for (line, cells) in canvas.cells.iter().enumerate() {
            let branches: String = cells.iter().map(|&cell| strokes[cell]).collect();
            match line % 2 {
                0 => text.push_str(format!("{branches} {}", labels[line / 2]).trim_end()),
                _ => text.push_str(branches.trim_end()),
            }
            text.push('\n');
        }
        if !self.merges.is_empty() {
            text.push_str(&self.scale(columns));
        }
        text
    }

    /// Column of a merge: 1 for the root, so that its stem can be seen, and less than `columns`.
    fn column(&self, merge: usize, columns: usize) -> usize {
        let share = if self.span() > 0.0 {
            1.0 - self.merges[merge].height / self.span()
        } else {
            1.0
        };
        1 + scaled(share, columns - 2)
    }

    fn scale(&self, columns: usize) -> String {
        let distance = format!("{:.4}", self.span());
        let gap = columns.saturating_sub(distance.len() + 1).max(1);
        format!(" {distance}{:>gap$} distance\n", 0)
    }
}

/// `share` of `whole`, rounded; a share is from 0 to 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a number of columns is neither negative nor too large"
)]
fn scaled(share: f64, whole: usize) -> usize {
    (share * whole as f64).round() as usize
}

/// Cells that remember in which directions lines leave them.
struct Canvas {
    cells: Vec<Vec<usize>>,
}

impl Canvas {
    /// A line in one row from a cell to just before `end`, where the next node or the label begins.
    fn across(&mut self, line: usize, start: usize, end: usize) {
        let cells = &mut self.cells[line][start..];
        let last = (end - start).min(cells.len() - 1);
        for (step, cell) in cells.iter_mut().enumerate().take(last + 1) {
            if step > 0 {
                *cell |= LEFT;
            }
            // The row ends at the label, which the last stroke points to.
            if step < last || start + last < end {
                *cell |= RIGHT;
            }
        }
    }

    fn down(&mut self, column: usize, top: usize, bottom: usize) {
        for line in top..=bottom {
            if line > top {
                self.cells[line][column] |= UP;
            }
            if line < bottom {
                self.cells[line][column] |= DOWN;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::super::average_linkage;
    use super::super::tests::{five, named};

    #[test]
    fn box_drawing() {
        let expected = [
            "                      ┌─────── a",
            " ┌────────────────────┤",
            " │                    └─────── b",
            "─┤",
            " │           ┌──────────────── c",
            " └───────────┤",
            "             │    ┌─────────── d",
            "             └────┤",
            "                  └─────────── e",
            " 7.8333                      0 distance",
        ];
        let text = five().render_text(32);
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn ascii() {
        let expected = [
            "                      +------- a",
            " +--------------------+",
            " |                    +------- b",
            "-+",
            " |           +---------------- c",
            " +-----------+",
            "             |    +----------- d",
            "             +----+",
            "                  +----------- e",
            " 7.8333                      0 distance",
        ];
        assert_eq!(
            five().render_ascii(32).lines().collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn a_single_leaf_is_a_stem_with_its_label() {
        let tree = average_linkage(&named(&["only"]), &array![[0.0]]).unwrap();
        assert_eq!(tree.render_text(20), "─────────────── only\n");
    }

    #[test]
    fn equal_models_meet_at_the_leaves() {
        let tree = average_linkage(&named(&["a", "b"]), &Array2::zeros((2, 2))).unwrap();
        let expected = [
            "           ┌ a",
            "───────────┤",
            "           └ b",
            " 0.0000    0 distance",
        ];
        assert_eq!(tree.render_text(14).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn labels_are_cleaned_and_never_cut() {
        let labels = named(&["x\u{202e}\n1", "a-very-long-label-that-names-one-model"]);
        let text = average_linkage(&labels, &array![[0.0, 1.0], [1.0, 0.0]])
            .unwrap()
            .render_text(10);
        assert!(text.contains(" a-very-long-label-that-names-one-model\n"));
        assert!(text.contains(" x‹U+202E›‹U+000A›1\n") && !text.contains('\u{202e}'));
        assert_eq!(text.lines().count(), 4);
    }
}
