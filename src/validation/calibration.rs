//! From the standing of a suspect to likelihood ratios, one for each innocent explanation.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

use super::dose::Doses;
use crate::population::{Part, Relation, Score};
use crate::question::Access;
use crate::weigh::{
    Bounds, CalibrationError, Logistic, PENALTY, Scored, bound_by_sources, bounded, elub,
    tpr_at_fpr,
};

/// The false positive rate that the threshold fixed on the fitting part aims at.
pub(super) const FALSE_POSITIVES: f64 = 0.01;
/// The largest deviate; p values beyond it cannot be told from nothing.
pub const LARGEST: f64 = 37.0;

/// An innocent explanation that the findings are weighed against.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Proposition {
    /// The suspect has nothing in common with the protected model.
    Unrelated,
    /// The suspect learned from the protected model's own real text: a sibling, or a base on that text.
    SameData,
    /// The suspect learned from a model like the protected one, listed among the candidates or not.
    SiblingTeacher,
}

impl Proposition {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Unrelated, Self::SameData, Self::SiblingTeacher];

    /// The true relations that it covers.
    pub fn covers(self, relation: Relation) -> bool {
        match self {
            Self::Unrelated => relation == Relation::Other,
            Self::SameData => matches!(relation, Relation::Sibling | Relation::SameData),
            Self::SiblingTeacher => {
                matches!(relation, Relation::SiblingStudent | Relation::UnseenStudent)
            }
        }
    }

    /// It as the second half of a sentence: "... if the suspect ...".
    pub fn words(self) -> &'static str {
        match self {
            Self::Unrelated => "has nothing in common with the protected model",
            Self::SameData => "learned from the same real text, without the protected model",
            Self::SiblingTeacher => "learned from another model like the protected one",
        }
    }
}

/// What a calibration was fitted on, between which it may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ranged {
    /// The least.
    pub least: usize,
    /// The most.
    pub most: usize,
}

impl Ranged {
    /// Nothing of no values.
    fn of(values: impl Iterator<Item = usize>) -> Option<Self> {
        let one = |value| Self {
            least: value,
            most: value,
        };
        values.map(one).reduce(|a, b| Self {
            least: a.least.min(b.least),
            most: a.most.max(b.most),
        })
    }

    /// Whether a value lies within.
    pub fn holds(&self, value: usize) -> bool {
        (self.least..=self.most).contains(&value)
    }
}

/// The curve of one proposition.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fitted {
    /// What the students are weighed against.
    pub against: Proposition,
    /// log10 likelihood ratio at a deviate of 0.
    pub intercept: f64,
    /// log10 likelihood ratio that one unit of the deviate adds.
    pub slope: f64,
    /// The least log10 likelihood ratio that may be stated.
    pub lower: f64,
    /// The most.
    pub upper: f64,
    /// Different students it was fitted on.
    pub students: usize,
    /// Different innocent models it was fitted on.
    pub others: usize,
}

/// How the scores of one access become likelihood ratios.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calibrated {
    /// How the models were asked.
    pub access: Access,
    /// Sources it was fitted on.
    pub sources: Vec<String>,
    /// Controls of the cases that it was tried on, those of thinned panels included.
    pub controls: Ranged,
    /// Probes of them.
    pub probes: Ranged,
    /// Bytes of the suspects' weight files; `None` if none was weights.
    pub bytes: Option<Ranged>,
    /// A deviate above this is called, at the false positive rate of 1 % on the fitting
    /// part.
    pub threshold: f64,
    /// A curve for each proposition.
    pub against: Vec<Fitted>,
    /// What doses do to the contrast.
    pub doses: Doses,
}

/// A likelihood ratio against one innocent explanation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Ratio {
    /// The explanation.
    pub against: Proposition,
    /// It in words: "... if the suspect ...".
    pub words: &'static str,
    /// log10 likelihood ratio that may be stated.
    pub log10_lr: f64,
    /// Before it was bounded.
    pub unbounded: f64,
}

/// A calibration could not be fitted.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// No scores of the fitting part.
    #[error(
        "there are no scores of the fitting part; --fitted-on takes those of another population"
    )]
    Nothing,
    /// No scores of the test part.
    #[error("there are no scores of the test part")]
    Untried,
    /// A curve could not be fitted.
    #[error("cannot fit the ratio against '{}'", against.words())]
    Curve {
        /// The proposition.
        against: Proposition,
        /// The cause.
        #[source]
        source: CalibrationError,
    },
}

/// The normal deviate that is as improbable as a Crawford-Howell t among so many controls: scores from
/// panels of different size on one scale.
///
/// `z = Phi^-1(F(t; d))`, at most 37 either way. Nothing for less than one degree of freedom.
pub fn deviate(t: f64, degrees_of_freedom: f64) -> Option<f64> {
    if degrees_of_freedom.is_nan() || degrees_of_freedom < 1.0 {
        return None;
    }
    if t.is_infinite() {
        return Some(LARGEST.copysign(t));
    }
    if t.is_nan() {
        return None;
    }
    let student = StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()?;
    // The smaller tail keeps its digits.
    let tail = student.sf(t.abs());
    let deviate = -Normal::standard().inverse_cdf(tail);
    Some(deviate.min(LARGEST).copysign(t))
}

