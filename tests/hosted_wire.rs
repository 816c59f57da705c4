//! The access check against servers of several characters, through the whole of the hosted client.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "hosted_wire/toy.rs"]
mod toy;

use parentage::identity::AbilityStatus::{self, Refused, SilentlyIgnored, Untested, Verified};
use parentage::model::hosted::{AccessReport, Endpoint, HostedModel, Options};
use toy::{Heat, Toy};
use wiremock::MockServer;
use wiremock::matchers::any;

async fn check(name: &str, toy: Toy) -> AccessReport {
    let server = MockServer::start().await;
    let mock = wiremock::Mock::given(any()).respond_with(toy);
    mock.mount(&server).await;
    let url = format!("{}/v1", server.uri());
    let env = |variable: &str| match variable {
        name if name.ends_with("_BASE_URL") => Some(url.clone()),
        name if name.ends_with("_API_KEY") => Some("k".to_owned()),
        _ => None,
    };
    let endpoint = Endpoint::parse(name, &env).unwrap().unwrap();
    open(endpoint).await
}

/// Opening a model blocks, and so does dropping it: both get a thread of their own.
async fn open(endpoint: Endpoint) -> AccessReport {
    let open = || HostedModel::open(endpoint, Options::default()).unwrap().1;
    tokio::task::spawn_blocking(open).await.unwrap()
}

#[track_caller]
fn assert_found(report: &AccessReport, expected: &[(&str, AbilityStatus)]) {
    for (name, status) in expected {
        let found = &report.abilities[*name];
        assert_eq!(
            found.status,
            *status,
            "{name}: {}\n{}",
            found.seen,
            report.render()
        );
    }
}

#[tokio::test]
async fn an_honest_server_is_given_all_its_abilities() {
    let report = check("vllm/toy", Toy::honest()).await;
    let all = [
        "models",
        "chat",
        "raw",
        "guard",
        "system",
        "thinking_off",
        "rate_headers",
        "temperature",
        "several",
        "seed",
        "top_chat",
        "top_raw",
        "logprobs_before_temperature",
        "score",
        "score_exact",
        "score_chat",
    ];
    assert_found(&report, &all.map(|name| (name, Verified)));
    let able = report.model;
    assert!(able.chat && able.raw && able.score && able.score_chat);
    assert_eq!(able.top, 12, "the toy's limit, found by bisection");
    assert_eq!(report.served.as_deref(), Some("toy-2026"));
    assert_eq!(report.sampling["temperature"], 1.0);
    assert!(report.requests <= 55, "{}", report.requests);
    assert!(report.usage.reported && report.usage.prompt > 0);
}

#[tokio::test]
async fn an_ignored_echo_is_no_score() {
    let toy = Toy {
        echo: false,
        tokenizes: false,
        ..Toy::honest()
    };
    let report = check("openai-api/x/toy", toy).await;
    assert_found(
        &report,
        &[
            ("raw", Verified),
            ("top_raw", Verified),
            ("score", SilentlyIgnored),
            ("score_exact", Untested),
            ("score_chat", Refused),
        ],
    );
    assert!(!report.model.score && !report.model.score_chat && report.model.top == 12);
    // Its tokenizer does not help it: the prompt's positions are still missing.
    let toy = Toy {
        echo: false,
        ..Toy::honest()
    };
    let report = check("openai-api/x/toy", toy).await;
    assert_found(&report, &[("score", SilentlyIgnored)]);
}

#[tokio::test]
async fn an_echo_of_other_numbers_is_no_score() {
    let toy = Toy {
        shuffled_echo: true,
        ..Toy::honest()
    };
    let report = check("openai-api/x/toy", toy).await;
    assert_found(&report, &[("score", SilentlyIgnored)]);
    assert!(!report.model.score);
}

#[tokio::test]
async fn llamacpp_gives_tokens_and_texts_but_reads_nothing() {
    let toy = Toy {
        most: 1000,
        several: false,
        // A vocabulary has more words than the few of the toy, and they hold something too.
        sum: 0.99,
        ..Toy::honest()
    };
    let report = check("llamacpp/toy", toy).await;
    assert_found(
        &report,
        &[
            ("chat", Verified),
            ("raw", Verified),
            ("temperature", Verified),
            ("several", SilentlyIgnored),
            ("seed", Verified),
            ("top_raw", Verified),
            ("top_chat", Verified),
            ("score", Refused),
        ],
    );
    // All words that the toy has, though a hundred were accepted.
    assert_eq!(report.model.top, toy::WORDS.len());
    assert!(!report.model.score);
}

#[tokio::test]
async fn text_alone_is_text_alone() {
    let toy = Toy {
        heat: Heat::Refused,
        ..Toy::honest()
    };
    let report = check("anthropic/toy", toy).await;
    assert_found(
        &report,
        &[
            ("chat", Verified),
            ("raw", Refused),
            ("temperature", Refused),
            ("seed", Refused),
            ("top_chat", Refused),
            ("top_raw", Untested),
            ("score", Refused),
            ("score_chat", Refused),
        ],
    );
    let able = report.model;
    assert!(able.chat && !able.raw && !able.score && !able.score_chat && able.top == 0);
    assert!(!report.sampling.contains_key("temperature"));
}

