//! `parentage plan`: what a comparison would take and could show, before anything is asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

use serde_json::json;

use super::args::{Common, Plan};
use super::compare::{panel, plan, resolve};
use super::endpoints::{Endpoints, Reached};
use super::error::CliError;
use super::open::Target;
use super::public::PublicModels;
use super::run::Round;
use super::write_whole;
use crate::adequacy::{PowerFacts, planned};
use crate::battery::{Ask, Probe};
use crate::bundle::Draft;
use crate::estimate::{Estimate, reading};
use crate::measure::Basis;
use crate::panel::Panel;
use crate::question::{Access, ask_all};
use crate::reach::{Reach, Sides, reach};
use crate::rules::Condition;

/// What one endpoint would be asked.
struct Cost<'a> {
    id: &'a str,
    reached: &'a Reached,
    estimate: Estimate,
}

pub(super) fn run(
    args: &Plan,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let compare = &args.compare;
    let panel = panel(compare)?;
    let public = PublicModels::of(compare, &panel)?;
    if !public.is_empty() && !common.json {
        // Said before anything is fetched, and where nothing can be.
        stdout
            .write_all(public.lines().as_bytes())
            .map_err(CliError::Output)?;
    }
    let endpoints = Endpoints::new(&compare.hosted, Some(compare.out.join("access")))?;
    if !args.check {
        unchecked(&panel, &endpoints)?;
    }
    let targets = resolve(compare, &panel, &endpoints, common.quiet)?;
    let models: Vec<Target> = targets.values().cloned().collect();
    let (round, posed_raw) = Round::new(&compare.asking, &compare.engine, common.quiet, &models)?;
    let plan = plan(compare, &panel, &targets, &round, posed_raw)?;
    let costs = costs(&panel, &targets, &round);
    let possible = reach(&panel, sides(&panel, &targets, &round));
    let power = PowerFacts::of(
        panel.controls.len(),
        panel.alternatives.len(),
        1 + panel.family.len(),
        match basis(&round) {
            Basis::Battery => Condition::from(round.posing.access),
            Basis::OpenText => Condition::Open,
        },
    );
    let draft = Draft::begin(&compare.out, plan, &round.battery)?;
    let mut stamped = String::new();
    if let Some(path) = &args.tsa_request {
        write_whole(path, &draft.stamp_request())?;
        stamped = format!(
            "Send {} to a time stamp authority (Content-Type: application/timestamp-query), then give its answer with --tsa-reply.\n",
            path.display()
        );
    }
    if let Some(reply) = &args.tsa_reply {
        draft.store_stamp(reply)?;
        stamped += "The time stamp is stored beside the plan; `parentage verify` holds it against the plan.\n";
    }
    let committed = draft.path().join("data/plan.json");
    let text = if common.json {
        let costs: BTreeMap<&str, _> = costs.iter().map(|c| (c.id, c.estimate)).collect();
        let all = json!({
            "plan": committed,
            "probes": round.battery.probes.len(),
            "posing": round.posing,
            "endpoints": costs,
            "findings": possible,
            "controls": planned(&panel),
            "power": power,
            "public_controls": public,
        });
        format!("{all:#}\n")
    } else {
        let asked = format!(
            "{} probes of {} to {} models, asked for {}\n",
            round.battery.probes.len(),
            round.battery.name,
            targets.len(),
            match round.posing.access {
                Access::Scored => "the probability of given text",
                Access::Top => "their most probable tokens",
                Access::Text => "samples of text",
            }
        );
        let at_once = u64::from(compare.hosted.concurrency);
        format!(
            "{asked}{}{}{}Plan committed to {}\n`parentage compare` with the same flags follows it.\n{stamped}",
            prices(&costs, at_once),
            findings(&possible),
            controls(&panel, power),
            committed.display()
        )
    };
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}

fn prices(costs: &[Cost<'_>], at_once: u64) -> String {
    if costs.is_empty() {
        return "  no endpoint among them: nothing to pay\n".to_owned();
    }
    let line = |cost: &Cost<'_>| {
        let minutes = cost.estimate.requests.div_ceil(60 * at_once);
        let taken = cost.reached.announce(cost.estimate);
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
fn controls(panel: &Panel, power: Option<PowerFacts>) -> String {
    let mut text = format!("Controls\n  {}\n", planned(panel));
    if let Some(power) = power {
        let _ = writeln!(text, "  {}", power.sentence());
    }
    text
}

/// Refuses to go on when some endpoint was never checked: that would send requests.
fn unchecked(panel: &Panel, endpoints: &Endpoints) -> Result<(), CliError> {
    for member in panel.members() {
        if let Some(endpoint) = Endpoints::find(&member.model)?
            && !endpoints.knows(&endpoint)
        {
            return Err(CliError::Unchecked {
                model: member.model.clone(),
            });
        }
    }
    Ok(())
}

fn costs<'a>(
    panel: &'a Panel,
    targets: &'a BTreeMap<String, Target>,
    round: &Round<'_>,
) -> Vec<Cost<'a>> {
    let parents = 1 + panel.alternatives.len();
    let questions: Estimate = ask_all(&round.battery, round.posing)
        .iter()
        .map(Estimate::of)
        .sum();
    let is_parent = |model: &String| {
        *model == panel.protected.model || panel.alternatives.iter().any(|a| a.model == *model)
    };
    panel
        .members()
        .into_iter()
        .filter_map(|member| {
            let Target::Endpoint { reached, .. } = &targets[&member.model] else {
                return None;
            };
            let authors = if is_parent(&member.model) {
                targets.len()
            } else {
                parents
            };
            let read = if round.reads(&member.model) {
                reading(&round.battery, round.posing, authors, parents)
            } else {
                Estimate::default()
            };
            Some(Cost {
                id: &member.id,
                reached,
                estimate: [questions, read].into_iter().sum(),
            })
        })
        .collect()
}

/// What will be compared: a battery of open questions leaves nothing else to compare.
fn basis(round: &Round<'_>) -> Basis {
    let probes = &round.battery.probes;
    let open = |p: &Probe| matches!(p.ask, Ask::Write { .. });
    if !probes.is_empty() && probes.iter().all(open) {
        Basis::OpenText
    } else {
        Basis::Battery
    }
}

fn sides(panel: &Panel, targets: &BTreeMap<String, Target>, round: &Round<'_>) -> Sides {
    let weights = |model: &String| matches!(targets[model], Target::Weights { .. });
    let (protected, suspect) = (&panel.protected.model, &panel.suspect.model);
    Sides {
        basis: basis(round),
        access: round.posing.access,
        weights: weights(protected) && weights(suspect),
        suspect_reads: round.reads(suspect),
        protected_reads: round.reads(protected),
    }
}
