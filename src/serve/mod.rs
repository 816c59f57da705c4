//! A server: one model of the local engine behind the API that OpenAI's clients speak.
//!
//! It lets the owner of a protected model keep the weights and grant scoring, and it makes the way over
//! HTTP testable. A request passes `connection` (places and times), `http` (token, route, body, log),
//! `fields` and `ask` (parameters, each taken by name: what would change the answer and is not known is
//! refused), and waits in a queue for the one `worker` that owns the model; `shape` writes the answer.
//!
//! # What is answered
//!
//! | route | |
//! |---|---|
//! | `GET /v1/models` | the one model |
//! | `POST /v1/completions` | `prompt` (text, texts, token ids, lists of them), `max_tokens` (0 too), `echo`, `logprobs`, `n`, `seed`, `temperature`, `top_p`, `stop`, `prompt_logprobs`, `add_special_tokens`, `return_token_ids` |
//! | `POST /v1/chat/completions` | `messages`, `logprobs`, `top_logprobs`, `n`, `seed`, `temperature`, `top_p`, `stop`, `max_tokens` or `max_completion_tokens`, `prompt_logprobs`, `add_generation_prompt`, `continue_final_message`, `return_token_ids` |
//! | `POST /tokenize` | `prompt` with `add_special_tokens`, or `messages`; `return_token_strs` |
//!
//! Log-probabilities are the model's own, in nats; temperature and `top_p` act on what is drawn only.
//! The token that ends a text has an entry among the log-probabilities and counts as written, as at vLLM.
//! With `add_special_tokens` false a prompt is tokenized as text behind other text: the tokens of a
//! prompt and those of its continuation together are what the engine scores.

mod ask;
pub(crate) mod connection;
mod fields;
pub(crate) mod host;
mod http;
mod log;
mod refusal;
mod shape;
pub(crate) mod signals;
mod token;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::digest;
use crate::model::Model as _;
use crate::model::local::LocalModel;
use crate::question::Access;
use connection::{Client, Gate};
use http::Desk;
use log::Log;
use signals::Signals;
use worker::Worker;

pub use token::{NoToken, Token};

/// What one request, and all together, may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest body, in bytes.
    pub body: usize,
    /// The most tokens of prompt and answer together; at most the model's context counts.
    pub length: usize,
    /// The most tokens of one answer.
    pub max_tokens: usize,
    /// The most answers to one request: prompts times `n`.
    pub choices: usize,
    /// The most tokens named at a position.
    pub logprobs: usize,
    /// Requests in hand at once, waiting ones included.
    pub queue: usize,
    /// Connections at once.
    pub connections: usize,
    /// What is told: texts, the probabilities of their tokens, or those of any text that is sent.
    pub grant: Access,
}

/// How a model is served.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes any that is free.
    pub address: SocketAddr,
    /// The name under which clients ask for the model.
    pub name: String,
    /// What clients must show.
    pub token: Option<Token>,
    /// Limits.
    pub limits: Limits,
    /// Where to keep a line of every request.
    pub log: Option<PathBuf>,
    /// The log holds prompts themselves, not their digests.
    pub log_prompts: bool,
    /// Threads of the engine.
    pub threads: usize,
    /// How long requests in hand may take once the server is asked to stop.
    pub grace: Duration,
}

impl Settings {
    /// Refuses to let anybody ask from elsewhere without a token.
    ///
    /// # Errors
    ///
    /// When the address is not a loopback address and there is no token.
    pub fn check(&self) -> Result<(), ServeError> {
        let address = self.address;
        if address.ip().is_loopback() || self.token.is_some() {
            return Ok(());
        }
        Err(ServeError::TokenRequired { address })
    }
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every request in hand was answered.
    Whole,
    /// Requests were cut off: they took too long, or a second signal came.
    CutOff,
}

