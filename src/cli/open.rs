//! From the name of a model to something that can be asked or read.

use std::path::{Path, PathBuf};

use super::args::Engine;
use super::endpoints::{Endpoints, Reached};
use super::error::CliError;
use crate::evidence;
use crate::identity::Served;
use crate::model::local::hub::{self, HubEvent, HubOptions, HubReference};
use crate::model::local::{LocalModel, Options, stored_bytes};
use crate::model::{Abilities, ModelError};

/// Where a model's answers will come from.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// Weights to be run.
    Weights {
        name: String,
        path: PathBuf,
        bytes: u64,
        served: Served,
    },
    /// An endpoint to be asked.
    Endpoint { name: String, reached: Reached },
    /// A recording made earlier.
    Recording { name: String, directory: PathBuf },
}

impl Target {
    /// Finds out what a name means; models of the hub are fetched, endpoints are checked.
    pub(super) fn resolve(
        name: &str,
        engine: &Engine,
        endpoints: &Endpoints,
        note: &mut dyn FnMut(&str),
    ) -> Result<Self, CliError> {
        if let Some(endpoint) = Endpoints::find(name)? {
            note(&format!("checking what {name} gives"));
            let reached = endpoints.reach(endpoint)?;
            if reached.report.is_empty() {
                return Err(CliError::NothingToAsk {
                    model: name.to_owned(),
                    advice: reached.report.advice(),
                });
            }
            return Ok(Self::Endpoint {
                name: name.to_owned(),
                reached,
            });
        }
        Self::here(name, engine, note)
    }

    /// The same for what is not asked over a network: weights and recordings.
    pub(super) fn here(
        name: &str,
        engine: &Engine,
        note: &mut dyn FnMut(&str),
    ) -> Result<Self, CliError> {
        if name.starts_with("hf:") {
            let path = fetch(name, engine, note)?;
            return Ok(Self::weights(name, path));
        }
        let path = name.strip_prefix("file:").unwrap_or(name);
        let directory = Path::new(name.strip_prefix("replay:").unwrap_or(path));
        if evidence::is_recording(directory) {
            return Ok(Self::Recording {
                name: name.to_owned(),
                directory: directory.to_owned(),
            });
        }
        Ok(Self::weights(name, PathBuf::from(path)))
    }

    fn weights(name: &str, path: PathBuf) -> Self {
        Self::Weights {
            name: name.to_owned(),
            bytes: stored_bytes(&path),
            path,
            served: Served::default(),
        }
    }

    /// The same weights as somebody else might serve them, under another name; nothing for what is not
    /// run here.
    pub(super) fn served(&self, name: &str, served: Served) -> Option<Self> {
        match self {
            Self::Weights { path, bytes, .. } => Some(Self::Weights {
                name: name.to_owned(),
                path: path.clone(),
                bytes: *bytes,
                served,
            }),
            Self::Endpoint { .. } | Self::Recording { .. } => None,
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Weights { name, .. }
            | Self::Endpoint { name, .. }
            | Self::Recording { name, .. } => name,
        }
    }
}

/// What weights can do, without loading them.
pub(super) fn abilities(name: &str, path: &Path) -> Result<Abilities, CliError> {
    LocalModel::abilities_of(name, path).map_err(|source| failed(name, source))
}

/// Loads weights.
pub(super) fn load(name: &str, path: &Path, options: Options) -> Result<LocalModel, CliError> {
    LocalModel::open(name, path, options).map_err(|source| failed(name, source))
}

fn failed(name: &str, source: ModelError) -> CliError {
    CliError::Open {
        model: name.to_owned(),
        source,
    }
}

fn fetch(name: &str, engine: &Engine, note: &mut dyn FnMut(&str)) -> Result<PathBuf, CliError> {
    let reference: HubReference = name.parse().map_err(|source| CliError::Reference {
        model: name.to_owned(),
        source,
    })?;
    let options = HubOptions {
        offline: engine.offline,
        ..HubOptions::default()
    };
    let snapshot = hub::fetch(&reference, &options, &mut |event| match event {
        HubEvent::Resolved { commit } => note(&format!("{name} is commit {commit}")),
        HubEvent::Started { file, from, bytes } => {
            note(&format!(
                "fetching {file}: {bytes} bytes, {from} kept from before"
            ));
        }
        HubEvent::Waiting { file } => note(&format!("waiting for another process to fetch {file}")),
        HubEvent::Interrupted { file, done } => {
            note(&format!(
                "connection lost at {done} bytes of {file}; going on"
            ));
        }
        HubEvent::Checked { file, .. } => note(&format!("{file} agrees with its digest")),
        _ => {}
    })
    .map_err(|source| CliError::Fetch {
        model: name.to_owned(),
        source,
    })?;
    Ok(match &reference.file {
        Some(file) => snapshot.directory.join(file),
        None => snapshot.directory,
    })
}
