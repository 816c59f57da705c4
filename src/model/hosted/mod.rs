//! Endpoints: models that are only reachable over HTTP.
//!
//! `endpoint` turns a name such as `openai/NAME` into an address, a dialect and a key; `wire` speaks
//! the dialects, one file each; `transport` sends one request at a time through retries, rates, the
//! budget and the circuit breaker; `access` finds out, with positive controls, what an endpoint really
//! gives; [`HostedModel`] asks many questions at once. HTTP is named only below this module.

mod access;
mod endpoint;
mod error;
mod model;
#[cfg(test)]
#[path = "../../../tests/peer/mod.rs"]
mod peer;
mod price;
mod secret;
mod transport;
mod wire;

pub use access::AccessReport;
pub use endpoint::{Endpoint, EndpointError, Surveyed, nearest_provider, survey};
pub use error::HostedError;
pub use model::{Checked, HostedModel};
pub use price::{Price, Prices};
pub use secret::Secret;
pub use transport::{Budget, Limits, Options, Rates, Spent};
