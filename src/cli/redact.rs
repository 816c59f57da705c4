//! `parentage redact`: a copy of a sealed bundle that withholds something.

use std::io::Write;
use std::process::ExitCode;

use super::args::{Common, Redact};
use super::error::CliError;
use super::verify::{checked, located};
use crate::bundle::{Choice, Demand, RedactedCopy, redact};

pub(super) fn run(
    args: &Redact,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let demand = Demand {
        namespace: args.namespace.clone(),
        ..Demand::default()
    };
    let (bundle, _) = checked(&located(&args.bundle)?, &demand, &mut |_, _| ())?;
    let choice = Choice {
        probes: args.probe.iter().cloned().collect(),
        records: args.record.iter().cloned().collect(),
        figures: args.figures,
        reason: args.reason.clone(),
    };
    redact(&bundle, &choice, &args.out)?;
    // What is handed out was checked as whoever gets it will.
    let copy = RedactedCopy::at(&args.out).check(&demand, &mut |_, _| ())?;
    let text = if common.json {
        let summary = serde_json::json!({
            "bundle": args.bundle, "copy": args.out, "probes": copy.probes, "records": copy.records,
        });
        format!("{summary}\n")
    } else {
        format!(
            "Wrote {out}, which withholds {} of {} probes and {} of {} records\nWhoever gets it checks it with: parentage verify {out} --signer KEY\n",
            copy.probes.withheld,
            copy.probes.of,
            copy.records.withheld,
            copy.records.of,
            out = args.out.display(),
        )
    };
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}
