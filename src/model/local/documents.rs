//! Documents: the distribution after any position of many texts, common beginnings computed once.
//!
//! Sorted, texts that begin alike lie side by side. Each pack is grown as a tree: what a run of
//! neighbours agrees on is one segment, and what follows it are segments behind that one. So a question
//! with four answers costs the question once and each answer once, and a text that is asked about twice
//! costs nothing the second time.

use std::collections::BTreeMap;
use std::ops::Range;

use super::attention::{Pack, Past};
use super::decoder::Decoder;
use super::error::{LocalError, Step};
use super::read::{MIN_SHARED, PACK_ROWS, each_row};

/// A text and the positions after which the distribution is wanted.
#[derive(Debug)]
pub(super) struct Document<'a> {
    pub(super) tokens: &'a [u32],
    /// Places of `tokens`.
    pub(super) wanted: Range<usize>,
}

/// Hands over the logits that follow every wanted position, with the number of the document and the
/// position. Those of one document come in order.
pub(super) fn each_position(
    decoder: &Decoder,
    documents: &[Document<'_>],
    take: &mut dyn FnMut(usize, usize, &[f32]),
) -> Result<(), LocalError> {
    let mut order: Vec<usize> = (0..documents.len())
        .filter(|i| !documents[*i].wanted.is_empty())
        .collect();
    order.sort_by_key(|i| documents[*i].tokens);
    for range in packs(documents, &order) {
        let mut tree = Tree {
            documents,
            pack: Pack::default(),
            wanted: BTreeMap::new(),
        };
        tree.grow(&order[range], Past::Empty, &mut Vec::new());
        let hidden = decoder
            .hidden(&tree.pack, &mut [])
            .step("run the decoder")?;
        let rows: Vec<u32> = tree.wanted.keys().copied().collect();
        let mut wanted = tree.wanted.into_values();
        each_row(decoder, &hidden, &rows, |logits| {
            for (document, position) in wanted.next().into_iter().flatten() {
                take(document, position, logits);
            }
        })?;
    }
    Ok(())
}

/// Runs of sorted documents that fit into one pack, shared beginnings counted once.
fn packs(documents: &[Document<'_>], order: &[usize]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut rows) = (0, 0);
    for (place, index) in order.iter().enumerate() {
        let tokens = documents[*index].tokens;
        let shared = match place.checked_sub(1) {
            Some(before) if place > start => common(documents[order[before]].tokens, tokens),
            _ => 0,
        };
        if place > start && rows + tokens.len() - shared > PACK_ROWS {
            ranges.push(start..place);
            (start, rows) = (place, tokens.len());
        } else {
            rows += tokens.len() - shared;
        }
    }
    if start < order.len() {
        ranges.push(start..order.len());
    }
    ranges
}

/// How many tokens two texts begin with.
pub(super) fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// A pack in the making.
struct Tree<'a> {
    documents: &'a [Document<'a>],
    pack: Pack,
    /// By row of the pack: the documents and positions that want its prediction.
    wanted: BTreeMap<u32, Vec<(usize, usize)>>,
}

impl Tree<'_> {
    /// Adds a run of sorted documents. Of the beginning that they share, as many tokens as `rows` has
    /// entries are in the pack already, each in that row, `past` being the last segment of them.
    fn grow(&mut self, run: &[usize], past: Past, rows: &mut Vec<usize>) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return;
        };
        let (first, last) = (self.documents[*first].tokens, self.documents[*last].tokens);
        let (pushed, agreed) = (rows.len(), common(first, last));
        let alike = first.len() == last.len() && agreed == first.len();
        let past = if agreed > pushed && (alike || agreed - pushed >= MIN_SHARED) {
            let start = self.pack.tokens.len();
            rows.extend(start..start + agreed - pushed);
            Past::Segment(self.pack.push(&first[pushed..agreed], pushed, past))
        } else {
            past
        };
        if alike {
            self.want(run, rows);
        } else {
            // The documents differ here, so every part is smaller than the whole.
            let documents = self.documents;
            let next = |index: usize| documents[index].tokens.get(agreed);
            for part in run.chunk_by(|a, b| next(*a) == next(*b)) {
                self.grow(part, past, rows);
            }
        }
        rows.truncate(pushed);
    }

    fn want(&mut self, run: &[usize], rows: &[usize]) {
        for index in run {
            for position in self.documents[*index].wanted.clone() {
                let row = u32::try_from(rows[position]).unwrap_or(u32::MAX);
                self.wanted.entry(row).or_default().push((*index, position));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree<'a>(documents: &'a [Document<'a>], order: &[usize]) -> Tree<'a> {
        let mut tree = Tree {
            documents,
            pack: Pack::default(),
            wanted: BTreeMap::new(),
        };
        tree.grow(order, Past::Empty, &mut Vec::new());
        tree
    }

    #[test]
    fn shared_beginnings_are_laid_down_once() {
        let long: Vec<u32> = (0..20).collect();
        let ends: [Vec<u32>; 3] = [50, 51, 52].map(|end| [&long[..], &[end]].concat());
        let documents: Vec<Document<'_>> = [&ends[0], &ends[1], &ends[1], &ends[2], &long]
            .map(|tokens| Document {
                tokens,
                wanted: tokens.len() - 1..tokens.len(),
            })
            .into();
        let tree = tree(&documents, &[4, 0, 1, 2, 3]);
        // The long beginning, and one row for each of three endings.
        assert_eq!(tree.pack.tokens.len(), 23);
        assert_eq!(tree.pack.positions[20..], [20, 20, 20]);
        assert_eq!(tree.wanted[&19], [(4, 19)]);
        assert_eq!(tree.wanted[&21], [(1, 20), (2, 20)]);
    }

    #[test]
    fn short_beginnings_get_no_segment_of_their_own() {
        let texts: [&[u32]; 3] = [&[0, 1, 2], &[0, 1, 3], &[0, 4]];
        let documents = texts.map(|tokens| Document {
            tokens,
            wanted: 0..tokens.len(),
        });
        let tree = tree(&documents, &[0, 1, 2]);
        assert_eq!(tree.pack.tokens, [0, 1, 2, 0, 1, 3, 0, 4]);
        assert!(tree.pack.segments.iter().all(|s| s.past == Past::Empty));
    }

    #[test]
    fn packs_count_what_is_shared_once() {
        let text: Vec<u32> = (0..600).collect();
        let other: Vec<u32> = (1..700).collect();
        let documents: Vec<Document<'_>> = [&text[..], &text[..599], &text[..], &other[..]]
            .map(|tokens| Document {
                tokens,
                wanted: 0..1,
            })
            .into();
        assert_eq!(packs(&documents, &[1, 0, 2, 3]), [0..3, 3..4]);
        assert!(packs(&documents, &[]).is_empty());
    }
}
