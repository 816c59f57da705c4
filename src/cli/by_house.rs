//! `parentage validate` on a population of published models, whose answers somebody collected.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use super::error::CliError;
use super::progress::Progress;
use crate::battery::Battery;
use crate::evidence;
use crate::fingerprint::Fingerprint;
use crate::measure::Prepared;
use crate::population::{Houses, Score};

/// Scores every case by the answers in a directory, as `import` wrote it.
pub(super) fn score(
    houses: &Houses,
    recordings: &Path,
    quiet: bool,
) -> Result<Vec<Score>, CliError> {
    let battery = Battery::open(&recordings.join("battery").to_string_lossy())?;
    let models: Vec<&str> = houses.models().collect();
    let reading = Progress::new("reading", models.len(), quiet);
    let read = |id: &&str| -> Result<(String, Fingerprint), CliError> {
        let recording = evidence::read(&recordings.join(id))?;
        reading.answered();
        Ok(((*id).to_owned(), Fingerprint::new(&recording, &battery)))
    };
    let prints: Result<BTreeMap<String, Fingerprint>, CliError> =
        models.par_iter().map(read).collect();
    let prints = prints?;
    reading.finish();
    let prepared = Prepared::new(&prints, &[]);
    let cases = houses.cases();
    let scoring = Progress::new("scoring", cases.len(), quiet);
    let scored = cases.par_iter().map(|case| {
        let scored = houses.score(case, &prints, &prepared);
        scoring.answered();
        scored
    });
    let scores = scored.collect();
    scoring.finish();
    Ok(scores)
}
