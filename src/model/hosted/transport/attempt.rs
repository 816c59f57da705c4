//! One sending of one request.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::io::Read as _;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use reqwest::header::{HeaderMap, HeaderValue};

use super::super::secret::Secret;
use super::Reply;

/// The longest body that is read.
const MOST_BYTES: usize = 16 << 20;

/// What became of one sending.
#[derive(Debug)]
pub(super) enum Sent {
    /// A whole reply.
    Whole(Reply),
    /// No reply, or not to its end.
    Broken(Broken),
}

/// Why there is no whole reply.
#[derive(Debug)]
pub(super) struct Broken {
    /// In words.
    pub(super) reason: String,
    /// It took too long.
    pub(super) slow: bool,
    /// It never reached the server.
    pub(super) unsent: bool,
    /// Another attempt would end alike.
    pub(super) for_good: bool,
}

impl Broken {
    /// As a reply of status 0, whose body is the reason.
    pub(super) fn into_reply(self) -> Reply {
        Reply::new(0, BTreeMap::new(), self.reason.into_bytes())
    }
}

/// Sends a request once and reads the reply to its end. The key is masked where the server echoes it. Only a
/// request that cannot be built is an error.
pub(super) async fn send(
    request: reqwest::RequestBuilder,
    key: Option<&Secret>,
) -> Result<Sent, reqwest::Error> {
    let mut reply = match request.send().await {
        Ok(reply) => reply,
        Err(error) if error.is_builder() => return Err(error.without_url()),
        Err(error) => return Ok(Sent::Broken(broken(error))),
    };
    let status = reply.status().as_u16();
    let headers = texts(reply.headers(), key);
    let announced = reply.content_length().unwrap_or(0);
    if announced > MOST_BYTES as u64 {
        return Ok(Sent::Broken(too_long()));
    }
    let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or(0));
    loop {
        match reply.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > MOST_BYTES => {
                return Ok(Sent::Broken(too_long()));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return Ok(Sent::Broken(broken(error))),
        }
    }
    body = match unpacked(body, headers.get("content-encoding").map(String::as_str)) {
        Ok(body) => body,
        Err(broken) => return Ok(Sent::Broken(broken)),
    };
    if let Some(key) = key {
        body = key.scrub(body);
    }
    let mut reply = Reply::new(status, headers, body);
    if let (Some(key), Ok(parsed)) = (key, &mut reply.json) {
        key.scrub_value(&mut parsed.value);
    }
    Ok(Sent::Whole(reply))
}

/// A body that a server compressed, though nobody asked it to, as it was before.
fn unpacked(body: Vec<u8>, encoding: Option<&str>) -> Result<Vec<u8>, Broken> {
    let most = MOST_BYTES as u64 + 1;
    let mut plain = Vec::new();
    let read = match encoding.map(str::to_ascii_lowercase).as_deref() {
        Some("gzip" | "x-gzip") => MultiGzDecoder::new(&*body)
            .take(most)
            .read_to_end(&mut plain),
        Some("deflate") => ZlibDecoder::new(&*body).take(most).read_to_end(&mut plain),
        _ => return Ok(body),
    };
    match read {
        // A server may name an encoding and not use it.
        Err(_) if matches!(body.first(), Some(b'{' | b'[')) => Ok(body),
        Err(error) => Err(Broken {
            reason: format!("the reply cannot be unpacked: {error}"),
            slow: false,
            unsent: false,
            for_good: true,
        }),
        Ok(_) if plain.len() > MOST_BYTES => Err(too_long()),
        Ok(_) => Ok(plain),
    }
}

fn texts(headers: &HeaderMap, key: Option<&Secret>) -> BTreeMap<String, String> {
    let text = |value: &HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes());
        match key {
            Some(key) => key.scrub_text(&text),
            None => text.into_owned(),
        }
    };
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect()
}

fn too_long() -> Broken {
    Broken {
        reason: format!("the reply is longer than {} MiB", MOST_BYTES >> 20),
        slow: false,
        unsent: false,
        for_good: true,
    }
}

fn broken(error: reqwest::Error) -> Broken {
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        reason = format!("{reason}: {error}");
        cause = error.source();
    }
    Broken {
        reason,
        slow: error.is_timeout() && !error.is_connect(),
        unsent: error.is_connect(),
        for_good: false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compressed_replies_are_unpacked_within_limits() {
        let body = packed(b"{\"a\": 1}");
        assert_eq!(unpacked(body, Some("gzip")).unwrap(), b"{\"a\": 1}");
        let plain = b"{\"a\": 1}".to_vec();
        assert_eq!(unpacked(plain.clone(), Some("gzip")).unwrap(), plain);
        assert_eq!(unpacked(plain.clone(), None).unwrap(), plain);
        let cut = packed(&[7; 4096])[..20].to_vec();
        assert!(unpacked(cut, Some("gzip")).unwrap_err().for_good);
        let bomb = packed(&vec![b'0'; MOST_BYTES + 1]);
        let refused = unpacked(bomb, Some("gzip")).unwrap_err();
        assert!(refused.reason.contains("longer than"), "{}", refused.reason);
    }
}
