use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::super::peer::{Does, KEY, Peer, chat};
use super::super::secret::Secret;
use super::super::wire::{Dialect, Learnt};
use super::*;

/// An endpoint at this address.
pub(super) fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        name: "test/m-1".to_owned(),
        provider: "test".to_owned(),
        url: url.to_owned(),
        model: "m-1".to_owned(),
        dialect: Dialect::OpenAiChat,
        auth: Auth::Bearer,
        key: Some(Secret::new(KEY.to_owned())),
        prefix: String::new(),
        upstream: None,
        learnt: Learnt::default(),
    }
}

/// As usual, but in milliseconds.
fn brisk() -> Options {
    Options {
        timeout: Duration::from_secs(10),
        attempts: 4,
        first_pause: Duration::from_millis(1),
        last_pause: Duration::from_millis(4),
        ..Options::default()
    }
}

/// Replies in turn, the last one for ever.
struct Script(AtomicUsize, Vec<ResponseTemplate>);

impl Respond for Script {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let turn = self.0.fetch_add(1, Ordering::SeqCst);
        self.1[turn.min(self.1.len() - 1)].clone()
    }
}

async fn server(replies: Vec<ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    let script = Script(AtomicUsize::new(0), replies);
    Mock::given(any()).respond_with(script).mount(&server).await;
    server
}

fn status(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_string("{}")
}

fn error(code: u16, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(code).set_body_json(json!({"error": {"message": message}}))
}

fn request() -> WireRequest {
    WireRequest {
        path: "/chat/completions".to_owned(),
        headers: vec![("x-own", "own".to_owned())],
        body: Some(json!({"max_tokens": 20})),
    }
}

fn transport(url: &str, options: Options) -> Transport {
    Transport::new(endpoint(url), options).unwrap()
}

/// Sends one request to a server with these replies; gives what came back and how often it was asked.
async fn one(replies: Vec<ResponseTemplate>) -> (Result<Reply, HostedError>, usize) {
    let server = server(replies).await;
    let reply = transport(&server.uri(), brisk()).send(&request()).await;
    let asked = server.received_requests().await.unwrap().len();
    (reply, asked)
}

#[tokio::test]
async fn a_request_carries_its_key_its_headers_and_its_body() {
    let server = server(vec![status(200)]).await;
    let transport = transport(&server.uri(), brisk());
    transport.send(&request()).await.unwrap();
    let get = WireRequest {
        path: "/models".to_owned(),
        headers: Vec::new(),
        body: None,
    };
    transport.send(&get).await.unwrap();
    let asked = server.received_requests().await.unwrap();
    let header = |n: usize, name: &str| asked[n].headers[name].to_str().unwrap().to_owned();
    assert_eq!(header(0, "authorization"), format!("Bearer {KEY}"));
    assert_eq!(header(0, "content-type"), "application/json");
    assert_eq!(header(0, "x-own"), "own");
    assert_eq!(asked[0].body, br#"{"max_tokens":20}"#);
    assert_eq!(
        (asked[1].method.as_str(), asked[1].url.path()),
        ("GET", "/models")
    );
    assert_eq!(header(1, "authorization"), format!("Bearer {KEY}"));
}

#[tokio::test]
async fn a_key_may_have_a_header_of_its_own() {
    let server = server(vec![status(200)]).await;
    let mut endpoint = endpoint(&server.uri());
    endpoint.auth = Auth::Header("X-Api-Key");
    let transport = Transport::new(endpoint, brisk()).unwrap();
    transport.send(&request()).await.unwrap();
    let asked = server.received_requests().await.unwrap();
    assert_eq!(asked[0].headers["x-api-key"], KEY);
    assert!(!asked[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    for passing in [408, 409, 429, 500, 502, 503, 529] {
        let (reply, asked) = one(vec![status(passing), status(passing), status(200)]).await;
        let reply = reply.unwrap();
        assert_eq!(
            (reply.status, reply.attempts, asked),
            (200, 3, 3),
            "{passing}"
        );
    }
    for body in ["", "<html></html>", "{\"choices\": [", "null trailing"] {
        let broken = ResponseTemplate::new(200).set_body_string(body);
        let (reply, asked) = one(vec![broken, status(200)]).await;
        assert_eq!((reply.unwrap().attempts, asked), (2, 2), "{body}");
    }
}

#[tokio::test]
async fn a_pause_that_the_server_asks_for_holds_back_those_who_wait_for_a_place() {
    let server = MockServer::start().await;
    let came = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&came);
    let respond = move |_: &Request| {
        let mut seen = seen.lock().unwrap();
        seen.push(Instant::now());
        match seen.len() {
            1 => status(429).insert_header("retry-after-ms", "600"),
            _ => status(200).set_delay(Duration::from_millis(50)),
        }
    };
    Mock::given(any())
        .respond_with(respond)
        .mount(&server)
        .await;
    let (transport, request) = (transport(&server.uri(), brisk()), request());
    let sent = (0..12).map(|_| transport.send(&request));
    for reply in futures::future::join_all(sent).await {
        assert_eq!(reply.unwrap().status, 200);
    }
    let came = came.lock().unwrap();
    assert_eq!(came.len(), 13);
    // The gate lets four in at first; the others must not follow as soon as these have left.
    let early = came
        .iter()
        .filter(|at| **at - came[0] < Duration::from_millis(500));
    assert!((1..=4).contains(&early.count()), "{came:?}");
}

#[tokio::test]
async fn what_stays_is_not() {
    for lasting in [400, 404, 413, 422, 501] {
        let (reply, asked) = one(vec![status(lasting), status(200)]).await;
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.attempts, asked), (lasting, 1, 1));
    }
    let asked_not_to = status(500).insert_header("x-should-retry", "false");
    let (reply, asked) = one(vec![asked_not_to, status(200)]).await;
    assert_eq!((reply.unwrap().status, asked), (500, 1));
}

