//! The gates that look at weights instead of answers: for a comparison, and again for who has the weights of a bundle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::PipelineError;
use super::target::load;
use crate::bundle::CheckedBundle;
use crate::case::Gates;
use crate::measure::lineage::{LineageError, LineageTest, phi_match_reading};
use crate::model::Model as _;
use crate::model::local::{LocalModel, Options};
use crate::panel::Panel;
use crate::rules::{Condition, Rules};
use crate::verdict::WeightEvidence;

/// By how much logarithms of p may differ between machines, as a share: sums are taken in another order.
const TOLERANCE: f64 = 1e-6;

/// What the gates see of a panel: `digest` stands for a model's weights, and `open` gives them where they are at
/// hand.
pub(super) fn gates(
    panel: &Panel,
    digest: &dyn Fn(&str) -> Option<String>,
    open: &dyn Fn(&str) -> Result<Option<LocalModel>, PipelineError>,
) -> Result<Gates, PipelineError> {
    let (protected, suspect) = (&panel.protected.model, &panel.suspect.model);
    let identical = digest(protected).is_some() && digest(protected) == digest(suspect);
    let none = Gates {
        identical,
        weights: None,
    };
    // Before the suspect's weights are read as well.
    let Some(own) = open(protected)?.filter(|own| own.gated_layers().is_some()) else {
        return Ok(none);
    };
    let test = |model: &str| match open(model)? {
        Some(theirs) => paired(&own, &theirs),
        None => Ok(None),
    };
    let Some(found) = test(suspect)? else {
        return Ok(none);
    };
    let related = |model: &str| -> Result<bool, PipelineError> {
        Ok(test(model)?.is_some_and(|t| t.p < lineage_p()))
    };
    let mut weights = WeightEvidence {
        p: found.p,
        log10_p: found.log10_p,
        layers: found.layers.len(),
        base_related: false,
        controls_related: Vec::new(),
    };
    // Only a pairing has to be told from a common ancestor's.
    if found.p < lineage_p() {
        if let Some(base) = &panel.base {
            weights.base_related = related(&base.model)?;
        }
        for control in &panel.controls {
            if related(&control.model)? {
                weights.controls_related.push(control.id.clone());
            }
        }
    }
    Ok(Gates {
        identical,
        weights: Some(weights),
    })
}

/// The gates of a bundle, from weights whose digests it has; an error where they are not the ones that it holds.
pub(crate) fn again(bundle: &CheckedBundle, weights: &[PathBuf]) -> Result<(), PipelineError> {
    let digest = |model: &str| {
        let digest = bundle.recordings[model].header.identity.source.digest();
        digest.map(str::to_owned)
    };
    let mut found: BTreeMap<String, &Path> = BTreeMap::new();
    for path in weights {
        let name = path.display().to_string();
        let loaded = load(&name, path, Options::default())?;
        let digest_here = loaded.identity().source.digest();
        let digest_here = digest_here.unwrap_or_default().to_owned();
        if !bundle
            .recordings
            .keys()
            .any(|m| digest(m).as_ref() == Some(&digest_here))
        {
            return Err(PipelineError::OtherWeights {
                path: path.clone(),
                digest: digest_here,
            });
        }
        found.insert(digest_here, path);
    }
    let open = |model: &str| match digest(model) {
        // Of a recording that stands for a model no weights were looked at.
        Some(digest) if !bundle.plan.replayed.iter().any(|m| m == model) => {
            match found.get(&digest) {
                Some(path) => load(model, path, Options::default()).map(Some),
                None => Err(PipelineError::NoSuchWeights {
                    model: model.to_owned(),
                    digest,
                }),
            }
        }
        _ => Ok(None),
    };
    let computed = gates(&bundle.plan.panel, &digest, &open)?;
    if is_same(&computed, &bundle.gates) {
        return Ok(());
    }
    Err(PipelineError::OtherGates {
        held: words(&bundle.gates),
        computed: words(&computed),
    })
}

fn is_same(a: &Gates, b: &Gates) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1.0);
    let weights = match (&a.weights, &b.weights) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            near(a.p, b.p)
                && near(a.log10_p, b.log10_p)
                && a.layers == b.layers
                && a.base_related == b.base_related
                && a.controls_related == b.controls_related
        }
        _ => false,
    };
    a.identical == b.identical && weights
}

fn words(gates: &Gates) -> String {
    let Some(weights) = &gates.weights else {
        return "no comparison of weights".to_owned();
    };
    let mut also = weights.controls_related.clone();
    if weights.base_related {
        also.insert(0, "the base".to_owned());
    }
    let also = match also.len() {
        0 => "nothing else".to_owned(),
        1..=5 => also.join(", "),
        more => format!("{} and {} more", also[..5].join(", "), more - 5),
    };
    format!(
        "p = 10^{:.3} over {} layers, related besides: {also}",
        weights.log10_p, weights.layers
    )
}

/// The test, when both models are of one shape.
fn paired(a: &LocalModel, b: &LocalModel) -> Result<Option<LineageTest>, PipelineError> {
    let (Some(layers), Some(others)) = (a.gated_layers(), b.gated_layers()) else {
        return Ok(None);
    };
    let read = |model: &LocalModel, layer| match model.gated_layer(layer) {
        Ok(layer) => layer.ok_or(Unpaired::NotAlike),
        Err(source) => Err(Unpaired::Read(Box::new(PipelineError::Open(source)))),
    };
    match phi_match_reading((layers, others), |layer| {
        Ok([read(a, layer)?, read(b, layer)?])
    }) {
        Ok(test) => Ok(Some(test)),
        Err(Unpaired::NotAlike) => Ok(None),
        Err(Unpaired::Read(error)) => Err(*error),
    }
}

/// Why there is no test.
enum Unpaired {
    /// The models are not of one shape.
    NotAlike,
    /// The weights cannot be read.
    Read(Box<PipelineError>),
}

impl From<LineageError> for Unpaired {
    fn from(_: LineageError) -> Self {
        Self::NotAlike
    }
}

/// The weight gate's threshold; weights are at hand in one condition only.
fn lineage_p() -> f64 {
    Rules::HERE.ladder(Condition::Scored).lineage_p
}
