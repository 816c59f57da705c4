//! Finds tokens that are written out in a text.

use std::collections::HashMap;

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'t> {
    /// Text still to be encoded.
    Text(&'t str),
    /// A token that was written out.
    Token(u32),
}

/// A set of literal tokens; the longest at the leftmost place wins.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    tokens: HashMap<Box<str>, u32>,
    /// Lengths in bytes that occur, longest first, by first byte.
    lengths: HashMap<u8, Vec<usize>>,
}

impl Splitter {
    pub(super) fn insert(&mut self, text: &str, id: u32) {
        let Some(&first) = text.as_bytes().first() else {
            return;
        };
        let lengths = self.lengths.entry(first).or_default();
        if let Err(place) = lengths.binary_search_by(|length| text.len().cmp(length)) {
            lengths.insert(place, text.len());
        }
        self.tokens.insert(text.into(), id);
    }

    pub(super) fn split<'t>(&self, text: &'t str) -> Vec<Part<'t>> {
        let mut parts = Vec::new();
        let (mut start, mut at) = (0, 0);
        while at < text.len() {
            let Some((length, id)) = self.token_at(text, at) else {
                at += 1;
                continue;
            };
            if start < at {
                parts.push(Part::Text(&text[start..at]));
            }
            parts.push(Part::Token(id));
            at += length;
            start = at;
        }
        if start < text.len() {
            parts.push(Part::Text(&text[start..]));
        }
        parts
    }

    /// The first token written out in a text.
    pub(super) fn first(&self, text: &str) -> Option<u32> {
        (0..text.len()).find_map(|at| Some(self.token_at(text, at)?.1))
    }

    fn token_at(&self, text: &str, at: usize) -> Option<(usize, u32)> {
        let lengths = self.lengths.get(&text.as_bytes()[at])?;
        lengths.iter().find_map(|&length| {
            let candidate = text.get(at..at.checked_add(length)?)?;
            Some((length, *self.tokens.get(candidate)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_token_at_the_leftmost_place_wins() {
        let mut splitter = Splitter::default();
        for (text, id) in [("<a>", 1), ("\n", 2), ("\n\n", 3), ("é", 4)] {
            splitter.insert(text, id);
        }
        assert_eq!(
            splitter.split("x\n\n\n<a>é<a"),
            [
                Part::Text("x"),
                Part::Token(3),
                Part::Token(2),
                Part::Token(1),
                Part::Token(4),
                Part::Text("<a"),
            ]
        );
        assert_eq!(splitter.split(""), []);
    }
}
