//! The fetch itself: resolve, list, choose, bring each file in, check it, link it.
//!
//! | part | its concern |
//! | --- | --- |
//! | `remote` | every call to the hub client |
//! | `failure` | what the client's errors mean; no part but these two knows that crate |
//! | `plan` | which files of a listing are taken |
//! | `cache` | where things lie in the standard cache |
//! | `check` | digests, and what they are compared with |
//! | `transfer` | one file, from the cache or over the network, resumed where it stopped |
//! | `offline` | the same snapshot from the cache alone |

use std::env;

use super::{HubError, HubEvent, HubOptions, HubReference, HubSnapshot};

mod cache;
mod check;
mod failure;
mod offline;
mod plan;
mod remote;
mod transfer;

use cache::RepositoryCache;
use check::is_commit;
use plan::Weights;
use remote::Remote;
use transfer::Transfer;

/// The branch that is meant where a reference names none.
const MAIN: &str = "main";

/// Brings the files the local engine needs into the hub cache, each checked against its commit.
///
/// An interrupted download goes on where it stopped, in this call or the next. A branch or tag is
/// noted in the cache only once all its files are there, so a later offline fetch sees a whole
/// snapshot or the one before.
///
/// # Errors
///
/// Every variant of [`HubError`] but [`HubError::Disabled`].
pub fn fetch(
    reference: &HubReference,
    options: &HubOptions,
    events: &mut dyn FnMut(HubEvent),
) -> Result<HubSnapshot, HubError> {
    let remote = Remote::new(reference, options)?;
    let cache = RepositoryCache::new(remote.cache_directory(), &reference.repository);
    if options.offline || offline_by_environment() {
        return offline::fetch(reference, &cache, events);
    }
    let revision = reference.revision.as_deref().unwrap_or(MAIN);
    let commit = remote.commit(revision)?;
    events(HubEvent::Resolved {
        commit: commit.clone(),
    });

    let listing = remote.list(&commit, plan::folder(reference))?;
    let chosen = plan::choose(&listing, reference)?;
    let mut transfer = Transfer {
        remote: &remote,
        cache: &cache,
        listing: &listing,
        commit: &commit,
        events,
    };
    let mut files = transfer.all(&chosen.files)?;
    if let Weights::Sharded = chosen.weights {
        let index = cache.pointer(&commit, plan::INDEX);
        files.extend(transfer.all(&plan::shards(&index, &reference.repository)?)?);
    }
    for name in chosen.absent {
        cache.mark_absent(&commit, name)?;
    }
    if !is_commit(revision) {
        cache.write_revision(revision, &commit)?;
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(HubSnapshot {
        directory: cache.snapshot(&commit),
        commit,
        files,
    })
}

/// The values that other hub tools take for true.
fn offline_by_environment() -> bool {
    env::var("HF_HUB_OFFLINE").is_ok_and(|value| {
        matches!(
            value.to_ascii_lowercase().as_str(),
            "1" | "on" | "yes" | "true"
        )
    })
}
