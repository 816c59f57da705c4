//! Where things lie in the standard hub cache.
//!
//! ```text
//! models--org--name/blobs/<digest>             the bytes: SHA-256 of a large file, git object of a small one
//! models--org--name/blobs/<object>.part        the beginning of a file, to go on from
//! models--org--name/snapshots/<commit>/<file>  a link to the blob
//! models--org--name/refs/<revision>            the commit a branch or tag stood for
//! models--org--name/.no_exist/<commit>/<file>  the commit has no such file
//! .locks/models--org--name/<object>.lock       held while a file is fetched
//! ```

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::super::HubError;
use super::check::{is_commit, is_sha256, pointer_object};

/// The part of the cache that belongs to one repository.
#[derive(Debug)]
pub(super) struct RepositoryCache {
    root: PathBuf,
    locks: PathBuf,
}

impl RepositoryCache {
    pub(super) fn new(cache: &Path, repository: &str) -> Self {
        let folder = format!("models--{}", repository.replace('/', "--"));
        Self {
            root: cache.join(&folder),
            locks: cache.join(".locks").join(&folder),
        }
    }

    pub(super) fn blob(&self, digest: &str) -> PathBuf {
        self.root.join("blobs").join(digest)
    }

    pub(super) fn part(&self, object: &str) -> PathBuf {
        self.root.join("blobs").join(format!("{object}.part"))
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.root.join("snapshots").join(commit)
    }

    pub(super) fn pointer(&self, commit: &str, file: &str) -> PathBuf {
        self.snapshot(commit).join(file)
    }

    /// The digest in the name of the blob that a snapshot's file links to.
    pub(super) fn linked_blob(&self, commit: &str, file: &str) -> Option<String> {
        let target = fs::read_link(self.pointer(commit, file)).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }

    /// The blob of a large file of which only the pointer is known, for example from another commit.
    pub(super) fn blob_of_pointer(&self, object: &str, bytes: u64) -> Option<String> {
        let entries = fs::read_dir(self.root.join("blobs")).ok()?;
        entries.flatten().find_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let same = is_sha256(&name) && entry.metadata().ok()?.len() == bytes;
            (same && pointer_object(&name, bytes) == object).then_some(name)
        })
    }

    /// The commit that a revision stood for when it was last fetched.
    pub(super) fn read_revision(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let text = fs::read_to_string(self.root.join("refs").join(revision)).ok()?;
        let commit = text.trim();
        is_commit(commit).then(|| commit.to_owned())
    }

    pub(super) fn write_revision(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        let path = self.root.join("refs").join(revision);
        let new = path.with_file_name(format!(".{commit}.new"));
        make_parent(&path)?;
        fs::write(&new, commit)
            .and_then(|()| fs::rename(&new, &path))
            .map_err(failed("write", &path, commit.len() as u64))
    }

    /// Whether it is known that a commit has no such file.
    pub(super) fn is_absent(&self, commit: &str, file: &str) -> bool {
        self.absence(commit, file).exists()
    }

    pub(super) fn mark_absent(&self, commit: &str, file: &str) -> Result<(), HubError> {
        let path = self.absence(commit, file);
        make_parent(&path)?;
        fs::write(&path, "").map_err(failed("write", &path, 0))
    }

    /// Gives a blob its name in a snapshot.
    pub(super) fn link(&self, commit: &str, file: &str, digest: &str) -> Result<(), HubError> {
        let pointer = self.pointer(commit, file);
        let new = pointer.with_file_name(format!(".{digest}.new"));
        make_parent(&pointer)?;
        remove(&new)?;
        let up = "../".repeat(2 + file.matches('/').count());
        link_file(
            Path::new(&format!("{up}blobs/{digest}")),
            &self.blob(digest),
            &new,
        )
        .and_then(|()| fs::rename(&new, &pointer))
        .map_err(failed("link", &pointer, 0))
    }

    /// Takes the lock of one file, calling `wait` first where another process holds it.
    pub(super) fn lock(&self, object: &str, wait: impl FnOnce()) -> Result<File, HubError> {
        let path = self.locks.join(format!("{object}.lock"));
        make_parent(&path)?;
        let lock = File::create(&path).map_err(failed("open", &path, 0))?;
        // A file system without locks is no reason to stop: the digest still decides.
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            wait();
            lock.lock().map_err(failed("lock", &path, 0))?;
        }
        Ok(lock)
    }

    fn absence(&self, commit: &str, file: &str) -> PathBuf {
        self.root.join(".no_exist").join(commit).join(file)
    }
}

/// Creates the folder a file is to lie in.
pub(super) fn make_parent(path: &Path) -> Result<(), HubError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(failed("create", parent, 0))
}

/// Removes a file that may be absent.
pub(super) fn remove(path: &Path) -> Result<(), HubError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(failed("remove", path, 0)(source))
        }
        _ => Ok(()),
    }
}

/// Names the step and path of a system error, a full disk apart.
pub(super) fn failed(
    action: &'static str,
    path: &Path,
    bytes: u64,
) -> impl FnOnce(io::Error) -> HubError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => HubError::DiskFull {
            path,
            bytes,
            source,
        },
        _ => HubError::Cache {
            action,
            path,
            source,
        },
    }
}

#[cfg(unix)]
fn link_file(relative: &Path, _blob: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(relative, link)
}

/// Links by name need a privilege elsewhere.
#[cfg(not(unix))]
fn link_file(_relative: &Path, blob: &Path, link: &Path) -> io::Result<()> {
    fs::hard_link(blob, link).or_else(|_| fs::copy(blob, link).map(|_| ()))
}
