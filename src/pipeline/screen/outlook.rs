//! What a screening would ask, before it asks anything.

use serde::Serialize;

use super::gather;
use super::listed::Listed;
use super::request::ScreenRequest;
use super::suspects;
use crate::collect;
use crate::estimate::{Estimate, reading};
use crate::evidence::Store;
use crate::model::Model as _;
use crate::pipeline::error::PipelineError;
use crate::pipeline::round::slug;
use crate::pipeline::target::Target;
use crate::pipeline::watch::Watch;
use crate::question::{Posing, ask_all};
use crate::screening::Aside;

/// What a screening would take.
#[derive(Debug, Clone, Serialize)]
pub struct ScreenOutlook {
    /// The battery's name.
    pub battery: String,
    /// Probes that are asked.
    pub probes: usize,
    /// How.
    pub posing: Posing,
    /// Models that take part.
    pub models: usize,
    /// Of these, recordings, which are asked nothing.
    pub recorded: usize,
    /// Pairs that are weighed.
    pub pairs: usize,
    /// What every endpoint would still be asked.
    pub costs: Vec<ScreenCost>,
    /// All of that together.
    pub requests: u64,
    /// Models that would be left aside, as far as that can be seen.
    pub aside: Vec<Aside>,
}

/// What one endpoint would be asked.
#[derive(Debug, Clone, Serialize)]
pub struct ScreenCost {
    /// The model, as it was named.
    pub model: String,
    /// Requests and tokens.
    pub estimate: Estimate,
    /// The same in words, with the price.
    pub announced: String,
}

/// Says what a screening would take. Nothing is asked: `check` allows the requests by which endpoints are checked that
/// were not checked before.
///
/// # Errors
///
/// As [`screen`](super::screen), and when an endpoint was not checked and `check` is not set.
pub fn plan_screen(
    request: &ScreenRequest,
    check: bool,
    watch: &dyn Watch,
) -> Result<ScreenOutlook, PipelineError> {
    let opened = gather::open(request, Listed::new(request)?, !check, watch)?;
    let (listed, round) = (&opened.listed, &opened.round);
    let questions = ask_all(&round.battery, round.posing);
    let parents = super::reading_panels(request, listed);
    let parents: usize = parents
        .iter()
        .map(|p| 1 + p.alternatives.len())
        .max()
        .unwrap_or(1);
    let mut costs = Vec::new();
    for (model, target) in &opened.targets {
        let Target::Endpoint { reached, .. } = target else {
            continue;
        };
        let header = collect::header(&*reached.model, &round.battery, round.posing, round.seed);
        let place = request.out.join("recordings").join(slug(&header));
        let kept = if place.is_dir() {
            Some(Store::open(&place, &header)?)
        } else {
            None
        };
        let missing = questions
            .iter()
            .filter(|q| !kept.as_ref().is_some_and(|k| k.has(q)));
        let mut estimate: Estimate = missing.map(Estimate::of).sum();
        if round.reads(model) {
            let read = reading(&round.battery, round.posing, parents, parents);
            estimate = [estimate, read].into_iter().sum();
        }
        costs.push(ScreenCost {
            model: reached.model.identity().name.clone(),
            announced: reached.announce(estimate),
            estimate,
        });
    }
    let recorded = opened.targets.values();
    let recorded = recorded.filter(|t| matches!(t, Target::Recording { .. }));
    Ok(ScreenOutlook {
        battery: round.battery.name.clone(),
        probes: round.battery.probes.len(),
        posing: round.posing,
        models: opened.targets.len(),
        recorded: recorded.count(),
        pairs: listed.asked.iter().map(|h| suspects(listed, h).len()).sum(),
        requests: costs.iter().map(|c| c.estimate.requests).sum(),
        costs,
        aside: opened.aside,
    })
}
