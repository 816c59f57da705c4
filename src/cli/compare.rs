//! `parentage compare`: the whole job.

use std::io::Write;
use std::process::ExitCode;

use super::args::{Common, Compare};
use super::error::CliError;
use super::progress::Progress;
use crate::bundle::Rendering;
use crate::pipeline::{self, Comparison, PipelineError};
use crate::report::{pdf, terminal};
use crate::rules::MIN_CONTROLS;
use crate::verdict::Finding;

/// Columns of the terminal report when the terminal does not say.
const WIDTH: usize = 100;

pub(super) fn run(
    args: &Compare,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let comparison = pipeline::compare(&args.request(), &Progress::new(common.quiet))?;
    comparison.write(&args.out)?;
    let text = if common.json {
        Rendering::Json
            .render(&comparison.report)
            .map_err(PipelineError::from)?
    } else {
        words(args, &comparison).into_bytes()
    };
    stdout.write_all(&text).map_err(CliError::Output)?;
    Ok(code(args, &comparison))
}

fn words(args: &Compare, comparison: &Comparison) -> String {
    format!(
        "{}\nFor people {} ({}; the same as report.md and, for programs, report.json)\n\
         Bundle {bundle} (check it with: parentage verify {bundle})\n",
        terminal::render(&comparison.report, WIDTH),
        args.out.join("report.html").display(),
        if pdf::MADE {
            "for print report.pdf"
        } else {
            pdf::NOT_MADE
        },
        bundle = comparison.bundle.display(),
    )
}

fn code(args: &Compare, comparison: &Comparison) -> ExitCode {
    let finding = comparison.report.finding;
    if args.fail_on.contains(&finding) {
        ExitCode::from(10)
    } else if finding == Finding::Inconclusive && comparison.case.evidence.controls < MIN_CONTROLS {
        ExitCode::from(5)
    } else {
        ExitCode::SUCCESS
    }
}
