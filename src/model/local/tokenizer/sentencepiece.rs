//! SentencePiece's merging, for vocabularies that come with scores (GGUF kind `llama`).
//!
//! Starting from single characters, the neighbouring pair that forms the token with the highest
//! score is merged first, the leftmost on a tie, until no pair is a token. A character that is no
//! token becomes its UTF-8 bytes. This is what llama.cpp does. `shimmytok` does the same but looks
//! tokens up with U+0120 and U+2581 as one character, takes control tokens as merge results, and
//! never splits at user-defined tokens, so it is not used here.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashMap, HashSet},
};

use super::split::{Part, Splitter};

/// A vocabulary with scores.
#[derive(Debug)]
pub(super) struct SentencePiece {
    /// Tokens that merging may form, with their scores: never control or byte tokens.
    pub(super) pieces: HashMap<Box<str>, (u32, f32)>,
    /// The token of each byte.
    pub(super) bytes: Vec<Option<u32>>,
    /// What a byte without a token becomes.
    pub(super) unknown: Option<u32>,
    /// Tokens found in any text before merging (runs of spaces and newlines, for instance).
    pub(super) literal: Splitter,
    /// The same and the control tokens.
    pub(super) markup: Splitter,
    /// Whether a text is read as if a space came before it.
    pub(super) space_prefix: bool,
    /// Tokens of markup that swallow the white space behind them.
    pub(super) stripping: HashSet<u32>,
}

impl SentencePiece {
    /// Encodes a text; `prefix` asks for the leading space if the model has one, and `markup` for
    /// control tokens to be read.
    pub(super) fn encode(&self, text: &str, prefix: bool, markup: bool) -> Vec<u32> {
        let splitter = if markup { &self.markup } else { &self.literal };
        let mut ids = Vec::new();
        let mut prefix_next = prefix;
        let mut strip_next = false;
        for part in splitter.split(text) {
            match part {
                Part::Token(id) => {
                    ids.push(id);
                    // As in llama.cpp: text after a token starts like a text of its own. Inside a
                    // plain text nothing may be invented.
                    prefix_next = markup || prefix;
                    strip_next = markup && self.stripping.contains(&id);
                }
                Part::Text(text) => {
                    // White space as C's isspace knows it.
                    let white = |c: char| matches!(c, ' ' | '\t'..='\r');
                    let text = if strip_next {
                        text.trim_start_matches(white)
                    } else {
                        text
                    };
                    strip_next = false;
                    if text.is_empty() {
                        continue;
                    }
                    let space = self.space_prefix && prefix_next;
                    let lead = if space { "\u{2581}" } else { "" };
                    let escaped = format!("{lead}{}", text.replace(' ', "\u{2581}"));
                    self.merge(&escaped, &mut ids);
                    prefix_next = false;
                }
            }
        }
        ids
    }

    fn merge(&self, text: &str, ids: &mut Vec<u32>) {
        let mut chain = Chain::new(text);
        let mut queue = BinaryHeap::new();
        for left in 0..chain.symbols.len() {
            self.offer(&chain, left, &mut queue);
        }
        while let Some(pair) = queue.pop() {
            if !chain.is_current(&pair) {
                continue;
            }
            chain.join(pair.left, pair.right);
            if let Some(before) = chain.symbols[pair.left].before {
                self.offer(&chain, before, &mut queue);
            }
            self.offer(&chain, pair.left, &mut queue);
        }
        for symbol in chain.symbols.iter().filter(|symbol| symbol.len > 0) {
            let piece = &text[symbol.start..symbol.start + symbol.len];
            match self.pieces.get(piece) {
                Some(&(id, _)) => ids.push(id),
                None => ids.extend(
                    piece
                        .bytes()
                        .filter_map(|byte| self.bytes[usize::from(byte)].or(self.unknown)),
                ),
            }
        }
    }