/// A model cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address can be reached from elsewhere, and anybody could ask.
    #[error("'{address}' can be reached from other machines, so a token is required")]
    TokenRequired {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on '{address}'")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The log cannot be written.
    #[error("cannot open the log '{}'", path.display())]
    Log {
        /// The file.
        path: PathBuf,
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
    /// The worker that owns the model has ended. A bug.
    #[error("the engine stopped")]
    Engine,
}

/// Serves a model until a signal asks for an end. `ready` is told the address that is listened on.
///
/// # Errors
///
/// When the address needs a token and there is none, or cannot be listened on, or the log cannot be
/// opened.
pub fn serve(
    model: LocalModel,
    settings: Settings,
    ready: impl FnOnce(SocketAddr) -> io::Result<()>,
) -> Result<Ended, ServeError> {
    settings.check()?;
    let address = settings.address;
    let start = |source| ServeError::Start { source };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // A chat template is rendered on a stack of its own, so not many at once.
        .max_blocking_threads(4)
        .enable_all()
        .build()
        .map_err(start)?;
    let ended = runtime.block_on(async {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| ServeError::Listen { address, source })?;
        let bound = listener.local_addr().map_err(start)?;
        let (queue, jobs) = mpsc::channel(settings.limits.queue.max(1));
        let gate = Gate::new(listener, settings.limits.connections.max(1));
        let (threads, grace) = (settings.threads, settings.grace);
        let desk = desk(model, settings, queue)?;
        let stopped = work(Arc::clone(&desk.model), jobs, threads).map_err(start)?;
        let signals = Signals::new().map_err(start)?;
        ready(bound).map_err(start)?;
        run(gate, desk, stopped, signals, grace).await
    });
    // Whatever still runs is of no use to anybody.
    runtime.shutdown_background();
    ended
}

fn desk(
    model: LocalModel,
    settings: Settings,
    queue: mpsc::Sender<worker::Job>,
) -> Result<Arc<Desk>, ServeError> {
    let log = match &settings.log {
        None => None,
        Some(path) => Some(Arc::new(Log::open(path).map_err(|source| {
            ServeError::Log {
                path: path.clone(),
                source,
            }
        })?)),
    };
    let source = &model.identity().source;
    let seal = digest::of_value(&(source, env!("CARGO_PKG_VERSION")));
    let limits = Limits {
        length: settings.limits.length.min(model.context()),
        ..settings.limits
    };
    let desk = Desk {
        fingerprint: format!("fp_{}", &seal[..16]),
        longest: longest_token(&model),
        model: Arc::new(model),
        name: settings.name,
        limits,
        token: settings.token,
        log,
        log_prompts: settings.log_prompts,
        queue,
        places: Semaphore::new(settings.limits.queue),
        number: AtomicU64::new(0),
        seed: rand::random(),
        started: http::now(),
    };
    Ok(Arc::new(desk))
}

/// Bytes of the longest token; without any, no text is too long.
fn longest_token(model: &LocalModel) -> usize {
    let tokenizer = model.tokenizer();
    let ids = (0..tokenizer.vocabulary()).filter_map(|id| u32::try_from(id).ok());
    let lengths = ids.filter_map(|id| {
        let bytes = tokenizer.token_bytes(id).or_else(|| tokenizer.written(id));
        bytes.map(<[u8]>::len)
    });
    lengths.max().filter(|n| *n > 0).unwrap_or(usize::MAX)
}

/// Starts the worker; what is returned resolves when it has ended.
fn work(
    model: Arc<LocalModel>,
    jobs: mpsc::Receiver<worker::Job>,
    threads: usize,
) -> io::Result<oneshot::Receiver<()>> {
    // A pool of its own keeps the engine's small matrix products on its own threads.
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(io::Error::other)?;
    let (ended, stopped) = oneshot::channel::<()>();
    std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || {
            // Dropped when the worker ends, also by a panic.
            let _ended = ended;
            pool.install(|| Worker::new(&model).run(jobs));
        })?;
    Ok(stopped)
}

async fn run(
    gate: Gate,
    desk: Arc<Desk>,
    stopped: oneshot::Receiver<()>,
    signals: Signals,
    grace: Duration,
) -> Result<Ended, ServeError> {
    let router = Router::new().fallback(http::answer).with_state(desk);
    tokio::select! {
        ended = attend(gate, router, signals, grace) => Ok(ended),
        _ = stopped => Err(ServeError::Engine),
    }
}

/// Answers requests until a signal, and then those in hand, unless that takes too long or a second signal
/// comes.
pub(crate) async fn attend(
    gate: Gate,
    router: Router,
    mut signals: Signals,
    grace: Duration,
) -> Ended {
    let service = router.into_make_service_with_connect_info::<Client>();
    let (stop, asked) = oneshot::channel::<()>();
    let server = axum::serve(gate, service).with_graceful_shutdown(async {
        let _ = asked.await;
    });
    let cut_off = async {
        signals.next().await;
        let _ = stop.send(());
        let _ = tokio::time::timeout(grace, signals.next()).await;
    };
    tokio::select! {
        _ = server => Ended::Whole,
        () = cut_off => Ended::CutOff,
    }
}
