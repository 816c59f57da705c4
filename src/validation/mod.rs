//! How often the tool is right, on models of known descent.
//!
//! [`Validation::new`] looks at the part `fit` of a population's scores alone to settle how a score becomes
//! a likelihood ratio, and the threshold that holds false positives down, and tries both on the part `test`,
//! condition by condition. [`case_ratio`] reads a case by [`built_in`], the validation that comes with the tool.
//! The unit of evidence is the model, and intervals are over sources: models of one source are alike.

mod attribution;
mod calibration;
mod curves;
mod dose;
mod primary;
mod ratio;
mod rows;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::rows::ReadBy;
use crate::digest;
use crate::measure::Basis;
use crate::population::{Part, Score};
use crate::question::Access;
use crate::weigh::{EcePoint, Scored, Tippett, ece_curve, tippett};

pub use attribution::Attribution;
pub use calibration::{Calibrated, FitError, Fitted, LARGEST, Proposition, Ranged, Ratio, deviate};
pub use curves::{Curves, HeldBy};
pub use dose::{DoseRow, Doses};
pub use primary::{Contender, Statistic};
pub use ratio::{CaseRatio, Circumstances, case_ratio};
pub use rows::Row;

/// The form of a validation's facts.
pub const SCHEMA: &str = "parentage.validation/1";

/// One access's part of a validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Validated {
    /// How the models were asked.
    pub access: Access,
    /// What was fitted, on the part `fit`.
    pub calibration: Calibrated,
    /// The figures that could decide, on the part `fit`.
    pub contenders: Vec<Contender>,
    /// The test part, condition by condition. The first row is the whole of it.
    pub rows: Vec<Row>,
    /// Who is named as the parent of true students.
    pub attribution: Vec<Attribution>,
    /// Cases of known dose, and what was told of it.
    pub doses: Vec<DoseRow>,
    /// Shares of students and innocents at or above each log10 likelihood ratio. Every step is kept as it is,
    /// so that a report can say exactly how many have at least a case's ratio; a grid would save some 25 kB.
    pub tippett: Option<Tippett>,
    /// Empirical cross-entropy over prior odds, 1/1000 to 1000.
    pub ece: Option<Vec<EcePoint>>,
}

/// What a population says of the tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Validation {
    /// The form of this file.
    pub schema: String,
    /// Sources of the part that was fitted on.
    pub fit: Vec<String>,
    /// Sources of the part that it was tried on.
    pub test: Vec<String>,
    /// Cases of the fitting part, the undiminished ones.
    pub fit_cases: usize,
    /// Cases of the test part, the undiminished ones.
    pub test_cases: usize,
    /// By how models were asked.
    pub by_access: Vec<Validated>,
}

impl Validation {
    /// Fits on one part of the scores and tries it on the other.
    ///
    /// # Errors
    ///
    /// When a part lacks students or innocents.
    pub fn new(scores: &[Score]) -> Result<Self, FitError> {
        let calibrations = calibration::fit(scores)?;
        let sources = |part| {
            let mut sources: Vec<String> = Vec::new();
            for score in scores.iter().filter(|s| s.part == part) {
                if !sources.contains(&score.source) {
                    sources.push(score.source.clone());
                }
            }
            sources
        };
        let whole = |part| {
            let of = |s: &&Score| s.part == part && s.is_whole();
            scores.iter().filter(of).count()
        };
        let test = sources(Part::Test);
        let by_access = calibrations
            .into_iter()
            .map(|calibrated| {
                let tried = |s: &&Score| s.part == Part::Test && s.access == calibrated.access;
                let fitted = |s: &&Score| s.part == Part::Fit && s.access == calibrated.access;
                let tried: Vec<&Score> = scores.iter().filter(tried).collect();
                let fitted: Vec<&Score> = scores.iter().filter(fitted).collect();
                let read_by = ReadBy::One(&calibrated);
                Validated::new(calibrated.clone(), read_by, &fitted, &tried, &test)
            })
            .collect();
        Ok(Self {
            schema: SCHEMA.to_owned(),
            fit: sources(Part::Fit),
            fit_cases: whole(Part::Fit),
            test_cases: whole(Part::Test),
            test,
            by_access,
        })
    }
}

