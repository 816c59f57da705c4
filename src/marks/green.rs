//! Green lists: the second test, for those who watermark by tokens.
//!
//! A keyed hash of the `h` tokens before it puts a share `gamma` of the vocabulary on the green list of a position,
//! and the serving model leans to green tokens. A student of such texts leans to them as well ("radioactivity"). Under
//! a key that the text knows nothing of, each *distinct* window of `h + 1` tokens is green with probability `gamma`,
//! independently of the others, so the number of green ones is binomial. A window that is counted as often as it
//! occurs would make the p-value false, since repetitions are no new draws.
//!
//! Source: Sander et al., "Watermarking makes language models radioactive" (NeurIPS 2024). Windows that stood in the
//! suspect's prompt have to be left out by the caller.

use std::collections::BTreeMap;

use super::tail::binomial_tail;

/// What the green lists say of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Green {
    /// Distinct windows.
    pub windows: u64,
    /// Those that are green.
    pub green: u64,
    /// The probability of so many or more under a key that the text knows nothing of.
    pub p: f64,
}

/// Counts the green ones among distinct windows, each given as its `h + 1` tokens and whether the key calls its last
/// token green.
///
/// `None` if there is no window, `gamma` is not above 0 and below 1, or one window is said to be both.
pub fn green_list<'a>(
    windows: impl Iterator<Item = (&'a [u32], bool)>,
    gamma: f64,
) -> Option<Green> {
    let mut distinct = BTreeMap::new();
    for (window, green) in windows {
        if *distinct.entry(window).or_insert(green) != green {
            return None;
        }
    }
    if distinct.is_empty() {
        return None;
    }
    let count = distinct.len() as u64;
    let green = distinct.values().filter(|green| **green).count() as u64;
    Some(Green {
        windows: count,
        green,
        p: binomial_tail(green, count, gamma)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_counts_once_however_often_it_occurs() {
        let windows: [(&[u32], bool); 5] = [
            (&[1, 2, 3], true),
            (&[2, 3, 4], false),
            (&[1, 2, 3], true),
            (&[3, 4, 5], true),
            (&[1, 2, 3], true),
        ];
        let found = green_list(windows.into_iter(), 0.25).unwrap();
        assert_eq!((found.windows, found.green), (3, 2));
        assert!((found.p - 0.15625).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn there_is_no_number_for_nothing_or_a_contradiction() {
        assert_eq!(green_list(std::iter::empty(), 0.25), None);
        let both: [(&[u32], bool); 2] = [(&[1, 2], true), (&[1, 2], false)];
        assert_eq!(green_list(both.into_iter(), 0.25), None);
        let one: [(&[u32], bool); 1] = [(&[1, 2], true)];
        assert_eq!(green_list(one.into_iter(), 1.0), None);
    }
}
