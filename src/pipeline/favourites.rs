//! Which options of closed probes models favour.

use std::path::PathBuf;

use super::endpoints::Endpoints;
use super::error::PipelineError;
use super::given::Given;
use super::request::{Asking, EndpointSettings, Engine};
use super::round::{Job, Round, slug};
use super::target::{Resolver, Target};
use super::watch::{Stage, Watch};
use crate::battery::{self, Ask, Finding, Tier};
use crate::evidence::Header;
use crate::question::{Question, ask};

/// A battery whose closed probes models are asked.
#[derive(Debug, Clone)]
pub struct FavouritesRequest {
    /// The battery: a built-in name or a path.
    pub battery: String,
    /// The models that are asked.
    pub models: Vec<String>,
    /// Models that the caller hands over.
    pub given: Given,
    /// How weights are run.
    pub engine: Engine,
    /// How endpoints are asked.
    pub endpoints: EndpointSettings,
    /// The directory of the answers.
    pub out: PathBuf,
}

/// Asks models the closed probes of a battery, and finds the options that they favour.
///
/// # Errors
///
/// When a model or the battery cannot be used.
pub fn favourites(
    request: &FavouritesRequest,
    watch: &dyn Watch,
) -> Result<Vec<Finding>, PipelineError> {
    let endpoints = Endpoints::new(&request.endpoints, Some(request.out.join("access")))?;
    let mut resolver = Resolver::new(request.engine, endpoints, &request.given, watch);
    let models = request.models.iter();
    let targets = models.map(|model| resolver.resolve_alone(model));
    let targets = targets.collect::<Result<Vec<Target>, PipelineError>>()?;
    let asking = Asking {
        batteries: vec![request.battery.clone()],
        tier: Some(Tier::Full),
        samples: 1,
        ..Asking::default()
    };
    let (round, _) = Round::new(&asking, request.engine, watch, &targets)?;
    let closed = round.battery.probes.iter();
    let closed = closed.filter(|p| matches!(p.ask, Ask::Choose { .. }));
    let questions: Vec<Question> = closed.flat_map(|p| ask(p, round.posing)).collect();
    let jobs: Vec<Job<'_>> = targets.iter().map(|t| (t, questions.clone())).collect();
    let place = |header: &Header| request.out.join("recordings").join(slug(header));
    let prints = round.fingerprints(&round.ask(Stage::Asking, &jobs, &place)?)?;
    let shares: Vec<_> = prints.values().map(|print| &print.choices).collect();
    Ok(battery::favourites(&round.battery, &shares))
}
