//! Time stamps (RFC 3161) of the tag manifest of a sealed bundle, which date the seal. The request is
//! written here; whether the authority signed the reply is for `openssl ts -verify`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::SignatureError;
use super::form::{
    MAX_WHOLE, SIGNATURE_FILE, STAMP_REPLY_FILE, STAMP_REQUEST_FILE, TAG_MANIFEST_FILE, unhex,
};
use super::seal::{MAX_SMALL, SealError, whole};
use super::{CheckedBundle, bag};
use crate::digest;

/// What became of a time stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stamp {
    /// The request was written here; an authority has to answer it.
    Request(PathBuf),
    /// The reply was stored here.
    Reply(PathBuf),
}

/// Writes the request for a time stamp of a sealed bundle: RFC 3161, SHA-256 of the tag manifest, a nonce
/// from it, the authority's certificate asked for.
///
/// # Errors
///
/// When the bundle is not sealed or cannot be written.
pub fn stamp_request(bundle: &CheckedBundle) -> Result<Stamp, SealError> {
    let root = bundle.path();
    let digest = stamped(root)?;
    bag::put(root, STAMP_REQUEST_FILE, &request(&digest)).map_err(SealError::Write)?;
    Ok(Stamp::Request(root.join(STAMP_REQUEST_FILE)))
}

/// Stores an authority's reply beside the seal, if it grants a stamp of this bundle. Whether the
/// authority signed it is for `openssl ts -verify`.
///
/// # Errors
///
/// When it is no such reply, or the bundle is not sealed or cannot be written.
pub fn store_stamp(bundle: &CheckedBundle, reply: &Path) -> Result<Stamp, SealError> {
    let root = bundle.path();
    let digest = stamped(root)?;
    let wrong = || SealError::Stamp {
        path: reply.to_owned(),
    };
    let failed = |source| SealError::Read {
        path: reply.to_owned(),
        source,
    };
    if fs::metadata(reply).map_err(failed)?.len() > MAX_SMALL {
        return Err(wrong());
    }
    let bytes = fs::read(reply).map_err(failed)?;
    if !grants(&bytes, &digest) {
        return Err(wrong());
    }
    bag::put(root, STAMP_REPLY_FILE, &bytes).map_err(SealError::Write)?;
    Ok(Stamp::Reply(root.join(STAMP_REPLY_FILE)))
}

/// The request for a time stamp of a file (a plan, a commitment): whoever has the authority's answer can show that the
/// file was there before what is dated later.
pub(super) fn file_request(file: &[u8]) -> Vec<u8> {
    request(&unhex(&digest::of_bytes(file)))
}

/// An authority's answer, if it grants a stamp of the file with this digest. Whether the authority signed it is for
/// `openssl ts -verify`.
pub(super) fn dates_file(reply: &[u8], digest: &str) -> bool {
    let digest = unhex(digest);
    digest.len() == 32 && grants(reply, &digest)
}

fn stamped(root: &Path) -> Result<Vec<u8>, SealError> {
    if !root.join(SIGNATURE_FILE).exists() {
        return Err(SealError::Unsealed {
            path: root.to_owned(),
        });
    }
    let manifest = bag::whole(root, TAG_MANIFEST_FILE, MAX_WHOLE).map_err(SealError::Write)?;
    Ok(unhex(&digest::of_bytes(&manifest)))
}

/// `TimeStampReq` of RFC 3161, section 2.4.1, in DER.
fn request(digest: &[u8]) -> Vec<u8> {
    // AlgorithmIdentifier of SHA-256 with NULL parameters, then the digest as an octet string.
    let algorithm = [
        0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    ];
    let imprint = [&[0x30, 0x31], &algorithm[..], &[0x04, 0x20], digest].concat();
    // A positive integer of eight bytes without a leading zero.
    let mut nonce = unhex(&digest::of_bytes(digest))[..8].to_vec();
    nonce[0] = nonce[0] & 0x7f | 0x40;
    let body = [
        &[0x02, 0x01, 0x01],
        &imprint[..],
        &[0x02, 0x08],
        &nonce,
        &[0x01, 0x01, 0xff],
    ]
    .concat();
    let length = u8::try_from(body.len()).unwrap_or(0);
    [&[0x30, length], &body[..]].concat()
}

