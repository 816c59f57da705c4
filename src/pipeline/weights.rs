//! Weights that lie on this machine.

use std::path::PathBuf;

use super::error::PipelineError;
use super::target::{Target, on_disk};
use super::watch::{Event, Stage, Watch};

/// Models of fewer bytes than this run one a core; larger ones share all cores.
pub const SMALL: u64 = 64 << 20;

/// The files of a model's weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightFiles {
    /// The file or the directory.
    pub path: PathBuf,
    /// Bytes of all files together.
    pub bytes: u64,
}

/// Finds the weights that a name means. A model of the hub is fetched, unless `offline` is set and the cache lacks
/// it. Whether the files can be loaded is not looked at.
///
/// # Errors
///
/// When the name means a recording, or the model cannot be fetched.
pub fn weights(name: &str, offline: bool, watch: &dyn Watch) -> Result<WeightFiles, PipelineError> {
    watch.see(Event::Begun {
        stage: Stage::Fetching,
        steps: 0,
    });
    let target = on_disk(name, offline, watch)?;
    watch.see(Event::Ended);
    match target {
        Target::Weights { path, bytes, .. } => Ok(WeightFiles { path, bytes }),
        Target::Recording { .. } | Target::Endpoint { .. } | Target::Given { .. } => {
            Err(PipelineError::NotWeights {
                model: name.to_owned(),
            })
        }
    }
}
