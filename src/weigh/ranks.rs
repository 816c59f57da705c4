//! Mid-ranks, shared by the rank tests.

/// Ranks of a sample, and how many values were tied at each distinct value.
pub(super) struct Ranks {
    /// The rank of each value, from 1; tied values share the mean of their ranks.
    pub(super) ranks: Vec<f64>,
    /// Sizes of the groups of equal values, groups of one left out.
    pub(super) ties: Vec<usize>,
}

/// Ranks values in ascending order; the caller has made sure that they are finite.
pub(super) fn mid_ranks(values: &[f64]) -> Ranks {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut ties = Vec::new();
    // Grouped by their difference and not by `total_cmp`, for which 0.0 and -0.0 would differ.
    let mut first = 1;
    for group in order.chunk_by(|&a, &b| values[a] - values[b] == 0.0) {
        let last = first + group.len() - 1;
        for &index in group {
            ranks[index] = (first + last) as f64 / 2.0;
        }
        if group.len() > 1 {
            ties.push(group.len());
        }
        first = last + 1;
    }
    Ranks { ranks, ties }
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy.stats.rankdata([3, 1, 3, 0, 3, 1])
    #[test]
    fn tied_values_share_the_mean_of_their_ranks() {
        let found = mid_ranks(&[3.0, 1.0, 3.0, 0.0, 3.0, 1.0]);
        assert_eq!(found.ranks, [5.0, 2.5, 5.0, 1.0, 5.0, 2.5]);
        assert_eq!(found.ties, [2, 3]);
    }

    #[test]
    fn signed_zeros_are_tied() {
        let found = mid_ranks(&[0.0, -0.0]);
        assert_eq!(found.ranks, [1.5, 1.5]);
        assert_eq!(found.ties, [2]);
    }

    #[test]
    fn nothing_has_no_ranks() {
        assert!(mid_ranks(&[]).ranks.is_empty());
        assert_eq!(mid_ranks(&[7.0]).ranks, [1.0]);
    }
}
