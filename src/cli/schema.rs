//! `parentage schema`: what the fields of `report.json` are.

use std::io::Write;
use std::process::ExitCode;

use super::error::CliError;
use crate::report::facts::json_schema;

pub(super) fn run(stdout: &mut dyn Write) -> Result<ExitCode, CliError> {
    let text =
        serde_json::to_string_pretty(&json_schema()).map_err(|e| CliError::Output(e.into()))?;
    writeln!(stdout, "{text}").map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}
