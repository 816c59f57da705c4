//! `parentage verify`: a bundle, step by step.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::Value;

use super::again::{self, Told};
use super::args::{Common, Verify};
use super::error::CliError;
use super::gates;
use crate::bundle::{
    Bundle, CheckedBundle, Demand, Disclosed, RedactedCopy, Signer, Step, recompute,
};
use crate::printable::visible_line;
use crate::report::Report;

/// The exit code where what is at hand does not allow what was asked.
const INSUFFICIENT: u8 = 5;
/// The file that every bundle has.
const BAG_FILE: &str = "bagit.txt";

pub(super) fn run(
    args: &Verify,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let path = located(&args.bundle)?;
    let demand = Demand {
        signer: args.signer.as_deref().map(Signer::read).transpose()?,
        sealed: args.require_signature,
        namespace: args.namespace.clone(),
    };
    let mut steps = Vec::new();
    let mut failed = None;
    let mut told = |step: Step, note: &str| {
        steps.push(serde_json::json!({
            "step": step.number(), "name": step.name(), "note": note,
        }));
        if !common.json {
            // A step is told as soon as it is passed: a large bundle takes a while.
            let line = line("ok", step, note);
            let shown = stdout
                .write_all(line.as_bytes())
                .and_then(|()| stdout.flush());
            failed = shown.err().or_else(|| failed.take());
        }
    };
    let outcome = if RedactedCopy::is_at(&path) {
        let checked = RedactedCopy::at(&path).check(&demand, &mut told);
        checked.map_err(CliError::from).and_then(|copy| {
            if !args.weights.is_empty() {
                return Err(CliError::RedactedWeights);
            }
            if args.ask.model.is_some() {
                return Err(CliError::RedactedAsk);
            }
            Ok(Outcome::Redacted(copy))
        })
    } else {
        checked(&path, &demand, &mut told).and_then(|(bundle, report)| {
            let weights = Weights::of(&bundle, &args.weights);
            let again = weights.and_then(|weights| {
                let told = again::ask(&bundle, &args.ask, common.quiet)?;
                if let Some(told) = &told {
                    told.contradiction()?;
                }
                Ok((weights, told))
            });
            // The program ends here: to free millions of small things before would take a tenth of its time.
            std::mem::forget(bundle);
            let (weights, again) = again?;
            Ok(Outcome::Whole(Box::new(report), weights, again))
        })
    };
    if let Some(error) = failed {
        return Err(CliError::Output(error));
    }
    let outcome = outcome?;
    let text = if common.json {
        let mut summary = serde_json::json!({ "bundle": path, "steps": steps });
        outcome.note(&mut summary);
        format!("{summary}\n")
    } else {
        outcome.words()
    };
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    Ok(outcome.code())
}

/// Where the bundle is that a path means: there, or the only one in it or in its `cases`, which is where `compare --out`
/// puts them.
pub(super) fn located(path: &Path) -> Result<PathBuf, CliError> {
    let is_bundle = |path: &Path| path.join(BAG_FILE).is_file() || RedactedCopy::is_at(path);
    if !path.exists() {
        return Err(CliError::NoBundle {
            path: path.to_owned(),
        });
    }
    if is_bundle(path) {
        return Ok(path.to_owned());
    }
    let within = [path.join("cases"), path.to_owned()];
    let entries = within.iter().filter_map(|path| fs::read_dir(path).ok());
    let entries = entries.flatten().filter_map(Result::ok).map(|e| e.path());
    let mut found: Vec<PathBuf> = entries.filter(|path| is_bundle(path)).collect();
    found.sort();
    match found.len() {
        1 => Ok(found.remove(0)),
        // It may be one whose files are gone: the first step says so.
        0 => Ok(path.to_owned()),
        _ => Err(CliError::ManyBundles {
            path: path.to_owned(),
            found: found.iter().map(|p| p.display().to_string()).collect(),
        }),
    }
}

fn line(mark: &str, step: Step, note: &str) -> String {
    format!(
        "{mark}  {} {:<13} {}\n",
        step.number(),
        step.name(),
        visible_line(note)
    )
}

/// What is known of the comparison of weights in a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weights {
    /// There was none.
    Uncompared,
    /// Its figures are those that whoever made the bundle wrote into it.
    Taken,
    /// They were computed again.
    Again,
}

