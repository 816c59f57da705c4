//! Commitments: what a seal says of every single piece of a bundle, so that a copy can show some of them
//! and withhold the others.
//!
//! The commitment to a piece is SHA-256 over a salt of 32 bytes and the piece's bytes. Without the salt it
//! says nothing about the piece, however easily that is guessed. The salts come from one secret, drawn when
//! the bundle is sealed: the key of a section is SHA-256 over the secret and the section's path, the salt
//! of its piece `n` (from 0) SHA-256 over that key and `n` as eight bytes, most significant first. Who
//! knows some of them knows nothing of the others.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::bag;
use super::error::LayoutError;
use super::form::{INFO_FILE, SECRET_FILE, unhex};
use crate::digest::hex;

/// Length of secret, salts and commitments in bytes.
pub(super) const LENGTH: usize = 32;

/// What the salts of one bundle are made of. Lies in the bundle and in no redacted copy of it.
pub struct Secret([u8; LENGTH]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// A secret of bytes that nobody can foresee: to be drawn anew for every seal.
    pub fn new(bytes: [u8; LENGTH]) -> Self {
        Self(bytes)
    }

    /// The one in a bundle.
    pub(super) fn read(root: &Path) -> Result<Option<Self>, LayoutError> {
        let bytes = match bag::whole(root, SECRET_FILE, 1 << 10) {
            Err(LayoutError::Missing { .. }) => return Ok(None),
            read => read?,
        };
        let text = String::from_utf8(bytes).unwrap_or_default();
        let secret = text.strip_suffix('\n').and_then(bytes_of).map(Self);
        secret.map(Some).ok_or_else(|| LayoutError::Secret {
            file: SECRET_FILE.to_owned(),
        })
    }

    /// As it stands in its file.
    pub(super) fn text(&self) -> String {
        hex(&self.0) + "\n"
    }

    /// The salts of a section.
    pub(super) fn salts(&self, section: &str) -> Salts {
        let key = Sha256::new().chain_update(self.0).chain_update(section);
        Salts(key.finalize().into())
    }

    /// What makes the bag's information, which tells the length of everything, impossible to guess.
    pub(super) fn blinding(&self) -> String {
        hex(&self.salts(INFO_FILE).of(0))
    }
}

/// The salts of a section's pieces.
pub(super) struct Salts([u8; LENGTH]);

impl Salts {
    pub(super) fn of(&self, n: u64) -> [u8; LENGTH] {
        let salt = Sha256::new().chain_update(self.0);
        salt.chain_update(n.to_be_bytes()).finalize().into()
    }
}

/// The commitment to a piece.
pub(super) fn commitment(salt: &[u8; LENGTH], piece: &[u8]) -> [u8; LENGTH] {
    let all = Sha256::new().chain_update(salt).chain_update(piece);
    all.finalize().into()
}

/// 32 bytes from lower-case hex, and nothing else.
pub(super) fn bytes_of(text: &str) -> Option<[u8; LENGTH]> {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let fits = text.len() == 2 * LENGTH && text.bytes().all(is_hex);
    fits.then(|| unhex(text).try_into().ok()).flatten()
}

/// What the seal says of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Committed {
    /// SHA-256 over the commitments of its pieces, in order, as bytes.
    pub(super) digest: String,
    /// How many pieces it has.
    pub(super) pieces: u64,
}

/// The commitments of a section, put together.
#[derive(Default)]
pub(super) struct Gathering {
    hasher: Sha256,
    pieces: u64,
}

impl Gathering {
    pub(super) fn push(&mut self, commitment: &[u8; LENGTH]) {
        self.hasher.update(commitment);
        self.pieces += 1;
    }

    /// How many there are so far.
    pub(super) fn pieces(&self) -> u64 {
        self.pieces
    }

    pub(super) fn end(self) -> Committed {
        Committed {
            digest: hex(&self.hasher.finalize()),
            pieces: self.pieces,
        }
    }
}

/// Every section by path.
pub(super) type Commitments = BTreeMap<String, Committed>;

/// As they stand in their file: a line a section.
pub(super) fn render(commitments: &Commitments) -> String {
    let lines = commitments.iter().map(|(path, of)| line(path, of));
    lines.collect()
}

fn line(path: &str, of: &Committed) -> String {
    format!("{}  {}  {path}\n", of.digest, of.pieces)
}

/// Reads them back; an error is the number of the line that is none.
pub(super) fn parse(bytes: &[u8]) -> Result<Commitments, usize> {
    let mut commitments = Commitments::new();
    for (i, text) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
        let read = || {
            let text = std::str::from_utf8(text).ok()?;
            let mut parts = text.trim_end_matches('\n').splitn(3, "  ");
            let committed = Committed {
                digest: hex(&bytes_of(parts.next()?)?),
                pieces: parts.next()?.parse().ok()?,
            };
            let path = parts.next()?.to_owned();
            // There is one way only to write it.
            (line(&path, &committed) == text).then_some((path, committed))
        };
        let (path, committed) = read().ok_or(i + 1)?;
        let last = commitments.last_key_value();
        if last.is_some_and(|(last, _)| *last >= path) {
            return Err(i + 1);
        }
        commitments.insert(path, committed);
    }
    Ok(commitments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commitments_are_those_of_another_implementation() {
        // Python: sha256(sha256(sha256(secret + b"data/x").digest() + (3).to_bytes(8)).digest() + b"yes")
        let secret = Secret::new([7; LENGTH]);
        let salt = secret.salts("data/x").of(3);
        assert_eq!(
            hex(&commitment(&salt, b"yes")),
            "46f0bca49ce19b57571e03f979fde40b64bb570fb2d25b948d9a8e8b2c20d9c6"
        );
        let mut gathering = Gathering::default();
        gathering.push(&commitment(&salt, b"yes"));
        gathering.push(&commitment(&salt, b"no"));
        let committed = gathering.end();
        assert_eq!(committed.pieces, 2);
        assert_eq!(
            committed.digest,
            "fa8286136d3a8bd3dade4ad89fec5398f9409469d14c63b1e8cc52c2ec4387d1"
        );
    }

    #[test]
    fn the_list_is_read_back_and_nothing_else_is() {
        let of = |pieces| Committed {
            digest: "ab".repeat(LENGTH),
            pieces,
        };
        let list = Commitments::from([("data/a".to_owned(), of(1)), ("data/b".to_owned(), of(20))]);
        let text = render(&list);
        assert_eq!(parse(text.as_bytes()), Ok(list));
        for (from, to, line) in [
            ("  20  ", "  020  ", 2),
            ("  20  ", "  +20  ", 2),
            ("  20  ", " 20  ", 2),
            ("data/b", "data/a", 2),
            ("ab", "AB", 1),
            ("data/b\n", "data/b", 2),
        ] {
            let text = text.replacen(from, to, 1);
            assert_eq!(parse(text.as_bytes()), Err(line), "{text}");
        }
    }

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::new([7; LENGTH])), "Secret");
    }
}
