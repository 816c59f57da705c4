//! `parentage verify`: a bundle, step by step.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::args::{Common, Verify};
use super::error::CliError;
use crate::bundle::{Bundle, CheckedBundle, Demand, Signer, Step, recompute};
use crate::report::Report;

pub(super) fn run(
    args: &Verify,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let demand = Demand {
        signer: args.signer.as_deref().map(Signer::read).transpose()?,
        namespace: args.namespace.clone(),
    };
    let mut steps = Vec::new();
    let mut failed = None;
    let checked = checked(&args.bundle, &demand, &mut |step, note| {
        let line = format!("ok  {} {:<13} {note}\n", step.number(), step.name());
        steps.push(serde_json::json!({
            "step": step.number(), "name": step.name(), "note": note,
        }));
        if !common.json {
            // A step is told as soon as it is passed: a large bundle takes a while.
            let shown = stdout
                .write_all(line.as_bytes())
                .and_then(|()| stdout.flush());
            failed = shown.err().or_else(|| failed.take());
        }
    });
    if let Some(error) = failed {
        return Err(CliError::Output(error));
    }
    let (bundle, report) = checked?;
    // The program ends here: to free millions of small things before would take a tenth of its time.
    std::mem::forget(bundle);
    let text = if common.json {
        let summary = serde_json::json!({
            "bundle": args.bundle, "steps": steps, "finding": report.finding,
        });
        format!("{summary}\n")
    } else {
        format!("{}\n", report.sentence)
    };
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}

/// A bundle through all steps, and its report.
pub(super) fn checked(
    path: &Path,
    demand: &Demand,
    told: &mut dyn FnMut(Step, &str),
) -> Result<(CheckedBundle, Report), CliError> {
    let bundle = Bundle::at(path).check(demand, told)?;
    let (_, _, report) = recompute(&bundle, told)?;
    Ok((bundle, report))
}
