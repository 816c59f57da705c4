//! Distributions at positions of texts; what [`crate::model::local::documents`] is to the own decoder.

use std::ops::Range;

use super::engine::Engine;
use super::session::{Row, Session, rows};
use crate::model::local::documents::{Document, common};
use crate::model::local::error::LocalError;
use crate::model::local::read::MIN_SHARED;

/// Hands over the logits that follow every wanted position, with the number of the document and the position. Those
/// of one document come in order. What documents begin with in common is run once.
pub(super) fn each_position(
    engine: &Engine,
    documents: &[Document<'_>],
    take: &mut dyn FnMut(usize, usize, &[f32]),
) -> Result<(), LocalError> {
    let mut order: Vec<usize> = (0..documents.len())
        .filter(|index| !documents[*index].wanted.is_empty())
        .collect();
    order.sort_by_key(|index| documents[*index].tokens);
    let Some(longest) = order.iter().map(|i| documents[*i].tokens.len()).max() else {
        return Ok(());
    };
    let sequences = engine.sequences();
    let mut tree = Tree {
        session: Session::new(engine, longest, sequences)?,
        documents,
        sequences,
        take,
        later: Vec::new(),
    };
    tree.grow(&order, 0, 0)?;
    for (index, wanting) in std::mem::take(&mut tree.later) {
        tree.session.clear();
        tree.piece(&[index], 0..documents[index].tokens.len(), 0, wanting)?;
    }
    Ok(())
}

struct Tree<'a, 'm> {
    session: Session<'m>,
    documents: &'a [Document<'a>],
    sequences: usize,
    take: &'a mut dyn FnMut(usize, usize, &[f32]),
    /// Documents that branch off too deep, with the place from which on something is wanted of them: they are run by
    /// themselves at the end.
    later: Vec<(usize, usize)>,
}

impl Tree<'_, '_> {
    /// Runs sorted documents, of which the first `done` tokens lie in the text `sequence` already.
    fn grow(&mut self, run: &[usize], done: usize, sequence: usize) -> Result<(), LocalError> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return Ok(());
        };
        let documents = self.documents;
        let (first, last) = (documents[*first].tokens, documents[*last].tokens);
        let agreed = common(first, last);
        let alike = first.len() == last.len() && agreed == first.len();
        // A short beginning is not worth a text of its own.
        let together = alike || agreed >= done + MIN_SHARED;
        if together {
            self.piece(run, done..agreed, sequence, done)?;
        }
        if alike {
            return Ok(());
        }
        let settled = if together { agreed } else { done };
        let next = sequence + 1;
        if next >= self.sequences {
            self.later.extend(run.iter().map(|index| (*index, settled)));
            return Ok(());
        }
        let token = |index: usize| documents[index].tokens.get(agreed);
        for part in run.chunk_by(|a, b| token(*a) == token(*b)) {
            if settled > 0 {
                self.session.copy(sequence, next)?;
            }
            self.grow(part, settled, next)?;
            self.session.forget(next)?;
        }
        Ok(())
    }

    /// Runs a piece that documents agree on, and hands over what they want behind places from `wanting` on.
    fn piece(
        &mut self,
        run: &[usize],
        places: Range<usize>,
        sequence: usize,
        wanting: usize,
    ) -> Result<(), LocalError> {
        let documents = self.documents;
        let start = places.start;
        let wants = |index: &usize, place: usize| {
            place >= wanting && documents[*index].wanted.contains(&place)
        };
        let piece: Vec<Row> = rows(
            &documents[run[0]].tokens[places],
            start,
            sequence,
            |place| run.iter().any(|index| wants(index, start + place)),
        )
        .collect();
        let take = &mut self.take;
        self.session.run(&piece, &mut |place, logits| {
            for index in run.iter().filter(|index| wants(index, start + place)) {
                take(*index, start + place, logits);
            }
        })
    }
}