/// Fits every access that the fitting part has scores of.
///
/// Students and innocents of a proposition have equal weight, whatever their numbers. Undiminished cases
/// of the fitting part alone are fitted on. The conditions that a case must lie in are those that the test
/// part was tried in, thinned panels included.
///
/// # Errors
///
/// When there is nothing to fit, or students or innocents are missing.
pub(super) fn fit(scores: &[Score]) -> Result<Vec<Calibrated>, FitError> {
    let mut by_access = Vec::new();
    for access in [Access::Scored, Access::Top, Access::Text] {
        let of = |part| {
            scores
                .iter()
                .filter(move |s| s.part == part && s.access == access)
        };
        let whole = of(Part::Fit).filter(|s| s.is_whole());
        let whole: Vec<&Score> = whole.collect();
        let tried: Vec<&Score> = of(Part::Test).collect();
        if !whole.is_empty() {
            by_access.push(Calibrated::fit(access, &whole, &tried)?);
        }
    }
    if by_access.is_empty() {
        return Err(FitError::Nothing);
    }
    Ok(by_access)
}

impl Calibrated {
    pub(super) fn fit(
        access: Access,
        scores: &[&Score],
        tried: &[&Score],
    ) -> Result<Self, FitError> {
        let sources: Vec<String> = scores
            .iter()
            .map(|s| s.source.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        // Published models have innocents of one kind.
        let present = |against: &Proposition| scores.iter().any(|s| against.covers(s.relation));
        let against = Proposition::ALL
            .into_iter()
            .filter(present)
            .map(|against| fitted(against, scores, &sources))
            .collect::<Result<Vec<_>, _>>()?;
        let everyone = labelled(scores, &sources, |_| true);
        let threshold = tpr_at_fpr(&everyone, FALSE_POSITIVES).map_or(LARGEST, |d| d.threshold);
        let bytes = tried.iter().filter_map(|s| usize::try_from(s.bytes?).ok());
        Ok(Self {
            access,
            controls: Ranged::of(tried.iter().map(|s| s.controls)).ok_or(FitError::Untried)?,
            probes: Ranged::of(tried.iter().map(|s| s.probes)).ok_or(FitError::Untried)?,
            bytes: Ranged::of(bytes),
            sources,
            threshold,
            against,
            doses: Doses::fit(scores),
        })
    }

    /// The likelihood ratio against every proposition, for the deviate of a case.
    pub fn ratios(&self, deviate: f64) -> Vec<Ratio> {
        let ratio = |f: &Fitted| {
            let unbounded = f.intercept + f.slope * deviate;
            Ratio {
                against: f.against,
                words: f.against.words(),
                log10_lr: unbounded.clamp(f.lower, f.upper),
                unbounded,
            }
        };
        self.against.iter().map(ratio).collect()
    }
}

/// The least favourable of some ratios.
pub(super) fn least(ratios: &[Ratio]) -> Option<&Ratio> {
    let ratios = ratios.iter();
    ratios.min_by(|a, b| a.log10_lr.total_cmp(&b.log10_lr))
}

/// Deviates of students and of the innocents that count, by source.
pub(super) fn labelled(
    scores: &[&Score],
    sources: &[String],
    counts: impl Fn(Relation) -> bool,
) -> Vec<Scored> {
    let item = |s: &&Score| {
        let student = s.relation == Relation::Student;
        let innocent = s.relation.is_innocent() && counts(s.relation);
        if !student && !innocent {
            return None;
        }
        Some(Scored {
            score: deviate(s.t?, s.degrees_of_freedom()?)?,
            student,
            source: sources.iter().position(|x| *x == s.source)?,
        })
    };
    scores.iter().filter_map(item).collect()
}

fn fitted(against: Proposition, scores: &[&Score], sources: &[String]) -> Result<Fitted, FitError> {
    let failed = |source| FitError::Curve { against, source };
    let items = labelled(scores, sources, |relation| against.covers(relation));
    let curve = Logistic::fit(&items, PENALTY).map_err(failed)?;
    let own: Vec<Scored> = items
        .iter()
        .map(|item| Scored {
            score: curve.log10_lr(item.score),
            ..*item
        })
        .collect();
    let different = |student: bool| {
        let models = scores.iter().filter(|s| {
            if student {
                s.relation == Relation::Student
            } else {
                against.covers(s.relation)
            }
        });
        models.map(|s| &s.suspect).collect::<BTreeSet<_>>().len()
    };
    let (students, others) = (different(true), different(false));
    let bounds: [Bounds; 2] = [
        bound_by_sources(students, others),
        elub(&own).map_err(failed)?,
    ];
    let cut = |value: f64| bounded(value, &bounds).map_or(0.0, |b| b.log10_lr);
    Ok(Fitted {
        against,
        intercept: curve.intercept,
        slope: curve.slope,
        lower: cut(-f64::MAX),
        upper: cut(f64::MAX),
        students,
        others,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_t_becomes_the_normal_deviate_of_its_p() {
        // SciPy 1.17: norm.isf(t.sf(3.0, 9)), norm.isf(t.sf(12.0, 60)).
        for (t, freedom, z) in [
            (3.0, 9.0, 2.433_434),
            (12.0, 60.0, 8.536_907),
            (-3.0, 9.0, -2.433_434),
        ] {
            let found = deviate(t, freedom).unwrap();
            assert!((found - z).abs() < 1e-5, "{t} {freedom}: {found}");
        }
        assert_eq!(deviate(0.0, 9.0), Some(0.0));
        assert_eq!(deviate(1.0, 0.0), None);
        assert_eq!(deviate(f64::INFINITY, 9.0), Some(LARGEST));
        assert_eq!(deviate(f64::NAN, 9.0), None);
    }
}
