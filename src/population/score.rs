//! What a comparison says of a case, kept as one line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Case, Part, Population, PopulationError, Relation, Thinning};
use crate::case::{self, Gates};
use crate::fingerprint::Fingerprint;
use crate::measure::Measure;
use crate::question::Access;
use crate::verdict::Finding;

/// What came out of a case. Nothing here depends on a calibration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// The part of the population.
    pub part: Part,
    /// The protected model's source.
    pub source: String,
    /// The protected model.
    pub protected: String,
    /// The suspect.
    pub suspect: String,
    /// What the suspect is.
    pub kind: String,
    /// What it truly is to the protected model.
    pub relation: Relation,
    /// How the models were asked.
    pub access: Access,
    /// What was taken away.
    pub thinning: Thinning,
    /// Controls that took part.
    pub controls: usize,
    /// Probes that were asked.
    pub probes: usize,
    /// The finding, from answers alone.
    pub finding: Finding,
    /// Candidate parents that could not be told from the protected model.
    pub not_excluded: Vec<String>,
    /// Crawford-Howell t of the pooled contrast; nothing where it could not be computed.
    pub t: Option<f64>,
    /// The same for each measure.
    pub measures: BTreeMap<String, f64>,
    /// Bytes of the suspect's weight files; nothing for an endpoint.
    pub bytes: Option<u64>,
    /// Mean divergence (nats) of the two models' answers: description that proves nothing.
    pub divergence: Option<f64>,
}

/// What the models of a part answered to the questions of one source.
#[derive(Debug)]
pub struct Asked {
    /// How they were asked.
    pub access: Access,
    /// The order of the probes.
    pub order: Vec<String>,
    /// The answers, by id.
    pub prints: BTreeMap<String, Fingerprint>,
    /// Bytes of the weight files, by id.
    pub bytes: BTreeMap<String, u64>,
}

/// Weighs a case as a comparison of its models would be weighed, from answers alone.
///
/// `asked` has every model of the part, by id, with the answers that a panel with this source's candidate
/// parents asks for.
pub fn score(population: &Population, case: &Case, thinning: Thinning, asked: &Asked) -> Score {
    let Asked {
        access,
        order,
        prints,
        bytes,
    } = asked;
    let panel = population.panel(case, thinning);
    let thinned;
    let (prints, order) = match thinning {
        Thinning::Probes(count) => {
            let order = &order[..count.min(order.len())];
            let kept: BTreeSet<&str> = order.iter().map(String::as_str).collect();
            let members = panel.members().into_iter();
            thinned = members
                .filter_map(|m| Some((m.model.clone(), prints.get(&m.model)?.part(&kept))))
                .collect();
            (&thinned, order)
        }
        Thinning::None | Thinning::Controls(_) => (prints, order.as_slice()),
    };
    let weighed = case::weigh(
        &panel,
        prints,
        Gates::default(),
        Measure::at(*access),
        order,
    );
    let t = |standing: &crate::weigh::Standing| standing.t.map(|t| t.t);
    let evidence = &weighed.evidence;
    Score {
        part: case.part,
        source: case.source.clone(),
        protected: case.protected.clone(),
        suspect: case.suspect.clone(),
        kind: case.kind.clone(),
        relation: case.relation,
        access: *access,
        thinning,
        controls: evidence.controls,
        probes: order.len(),
        finding: weighed.verdict.finding,
        not_excluded: weighed.verdict.not_excluded.clone(),
        t: evidence.pooled.as_ref().and_then(t),
        measures: weighed
            .measures
            .iter()
            .filter_map(|m| Some((m.measure.name().to_owned(), t(&m.result.as_ref().ok()?.1)?)))
            .collect(),
        bytes: bytes.get(&case.suspect).copied(),
        divergence: evidence.equality.map(|e| e.divergence),
    }
}

/// Reads scores, a line each.
///
/// # Errors
///
/// When the file cannot be read or a line is not of the right form.
pub fn read_scores(path: &Path) -> Result<Vec<Score>, PopulationError> {
    let text = super::text(path)?;
    let parse = |(line, text): (usize, &str)| {
        serde_json::from_str(text).map_err(|source| PopulationError::Score {
            path: path.to_owned(),
            line: line + 1,
            source,
        })
    };
    text.lines().enumerate().map(parse).collect()
}

/// Scores as they are kept: a line each.
pub fn write_scores(scores: &[Score]) -> String {
    let mut text = String::new();
    for score in scores {
        // Scores are plain data; serialising them cannot fail.
        text.push_str(&serde_json::to_string(score).unwrap_or_default());
        text.push('\n');
    }
    text
}
