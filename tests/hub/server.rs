//! A hub on loopback, with the standard library only: the routes a fetch uses, a log of every
//! request, and faults on demand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the hub holds and how it misbehaves.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Bytes served instead of the true ones.
    pub(crate) served: BTreeMap<String, Vec<u8>>,
    /// Entries added to the listing.
    pub(crate) listed: Vec<Value>,
    /// Closes the connection after so many body bytes of a download, once for each item.
    pub(crate) drops: Vec<usize>,
    /// Answers every download with this status once `drops` are used up.
    pub(crate) broken: Option<u16>,
    /// Answers everything under this prefix with a status and a hub error code.
    pub(crate) deny: Option<(&'static str, u16, &'static str)>,
    /// Sends large files elsewhere, as the public hub does: the client then sees no digest header.
    pub(crate) redirects: bool,
    pub(crate) ignores_ranges: bool,
    /// Gives this commit whatever was asked for.
    pub(crate) commit: Option<String>,
    /// Serves every repository at every revision, with the same files.
    pub(crate) any: bool,
    pub(crate) log: Vec<Request>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) authorization: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Hub {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

impl Hub {
    /// Serves a repository `org/name` until the test ends.
    pub(crate) fn start(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(state));
        let hub = Self {
            address: address.clone(),
            state: Arc::clone(&state),
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, address) = (Arc::clone(&state), address.clone());
                thread::spawn(move || answer(&stream, &state, &address));
            }
        });
        hub
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// The requests so far, oldest first; the log is emptied.
    pub(crate) fn log(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.lock().unwrap().log)
    }

    /// The ranges of the downloads of one file since the log was last taken.
    pub(crate) fn ranges(&self, file: &str) -> Vec<Option<String>> {
        self.log()
            .into_iter()
            .filter(|request| {
                request.method == "GET" && request.path.ends_with(&format!("/{file}"))
            })
            .map(|request| request.range)
            .collect()
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The git object of a file of these bytes.
pub(crate) fn git_blob(bytes: &[u8]) -> String {
    let mut text = format!("blob {}\0", bytes.len()).into_bytes();
    text.extend(bytes);
    hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, &text).as_ref())
}

