//! What a caller asks for, as plain values.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::given::Given;
use crate::battery::Tier;
use crate::model::Seed;
use crate::model::hosted::Limits;
use crate::model::local::Options;
use crate::panel::{Matter, Named, SizeClass};
use crate::question::{Access, REPEATS, SAMPLES, SEED};

/// A comparison of a suspect with a protected model.
#[derive(Debug, Clone)]
pub struct Request {
    /// The models that are named one by one, in their roles.
    pub named: Named,
    /// Where further controls and alternatives come from.
    pub controls: Vec<ControlsFrom>,
    /// Models that the caller hands over; the roles name them as they name themselves.
    pub given: Given,
    /// What is asked, and how.
    pub asking: Asking,
    /// How weights are run.
    pub engine: Engine,
    /// How endpoints are asked.
    pub endpoints: EndpointSettings,
    /// Whether a likelihood ratio is withheld outside the conditions that were validated.
    pub strict: bool,
    /// Prior odds that somebody states for "learned from the protected model"; `None` if nobody does.
    pub prior_odds: Option<f64>,
    /// On whose behalf the comparison is made, for the plan and the report.
    pub matter: Matter,
    /// The directory of a test of planted marks of the same suspect, which becomes a part of the case; `None` without
    /// one.
    pub marks: Option<PathBuf>,
    /// The directory of recordings and bundles.
    pub out: PathBuf,
}

impl Request {
    /// A comparison with the usual settings and without controls.
    pub fn new(protected: &str, suspect: &str, out: &Path) -> Self {
        Self {
            named: Named {
                protected: protected.to_owned(),
                suspect: suspect.to_owned(),
                ..Named::default()
            },
            controls: Vec::new(),
            given: Given::default(),
            asking: Asking::default(),
            engine: Engine::default(),
            endpoints: EndpointSettings::default(),
            strict: false,
            prior_odds: None,
            matter: Matter::default(),
            marks: None,
            out: out.to_owned(),
        }
    }
}

/// Where controls come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlsFrom {
    /// A lineage file.
    File(PathBuf),
    /// The list of public models, by size.
    Public(SizeClass),
    /// The list of public models, matched to the suspect in size and date.
    Matched,
}

/// What is asked, and how; the same for every model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// Names or paths of batteries, which are joined. If there are none, the built-in battery is asked, or the one
    /// that imported answers came with.
    pub batteries: Vec<String>,
    /// How much of the first battery is asked. `None` stands for all where answers were imported, and for the
    /// standard tier elsewhere.
    pub tier: Option<Tier>,
    /// Samples of every open question.
    pub samples: u16,
    /// The most access that is used; `None` if it is whatever the least open model gives.
    pub access: Option<Access>,
    /// Short samples that stand for the distribution of a closed question, where only text is to be had.
    pub repeats: u16,
    /// The seed of everything random.
    pub seed: Seed,
    /// Whether chat questions are put as plain text even to models with a chat form.
    pub raw: bool,
}

impl Default for Asking {
    fn default() -> Self {
        Self {
            batteries: Vec::new(),
            tier: None,
            samples: SAMPLES,
            access: None,
            repeats: REPEATS,
            seed: Seed(SEED),
            raw: false,
        }
    }
}

/// How weights are run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Engine {
    /// How each model is loaded.
    pub options: Options,
    /// Models run at once. `None` stands for one a core if all are small, and for one if some are large.
    pub jobs: Option<NonZeroUsize>,
    /// Whether models of the hub come from the local cache only.
    pub offline: bool,
}

/// How endpoints are asked, and what may be spent on them.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointSettings {
    /// How much may be spent before the run ends; the same request goes on from there.
    pub limits: Limits,
    /// A file of prices that go before the built-in ones.
    pub prices: Option<PathBuf>,
    /// Requests under way at once, at most.
    pub concurrency: u16,
    /// Requests a minute, at most; `None` if the server's word is enough.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Tokens a minute, at most; `None` if the server's word is enough.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// The longest wait for one reply.
    pub timeout: Duration,
    /// Whether endpoints are checked again even where an earlier run has checked them.
    pub recheck: bool,
}

impl Default for EndpointSettings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            prices: None,
            concurrency: 16,
            requests_per_minute: None,
            tokens_per_minute: None,
            timeout: Duration::from_mins(10),
            recheck: false,
        }
    }
}
