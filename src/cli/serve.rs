//! `parentage serve`: one model behind the API that OpenAI's clients speak.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::args::{Common, Serve};
use super::error::CliError;
use super::progress::Progress;
use super::settle::options;
use crate::model::local::{LocalModel, forecast};
use crate::pipeline::{Event, PipelineError, SMALL, Watch as _, weights};
use crate::serve::{Ended, Limits, Settings, Token, serve};

/// Where a token may stand instead of a file.
const VARIABLE: &str = "PARENTAGE_SERVE_TOKEN";
/// The longest context that is served unless asked for: keys and values of long texts take memory.
const LENGTH: usize = 8192;
/// Longer files hold no token.
const TOKEN_BYTES: u64 = 4096;

pub(super) fn run(
    args: &Serve,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    // What is wrong with the token is known before a model is loaded.
    let token = token(args.token_file.as_deref())?;
    let name = &args.model;
    let progress = Progress::new(common.quiet);
    let files = weights(name, args.offline, &progress)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if files.bytes < SMALL { 1 } else { cores };
    let limits = &args.limits;
    let settings = Settings {
        address: SocketAddr::new(args.host, args.port),
        name: args.name.clone().unwrap_or_else(|| last_part(name)),
        token,
        limits: Limits {
            body: limits.max_body as usize,
            length: limits.max_length.map_or(LENGTH, |tokens| tokens as usize),
            max_tokens: limits.max_tokens as usize,
            choices: usize::from(limits.max_choices),
            logprobs: usize::from(limits.max_logprobs),
            queue: usize::from(limits.queue),
            connections: usize::from(limits.connections),
            grant: args.grant.into(),
        },
        log: args.log.clone(),
        log_prompts: args.log_prompts,
        threads: args.threads.map_or(threads, usize::from),
        grace: Duration::from_secs(limits.grace.into()),
    };
    settings.check()?;
    let options = options(&args.runner);
    if let Some(text) = forecast(&files.path, options) {
        progress.see(Event::Note(&format!("{name}: {text}")));
    }
    let model = LocalModel::open(name, &files.path, options).map_err(PipelineError::Open)?;
    let ended = serve(model, settings, |address| {
        writeln!(stdout, "listening on http://{address}")?;
        stdout.flush()
    })?;
    Ok(match ended {
        Ended::Whole => ExitCode::SUCCESS,
        Ended::CutOff => ExitCode::from(130),
    })
}

/// The token of the file, or else of the environment.
fn token(file: Option<&Path>) -> Result<Option<Token>, CliError> {
    let text = match file {
        Some(path) => {
            let text = read(path).map_err(|source| CliError::TokenFile {
                path: path.to_owned(),
                source,
            })?;
            Some(text)
        }
        None => std::env::var_os(VARIABLE).map(|text| text.to_string_lossy().into_owned()),
    };
    Ok(text.map(|text| Token::new(&text)).transpose()?)
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(TOKEN_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// A model's name without where it lies.
fn last_part(name: &str) -> String {
    let name = name.trim_end_matches(['/', '\\']);
    let last = name.rsplit(['/', '\\', ':']).next().unwrap_or(name);
    last.strip_suffix(".gguf").unwrap_or(last).to_owned()
}
