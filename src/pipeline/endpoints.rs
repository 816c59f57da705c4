//! Endpoints of a run: their common limits, the access check and where it is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::PipelineError;
use super::request::EndpointSettings;
use crate::digest;
use crate::estimate::Estimate;
use crate::files::write_whole;
use crate::model::hosted::{
    AccessReport, Budget, Endpoint, HostedError, HostedModel, Options, Price, Prices,
};

/// A kept access check beyond this size is no such thing.
const MAX_REPORT: u64 = 1 << 20;

/// An endpoint that was checked.
#[derive(Debug, Clone)]
pub(super) struct Reached {
    pub(super) model: Arc<HostedModel>,
    pub(super) report: Arc<AccessReport>,
    price: Option<Price>,
}

/// How all endpoints of a run are reached: they share one budget.
#[derive(Debug)]
pub(super) struct Endpoints {
    options: Options,
    /// Where access checks are kept; `None` if they are not.
    place: Option<PathBuf>,
    recheck: bool,
}

impl Endpoints {
    pub(super) fn new(
        settings: &EndpointSettings,
        place: Option<PathBuf>,
    ) -> Result<Self, PipelineError> {
        let mut prices = Prices::built_in();
        if let Some(path) = &settings.prices {
            prices = prices.with_file(path).map_err(PipelineError::Prices)?;
        }
        Ok(Self {
            options: Options {
                timeout: settings.timeout,
                concurrency: settings.concurrency.into(),
                requests_per_minute: settings.requests_per_minute,
                tokens_per_minute: settings.tokens_per_minute,
                budget: Arc::new(Budget::new(settings.limits)),
                prices,
                ..Options::default()
            },
            place,
            recheck: settings.recheck,
        })
    }

    /// The endpoint of a name; `None` if the name is not an endpoint's.
    pub(super) fn find(name: &str) -> Result<Option<Endpoint>, PipelineError> {
        Endpoint::parse(name, &|variable| std::env::var(variable).ok())
            .map_err(PipelineError::Endpoint)
    }

    /// Whether an earlier run has checked an endpoint.
    pub(super) fn knows(&self, endpoint: &Endpoint) -> bool {
        let path = self.place.as_ref().map(|place| place.join(file(endpoint)));
        !self.recheck && path.as_deref().and_then(read).is_some()
    }

    /// Reaches an endpoint: by an access check, unless an earlier run has left one.
    pub(super) fn reach(&self, endpoint: Endpoint) -> Result<Reached, PipelineError> {
        let name = endpoint.name.clone();
        let failed = |source: HostedError| PipelineError::Open(source.of(&name));
        let path = self.place.as_ref().map(|place| place.join(file(&endpoint)));
        let kept = path.as_deref().filter(|_| !self.recheck).and_then(read);
        let kept = kept.filter(|report| !report.is_empty());
        let (model, report) = match kept {
            Some(report) => {
                let model = HostedModel::new(endpoint, self.options.clone(), (&report).into());
                (model.map_err(failed)?, report)
            }
            None => HostedModel::open(endpoint, self.options.clone()).map_err(failed)?,
        };
        // A check that found nothing is made anew: the server may only have been starting.
        if let Some(path) = path.filter(|_| !report.is_empty()) {
            let json = serde_json::to_string_pretty(&report);
            let json = json.map_err(PipelineError::Encode)? + "\n";
            write_whole(&path, json.as_bytes()).map_err(PipelineError::writing(&path))?;
        }
        let price = self.options.prices.of(&report.provider, &report.asked);
        Ok(Reached {
            model: Arc::new(model),
            price: price.cloned(),
            report: Arc::new(report),
        })
    }
}

impl Reached {
    /// What some questions will take, in a line.
    pub(super) fn announce(&self, estimate: Estimate) -> String {
        let most = estimate.prompt + estimate.completion_most;
        let cost = match &self.price {
            Some(price) => format!(
                "{:.2} to {:.2} USD (prices of {})",
                price.cost(estimate.prompt, estimate.completion_least),
                price.cost(estimate.prompt, estimate.completion_most),
                price.as_of
            ),
            None => "price unknown".to_owned(),
        };
        format!(
            "{}: {} requests, at most {most} tokens beside hidden reasoning, {cost}",
            self.report.name, estimate.requests
        )
    }
}

/// A check that an earlier run left; `None` if there is none that can be read.
fn read(path: &Path) -> Option<AccessReport> {
    let small = path.metadata().ok()?.len() <= MAX_REPORT;
    let text = small.then(|| fs::read_to_string(path).ok())??;
    serde_json::from_str(&text).ok()
}

fn file(endpoint: &Endpoint) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = endpoint.name.chars().map(safe).take(60).collect();
    let whole = digest::of_value(&(&endpoint.name, &endpoint.url, &endpoint.model));
    format!("{name}-{}.json", &whole[..8])
}
