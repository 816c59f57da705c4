use std::collections::BTreeMap;

use super::*;

fn parse(name: &str, env: &[(&str, &str)]) -> Result<Option<Endpoint>, EndpointError> {
    let env: BTreeMap<&str, &str> = env.iter().copied().collect();
    Endpoint::parse(name, &|variable| {
        env.get(variable).map(|value| (*value).to_owned())
    })
}

fn endpoint(name: &str, env: &[(&str, &str)]) -> Endpoint {
    parse(name, env).unwrap().unwrap()
}

fn error(name: &str, env: &[(&str, &str)]) -> String {
    parse(name, env).unwrap_err().to_string()
}

#[test]
fn names_of_files_and_hubs_are_not_endpoints() {
    for name in [
        "models/family/teacher",
        "./openai/x",
        "hf:org/name",
        "/openai/x",
        "a.gguf",
        "",
    ] {
        assert!(parse(name, &[]).unwrap().is_none(), "{name}");
    }
}

/// Name, variable of the key, address, prefix, dialect, way of the key.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Dialect,
    Auth,
);
const ROWS: &[Row] = &[
    (
        "openai/m",
        "OPENAI_API_KEY",
        "https://api.openai.com",
        "/v1",
        Dialect::OpenAiChat,
        Auth::Bearer,
    ),
    (
        "openai-completions/m",
        "OPENAI_API_KEY",
        "https://api.openai.com",
        "/v1",
        Dialect::OpenAiCompletions,
        Auth::Bearer,
    ),
    (
        "openai-responses/m",
        "OPENAI_API_KEY",
        "https://api.openai.com",
        "/v1",
        Dialect::OpenAiResponses,
        Auth::Bearer,
    ),
    (
        "anthropic/m",
        "ANTHROPIC_API_KEY",
        "https://api.anthropic.com",
        "/v1",
        Dialect::Anthropic,
        Auth::Header("x-api-key"),
    ),
    (
        "google/m",
        "GEMINI_API_KEY",
        "https://generativelanguage.googleapis.com",
        "/v1beta",
        Dialect::Gemini,
        Auth::Header("x-goog-api-key"),
    ),
    (
        "google/m",
        "GOOGLE_API_KEY",
        "https://generativelanguage.googleapis.com",
        "/v1beta",
        Dialect::Gemini,
        Auth::Header("x-goog-api-key"),
    ),
    (
        "mistral/m",
        "MISTRAL_API_KEY",
        "https://api.mistral.ai",
        "/v1",
        Dialect::OpenAiChat,
        Auth::Bearer,
    ),
    (
        "deepseek/m",
        "DEEPSEEK_API_KEY",
        "https://api.deepseek.com",
        "",
        Dialect::OpenAiChat,
        Auth::Bearer,
    ),
    (
        "xai/m",
        "XAI_API_KEY",
        "https://api.x.ai",
        "/v1",
        Dialect::OpenAiChat,
        Auth::Bearer,
    ),
    (
        "together/m",
        "TOGETHER_API_KEY",
        "https://api.together.xyz",
        "/v1",
        Dialect::Compatible,
        Auth::Bearer,
    ),
    (
        "fireworks/m",
        "FIREWORKS_API_KEY",
        "https://api.fireworks.ai/inference",
        "/v1",
        Dialect::Compatible,
        Auth::Bearer,
    ),
];

#[test]
fn every_provider_has_its_address_dialect_and_way_of_carrying_the_key() {
    for &(name, variable, url, prefix, dialect, auth) in ROWS {
        let it = endpoint(name, &[(variable, "k")]);
        assert_eq!(
            (it.url.as_str(), it.prefix.as_str()),
            (url, prefix),
            "{name}"
        );
        assert_eq!(
            (it.dialect, it.auth, it.model.as_str()),
            (dialect, auth, "m"),
            "{name}"
        );
        assert_eq!(it.key.unwrap().expose(), "k");
    }
    let azure = [
        ("AZURE_OPENAI_API_KEY", "k"),
        (
            "AZURE_OPENAI_BASE_URL",
            "https://r.openai.azure.com/openai/v1/",
        ),
    ];
    let it = endpoint("azure/deployment", &azure);
    assert_eq!(
        (it.url.as_str(), it.auth),
        ("https://r.openai.azure.com/openai", Auth::Header("api-key"))
    );
    assert_eq!(it.provider, "azure");
    assert_eq!(
        endpoint("openai-responses/m", &[("OPENAI_API_KEY", "k")]).provider,
        "openai"
    );
}

