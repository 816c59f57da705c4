//! `parentage collect`: one model's answers as a recording.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use super::args::{Collect, Common};
use super::error::CliError;
use super::progress::Progress;
use crate::evidence::Recording;
use crate::pipeline;
use crate::response::Response;

pub(super) fn run(
    args: &Collect,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let recording = pipeline::collect(&args.request(), &Progress::new(common.quiet))?;
    let (missing, reasons) = unanswered(&recording);
    let text = if common.json {
        let summary = serde_json::json!({
            "recording": args.out,
            "answers": recording.entries.len(),
            "without": missing,
            "battery": recording.header.battery,
            "head": recording.head,
        });
        format!("{summary}\n")
    } else {
        format!(
            "{} answers to {} in {} (head {})\n{reasons}",
            recording.entries.len(),
            recording.header.battery.name,
            args.out.display(),
            recording.head
        )
    };
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}

/// How many reasons are told.
const TOLD: usize = 3;

/// How many questions have no answer, and the most frequent reasons, a line each.
fn unanswered(recording: &Recording) -> (usize, String) {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in &recording.entries {
        if let Response::Refused { reason } | Response::Unavailable { reason } = &entry.response {
            *reasons.entry(reason).or_insert(0) += 1;
        }
    }
    let missing = reasons.values().sum();
    if missing == 0 {
        return (0, String::new());
    }
    let mut reasons: Vec<(&str, usize)> = reasons.into_iter().collect();
    reasons.sort_by(|(_, a), (_, b)| b.cmp(a));
    let told = reasons.iter().take(TOLD);
    let lines = told.fold(String::new(), |lines, (reason, count)| {
        lines + &format!("  {count} times: {reason}\n")
    });
    let others = match reasons.len().saturating_sub(TOLD) {
        0 => String::new(),
        others => format!("  and {others} other reasons\n"),
    };
    let text = format!("{missing} of them hold no answer:\n{lines}{others}");
    (missing, text)
}
