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
pub(crate) const RIDGE: f64 = 0.3;

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
    let known = Known {
        gram,
        suspect,
        exists,
    };
    let suspect = gram.place(suspect).ok_or(NoNearness::NoSuspect)?;
    let asked = known.places(&houses.asked);
    if asked.is_empty() {
        return Err(NoNearness::NoProtected);
    }
    let others: Vec<(&[&str], Vec<usize>)> = houses
        .others
        .iter()
        .map(|house| (house.as_slice(), known.places(house)))
        .filter(|(_, places)| !places.is_empty())
        .collect();
    let value = |model: usize| -> Option<f64> {
        let own = known.correlation(model, &houses.own, &asked)?;
        let rest = others
            .iter()
            .map(|(house, places)| known.correlation(model, house, places));
        let rest: Vec<f64> = rest.collect::<Option<_>>()?;
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
        suspect: value(suspect).ok_or(NoNearness::NoneGiven)?,
        controls: controls
            .iter()
            .filter(innocent)
            .filter_map(control)
            .collect(),
    })
}

/// What is known of a panel.
struct Known<'a> {
    gram: &'a Gram,
    suspect: &'a str,
    exists: &'a dyn Fn(&str, &str) -> bool,
}

impl Known<'_> {
    fn places(&self, ids: &[&str]) -> Vec<usize> {
        ids.iter().filter_map(|id| self.gram.place(id)).collect()
    }

    /// The residual correlation of a model with some members of a house.
    fn correlation(&self, model: usize, house: &[&str], members: &[usize]) -> Option<f64> {
        let given = |place: &usize| {
            let id = self.gram.ids[*place].as_str();
            *place != model
                && id != self.suspect
                && house
                    .iter()
                    .all(|parent| id != *parent && (self.exists)(id, parent))
        };
        let places = (0..self.gram.ids.len()).filter(given).collect();
        let others: Vec<usize> = members.iter().copied().filter(|m| *m != model).collect();
        Given::new(&self.gram.values, places, RIDGE)?.correlation(model, &others)
    }
}
