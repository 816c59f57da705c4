//! `parentage report`: a bundle's report, rendered again.

use std::io::Write;
use std::process::ExitCode;

use super::args::{Common, Format, Report};
use super::error::CliError;
use super::verify::{checked, located};
use super::write_whole;
use crate::bundle::{Demand, Rendering};
use crate::pipeline::PipelineError;
use crate::report::{html, pdf, table};

pub(super) fn run(
    args: &Report,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let format = if common.json {
        Format::Held(Rendering::Json)
    } else {
        args.format
    };
    let demand = Demand {
        namespace: args.namespace.clone(),
        ..Demand::default()
    };
    let (bundle, report) = checked(&located(&args.bundle)?, &demand, &mut |_, _| ())?;
    // As in `verify`.
    std::mem::forget(bundle);
    let bytes = match format {
        Format::Held(rendering) => rendering.render(&report).map_err(PipelineError::from)?,
        Format::Brief => html::brief(&report)
            .map_err(PipelineError::from)?
            .into_bytes(),
        Format::Csv => table::csv(&report).map_err(|e| CliError::Output(e.into()))?,
        Format::Pdf => pdf::document(&report).map_err(PipelineError::from)?,
    };
    match &args.out {
        Some(path) => write_whole(path, &bytes)?,
        None => stdout.write_all(&bytes).map_err(CliError::Output)?,
    }
    Ok(ExitCode::SUCCESS)
}
