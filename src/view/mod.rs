//! Reading cases in a browser: an index over many, each with its report, probes and answers, and runs that
//! are under way. Nothing leaves the machine: the server listens on loopback and its pages load nothing
//! from elsewhere and run no script.
//!
//! | page | |
//! |---|---|
//! | `/` | the cases below the given directories; `q` and `stage` filter |
//! | `/case/ID` | what the check says of a case, or how far its run has come |
//! | `/case/ID/report.html`, `.md`, `.json`, `.txt` | the report, rendered again from what was checked |
//! | `/case/ID/probes` | the probes asked; `q` and `kind` filter, `from` turns pages |
//! | `/case/ID/answers` | the answers; `model`, `probe`, `kind` and `q` filter, `from` turns pages |
//!
//! `case_index` finds cases and knows them by ids, which are all that an address can name; `checked` checks
//! bundles as `verify` does and keeps what came out while their files stay; `progress` counts what a run
//! has got; `search` looks through probes and answers; `pages` makes facts of all that for the templates,
//! which escape every text as those of the report do. A report that is in a bundle is never shown as it
//! lies there.

mod case_index;
mod checked;
mod http;
mod pages;
mod progress;
mod search;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

use crate::serve::Ended;
use crate::serve::attend;
use crate::serve::connection::Gate;
use crate::serve::signals::Signals;
use case_index::CaseIndex;
use checked::Checks;
use http::Room;

/// Connections at once; further ones wait to be taken.
const CONNECTIONS: usize = 64;
/// Pages made at once: a page may check a whole bundle.
const AT_ONCE: usize = 4;
/// How long pages that are being made may take when the server is asked to stop.
const GRACE: Duration = Duration::from_secs(2);

/// Cases cannot be viewed.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// There is nothing to look into.
    #[error("'{}' is not a directory that can be read", path.display())]
    Directory {
        /// The path given.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The port cannot be listened on.
    #[error("cannot listen on '{address}'")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// No threads, or nobody to be told the address.
    #[error("cannot start the server")]
    Start {
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Serves the cases in and below some directories on a port of the loopback address (0 takes any that is
/// free) until a signal asks for an end. `ready` is told the address and how many cases there are now.
///
/// # Errors
///
/// When a directory is none, or the port cannot be listened on.
pub fn view(
    directories: &[PathBuf],
    port: u16,
    ready: impl FnOnce(SocketAddr, usize) -> io::Result<()>,
) -> Result<Ended, ViewError> {
    let cases = CaseIndex::new(directories)?;
    let start = |source| ViewError::Start { source };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(AT_ONCE)
        .enable_all()
        .build()
        .map_err(start)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ended = runtime.block_on(async {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| ViewError::Listen { address, source })?;
        let bound = listener.local_addr().map_err(start)?;
        let signals = Signals::new().map_err(start)?;
        ready(bound, cases.look().cases.len()).map_err(start)?;
        let room = Arc::new(Room {
            cases,
            checks: Checks::default(),
        });
        let router = Router::new().fallback(http::answer).with_state(room);
        let gate = Gate::new(listener, CONNECTIONS);
        Ok(attend(gate, router, signals, GRACE).await)
    });
    // A page that is still being made is of no use to anybody.
    runtime.shutdown_background();
    ended
}
