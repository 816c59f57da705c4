//! What a comparison says of a case, kept as one line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Case, Part, Population, PopulationError, Relation, Thinning};
use crate::case;
use crate::fingerprint::Fingerprint;
use crate::identity::Served;
use crate::measure::Prepared;
use crate::question::Access;
use crate::rules::Rules;
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
    /// What was set for the suspect beside what was asked.
    #[serde(default, skip_serializing_if = "Served::is_plain")]
    pub served: Served,
    /// The share of the suspect's training that the protected model wrote, where it is known.
    pub dose: Option<f64>,
    /// Controls that took part.
    pub controls: usize,
    /// Probes that were asked.
    pub probes: usize,
    /// The finding, from answers alone.
    pub finding: Finding,
    /// Candidate parents that could not be told from the protected model.
    pub not_excluded: Vec<String>,
    /// The pooled score, in standard deviations of the controls; `None` if it could not be computed.
    pub pooled: Option<f64>,
    /// Crawford-Howell t of it, moderated.
    pub t: Option<f64>,
    /// Its degrees of freedom; `None` in scores from before variances were moderated, where they are one less than
    /// the controls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t_df: Option<f64>,
    /// The pooled contrast in its place.
    pub contrast: Option<OtherScore>,
    /// Crawford-Howell t of each measure.
    pub measures: BTreeMap<String, f64>,
    /// Bytes of the suspect's weight files; `None` for an endpoint.
    pub bytes: Option<u64>,
    /// Mean divergence (nats) of the two models' answers: description that proves nothing.
    pub divergence: Option<f64>,
}

/// What another figure than the one that decides says of a case.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OtherScore {
    /// Its Crawford-Howell t.
    pub t: f64,
    /// Controls that took part.
    pub controls: usize,
}

impl Score {
    /// The degrees of freedom of its t.
    pub fn degrees_of_freedom(&self) -> Option<f64> {
        let plain = || self.controls.checked_sub(1).map(|d| d as f64);
        self.t_df.or_else(plain).filter(|d| *d >= 1.0)
    }

    /// Nothing was taken away, and the suspect was asked like the others.
    pub fn is_whole(&self) -> bool {
        self.thinning == Thinning::None && self.served == Served::Plain
    }
}

/// What the models of a part answered to the questions of one source, and what comes of it beside each other.
#[derive(Debug)]
pub struct Asked {
    /// How they were asked.
    pub access: Access,
    /// The order of the probes.
    pub order: Vec<String>,
    /// The answers, by [`asked_as`].
    pub fingerprints: BTreeMap<String, Fingerprint>,
    /// Bytes of the weight files, by the same.
    pub bytes: BTreeMap<String, u64>,
    prepared: Prepared,
}

impl Asked {
    /// Works out what every model gives beside each of the source's candidate parents.
    pub fn new(
        access: Access,
        order: Vec<String>,
        fingerprints: BTreeMap<String, Fingerprint>,
        bytes: BTreeMap<String, u64>,
        parents: &[&str],
    ) -> Self {
        Self {
            prepared: Prepared::new(&fingerprints, parents, &Rules::HERE.screen),
            access,
            order,
            fingerprints,
            bytes,
        }
    }

    /// The same as if only the first probes of the order had been asked.
    #[must_use]
    pub fn first(&self, probes: usize, parents: &[&str]) -> Self {
        let order = &self.order[..probes.min(self.order.len())];
        let kept: BTreeSet<&str> = order.iter().map(String::as_str).collect();
        let fingerprints = self.fingerprints.iter();
        let fingerprints =
            fingerprints.map(|(name, fingerprint)| (name.clone(), fingerprint.part(&kept)));
        let (order, bytes) = (order.to_vec(), self.bytes.clone());
        Self::new(self.access, order, fingerprints.collect(), bytes, parents)
    }
}

/// The name under which a model's answers are kept.
pub fn asked_as(id: &str, served: Served) -> String {
    match served {
        Served::Plain => id.to_owned(),
        Served::Cooler => format!("{id}@cooler"),
        Served::Instructed => format!("{id}@instructed"),
    }
}

/// Weighs a case as a comparison of its models would be weighed, from answers alone, the suspect served in
/// one way or another.
///
/// `asked` has every model of the part, with the answers that a panel with this source's candidate parents asks
/// for, thinned where probes are ([`Asked::first`]).
pub fn score(
    population: &Population,
    case: &Case,
    thinning: Thinning,
    served: Served,
    asked: &Asked,
) -> Score {
    let Asked {
        access,
        order,
        fingerprints,
        bytes,
        prepared,
    } = asked;
    let mut panel = population.panel(case, thinning);
    panel.suspect.model = asked_as(&case.suspect, served);
    let weighed = case::weigh_scores(&panel, fingerprints, prepared, order, &Rules::HERE);
    let scored = Scored {
        case,
        access: *access,
        thinning,
        served,
        probes: order.len(),
        bytes: bytes.get(&panel.suspect.model).copied(),
    };
    scored.of(&weighed)
}

/// A case as it was tried.
pub(super) struct Scored<'a> {
    pub(super) case: &'a Case,
    pub(super) access: Access,
    pub(super) thinning: Thinning,
    pub(super) served: Served,
    pub(super) probes: usize,
    pub(super) bytes: Option<u64>,
}

impl Scored<'_> {
    /// What came out of it.
    pub(super) fn of(&self, weighed: &case::Case) -> Score {
        let t = |standing: &crate::weigh::Standing| standing.t.map(|t| t.t);
        let (case, evidence) = (self.case, &weighed.evidence);
        Score {
            part: case.part,
            source: case.source.clone(),
            protected: case.protected.clone(),
            suspect: case.suspect.clone(),
            kind: case.kind.clone(),
            relation: case.relation,
            access: self.access,
            thinning: self.thinning,
            served: self.served,
            dose: case.dose,
            controls: evidence.controls,
            probes: self.probes,
            finding: weighed.verdict.finding,
            not_excluded: weighed.verdict.not_excluded.clone(),
            pooled: evidence.pooled.as_ref().map(|s| s.score),
            t: evidence.pooled.as_ref().and_then(t),
            t_df: evidence
                .pooled
                .as_ref()
                .and_then(|s| s.t.map(|t| t.degrees_of_freedom)),
            contrast: weighed.pooled_contrast.as_ref().and_then(|s| {
                let controls = s.controls.len();
                t(&s.standing()).map(|t| OtherScore { t, controls })
            }),
            measures: weighed
                .measures
                .iter()
                .filter_map(|m| {
                    Some((
                        m.measure.name().to_owned(),
                        t(&m.figures.scores.as_ref().ok()?.standing())?,
                    ))
                })
                .collect(),
            bytes: self.bytes,
            divergence: evidence.equality.map(|e| e.divergence),
        }
    }
}

/// Reads scores, a line each.
///
/// # Errors
///
/// When the file cannot be read or a line is not of the right form.
pub fn read_scores(path: &Path) -> Result<Vec<Score>, PopulationError> {
    super::read_lines(path)
}
