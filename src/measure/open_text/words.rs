//! An answer as features: the words, word pairs and word triples that it holds, as numbers.

use std::hash::Hasher as _;

use fnv::FnvHasher;
use unicode_segmentation::UnicodeSegmentation as _;

/// The windows of [`super::habits`], in characters from the beginning of an answer. Nearly every answer is longer than
/// the first, so that its length does not show; the second shows how an answer goes on.
pub(super) const WINDOWS: [usize; 2] = [150, 400];
/// The characters from the beginning of an answer that [`super::phrases`] looks at.
pub(super) const PHRASES: usize = 1000;

/// What one answer holds. Every list is in order and has each feature once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Features {
    /// Words and pairs of words, by window.
    pub(super) habits: [Vec<u64>; 2],
    /// Pairs and triples of words.
    pub(super) phrases: Vec<u64>,
}

impl Features {
    /// Reads an answer.
    pub(super) fn of(text: &str) -> Self {
        Self {
            habits: WINDOWS.map(|window| runs(&words(first(text, window)), [1, 2])),
            phrases: runs(&words(first(text, PHRASES)), [2, 3]),
        }
    }
}

/// The first characters of a text.
fn first(text: &str, characters: usize) -> &str {
    let end = text.char_indices().nth(characters);
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

/// The words and marks of a text, in order; blank lines and line ends count as marks, other white space separates.
///
/// Words are those of Unicode Standard Annex 29, so that writing without spaces falls into words as well. Line ends
/// side by side are one mark.
fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = Vec::new();
    let mut lines: Option<(usize, usize)> = None;
    for (at, word) in text.split_word_bound_indices() {
        let ends_line = word.chars().all(|c| matches!(c, '\n' | '\r'));
        if ends_line {
            let from = lines.map_or(at, |(from, _)| from);
            lines = Some((from, at + word.len()));
            continue;
        }
        if let Some((from, to)) = lines.take() {
            words.push(&text[from..to]);
        }
        if !word.chars().all(char::is_whitespace) {
            words.push(word);
        }
    }
    words.extend(lines.map(|(from, to)| &text[from..to]));
    words
}

/// Runs of so many words as numbers: their FNV-1a hashes, each once, in order.
///
/// Of ten million different runs two share a number with a probability of about 3e-6.
fn runs(words: &[&str], lengths: [usize; 2]) -> Vec<u64> {
    let number = |run: &[&str]| {
        let mut hasher = FnvHasher::default();
        for word in run {
            hasher.write(word.as_bytes());
            // Stands in no text in UTF-8.
            hasher.write_u8(0xff);
        }
        hasher.finish()
    };
    let of_length = |n: usize| words.windows(n).map(number);
    let mut numbers: Vec<u64> = lengths.into_iter().flat_map(of_length).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_marks_and_line_ends_are_told_apart() {
        let found = words("Sure!  Don't\tworry:\n\n1. 東京 is\r\nbig\n");
        let expected = [
            "Sure", "!", "Don't", "worry", ":", "\n\n", "1", ".", "東", "京", "is", "\r\n", "big",
            "\n",
        ];
        assert_eq!(found, expected);
        assert!(words(" \t ").is_empty());
    }

    #[test]
    fn a_window_ends_between_characters() {
        assert_eq!(first("äöü", 2), "äö");
        assert_eq!(first("äöü", 3), "äöü");
        assert_eq!(first("", 3), "");
    }

    #[test]
    fn a_feature_counts_once_and_runs_do_not_run_together() {
        assert_eq!(runs(&["a", "b", "a", "b"], [1, 2]).len(), 4);
        assert_ne!(runs(&["ab", "c"], [2, 3]), runs(&["a", "bc"], [2, 3]));
        assert!(runs(&["a"], [2, 3]).is_empty());
        // Published vectors of FNV-1a: the hash of nothing is the offset basis.
        assert_eq!(FnvHasher::default().finish(), 0xcbf2_9ce4_8422_2325);
    }

    #[test]
    fn later_text_stands_in_the_larger_window_alone() {
        let text = format!("{}end", "x ".repeat(80));
        let features = Features::of(&text);
        let end = runs(&["end"], [1, 2])[0];
        assert!(!features.habits[0].contains(&end));
        assert!(features.habits[1].contains(&end));
    }
}
