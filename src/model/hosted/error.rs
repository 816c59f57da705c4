//! Why an endpoint cannot go on.

/// An endpoint cannot go on; answers so far are kept.
#[derive(Debug, thiserror::Error)]
pub enum HostedError {
    /// The HTTP client could not be built or used.
    #[error("the HTTP client failed")]
    Client {
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
}
