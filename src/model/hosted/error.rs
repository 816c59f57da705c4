//! Why an endpoint cannot go on.

use std::io;
use std::path::PathBuf;

use crate::model::{Failure, ModelError};

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
    /// The runtime that sends requests could not be started.
    #[error("cannot start sending requests")]
    Runtime {
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The key cannot travel in a header.
    #[error("the key for '{endpoint}' holds characters that no header can carry")]
    Key {
        /// The endpoint's name.
        endpoint: String,
    },
    /// The key was not accepted.
    #[error("'{endpoint}' does not accept the key (status {status}): {reason}")]
    Auth {
        /// The endpoint's name.
        endpoint: String,
        /// HTTP status.
        status: u16,
        /// In the server's words.
        reason: String,
    },
    /// The server does not have the model.
    #[error("'{endpoint}' has no model '{model}': {reason}")]
    NotFound {
        /// The endpoint's name.
        endpoint: String,
        /// The model asked for.
        model: String,
        /// In the server's words.
        reason: String,
    },
    /// Credit or a spending limit of the account is used up.
    #[error("'{endpoint}' asks for payment (status {status}): {reason}")]
    Billing {
        /// The endpoint's name.
        endpoint: String,
        /// HTTP status.
        status: u16,
        /// In the server's words.
        reason: String,
    },
    /// The address leads elsewhere; the key is not carried there.
    #[error("'{endpoint}' redirects to '{to}'")]
    Redirected {
        /// The endpoint's name.
        endpoint: String,
        /// Where to.
        to: String,
    },
    /// A limit of the user's was reached.
    #[error("{limit} is reached: {spent} spent, the next request may take {next}")]
    Budget {
        /// The flag that set it.
        limit: &'static str,
        /// What was spent of it.
        spent: String,
        /// What the next request may need.
        next: String,
    },
    /// A request was still waiting when another one ended the run.
    #[error("'{endpoint}' was not asked: the run had ended before")]
    Ended {
        /// The endpoint's name.
        endpoint: String,
    },
    /// Too many requests in a row came to nothing.
    #[error("'{endpoint}' failed {failures} requests in a row, the last one: {reason}")]
    Broken {
        /// The endpoint's name.
        endpoint: String,
        /// How many.
        failures: u32,
        /// What the last one came to.
        reason: String,
    },
    /// Nothing has ever answered at its address.
    #[error("nothing answers at '{url}', the address of '{endpoint}': {reason}")]
    Unreachable {
        /// The endpoint's name.
        endpoint: String,
        /// The address.
        url: String,
        /// What the last attempt came to.
        reason: String,
    },
    /// Another model answers than before: the answers would not be of one thing.
    #[error("'{endpoint}' was served by '{before}' and is now served by '{now}'")]
    ServedChanged {
        /// The endpoint's name.
        endpoint: String,
        /// The model named before.
        before: String,
        /// The model named now.
        now: String,
    },
    /// A limit of costs was set for a model without a known price.
    #[error("the price of '{provider}/{model}' is unknown, so --max-cost cannot be kept")]
    Unpriced {
        /// The provider.
        provider: String,
        /// The model.
        model: String,
    },
    /// The price file could not be read.
    #[error("cannot read prices from '{}'", path.display())]
    PriceFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The price file is not one.
    #[error("'{}' is not a file of prices", path.display())]
    PriceForm {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: toml::de::Error,
    },
    /// A price is negative or not a number.
    #[error("'{}' gives no usable price for '{model}'", path.display())]
    PriceValue {
        /// The file.
        path: PathBuf,
        /// The model as the file names it.
        model: String,
    },
}

impl HostedError {
    /// This error as the failure of a model.
    pub(crate) fn of(self, model: &str) -> ModelError {
        let (kind, hint) = (self.kind(), self.hint());
        ModelError::new(model, kind, self).with_hint(hint)
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Failure {
        match self {
            Self::Unpriced { .. }
            | Self::PriceFile { .. }
            | Self::PriceForm { .. }
            | Self::PriceValue { .. } => Failure::Settings,
            Self::Client { .. }
            | Self::Runtime { .. }
            | Self::Broken { .. }
            | Self::Unreachable { .. }
            | Self::Ended { .. }
            | Self::ServedChanged { .. } => Failure::Unfinished,
            Self::Billing { .. } | Self::Budget { .. } => Failure::Limit,
            Self::Key { .. }
            | Self::Auth { .. }
            | Self::NotFound { .. }
            | Self::Redirected { .. } => Failure::Unusable,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Key { .. } => Some("look for line breaks or quotes in the key"),
            Self::Auth { .. } => {
                Some("set the provider's key variable to a key that may use this model")
            }
            Self::NotFound { .. } => {
                Some("ask the provider for its list of models and check the spelling")
            }
            Self::Billing { .. } => Some(
                "what was answered is kept; add credit or raise the spending limit, then run the same command again",
            ),
            Self::Redirected { .. } => Some(
                "a key is never carried elsewhere; if you trust that address, name it yourself",
            ),
            Self::Budget { .. } => Some(
                "what was answered is kept; run the same command again with a higher limit to go on",
            ),
            Self::Unreachable { .. } => Some(
                "look at the address and the port, and whether the server has been started; run the same command again then",
            ),
            Self::Broken { .. } | Self::Ended { .. } => {
                Some("what was answered is kept; run the same command again to go on")
            }
            Self::ServedChanged { .. } => {
                Some("name a dated version of the model, and collect into another directory")
            }
            Self::Unpriced { .. } => Some(
                "add a [[price]] with provider, model, input, output, as_of and source to a file and give it with --prices",
            ),
            Self::PriceForm { .. } | Self::PriceValue { .. } => {
                Some("input and output are USD per million tokens")
            }
            Self::Client { .. } | Self::Runtime { .. } | Self::PriceFile { .. } => None,
        }
    }
}
