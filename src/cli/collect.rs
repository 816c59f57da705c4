//! `parentage collect`: one model's answers as a recording.

use std::io::Write;
use std::process::ExitCode;

use super::args::{Collect, Common};
use super::endpoints::Endpoints;
use super::error::CliError;
use super::open::Target;
use super::progress::Progress;
use super::run::Round;
use crate::evidence;
use crate::question::ask_all;

pub(super) fn run(
    args: &Collect,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let notes = Progress::new("fetching", 0, common.quiet);
    // The recording's own directory keeps the check of the endpoint that it is of.
    let endpoints = Endpoints::new(&args.hosted, Some(args.out.clone()))?;
    let target = Target::resolve(&args.model, &args.engine, &endpoints, &mut |text| {
        notes.note(text);
    })?;
    notes.finish();
    let (round, _) = Round::new(
        &args.asking,
        &args.engine,
        common.quiet,
        std::slice::from_ref(&target),
    )?;
    let questions = ask_all(&round.battery, round.posing);
    round.ask("asking ", &[(&target, questions)], &|_| args.out.clone())?;
    let recording = evidence::read(&args.out)?;
    let text = if common.json {
        let summary = serde_json::json!({
            "recording": args.out,
            "answers": recording.entries.len(),
            "battery": recording.header.battery,
            "head": recording.head,
        });
        format!("{summary}\n")
    } else {
        format!(
            "{} answers to {} in {} (head {})\n",
            recording.entries.len(),
            recording.header.battery.name,
            args.out.display(),
            recording.head
        )
    };
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}
