//! Controls from the list of public models: which are picked, and what fetching them would take.

use std::fmt::{self, Write as _};

use super::args::{Compare, ControlsFrom};
use super::endpoints::Endpoints;
use super::error::CliError;
use super::open::Target;
use crate::model::local::LocalModel;
use crate::panel::{Lineage, Panel, Pick, public};

/// Bytes a parameter takes as it is published, mostly.
const BYTES: f64 = 2.0;
/// Names that an error lists before it only counts.
const LISTED: usize = 40;

/// A public model with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct PublicModel {
    model: String,
    parameters: u64,
}

/// Public models in a panel that have to be at hand before anything is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub(super) struct PublicModels(Vec<PublicModel>);

impl PublicModels {
    /// Those of the panel, if it was picked from the list.
    pub(super) fn of(args: &Compare, panel: &Panel) -> Result<Self, CliError> {
        let from_list = |from: &ControlsFrom| !matches!(from, ControlsFrom::File(_));
        if !args.controls.iter().any(from_list) {
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

    pub(super) fn is_empty(&self) -> bool {
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

    /// A line a model, for `plan`.
    pub(super) fn lines(&self) -> String {
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
pub(super) fn lineages(args: &Compare) -> Result<Vec<Lineage>, CliError> {
    let files = args.controls.iter().filter_map(|from| match from {
        ControlsFrom::File(path) => Some(Lineage::read(path)),
        ControlsFrom::Public(_) | ControlsFrom::Matched => None,
    });
    let mut lineages = files.collect::<Result<Vec<_>, _>>()?;
    let named = [
        Some(&args.protected),
        Some(&args.suspect),
        args.base.as_ref(),
    ];
    let others: Vec<&str> = named.into_iter().flatten().map(String::as_str).collect();
    for from in &args.controls {
        let pick = match from {
            ControlsFrom::File(_) => continue,
            ControlsFrom::Public(class) => Pick::Class(*class),
            ControlsFrom::Matched => like(args, &lineages)?,
        };
        lineages.push(public()?.pick(&pick, &others)?);
    }
    Ok(lineages)
}

/// The suspect's size and date: as declared, or counted in its weights.
fn like(args: &Compare, lineages: &[Lineage]) -> Result<Pick, CliError> {
    let list = public()?;
    let suspect = &args.suspect;
    let declared = lineages
        .iter()
        .chain([&list])
        .filter_map(|lineage| lineage.find_model(suspect));
    let declared: Vec<_> = declared.collect();
    let released = declared.iter().find_map(|entry| entry.released.clone());
    let size = match declared.iter().find_map(|entry| entry.size) {
        Some(size) => size,
        None => counted(args)?,
    };
    Ok(Pick::Like { size, released })
}

fn counted(args: &Compare) -> Result<u64, CliError> {
    let unknown = || CliError::UnknownSize {
        model: args.suspect.clone(),
    };
    if Endpoints::find(&args.suspect)?.is_some() {
        return Err(unknown());
    }
    match Target::here(&args.suspect, &args.engine, &mut |_| {})? {
        Target::Weights { name, path, .. } => {
            LocalModel::parameters_of(&name, &path).map_err(|source| CliError::Open {
                model: name,
                source,
            })
        }
        Target::Recording { .. } | Target::Endpoint { .. } => Err(unknown()),
    }
}
