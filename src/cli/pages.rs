//! `parentage completions` and `parentage man`: what a package puts beside the program.

use std::fs;
use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory as _;

use super::args::{Args, Completions, Man};
use super::error::CliError;
use crate::pipeline::PipelineError;

/// The name under which the program is called.
const NAME: &str = "parentage";

/// Writes the completions of a shell to standard output.
pub(super) fn completions(
    args: &Completions,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), NAME, &mut text);
    stdout.write_all(&text).map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a manual page for the program and for each of its commands into a directory.
pub(super) fn man(args: &Man, stdout: &mut dyn Write) -> Result<ExitCode, CliError> {
    let failed = || PipelineError::writing(&args.out);
    fs::create_dir_all(&args.out).map_err(failed())?;
    clap_mangen::generate_to(Args::command().name(NAME), &args.out).map_err(failed())?;
    writeln!(stdout, "Manual pages in {}", args.out.display()).map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}
