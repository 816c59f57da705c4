//! `parentage probe`: what an endpoint really gives.

use std::io::Write;
use std::process::ExitCode;

use super::args::{Common, Probe};
use super::endpoints::Endpoints;
use super::error::CliError;
use super::progress::Progress;

pub(super) fn run(
    args: &Probe,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let Some(endpoint) = Endpoints::find(&args.model)? else {
        return Err(CliError::NoEndpoint {
            model: args.model.clone(),
        });
    };
    let notes = Progress::new("checking", 0, common.quiet);
    notes.note(&format!("checking what {} gives", args.model));
    let reached = Endpoints::new(&args.hosted, None)?.reach(endpoint)?;
    notes.finish();
    let text = if common.json {
        let json = serde_json::to_string_pretty(&*reached.report);
        json.map_err(|e| CliError::Output(e.into()))? + "\n"
    } else {
        reached.report.render()
    };
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    if reached.report.is_empty() {
        return Err(CliError::NothingToAsk {
            model: args.model.clone(),
            advice: reached.report.advice(),
        });
    }
    Ok(ExitCode::SUCCESS)
}
