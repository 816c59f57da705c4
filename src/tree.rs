//! A tree of models from their distances: average-linkage clustering, drawn as text or SVG.
//!
//! The tree shows who is near whom. It is no pedigree: a node is an average, not an ancestor.

mod svg;
mod text;

use ndarray::Array2;
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

/// One of the two parts that a merge joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Node {
    /// A leaf, as an index into [`Dendrogram::labels`].
    Leaf(usize),
    /// An earlier merge, as an index into [`Dendrogram::merges`].
    Merge(usize),
}

/// Two parts joined into one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Merge {
    /// The part that holds the label that sorts first.
    pub left: Node,
    /// The other part.
    pub right: Node,
    /// Mean distance between leaves of the one and leaves of the other, in the unit of the
    /// distances.
    pub height: f64,
    /// Leaves below.
    pub leaves: usize,
}

/// A tree of labels; the last merge is the root.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Dendrogram {
    /// The leaves' labels, sorted.
    labels: Vec<String>,
    /// The merges, in the order they were made; the last is the root.
    merges: Vec<Merge>,
}

/// Why there is no tree.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TreeError {
    /// There is nothing to draw a tree of.
    #[error("a tree needs at least one label")]
    Empty,
    /// The matrix does not have one row and one column a label.
    #[error("{labels} labels with {rows} by {columns} distances")]
    Size {
        /// Number of labels.
        labels: usize,
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        columns: usize,
    },
    /// Two leaves would look the same, and their order would be that of the input.
    #[error("the label '{label}' is given twice")]
    DuplicateLabel {
        /// The label.
        label: String,
    },
    /// A distance is negative, infinite or not a number, or a label is not at 0 from itself.
    #[error("the distance from '{from}' to '{to}' is no distance")]
    NoDistance {
        /// Label of the row.
        from: String,
        /// Label of the column.
        to: String,
    },
    /// A distance depends on its direction.
    #[error("the distance from '{from}' to '{to}' is not the one back")]
    Asymmetric {
        /// Label of the row.
        from: String,
        /// Label of the column.
        to: String,
    },
}

/// Clusters labels by average linkage (UPGMA).
///
/// Starting from single leaves, the two parts with the smallest mean distance
/// `d(S, T) = sum_{i in S, j in T} d_ij / (|S| |T|)` are joined until one is left. Among equal
/// distances the pair whose first labels sort first is joined, so the tree depends on labels and
/// distances and not on the order they come in. Units are those of the distances.
///
/// Source: Sokal and Michener, *University of Kansas Science Bulletin* 38 (1958) 1409-1438. Same
/// merges and heights as `scipy.cluster.hierarchy.linkage(d, "average")` where no distances tie.
///
/// # Errors
///
/// When there is no label, a label is given twice, the matrix has another size, or it is not a
/// symmetric matrix of finite distances with 0 on the diagonal. One label gives a tree of one leaf.
pub fn average_linkage(
    labels: &[String],
    distances: &Array2<f64>,
) -> Result<Dendrogram, TreeError> {
    check(labels, distances)?;
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|&a, &b| labels[a].cmp(&labels[b]));
    let mut parts: Vec<Part> = (0..labels.len())
        .map(|leaf| Part {
            node: Node::Leaf(leaf),
            leaves: 1,
            // Sums and not means: they stay exact where means would round, and ties stay ties.
            sums: order
                .iter()
                .map(|&other| distances[[order[leaf], other]])
                .collect(),
        })
        .collect();
    let mut merges = Vec::new();
    while let Some((left, right, height)) = nearest(&parts) {
        let gone = parts.remove(right);
        let leaves = parts[left].leaves + gone.leaves;
        merges.push(Merge {
            left: parts[left].node,
            right: gone.node,
            height,
            leaves,
        });
        join(&mut parts, left, right, &gone);
        parts[left].node = Node::Merge(merges.len() - 1);
        parts[left].leaves = leaves;
    }
    Ok(Dendrogram {
        labels: order.iter().map(|&index| labels[index].clone()).collect(),
        merges,
    })
}

