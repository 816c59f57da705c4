//! SHA-256 as lower-case hex, over bytes, files and values.

use std::fs::File;
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

/// The first half of the digest of a value's JSON: a key for sets that must stay small. Two of a
/// million values share one with a probability of about 1e-27.
///
/// # Panics
///
/// Never for the plain data types of this crate, whose JSON cannot fail.
pub fn key<T: Serialize>(value: &T, buffer: &mut Vec<u8>) -> [u8; 16] {
    buffer.clear();
    if let Err(error) = serde_json::to_writer(&mut *buffer, value) {
        unreachable!("plain data serialises: {error}");
    }
    let mut key = [0; 16];
    key.copy_from_slice(&Sha256::digest(buffer)[..16]);
    key
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
