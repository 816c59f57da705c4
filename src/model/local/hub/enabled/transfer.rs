//! One file of a commit: from the cache, or over the network from where it stopped.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::super::{HubCause, HubError, HubEvent, HubFile};
use super::cache::{RepositoryCache, failed, make_parent, remove};
use super::check::{Expected, Found};
use super::plan::{Entry, Listing};
use super::remote::{Remote, Stop};

/// Attempts in a row that bring no byte.
const MAX_VAIN: u32 = 3;
/// Attempts in all.
const MAX_ATTEMPTS: u32 = 100;
/// Bytes between two progress events.
const STEP: u64 = 1 << 20;

/// Brings files of one commit into the cache.
pub(super) struct Transfer<'a> {
    pub(super) remote: &'a Remote,
    pub(super) cache: &'a RepositoryCache,
    pub(super) listing: &'a Listing,
    pub(super) commit: &'a str,
    pub(super) events: &'a mut dyn FnMut(HubEvent),
}

impl Transfer<'_> {
    /// Brings all these files in; the listing must have every one before the first is fetched.
    pub(super) fn all(&mut self, names: &[String]) -> Result<Vec<HubFile>, HubError> {
        let listing = self.listing;
        let entries = names
            .iter()
            .map(|name| Ok((name.as_str(), listing.entry(name)?)))
            .collect::<Result<Vec<_>, HubError>>()?;
        (self.events)(HubEvent::Planned {
            files: entries.len(),
            bytes: entries
                .iter()
                .fold(0, |sum, (_, entry)| entry.bytes.saturating_add(sum)),
        });
        entries
            .into_iter()
            .map(|(name, entry)| self.one(name, entry))
            .collect()
    }

    fn one(&mut self, name: &str, entry: &Entry) -> Result<HubFile, HubError> {
        if let Some(file) = self.cached(name, entry)? {
            return Ok(file);
        }
        let events = &mut *self.events;
        let _lock = self.cache.lock(&entry.object, || {
            events(HubEvent::Waiting {
                file: name.to_owned(),
            });
        })?;
        // Another process may have brought it meanwhile.
        if let Some(file) = self.cached(name, entry)? {
            return Ok(file);
        }
        let sha256 = match &entry.large {
            Some(large) if large.sha256.is_none() => self.remote.sha256(self.commit, name)?,
            _ => None,
        };
        let expected = Expected::of(entry, sha256);
        if expected.is_empty() {
            return Err(HubError::Unverifiable {
                file: name.to_owned(),
            });
        }
        let part = self.cache.part(&entry.object);
        self.download(name, entry, &part)?;
        let file = self.checked(name, &part, &expected)?;
        let digest = expected.blob_name().unwrap_or(&file.sha256);
        let blob = self.cache.blob(digest);
        fs::rename(&part, &blob).map_err(failed("rename to", &blob, entry.bytes))?;
        self.cache.link(self.commit, name, digest)?;
        Ok(file)
    }

    /// The file as the cache has it, under this commit or another.
    fn cached(&mut self, name: &str, entry: &Entry) -> Result<Option<HubFile>, HubError> {
        let pointer = self.cache.pointer(self.commit, name);
        let mut expected = Expected::of(entry, None);
        if pointer.exists() {
            if expected.is_empty()
                && let Some(digest) = self.cache.linked_blob(self.commit, name)
            {
                expected = Expected::of_blob_name(&digest);
            }
            (self.events)(HubEvent::Cached {
                file: name.to_owned(),
            });
            return self.checked(name, &pointer, &expected).map(Some);
        }
        let digest = match expected.blob_name() {
            Some(digest) => Some(digest.to_owned()),
            None => self.cache.blob_of_pointer(&entry.object, entry.bytes),
        };
        let Some(digest) = digest.filter(|digest| self.cache.blob(digest).exists()) else {
            return Ok(None);
        };
        (self.events)(HubEvent::Cached {
            file: name.to_owned(),
        });
        let file = self.checked(name, &self.cache.blob(&digest), &expected)?;
        self.cache.link(self.commit, name, &digest)?;
        Ok(Some(file))
    }

    fn checked(
        &mut self,
        name: &str,
        path: &Path,
        expected: &Expected,
    ) -> Result<HubFile, HubError> {
        checked(name, path, expected, self.events)
    }

    fn download(&mut self, name: &str, entry: &Entry, part: &Path) -> Result<(), HubError> {
        make_parent(part)?;
        let (mut vain, mut ranges) = (0, true);
        for attempt in 1.. {
            let mut file = open_part(part, entry.bytes, ranges)?;
            let from = file.done;
            if from == entry.bytes {
                return Ok(());
            }
            let stop = match self.stream(name, entry, &mut file) {
                Ok(()) => return file.finish(entry.bytes),
                Err(stop) => stop,
            };
            let source = match stop {
                Stop::Failed(error) => return Err(error),
                // A server that knows no ranges sent the whole file after the part.
                Stop::Excess if from > 0 && ranges => {
                    ranges = false;
                    continue;
                }
                Stop::Excess => {
                    remove(part)?;
                    return Err(HubError::TooLong {
                        file: name.to_owned(),
                        declared: entry.bytes,
                    });
                }
                Stop::Broken(source) => source,
            };
            vain = if file.done > from && ranges {
                0
            } else {
                vain + 1
            };
            if vain >= MAX_VAIN || attempt >= MAX_ATTEMPTS {
                return Err(interrupted(name, file.done, entry.bytes, source));
            }
            (self.events)(HubEvent::Interrupted {
                file: name.to_owned(),
                done: file.done,
            });
            thread::sleep(Duration::from_millis(200) * (1 << vain));
        }
        Ok(())
    }

    fn stream(&mut self, name: &str, entry: &Entry, part: &mut Part<'_>) -> Result<(), Stop> {
        let events = &mut *self.events;
        let mut shown = part.done;
        events(HubEvent::Started {
            file: name.to_owned(),
            from: part.done,
            bytes: entry.bytes,
        });
        self.remote
            .download(self.commit, name, (part.done, entry.bytes), &mut |chunk| {
                part.write(chunk, entry.bytes)?;
                if part.done - shown >= STEP || part.done == entry.bytes {
                    shown = part.done;
                    events(HubEvent::Advanced {
                        file: name.to_owned(),
                        done: part.done,
                    });
                }
                Ok(())
            })
    }
}