fn check(labels: &[String], distances: &Array2<f64>) -> Result<(), TreeError> {
    let (rows, columns) = distances.dim();
    if labels.is_empty() {
        return Err(TreeError::Empty);
    }
    if rows != labels.len() || columns != labels.len() {
        return Err(TreeError::Size {
            labels: labels.len(),
            rows,
            columns,
        });
    }
    let mut sorted: Vec<&String> = labels.iter().collect();
    sorted.sort_unstable();
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(TreeError::DuplicateLabel {
            label: twice[0].clone(),
        });
    }
    for ((row, column), &distance) in distances.indexed_iter() {
        let (from, to) = (labels[row].clone(), labels[column].clone());
        let to_itself = row == column && distance != 0.0;
        if !distance.is_finite() || distance < 0.0 || to_itself {
            return Err(TreeError::NoDistance { from, to });
        }
        // A difference in the last digits is rounding of whoever computed the distances.
        let back = distances[[column, row]];
        if (distance - back).abs() > 1e-12 * distance.max(back) {
            return Err(TreeError::Asymmetric { from, to });
        }
    }
    Ok(())
}

/// A part not yet joined; parts stay in the order of their first labels.
struct Part {
    node: Node,
    leaves: usize,
    /// Summed distances to the leaves of every part, in the parts' order.
    sums: Vec<f64>,
}

/// The two nearest parts and their mean distance; `None` when only one is left.
fn nearest(parts: &[Part]) -> Option<(usize, usize, f64)> {
    let mut best: Option<(usize, usize, f64)> = None;
    for (left, part) in parts.iter().enumerate() {
        for (right, other) in parts.iter().enumerate().skip(left + 1) {
            let mean = part.sums[right] / (part.leaves * other.leaves) as f64;
            if best.is_none_or(|(_, _, least)| mean < least) {
                best = Some((left, right, mean));
            }
        }
    }
    best
}

/// Folds the sums of a part that was taken out at `right` into the part at `left`.
fn join(parts: &mut [Part], left: usize, right: usize, gone: &Part) {
    for part in parts.iter_mut() {
        let moved = part.sums.remove(right);
        part.sums[left] += moved;
    }
    let others = gone.sums.iter().enumerate().filter(|(i, _)| *i != right);
    let to_others: Vec<f64> = others.map(|(_, sum)| *sum).collect();
    for (index, sum) in to_others.into_iter().enumerate() {
        if index != left {
            parts[left].sums[index] += sum;
        }
    }
}

impl Dendrogram {
    /// The leaves' labels, sorted.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The merges, in the order they were made; heights never decrease.
    pub fn merges(&self) -> &[Merge] {
        &self.merges
    }

    /// The node that holds everything.
    fn root(&self) -> Node {
        self.merges
            .len()
            .checked_sub(1)
            .map_or(Node::Leaf(0), Node::Merge)
    }

    /// The height of the root; 0 for a single leaf.
    fn span(&self) -> f64 {
        self.merges.last().map_or(0.0, |root| root.height)
    }

    /// The leaves from the first line to the last, so that no two branches cross.
    fn leaf_order(&self) -> Vec<usize> {
        let (mut waiting, mut leaves) = (vec![self.root()], Vec::new());
        while let Some(node) = waiting.pop() {
            match node {
                Node::Leaf(leaf) => leaves.push(leaf),
                Node::Merge(merge) => {
                    waiting.push(self.merges[merge].right);
                    waiting.push(self.merges[merge].left);
                }
            }
        }
        leaves
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    pub(super) fn named(labels: &[&str]) -> Vec<String> {
        labels.iter().map(ToString::to_string).collect()
    }

    pub(super) fn five() -> Dendrogram {
        let distances = array![
            [0.0, 2.0, 6.0, 10.0, 9.0],
            [2.0, 0.0, 5.0, 9.0, 8.0],
            [6.0, 5.0, 0.0, 4.0, 5.0],
            [10.0, 9.0, 4.0, 0.0, 3.0],
            [9.0, 8.0, 5.0, 3.0, 0.0]
        ];
        average_linkage(&named(&["a", "b", "c", "d", "e"]), &distances).unwrap()
    }

    /// SciPy's form: nodes below the number of leaves are leaves, the others merges.
    fn rows(tree: &Dendrogram) -> Vec<(usize, usize, f64, usize)> {
        let number = |node| match node {
            Node::Leaf(leaf) => leaf,
            Node::Merge(merge) => tree.labels().len() + merge,
        };
        tree.merges()
            .iter()
            .map(|m| {
                let (a, b) = (number(m.left), number(m.right));
                (a.min(b), a.max(b), m.height, m.leaves)
            })
            .collect()
    }

    fn check(tree: &Dendrogram, expected: &[(usize, usize, f64, usize)]) {
        let found = rows(tree);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(
                (found.0, found.1, found.3),
                (expected.0, expected.1, expected.3)
            );
            assert!((found.2 - expected.2).abs() < 1e-14, "{found:?}");
        }
    }

