//! The command line: arguments to settings, stages to exit codes.

mod args;
mod battery;
mod collect;
mod compare;
mod error;
mod open;
mod progress;
mod run;
mod tree;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};
use error::CliError;

/// Parses the arguments, runs the command, prints what went wrong, and gives the exit code.
pub fn main() -> ExitCode {
    let args = Args::parse();
    let mut stdout = io::stdout().lock();
    let result = match args.command {
        Command::Compare(compare) => compare::run(&compare, &args.common, &mut stdout),
        Command::Collect(collect) => collect::run(&collect, &args.common, &mut stdout),
        Command::Battery(battery) => battery::run(&battery, &args.common, &mut stdout),
        Command::Tree(tree) => tree::run(&tree, &args.common, &mut stdout),
    };
    match result.and_then(|code| stdout.flush().map(|()| code).map_err(CliError::Output)) {
        Ok(code) => code,
        // A reader that closed the pipe has seen enough.
        Err(CliError::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let mut stderr = io::stderr().lock();
            // Nothing is left to be done when standard error is closed as well.
            let _ = error.print(&mut stderr);
            error.code()
        }
    }
}
