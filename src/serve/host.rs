//! Who a request says it is for: a page of the web that gave its own name this machine's address is kept
//! out by that name.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};

/// Whether a request is for a name or an address of this machine's loopback, or for no name at all, which
/// no browser leaves out.
pub(crate) fn is_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST);
    let Some(host) = host.map(|host| host.to_str().unwrap_or_default()) else {
        return true;
    };
    // An address of version six stands in brackets, with colons of its own.
    let (name, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((name, rest)) => (
            name,
            rest.strip_prefix(':').or(rest.is_empty().then_some("")),
        ),
        None => host
            .split_once(':')
            .map_or((host, Some("")), |(name, port)| (name, Some(port))),
    };
    if !port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit())) {
        return false;
    }
    let address: Option<IpAddr> = name.parse().ok();
    name == "localhost" || address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_are_told_from_others() {
        let is = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            is_loopback(&headers)
        };
        for host in [
            "localhost",
            "localhost:80",
            "127.0.0.1",
            "127.9.9.9:8080",
            "[::1]",
            "[::1]:80",
        ] {
            assert!(is(host), "{host}");
        }
        for host in [
            "example.org",
            "localhost.example.org:80",
            "10.0.0.1",
            "[::2]",
            "[::1]x",
            "[::1",
            "127.0.0.1:x",
            "",
            "localhost:80:1",
        ] {
            assert!(!is(host), "{host}");
        }
        assert!(is_loopback(&HeaderMap::new()));
    }
}