#[tokio::test]
async fn attempts_are_bounded_by_count() {
    let (reply, asked) = one(vec![status(503)]).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status, reply.attempts, asked), (503, 4, 4));
}

#[tokio::test]
async fn attempts_are_bounded_by_the_clock() {
    let busy = status(503).insert_header("retry-after", "2");
    let server = server(vec![busy, status(200)]).await;
    let options = Options {
        patience: Duration::from_secs(1),
        ..brisk()
    };
    let reply = transport(&server.uri(), options).send(&request()).await;
    assert_eq!(reply.unwrap().status, 503);
}

#[tokio::test]
async fn the_wait_that_a_server_asks_for_holds_every_request() {
    let busy = status(429).insert_header("retry-after-ms", "200");
    let server = server(vec![busy, status(200)]).await;
    let transport = transport(&server.uri(), brisk());
    let (begun, request) = (Instant::now(), request());
    let first = transport.send(&request);
    let second = async {
        sleep(Duration::from_millis(60)).await;
        let reply = transport.send(&request).await;
        (reply, begun.elapsed())
    };
    let (first, (second, waited)) = futures::join!(first, second);
    assert_eq!((first.unwrap().attempts, second.unwrap().attempts), (2, 1));
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert!(waited >= Duration::from_millis(180), "{waited:?}");
}

#[tokio::test]
async fn a_key_a_model_and_an_account_that_will_not_do_end_the_run_at_once() {
    let (reply, asked) = one(vec![error(401, "no"), status(200)]).await;
    assert!(
        matches!(reply, Err(HostedError::Auth { status: 401, .. })),
        "{reply:?}"
    );
    assert_eq!(asked, 1);
    let (reply, asked) = one(vec![error(404, "The model 'm-1' does not exist")]).await;
    assert!(
        matches!(reply, Err(HostedError::NotFound { .. })),
        "{reply:?}"
    );
    assert_eq!(asked, 1);
    let (reply, asked) = one(vec![error(429, "insufficient_quota")]).await;
    assert!(
        matches!(reply, Err(HostedError::Billing { status: 429, .. })),
        "{reply:?}"
    );
    assert_eq!(asked, 1);
    assert!(reply.unwrap_err().hint().is_some());
}