impl Validation {
    /// Published models: every house is read by a calibration that was fitted on all others; what later cases are read
    /// by is fitted on all.
    ///
    /// # Errors
    ///
    /// When students or innocents of all houses but one are missing.
    pub fn by_house(scores: &[Score]) -> Result<Self, FitError> {
        let mut houses: Vec<String> = Vec::new();
        for score in scores {
            if !houses.contains(&score.source) {
                houses.push(score.source.clone());
            }
        }
        let all: Vec<&Score> = scores.iter().collect();
        let whole: Vec<&Score> = all.iter().filter(|s| s.is_whole()).copied().collect();
        let fit = |kept: &[&Score]| Calibrated::fit(Access::Text, kept, &all);
        let without = |house: &String| {
            let others = whole.iter().filter(|s| s.source != *house);
            Ok((house.clone(), fit(&others.copied().collect::<Vec<_>>())?))
        };
        let crossed: Result<BTreeMap<String, Calibrated>, FitError> =
            houses.iter().map(without).collect();
        let crossed = crossed?;
        let read_by = ReadBy::EachByOthers(&crossed);
        let validated = Validated::new(fit(&whole)?, read_by, &whole, &all, &houses);
        Ok(Self {
            schema: SCHEMA.to_owned(),
            fit: houses.clone(),
            test: houses,
            fit_cases: whole.len(),
            test_cases: whole.len(),
            by_access: vec![validated],
        })
    }

    /// What was validated of an access.
    pub fn at(&self, access: Access) -> Option<&Validated> {
        self.by_access.iter().find(|v| v.access == access)
    }
}

impl Validated {
    fn new(
        calibration: Calibrated,
        read_by: ReadBy<'_>,
        fitted: &[&Score],
        tried: &[&Score],
        sources: &[String],
    ) -> Self {
        let whole: Vec<&Score> = tried.iter().filter(|s| s.is_whole()).copied().collect();
        let fitted: Vec<&Score> = fitted.iter().filter(|s| s.is_whole()).copied().collect();
        let ratios: Vec<Scored> = rows::ratios(read_by, &whole, sources);
        let priors: Vec<f64> = (-30..=30).map(|i| f64::from(i) / 10.0).collect();
        Self {
            access: calibration.access,
            rows: rows::all(read_by, tried, sources),
            attribution: attribution::all(&whole),
            contenders: primary::contenders(&fitted),
            doses: calibration.doses.tried(&whole),
            tippett: tippett(&ratios),
            ece: ece_curve(&ratios, &priors),
            calibration,
        }
    }
}

/// The validation of cases that rest on a battery: fitted on the population under `models/population`, tried on the one
/// under `models/confirmation`.
const OF_BATTERIES: &str = include_str!("../../models/confirmation/validation.json");
/// The validation of cases that rest on open text alone: one house of `models/public-answers` left out at a time.
const OF_OPEN_TEXT: &str = include_str!("../../models/public-answers/validation.json");

/// The validation that comes with this version for cases of a basis.
///
/// # Errors
///
/// When it is not of the right form, which tests rule out.
pub fn built_in(basis: Basis) -> Result<Validation, serde_json::Error> {
    serde_json::from_str(match basis {
        Basis::Battery => OF_BATTERIES,
        Basis::OpenText => OF_OPEN_TEXT,
    })
}

/// What [`built_in`] is known by, for plans that commit to it.
pub fn built_in_digest() -> String {
    digest::of_value(&[OF_BATTERIES, OF_OPEN_TEXT])
}

#[cfg(test)]
pub(crate) mod tests;