#[test]
fn servers_of_ones_own_have_default_addresses_and_need_no_key() {
    for (name, url, prefix) in [
        ("vllm/org/m", "http://127.0.0.1:8000", "/v1"),
        ("sglang/org/m", "http://127.0.0.1:30000", "/v1"),
        ("llamacpp/m", "http://127.0.0.1:8080", "/v1"),
        ("ollama/llama3.2:1b", "http://127.0.0.1:11434", "/v1"),
    ] {
        let it = endpoint(name, &[]);
        assert_eq!((it.url.as_str(), it.prefix.as_str()), (url, prefix));
        assert!(it.key.is_none());
    }
    assert_eq!(endpoint("vllm/org/m", &[]).model, "org/m");
    for url in [
        "https://gpu.example/v1",
        "https://gpu.example/",
        "https://gpu.example",
    ] {
        let it = endpoint("vllm/m", &[("VLLM_BASE_URL", url), ("VLLM_API_KEY", "k")]);
        assert_eq!(
            (it.url.as_str(), it.prefix.as_str()),
            ("https://gpu.example", "/v1")
        );
        assert!(it.key.is_some());
    }
}

#[test]
fn any_server_is_named_with_its_own_variables() {
    let env = [
        ("MY_LAB_BASE_URL", "https://lab.example/api/v1"),
        ("MY_LAB_API_KEY", "k"),
    ];
    let it = endpoint("openai-api/my-lab/org/m", &env);
    assert_eq!(
        (it.provider.as_str(), it.model.as_str()),
        ("my-lab", "org/m")
    );
    assert_eq!(
        (it.url.as_str(), it.prefix.as_str()),
        ("https://lab.example/api", "/v1")
    );
    let said = error("openai-api/my-lab/m", &env[..1]);
    assert!(
        said.contains("MY_LAB_API_KEY or MY_LAB_API_KEY_FILE"),
        "{said}"
    );
    let said = error("openai-api/my-lab/m", &[]);
    assert!(said.contains("MY_LAB_BASE_URL"), "{said}");
    // On this machine no key is needed.
    let here = endpoint("openai-api/x/m", &[("X_BASE_URL", "http://localhost:9/v1")]);
    assert!(here.key.is_none());
    for name in [
        "openai-api/x",
        "openai-api//m",
        "openai-api/x/",
        "openai-api/a b/m",
        "openai/",
    ] {
        assert!(
            matches!(parse(name, &env), Err(EndpointError::Name { .. })),
            "{name}"
        );
    }
}

#[test]
fn a_router_must_be_told_who_answers() {
    let env = [("OPENROUTER_API_KEY", "k")];
    let it = endpoint("openrouter/org/m@upstream/fp8", &env);
    assert_eq!(
        (it.model.as_str(), it.upstream.as_deref()),
        ("org/m", Some("upstream/fp8"))
    );
    let said = error("openrouter/org/m", &env);
    assert!(said.contains("'openrouter/org/m@UPSTREAM'"), "{said}");
    assert!(matches!(
        parse("openrouter/m@up", &env),
        Err(EndpointError::Name { .. })
    ));
    assert!(matches!(
        parse("openrouter/o/m@", &env),
        Err(EndpointError::Name { .. })
    ));
}

#[test]
fn what_is_missing_is_named() {
    for (name, variable) in [
        ("openai/m", "OPENAI_API_KEY"),
        ("anthropic/m", "ANTHROPIC_API_KEY"),
        ("google/m", "GEMINI_API_KEY"),
        ("azure/m", "AZURE_OPENAI_BASE_URL"),
    ] {
        let said = error(name, &[]);
        assert!(said.contains(variable) && said.contains(name), "{said}");
    }
}

#[test]
fn keys_come_from_files_too_and_are_checked_without_being_shown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    std::fs::write(&path, "from-file\n").unwrap();
    let path = path.to_str().unwrap();
    let it = endpoint("openai/m", &[("OPENAI_API_KEY_FILE", path)]);
    assert_eq!(it.key.as_ref().unwrap().expose(), "from-file");
    assert!(!format!("{it:?}").contains("from-file"));
    let both = [
        ("OPENAI_API_KEY_FILE", path),
        ("OPENAI_API_KEY", "from-variable"),
    ];
    assert_eq!(
        endpoint("openai/m", &both).key.unwrap().expose(),
        "from-variable"
    );
    let said = error("openai/m", &[("OPENAI_API_KEY_FILE", "/no/such/file")]);
    assert!(said.contains("OPENAI_API_KEY_FILE") && said.contains("/no/such/file"));
    for bad in ["two words", "line\nfeed", "\u{e9}", " "] {
        let said = error("openai/m", &[("OPENAI_API_KEY", bad)]);
        assert!(
            said.contains("OPENAI_API_KEY") && !said.contains("words"),
            "{said}"
        );
    }
}

#[test]
fn keys_travel_encrypted_or_not_at_all() {
    for url in [
        "http://api.example/v1",
        "ftp://api.example",
        "api.example",
        "https://u:secret@h/v1",
        "https://h/v1?key=x",
    ] {
        let env = [("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", url)];
        assert!(
            matches!(parse("openai/m", &env), Err(EndpointError::Url { .. })),
            "{url}"
        );
        assert!(!error("openai/m", &env).contains("secret"));
    }
    for url in [
        "http://127.0.0.1:1/v1",
        "http://[::1]:1/v1",
        "http://localhost:1/v1",
        "https://proxy.example/openai/v1",
    ] {
        let env = [("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", url)];
        assert_eq!(endpoint("openai/m", &env).prefix, "/v1", "{url}");
    }
}
