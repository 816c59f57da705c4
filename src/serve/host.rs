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
    match host.rsplit_once(':').map_or(host, |(name, _)| name) {
        "localhost" => true,
        name => {
            let address: Option<IpAddr> = name.trim_matches(['[', ']']).parse().ok();
            address.is_some_and(|address| address.is_loopback())
        }
    }
}
