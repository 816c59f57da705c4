//! Keys: never printed, logged or stored.

mod echo;

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use echo::Echoes;

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

    fn echoes(&self) -> Option<Echoes> {
        let key = self.expose();
        (key.len() >= SHORTEST).then(|| Echoes::of(key.as_bytes()))
    }

    /// What a server sent, with `[key]` wherever it echoed the key, however it was escaped or encoded
    /// (see [`echo`]).
    pub(super) fn scrub(&self, bytes: Vec<u8>) -> Vec<u8> {
        let masked = self.echoes().and_then(|echoes| echoes.mask(&bytes));
        masked.unwrap_or(bytes)
    }

    /// [`Self::scrub`] for text.
    pub(super) fn scrub_text(&self, text: &str) -> String {
        let masked = self.echoes().and_then(|echoes| echoes.text(text));
        masked.unwrap_or_else(|| text.to_owned())
    }

    /// [`Self::scrub`] for every name and text of JSON: what is read has one layer of escapes less than what was sent.
    pub(super) fn scrub_value(&self, value: &mut Value) {
        if let Some(echoes) = self.echoes() {
            scrub(&echoes, value);
        }
    }
}

fn scrub(echoes: &Echoes, value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(masked) = echoes.text(text) {
                *text = masked;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| scrub(echoes, item)),
        Value::Object(fields) => {
            fields.values_mut().for_each(|value| scrub(echoes, value));
            if fields.keys().any(|name| echoes.text(name).is_some()) {
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(name, value)| (echoes.text(&name).unwrap_or(name), value))
                    .collect();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
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
        let mut value = Value::from("EMPTY");
        secret.scrub_value(&mut value);
        assert_eq!(value, "EMPTY");
    }

    #[test]
    fn names_and_texts_of_json_are_masked_at_every_depth() {
        let secret = Secret::new("sk-SECRETKEY".to_owned());
        let mut value = serde_json::json!({
            "a": [{ "sk-SECRETKEY": "x sk-\\u0053ECRETKEY" }, 1, null],
            "b": "SK-secretkey",
        });
        secret.scrub_value(&mut value);
        assert_eq!(
            value,
            serde_json::json!({ "a": [{ "[key]": "x [key]" }, 1, null], "b": "SK-secretkey" })
        );
    }
}
