//! What can go wrong in a fetch.
//!
//! The hub client's own errors are not passed on: they quote addresses that may be signed and texts
//! that the server chose. [`HubCause`] keeps what is safe to show.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A failed fetch.
#[derive(Debug, Error)]
pub enum HubError {
    /// This build has no hub client.
    #[error("cannot fetch '{reference}': this build has no hub client")]
    Disabled {
        /// The reference asked for.
        reference: String,
    },
    /// The hub client could not be set up.
    #[error("cannot set up the hub client")]
    Client {
        /// Why.
        #[source]
        source: HubCause,
    },
    /// The hub does not know the repository.
    #[error("the hub has no repository '{repository}'")]
    UnknownRepository {
        /// The repository.
        repository: String,
    },
    /// The repository does not have the revision.
    #[error("repository '{repository}' has no revision '{revision}'")]
    UnknownRevision {
        /// The repository.
        repository: String,
        /// The revision asked for.
        revision: String,
    },
    /// The hub refuses access.
    #[error("the hub refuses access to '{repository}' (status {status}{})", gated_text(*.gated))]
    Denied {
        /// The repository.
        repository: String,
        /// The HTTP status.
        status: u16,
        /// Whether the hub said that the repository's terms must be accepted.
        gated: bool,
    },
    /// A request failed.
    #[error("cannot {step} '{thing}'")]
    Request {
        /// What was being done.
        step: HubStep,
        /// The repository or file.
        thing: String,
        /// Why.
        #[source]
        source: HubCause,
    },
    /// The hub answered with another commit than the one asked for.
    #[error("asked for commit '{asked}' of '{repository}', the hub answered with '{found}'")]
    OtherCommit {
        /// The repository.
        repository: String,
        /// The commit asked for.
        asked: String,
        /// The commit in the answer, escaped.
        found: String,
    },
    /// A name from the server could lead outside the snapshot.
    #[error("repository '{repository}' names a file '{name}' that would lie outside its folder")]
    HostileName {
        /// The repository.
        repository: String,
        /// The name, escaped.
        name: String,
    },
    /// The listing of files cannot be used.
    #[error("the listing of '{repository}' cannot be used: {problem}")]
    Listing {
        /// The repository.
        repository: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The repository lacks a file that is needed.
    #[error("repository '{repository}' has no file '{file}'")]
    NoFile {
        /// The repository.
        repository: String,
        /// The file.
        file: String,
    },
    /// Weights are there only as pickles, which run code when read.
    #[error("repository '{repository}' has its weights only as pickles ({})", .files.join(", "))]
    OnlyPickles {
        /// The repository.
        repository: String,
        /// The pickles.
        files: Vec<String>,
    },
    /// Weights are there only as GGUF, and none was named.
    #[error("repository '{repository}' has its weights as GGUF files ({})", .files.join(", "))]
    OnlyGguf {
        /// The repository.
        repository: String,
        /// The GGUF files.
        files: Vec<String>,
    },
    /// There are no weights of a known kind.
    #[error("repository '{repository}' has neither 'model.safetensors' nor its index")]
    NoWeights {
        /// The repository.
        repository: String,
    },
    /// The index of shards is not one.
    #[error("cannot read the shard index '{file}'")]
    Index {
        /// The index file.
        file: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A file is longer than the listing declares.
    #[error("'{file}' is longer than the {declared} bytes declared for it")]
    TooLong {
        /// The file.
        file: String,
        /// The declared length.
        declared: u64,
    },
    /// A download kept breaking off.
    #[error("download of '{file}' stopped at {done} of {bytes} bytes")]
    Interrupted {
        /// The file.
        file: String,
        /// Bytes kept.
        done: u64,
        /// The declared length.
        bytes: u64,
        /// Why it broke off last.
        #[source]
        source: HubCause,
    },
    /// A file is not what the commit says; it was removed.
    #[error("'{file}' has digest {found}, expected {expected}; the file was removed")]
    Digest {
        /// The file.
        file: String,
        /// The digest that the hub or the cache gives.
        expected: String,
        /// The digest of the bytes.
        found: String,
    },
    /// A large file comes with no digest to compare.
    #[error("the hub gives no usable digest for '{file}'")]
    Unverifiable {
        /// The file.
        file: String,
    },
    /// The disk or quota is full.
    #[error("no space left for '{}' ({bytes} bytes)", .path.display())]
    DiskFull {
        /// What was being written.
        path: PathBuf,
        /// Its declared length.
        bytes: u64,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The cache cannot be read or written.
    #[error("cannot {action} '{}' in the hub cache", .path.display())]
    Cache {
        /// What was being done.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// Offline, and the cache has nothing of this revision.
    #[error("offline, and the cache has no revision '{revision}' of '{repository}'")]
    NotCached {
        /// The repository.
        repository: String,
        /// The revision asked for.
        revision: String,
    },
    /// Offline, and the cache lacks files of this commit.
    #[error("offline, and the cache lacks {} of '{repository}' at {commit}", .files.join(", "))]
    Missing {
        /// The repository.
        repository: String,
        /// The commit.
        commit: String,
        /// The missing files.
        files: Vec<String>,
    },
}

impl HubError {
    /// The one thing to try next, where there is one.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Disabled { .. } => {
                "build with 'cargo build --release --features hub', or give a local folder"
            }
            Self::UnknownRepository { .. } => {
                "check the spelling; a private repository needs a token with access in HF_TOKEN"
            }
            Self::UnknownRevision { .. } => "name an existing branch or tag, or a commit",
            Self::Denied {
                repository,
                gated: true,
                ..
            } => {
                return Some(format!(
                    "accept the terms on the page of '{repository}' and set HF_TOKEN to a token of that account"
                ));
            }
            Self::Denied { .. } => "check the spelling, and set HF_TOKEN to a token with access",
            Self::Client { .. } => "check HF_ENDPOINT",
            Self::Request { .. } => {
                "check the connection, or use the cache alone with HF_HUB_OFFLINE=1"
            }
            Self::Interrupted { .. } => "run again: the download goes on where it stopped",
            Self::Digest { .. } => {
                "run again to fetch it anew; if it happens twice, do not trust this source"
            }
            Self::OnlyPickles { .. } => {
                "convert the weights to safetensors where running them is safe"
            }
            Self::OnlyGguf { repository, files } => {
                let first = files.first()?;
                return Some(format!("name one file, as in 'hf:{repository}/{first}'"));
            }
            Self::DiskFull { .. } => {
                "free space, or move the cache with HF_HUB_CACHE; the part fetched is kept"
            }
            Self::NotCached { .. } | Self::Missing { .. } => "run once without offline mode",
            Self::Cache { .. } => "check the cache's permissions, or move it with HF_HUB_CACHE",
            Self::OtherCommit { .. }
            | Self::HostileName { .. }
            | Self::Listing { .. }
            | Self::TooLong { .. }
            | Self::Unverifiable { .. }
            | Self::Index { .. } => "do not trust this source; check HF_ENDPOINT",
            Self::NoFile { .. } | Self::NoWeights { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

/// What was being done when a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubStep {
    /// Finding the commit a revision stands for.
    Resolve,
    /// Listing the files of a commit.
    List,
    /// Asking for a file's digest.
    Inspect,
    /// Downloading a file.
    Download,
}

impl fmt::Display for HubStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolve the revision of",
            Self::List => "list the files of",
            Self::Inspect => "inspect",
            Self::Download => "download",
        })
    }
}

/// The safe part of a failed request: no address, no token, no text chosen by the server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HubCause {
    /// The server answered with an error.
    #[error("the hub answered with status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// No usable answer came within the time allowed.
    #[error("no answer within {seconds} seconds")]
    Silent {
        /// The time allowed.
        seconds: u64,
    },
    /// The connection failed in a way that the system has a name for.
    #[error("{kind}")]
    Connection {
        /// The system's name for it.
        kind: io::ErrorKind,
    },
    /// The body ended before the declared length.
    #[error("the server closed the connection early")]
    Short,
    /// Something else in the named part of the client.
    #[error("{part}")]
    Client {
        /// What failed.
        part: &'static str,
    },
}

fn gated_text(gated: bool) -> &'static str {
    if gated { ", gated" } else { "" }
}
