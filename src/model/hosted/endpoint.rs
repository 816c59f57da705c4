//! From the name of an endpoint to its address, dialect and key.

mod providers;
mod survey;

use std::net::IpAddr;
use std::path::PathBuf;

use super::secret::Secret;
use super::wire::{Dialect, Learnt};

use providers::{PROVIDERS, Provider};

pub use survey::{Surveyed, nearest_provider, survey};

/// How the key travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Auth {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// A header of this name.
    Header(&'static str),
}

/// An endpoint, settled from its name and the environment.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The name by which the user pointed at it.
    pub name: String,
    /// The provider or the kind of server.
    pub provider: String,
    /// The address that paths are appended to, without a slash at its end.
    pub url: String,
    /// The model to ask for.
    pub model: String,
    /// The dialect to speak.
    pub(super) dialect: Dialect,
    /// How the key travels.
    pub(super) auth: Auth,
    /// The key, if one is needed.
    pub(super) key: Option<Secret>,
    /// What stands before the dialect's paths: `/v1`, or nothing.
    pub(super) prefix: String,
    /// The provider behind a router, the only one allowed to answer.
    pub(super) upstream: Option<String>,
    /// What the endpoint turned out to take.
    pub(super) learnt: Learnt,
}

/// An endpoint's name or its environment is not usable.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// A variable is missing.
    #[error("'{name}' needs {what}: set {variables}")]
    Missing {
        /// The endpoint's name.
        name: String,
        /// What is missing.
        what: &'static str,
        /// The variables that could hold it.
        variables: String,
    },
    /// The key's file cannot be read.
    #[error("cannot read the key file '{path}' named by {variable}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// The variable that names it.
        variable: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A key holds what no header can carry.
    #[error("the key in {variable} is empty or holds characters that no key has")]
    Key {
        /// The variable that holds it or names its file.
        variable: String,
    },
    /// A router would choose who answers.
    #[error(
        "'{name}' leaves the choice of provider to the router, and evidence must name who answers: \
         write '{name}@UPSTREAM'"
    )]
    Unpinned {
        /// The endpoint's name.
        name: String,
    },
    /// The name lacks a part.
    #[error("'{name}' is no whole endpoint name: write {form}")]
    Name {
        /// The endpoint's name.
        name: String,
        /// How it is written.
        form: &'static str,
    },
    /// The address is none.
    #[error("{variable} is no usable address ('{url}'): {reason}")]
    Url {
        /// The variable that holds it.
        variable: String,
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Endpoint {
    /// Reads an endpoint's name; `None` if it is not one (a path, `hf:...`).
    ///
    /// # Errors
    ///
    /// When the name is an endpoint's but lacks a part, or the environment lacks a variable.
    pub fn parse(
        name: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, EndpointError> {
        let Some((first, rest)) = name.split_once('/') else {
            return Ok(None);
        };
        if first == "openai-api" {
            return Self::service(name, rest, env).map(Some);
        }
        match PROVIDERS.iter().find(|provider| provider.name == first) {
            Some(provider) => Self::of(provider, name, rest, env).map(Some),
            None => Ok(None),
        }
    }

    /// `openai-api/SERVER/NAME`.
    fn service(
        name: &str,
        rest: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, EndpointError> {
        let form = "openai-api/SERVER/NAME";
        let wrong = || EndpointError::Name {
            name: name.to_owned(),
            form,
        };
        let (server, model) = rest.split_once('/').ok_or_else(wrong)?;
        let named = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if server.is_empty() || model.is_empty() || !server.chars().all(named) {
            return Err(wrong());
        }
        let stem = server.to_uppercase().replace('-', "_");
        let provider = Provider {
            name: "openai-api",
            stems: &[],
            url: None,
            dialect: Dialect::Compatible,
            auth: Auth::Bearer,
            local: false,
        };
        Self::build(&provider, name, model, &[&stem], env).map(|endpoint| Self {
            provider: server.to_owned(),
            ..endpoint
        })
    }

    fn of(
        provider: &Provider,
        name: &str,
        model: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, EndpointError> {
        if provider.name == "openrouter" {
            return Self::routed(provider, name, model, env);
        }
        if model.is_empty() {
            return Err(EndpointError::Name {
                name: name.to_owned(),
                form: "PROVIDER/NAME",
            });
        }
        Self::build(provider, name, model, provider.stems, env)
    }

    /// `openrouter/ORG/NAME@UPSTREAM`.
    fn routed(
        provider: &Provider,
        name: &str,
        rest: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, EndpointError> {
        let Some((model, upstream)) = rest.rsplit_once('@') else {
            return Err(EndpointError::Unpinned {
                name: name.to_owned(),
            });
        };
        if upstream.is_empty() || !model.contains('/') {
            return Err(EndpointError::Name {
                name: name.to_owned(),
                form: "openrouter/ORG/NAME@UPSTREAM",
            });
        }
        let endpoint = Self::build(provider, name, model, provider.stems, env)?;
        Ok(Self {
            upstream: Some(upstream.to_owned()),
            ..endpoint
        })
    }

    fn build(
        provider: &Provider,
        name: &str,
        model: &str,
        stems: &[&str],
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, EndpointError> {
        let address = address(provider, name, stems, env)?;
        let key = key(stems, env)?;
        if key.is_none() && !provider.local && !is_loopback(&address.url) {
            return Err(EndpointError::Missing {
                name: name.to_owned(),
                what: "a key",
                variables: variables(stems, &["API_KEY", "API_KEY_FILE"]),
            });
        }
        Ok(Self {
            name: name.to_owned(),
            provider: match provider.name {
                "openai-completions" | "openai-responses" => "openai",
                name => name,
            }
            .to_owned(),
            url: address.url,
            model: model.to_owned(),
            dialect: provider.dialect,
            auth: provider.auth,
            key,
            prefix: address.prefix,
            upstream: None,
            learnt: Learnt::default(),
        })
    }
}

/// An address in two parts, so that routes beside the version can be reached too.
struct Address {
    url: String,
    prefix: String,
}

fn address(
    provider: &Provider,
    name: &str,
    stems: &[&str],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Address, EndpointError> {
    let given = stems.iter().find_map(|stem| {
        let variable = format!("{stem}_BASE_URL");
        let url = env(&variable).filter(|url| !url.trim().is_empty())?;
        Some((variable, url))
    });
    let (variable, url) = match (given, provider.url) {
        (Some(given), _) => given,
        (None, Some(url)) => ("the default".to_owned(), url.to_owned()),
        (None, None) => {
            return Err(EndpointError::Missing {
                name: name.to_owned(),
                what: "an address",
                variables: variables(stems, &["BASE_URL"]),
            });
        }
    };
    let url = url.trim().trim_end_matches('/').to_owned();
    check_url(&url).map_err(|reason| EndpointError::Url {
        variable,
        url: without_userinfo(&url),
        reason,
    })?;
    let native = matches!(
        provider.dialect,
        Dialect::Vllm | Dialect::Sglang | Dialect::LlamaCpp | Dialect::Ollama
    );
    Ok(match url.rsplit_once('/') {
        Some((before, last)) if is_version(last) && !before.ends_with('/') => Address {
            url: before.to_owned(),
            prefix: format!("/{last}"),
        },
        // These serve the routes of OpenAI under a version, whatever the address says.
        _ if native => Address {
            url,
            prefix: "/v1".to_owned(),
        },
        _ => Address {
            url,
            prefix: String::new(),
        },
    })
}

/// `v1`, `v1beta`.
fn is_version(segment: &str) -> bool {
    let mut chars = segment.chars();
    chars.next() == Some('v') && chars.next().is_some_and(|c| c.is_ascii_digit())
}

fn check_url(url: &str) -> Result<(), &'static str> {
    let parsed = reqwest::Url::parse(url).map_err(|_| "it cannot be read")?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("it holds a user or a password; keys have variables of their own");
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err("it has a query or a fragment");
    }
    match parsed.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        "http" => Err("a key and answers would travel unencrypted; use https"),
        _ => Err("it is neither http nor https"),
    }
}

/// What may be shown of an address: no password.
fn without_userinfo(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            format!("{}...{}", &url[..scheme + 3], &url[at..])
        }
        _ => url.to_owned(),
    }
}

/// Whether an address stays on this machine.
pub(super) fn is_loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else {
        return false;
    };
    let Some(host) = url.host_str() else {
        return false;
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The key, from a variable or from the file that one names.
fn key(
    stems: &[&str],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Secret>, EndpointError> {
    for stem in stems {
        let variable = format!("{stem}_API_KEY");
        if let Some(key) = env(&variable).filter(|key| !key.is_empty()) {
            return secret(&key, variable).map(Some);
        }
        let variable = format!("{stem}_API_KEY_FILE");
        if let Some(path) = env(&variable).filter(|path| !path.is_empty()) {
            let read = std::fs::read_to_string(&path);
            let key = read.map_err(|source| EndpointError::KeyFile {
                path: PathBuf::from(path),
                variable: variable.clone(),
                source,
            })?;
            return secret(&key, variable).map(Some);
        }
    }
    Ok(None)
}

fn secret(key: &str, variable: String) -> Result<Secret, EndpointError> {
    let key = key.trim();
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(EndpointError::Key { variable });
    }
    Ok(Secret::new(key.to_owned()))
}

fn variables(stems: &[&str], endings: &[&str]) -> String {
    let all = stems.iter().flat_map(|stem| {
        let all = endings.iter().map(move |ending| format!("{stem}_{ending}"));
        all.collect::<Vec<_>>()
    });
    all.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests;