    // scipy.cluster.hierarchy.linkage(squareform(d), "average"), SciPy 1.17.1
    #[test]
    fn agrees_with_scipy() {
        let expected = [
            (0, 1, 2.0, 2),
            (3, 4, 3.0, 2),
            (2, 6, 4.5, 3),
            (5, 7, 7.833_333_333_333_333, 5),
        ];
        check(&five(), &expected);
    }

    // The same for (g + g.T) / 2 with a zero diagonal, g from Knuth's generator (seed 12345).
    #[test]
    fn agrees_with_scipy_on_generated_distances() {
        let mut state = 12345_u64;
        let g = Array2::from_shape_fn((9, 9), |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1_u32 << 31)
        });
        let distances = Array2::from_shape_fn((9, 9), |(i, j)| {
            if i == j {
                0.0
            } else {
                f64::midpoint(g[[i, j]], g[[j, i]])
            }
        });
        let labels = named(&["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
        let expected = [
            (3, 4, 0.051_044_150_954_112_41, 2),
            (7, 8, 0.150_792_320_258_915_42, 2),
            (1, 6, 0.172_735_816_566_273_57, 2),
            (2, 9, 0.237_185_321_049_764_75, 3),
            (5, 12, 0.356_558_800_597_364_7, 4),
            (0, 11, 0.399_227_882_502_600_55, 3),
            (13, 14, 0.521_948_366_561_749_4, 7),
            (10, 15, 0.567_671_258_750_903_9, 9),
        ];
        check(&average_linkage(&labels, &distances).unwrap(), &expected);
    }

    #[test]
    fn ties_are_joined_in_the_order_of_labels() {
        let all_ones = Array2::from_shape_fn((4, 4), |(i, j)| if i == j { 0.0 } else { 1.0 });
        let tree = average_linkage(&named(&["d", "b", "c", "a"]), &all_ones).unwrap();
        assert_eq!(tree.labels(), ["a", "b", "c", "d"]);
        check(&tree, &[(0, 1, 1.0, 2), (2, 4, 1.0, 3), (3, 5, 1.0, 4)]);
    }

    #[test]
    fn the_order_of_the_input_does_not_matter() {
        let distances = array![
            [0.0, 0.3, 0.1, 0.7],
            [0.3, 0.0, 0.3, 0.2],
            [0.1, 0.3, 0.0, 0.7],
            [0.7, 0.2, 0.7, 0.0]
        ];
        let labels = named(&["x", "w", "z", "y"]);
        let order = [2, 0, 3, 1];
        let shuffled = Array2::from_shape_fn((4, 4), |(i, j)| distances[[order[i], order[j]]]);
        let relabelled: Vec<String> = order.iter().map(|&i| labels[i].clone()).collect();
        assert_eq!(
            average_linkage(&labels, &distances),
            average_linkage(&relabelled, &shuffled)
        );
    }

    #[test]
    fn one_label_is_a_leaf() {
        let tree = average_linkage(&named(&["only"]), &array![[0.0]]).unwrap();
        assert_eq!(tree.labels(), ["only"]);
        assert!(tree.merges().is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let two = named(&["a", "b"]);
        let error = |distances| average_linkage(&two, &distances).unwrap_err();
        let (from, to) = ("a".to_owned(), "b".to_owned());
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            let (from, to) = (from.clone(), to.clone());
            let expected = TreeError::NoDistance { from, to };
            assert_eq!(error(array![[0.0, bad], [bad, 0.0]]), expected);
        }
        let not_zero = error(array![[0.5, 1.0], [1.0, 0.0]]);
        let itself = TreeError::NoDistance {
            from: from.clone(),
            to: from.clone(),
        };
        assert_eq!(not_zero, itself);
        let asymmetric = error(array![[0.0, 1.0], [2.0, 0.0]]);
        assert_eq!(asymmetric, TreeError::Asymmetric { from, to });
        let size = TreeError::Size {
            labels: 2,
            rows: 1,
            columns: 1,
        };
        assert_eq!(error(array![[0.0]]), size);
        let nothing = average_linkage(&[], &Array2::zeros((0, 0)));
        assert_eq!(nothing, Err(TreeError::Empty));
        let twice = average_linkage(&named(&["a", "a"]), &Array2::zeros((2, 2)));
        let label = "a".to_owned();
        assert_eq!(twice, Err(TreeError::DuplicateLabel { label }));
    }
}
