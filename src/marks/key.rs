//! Keys: what is planted where, and the secrets that salt commitments.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::digest;

/// Length of a key in bytes.
pub const KEY_BYTES: usize = 32;

/// The key of a channel. It does not print, and it does not serialise: whoever wants it in a file has to say so
/// ([`Key::reveal`]).
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; KEY_BYTES]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// A key of bytes that nobody can foresee.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// A key from 64 lower-case hexadecimal digits; `None` if the text is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != KEY_BYTES || !rest.is_empty() {
            return None;
        }
        let mut bytes = [0; KEY_BYTES];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(bytes))
    }

    /// The key as 64 hexadecimal digits: whoever sees them can tell every answer that the channel planted.
    pub fn reveal(&self) -> String {
        digest::hex(&self.0)
    }

    /// SHA-256 of the key's bytes, which says nothing of a key that nobody could foresee.
    pub fn digest(&self) -> String {
        digest::of_bytes(&self.0)
    }

    /// HMAC-SHA256 over a message.
    pub(super) fn mac(&self, message: &[u8]) -> [u8; 32] {
        // RFC 2104 takes keys of any length, so this one is never refused.
        match Hmac::<Sha256>::new_from_slice(&self.0) {
            Ok(mac) => mac.chain_update(message).finalize().into_bytes().into(),
            Err(error) => unreachable!("HMAC takes keys of any length: {error}"),
        }
    }

    /// The option that the channel answers a prompt with: HMAC-SHA256(key, prompt's id) as a whole number, most
    /// significant byte first, modulo `options`. All options are equally likely to within `options / 2^256`.
    ///
    /// # Panics
    ///
    /// If there are no options.
    pub fn planted(&self, id: &str, options: usize) -> usize {
        let mac = self.mac(id.as_bytes());
        let rest = |rest: usize, byte: &u8| (rest * 256 + usize::from(*byte)) % options;
        mac.iter().fold(0, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        let mut bytes = [0; KEY_BYTES];
        (0..).zip(&mut bytes).for_each(|(i, byte)| *byte = i);
        Key::new(bytes)
    }

    // RFC 4231, test case 2 has a short key; these are Python's hmac.new(bytes(range(32)), b"name-000", sha256) as a
    // big-endian integer, modulo 4 and 7.
    #[test]
    fn planted_options_are_those_of_another_implementation() {
        let of = |options| -> Vec<usize> {
            let ids = (0..12).map(|i| format!("name-{i:03}"));
            ids.map(|id| key().planted(&id, options)).collect()
        };
        assert_eq!(of(4), [3, 0, 2, 2, 1, 3, 1, 2, 0, 3, 3, 0]);
        assert_eq!(of(7), [3, 3, 6, 5, 3, 2, 4, 4, 4, 4, 0, 2]);
        assert_eq!(
            digest::hex(&key().mac(&5_u64.to_be_bytes())),
            "1d38b971592b55805513013616251d3c4013d27a3ff9178904f477c81253b1f0"
        );
    }

    #[test]
    fn every_option_is_planted_equally_often() {
        let mut counts = [0_u32; 5];
        (0..10_000).for_each(|i| counts[key().planted(&i.to_string(), 5)] += 1);
        // Four standard deviations of a binomial with 10,000 draws at one fifth.
        assert!(counts.iter().all(|c| c.abs_diff(2000) < 160), "{counts:?}");
    }

    #[test]
    fn keys_are_read_as_they_are_written_and_do_not_print() {
        let text = key().reveal();
        assert_eq!(Key::parse(&text), Some(key()));
        assert_eq!(Key::parse(&text.to_uppercase()), None);
        assert_eq!(Key::parse(&"g".repeat(64)), None);
        assert_eq!(Key::parse(&text[..62]), None);
        assert_eq!(Key::parse(&format!("{text}0")), None);
        assert_eq!(Key::parse(&format!("{}é", &text[..62])), None);
        assert_eq!(format!("{:?}", key()), "Key");
    }
}
