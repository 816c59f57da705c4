//! The tree as a picture: one SVG element, with nothing outside it and nothing that runs.

use std::fmt::Write as _;

use super::{Dendrogram, Node};
use crate::printable::visible_line;

/// Width of the branches, height of a leaf's line, and margin, in user units (pixels at scale 1).
const BRANCHES: f64 = 420.0;
const LINE: f64 = 24.0;
const MARGIN: f64 = 16.0;
/// Room for one character of a label: wide characters take about this much at 13 pixels.
const CHARACTER: f64 = 13.0;

const STYLE: &str = "<style>\
.parentage-tree{color-scheme:light dark;font:13px system-ui,sans-serif;background:#fff}\
.parentage-tree path{fill:none;stroke:#37474f;stroke-width:1.5}\
.parentage-tree text{fill:#1b1b1b}\
.parentage-tree .scale{fill:#5f6368;font-size:11px}\
@media (prefers-color-scheme:dark){\
.parentage-tree{background:#161616}\
.parentage-tree path{stroke:#b0bec5}\
.parentage-tree text{fill:#ededed}\
.parentage-tree .scale{fill:#a8adb3}\
}</style>";

impl Dendrogram {
    /// Draws the tree as one SVG element, which stands alone or inside an HTML page.
    ///
    /// Root on the left, leaves on the right, horizontal position proportional to distance. Colours
    /// follow the reader's light or dark preference. There is no script and no reference to anything
    /// outside; labels are escaped, their control and invisible characters left out. Coordinates
    /// have two decimals, so the same tree gives the same bytes.
    pub fn render_svg(&self) -> String {
        let order = self.leaf_order();
        let labels: Vec<String> = order
            .iter()
            .map(|&l| visible_line(&self.labels[l]))
            .collect();
        let longest = labels.iter().map(|l| l.chars().count()).max().unwrap_or(0);
        let width = BRANCHES + 3.0 * MARGIN + longest as f64 * CHARACTER;
        let height = LINE * (order.len() + 1) as f64 + 2.0 * MARGIN;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"parentage-tree\" role=\"img\" \
             viewBox=\"0 0 {width:.2} {height:.2}\" width=\"{width:.2}\" height=\"{height:.2}\">\
             <title>Tree of {} models by average distance</title>{STYLE}\n",
            order.len()
        );
        self.branches(&order, &mut svg);
        for (position, label) in labels.iter().enumerate() {
            let (x, y) = (MARGIN + BRANCHES + 6.0, line(position));
            // Writing to a string cannot fail.
            let _ = writeln!(
                svg,
                "<text x=\"{x:.2}\" y=\"{y:.2}\" dominant-baseline=\"central\">{}</text>",
                escaped(label)
            );
        }
        let (below, end) = (line(order.len()), MARGIN + BRANCHES);
        let _ = write!(
            svg,
            "<text class=\"scale\" x=\"{MARGIN:.2}\" y=\"{below:.2}\">distance {:.4}</text>\
             <text class=\"scale\" x=\"{end:.2}\" y=\"{below:.2}\" text-anchor=\"end\">0</text>\n\
             </svg>\n",
            self.span()
        );
        svg
    }

    fn branches(&self, order: &[usize], svg: &mut String) {
        let mut line_of_leaf = vec![0.0; order.len()];
        for (position, &leaf) in order.iter().enumerate() {
            line_of_leaf[leaf] = line(position);
        }
        let place = |node: Node, lines: &[f64]| match node {
            Node::Leaf(leaf) => (MARGIN + BRANCHES, line_of_leaf[leaf]),
            Node::Merge(merge) => (self.across(merge), lines[merge]),
        };
        let mut lines = Vec::with_capacity(self.merges.len());
        for (merge, part) in self.merges.iter().enumerate() {
            let x = self.across(merge);
            let (right_of_top, top) = place(part.left, &lines);
            let (right_of_bottom, bottom) = place(part.right, &lines);
            let _ = writeln!(
                svg,
                "<path d=\"M{right_of_top:.2} {top:.2}H{x:.2}V{bottom:.2}H{right_of_bottom:.2}\"/>"
            );
            lines.push(f64::midpoint(top, bottom));
        }
        let (x, y) = place(self.root(), &lines);
        let _ = writeln!(svg, "<path d=\"M{MARGIN:.2} {y:.2}H{x:.2}\"/>");
    }

    /// Horizontal position of a merge; the root leaves room for a stem.
    fn across(&self, merge: usize) -> f64 {
        let stem = LINE / 2.0;
        let share = if self.span() > 0.0 {
            self.merges[merge].height / self.span()
        } else {
            0.0
        };
        MARGIN + stem + (BRANCHES - stem) * (1.0 - share)
    }
}

/// Vertical position of a leaf.
fn line(position: usize) -> f64 {
    MARGIN + LINE * (position as f64 + 0.5)
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::super::average_linkage;
    use super::super::tests::{five, named};

    #[test]
    fn one_path_a_merge_one_stem_and_one_text_a_leaf() {
        let svg = five().render_svg();
        assert_eq!(svg.matches("<path ").count(), 5);
        assert_eq!(svg.matches("<text x=").count(), 5);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("prefers-color-scheme:dark"));
        assert!(svg.contains(">distance 7.8333<"));
    }

    // Stem 12, branches 420: the root is at 28, a merge at height 2 of 47/6 at 28 + 408 * 35/47.
    #[test]
    fn horizontal_position_is_proportional_to_distance() {
        let svg = five().render_svg();
        assert!(svg.contains("M436.00 28.00H331.83V52.00H436.00"), "{svg}");
        assert!(svg.contains("H28.00V"), "{svg}");
    }

    #[test]
    fn labels_cannot_leave_their_element() {
        let labels = named(&[
            "</text><script>alert('1')</script>",
            "a&\"b\"\u{202e}\x07\u{ffff}",
        ]);
        let svg = average_linkage(&labels, &array![[0.0, 1.0], [1.0, 0.0]])
            .unwrap()
            .render_svg();
        assert!(!svg.contains("<script") && svg.matches("</text>").count() == 4);
        assert!(svg.contains("&lt;/text&gt;&lt;script&gt;alert(&#39;1&#39;)"));
        assert!(svg.contains(">a&amp;&quot;b&quot;‹U+202E›‹U+0007›‹U+FFFF›</text>"));
    }

    #[test]
    fn stands_alone() {
        let svg = five().render_svg();
        let outside = ["href", "url(", "@import", "<script", "on"].map(|word| {
            let found = format!(" {word}");
            svg.contains(&found)
        });
        assert_eq!(outside, [false; 5]);
    }

    #[test]
    fn equal_models_and_a_single_one_can_be_drawn() {
        let equal = average_linkage(&named(&["a", "b"]), &Array2::zeros((2, 2))).unwrap();
        assert!(
            equal
                .render_svg()
                .contains("M436.00 28.00H436.00V52.00H436.00")
        );
        let one = average_linkage(&named(&["a"]), &array![[0.0]]).unwrap();
        assert!(one.render_svg().contains("M16.00 28.00H436.00"));
    }
}
