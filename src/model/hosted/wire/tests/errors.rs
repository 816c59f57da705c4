//! A server's no, in every form, and what becomes of the call.

use super::*;

async fn declined(name: &str, status: u16, body: &str) -> Answered {
    let line = Line::to(name, vec![(status, body.to_owned())]).await;
    line.ask(&turn(), TEXT).await
}

/// What a reply is read as.
fn decline(status: u16, body: &str) -> Decline {
    let json = parse(body.as_bytes()).ok();
    Decline::read(
        status,
        body.as_bytes(),
        json.as_ref().map(|parsed| &parsed.value),
    )
}

/// Endpoint, status, body, what is said of it.
const FORMS: &[(&str, u16, &str, &str)] = &[
    (
        "openai/m",
        404,
        r#"{"error":{"message":"no such model","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
        "HTTP 404, model_not_found: no such model",
    ),
    (
        "vllm/m",
        400,
        r#"{"error":{"message":"bad thing","type":"BadRequestError","param":null,"code":400}}"#,
        "HTTP 400, BadRequestError: bad thing",
    ),
    (
        "vllm/m",
        400,
        r#"{"object":"error","message":"bad thing","type":"BadRequestError","param":null,"code":400}"#,
        "HTTP 400, BadRequestError: bad thing",
    ),
    (
        "anthropic/m",
        529,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        "HTTP 529, overloaded_error: Overloaded",
    ),
    (
        "google/m",
        403,
        r#"{"error":{"code":403,"message":"denied","status":"PERMISSION_DENIED"}}"#,
        "HTTP 403, PERMISSION_DENIED: denied",
    ),
    (
        "google/m",
        403,
        r#"[{"error":{"code":403,"message":"denied","status":"PERMISSION_DENIED"}}]"#,
        "HTTP 403, PERMISSION_DENIED: denied",
    ),
    (
        "sglang/m",
        404,
        r#"{"detail":"Not Found"}"#,
        "HTTP 404: Not Found",
    ),
    (
        "openai-api/x/m",
        422,
        r#"{"detail":[{"loc":["body","model"],"msg":"field required","type":"value_error"}]}"#,
        "HTTP 422: model: field required",
    ),
    (
        "mistral/m",
        422,
        r#"{"object":"error","message":{"detail":[{"loc":["body","messages"],"msg":"empty"}]},"type":"invalid","code":"3000"}"#,
        "HTTP 422, invalid: messages: empty",
    ),
    (
        "ollama/m",
        404,
        r#"{"error":"model 'm' not found"}"#,
        "HTTP 404: model 'm' not found",
    ),
    (
        "llamacpp/m",
        503,
        r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
        "HTTP 503, unavailable_error: Loading model",
    ),
    (
        "openrouter/o/m@up",
        502,
        r#"{"error":{"code":502,"message":"Provider returned error","metadata":{"raw":"upstream is down","provider_name":"up"}}}"#,
        "HTTP 502: Provider returned error: upstream is down",
    ),
    (
        "together/m",
        502,
        "<html><head><title>502 Bad Gateway</title></head><body>\n<h1>502 Bad Gateway</h1></body></html>",
        "HTTP 502: 502 Bad Gateway 502 Bad Gateway",
    ),
    ("xai/m", 500, "", "HTTP 500: no words"),
    ("xai/m", 500, "null", "HTTP 500: null"),
    (
        "xai/m",
        500,
        r#"{"error":null}"#,
        r#"HTTP 500: {"error":null}"#,
    ),
    (
        "deepseek/m",
        500,
        r#"{"error":{"message":"","code":null}}"#,
        "HTTP 500: no words",
    ),
];

#[test]
fn every_form_of_error_gives_its_status_code_and_words() {
    for (_, status, body, words) in FORMS {
        let expected = Outcome::Unavailable((*words).to_owned());
        assert_eq!(decline(*status, body).outcome(), expected, "{body}");
    }
}

#[tokio::test]
async fn errors_that_come_with_success_are_errors() {
    for (name, body, words) in [
        (
            "ollama/m",
            r#"{"error":"the runner stopped"}"#,
            "HTTP 200: the runner stopped",
        ),
        (
            "openrouter/o/m@up",
            r#"{"error":{"code":504,"message":"upstream timed out"}}"#,
            "HTTP 200: upstream timed out",
        ),
        (
            "openrouter/o/m@up",
            r#"{"choices":[{"error":{"code":502,"message":"upstream failed"},"finish_reason":"error","message":{"content":""}}]}"#,
            "HTTP 200: upstream failed",
        ),
        (
            "openai/m",
            "<html>hello</html>",
            "HTTP 200: the reply is not JSON",
        ),
        (
            "openai/m",
            r#"{"choices":[{"message":{"con"#,
            "HTTP 200: the reply is not JSON",
        ),
    ] {
        let answered = declined(name, 200, body).await;
        assert!(
            unavailable(&answered).starts_with(words),
            "{:?}",
            answered.outcome
        );
    }
    // Null beside an answer is no error.
    let body = r#"{"error":null,"choices":[{"message":{"content":"A"},"finish_reason":"stop"}]}"#;
    let answered = declined("openai/m", 200, body).await;
    assert!(matches!(answered.outcome, Outcome::Text { .. }));
}

#[tokio::test]
async fn a_context_that_is_too_long_is_said_to_be_so() {
    for (name, status, body) in [
        (
            "openai/m",
            400,
            r#"{"error":{"message":"This model's maximum context length is 4097 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
        ),
        (
            "vllm/m",
            400,
            r#"{"error":{"message":"'max_tokens' or 'max_completion_tokens' is too large: 500. This model's maximum context length is 400 tokens and your request has 10 input tokens","type":"BadRequestError","param":"max_tokens","code":400}}"#,
        ),
        (
            "anthropic/m",
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
        ),
        (
            "google/m",
            400,
            r#"{"error":{"code":400,"message":"The input token count (2000000) exceeds the maximum","status":"INVALID_ARGUMENT"}}"#,
        ),
        (
            "llamacpp/m",
            400,
            r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}"#,
        ),
        ("together/m", 413, "too large"),
    ] {
        let answered = declined(name, status, body).await;
        assert!(
            unavailable(&answered).starts_with("context too long: "),
            "{:?}",
            answered.outcome
        );
        assert_eq!(answered.exchange.calls.len(), 1, "nothing to try again");
    }
}

#[test]
fn filters_before_the_model_are_refusals() {
    for (_, status, body) in [
        (
            "azure/m",
            400,
            r#"{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
        ),
        (
            "openai/m",
            400,
            r#"{"error":{"message":"flagged as potentially violating our usage policy","type":"invalid_request_error","param":null,"code":"invalid_prompt"}}"#,
        ),
        (
            "openrouter/o/m@up",
            403,
            r#"{"error":{"code":403,"message":"Your input was flagged","metadata":{"reasons":["x"]}}}"#,
        ),
    ] {
        let outcome = decline(status, body).outcome();
        assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    }
    // Trouble with the server is none, whatever words it uses.
    let outcome = decline(500, r#"{"error":{"message":"moderation is down"}}"#).outcome();
    assert!(matches!(outcome, Outcome::Unavailable(_)));
}

#[tokio::test]
async fn long_words_and_long_replies_are_cut() {
    let page = format!("<p>{}</p>", "word ".repeat(20_000));
    let answered = declined("openai/m", 400, &page).await;
    assert!(unavailable(&answered).len() < 500);
    let call = &answered.exchange.calls[0];
    assert_eq!(
        (call.reply.len(), call.reply_bytes),
        (4096, page.len() as u64)
    );
}
