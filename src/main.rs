//! The `parentage` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    parentage::cli::main()
}