/// Digests a file and compares; a file that does not match is removed, blob and name.
pub(super) fn checked(
    name: &str,
    path: &Path,
    expected: &Expected,
    events: &mut dyn FnMut(HubEvent),
) -> Result<HubFile, HubError> {
    let found = Found::read(path, expected).map_err(failed("read", path, 0))?;
    let check = found
        .compare(name, expected)
        .inspect_err(|_| discard(path))?;
    events(HubEvent::Checked {
        file: name.to_owned(),
        check,
    });
    Ok(HubFile {
        name: name.to_owned(),
        bytes: found.bytes,
        sha256: found.sha256,
        check,
    })
}

/// Removes a file that does not match, and the blob behind it where the link leads to one.
fn discard(path: &Path) {
    if let Ok(blob) = fs::canonicalize(path) {
        let name = blob
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if !Expected::of_blob_name(name).is_empty() {
            let _ = fs::remove_file(&blob);
        }
    }
    let _ = fs::remove_file(path);
}

/// The beginning of a file on disk, open for more.
struct Part<'a> {
    path: &'a Path,
    file: File,
    done: u64,
}

impl Part<'_> {
    fn write(&mut self, chunk: &[u8], bytes: u64) -> Result<(), HubError> {
        self.file
            .write_all(chunk)
            .map_err(failed("write", self.path, bytes))?;
        self.done += chunk.len() as u64;
        Ok(())
    }

    fn finish(self, bytes: u64) -> Result<(), HubError> {
        self.file
            .sync_all()
            .map_err(failed("write", self.path, bytes))
    }
}

/// Opens what is there to go on from; a part that cannot be a beginning is begun again.
fn open_part(path: &Path, bytes: u64, keep: bool) -> Result<Part<'_>, HubError> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(failed("open", path, bytes))?;
    let mut done = file.metadata().map_err(failed("read", path, bytes))?.len();
    if done > bytes || !keep {
        file.set_len(0).map_err(failed("write", path, bytes))?;
        done = 0;
    }
    Ok(Part { path, file, done })
}

fn interrupted(name: &str, done: u64, bytes: u64, source: HubCause) -> HubError {
    HubError::Interrupted {
        file: name.to_owned(),
        done,
        bytes,
        source,
    }
}
