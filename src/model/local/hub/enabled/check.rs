//! Digests of a file, and what they are compared with.
//!
//! The commit pins every file through git. A small file is a git object itself, so its object name
//! is checked. For a large one git holds a three-line pointer with the SHA-256 and the length, and
//! that text is rebuilt from the bytes on disk: its object name then proves the SHA-256 even where
//! the hub client does not pass the SHA-256 on.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use sha2::{Digest as _, Sha256};

use super::super::{HubCheck, HubError};
use super::plan::Entry;

const CHUNK: usize = 1 << 20;

/// What a file must be, as far as it is known before its bytes are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Expected {
    /// SHA-256 of the bytes.
    pub(super) sha256: Option<String>,
    /// Git object of the file itself.
    pub(super) blob: Option<String>,
    /// Git object of the pointer.
    pub(super) pointer: Option<String>,
}

impl Expected {
    /// What a listing entry says; `sha256` is what the hub gave besides.
    pub(super) fn of(entry: &Entry, sha256: Option<String>) -> Self {
        let Some(large) = &entry.large else {
            return Self {
                blob: Some(entry.object.clone()),
                ..Self::default()
            };
        };
        let usual = pointer_text(&"0".repeat(64), entry.bytes).len() as u64;
        Self {
            sha256: large.sha256.clone().or(sha256),
            blob: None,
            // A pointer with extension lines cannot be rebuilt.
            pointer: (large.pointer.is_none_or(|length| length == usual))
                .then(|| entry.object.clone()),
        }
    }

    /// What the name of a blob in the cache says: both kinds of name are digests.
    pub(super) fn of_blob_name(name: &str) -> Self {
        Self {
            sha256: is_sha256(name).then(|| name.to_owned()),
            blob: is_commit(name).then(|| name.to_owned()),
            pointer: None,
        }
    }

    /// The name of the blob in the cache, where it is known.
    pub(super) fn blob_name(&self) -> Option<&str> {
        self.sha256.as_deref().or(self.blob.as_deref())
    }

    /// Whether there is anything to compare with.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The digests of a file on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) bytes: u64,
    pub(super) sha256: String,
    blob: Option<String>,
}

impl Found {
    /// Reads a file once; the git object is computed only where it will be compared.
    pub(super) fn read(path: &Path, expected: &Expected) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let length = fs::metadata(path)?.len();
        let mut sha256 = Sha256::new();
        let mut blob = expected.blob.is_some().then(|| {
            let mut sha1 = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
            sha1.update(format!("blob {length}\0").as_bytes());
            sha1
        });
        let mut chunk = vec![0; CHUNK];
        let mut bytes = 0;
        loop {
            let count = file.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            bytes += count as u64;
            sha256.update(&chunk[..count]);
            if let Some(sha1) = &mut blob {
                sha1.update(&chunk[..count]);
            }
        }
        Ok(Self {
            bytes,
            sha256: hex(&sha256.finalize()),
            blob: blob.map(|sha1| hex(sha1.finish().as_ref())),
        })
    }

    /// Compares with everything that is expected, and says which comparison counts most.
    pub(super) fn compare(&self, file: &str, expected: &Expected) -> Result<HubCheck, HubError> {
        let differs = |expected: String, found: String| HubError::Digest {
            file: file.to_owned(),
            expected,
            found,
        };
        let mut check = HubCheck::Nothing;
        if let (Some(wanted), Some(found)) = (&expected.blob, &self.blob) {
            if wanted != found {
                return Err(differs(
                    format!("git blob {wanted}"),
                    format!("git blob {found}"),
                ));
            }
            check = HubCheck::Blob;
        }
        if let Some(wanted) = &expected.sha256 {
            if *wanted != self.sha256 {
                return Err(differs(
                    format!("sha256 {wanted}"),
                    format!("sha256 {}", self.sha256),
                ));
            }
            check = HubCheck::Sha256;
        }
        if let Some(wanted) = &expected.pointer {
            let found = pointer_object(&self.sha256, self.bytes);
            if *wanted != found {
                let found = format!("git pointer {found} (sha256 {})", self.sha256);
                return Err(differs(format!("git pointer {wanted}"), found));
            }
            check = HubCheck::Pointer;
        }
        Ok(check)
    }
}

/// The git object of the pointer to a file with this digest and length.
pub(super) fn pointer_object(sha256: &str, bytes: u64) -> String {
    let text = pointer_text(sha256, bytes);
    let mut sha1 = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    sha1.update(format!("blob {}\0", text.len()).as_bytes());
    sha1.update(text.as_bytes());
    hex(sha1.finish().as_ref())
}

/// Whether a text is the full name of a commit or another git object, in lowercase hexadecimal.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && is_hex(text)
}

/// Whether a text is a SHA-256 in lowercase hexadecimal.
pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn pointer_text(sha256: &str, bytes: u64) -> String {
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {bytes}\n")
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::super::plan::Large;
    use super::*;

    fn found(text: &str, expected: &Expected) -> Found {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, text).unwrap();
        Found::read(&path, expected).unwrap()
    }

    /// Objects, digests and lengths as the public hub lists them for three well-known files.
    #[test]
    fn pointers_of_published_files_are_rebuilt() {
        for (object, sha256, bytes) in [
            (
                "1a51dee18d79e82a14574214c505cd004fc010de",
                "c0dd304d761e8e05d082cc2902d7624a7f87858fdfaa4ef098330ffe767ff0d3",
                2_825_940_672,
            ),
            (
                "819841c70bdf4488c4ff778f8becdcb37df43969",
                "1fc70f774d38eb169993ac391eea357ef47c88757ef72ee5943879b7e8e2bc69",
                1_624_555_275,
            ),
            (
                "2e96f326e6c2c147b1709405b4bd7ee47a6ac94d",
                "27ae60300386eb5e825976dd3346bd6329e0effb7948961e10c90aefc003874c",
                2_391_955_766,
            ),
        ] {
            assert_eq!(pointer_object(sha256, bytes), object);
            assert_eq!(pointer_text(sha256, bytes).len(), 135);
        }
    }

    /// `printf 'hello\n' | git hash-object --stdin` and `| sha256sum`.
    #[test]
    fn digests_of_a_known_text() {
        let expected = Expected::of_blob_name("ce013625030ba8dba906f756967f9e9ca394464a");
        let found = found("hello\n", &expected);
        assert_eq!(
            found.sha256,
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
        );
        assert_eq!(found.compare("f", &expected).unwrap(), HubCheck::Blob);
    }

    #[test]
    fn a_mismatch_names_both_digests() {
        let wanted = "0".repeat(64);
        let expected = Expected::of_blob_name(&wanted);
        let found = found("hello\n", &expected);
        let text = found.compare("f", &expected).unwrap_err().to_string();
        assert!(
            text.contains(&wanted) && text.contains(&found.sha256),
            "{text}"
        );
    }

    #[test]
    fn an_unusual_pointer_is_not_rebuilt() {
        let mut entry = Entry {
            bytes: 1_000,
            object: "1".repeat(40),
            large: Some(Large {
                sha256: None,
                pointer: Some(129),
            }),
        };
        assert!(Expected::of(&entry, None).pointer.is_some());
        entry.large = Some(Large {
            sha256: None,
            pointer: Some(200),
        });
        assert!(Expected::of(&entry, None).is_empty());
        assert_eq!(
            Expected::of(&entry, Some("a".repeat(64))).blob_name(),
            Some("a".repeat(64).as_str())
        );
    }
}