    /// Queues the pair that starts at `left`, when it forms a token.
    fn offer(&self, chain: &Chain<'_>, left: usize, queue: &mut BinaryHeap<Pair>) {
        let Some(right) = chain.symbols[left].after else {
            return;
        };
        let (start, len) = (
            chain.symbols[left].start,
            chain.symbols[left].len + chain.symbols[right].len,
        );
        if let Some(&(_, score)) = self.pieces.get(&chain.text[start..start + len]) {
            queue.push(Pair {
                score,
                left,
                right,
                len,
            });
        }
    }
}

#[derive(Debug)]
struct Symbol {
    start: usize,
    /// 0 once merged into the symbol before.
    len: usize,
    before: Option<usize>,
    after: Option<usize>,
}

struct Chain<'t> {
    text: &'t str,
    symbols: Vec<Symbol>,
}

impl<'t> Chain<'t> {
    fn new(text: &'t str) -> Self {
        let count = text.chars().count();
        let symbols = text
            .char_indices()
            .enumerate()
            .map(|(index, (start, c))| Symbol {
                start,
                len: c.len_utf8(),
                before: index.checked_sub(1),
                after: Some(index + 1).filter(|&after| after < count),
            })
            .collect();
        Self { text, symbols }
    }

    fn is_current(&self, pair: &Pair) -> bool {
        let (left, right) = (&self.symbols[pair.left], &self.symbols[pair.right]);
        left.len > 0 && right.len > 0 && left.len + right.len == pair.len
    }

    fn join(&mut self, left: usize, right: usize) {
        let after = self.symbols[right].after;
        self.symbols[left].len += self.symbols[right].len;
        self.symbols[left].after = after;
        self.symbols[right].len = 0;
        if let Some(after) = after {
            self.symbols[after].before = Some(left);
        }
    }
}

#[derive(Debug)]
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    len: usize,
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then_with(|| other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Pair {}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(space_prefix: bool) -> SentencePiece {
        let pieces = ["a", "b", "ab", "ba", "\u{2581}", "\u{2581}a"];
        let mut markup = Splitter::default();
        markup.insert("<s>", 100);
        SentencePiece {
            pieces: (0u8..)
                .zip(pieces)
                .map(|(id, piece)| (piece.into(), (u32::from(id), -f32::from(id))))
                .collect(),
            bytes: (0..256).map(|byte| Some(1000 + byte)).collect(),
            unknown: None,
            literal: Splitter::default(),
            markup,
            space_prefix,
            stripping: HashSet::new(),
        }
    }

    #[test]
    fn tokens_that_strip_swallow_white_space_behind_them_in_markup_alone() {
        let mut model = sample(true);
        model.stripping.insert(100);
        assert_eq!(
            model.encode("<s>\n a<s> \n<s>", true, true),
            [100, 5, 100, 100]
        );
        model.stripping.clear();
        assert_eq!(model.encode("<s> a", true, true), [100, 4, 5]);
    }

    #[test]
    fn best_score_merges_first_and_leftmost_on_a_tie() {
        let model = sample(false);
        assert_eq!(model.encode("aba", false, false), [2, 0]);
        assert_eq!(model.encode("bab", false, false), [1, 2]);
        assert_eq!(model.encode(" ab", false, false), [4, 2]);
    }

    #[test]
    fn unknown_characters_become_bytes_and_control_text_stays_text() {
        let model = sample(false);
        assert_eq!(model.encode("é", false, false), [1000 + 0xC3, 1000 + 0xA9]);
        assert_eq!(model.encode("<s>", false, true), [100]);
        assert!(!model.encode("<s>", false, false).contains(&100));
    }

    #[test]
    fn space_prefix_only_where_asked() {
        let model = sample(true);
        assert_eq!(model.encode("a", true, false), [5]);
        assert_eq!(model.encode("a", false, false), [0]);
        assert_eq!(model.encode("<s>a", true, true), [100, 5]);
        assert_eq!(model.encode("", true, false), [0u32; 0]);
    }
}
