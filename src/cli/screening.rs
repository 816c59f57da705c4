//! `parentage screen`: many suspects at once.

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

use super::args::{Common, Screening as Args};
use super::error::CliError;
use super::progress::Progress;
use crate::pipeline::{self, ScreenOutlook};
use crate::printable::visible_line;
use crate::report::screening as report;

/// Columns of the table.
const WIDTH: u16 = 120;
/// Rows that are printed; the page has all.
const ROWS: usize = 25;

pub(super) fn run(
    args: &Args,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let request = args.request();
    let progress = Progress::new(common.quiet);
    if args.plan {
        let outlook = pipeline::plan_screen(&request, args.check, &progress)?;
        let text = if common.json {
            let json = serde_json::to_string_pretty(&outlook);
            json.map_err(|e| CliError::Output(e.into()))? + "\n"
        } else {
            planned(&outlook)
        };
        stdout
            .write_all(text.as_bytes())
            .map_err(CliError::Output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let screening = pipeline::screen(&request, &progress)?;
    screening.write(&args.out)?;
    let text = if common.json {
        let json = serde_json::to_string_pretty(&screening);
        json.map_err(|e| CliError::Output(e.into()))? + "\n"
    } else {
        format!(
            "{}For people {} (for programs screen.json and screen.csv)\n",
            report::text(&screening, ROWS, WIDTH),
            args.out.join("screen.html").display()
        )
    };
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    // Whoever did not answer to the end can be asked on.
    Ok(if screening.aside.iter().any(|a| a.why.may_go_on()) {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    })
}

fn planned(outlook: &ScreenOutlook) -> String {
    let mut text = format!(
        "{} pairs of {} models, {} of them recordings; {} probes of {}\n",
        outlook.pairs, outlook.models, outlook.recorded, outlook.probes, outlook.battery
    );
    for cost in &outlook.costs {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}", cost.announced);
    }
    let _ = writeln!(text, "{} requests to endpoints in all", outlook.requests);
    for aside in &outlook.aside {
        let (model, words) = (visible_line(&aside.model), visible_line(&aside.words));
        let _ = writeln!(text, "left aside: {model}: {words}");
    }
    text.push_str("Nothing was asked. The same command without --plan goes on from here.\n");
    text
}
