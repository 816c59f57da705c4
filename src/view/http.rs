//! One request: for whom, for which page, and under which headers the page goes out.

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::Response;

use super::case_index::CaseIndex;
use super::checked::Checks;
use super::pages::{self, PageError};
use super::search::Wanted;
use crate::bundle::Rendering;
use crate::report::html;
use crate::serve::connection::Client;
use crate::serve::host;

/// Characters of a filter that are looked at.
const LONGEST: usize = 200;
/// What a page of ours may load: its own style sheet, and itself as the target of its forms.
const OURS: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// What a report may load: nothing; its style stands in it.
const REPORT: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
const HTML: &str = "text/html; charset=utf-8";

/// What requests share.
pub(super) struct Room {
    pub(super) cases: CaseIndex,
    pub(super) checks: Checks,
}

/// A page and what it is.
struct Answer {
    status: StatusCode,
    kind: &'static str,
    policy: &'static str,
    body: Vec<u8>,
}

impl Answer {
    fn page(status: StatusCode, page: String) -> Self {
        Self {
            status,
            kind: HTML,
            policy: OURS,
            body: page.into_bytes(),
        }
    }
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("This server answers only to the names of this machine's loopback.")]
    Host,
    #[error("This server is read from only.")]
    Method,
    #[error("There is no such page, or no such case any more.")]
    NoPage,
    #[error("The filter cannot be read.")]
    Filter,
    #[error("The page could not be made: {source}")]
    Page {
        #[from]
        source: PageError,
    },
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Host => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoPage => StatusCode::NOT_FOUND,
            Self::Filter => StatusCode::BAD_REQUEST,
            Self::Page { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Answers one request.
pub(super) async fn answer(
    State(room): State<Arc<Room>>,
    ConnectInfo(client): ConnectInfo<Client>,
    request: Request,
) -> Response {
    let _busy = client.busy();
    // Checking and searching take long, and hold up nobody there.
    let made = tokio::task::spawn_blocking(move || match made(&room, &request) {
        Ok(answer) => answer,
        Err(refusal) => refused(&refusal),
    });
    let broken = || Answer::page(StatusCode::INTERNAL_SERVER_ERROR, String::new());
    respond(made.await.unwrap_or_else(|_| broken()))
}

fn respond(answer: Answer) -> Response {
    let mut response = Response::builder()
        .status(answer.status)
        .header(header::CONTENT_TYPE, answer.kind)
        .header(header::CONTENT_SECURITY_POLICY, answer.policy)
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::REFERRER_POLICY, "no-referrer")
        .header(header::X_FRAME_OPTIONS, "DENY")
        .header("cross-origin-resource-policy", "same-origin")
        .header("cross-origin-opener-policy", "same-origin")
        // Cases change, and what was privileged stays out of the browser's cache.
        .header(header::CACHE_CONTROL, "no-store");
    if answer.status == StatusCode::METHOD_NOT_ALLOWED {
        response = response.header(header::ALLOW, "GET, HEAD");
    }
    // Status and headers are ours, so this is never the default.
    response.body(Body::from(answer.body)).unwrap_or_default()
}

fn refused(refusal: &Refusal) -> Answer {
    let page = pages::message(&refusal.to_string());
    // A template of ours that fails on a plain sentence would fail everywhere.
    Answer::page(refusal.status(), page.unwrap_or_default())
}

fn made(room: &Room, request: &Request) -> Result<Answer, Refusal> {
    if !host::is_loopback(request.headers()) {
        return Err(Refusal::Host);
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return Err(Refusal::Method);
    }
    let path = request.uri().path();
    if path == "/style.css" {
        return Ok(Answer {
            status: StatusCode::OK,
            kind: "text/css; charset=utf-8",
            policy: OURS,
            body: [html::STYLE, pages::STYLE].concat().into_bytes(),
        });
    }
    let filter = Filter::of(request.uri())?;
    let page = if path == "/" {
        pages::index(&room.cases, &filter.wanted.q, &filter.stage)?
    } else {
        let rest = path.strip_prefix("/case/").ok_or(Refusal::NoPage)?;
        let (id, page) = rest.split_once('/').unwrap_or((rest, ""));
        let case = room.cases.find(id).ok_or(Refusal::NoPage)?;
        match page {
            "" => pages::case(id, &case, &room.checks)?,
            "probes" => pages::probes(id, &case, &filter.wanted)?,
            "answers" => pages::answers(id, &case, &filter.wanted)?,
            file => return report(room, &case, file),
        }
    };
    Ok(Answer::page(StatusCode::OK, page))
}

/// A report, if the case holds: what fails the check is not shown.
fn report(room: &Room, case: &Path, file: &str) -> Result<Answer, Refusal> {
    let extension = file.strip_prefix("report.").ok_or(Refusal::NoPage)?;
    let rendering = Rendering::ALL
        .into_iter()
        .find(|r| r.extension() == extension);
    let rendering = rendering.ok_or(Refusal::NoPage)?;
    let checked = room.checks.of(case);
    let rendered = checked.outcome.as_ref().map_err(|_| Refusal::NoPage)?;
    let body = rendered.form(rendering).ok_or(Refusal::NoPage)?.to_vec();
    Ok(Answer {
        status: StatusCode::OK,
        kind: match rendering {
            Rendering::Html => HTML,
            Rendering::Json => "application/json",
            Rendering::Terminal | Rendering::Markdown => "text/plain; charset=utf-8",
        },
        policy: REPORT,
        body,
    })
}

/// What a form asks for.
struct Filter {
    wanted: Wanted,
    stage: String,
}

impl Filter {
    fn of(uri: &Uri) -> Result<Self, Refusal> {
        let Query(pairs) =
            Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| Refusal::Filter)?;
        let value = |name: &str| -> String {
            let found = pairs.iter().find(|(n, _)| n == name);
            let value = found.map_or("", |(_, value)| value.trim());
            value.chars().take(LONGEST).collect()
        };
        let from = value("from");
        Ok(Self {
            wanted: Wanted {
                model: value("model"),
                probe: value("probe"),
                kind: value("kind"),
                q: value("q"),
                from: match from.as_str() {
                    "" => 0,
                    from => from.parse().map_err(|_| Refusal::Filter)?,
                },
            },
            stage: value("stage"),
        })
    }
}
