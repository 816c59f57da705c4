use super::super::tests::endpoint;
use super::*;

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let headers = headers.iter().map(own).collect();
    Reply::new(status, headers, body.as_bytes().to_vec())
}

fn judged(status: u16, headers: &[(&str, &str)], body: &str, posts: bool) -> Next {
    let reply = reply(status, headers, body);
    judge(&reply, &endpoint("http://localhost"), posts)
}

/// One letter for what follows.
fn letter(next: &Next) -> char {
    match next {
        Next::Done => 'd',
        Next::Failed => 'f',
        Next::Again(_) => 'a',
        Next::End(HostedError::Auth { .. }) => 'K',
        Next::End(HostedError::NotFound { .. }) => 'M',
        Next::End(HostedError::Billing { .. }) => 'B',
        Next::End(HostedError::Redirected { .. }) => 'R',
        Next::End(_) => '?',
    }
}

#[test]
fn each_status_has_its_consequence() {
    for (status, body, expected) in [
        (200, "{}", 'd'),
        (200, "", 'a'),
        (200, "{\"cut\": ", 'a'),
        (200, "<html>", 'a'),
        (200, r#"{"error": {"code": 429}}"#, 'a'),
        (200, r#"{"error": {"code": "x"}}"#, 'd'),
        (200, r#"{"error": "in the middle"}"#, 'd'),
        (301, "", 'R'),
        (307, "", 'R'),
        (400, "{}", 'd'),
        (
            400,
            r#"{"error": {"message": "API key not valid. Please pass a valid API key."}}"#,
            'K',
        ),
        (401, "{}", 'K'),
        (402, "{}", 'B'),
        (403, "{}", 'K'),
        (
            403,
            r#"{"error": {"message": "your input was flagged"}}"#,
            'd',
        ),
        (404, r#"{"detail": "Not Found"}"#, 'd'),
        (
            404,
            r#"{"error": {"message": "The model `m-1` does not exist"}}"#,
            'M',
        ),
        (404, r#"{"error": {"code": "DeploymentNotFound"}}"#, 'M'),
        (400, r#"{"error": {"message": "Model Not Exist"}}"#, 'M'),
        (408, "", 'a'),
        (409, "", 'a'),
        (413, "", 'd'),
        (422, "", 'd'),
        (429, "", 'a'),
        (429, r#"{"error": {"code": "insufficient_quota"}}"#, 'B'),
        (
            429,
            r#"{"error": {"code": 429, "message": "You exceeded your current quota, please check your plan and billing details."}}"#,
            'a',
        ),
        (
            400,
            r#"{"error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}}"#,
            'B',
        ),
        (
            429,
            r#"{"error": {"message": "monthly spending limit reached"}}"#,
            'B',
        ),
        (500, "", 'a'),
        (501, "", 'd'),
        (502, "<html>", 'a'),
        (503, r#"{"error": {"type": "unavailable_error"}}"#, 'a'),
        (505, "", 'd'),
        (529, "", 'a'),
    ] {
        let next = judged(status, &[], body, true);
        assert_eq!(letter(&next), expected, "{status} {body}: {next:?}");
    }
}

#[test]
fn what_else_a_key_may_read_does_not_end_a_run() {
    for status in [401, 403, 404] {
        assert_eq!(letter(&judged(status, &[], "m-1", false)), 'd', "{status}");
    }
    assert_eq!(letter(&judged(302, &[], "", false)), 'R');
}

#[test]
fn the_servers_word_on_retries_goes_before_the_status() {
    let with = |status, word| letter(&judged(status, &[("x-should-retry", word)], "", true));
    assert_eq!(with(400, "true"), 'a');
    assert_eq!(with(500, "false"), 'f');
    assert_eq!(with(429, "false"), 'f');
    assert_eq!(with(400, "false"), 'd');
    assert_eq!(with(500, "perhaps"), 'a');
    // A key does not become valid by trying again.
    assert_eq!(with(401, "true"), 'K');
}

#[test]
fn only_sane_waits_are_kept() {
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let wait = |headers: &[(&str, &str)]| match judged(429, headers, "", true) {
        Next::Again(wait) => wait.map(|wait| wait.as_millis()),
        other => panic!("{other:?}"),
    };
    for (headers, expected) in [
        (&[("retry-after-ms", "250")][..], Some(250)),
        (&[("retry-after", "3")], Some(3_000)),
        (&[("retry-after", "0.5")], Some(500)),
        (&[("retry-after", "120")], Some(120_000)),
        (
            &[("retry-after-ms", "250"), ("retry-after", "3")],
            Some(250),
        ),
        (
            &[("retry-after-ms", "-1"), ("retry-after", "3")],
            Some(3_000),
        ),
        (
            &[date, ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")],
            Some(60_000),
        ),
        (
            &[date, ("retry-after", "Sun, 06 Nov 1994 08:48:37 GMT")],
            None,
        ),
        (
            &[date, ("retry-after", "Sun, 06 Nov 1994 09:49:37 GMT")],
            None,
        ),
        (&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], None),
        (&[("retry-after", "-1")], None),
        (&[("retry-after", "0")], None),
        (&[("retry-after", "121")], None),
        (&[("retry-after", "1e300")], None),
        (&[("retry-after", "NaN")], None),
        (&[("retry-after", "inf")], None),
        (&[("retry-after", "soon")], None),
        (&[("retry-after-ms", "9e9")], None),
        (&[], None),
    ] {
        assert_eq!(wait(headers), expected, "{headers:?}");
    }
}

#[test]
fn the_wait_within_an_error_of_gemini_is_read() {
    let body = r#"{"error": {"code": 429, "details": [{"@type": "x"}, {"retryDelay": "34.07s"}]}}"#;
    let Next::Again(Some(wait)) = judged(429, &[], body, true) else {
        panic!();
    };
    assert_eq!(wait.as_millis(), 34_070);
}

#[test]
fn a_servers_words_are_found_in_every_form_and_cut_short() {
    let words = |body: &str| words(&reply(500, &[], body));
    assert_eq!(
        words(r#"{"error": {"type": "t", "code": null, "message": "m  \n n"}}"#),
        "t: m n"
    );
    assert_eq!(words(r#"{"error": "text"}"#), "text");
    assert_eq!(words(r#"{"detail": "x"}"#), r#"{"detail": "x"}"#);
    assert_eq!(words("<html> gone"), "<html> gone");
    assert_eq!(words(""), "no reason given");
    assert_eq!(words(&"ü".repeat(1000)).chars().count(), 303);
}

#[test]
fn what_is_no_json_is_asked_for_twice_and_then_recorded() {
    for body in ["<html>", "{\"choices\": [", ""] {
        let mut reply = reply(200, &[], body);
        let endpoint = endpoint("http://localhost");
        assert!(matches!(judge(&reply, &endpoint, true), Next::Again(None)));
        reply.attempts = 1;
        assert!(matches!(judge(&reply, &endpoint, true), Next::Failed));
    }
}
