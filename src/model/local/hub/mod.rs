//! Fetching a model's files from a model hub, for the local engine.
//!
//! A reference such as `hf:org/name@revision` is resolved to one commit, the few files the engine
//! needs are brought into the standard hub cache (so other tools share them), and each is checked
//! against the digest that the commit holds for it. Nothing is executed and no pickle is fetched.
//!
//! | part | its concern |
//! | --- | --- |
//! | this file | plain values: options, events, what was fetched |
//! | `reference` | the text form of a reference, refused when it could name another path |
//! | `error` | what can go wrong, with one hint for each |
//! | `enabled` / `disabled` | the work itself, with the cargo feature `hub` / a refusal without it |
//!
//! **Trust.** The reference, the commit's listing and the bytes are all untrusted: a name from the
//! server never leaves the snapshot, a file is never longer than declared, and a digest that does
//! not match removes the file. The token is found and sent by the hub client under its own rule
//! (`HF_TOKEN`, then the stored token) and is in no event and no error.
//!
//! This module must not know how weights are read, and names no HTTP client.

use std::path::PathBuf;

mod error;
mod reference;

#[cfg(not(feature = "hub"))]
mod disabled;
#[cfg(feature = "hub")]
mod enabled;

#[cfg(not(feature = "hub"))]
pub use disabled::fetch;
#[cfg(feature = "hub")]
pub use enabled::fetch;

pub use error::{HubCause, HubError, HubStep};
pub use reference::{HubReference, HubReferenceError};

/// How to fetch: where from, where to, and whether the network may be used.
#[derive(Debug, Clone, Default)]
pub struct HubOptions {
    /// Uses the cache only; `HF_HUB_OFFLINE=1` has the same effect.
    pub offline: bool,
    /// The cache's root instead of `HF_HUB_CACHE`, `$HF_HOME/hub` or the usual home folder.
    pub cache: Option<PathBuf>,
    /// The hub's address instead of `HF_ENDPOINT` or the public hub.
    pub endpoint: Option<String>,
}

/// The files of one commit, as they lie in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSnapshot {
    /// The folder that holds the files under their names in the repository.
    pub directory: PathBuf,
    /// The full commit the revision stood for.
    pub commit: String,
    /// The files taken, sorted by name.
    pub files: Vec<HubFile>,
}

/// One file of a snapshot, with the digest of the bytes on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubFile {
    /// Its path in the repository, with `/` between folders.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, in lowercase hexadecimal.
    pub sha256: String,
    /// What its bytes were compared with.
    pub check: HubCheck,
}

/// What a file's bytes were compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubCheck {
    /// The SHA-256 that the hub or the cache gives for the file.
    Sha256,
    /// The git object of the large-file pointer, which contains the file's SHA-256 and length.
    Pointer,
    /// The git object of the file itself.
    Blob,
    /// Nothing: the cache holds a plain copy, and the network was not to be used.
    Nothing,
}

/// What happens during a fetch, in order, for a progress display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HubEvent {
    /// The revision stands for this commit.
    Resolved {
        /// The full commit.
        commit: String,
    },
    /// More files are known to be needed; shards follow once their index is read.
    Planned {
        /// How many files were added.
        files: usize,
        /// Their declared length together.
        bytes: u64,
    },
    /// Another process is fetching the same file; this one waits for it.
    Waiting {
        /// The file's name.
        file: String,
    },
    /// The file is in the cache already.
    Cached {
        /// The file's name.
        file: String,
    },
    /// A download begins, or goes on where an earlier one stopped.
    Started {
        /// The file's name.
        file: String,
        /// Bytes kept from earlier.
        from: u64,
        /// The declared length.
        bytes: u64,
    },
    /// Part of a file has been written.
    Advanced {
        /// The file's name.
        file: String,
        /// Bytes written so far, with those kept from earlier.
        done: u64,
    },
    /// The connection broke; the download goes on from here by itself.
    Interrupted {
        /// The file's name.
        file: String,
        /// Bytes written so far.
        done: u64,
    },
    /// The file's digest was computed and compared.
    Checked {
        /// The file's name.
        file: String,
        /// What the digest was compared with.
        check: HubCheck,
    },
    /// Offline, an optional file is not in the cache, and whether the repository has it is unknown.
    Unknown {
        /// The file's name.
        file: String,
    },
}
