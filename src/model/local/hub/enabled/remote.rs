//! Every call to the hub client.
//!
//! The client's own download has no ranged resume and no checks, so files come through its byte
//! stream, which takes a range. It is asynchronous; a runtime of one thread keeps that in here.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use futures::{StreamExt as _, pin_mut};
use hf_hub::repository::RepoTreeEntry;
use hf_hub::{HFClient, HFRepository, HFResult, RepoTypeModel};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::super::reference::{escaped, is_plain_path};
use super::super::{HubCause, HubError, HubOptions, HubReference, HubStep};
use super::check::{is_commit, is_sha256};
use super::failure::Failure;
use super::plan::{Entry, Large, Listing};

/// The client itself retries within this.
const ANSWER: Duration = Duration::from_mins(2);
/// A body that pauses longer counts as broken off.
const PAUSE: Duration = Duration::from_mins(1);
const MAX_ENTRIES: usize = 20_000;

/// One repository on the hub.
pub(super) struct Remote {
    runtime: Runtime,
    client: HFClient,
    repository: HFRepository<RepoTypeModel>,
    name: String,
}

/// Why a download stopped before its end.
pub(super) enum Stop {
    /// The connection broke; going on is worth a try.
    Broken(HubCause),
    /// More bytes came than were declared.
    Excess,
    /// Going on is of no use.
    Failed(HubError),
}

