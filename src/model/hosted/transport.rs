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

    /// Where it leads.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a request until there is a last word. An error means that the run cannot go on.
    pub(super) async fn send(&self, request: &WireRequest) -> Result<Reply, HostedError> {
        let url = format!("{}{}", self.endpoint.url, request.path);
        let failed = |source| HostedError::Client { source };
        let sent = match &request.body {
            Some(body) => self.client.post(&url).body(body.to_string()),
            None => self.client.get(&url),
        };
        let sent = request
            .headers
            .iter()
            .fold(sent, |sent, (name, value)| sent.header(*name, value));
        let reply = sent.send().await.map_err(failed)?;
        let header =
            |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            };
        Ok(Reply {
            status: reply.status().as_u16(),
            headers: reply.headers().iter().map(header).collect(),
            body: reply.bytes().await.map_err(failed)?.to_vec(),
            attempts: 1,
        })
    }
}
