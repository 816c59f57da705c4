//! Keys: never printed, logged or stored.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

/// What stands where a server echoed the key.
const MASK: &[u8] = b"[key]";
/// Shorter keys are placeholders for servers that want any ("EMPTY", "ollama"), and masking them would
/// tear words out of answers.
const SHORTEST: usize = 8;

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

    /// What a server sent, with `[key]` wherever it echoed the key.
    pub(super) fn scrub(&self, bytes: Vec<u8>) -> Vec<u8> {
        let key = self.expose();
        if key.len() < SHORTEST {
            return bytes;
        }
        let escaped = serde_json::Value::from(key).to_string();
        let slashed = key.replace('/', "\\/");
        [key, escaped.trim_matches('"'), &slashed]
            .into_iter()
            .fold(bytes, |bytes, form| mask(bytes, form.as_bytes()))
    }

    /// [`Self::scrub`] for text.
    pub(super) fn scrub_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.scrub(text.as_bytes().to_vec())).into_owned()
    }
}

fn mask(bytes: Vec<u8>, key: &[u8]) -> Vec<u8> {
    let find = |from: usize| {
        let found = bytes[from..].windows(key.len()).position(|w| w == key);
        found.map(|at| from + at)
    };
    let Some(mut next) = find(0) else {
        return bytes;
    };
    let (mut out, mut done) = (Vec::with_capacity(bytes.len()), 0);
    loop {
        out.extend_from_slice(&bytes[done..next]);
        out.extend_from_slice(MASK);
        done = next + key.len();
        match find(done) {
            Some(at) => next = at,
            None => break,
        }
    }
    out.extend_from_slice(&bytes[done..]);
    out
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echoed_key_is_masked_wherever_it_stands_and_however_it_is_escaped() {
        let secret = Secret::new("sk/\"quoted\"-1234".to_owned());
        let echo = r#"a sk/"quoted"-1234 sk/\"quoted\"-1234sk\/"quoted"-1234"#;
        assert_eq!(secret.scrub_text(echo), "a [key] [key][key]");
        assert_eq!(secret.scrub_text(""), "");
        assert_eq!(format!("{secret:?}"), "Secret");
    }

    #[test]
    fn a_placeholder_is_no_key() {
        let secret = Secret::new("EMPTY".to_owned());
        assert_eq!(secret.scrub_text("EMPTY words"), "EMPTY words");
    }
}
