//! `parentage view`: cases in a browser.

use std::io::Write;
use std::process::ExitCode;

use super::args::{Common, View};
use super::error::CliError;
use crate::serve::Ended;
use crate::view::view;

pub(super) fn run(
    args: &View,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let ended = view(&args.directories, args.port, |address, cases| {
        if common.json {
            let ready =
                serde_json::json!({ "address": format!("http://{address}/"), "cases": cases });
            writeln!(stdout, "{ready}")?;
        } else {
            writeln!(
                stdout,
                "listening on http://{address}/ ({cases} cases; Ctrl-C ends)"
            )?;
        }
        stdout.flush()
    })?;
    Ok(match ended {
        Ended::Whole => ExitCode::SUCCESS,
        Ended::CutOff => ExitCode::from(130),
    })
}