#[tokio::test]
async fn a_reasoning_model_is_known_by_what_it_hides() {
    let toy = Toy {
        thinks: 64,
        heat: Heat::OnlyOne,
        most: 0,
        ..Toy::honest()
    };
    let report = check("openai/toy", toy).await;
    assert_found(
        &report,
        &[
            ("chat", Verified),
            ("raw", Refused),
            ("thinking_off", SilentlyIgnored),
            ("temperature", Refused),
            ("top_chat", Refused),
        ],
    );
    assert_eq!(report.model.top, 0);
    assert!(report.usage.reasoning > 0);
    assert_eq!(
        report.sampling["temperature"], 1.0,
        "the one value it takes"
    );
}

#[tokio::test]
async fn a_temperature_that_does_nothing_is_found_out() {
    for heat in [Heat::AlwaysOne, Heat::AlwaysZero] {
        let toy = Toy {
            heat,
            ..Toy::honest()
        };
        let report = check("openai-api/x/toy", toy).await;
        assert_found(&report, &[("temperature", SilentlyIgnored)]);
        assert_found(&report, &[("logprobs_before_temperature", Untested)]);
    }
}

#[tokio::test]
async fn other_liars_are_found_out() {
    type Lie = fn(&mut Toy);
    let lies: [(Lie, &str, AbilityStatus); 10] = [
        (|toy| toy.seeded = false, "seed", SilentlyIgnored),
        (|toy| toy.several = false, "several", SilentlyIgnored),
        (|toy| toy.template = 20, "raw", SilentlyIgnored),
        (
            |toy| toy.heated_logprobs = true,
            "logprobs_before_temperature",
            Refused,
        ),
        (|toy| toy.wrong_top = true, "top_raw", Untested),
        (|toy| toy.sum = 1.2, "top_raw", Untested),
        (|toy| toy.most = 0, "top_raw", Refused),
        (
            |toy| (toy.thinks, toy.switches_off) = (64, true),
            "thinking_off",
            Verified,
        ),
        (|toy| toy.limits = false, "rate_headers", Untested),
        (|toy| toy.guarded = true, "guard", Refused),
    ];
    for (lie, name, status) in lies {
        let mut toy = Toy::honest();
        lie(&mut toy);
        let report = check("vllm/toy", toy).await;
        assert_found(&report, &[(name, status)]);
        let able = report.model;
        if name == "raw" {
            assert!(!able.raw && !able.score);
        }
        if name == "top_raw" {
            assert_eq!(able.top, 0);
        }
        if name == "guard" {
            assert!(!able.chat);
        }
    }
}

#[tokio::test]
async fn a_report_can_be_stored_and_read_by_people() {
    let report = check("openai/toy", Toy::honest()).await;
    let stored = serde_json::to_value(&report).unwrap();
    assert_eq!(stored["abilities"]["chat"]["status"], "verified");
    assert_eq!(stored["model"]["top"], 12);
    let text = report.render();
    assert!(
        text.contains("can be asked: chat turns; the 12 most probable next tokens"),
        "{text}"
    );
    assert!(text.contains("raw") && text.contains("refused"));
    assert!(!stored.to_string().contains("\"k\""), "no key");
}

/// Against a real llama.cpp server, where there is one: `PARENTAGE_LLAMACPP_URL=http://127.0.0.1:PORT`.
#[tokio::test]
async fn a_real_llamacpp_server_reports_its_true_abilities() {
    let Ok(url) = std::env::var("PARENTAGE_LLAMACPP_URL") else {
        return;
    };
    let compatible = format!("{url}/v1");
    for name in ["llamacpp/m", "openai-api/real/m"] {
        let env = |variable: &str| match variable {
            "LLAMACPP_BASE_URL" => Some(url.clone()),
            "REAL_BASE_URL" => Some(compatible.clone()),
            _ => None,
        };
        let endpoint = Endpoint::parse(name, &env).unwrap().unwrap();
        let report = open(endpoint).await;
        assert_found(
            &report,
            &[
                ("chat", Verified),
                ("raw", Verified),
                ("temperature", Verified),
                ("seed", Verified),
                ("top_raw", Verified),
                ("top_chat", Verified),
                ("logprobs_before_temperature", Verified),
            ],
        );
        let expected = if name.starts_with("llamacpp") {
            Refused
        } else {
            SilentlyIgnored
        };
        assert_found(&report, &[("score", expected)]);
        assert!(!report.model.score && report.model.top >= 90);
    }
}

#[tokio::test]
async fn a_part_of_a_vocabulary_does_not_hold_all_of_the_probability() {
    let toy = Toy {
        most: 1000,
        ..Toy::honest()
    };
    let report = check("llamacpp/toy", toy).await;
    assert_found(&report, &[("top_raw", Untested), ("top_chat", Untested)]);
    assert_eq!(report.model.top, 0);
}
