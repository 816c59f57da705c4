//! `parentage doctor`: what this build can do, which keys are set, and which servers answer.

use std::env;
use std::io::Write;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use super::args::Common;
use super::config::{Config, VARIABLE};
use super::error::CliError;
use crate::model::hosted::{Surveyed, survey};
use crate::report::pdf;

/// How long a server has to accept a connection.
const PATIENCE: Duration = Duration::from_millis(500);

/// What was found.
#[derive(Debug, Serialize)]
struct Found {
    version: &'static str,
    /// Parts that are built in or not, by name.
    built_in: Vec<(&'static str, bool)>,
    /// The file of settings that is read; `None` if there is none.
    settings: Option<String>,
    /// Providers whose key is set, with the variable.
    keys: Vec<(&'static str, String)>,
    /// Providers without a key, with the variables that could hold one.
    no_keys: Vec<(&'static str, Vec<String>)>,
    /// Servers on this machine or at a given address: address, and whether something accepts connections there.
    servers: Vec<(&'static str, String, bool)>,
}

pub(super) fn run(common: &Common, stdout: &mut dyn Write) -> Result<ExitCode, CliError> {
    let found = find()?;
    let text = if common.json {
        let mut text =
            serde_json::to_string_pretty(&found).map_err(|e| CliError::Output(e.into()))?;
        text.push('\n');
        text
    } else {
        words(&found)
    };
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}

fn find() -> Result<Found, CliError> {
    let surveyed = survey(&|name| env::var(name).ok());
    let (local, hosted): (Vec<Surveyed>, Vec<Surveyed>) =
        surveyed.into_iter().partition(|s| s.local);
    let keys = hosted.iter().filter_map(|s| Some((s.name, s.key.clone()?)));
    let without = hosted.iter().filter(|s| s.key.is_none());
    let servers = local.iter().filter_map(|s| {
        let url = s.url.clone()?;
        let answers = accepts(&url);
        Some((s.name, url, answers))
    });
    Ok(Found {
        version: env!("CARGO_PKG_VERSION"),
        built_in: vec![
            (
                "models of the hub (hf:, --controls public:...)",
                cfg!(feature = "hub"),
            ),
            ("reports as PDF", pdf::MADE),
            ("GGUF files by llama.cpp", cfg!(feature = "llamacpp")),
            ("weights on CUDA", cfg!(feature = "cuda")),
            ("weights on Metal", cfg!(feature = "metal")),
        ],
        settings: Config::find()?.map(|config| config.path().display().to_string()),
        keys: keys.collect(),
        no_keys: without.map(|s| (s.name, s.variables.clone())).collect(),
        servers: servers.collect(),
    })
}

/// Whether something accepts connections at an address. Nothing is sent.
fn accepts(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let place = rest.split(['/', '?']).next().unwrap_or(rest);
    let port = if url.starts_with("https:") { 443 } else { 80 };
    let with_port = if place
        .rsplit_once(':')
        .is_some_and(|(_, p)| p.parse::<u16>().is_ok())
    {
        place.to_owned()
    } else {
        format!("{place}:{port}")
    };
    let Ok(addresses) = with_port.to_socket_addrs() else {
        return false;
    };
    addresses
        .into_iter()
        .any(|address| TcpStream::connect_timeout(&address, PATIENCE).is_ok())
}

fn words(found: &Found) -> String {
    let mut lines = vec![format!("parentage {}", found.version)];
    let mut section = |title: &str, entries: Vec<String>| {
        if !entries.is_empty() {
            lines.push(format!("\n{title}"));
            lines.extend(entries.into_iter().map(|entry| format!("  {entry}")));
        }
    };
    let built = found.built_in.iter();
    section(
        "Built in",
        built
            .map(|(what, is)| format!("{} {what}", if *is { "yes" } else { "no " }))
            .collect(),
    );
    let settings = found.settings.clone();
    section(
        "Settings",
        vec![
            settings.unwrap_or_else(|| {
                format!("none: no parentage.toml here, and {VARIABLE} is not set")
            }),
        ],
    );
    let keys = found.keys.iter();
    section(
        "Keys that are set",
        keys.map(|(name, variable)| format!("{name}/NAME: {variable}"))
            .collect(),
    );
    let without = found.no_keys.iter();
    section(
        "Providers without a key",
        without
            .map(|(name, variables)| format!("{name}/NAME: set {}", variables.join(" or ")))
            .collect(),
    );
    let servers = found.servers.iter();
    section(
        "Servers",
        servers
            .map(|(name, url, answers)| {
                let state = if *answers {
                    "accepts connections"
                } else {
                    "does not answer"
                };
                format!("{name}/NAME: {url} {state}")
            })
            .collect(),
    );
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_server_is_told_from_none() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        assert!(accepts(&format!("http://{address}/v1")));
        drop(server);
        assert!(!accepts(&format!("http://{address}/v1")));
        assert!(!accepts("http://"));
    }
}