#[tokio::test]
async fn dropped_truncated_and_slow_replies_are_tried_again() {
    for bad in [
        Does::Drops,
        Does::Truncates(chat("cut off in the middle")),
        Does::Dawdles(Duration::from_millis(600), chat("too late")),
    ] {
        let first = bad.clone();
        let peer = Peer::start(move |asked| {
            if asked.n == 0 {
                return first.clone();
            }
            // The same request, whole, as often as it takes.
            assert_eq!(asked.path, "/chat/completions");
            assert_eq!(asked.headers["x-own"], "own");
            assert_eq!(asked.body, json!({"max_tokens": 20}));
            Does::Says(200, Vec::new(), chat("well"))
        });
        let options = Options {
            timeout: Duration::from_millis(300),
            ..brisk()
        };
        let reply = transport(&peer.url(), options).send(&request()).await;
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.attempts), (200, 2), "{bad:?}");
        assert_eq!(reply.body, chat("well").into_bytes());
    }
}

#[tokio::test]
async fn what_never_comes_whole_is_a_reply_that_says_so() {
    let peer = Peer::start(|_| Does::Truncates(chat("cut off")));
    let reply = transport(&peer.url(), brisk())
        .send(&request())
        .await
        .unwrap();
    assert_eq!((reply.status, reply.attempts, peer.asked()), (0, 4, 4));
    assert!(!reply.body.is_empty());
}

#[tokio::test]
async fn a_body_without_end_is_left_unread() {
    let peer = Peer::start(|_| Does::Floods(64 << 20));
    let reply = transport(&peer.url(), brisk())
        .send(&request())
        .await
        .unwrap();
    assert_eq!((reply.status, reply.attempts), (0, 1));
    assert_eq!(reply.body, b"the reply is longer than 16 MiB");
    // One that is announced is not even begun.
    let announced = Peer::start(|_| {
        Does::Says(
            200,
            vec![("x-pad", "y".to_owned())],
            "z".repeat((16 << 20) + 1),
        )
    });
    let reply = transport(&announced.url(), brisk()).send(&request()).await;
    assert_eq!(reply.unwrap().status, 0);
}

