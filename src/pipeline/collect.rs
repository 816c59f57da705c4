//! One model's answers as a recording.

use std::path::PathBuf;

use super::endpoints::Endpoints;
use super::error::PipelineError;
use super::given::Given;
use super::request::{Asking, EndpointSettings, Engine};
use super::round::Round;
use super::target::Resolver;
use super::watch::{Stage, Watch};
use crate::evidence::{self, Recording};
use crate::question::ask_all;

/// One model, and what it is asked.
#[derive(Debug, Clone)]
pub struct CollectRequest {
    /// The model's name.
    pub model: String,
    /// Models that the caller hands over.
    pub given: Given,
    /// What is asked, and how.
    pub asking: Asking,
    /// How weights are run.
    pub engine: Engine,
    /// How endpoints are asked.
    pub endpoints: EndpointSettings,
    /// The directory of the recording.
    pub out: PathBuf,
}

/// Asks one model a battery; what an earlier run has asked is not asked again.
///
/// # Errors
///
/// When the model cannot be opened or goes on no longer, or the recording cannot be written. Every answer so far is
/// kept.
pub fn collect(request: &CollectRequest, watch: &dyn Watch) -> Result<Recording, PipelineError> {
    // The recording's own directory keeps the check of the endpoint that it is of.
    let endpoints = Endpoints::new(&request.endpoints, Some(request.out.clone()))?;
    let mut resolver = Resolver::new(request.engine, endpoints, &request.given, watch);
    let target = resolver.resolve_alone(&request.model)?;
    let targets = std::slice::from_ref(&target);
    let (round, _) = Round::new(&request.asking, request.engine, watch, targets)?;
    let questions = ask_all(&round.battery, round.posing);
    let jobs = [(&target, questions)];
    round.ask(Stage::Asking, &jobs, &|_| request.out.clone())?;
    Ok(evidence::read(&request.out)?)
}
