//! How a server ends.
#![cfg(unix)]

use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::server::{Reply, Server};

/// Asks something that takes a while, and sends a signal in the middle of it.
fn interrupted(server: &Server, signals: &[&str]) -> Reply {
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let body = json!({"prompt": "The", "max_tokens": 500, "n": 128, "seed": 1});
            server.post("/v1/completions", &body)
        });
        std::thread::sleep(Duration::from_millis(300));
        assert!(!asking.is_finished(), "too quick to be interrupted");
        for signal in signals {
            server.signal(signal);
            std::thread::sleep(Duration::from_millis(100));
        }
        asking.join().unwrap()
    })
}

#[test]
fn a_signal_lets_requests_in_hand_be_answered_and_takes_no_others() {
    for signal in ["-TERM", "-INT"] {
        let mut server = Server::teacher(&[]);
        // A connection that only waits does not hold the server up.
        let idle = server.connect();
        let reply = interrupted(&server, &[signal]);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json()["choices"].as_array().unwrap().len(), 128);
        assert_eq!(server.wait(), Some(0));
        assert!(TcpStream::connect(&server.address).is_err());
        drop(idle);
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Server::teacher(&[]);
    let reply = interrupted(&server, &["-TERM", "-TERM"]);
    assert_eq!(reply.status, 0, "{}", reply.body);
    assert_eq!(server.wait(), Some(130));
}

#[test]
fn requests_that_take_longer_than_the_grace_are_cut_off() {
    let mut server = Server::teacher(&["--grace", "0"]);
    let reply = interrupted(&server, &["-TERM"]);
    assert_eq!(reply.status, 0, "{}", reply.body);
    assert_eq!(server.wait(), Some(130));
}
