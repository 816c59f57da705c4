//! What a screening is asked for, as plain values.

use std::path::{Path, PathBuf};

use crate::pipeline::given::Given;
use crate::pipeline::request::{Asking, EndpointSettings, Engine};
use crate::screening::LEVEL;

/// Controls that a protected model has at most, unless somebody says otherwise: time grows with their number.
pub const MOST_CONTROLS: usize = 256;

/// Many suspects, and the protected models that each is compared with.
#[derive(Debug, Clone)]
pub struct ScreenRequest {
    /// What is asked about.
    pub protected: Vec<Protected>,
    /// The suspects.
    pub suspects: Suspects,
    /// A lineage file of further controls.
    pub controls: Option<PathBuf>,
    /// Models that the caller hands over, by the names that suspects and protected models go by.
    pub given: Given,
    /// What is asked, and how.
    pub asking: Asking,
    /// How weights are run.
    pub engine: Engine,
    /// How endpoints are asked.
    pub endpoints: EndpointSettings,
    /// The false discovery rate that is held.
    pub level: f64,
    /// Controls that a protected model has at most. Of more, some are drawn.
    pub most_controls: usize,
    /// The directory of recordings, controls and results.
    pub out: PathBuf,
}

impl ScreenRequest {
    /// A screening with the usual settings.
    pub fn new(protected: Vec<Protected>, suspects: Suspects, out: &Path) -> Self {
        Self {
            protected,
            suspects,
            controls: None,
            given: Given::default(),
            asking: Asking::default(),
            engine: Engine::default(),
            endpoints: EndpointSettings::default(),
            level: LEVEL,
            most_controls: MOST_CONTROLS,
            out: out.to_owned(),
        }
    }
}

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protected {
    /// A model.
    Model(String),
    /// All models of a group in the lineage files, as one candidate.
    House(String),
    /// Every group in the lineage files.
    EveryHouse,
}

/// Where suspects are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suspects {
    /// A lineage file (`.toml`), a directory of recordings, or a list of names, a line each.
    At(PathBuf),
    /// Here.
    Named(Vec<String>),
}
