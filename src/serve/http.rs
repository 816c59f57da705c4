//! One request: who asks, what for, and the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::Limits;
use super::ask::{Asked, Reader, Route};
use super::connection::Client;
use super::host;
use super::log::{Entry, Log};
use super::refusal::Refusal;
use super::shape::{Shape, usage};
use super::token::Token;
use super::worker::{Job, Work};
use crate::model::local::{LocalModel, PassageRead};

/// How long a body may take to arrive.
const BODY: Duration = Duration::from_secs(30);
/// How many times the largest body is read, and dropped, so that the client hears why it is refused.
const DRAINED: usize = 8;

/// Everything that requests share.
pub(super) struct Desk {
    pub(super) model: Arc<LocalModel>,
    pub(super) name: String,
    pub(super) fingerprint: String,
    pub(super) limits: Limits,
    /// Bytes of the longest token.
    pub(super) longest: usize,
    pub(super) token: Option<Token>,
    pub(super) log: Option<Arc<Log>>,
    pub(super) log_prompts: bool,
    pub(super) queue: mpsc::Sender<Job>,
    /// As many as requests may be in hand, waiting ones included.
    pub(super) places: Semaphore,
    /// Requests so far.
    pub(super) number: AtomicU64,
    /// Seeds requests that name none.
    pub(super) seed: i64,
    /// Seconds since 1970.
    pub(super) started: u64,
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "replies and the log are dated")]
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Answers one request.
pub(super) async fn answer(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(client): ConnectInfo<Client>,
    request: Request,
) -> Response {
    let _busy = client.busy();
    let number = desk.number.fetch_add(1, Ordering::Relaxed) + 1;
    let route: String = request.uri().path().chars().take(200).collect();
    let mut entry = Entry::new(desk.log.clone(), number, now(), route);
    let outcome = desk.answer(request, number, &mut entry).await;
    let status = match &outcome {
        Ok(_) => StatusCode::OK,
        Err(refusal) => refusal.status(),
    };
    let outcome = match entry.finish(status.as_u16()) {
        Ok(()) => outcome,
        Err(_) => Err(Refusal::Log),
    };
    respond(outcome)
}

fn respond(outcome: Result<Vec<u8>, Refusal>) -> Response {
    let mut response = Response::builder().header(header::CONTENT_TYPE, "application/json");
    let body = match outcome {
        Ok(body) => body,
        Err(refusal) => {
            response = response.status(refusal.status());
            response = match refusal {
                Refusal::Unauthorized => response.header(header::WWW_AUTHENTICATE, "Bearer"),
                Refusal::Full => response.header(header::RETRY_AFTER, "1"),
                _ => response,
            };
            refusal.body().to_string().into_bytes()
        }
    };
    // Status and headers are ours, so this is never the default.
    response.body(Body::from(body)).unwrap_or_default()
}

impl Desk {
    async fn answer(
        self: &Arc<Self>,
        request: Request,
        number: u64,
        entry: &mut Entry,
    ) -> Result<Vec<u8>, Refusal> {
        self.admit(request.headers())?;
        let get = [Method::GET, Method::HEAD].contains(request.method());
        let route = match request.uri().path() {
            "/v1/models" if get => {
                let list = json!({"object": "list", "data": [self.card()]});
                return Ok(list.to_string().into_bytes());
            }
            "/v1/completions" => Route::Completions,
            "/v1/chat/completions" => Route::Chat,
            "/tokenize" => Route::Tokenize,
            "/v1/models" => return Err(Refusal::Method),
            path => {
                let model = path.strip_prefix("/v1/models/").ok_or(Refusal::NoRoute)?;
                return self.one_model(model, get);
            }
        };
        if request.method() != Method::POST {
            return Err(Refusal::Method);
        }
        if !is_json(request.headers()) {
            return Err(Refusal::ContentType);
        }
        let body = tokio::time::timeout(BODY, body(request, self.limits.body));
        let body = body.await.map_err(|_| Refusal::Slow)??;
        let desk = Arc::clone(self);
        // To cut a text into tokens is work as well.
        let _place = self.places.try_acquire().map_err(|_| Refusal::Full)?;
        let mut asked = off_the_loop(move || desk.read(route, &body)).await??;
        let record = std::mem::take(&mut asked.record);
        entry.asked(record.prompts, record.parameters);
        let reads = match route {
            Route::Tokenize => Vec::new(),
            _ => self.ask(&asked, number).await?,
        };
        let (read, written) = usage(&asked, &reads);
        entry.answered(read, written);
        let desk = Arc::clone(self);
        off_the_loop(move || desk.reply(&asked, &reads, number)).await
    }

