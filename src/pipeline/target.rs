//! From the name of a model to something that can be asked or read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::endpoints::{Endpoints, Reached};
use super::error::PipelineError;
use super::given::Given;
use super::request::Engine;
use super::suggest::meant;
use super::watch::{Event, Stage, Watch};
use crate::evidence;
use crate::identity::Served;
use crate::model::Model;
use crate::model::local::hub::{self, HubEvent, HubOptions, HubReference};
use crate::model::local::{LocalModel, Options, stored_bytes};

/// Where a model's answers will come from.
#[derive(Clone)]
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
    /// A model that the caller hands over.
    Given { name: String, model: Arc<dyn Model> },
}

impl Target {
    fn weights(name: &str, path: PathBuf) -> Self {
        let bytes = stored_bytes(&path);
        Self::Weights {
            name: name.to_owned(),
            path,
            bytes,
            served: Served::default(),
        }
    }

    /// The same weights as somebody else might serve them, under another name; `None` for what is not run here.
    pub(super) fn served(&self, name: &str, served: Served) -> Option<Self> {
        match self {
            Self::Weights { path, bytes, .. } => Some(Self::Weights {
                name: name.to_owned(),
                path: path.clone(),
                bytes: *bytes,
                served,
            }),
            Self::Endpoint { .. } | Self::Recording { .. } | Self::Given { .. } => None,
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Weights { name, .. }
            | Self::Endpoint { name, .. }
            | Self::Recording { name, .. }
            | Self::Given { name, .. } => name,
        }
    }
}

/// Finds out what names mean, each name once.
pub(super) struct Resolver<'a> {
    engine: Engine,
    endpoints: Endpoints,
    given: &'a Given,
    watch: &'a dyn Watch,
    found: BTreeMap<String, Target>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(
        engine: Engine,
        endpoints: Endpoints,
        given: &'a Given,
        watch: &'a dyn Watch,
    ) -> Self {
        Self {
            engine,
            endpoints,
            given,
            watch,
            found: BTreeMap::new(),
        }
    }

    pub(super) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Whether a name means something that this machine need not ask over a network, without asking.
    pub(super) fn is_local(&self, name: &str) -> Result<bool, PipelineError> {
        Ok(self.given.get(name).is_none() && Endpoints::find(name)?.is_none())
    }

    /// Whether a name means something without a lineage file: a model that was handed over, an endpoint, a model of the
    /// hub, or something on disk.
    pub(super) fn means(&self, name: &str) -> bool {
        let prefixed = ["hf:", "file:", "replay:"];
        self.given.get(name).is_some()
            || prefixed.iter().any(|prefix| name.starts_with(prefix))
            || !matches!(Endpoints::find(name), Ok(None))
            || Path::new(name).exists()
    }

    /// What a name means. Models of the hub are fetched and endpoints are checked.
    pub(super) fn resolve(&mut self, name: &str) -> Result<Target, PipelineError> {
        if let Some(target) = self.found.get(name) {
            return Ok(target.clone());
        }
        let target = self.find(name)?;
        self.found.insert(name.to_owned(), target.clone());
        Ok(target)
    }

    /// The same as a stage of its own.
    pub(super) fn resolve_alone(&mut self, name: &str) -> Result<Target, PipelineError> {
        self.watch.see(Event::Begun {
            stage: Stage::Fetching,
            steps: 0,
        });
        let target = self.resolve(name)?;
        self.watch.see(Event::Ended);
        Ok(target)
    }

    fn find(&self, name: &str) -> Result<Target, PipelineError> {
        if let Some(model) = self.given.get(name) {
            return Ok(Target::Given {
                name: name.to_owned(),
                model: Arc::clone(model),
            });
        }
        let Some(endpoint) = Endpoints::find(name)? else {
            return on_disk(name, self.engine.offline, self.watch);
        };
        self.watch
            .see(Event::Note(&format!("checking what {name} gives")));
        let reached = self.endpoints.reach(endpoint)?;
        if reached.report.is_empty() {
            return Err(PipelineError::NothingToAsk {
                model: name.to_owned(),
                advice: reached.report.advice(),
            });
        }
        Ok(Target::Endpoint {
            name: name.to_owned(),
            reached,
        })
    }
}

/// What a name means that is not an endpoint's: weights or a recording.
pub(super) fn on_disk(
    name: &str,
    offline: bool,
    watch: &dyn Watch,
) -> Result<Target, PipelineError> {
    if name.starts_with("hf:") {
        let path = fetch(name, offline, watch)?;
        return Ok(Target::weights(name, path));
    }
    let path = name.strip_prefix("file:").unwrap_or(name);
    let directory = Path::new(name.strip_prefix("replay:").unwrap_or(path));
    if evidence::is_recording(directory) {
        return Ok(Target::Recording {
            name: name.to_owned(),
            directory: directory.to_owned(),
        });
    }
    let path = PathBuf::from(path);
    if let Err(source) = path.metadata() {
        return Err(PipelineError::NoModel {
            model: name.to_owned(),
            meant: meant(name),
            source,
        });
    }
    Ok(Target::weights(name, path))
}

/// Loads weights.
pub(super) fn load(name: &str, path: &Path, options: Options) -> Result<LocalModel, PipelineError> {
    LocalModel::open(name, path, options).map_err(PipelineError::Open)
}

/// Fetches a model of the hub; gives where it lies.
fn fetch(name: &str, offline: bool, watch: &dyn Watch) -> Result<PathBuf, PipelineError> {
    let reference: HubReference = name.parse().map_err(|source| PipelineError::Reference {
        model: name.to_owned(),
        source,
    })?;
    let options = HubOptions {
        offline,
        ..HubOptions::default()
    };
    let note = |text: String| watch.see(Event::Note(&text));
    // The length of the file in hand: an advance does not repeat it.
    let mut length = 0;
    let fetched = hub::fetch(&reference, &options, &mut |event| match &event {
        HubEvent::Resolved { commit } => note(format!("{name} is commit {commit}")),
        HubEvent::Started { file, from, bytes } => {
            length = *bytes;
            watch.see(Event::Fetched {
                file,
                done: *from,
                bytes: length,
            });
        }
        HubEvent::Advanced { file, done } => watch.see(Event::Fetched {
            file,
            done: *done,
            bytes: length,
        }),
        HubEvent::Waiting { file } => note(format!("waiting for another process to fetch {file}")),
        HubEvent::Interrupted { file, done } => {
            note(format!(
                "connection lost at {done} bytes of {file}; going on"
            ));
        }
        HubEvent::Checked { file, .. } => note(format!("{file} agrees with its digest")),
        HubEvent::Unknown { file } => note(format!(
            "{file} is not in the cache, and offline nobody can say whether {name} has it"
        )),
        HubEvent::Planned { .. } | HubEvent::Cached { .. } => {}
    });
    let snapshot = fetched.map_err(|source| PipelineError::Fetch {
        model: name.to_owned(),
        source,
    })?;
    Ok(match &reference.file {
        Some(file) => snapshot.directory.join(file),
        None => snapshot.directory,
    })
}