impl Remote {
    /// Sets the client up; makes no request.
    pub(super) fn new(reference: &HubReference, options: &HubOptions) -> Result<Self, HubError> {
        let client_error = |part| HubError::Client {
            source: HubCause::Client { part },
        };
        let mut builder = HFClient::builder();
        if let Some(endpoint) = &options.endpoint {
            builder = builder.endpoint(endpoint);
        }
        if let Some(cache) = &options.cache {
            builder = builder.cache_dir(cache);
        }
        let client = builder
            .build()
            .map_err(|_| client_error("the hub's address or the HTTP client"))?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|_| client_error("the runtime for requests"))?;
        let (owner, name) = hf_hub::split_id(&reference.repository);
        Ok(Self {
            repository: client.model(owner, name),
            runtime,
            client,
            name: reference.repository.clone(),
        })
    }

    /// The root of the hub cache, as options or the environment say.
    pub(super) fn cache_directory(&self) -> &Path {
        self.client.cache_dir()
    }

    /// The commit that a revision stands for.
    pub(super) fn commit(&self, revision: &str) -> Result<String, HubError> {
        let request = self.repository.info().revision(revision).send();
        let info = self
            .answer(HubStep::Resolve, request)
            .map_err(|error| self.failed(HubStep::Resolve, &self.name, &error))?;
        let found = info.sha.unwrap_or_default();
        if is_commit(&found) && (!is_commit(revision) || found == revision) {
            return Ok(found);
        }
        Err(HubError::OtherCommit {
            repository: self.name.clone(),
            asked: revision.to_owned(),
            found: escaped(&found),
        })
    }

    /// The files of one folder of a commit, every name checked.
    pub(super) fn list(&self, commit: &str, folder: Option<&str>) -> Result<Listing, HubError> {
        let request = async {
            let stream = self
                .repository
                .list_tree()
                .revision(commit)
                .maybe_path_in_repo(folder)
                .limit(MAX_ENTRIES + 1)
                .send()?;
            pin_mut!(stream);
            let mut entries = Vec::new();
            while let Some(entry) = stream.next().await {
                entries.push(entry?);
            }
            Ok(entries)
        };
        let entries = self
            .answer(HubStep::List, request)
            .map_err(|error| self.failed(HubStep::List, &self.name, &error))?;
        self.checked(entries)
    }

    /// The SHA-256 that the hub sends with a large file, where the client passes it on.
    ///
    /// The client cannot see it through a redirect to another host, so its absence is no error.
    pub(super) fn sha256(&self, commit: &str, file: &str) -> Result<Option<String>, HubError> {
        let request = self
            .repository
            .get_file_metadata()
            .filepath(file)
            .revision(commit)
            .send();
        match self.answer(HubStep::Inspect, request) {
            Ok(found) => {
                Ok((found.commit_hash == commit && is_sha256(&found.etag)).then_some(found.etag))
            }
            Err(failure) => match self.failed(HubStep::Inspect, file, &failure) {
                error @ HubError::Denied { .. } => Err(error),
                _ => Ok(None),
            },
        }
    }

    /// Hands the bytes of a file to `sink`, from `from` on, and never more than declared.
    pub(super) fn download(
        &self,
        commit: &str,
        file: &str,
        (from, bytes): (u64, u64),
        sink: &mut dyn FnMut(&[u8]) -> Result<(), HubError>,
    ) -> Result<(), Stop> {
        let request = self
            .repository
            .download_file_stream()
            .filename(file)
            .revision(commit)
            .maybe_range((from > 0).then_some(from..bytes))
            .send();
        let (_, mut stream) = self
            .answer(HubStep::Download, request)
            .map_err(|failure| self.stopped(file, &failure))?;
        let mut left = bytes - from;
        self.runtime.block_on(async {
            loop {
                let chunk = match timeout(PAUSE, stream.next()).await {
                    Err(_) => return Err(Stop::Broken(Failure::Silent(PAUSE).cause())),
                    Ok(None) if left > 0 => return Err(Stop::Broken(HubCause::Short)),
                    Ok(None) => return Ok(()),
                    Ok(Some(Err(error))) => return Err(self.stopped(file, &Failure::Hub(error))),
                    Ok(Some(Ok(chunk))) => chunk,
                };
                left = left.checked_sub(chunk.len() as u64).ok_or(Stop::Excess)?;
                sink(&chunk).map_err(Stop::Failed)?;
            }
        })
    }

    fn answer<T>(
        &self,
        step: HubStep,
        request: impl Future<Output = HFResult<T>>,
    ) -> Result<T, Failure> {
        let limit = if step == HubStep::List {
            ANSWER * 4
        } else {
            ANSWER
        };
        self.runtime
            .block_on(async { timeout(limit, request).await })
            .map_err(|_| Failure::Silent(limit))?
            .map_err(Failure::Hub)
    }

    fn checked(&self, entries: Vec<RepoTreeEntry>) -> Result<Listing, HubError> {
        let refused = |problem| HubError::Listing {
            repository: self.name.clone(),
            problem,
        };
        if entries.len() > MAX_ENTRIES {
            return Err(refused("it is absurdly long"));
        }
        let mut files = BTreeMap::new();
        for entry in entries {
            let RepoTreeEntry::File {
                oid,
                size,
                path,
                lfs,
                ..
            } = entry
            else {
                continue;
            };
            if !is_plain_path(&path) {
                return Err(HubError::HostileName {
                    repository: self.name.clone(),
                    name: escaped(&path),
                });
            }
            if !is_commit(&oid) {
                return Err(refused("a git object in it is malformed"));
            }
            let entry = Entry {
                bytes: lfs.as_ref().and_then(|lfs| lfs.size).unwrap_or(size),
                object: oid,
                large: lfs.map(|lfs| Large {
                    sha256: lfs.sha256.filter(|sha256| is_sha256(sha256)),
                    pointer: lfs.pointer_size,
                }),
            };
            if files.insert(path, entry).is_some() {
                return Err(refused("it names a file twice"));
            }
        }
        Ok(Listing {
            repository: self.name.clone(),
            files,
        })
    }

    fn stopped(&self, file: &str, failure: &Failure) -> Stop {
        if failure.is_passing() {
            Stop::Broken(failure.cause())
        } else {
            Stop::Failed(self.failed(HubStep::Download, file, failure))
        }
    }

    fn failed(&self, step: HubStep, thing: &str, failure: &Failure) -> HubError {
        failure.explain(&self.name, step, thing)
    }
}
