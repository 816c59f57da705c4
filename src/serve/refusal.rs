//! Why a request is not answered, in the shape that OpenAI's clients read.

use axum::http::StatusCode;
use serde_json::{Value, json};

/// A request that is not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("'{param}' {what}")]
    Invalid { param: String, what: String },
    #[error(
        "'{param}' is not supported by this server, or not with this value; leave it out (nothing that would change the answer is ignored)"
    )]
    Unsupported { param: String },
    #[error(
        "'{param}' asks for probabilities that this server does not grant; it grants {granted}"
    )]
    NotGranted {
        param: &'static str,
        granted: &'static str,
    },
    #[error("the body is not JSON: {source}")]
    NotJson {
        #[source]
        source: serde_json::Error,
    },
    #[error("the body must be a JSON object")]
    NotAnObject,
    #[error("the body must be sent as content-type application/json")]
    ContentType,
    #[error("the body broke off")]
    Broken,
    #[error("the body did not arrive in time")]
    Slow,
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error(
        "{tokens} tokens of prompt and answer together are more than the {limit} that this model takes"
    )]
    TooLong {
        param: String,
        tokens: usize,
        limit: usize,
    },
    #[error("{bytes} bytes are more than the {limit} tokens that this model takes can spell")]
    TooManyBytes {
        param: String,
        bytes: usize,
        limit: usize,
    },
    #[error("this server wants its token, as 'authorization: Bearer TOKEN'")]
    Unauthorized,
    #[error("a server without a token answers only to the names of this machine's loopback")]
    Host,
    #[error("there is no model '{model}' here; this server has '{served}'")]
    UnknownModel { model: String, served: String },
    #[error("there is no such route")]
    NoRoute,
    #[error("this route does not take this method")]
    Method,
    #[error("too many requests are waiting; try again in a moment")]
    Full,
    #[error("the engine failed: {what}")]
    Engine { what: String },
    #[error("the request could not be logged, and nothing is answered unlogged")]
    Log,
}

impl Refusal {
    pub(super) fn invalid(param: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Invalid {
            param: param.into(),
            what: what.into(),
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Invalid { .. }
            | Self::Unsupported { .. }
            | Self::NotGranted { .. }
            | Self::NotJson { .. }
            | Self::NotAnObject
            | Self::Broken
            | Self::TooLong { .. }
            | Self::TooManyBytes { .. } => StatusCode::BAD_REQUEST,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Host => StatusCode::FORBIDDEN,
            Self::UnknownModel { .. } | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            Self::Engine { .. } | Self::Log => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// `error.code`, for programs.
    fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid_value",
            Self::Unsupported { .. } => "unsupported_parameter",
            Self::NotGranted { .. } => "not_granted",
            Self::NotJson { .. } | Self::NotAnObject => "invalid_json",
            Self::ContentType => "unsupported_media_type",
            Self::Broken => "incomplete_body",
            Self::Slow => "request_timeout",
            Self::TooLarge { .. } => "request_too_large",
            Self::TooLong { .. } | Self::TooManyBytes { .. } => "context_length_exceeded",
            Self::Unauthorized => "invalid_api_key",
            Self::Host => "unknown_host",
            Self::UnknownModel { .. } => "model_not_found",
            Self::NoRoute => "unknown_url",
            Self::Method => "method_not_allowed",
            Self::Full => "overloaded",
            Self::Engine { .. } => "engine_failed",
            Self::Log => "log_failed",
        }
    }

    fn param(&self) -> Option<&str> {
        match self {
            Self::Invalid { param, .. }
            | Self::Unsupported { param }
            | Self::TooLong { param, .. }
            | Self::TooManyBytes { param, .. } => Some(param),
            Self::NotGranted { param, .. } => Some(param),
            Self::UnknownModel { .. } => Some("model"),
            _ => None,
        }
    }

    /// The body: `{"error": {message, type, param, code}}`.
    pub(super) fn body(&self) -> Value {
        let kind = if self.status().is_server_error() {
            "server_error"
        } else {
            "invalid_request_error"
        };
        json!({"error": {
            "message": self.to_string(),
            "type": kind,
            "param": self.param(),
            "code": self.code(),
        }})
    }
}
