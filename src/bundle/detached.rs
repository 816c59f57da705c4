//! The seal of a single file that stands outside a bundle, such as the commitment to marks: an SSH signature beside it
//! (`FILE.sig`), and a time stamp (`FILE.tsq`, `FILE.tsr`), made and checked as those of bundles are.

use std::io;
use std::path::{Path, PathBuf};

use super::error::{LayoutError, SignatureError};
use super::form::MAX_WHOLE;
use super::seal::{MAX_SMALL, SealError, check_over, private_key, signature_over};
use super::{Demand, bag, stamp};
use crate::digest;

/// The seal of a file does not hold.
#[derive(Debug, thiserror::Error)]
pub enum FileSealError {
    /// A signer was demanded, and nobody signed.
    #[error("'{file}' is missing, and a signer was demanded")]
    Missing {
        /// The signature's file.
        file: String,
    },
    /// The signature does not hold.
    #[error("the signature of '{file}' does not hold")]
    Signature {
        /// The file that should be signed.
        file: String,
        /// The cause.
        #[source]
        source: Box<SignatureError>,
    },
    /// A time stamp of something else.
    #[error("'{stamp}' is no time stamp of '{file}'")]
    Stamp {
        /// The time stamp's file.
        stamp: String,
        /// The file that should be stamped.
        file: String,
    },
    /// A file cannot be read.
    #[error("cannot read what should be sealed")]
    Read(#[source] LayoutError),
}

/// The files of a file's seal: signature, request for a time stamp, time stamp.
pub fn seal_files(file: &str) -> [String; 3] {
    ["sig", "tsq", "tsr"].map(|ending| format!("{file}.{ending}"))
}

/// Signs a file of a directory; gives the public key as `allowed_signers` wants it.
///
/// # Errors
///
/// When the key cannot be used, the file is signed already, or the directory cannot be read or written.
pub fn seal_file(
    root: &Path,
    file: &str,
    key: &Path,
    namespace: &str,
    passphrase: impl FnOnce() -> io::Result<String>,
) -> Result<String, SealError> {
    let [signed, ..] = seal_files(file);
    if root.join(&signed).exists() {
        return Err(SealError::Sealed {
            path: root.join(file),
        });
    }
    let bytes = bag::whole(root, file, MAX_WHOLE).map_err(SealError::Write)?;
    let private = private_key(key, passphrase)?;
    let (signature, public) = signature_over(&private, namespace, &bytes)?;
    bag::put(root, &signed, signature.as_bytes()).map_err(SealError::Write)?;
    Ok(public)
}

/// Writes the request for a time stamp of a file (RFC 3161), to be sent to an authority.
///
/// # Errors
///
/// When the directory cannot be read or written.
pub fn request_file_stamp(root: &Path, file: &str) -> Result<PathBuf, SealError> {
    let [_, request, _] = seal_files(file);
    let bytes = bag::whole(root, file, MAX_WHOLE).map_err(SealError::Write)?;
    bag::put(root, &request, &stamp::file_request(&bytes)).map_err(SealError::Write)?;
    Ok(root.join(request))
}

/// Stores an authority's reply beside a file, if it grants a stamp of it.
///
/// # Errors
///
/// When it is no such reply, or the directory cannot be read or written.
pub fn store_file_stamp(root: &Path, file: &str, reply: &Path) -> Result<PathBuf, SealError> {
    let [_, _, stored] = seal_files(file);
    let bytes = bag::whole(root, file, MAX_WHOLE).map_err(SealError::Write)?;
    let parent = reply.parent().unwrap_or(Path::new(""));
    let name = reply.file_name().and_then(|name| name.to_str());
    let granted = name.map(|name| bag::whole(parent, name, MAX_SMALL));
    let granted = granted.transpose().map_err(SealError::Write)?;
    let granted = granted.filter(|reply| stamp::dates_file(reply, &digest::of_bytes(&bytes)));
    let Some(granted) = granted else {
        return Err(SealError::Stamp {
            path: reply.to_owned(),
        });
    };
    bag::put(root, &stored, &granted).map_err(SealError::Write)?;
    Ok(root.join(stored))
}

/// The seal of a file, as far as it is there; what is there holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSeal {
    /// Who signed it, and whether it is dated, in words.
    pub words: String,
    /// It has a time stamp.
    pub dated: bool,
}

/// Checks the seal that stands beside a file.
///
/// # Errors
///
/// When a signature or a time stamp is of something else, or a signer is demanded who did not sign.
pub fn check_file_seal(
    root: &Path,
    file: &str,
    demand: &Demand,
) -> Result<FileSeal, FileSealError> {
    let [signed, request, reply] = seal_files(file);
    let read = |file: &str, limit| match bag::whole(root, file, limit) {
        Err(LayoutError::Missing { .. }) => Ok(None),
        read => read.map(Some).map_err(FileSealError::Read),
    };
    let bytes = bag::whole(root, file, MAX_WHOLE).map_err(FileSealError::Read)?;
    let by = match read(&signed, MAX_SMALL)? {
        None if demand.needs_seal() => {
            return Err(FileSealError::Missing { file: signed });
        }
        None => "unsigned".to_owned(),
        Some(pem) => {
            let checked = check_over(&signed, &pem, &bytes, demand);
            let (_, by) = checked.map_err(|source| FileSealError::Signature {
                file: file.to_owned(),
                source: Box::new(source),
            })?;
            format!("signed by {by}")
        }
    };
    let other = |stamp: String| FileSealError::Stamp {
        stamp,
        file: file.to_owned(),
    };
    if let Some(found) = read(&request, MAX_SMALL)?
        && found != stamp::file_request(&bytes)
    {
        return Err(other(request));
    }
    let reply_found = read(&reply, MAX_SMALL)?;
    let dates = |found: &Vec<u8>| stamp::dates_file(found, &digest::of_bytes(&bytes));
    if reply_found.as_ref().is_some_and(|found| !dates(found)) {
        return Err(other(reply));
    }
    let dated = reply_found.is_some();
    let words = if dated {
        format!("{by}; with a time stamp, which openssl ts -verify checks")
    } else {
        format!("{by}; without a time stamp")
    };
    Ok(FileSeal { words, dated })
}
