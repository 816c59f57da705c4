//! Endpoints as the command line uses them: limits, the access check and where it is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::args::Hosted;
use super::error::CliError;
use super::write_whole;
use crate::digest;
use crate::estimate::Estimate;
use crate::model::ModelError;
use crate::model::hosted::{
    AccessReport, Budget, Endpoint, HostedError, HostedModel, Limits, Options, Price, Prices,
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
    /// Where access checks are kept; nothing when they are not.
    place: Option<PathBuf>,
    recheck: bool,
}

impl Endpoints {
    pub(super) fn new(hosted: &Hosted, place: Option<PathBuf>) -> Result<Self, CliError> {
        let mut prices = Prices::built_in();
        if let Some(path) = &hosted.prices {
            prices = prices.with_file(path).map_err(CliError::Prices)?;
        }
        let limits = Limits {
            calls: hosted.max_calls,
            tokens: hosted.max_tokens,
            cost: hosted.max_cost,
        };
        Ok(Self {
            options: Options {
                timeout: Duration::from_secs(hosted.timeout.into()),
                concurrency: hosted.concurrency.into(),
                requests_per_minute: hosted.requests_per_minute,
                tokens_per_minute: hosted.tokens_per_minute,
                budget: Arc::new(Budget::new(limits)),
                prices,
                ..Options::default()
            },
            place,
            recheck: hosted.recheck,
        })
    }

    /// The endpoint of a name; nothing when the name is none of an endpoint.
    pub(super) fn find(name: &str) -> Result<Option<Endpoint>, CliError> {
        Endpoint::parse(name, &|variable| std::env::var(variable).ok()).map_err(CliError::Endpoint)
    }

    /// Whether an earlier run has checked an endpoint.
    pub(super) fn knows(&self, endpoint: &Endpoint) -> bool {
        let path = self.place.as_ref().map(|place| place.join(file(endpoint)));
        !self.recheck && path.as_deref().and_then(read).is_some()
    }

    /// Reaches an endpoint: by an access check, unless an earlier run has left one.
    pub(super) fn reach(&self, endpoint: Endpoint) -> Result<Reached, CliError> {
        let name = endpoint.name.clone();
        let failed = |source: HostedError| CliError::Open {
            source: ModelError::Hosted {
                model: name.clone(),
                source: Box::new(source),
            },
            model: name.clone(),
        };
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
            let json = json.map_err(|e| CliError::Output(e.into()))? + "\n";
            write_whole(&path, json.as_bytes())?;
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

/// A check that an earlier run left, if it can be read.
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