/// Whether a `TimeStampResp` covers all its bytes, grants a stamp, and speaks of this digest.
fn grants(reply: &[u8], digest: &[u8]) -> bool {
    let Some((body, [])) = element(reply, 0x30) else {
        return false;
    };
    let granted = element(body, 0x30).and_then(|(status, token)| {
        let (code, _) = element(status, 0x02)?;
        let (_, rest) = element(token, 0x30)?;
        Some(rest.is_empty() && matches!(code, [0 | 1]))
    });
    let imprint = [&[0x04, 0x20], digest].concat();
    granted == Some(true) && body.windows(imprint.len()).any(|w| w == imprint)
}

/// One DER element of a type: its content, and what follows.
fn element(bytes: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(2)?;
    if head[0] != kind {
        return None;
    }
    let (length, rest) = match head[1] {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long - 0x80))?;
            let length = digits.iter().fold(0, |n, d| n << 8 | usize::from(*d));
            (length, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// No time stamp may stand beside a bundle without a seal.
pub(super) fn check_alone(files: &BTreeMap<String, u64>) -> Result<(), SignatureError> {
    for file in [STAMP_REQUEST_FILE, STAMP_REPLY_FILE] {
        if files.contains_key(file) {
            return Err(SignatureError::Stamp {
                file: file.to_owned(),
            });
        }
    }
    Ok(())
}

/// A stamp that is there must be of this bundle's seal.
pub(super) fn check(
    root: &Path,
    files: &BTreeMap<String, u64>,
) -> Result<&'static str, SignatureError> {
    let digest = unhex(&digest::of_bytes(&whole(root, TAG_MANIFEST_FILE)?));
    let wrong = |file: &str| SignatureError::Stamp {
        file: file.to_owned(),
    };
    if files.contains_key(STAMP_REQUEST_FILE)
        && whole(root, STAMP_REQUEST_FILE)? != request(&digest)
    {
        return Err(wrong(STAMP_REQUEST_FILE));
    }
    if !files.contains_key(STAMP_REPLY_FILE) {
        return Ok("");
    }
    if !grants(&whole(root, STAMP_REPLY_FILE)?, &digest) {
        return Err(wrong(STAMP_REPLY_FILE));
    }
    Ok("; with a time stamp, which openssl ts -verify checks")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn der_is_read_within_its_bounds() {
        assert_eq!(element(&[0x30, 1, 7, 9], 0x30), Some((&[7][..], &[9][..])));
        assert_eq!(element(&[0x30, 2, 7], 0x30), None);
        assert_eq!(element(&[0x30, 0x84, 255, 255, 255, 255, 7], 0x30), None);
        assert_eq!(element(&[0x30, 0x80, 0, 0], 0x30), None);
        assert_eq!(element(&[], 0x30), None);
    }

    #[test]
    fn a_reply_about_something_else_grants_nothing() {
        let digest = [7; 32];
        let reply = |status: u8, digest: &[u8]| {
            let token = [&[0x30, 34, 0x04, 0x20], digest].concat();
            let body = [&[0x30, 3, 0x02, 1, status], &token[..]].concat();
            [&[0x30, u8::try_from(body.len()).unwrap()], &body[..]].concat()
        };
        assert!(grants(&reply(0, &digest), &digest) && grants(&reply(1, &digest), &digest));
        assert!(!grants(&reply(2, &digest), &digest));
        assert!(!grants(&reply(0, &[8; 32]), &digest));
        assert!(!grants(&[reply(0, &digest), vec![0]].concat(), &digest));
    }
}