/// The pointer that git holds for a large file.
pub(crate) fn pointer(bytes: &[u8]) -> String {
    let (digest, length) = (sha256(bytes), bytes.len());
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {length}\n")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn is_large(name: &str) -> bool {
    [".safetensors", ".gguf", ".bin", "tokenizer.json"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn answer(stream: &TcpStream, state: &Mutex<State>, address: &str) -> Option<()> {
    let request = read_request(stream)?;
    let mut state = state.lock().unwrap();
    state.log.push(request.clone());
    let path = request.path.split('?').next()?;
    let renamed = state.any.then(|| as_org_name(path)).flatten();
    let path = renamed.as_deref().unwrap_or(path);
    if let Some((prefix, status, code)) = state.deny
        && path.starts_with(prefix)
    {
        let headers = format!(
            "x-error-code: {code}\r\nx-error-message: SERVER-TEXT {:?}\r\n",
            request.authorization
        );
        return respond(stream, &request, status, &headers, b"{}");
    }
    if let Some(rest) = path.strip_prefix("/api/models/org/name/revision/") {
        let sha = state.commit.clone().unwrap_or_else(|| COMMIT.to_owned());
        let known = state.any || ["main", "v1", COMMIT].contains(&rest);
        let body = json!({"_id": "1", "id": "org/name", "sha": sha, "siblings": []}).to_string();
        let headers = if known {
            ""
        } else {
            "x-error-code: RevisionNotFound\r\n"
        };
        return respond(
            stream,
            &request,
            if known { 200 } else { 404 },
            headers,
            body.as_bytes(),
        );
    }
    if let Some(folder) = path.strip_prefix(&format!("/api/models/org/name/tree/{COMMIT}")) {
        let body = Value::Array(tree(&state, folder.trim_start_matches('/'))).to_string();
        return respond(stream, &request, 200, "", body.as_bytes());
    }
    if let Some(name) = path.strip_prefix(&format!("/org/name/resolve/{COMMIT}/")) {
        return file(stream, &request, &mut state, name, address);
    }
    if let Some(name) = path.strip_prefix("/elsewhere/") {
        let bytes = state.served.get(name).or(state.files.get(name))?.clone();
        return download(stream, &request, &mut state, "etag: \"other\"\r\n", &bytes);
    }
    respond(
        stream,
        &request,
        404,
        "x-error-code: RepoNotFound\r\n",
        b"{}",
    )
}

/// The path with `org/name` in the place of the repository's name.
fn as_org_name(path: &str) -> Option<String> {
    let (start, rest) = match path.strip_prefix("/api/models/") {
        Some(rest) => ("/api/models/", rest),
        None => (
            "/",
            path.strip_prefix('/').filter(|p| p.contains("/resolve/"))?,
        ),
    };
    let mut parts = rest.splitn(3, '/').skip(2);
    Some(format!("{start}org/name/{}", parts.next()?))
}

fn tree(state: &State, folder: &str) -> Vec<Value> {
    let prefix = if folder.is_empty() {
        String::new()
    } else {
        format!("{folder}/")
    };
    let entry = |name: &String, bytes: &Vec<u8>| {
        let mut entry =
            json!({"type": "file", "path": name, "size": bytes.len(), "oid": git_blob(bytes)});
        if is_large(name) {
            let pointer = pointer(bytes);
            entry["oid"] = git_blob(pointer.as_bytes()).into();
            entry["lfs"] =
                json!({"oid": sha256(bytes), "size": bytes.len(), "pointerSize": pointer.len()});
        }
        entry
    };
    let inside = |name: &str| {
        name.strip_prefix(&prefix)
            .is_some_and(|rest| !rest.contains('/'))
    };
    let files = state.files.iter().filter(|(name, _)| inside(name));
    files
        .map(|(name, bytes)| entry(name, bytes))
        .chain(state.listed.clone())
        .collect()
}

fn file(
    stream: &TcpStream,
    request: &Request,
    state: &mut State,
    name: &str,
    address: &str,
) -> Option<()> {
    let Some(bytes) = state.files.get(name).cloned() else {
        return respond(
            stream,
            request,
            404,
            "x-error-code: EntryNotFound\r\n",
            b"{}",
        );
    };
    let mut headers = format!("x-repo-commit: {COMMIT}\r\n");
    if is_large(name) {
        let (digest, length) = (sha256(&bytes), bytes.len());
        write!(
            headers,
            "x-linked-etag: \"{digest}\"\r\nx-linked-size: {length}\r\n"
        )
        .unwrap();
        if state.redirects {
            write!(
                headers,
                "location: {address}/elsewhere/{name}?Signature=SECRET\r\n"
            )
            .unwrap();
            return respond(stream, request, 302, &headers, b"");
        }
    } else {
        write!(headers, "etag: \"{}\"\r\n", git_blob(&bytes)).unwrap();
    }
    let bytes = state.served.get(name).cloned().unwrap_or(bytes);
    download(stream, request, state, &headers, &bytes)
}

fn download(
    stream: &TcpStream,
    request: &Request,
    state: &mut State,
    headers: &str,
    bytes: &[u8],
) -> Option<()> {
    if request.method == "HEAD" {
        return respond(stream, request, 200, headers, bytes);
    }
    let large = bytes.len() > 1000;
    if large
        && state.drops.is_empty()
        && let Some(status) = state.broken
    {
        return respond(stream, request, status, "", b"{}");
    }
    let (status, body) = match request.range.as_deref().filter(|_| !state.ignores_ranges) {
        Some(range) => {
            let (from, last) = range.strip_prefix("bytes=")?.split_once('-')?;
            let (from, last): (usize, usize) = (from.parse().ok()?, last.parse().ok()?);
            (
                206,
                &bytes[from.min(bytes.len())..(last + 1).min(bytes.len())],
            )
        }
        None => (200, bytes),
    };
    if large && !state.drops.is_empty() {
        let kept = state.drops.remove(0).min(body.len());
        let mut stream = stream;
        let head = format!(
            "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        return stream.write_all(&body[..kept]).ok();
    }
    respond(stream, request, status, headers, body)
}

fn respond(
    mut stream: &TcpStream,
    request: &Request,
    status: u16,
    headers: &str,
    body: &[u8],
) -> Option<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    if request.method != "HEAD" {
        stream.write_all(body).ok()?;
    }
    stream.flush().ok()
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ');
    let mut request = Request {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        range: None,
        authorization: None,
    };
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "range" => request.range = Some(value.trim().to_owned()),
            "authorization" => request.authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    Some(request)
}
