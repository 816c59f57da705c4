//! `parentage battery`: what is asked, why, and what is weak in it.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::args::{Asking, Battery as Args, BatteryAction, Common, Lint, TierArg};
use super::endpoints::Endpoints;
use super::error::CliError;
use super::open::Target;
use super::progress::Progress;
use super::run::{Job, Round, slug};
use crate::battery::{Ask, Battery, Finding, Probe, favourites, lint};
use crate::evidence::Header;
use crate::question::{Question, REPEATS, SEED, ask};

pub(super) fn run(args: &Args, common: &Common, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    match &args.action {
        BatteryAction::List { battery } => {
            let battery = Battery::open(battery)?;
            if common.json {
                json(&battery, out)
            } else {
                list(&battery, out)
            }
            .map_err(CliError::Output)?;
        }
        BatteryAction::Show { name, battery } => {
            let battery = Battery::open(battery)?;
            let probes: Vec<&Probe> = battery
                .probes
                .iter()
                .filter(|p| p.id == *name || p.family == *name)
                .collect();
            if probes.is_empty() {
                return Err(CliError::NoProbe { name: name.clone() });
            }
            if common.json {
                json(&probes, out)
            } else {
                show(&probes, out)
            }
            .map_err(CliError::Output)?;
        }
        BatteryAction::Lint(args) => {
            let battery = Battery::open(&args.battery)?;
            let mut findings = lint(&battery);
            if !args.model.is_empty() {
                findings.extend(favoured(args, common, &battery)?);
            }
            let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
            let probes = battery.probes.len();
            if common.json {
                let summary = serde_json::json!({ "probes": probes, "findings": findings });
                json(&summary, out)
            } else {
                weaknesses(probes, &findings, out)
            }
            .map_err(CliError::Output)?;
            return Ok(ExitCode::from(if findings.is_empty() { 0 } else { 2 }));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks models the closed probes; the options that they favour.
fn favoured(args: &Lint, common: &Common, battery: &Battery) -> Result<Vec<Finding>, CliError> {
    let notes = Progress::new("fetching", 0, common.quiet);
    let endpoints = Endpoints::new(&args.hosted, Some(args.out.join("access")))?;
    let targets: Result<Vec<Target>, CliError> = args
        .model
        .iter()
        .map(|model| {
            Target::resolve(model, &args.engine, &endpoints, &mut |text| {
                notes.note(text);
            })
        })
        .collect();
    let targets = targets?;
    notes.finish();
    let asking = Asking {
        battery: vec![args.battery.clone()],
        tier: Some(TierArg::Full),
        samples: 1,
        access: None,
        repeats: REPEATS,
        seed: SEED,
        raw: false,
    };
    let (round, _) = Round::new(&asking, &args.engine, common.quiet, &targets)?;
    let closed = battery.probes.iter();
    let closed = closed.filter(|p| matches!(p.ask, Ask::Choose { .. }));
    let questions: Vec<Question> = closed.flat_map(|p| ask(p, round.posing)).collect();
    let jobs: Vec<Job<'_>> = targets.iter().map(|t| (t, questions.clone())).collect();
    let place = |header: &Header| args.out.join("recordings").join(slug(header));
    let prints = round.prints(&round.ask("asking ", &jobs, &place)?)?;
    let shares: Vec<_> = prints.values().map(|print| &print.choices).collect();
    Ok(favourites(battery, &shares))
}

fn json(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", serde_json::to_string_pretty(value)?)
}

fn weaknesses(probes: usize, findings: &[String], out: &mut dyn Write) -> io::Result<()> {
    for finding in findings {
        writeln!(out, "{finding}")?;
    }
    writeln!(out, "{probes} probes, {} findings", findings.len())
}

fn list(battery: &Battery, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{} version {}: {} probes in {} families, sha256 {}",
        battery.name,
        battery.version,
        battery.probes.len(),
        battery.families.len(),
        battery.digest()
    )?;
    for family in &battery.families {
        let count = |ask: &str| {
            let of = battery.probes.iter().filter(|p| p.family == family.name);
            of.filter(|p| p.ask.name() == ask).count()
        };
        writeln!(out, "\n{}: {}", family.name, family.title)?;
        writeln!(
            out,
            "  {} choose, {} next, {} write",
            count("choose"),
            count("next"),
            count("write")
        )?;
        writeln!(out, "  why: {}", family.why)?;
        writeln!(out, "  source: {}", family.source)?;
    }
    Ok(())
}

fn show(probes: &[&Probe], out: &mut dyn Write) -> io::Result<()> {
    for probe in probes {
        writeln!(out, "{} ({})", probe.id, probe.ask.name())?;
        writeln!(out, "  {}", probe.prompt.replace('\n', "\n  "))?;
        if !probe.lead.is_empty() {
            writeln!(out, "  answer begins: {}", probe.lead)?;
        }
        match &probe.ask {
            Ask::Choose { options } => writeln!(out, "  options: {}", options.join(" | "))?,
            Ask::Write { max_tokens } => writeln!(out, "  at most {max_tokens} tokens")?,
            Ask::Next => {}
        }
    }
    Ok(())
}
