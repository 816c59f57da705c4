//! The same snapshot from the cache alone.

use super::super::{HubError, HubEvent, HubReference, HubSnapshot};
use super::MAIN;
use super::cache::RepositoryCache;
use super::check::Expected;
use super::plan::{CONFIG, INDEX, OPTIONAL, SINGLE, TOKENIZER, parts, shards};
use super::transfer::checked;

/// Checks what the cache has, or names what it lacks.
pub(super) fn fetch(
    reference: &HubReference,
    cache: &RepositoryCache,
    events: &mut dyn FnMut(HubEvent),
) -> Result<HubSnapshot, HubError> {
    let revision = reference.revision.as_deref().unwrap_or(MAIN);
    let commit = cache
        .read_revision(revision)
        .filter(|commit| cache.snapshot(commit).is_dir())
        .ok_or_else(|| HubError::NotCached {
            repository: reference.repository.clone(),
            revision: revision.to_owned(),
        })?;
    events(HubEvent::Resolved {
        commit: commit.clone(),
    });

    let snapshot = Snapshot {
        cache,
        commit: &commit,
    };
    let mut wanted = snapshot.weights(reference)?;
    for name in OPTIONAL {
        if snapshot.has(name) {
            wanted.push(name.to_owned());
        } else if !cache.is_absent(&commit, name) && reference.file.is_none() {
            events(HubEvent::Unknown {
                file: name.to_owned(),
            });
        }
    }
    let missing: Vec<String> = wanted
        .iter()
        .filter(|name| !snapshot.has(name))
        .cloned()
        .collect();
    if !missing.is_empty() {
        return Err(HubError::Missing {
            repository: reference.repository.clone(),
            commit,
            files: missing,
        });
    }
    wanted.sort();
    let files = wanted
        .iter()
        .map(|name| {
            let digest = cache.linked_blob(&commit, name).unwrap_or_default();
            checked(
                name,
                &cache.pointer(&commit, name),
                &Expected::of_blob_name(&digest),
                events,
            )
        })
        .collect::<Result<_, _>>()?;
    Ok(HubSnapshot {
        directory: cache.snapshot(&commit),
        commit,
        files,
    })
}

struct Snapshot<'a> {
    cache: &'a RepositoryCache,
    commit: &'a str,
}

impl Snapshot<'_> {
    fn has(&self, name: &str) -> bool {
        self.cache.pointer(self.commit, name).is_file()
    }

    /// The weights, and what must be beside them unless the commit is known not to have it.
    fn weights(&self, reference: &HubReference) -> Result<Vec<String>, HubError> {
        let mut wanted = Vec::new();
        for name in [CONFIG, TOKENIZER] {
            let needed = reference.file.is_none() && !self.cache.is_absent(self.commit, name);
            if needed || self.has(name) {
                wanted.push(name.to_owned());
            }
        }
        if reference.file.is_some() {
            wanted.extend(parts(reference));
        } else if !self.has(SINGLE) && self.has(INDEX) {
            wanted.push(INDEX.to_owned());
            wanted.extend(shards(
                &self.cache.pointer(self.commit, INDEX),
                &reference.repository,
            )?);
        } else {
            wanted.push(SINGLE.to_owned());
        }
        Ok(wanted)
    }
}