#[tokio::test]
async fn failures_in_a_row_end_the_run_and_successes_between_do_not() {
    let options = Options {
        attempts: 1,
        failures: 3,
        ..brisk()
    };
    let broken = server(vec![status(500)]).await;
    let transport_of = |server: &MockServer| transport(&server.uri(), options.clone());
    let transport = transport_of(&broken);
    assert_eq!(transport.send(&request()).await.unwrap().status, 500);
    assert_eq!(transport.send(&request()).await.unwrap().status, 500);
    let third = transport.send(&request()).await;
    assert!(
        matches!(&third, Err(HostedError::Broken { failures: 3, reason, .. }) if reason.starts_with("status 500")),
        "{third:?}"
    );
    let limping = server(vec![
        status(500),
        status(500),
        status(200),
        status(500),
        status(500),
        status(400),
        status(500),
    ])
    .await;
    let transport = transport_of(&limping);
    for _ in 0..7 {
        transport.send(&request()).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_ends_the_run_at_once() {
    // Nothing listens there once the peer is gone.
    let url = Peer::start(|_| Does::Drops).url();
    std::thread::sleep(Duration::from_millis(50));
    let transport = transport(&url, brisk());
    let ended = transport.send(&request()).await.unwrap_err();
    assert!(
        matches!(&ended, HostedError::Unreachable { url: at, .. } if *at == url),
        "{ended:?}"
    );
    assert!(ended.to_string().contains(&url), "{ended}");
    // What was never sent costs nothing.
    assert_eq!(transport.options().budget.spent().tokens, 0);
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let elsewhere = server(vec![status(200)]).await;
    for code in [301, 302, 307, 308] {
        let to = format!("{}/v1", elsewhere.uri());
        let redirect = ResponseTemplate::new(code).insert_header("location", to.as_str());
        let (reply, _) = one(vec![redirect]).await;
        assert!(
            matches!(&reply, Err(HostedError::Redirected { to: said, .. }) if *said == to),
            "{reply:?}"
        );
    }
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_budget_is_settled_by_what_the_server_counts() {
    let counted = ResponseTemplate::new(200).set_body_string(chat("x"));
    let server = server(vec![status(429), counted.clone(), status(200), counted]).await;
    let options = Options {
        budget: Arc::new(Budget::new(Limits {
            tokens: Some(80),
            ..Limits::default()
        })),
        ..brisk()
    };
    let transport = transport(&server.uri(), options);
    transport.send(&request()).await.unwrap();
    // Turned down for nothing, then eight tokens.
    let spent = transport.options().budget.spent();
    assert_eq!((spent.calls, spent.tokens), (2, 8));
    transport.send(&request()).await.unwrap();
    // Not counted: all that was set aside, 17 bytes and 20 tokens.
    assert_eq!(transport.options().budget.spent().tokens, 8 + 37);
    let third = transport.send(&request()).await;
    assert!(
        matches!(third, Err(HostedError::Budget { .. })),
        "{third:?}"
    );
}

#[test]
fn a_limit_of_costs_needs_a_price() {
    let options = Options {
        budget: Arc::new(Budget::new(Limits {
            cost: Some(1.0),
            ..Limits::default()
        })),
        ..brisk()
    };
    let refused = Transport::new(endpoint("http://localhost"), options);
    assert!(
        matches!(refused, Err(HostedError::Unpriced { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_echoed_key_is_gone_from_all_that_leaves_the_transport() {
    let echo = |status: u16| {
        ResponseTemplate::new(status)
            .insert_header("x-request-id", format!("for {KEY}"))
            .insert_header("location", format!("http://a/?key={KEY}"))
            .set_body_json(json!({"error": {"message": format!("bad key {KEY} of m-1")}}))
    };
    for status in [200, 400, 401, 402, 404, 307, 429, 500] {
        let (reply, _) = one(vec![echo(status)]).await;
        let shown = match &reply {
            Ok(reply) => format!("{reply:?}{}", String::from_utf8_lossy(&reply.body)),
            Err(error) => format!("{error:?} {error}"),
        };
        assert!(!shown.contains(KEY), "{shown}");
        assert!(shown.contains("[key]"), "{shown}");
    }
    let transport = transport("http://localhost", brisk());
    assert!(!format!("{transport:?}").contains("0123456789"));
}

#[test]
fn a_key_that_no_header_can_carry_is_refused_unseen() {
    let mut endpoint = endpoint("http://localhost");
    endpoint.key = Some(Secret::new(format!("{KEY}\n")));
    let error = Transport::new(endpoint, brisk()).unwrap_err();
    assert!(matches!(error, HostedError::Key { .. }));
    assert!(!format!("{error:?} {error}").contains(KEY));
}

#[tokio::test]
async fn concurrency_grows_on_success_and_halves_on_overload() {
    // Counts how many are under way at once; from the 100th request on, more than four are too many.
    let (now, seen) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(Mutex::new(Vec::new())),
    );
    let counts = Arc::clone(&seen);
    let peer = Peer::start(move |asked| {
        let inside = now.fetch_add(1, Ordering::SeqCst) + 1;
        std::thread::sleep(Duration::from_millis(5));
        now.fetch_sub(1, Ordering::SeqCst);
        counts.lock().unwrap().push(inside);
        if asked.n >= 100 && inside > 4 {
            Does::Says(429, Vec::new(), "{}".to_owned())
        } else {
            Does::Says(200, Vec::new(), chat("x"))
        }
    });
    let options = Options {
        concurrency: 32,
        attempts: 50,
        ..brisk()
    };
    let (transport, request) = (transport(&peer.url(), options), request());
    let replies = futures::future::join_all((0..400).map(|_| transport.send(&request))).await;
    assert!(
        replies
            .iter()
            .all(|reply| reply.as_ref().unwrap().status == 200)
    );
    let seen = seen.lock().unwrap();
    assert!(seen[..4].iter().all(|inside| *inside <= 4), "{seen:?}");
    let most = *seen[..100].iter().max().unwrap();
    assert!(most > 12 && most <= 32, "{most}");
    let late = &seen[seen.len() - 100..];
    let mean = late.iter().sum::<usize>() as f64 / late.len() as f64;
    assert!(mean < 7.0, "{mean}");
}
