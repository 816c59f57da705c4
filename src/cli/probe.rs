//! `parentage probe`: what an endpoint really gives.

use std::io::Write;
use std::process::ExitCode;

use super::args::{Common, Probe};
use super::error::CliError;
use super::progress::Progress;
use crate::pipeline::{self, PipelineError};

pub(super) fn run(
    args: &Probe,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let progress = Progress::new(common.quiet);
    let report = pipeline::probe(&args.model, &args.hosted.settled(), &progress)?;
    let text = if common.json {
        let json = serde_json::to_string_pretty(&report);
        json.map_err(|e| CliError::Output(e.into()))? + "\n"
    } else {
        report.render()
    };
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    if report.is_empty() {
        let advice = report.advice();
        return Err(CliError::from(PipelineError::NothingToAsk {
            model: args.model.clone(),
            advice,
        }));
    }
    Ok(ExitCode::SUCCESS)
}