impl Weights {
    fn of(bundle: &CheckedBundle, weights: &[PathBuf]) -> Result<Self, CliError> {
        if !weights.is_empty() {
            gates::again(bundle, weights)?;
            return Ok(Self::Again);
        }
        Ok(match bundle.gates.weights {
            None => Self::Uncompared,
            Some(_) => Self::Taken,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Uncompared => "uncompared",
            Self::Taken => "taken",
            Self::Again => "computed_again",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Uncompared => "",
            Self::Taken => {
                "--  weights         compared by whoever made the bundle, whose word their figures are; --weights DIR... computes them again\n"
            }
            Self::Again => {
                "ok  weights         their digests are in the bundle, and their comparison gives the figures that it has\n"
            }
        }
    }
}

/// What came of a check that no step ended.
enum Outcome {
    /// The verdict was drawn again.
    Whole(Box<Report>, Weights, Option<Told>),
    /// It could not be.
    Redacted(Disclosed),
}

impl Outcome {
    /// The last lines. A redacted copy must not pass for a bundle that was verified to the end.
    fn words(&self) -> String {
        match self {
            Self::Whole(report, weights, again) => {
                format!(
                    "{}{}{}{}\n",
                    weights.words(),
                    again.as_ref().map(Told::words).unwrap_or_default(),
                    imported(report),
                    report.sentence
                )
            }
            Self::Redacted(copy) => {
                let (probes, records) = (copy.probes, copy.records);
                let note = format!(
                    "NOT drawn again: {} of {} records are withheld",
                    records.withheld, records.of
                );
                format!(
                    "{}REDACTED  What is shown is what was sealed. Withheld are {} of {} probes and {} of {} records. Reason given: {}\nThat the finding is '{}' stands on the signature alone: {}\n",
                    line("--", Step::Verdict, &note),
                    probes.withheld,
                    probes.of,
                    records.withheld,
                    records.of,
                    visible_line(&copy.reason),
                    copy.found.finding.name(),
                    visible_line(&copy.found.sentence),
                )
            }
        }
    }

    /// The same in JSON.
    fn note(&self, summary: &mut Value) {
        match self {
            Self::Whole(report, weights, again) => {
                if let Some(again) = again {
                    summary["again"] = serde_json::json!(again);
                }
                summary["weights"] = serde_json::json!(weights.name());
                summary["finding"] = serde_json::json!(report.finding);
                let imported = of_imports(report);
                if !imported.is_empty() {
                    summary["imported"] = serde_json::json!(imported);
                }
            }
            Self::Redacted(copy) => {
                summary["finding"] = serde_json::json!(copy.found.finding);
                summary["redacted"] = serde_json::json!({
                    "verdict_drawn_again": false,
                    "probes": copy.probes,
                    "records": copy.records,
                    "reason": copy.reason,
                });
            }
        }
    }

    fn code(&self) -> ExitCode {
        match self {
            Self::Whole(_, _, Some(again)) if !again.is_enough() => ExitCode::from(INSUFFICIENT),
            Self::Whole(..) => ExitCode::SUCCESS,
            Self::Redacted(_) => ExitCode::from(INSUFFICIENT),
        }
    }
}

/// The members whose answers this tool did not ask for.
fn of_imports(report: &Report) -> Vec<&str> {
    let members = [&report.protected, &report.suspect].into_iter();
    let members = members
        .chain(&report.base)
        .chain(&report.alternatives)
        .chain(&report.controls);
    let members: BTreeSet<&str> = members
        .filter(|m| m.source.is_imported())
        .map(|m| m.id.as_str())
        .collect();
    members.into_iter().collect()
}

/// What no step can check of imported answers.
fn imported(report: &Report) -> String {
    let ids = of_imports(report);
    if ids.is_empty() {
        return String::new();
    }
    format!(
        "--  imported        answers of {} models ({}) were taken from files and not asked for by this tool: that they are \
         those models' answers, whole and unchosen, no step shows\n",
        ids.len(),
        listed(&ids)
    )
}

/// A few of some names.
fn listed(ids: &[&str]) -> String {
    const FEW: usize = 6;
    match ids.len().saturating_sub(FEW) {
        0 => ids.join(", "),
        more => format!("{} and {more} more", ids[..FEW].join(", ")),
    }
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
