//! Controls from the list of public models: which are picked, and what fetching them would take.

use std::fmt::{self, Write as _};

use super::error::PipelineError;
use super::request::{ControlsFrom, Request};
use super::target::{Resolver, Target};
use crate::model::local::LocalModel;
use crate::panel::{Lineage, Named, Panel, Pick, public};

/// Bytes a parameter takes as it is published, mostly.
const BYTES: f64 = 2.0;
/// Names that an error lists before it only counts.
const LISTED: usize = 40;

/// A public model with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PublicModel {
    /// Its name.
    pub model: String,
    /// How many parameters it has.
    pub parameters: u64,
}

/// Public models in a panel that have to be at hand before anything is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct PublicModels(Vec<PublicModel>);

impl PublicModels {
    /// Those of the panel, if it was picked from the list.
    pub(super) fn of(controls: &[ControlsFrom], panel: &Panel) -> Result<Self, PipelineError> {
        let from_list = |from: &ControlsFrom| !matches!(from, ControlsFrom::File(_));
        if !controls.iter().any(from_list) {
            return Ok(Self::default());
        }
        let list = public()?;
        let models = panel.controls.iter().filter_map(|control| {
            let entry = list.models.iter().find(|m| m.model == control.model)?;
            Some(PublicModel {
                model: entry.model.clone(),
                parameters: entry.size?,
            })
        });
        Ok(Self(models.collect()))
    }

    /// Whether the panel was not picked from the list.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, model: &str) -> bool {
        self.0.iter().any(|m| m.model == model)
    }

    /// Those that are not at hand yet.
    pub(super) fn without(&self, at_hand: impl Fn(&str) -> bool) -> Self {
        let open = self.0.iter().filter(|m| !at_hand(&m.model));
        Self(open.cloned().collect())
    }

    /// A line a model.
    pub fn lines(&self) -> String {
        let mut text = format!("Public controls: {self}\n");
        for model in &self.0 {
            let _ = writeln!(
                text,
                "  {:<60} {}",
                model.model,
                parameters(model.parameters)
            );
        }
        text
    }

    /// All of them in one line, for an error.
    pub(super) fn names(&self) -> String {
        let mut names: Vec<String> = self
            .0
            .iter()
            .take(LISTED)
            .map(|m| format!("{} ({})", m.model, parameters(m.parameters)))
            .collect();
        if self.0.len() > LISTED {
            names.push(format!("and {} more", self.0.len() - LISTED));
        }
        names.join(", ")
    }
}

/// How many, and how much there is to fetch.
impl fmt::Display for PublicModels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: f64 = self.0.iter().map(|m| m.parameters as f64).sum();
        write!(
            f,
            "{} models, about {:.1} GB at two bytes a parameter",
            self.0.len(),
            all * BYTES / 1e9
        )
    }
}

fn parameters(count: u64) -> String {
    let count = count as f64;
    if count < 1e9 {
        format!("{:.0} M parameters", count / 1e6)
    } else {
        format!("{:.2} B parameters", count / 1e9)
    }
}

/// The lineages that controls are taken from.
pub(super) fn lineages(
    request: &Request,
    resolver: &mut Resolver<'_>,
) -> Result<(Vec<Lineage>, Named), PipelineError> {
    let files = request.controls.iter().filter_map(|from| match from {
        ControlsFrom::File(path) => Some(Lineage::read(path)),
        ControlsFrom::Public(_) | ControlsFrom::Matched => None,
    });
    let mut lineages = files.collect::<Result<Vec<_>, _>>()?;
    let named = request
        .named
        .by_ids(&lineages, &|name| resolver.means(name));
    let roles = [
        Some(&named.protected),
        Some(&named.suspect),
        named.base.as_ref(),
    ];
    let others: Vec<&str> = roles.into_iter().flatten().map(String::as_str).collect();
    for from in &request.controls {
        let pick = match from {
            ControlsFrom::File(_) => continue,
            ControlsFrom::Public(class) => Pick::Class(*class),
            ControlsFrom::Matched => like(&named.suspect, &lineages, resolver)?,
        };
        lineages.push(public()?.pick(&pick, &others)?);
    }
    Ok((lineages, named))
}

/// The suspect's size and date: as declared, or counted in its weights.
fn like(
    suspect: &str,
    lineages: &[Lineage],
    resolver: &mut Resolver<'_>,
) -> Result<Pick, PipelineError> {
    let list = public()?;
    let declared = lineages
        .iter()
        .chain([&list])
        .filter_map(|lineage| lineage.find_model(suspect));
    let declared: Vec<_> = declared.collect();
    let released = declared.iter().find_map(|entry| entry.released.clone());
    let size = match declared.iter().find_map(|entry| entry.size) {
        Some(size) => size,
        None => counted(suspect, resolver)?,
    };
    Ok(Pick::Like { size, released })
}

/// How many parameters a model's weights have.
fn counted(model: &str, resolver: &mut Resolver<'_>) -> Result<u64, PipelineError> {
    let unknown = || PipelineError::UnknownSize {
        model: model.to_owned(),
    };
    // An endpoint would be asked for nothing: what it gives says nothing of its size.
    if !resolver.is_local(model)? {
        return Err(unknown());
    }
    match resolver.resolve_alone(model)? {
        Target::Weights { name, path, .. } => {
            LocalModel::parameters_of(&name, &path).map_err(PipelineError::Open)
        }
        Target::Recording { .. } | Target::Endpoint { .. } | Target::Given { .. } => Err(unknown()),
    }
}
