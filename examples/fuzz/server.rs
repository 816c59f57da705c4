//! A server on loopback that says the same to everything, until it is told to say something else.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What the server says: a status and a body.
type Said = Arc<Mutex<(u16, Vec<u8>)>>;

pub(crate) struct Server {
    said: Said,
    /// Its address.
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let url = format!("http://{}", listener.local_addr()?);
        let said = Said::default();
        let shared = Arc::clone(&said);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let said = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &said));
            }
        });
        Ok(Self { said, url })
    }

    /// Says this from now on.
    pub(crate) fn say(&self, status: u16, body: Vec<u8>) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = (status, body);
    }
}

/// Answers requests until the client is gone.
fn serve(stream: TcpStream, said: &Said) {
    let Ok(mut out) = stream.try_clone() else {
        return;
    };
    let mut reader = BufReader::new(stream);
    while let Some(length) = head(&mut reader) {
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let (status, body) = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if out.write_all(&[head.as_bytes(), &body].concat()).is_err() {
            return;
        }
    }
}

/// Reads a request's head; gives the length of its body, or `None` at the end.
fn head(reader: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            return Some(length);
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
}
