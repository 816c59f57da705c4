//! What a failed request means, told without what should not be shown.

use std::error::Error;
use std::io;
use std::time::Duration;

use hf_hub::HFError;

use super::super::{HubCause, HubError, HubStep};

/// A request that brought no usable answer.
pub(super) enum Failure {
    /// None came in this time.
    Silent(Duration),
    /// The client says why.
    Hub(HFError),
}

impl Failure {
    /// Whether trying again is worth it.
    pub(super) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Silent(_)
                | Self::Hub(HFError::Request { .. } | HFError::Io(_) | HFError::Xet { .. })
        )
    }

    /// The error for this step on this repository or file.
    pub(super) fn explain(&self, repository: &str, step: HubStep, thing: &str) -> HubError {
        let repository = repository.to_owned();
        let thing = thing.to_owned();
        let source = self.cause();
        let Self::Hub(error) = self else {
            return HubError::Request {
                step,
                thing,
                source,
            };
        };
        match (status(error), error) {
            // The hub hides private repositories behind 401 with this code.
            (Some((_, Some("RepoNotFound"))), _) | (None, HFError::RepoNotFound { .. }) => {
                HubError::UnknownRepository { repository }
            }
            (Some((status @ (401 | 403), code)), _) => HubError::Denied {
                repository,
                status,
                gated: code == Some("GatedRepo"),
            },
            (_, HFError::RevisionNotFound { revision, .. }) => HubError::UnknownRevision {
                repository,
                revision: revision.clone(),
            },
            (_, HFError::EntryNotFound { .. }) => HubError::NoFile {
                repository,
                file: thing,
            },
            _ => HubError::Request {
                step,
                thing,
                source,
            },
        }
    }

    /// Keeps what names neither an address nor a text from the server.
    pub(super) fn cause(&self) -> HubCause {
        let error = match self {
            Self::Silent(limit) => {
                return HubCause::Silent {
                    seconds: limit.as_secs(),
                };
            }
            Self::Hub(error) => error,
        };
        if let Some((status, _)) = status(error) {
            return HubCause::Status { status };
        }
        if let Some(kind) = system_kind(error) {
            return HubCause::Connection { kind };
        }
        HubCause::Client {
            part: match error {
                HFError::Request { .. } => "the connection failed or broke off",
                HFError::Xet { .. } => "the chunked transfer failed",
                HFError::Json(_) => "the answer is not the JSON expected",
                HFError::MalformedResponse { .. } => "the answer lacks a header it needs",
                _ => "the hub client failed",
            },
        }
    }
}

/// The system's name for the failure, from the innermost error that has one.
fn system_kind(error: &HFError) -> Option<io::ErrorKind> {
    let mut kind = None;
    let mut inner: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = inner {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.kind() != io::ErrorKind::Other
        {
            kind = Some(error.kind());
        }
        inner = error.source();
    }
    kind
}

/// The HTTP status of a refusal, and the hub's short code for it.
fn status(error: &HFError) -> Option<(u16, Option<&str>)> {
    let context = match error {
        HFError::Http { context }
        | HFError::AuthRequired { context }
        | HFError::Forbidden { context }
        | HFError::Conflict { context }
        | HFError::RateLimited { context, .. } => Some(context),
        HFError::RepoNotFound { context, .. }
        | HFError::RevisionNotFound { context, .. }
        | HFError::EntryNotFound { context, .. } => context.as_ref(),
        _ => None,
    }?;
    Some((context.status.as_u16(), context.error_code.as_deref()))
}
