//! Providers and kinds of servers that have a name of their own.

use super::super::wire::Dialect;
use super::Auth;

/// A provider, or a kind of server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Provider {
    /// What stands before the first slash of an endpoint's name.
    pub(super) name: &'static str,
    /// What the variables for key and address begin with, the first that is set counts.
    pub(super) stems: &'static [&'static str],
    /// The usual address, with the version of the API where it has one.
    pub(super) url: Option<&'static str>,
    /// The dialect to speak.
    pub(super) dialect: Dialect,
    /// How the key travels.
    pub(super) auth: Auth,
    /// It usually runs on one's own machine and needs no key.
    pub(super) local: bool,
}

const fn hosted(
    name: &'static str,
    stems: &'static [&'static str],
    url: &'static str,
    dialect: Dialect,
) -> Provider {
    Provider {
        name,
        stems,
        url: Some(url),
        dialect,
        auth: Auth::Bearer,
        local: false,
    }
}

const fn local(
    name: &'static str,
    stems: &'static [&'static str],
    url: &'static str,
    dialect: Dialect,
) -> Provider {
    Provider {
        local: true,
        ..hosted(name, stems, url, dialect)
    }
}

const fn with_header(provider: Provider, header: &'static str) -> Provider {
    Provider {
        auth: Auth::Header(header),
        ..provider
    }
}

const OPENAI: &str = "https://api.openai.com/v1";

/// Sorted as users meet them.
pub(super) const PROVIDERS: &[Provider] = &[
    hosted("openai", &["OPENAI"], OPENAI, Dialect::OpenAiChat),
    hosted(
        "openai-completions",
        &["OPENAI"],
        OPENAI,
        Dialect::OpenAiCompletions,
    ),
    hosted(
        "openai-responses",
        &["OPENAI"],
        OPENAI,
        Dialect::OpenAiResponses,
    ),
    // Every customer has an address of their own: `https://RESOURCE.openai.azure.com/openai/v1`.
    Provider {
        name: "azure",
        stems: &["AZURE_OPENAI"],
        url: None,
        dialect: Dialect::OpenAiChat,
        auth: Auth::Header("api-key"),
        local: false,
    },
    with_header(
        hosted(
            "anthropic",
            &["ANTHROPIC"],
            "https://api.anthropic.com/v1",
            Dialect::Anthropic,
        ),
        "x-api-key",
    ),
    with_header(
        hosted(
            "google",
            &["GEMINI", "GOOGLE"],
            "https://generativelanguage.googleapis.com/v1beta",
            Dialect::Gemini,
        ),
        "x-goog-api-key",
    ),
    hosted(
        "mistral",
        &["MISTRAL"],
        "https://api.mistral.ai/v1",
        Dialect::OpenAiChat,
    ),
    hosted(
        "deepseek",
        &["DEEPSEEK"],
        "https://api.deepseek.com",
        Dialect::OpenAiChat,
    ),
    hosted("xai", &["XAI"], "https://api.x.ai/v1", Dialect::OpenAiChat),
    hosted(
        "together",
        &["TOGETHER"],
        "https://api.together.xyz/v1",
        Dialect::Compatible,
    ),
    hosted(
        "fireworks",
        &["FIREWORKS"],
        "https://api.fireworks.ai/inference/v1",
        Dialect::Compatible,
    ),
    hosted(
        "openrouter",
        &["OPENROUTER"],
        "https://openrouter.ai/api/v1",
        Dialect::OpenAiChat,
    ),
    local("vllm", &["VLLM"], "http://127.0.0.1:8000", Dialect::Vllm),
    local(
        "sglang",
        &["SGLANG"],
        "http://127.0.0.1:30000",
        Dialect::Sglang,
    ),
    local(
        "llamacpp",
        &["LLAMACPP"],
        "http://127.0.0.1:8080",
        Dialect::LlamaCpp,
    ),
    local(
        "ollama",
        &["OLLAMA"],
        "http://127.0.0.1:11434",
        Dialect::Ollama,
    ),
];