    /// Lets in who shows the token; where there is none, who asks for this machine.
    fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if let Some(token) = &self.token {
            let shown = headers.get(header::AUTHORIZATION);
            let shown = shown.is_some_and(|shown| token.is_shown_by(shown.as_bytes()));
            return if shown {
                Ok(())
            } else {
                Err(Refusal::Unauthorized)
            };
        }
        if host::is_loopback(headers) {
            Ok(())
        } else {
            Err(Refusal::Host)
        }
    }

    /// What is told about the model. Nothing of where it lies or how it is stored.
    fn card(&self) -> Value {
        json!({
            "id": self.name,
            "object": "model",
            "created": self.started,
            "owned_by": "parentage",
            "max_model_len": self.limits.length,
        })
    }

    fn one_model(&self, model: &str, get: bool) -> Result<Vec<u8>, Refusal> {
        if !get {
            return Err(Refusal::Method);
        }
        if model != self.name {
            return Err(Refusal::UnknownModel {
                model: model.chars().take(200).collect(),
                served: self.name.clone(),
            });
        }
        Ok(self.card().to_string().into_bytes())
    }

    fn read(&self, route: Route, body: &[u8]) -> Result<Asked, Refusal> {
        let reader = Reader {
            model: &self.model,
            name: &self.name,
            limits: &self.limits,
            longest: self.longest,
            log_prompts: self.log_prompts,
        };
        reader.read(route, body)
    }

    /// Queues a request's work and waits for it.
    async fn ask(&self, asked: &Asked, number: u64) -> Result<Vec<PassageRead>, Refusal> {
        let seed = match asked.drawing.seed {
            Some(seed) => ("asked", seed),
            None => ("drawn", self.seed ^ number.cast_signed()),
        };
        let prompts = asked.prompts.iter().map(|prompt| Work {
            tokens: prompt.tokens.clone(),
            read: asked.reading(),
            drawings: asked.drawings(prompt, seed),
        });
        let (reply, answer) = oneshot::channel();
        let job = Job {
            prompts: prompts.collect(),
            reply,
        };
        let stopped = || Refusal::Engine {
            what: "it has stopped".to_owned(),
        };
        self.queue.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refusal::Full,
            mpsc::error::TrySendError::Closed(_) => stopped(),
        })?;
        let answer = answer.await.map_err(|_| stopped())?;
        answer.map_err(|what| Refusal::Engine { what })
    }

    fn reply(&self, asked: &Asked, reads: &[PassageRead], number: u64) -> Vec<u8> {
        let shape = Shape {
            tokenizer: self.model.tokenizer(),
            model: &self.name,
            fingerprint: &self.fingerprint,
            created: now(),
            number,
            started: self.started,
            max_model_len: self.limits.length,
        };
        shape.reply(asked, reads).to_string().into_bytes()
    }
}

/// Runs work that may take long where it does not hold up other requests.
async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::Engine {
        what: error.to_string(),
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// A body up to a limit.
async fn body(request: Request, limit: usize) -> Result<Vec<u8>, Refusal> {
    let mut stream = request.into_body().into_data_stream();
    let (mut bytes, mut length) = (Vec::new(), 0_usize);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Refusal::Broken)?;
        length += chunk.len();
        if length <= limit {
            bytes.extend_from_slice(&chunk);
        } else if length > limit.saturating_mul(DRAINED) {
            break;
        }
    }
    if length > limit {
        return Err(Refusal::TooLarge { limit });
    }
    Ok(bytes)
}
