//! SHA-256 as lower-case hex, over bytes, files and values.

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::path::Path;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    text
}

/// The digest of some bytes.
pub fn of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The digest of a value's JSON. Struct fields keep their order and maps are ordered, so equal values
/// have equal digests.
///
/// # Panics
///
/// Never for the plain data types of this crate, whose JSON cannot fail.
pub fn of_value<T: Serialize>(value: &T) -> String {
    match serde_json::to_vec(value) {
        Ok(bytes) => of_bytes(&bytes),
        Err(error) => unreachable!("plain data serialises: {error}"),
    }
}

/// A seed for a random generator, as a digest of all that it shall depend on.
pub fn seed<T: Serialize>(value: &T) -> [u8; 32] {
    Sha256::digest(of_value(value).as_bytes()).into()
}

/// The first half of a digest of a value: a key for sets that must stay small, good for one run of this
/// program. Two of a million values share one with a probability of about 1e-27.
pub(crate) fn key(value: &impl Hash) -> u128 {
    let mut hashing = Hashing(Sha256::new());
    value.hash(&mut hashing);
    half(hashing.0)
}

/// What makes up a value, as `Hash` spells it out, into SHA-256.
struct Hashing(Sha256);

impl Hasher for Hashing {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // Nobody asks; but it is a digest of what was written.
        (half(self.0.clone()) >> 64) as u64
    }
}

fn half(hasher: Sha256) -> u128 {
    let digest = hasher.finalize();
    digest[..16]
        .iter()
        .fold(0, |half, byte| half << 8 | u128::from(*byte))
}

/// The digest and the length of a file.
///
/// # Errors
///
/// When the file cannot be read.
pub fn of_file(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 20];
    let mut length = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((hex(&hasher.finalize()), length));
        }
        hasher.update(&buffer[..read]);
        length += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_agree_with_the_published_vectors() {
        // FIPS 180-2, appendix B.1, and the empty string.
        assert_eq!(
            of_bytes(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            of_bytes(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
