//! A server for tests that behaves as badly as asked, over plain sockets.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

/// A key that every test searches for.
pub(crate) const KEY: &str = "sk-test/0123456789-abcdef";

/// A request as the server read it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Which of all requests, from 0.
    pub(crate) n: usize,
    /// Path and query.
    pub(crate) path: String,
    /// Headers, names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body.
    pub(crate) body: Value,
}

/// What the server does about a request.
#[derive(Debug, Clone)]
pub(crate) enum Does {
    /// Answers.
    Says(u16, Vec<(&'static str, String)>, String),
    /// Closes the connection without a word.
    Drops,
    /// Announces the whole body, sends half of it, and closes the connection.
    Truncates(String),
    /// Answers after a while.
    Dawdles(Duration, String),
    /// Sends this many bytes of a body without announcing its length.
    Floods(usize),
}

/// A running server; it stops when dropped.
#[derive(Debug)]
pub(crate) struct Peer {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Peer {
    pub(crate) fn start(does: impl Fn(Asked) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            stop: Arc::default(),
        };
        let (asked, stop) = (Arc::clone(&peer.asked), Arc::clone(&peer.stop));
        let does = Arc::new(does);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (asked, does) = (Arc::clone(&asked), Arc::clone(&does));
                // A client that goes away ends its connection, nothing else.
                std::thread::spawn(move || serve(&stream, &asked, does.as_ref()));
            }
        });
        peer
    }

    /// Requests so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the listener up to see it.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(
    stream: &TcpStream,
    asked: &AtomicUsize,
    does: &(dyn Fn(Asked) -> Does + Sync),
) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let request = read(&mut reader, asked)?;
        let whole = |status, headers: &[(&str, String)], body: &str| {
            let headers = headers.iter().fold(String::new(), |all, (name, value)| {
                all + name + ": " + value + "\r\n"
            });
            let length = body.len();
            format!("HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\n\r\n{body}")
        };
        let text = match does(request) {
            Does::Says(status, headers, body) => whole(status, &headers, &body),
            Does::Dawdles(wait, body) => {
                std::thread::sleep(wait);
                whole(200, &[], &body)
            }
            Does::Drops => return None,
            Does::Truncates(body) => {
                let text = whole(200, &[], &body);
                let half = text.len() - body.len() / 2 - 1;
                writer.write_all(&text.as_bytes()[..half]).ok()?;
                return None;
            }
            Does::Floods(bytes) => {
                writer
                    .write_all(b"HTTP/1.1 200 x\r\nconnection: close\r\n\r\n")
                    .ok()?;
                let part = vec![b' '; 1 << 16];
                for _ in 0..bytes.div_ceil(part.len()) {
                    writer.write_all(&part).ok()?;
                }
                return None;
            }
        };
        writer.write_all(text.as_bytes()).ok()?;
    }
}

fn read(reader: &mut BufReader<&TcpStream>, asked: &AtomicUsize) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length");
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Asked {
        n: asked.fetch_add(1, Ordering::SeqCst),
        path,
        headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    })
}

/// An answer in OpenAI's form.
pub(crate) fn chat(text: &str) -> String {
    json!({
        "id": "x",
        "model": "m-1-2026",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
    })
    .to_string()
}
