//! The gates that look at weights instead of answers: for a comparison, and again for who has the weights of a bundle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::Array2;

use super::error::PipelineError;
use super::target;
use crate::bundle::CheckedBundle;
use crate::case::Gates;
use crate::measure::lineage::{GatedLayer, LineageTest, phi_match};
use crate::model::Model as _;
use crate::model::local::Options;
use crate::panel::Panel;
use crate::rules::{Condition, Rules};
use crate::verdict::WeightEvidence;

/// By how much logarithms of p may differ between machines, as a share: sums are taken in another order.
const TOLERANCE: f64 = 1e-6;

/// Gate and up projection of every layer.
pub(super) type Layers = Vec<[Array2<f32>; 2]>;

/// What the gates see of a panel: `digest` stands for a model's weights, and `layers` reads them where they are at hand.
pub(super) fn gates(
    panel: &Panel,
    digest: &dyn Fn(&str) -> Option<String>,
    layers: &dyn Fn(&str) -> Result<Option<Layers>, PipelineError>,
) -> Result<Gates, PipelineError> {
    let (protected, suspect) = (&panel.protected.model, &panel.suspect.model);
    let identical = digest(protected).is_some() && digest(protected) == digest(suspect);
    let none = Gates {
        identical,
        weights: None,
    };
    let (Some(own), Some(theirs)) = (layers(protected)?, layers(suspect)?) else {
        return Ok(none);
    };
    let Some(test) = paired(&own, &theirs) else {
        return Ok(none);
    };
    let related = |model: &str| -> Result<bool, PipelineError> {
        let test = layers(model)?.and_then(|l| paired(&own, &l));
        Ok(test.is_some_and(|t| t.p < lineage_p()))
    };
    let mut weights = WeightEvidence {
        p: test.p,
        log10_p: test.log10_p,
        layers: test.layers.len(),
        base_related: false,
        controls_related: Vec::new(),
    };
    // Only a pairing has to be told from a common ancestor's.
    if test.p < lineage_p() {
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

/// The layers of weights; `None` if they have no gates.
pub(super) fn layers(
    name: &str,
    path: &Path,
    options: Options,
) -> Result<Option<Layers>, PipelineError> {
    target::load(name, path, options)?
        .gated_layers()
        .map_err(PipelineError::Open)
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
        let loaded = target::load(&name, path, Options::default())?;
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
    let layers = |model: &str| match digest(model) {
        // Of a recording that stands for a model no weights were looked at.
        Some(digest) if !bundle.plan.replayed.iter().any(|m| m == model) => {
            match found.get(&digest) {
                Some(path) => layers(model, path, Options::default()),
                None => Err(PipelineError::NoSuchWeights {
                    model: model.to_owned(),
                    digest,
                }),
            }
        }
        _ => Ok(None),
    };
    let computed = gates(&bundle.plan.panel, &digest, &layers)?;
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

/// The test; `None` if the models are not of one shape.
fn paired(a: &Layers, b: &Layers) -> Option<LineageTest> {
    fn view(layers: &Layers) -> Vec<GatedLayer<'_>> {
        layers
            .iter()
            .map(|[gate, up]| GatedLayer {
                gate: gate.view(),
                up: up.view(),
            })
            .collect()
    }
    phi_match(&view(a), &view(b)).ok()
}

/// The weight gate's threshold; weights are at hand in one condition only.
fn lineage_p() -> f64 {
    Rules::HERE.ladder(Condition::Scored).lineage_p
}
