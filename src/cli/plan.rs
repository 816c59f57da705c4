//! `parentage plan`: what a comparison would take and could show, before anything is asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

use serde_json::json;

use super::args::{Common, Plan};
use super::error::CliError;
use super::progress::Progress;
use super::write_whole;
use crate::pipeline::{self, Cost, Outlook, PipelineError, Selection};
use crate::question::Access;
use crate::reach::Reach;

pub(super) fn run(
    args: &Plan,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let request = args.compare.request();
    let progress = Progress::new(common.quiet);
    let selection = Selection::new(&request, &progress)?;
    let public = selection.public().clone();
    if !public.is_empty() && !common.json {
        // Said before anything is fetched, and where nothing can be.
        stdout
            .write_all(public.lines().as_bytes())
            .map_err(CliError::Output)?;
    }
    let outlook = pipeline::plan(selection, args.check)?;
    let stamped = stamp(args, &outlook)?;
    let committed = outlook.draft.path().join("data/plan.json");
    let text = if common.json {
        let costs = outlook.costs.iter().map(|c| (c.id.as_str(), c.estimate));
        let costs: BTreeMap<&str, _> = costs.collect();
        let all = json!({
            "plan": committed,
            "probes": outlook.probes,
            "posing": outlook.posing,
            "endpoints": costs,
            "findings": outlook.findings,
            "controls": outlook.controls,
            "power": outlook.power,
            "public_controls": public,
        });
        format!("{all:#}\n")
    } else {
        let asked = format!(
            "{} probes of {} to {} models, asked for {}\n",
            outlook.probes,
            outlook.battery,
            outlook.models,
            match outlook.posing.access {
                Access::Scored => "the probability of given text",
                Access::Top => "their most probable tokens",
                Access::Text => "samples of text",
            }
        );
        let at_once = u64::from(request.endpoints.concurrency);
        format!(
            "{asked}{}{}{}Plan committed to {}\n`parentage compare` with the same flags follows it.\n{stamped}",
            prices(&outlook.costs, at_once),
            findings(&outlook.findings),
            controls(&outlook),
            committed.display()
        )
    };
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the request for a time stamp and stores the answer, where that is asked for; says what was done.
fn stamp(args: &Plan, outlook: &Outlook) -> Result<String, CliError> {
    let mut stamped = String::new();
    if let Some(path) = &args.tsa_request {
        write_whole(path, &outlook.draft.stamp_request())?;
        stamped = format!(
            "Send {} to a time stamp authority (Content-Type: application/timestamp-query), then give its answer with --tsa-reply.\n",
            path.display()
        );
    }
    if let Some(reply) = &args.tsa_reply {
        let stored = outlook.draft.store_stamp(reply);
        stored.map_err(PipelineError::from)?;
        stamped += "The time stamp is stored beside the plan; `parentage verify` holds it against the plan.\n";
    }
    Ok(stamped)
}

fn prices(costs: &[Cost], at_once: u64) -> String {
    if costs.is_empty() {
        return "  no endpoint among them: nothing to pay\n".to_owned();
    }
    let line = |cost: &Cost| {
        let minutes = cost.estimate.requests.div_ceil(60 * at_once);
        let taken = &cost.announced;
        format!("  {taken}; about {minutes} minutes at a second a request\n")
    };
    costs.iter().map(line).collect()
}

fn findings(possible: &[Reach]) -> String {
    let mut text = "What it can find\n".to_owned();
    for found in possible {
        let can = if found.possible { "can" } else { "cannot" };
        let _ = writeln!(text, "  {:<18} {can}: {}", found.finding.name(), found.why);
    }
    text
}

/// What the panel's controls allow, before anything is measured.
fn controls(outlook: &Outlook) -> String {
    let mut text = format!("Controls\n  {}\n", outlook.controls);
    if let Some(power) = outlook.power {
        let _ = writeln!(text, "  {}", power.sentence());
    }
    text
}
