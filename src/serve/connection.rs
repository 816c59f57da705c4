//! Connections: so many at once, and none that only waits.
//!
//! A connection that is silent, sends its headers drop by drop, or does not read its answer would hold
//! its place for ever. Each of these states has a time; while a request is being answered there is none.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// How long a connection may be open before the first byte of its first request: who is silent from the beginning holds
/// a place that nobody else has.
const FIRST: Duration = Duration::from_secs(5);
/// How long a connection may be open between requests.
const IDLE: Duration = Duration::from_secs(90);
/// How long the headers of a request may take.
const HEADERS: Duration = Duration::from_secs(10);
/// How long a client may take no part of its answer.
const UNREAD: Duration = Duration::from_mins(1);

/// Takes connections while there are places.
pub(crate) struct Gate {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new(listener: TcpListener, places: usize) -> Self {
        Self {
            listener,
            places: Arc::new(Semaphore::new(places)),
        }
    }
}

impl Listener for Gate {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            // Closed is what the semaphore never is.
            let place = Arc::clone(&self.places).acquire_owned().await.ok();
            if let Ok((stream, address)) = self.listener.accept().await {
                // Answers are small and whole; waiting to fill a packet only delays them.
                let _ = stream.set_nodelay(true);
                let connection = Connection {
                    stream,
                    client: Client::default(),
                    state: State::Idle,
                    reading: Box::pin(tokio::time::sleep(FIRST)),
                    writing: None,
                    _place: place,
                };
                return (connection, address);
            }
            // Out of files, most likely: some are given back before long.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// What a handler knows of the connection that it serves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Client(Arc<AtomicBool>);

impl Client {
    /// Says that a request is being answered until what is returned is dropped.
    pub(crate) fn busy(&self) -> Busy {
        self.0.store(true, Ordering::Relaxed);
        Busy(Arc::clone(&self.0))
    }
}

/// A request is being answered.
pub(crate) struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, Gate>> for Client {
    fn connect_info(stream: IncomingStream<'_, Gate>) -> Self {
        stream.io().client.clone()
    }
}

/// What a connection was doing when it was last read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Headers,
    Busy,
}

/// A connection with its times.
pub(crate) struct Connection {
    stream: TcpStream,
    client: Client,
    state: State,
    reading: Pin<Box<Sleep>>,
    writing: Option<Pin<Box<Sleep>>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn enter(&mut self, state: State, time: Duration) {
        self.state = state;
        self.reading.as_mut().reset(Instant::now() + time);
    }

    /// Ends the connection when its client takes nothing for too long.
    fn written<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.writing = None;
            return outcome;
        }
        let writing = &mut self.writing;
        let sleep = writing.get_or_insert_with(|| Box::pin(tokio::time::sleep(UNREAD)));
        match sleep.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let busy = self.client.0.load(Ordering::Relaxed);
        match (busy, self.state) {
            (true, _) => {
                self.state = State::Busy;
                return outcome;
            }
            (false, State::Busy) => self.enter(State::Idle, IDLE),
            (false, _) => {}
        }
        if outcome.is_ready() {
            if self.state == State::Idle {
                self.enter(State::Headers, HEADERS);
            }
            return outcome;
        }
        match self.reading.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.written(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        self.written(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
