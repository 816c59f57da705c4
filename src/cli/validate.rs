//! `parentage validate`: the tool held against models of known descent.

use std::io::Write;
use std::process::ExitCode;

use super::args::{Common, Validate};
use super::error::CliError;
use super::progress::Progress;
use super::write_whole;
use crate::pipeline::{self, PipelineError};
use crate::report::validation as report;

/// Columns of the tables.
const WIDTH: u16 = 140;

pub(super) fn run(
    args: &Validate,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let validation = pipeline::validate(&args.request(), &Progress::new(common.quiet))?;
    let mut facts =
        serde_json::to_vec_pretty(&validation).map_err(|e| CliError::Output(e.into()))?;
    facts.push(b'\n');
    let page = report::page(&validation).map_err(PipelineError::from)?;
    let path = args.out.join("validation.html");
    write_whole(&args.out.join("validation.json"), &facts)?;
    write_whole(&path, page.as_bytes())?;
    let text = if common.json {
        facts
    } else {
        let text = report::text(&validation, WIDTH);
        format!("{text}\nFor people {}\n", path.display()).into_bytes()
    };
    stdout.write_all(&text).map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}
