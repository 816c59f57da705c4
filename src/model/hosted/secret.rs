//! Keys: never printed, logged or stored.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

/// An API key. It prints as nothing and does not serialise; only the transport reads it.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a key.
    pub fn new(key: String) -> Self {
        Self(SecretString::from(key))
    }

    /// The key itself, for the one header that carries it.
    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
