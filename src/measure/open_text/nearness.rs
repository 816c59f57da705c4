//! Nearness: how close a model is to a candidate parent, given all other models, beside how close it is to others.
//!
//! With r the residual correlation ([`Given::correlation`]) of a model with the candidate parents that are asked about,
//! and with every other house of candidate parents:
//!
//! ```text
//! x(m) = r(m, asked) - mean over all houses of r(m, house)
//! ```
//!
//! the asked ones being a house of the mean. A house is a maker's models, which are asked about together or not at all;
//! without other houses x is r itself. A model that learned from one house is closer to it than to the rest; one that
//! is merely alike to good models is close to all of them.
//!
//! For a house, given are all models of the panel but the model in question, the suspect, the house's own models and
//! those declared to descend from it. Controls are the panel's controls that are no candidate parents and not declared
//! to descend from the house that is asked about: their x is what innocent models have.

use std::collections::BTreeSet;

use thiserror::Error;

use super::Gram;
use crate::measure::Scores;
use crate::weigh::Given;

/// The share of the given models' total variance that counts as unexplained in every direction. Settled on the fitting
/// houses of `models/public-answers`.
pub(crate) const RIDGE: f64 = 1.0;

/// The candidate parents of a panel by house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Houses<'a> {
    /// Those that are asked about: the protected model, or all of its house.
    pub asked: Vec<&'a str>,
    /// All of the house of those that are asked about.
    pub own: Vec<&'a str>,
    /// The other houses.
    pub others: Vec<Vec<&'a str>>,
}

/// Why nothing can be said of nearness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoNearness {
    /// The suspect has too few answers to the prompts of the others.
    #[error("the suspect answered too few of the prompts that the other models answered")]
    NoSuspect,
    /// None of those asked about has answers to the prompts of the others.
    #[error("the protected model answered too few of the prompts that the other models answered")]
    NoProtected,
    /// No model is left to be given.
    #[error("no other model answered the prompts")]
    NoneGiven,
}

/// The nearness of the suspect and of every control. `exists` says whether a row may be compared with a candidate
/// parent: a model is not compared with itself, nor with one that it is declared to descend from.
///
/// # Errors
///
/// When suspect or candidate parent take no part, or no other model does.
pub fn nearness(
    gram: &Gram,
    suspect: &str,
    houses: &Houses<'_>,
    controls: &[&str],
    exists: &dyn Fn(&str, &str) -> bool,
) -> Result<Scores, NoNearness> {
    let place = gram.place(suspect).ok_or(NoNearness::NoSuspect)?;
    let asked: Vec<usize> = places(gram, &houses.asked);
    if asked.is_empty() {
        return Err(NoNearness::NoProtected);
    }
    let house = |ids: &[&str], members: Vec<usize>| House::new(gram, suspect, ids, members, exists);
    let own = house(&houses.own, asked).ok_or(NoNearness::NoneGiven)?;
    let others = houses.others.iter().map(|ids| (ids, places(gram, ids)));
    let others: Option<Vec<House<'_>>> = others
        .filter(|(_, members)| !members.is_empty())
        .map(|(ids, members)| house(ids, members))
        .collect();
    let others = others.ok_or(NoNearness::NoneGiven)?;
    let value = |model: usize| -> Option<f64> {
        let own = own.correlation(model)?;
        let rest: Option<Vec<f64>> = others.iter().map(|h| h.correlation(model)).collect();
        let rest = rest?;
        let all = own + rest.iter().sum::<f64>();
        Some(if rest.is_empty() {
            own
        } else {
            own - all / (rest.len() + 1) as f64
        })
    };
    let candidates: BTreeSet<&str> = houses
        .own
        .iter()
        .chain(houses.others.iter().flatten())
        .copied()
        .collect();
    let innocent = |id: &&&str| {
        !candidates.contains(**id) && houses.own.iter().all(|parent| exists(id, parent))
    };
    let control = |id: &&str| Some(((*id).to_owned(), value(gram.place(id)?)?));
    Ok(Scores {
        suspect: value(place).ok_or(NoNearness::NoneGiven)?,
        controls: controls
            .iter()
            .filter(innocent)
            .filter_map(control)
            .collect(),
    })
}

/// The places of some models among those that take part.
fn places(gram: &Gram, ids: &[&str]) -> Vec<usize> {
    ids.iter().filter_map(|id| gram.place(id)).collect()
}

/// Candidate parents of one house, and what explains them and others.
struct House<'a> {
    members: Vec<usize>,
    given: Given<'a>,
}

impl<'a> House<'a> {
    fn new(
        gram: &'a Gram,
        suspect: &str,
        house: &[&str],
        members: Vec<usize>,
        exists: &dyn Fn(&str, &str) -> bool,
    ) -> Option<Self> {
        let given = |place: &usize| {
            let id = gram.ids[*place].as_str();
            id != suspect
                && house
                    .iter()
                    .all(|parent| id != *parent && exists(id, parent))
        };
        let places = (0..gram.ids.len()).filter(given).collect();
        let given = Given::new(&gram.values, places, RIDGE)?;
        Some(Self { members, given })
    }

    /// The residual correlation of a model with them.
    fn correlation(&self, model: usize) -> Option<f64> {
        let others: Vec<usize> = self
            .members
            .iter()
            .copied()
            .filter(|m| *m != model)
            .collect();
        self.given.correlation(model, &others)
    }
}
