//! The token that clients must show.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A shorter token could be guessed.
const SHORTEST: usize = 16;

/// A token, of which only the digest is kept. It prints as nothing.
#[derive(Clone)]
pub struct Token([u8; 32]);

/// A text that is no token.
#[derive(Debug, thiserror::Error)]
#[error("a token must have at least {SHORTEST} visible ASCII characters and no space")]
pub struct NoToken;

impl Token {
    /// Takes a token; white space around it is dropped.
    ///
    /// # Errors
    ///
    /// When it is shorter than 16 characters, or holds any that a header cannot carry.
    pub fn new(text: &str) -> Result<Self, NoToken> {
        let text = text.trim();
        if text.len() < SHORTEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NoToken);
        }
        Ok(Self(Sha256::digest(text.as_bytes()).into()))
    }

    /// Whether a header `Bearer TOKEN` shows this token. The digests are compared in full whatever they
    /// are, so the time taken tells nothing of how much was right.
    pub(super) fn is_shown_by(&self, header: &[u8]) -> bool {
        let Some((scheme, shown)) = header.split_at_checked(7) else {
            return false;
        };
        let shown: [u8; 32] = Sha256::digest(shown.trim_ascii()).into();
        let pairs = self.0.iter().zip(shown);
        let difference = pairs.fold(0, |all, (a, b)| all | (a ^ b));
        scheme.eq_ignore_ascii_case(b"bearer ") && std::hint::black_box(difference) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_taken() {
        let token = Token::new(" 0123456789abcdef\n").unwrap();
        assert!(token.is_shown_by(b"Bearer 0123456789abcdef"));
        assert!(token.is_shown_by(b"bearer 0123456789abcdef"));
        for wrong in [
            "Bearer 0123456789abcdeF",
            "Bearer 0123456789abcde",
            "Bearer ",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
            "",
        ] {
            assert!(!token.is_shown_by(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "Token");
    }

    #[test]
    fn what_can_be_guessed_is_no_token() {
        for text in ["", "short", "sixteen letters ", "ünïcödé-0123456789"] {
            assert!(Token::new(text).is_err(), "{text}");
        }
    }
}
