//! `parentage validate` on a population of published models, whose answers somebody collected.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rayon::prelude::*;

use super::error::PipelineError;
use super::watch::{Event, Stage, Watch};
use crate::battery::Battery;
use crate::evidence;
use crate::fingerprint::Fingerprint;
use crate::identity::plain_name;
use crate::measure::Prepared;
use crate::population::{Houses, Score, Thinning};
use crate::rules::Rules;

/// What is taken away from panels and prompts, to see what it was worth.
const THINNINGS: [Thinning; 3] = [
    Thinning::None,
    Thinning::Controls(12),
    Thinning::Probes(200),
];

/// Scores every case by the answers in a directory, as `import` wrote it.
pub(super) fn score(
    houses: &Houses,
    recordings: &Path,
    watch: &dyn Watch,
) -> Result<Vec<Score>, PipelineError> {
    let battery = Battery::open(&recordings.join("battery").to_string_lossy())?;
    let models: Vec<&str> = houses.models().collect();
    watch.see(Event::Begun {
        stage: Stage::Loading,
        steps: models.len(),
    });
    let read = |id: &&str| -> Result<(String, Fingerprint), PipelineError> {
        let recording = evidence::read(&recordings.join(plain_name(id)))?;
        watch.see(Event::Advanced(1));
        Ok(((*id).to_owned(), Fingerprint::new(&recording, &battery)))
    };
    let fingerprints: Result<BTreeMap<String, Fingerprint>, PipelineError> =
        models.par_iter().map(read).collect();
    let fingerprints = fingerprints?;
    watch.see(Event::Ended);
    let cases = houses.cases();
    let mut scores = Vec::new();
    for thinning in THINNINGS {
        let fingerprints = thinned(&fingerprints, thinning);
        let prepared = Prepared::new(&fingerprints, &[], &Rules::HERE.screen);
        watch.see(Event::Begun {
            stage: Stage::Scoring,
            steps: cases.len(),
        });
        let scored = cases.par_iter().map(|case| {
            let scored = houses.score(case, thinning, &fingerprints, &prepared);
            watch.see(Event::Advanced(1));
            scored
        });
        scores.extend(scored.collect::<Vec<Score>>());
        watch.see(Event::Ended);
    }
    Ok(scores)
}

/// The answers without all but some prompts, in the order of their ids, which are digests.
fn thinned(
    fingerprints: &BTreeMap<String, Fingerprint>,
    thinning: Thinning,
) -> BTreeMap<String, Fingerprint> {
    let Thinning::Probes(count) = thinning else {
        return fingerprints.clone();
    };
    let all: BTreeSet<&str> = fingerprints
        .values()
        .flat_map(|p| p.texts.keys())
        .map(String::as_str)
        .collect();
    let kept: BTreeSet<&str> = all.into_iter().take(count).collect();
    fingerprints
        .iter()
        .map(|(id, fingerprint)| (id.clone(), fingerprint.part(&kept)))
        .collect()
}
