//! From the name of an endpoint to its address, dialect and key.

use super::secret::Secret;
use super::wire::Dialect;

/// How the key travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Auth {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// A header of this name.
    Header(&'static str),
}

/// An endpoint, settled from its name and the environment.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The name by which the user pointed at it.
    pub name: String,
    /// The provider or the kind of server.
    pub provider: String,
    /// The address that paths are appended to, without a slash at its end.
    pub url: String,
    /// The model to ask for.
    pub model: String,
    /// The dialect to speak.
    pub(super) dialect: Dialect,
    /// How the key travels.
    pub(super) auth: Auth,
    /// The key, if one is needed.
    pub(super) key: Option<Secret>,
}
