//! The tool held against models of known descent.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::by_house;
use super::by_source::Collecting;
use super::error::PipelineError;
use super::request::{Asking, Engine};
use super::watch::Watch;
use crate::files::write_whole;
use crate::population::{
    Houses, Part, Population, PopulationError, Score, read_scores, write_lines,
};
use crate::question::Access;
use crate::validation::Validation;

/// The scores of a population.
const SCORES_FILE: &str = "scores.jsonl";

/// A population of models of known descent, and what is done with it.
#[derive(Debug, Clone)]
pub struct ValidateRequest {
    /// The directory with `lineage.toml` and `split.toml`, and scores where they are taken from there.
    pub population: PathBuf,
    /// Another population whose fitting part takes the place of this one's; `None` if this one's is used.
    pub fitted_on: Option<PathBuf>,
    /// Where the scores of cases come from.
    pub scores: ScoresFrom,
    /// What is asked, where models are asked.
    pub asking: Asking,
    /// How weights are run, where models are asked.
    pub engine: Engine,
    /// The directory of recordings and of new scores.
    pub out: PathBuf,
}

/// Where the scores of a population's cases come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScoresFrom {
    /// They lie in the population's directory.
    Kept,
    /// Every case of a population by house is scored by the recordings in this directory, which an import wrote. Of
    /// another population the kept scores are taken.
    Recordings(PathBuf),
    /// The models of a population by source are asked, and every case is scored. Of a population by house the kept
    /// scores are taken.
    Models {
        /// Whether the suspects of the test part are asked twice more, as somebody else might serve them: at another
        /// temperature, and behind a system prompt.
        served: bool,
        /// Whether what cases would be with fewer controls and fewer probes is left out.
        whole: bool,
    },
}

/// Says how often the tool is right on a population.
///
/// # Errors
///
/// When a file or a model cannot be used, or the scores allow no calibration.
pub fn validate(request: &ValidateRequest, watch: &dyn Watch) -> Result<Validation, PipelineError> {
    if Houses::is_here(&request.population) {
        by_house(request, watch)
    } else {
        by_source(request, watch)
    }
}

/// Published models: fitted on all houses but the one that it is tried on.
fn by_house(request: &ValidateRequest, watch: &dyn Watch) -> Result<Validation, PipelineError> {
    let houses = Houses::read(&request.population)?;
    let scores = match &request.scores {
        ScoresFrom::Recordings(recordings) => {
            let scores = by_house::score(&houses, recordings, watch)?;
            keep(request, SCORES_FILE, &write_lines(&scores))?;
            scores
        }
        ScoresFrom::Kept | ScoresFrom::Models { .. } => {
            read_scores(&request.population.join(SCORES_FILE))?
        }
    };
    Ok(Validation::by_house(&scores)?)
}

/// Models of known sources: fitted on some and tried on others.
fn by_source(request: &ValidateRequest, watch: &dyn Watch) -> Result<Validation, PipelineError> {
    let (population, places) = Population::read(&request.population)?;
    // Before anything is asked, which may take hours.
    let other = request.fitted_on.as_deref();
    let fitted = other
        .map(|other| fitted_on(other, &population))
        .transpose()?;
    let mut scores = match request.scores {
        ScoresFrom::Models { served, whole } => {
            let collecting =
                Collecting::new(request, (served, whole), watch, &population, &places)?;
            let scores = collecting.scores()?;
            keep(request, SCORES_FILE, &write_lines(&scores))?;
            scores
        }
        ScoresFrom::Kept | ScoresFrom::Recordings(_) => {
            read_scores(&request.population.join(SCORES_FILE))?
        }
    };
    if let Some(mut fitted) = fitted {
        scores.retain(|s| s.part == Part::Test);
        let tried: BTreeSet<Access> = scores.iter().map(|s| s.access).collect();
        fitted.retain(|s| tried.contains(&s.access));
        scores.extend(fitted);
    }
    Ok(Validation::new(&scores)?)
}

/// Writes a file of new scores.
fn keep(request: &ValidateRequest, file: &str, lines: &str) -> Result<(), PipelineError> {
    let path = request.out.join(file);
    write_whole(&path, lines.as_bytes()).map_err(PipelineError::writing(&path))
}

/// The fitting part of another population, none of whose sources may be tried on in this one.
fn fitted_on(other: &Path, population: &Population) -> Result<Vec<Score>, PopulationError> {
    let path = other.join(SCORES_FILE);
    let mut scores = read_scores(&path)?;
    scores.retain(|s| s.part == Part::Fit);
    let tried = population.sources(Part::Test);
    if let Some(both) = scores.iter().find(|s| tried.contains(&s.source)) {
        let what = format!("'{}' is fitted on there and tried on here", both.source);
        return Err(PopulationError::Split { path, what });
    }
    Ok(scores)
}
