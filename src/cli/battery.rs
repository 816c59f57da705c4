//! `parentage battery`: what is asked, why, and what is weak in it.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::args::{Battery as Args, BatteryAction, Common, Lint};
use super::error::CliError;
use super::progress::Progress;
use crate::battery::{Ask, Battery, Probe, lint};
use crate::pipeline::{FavouritesRequest, Given, PipelineError, favourites};

pub(super) fn run(args: &Args, common: &Common, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    match &args.action {
        BatteryAction::List { battery } => {
            let battery = Battery::open(battery).map_err(PipelineError::from)?;
            if common.json {
                json(&battery, out)
            } else {
                list(&battery, out)
            }
            .map_err(CliError::Output)?;
        }
        BatteryAction::Show { name, battery } => {
            let battery = Battery::open(battery).map_err(PipelineError::from)?;
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
            let battery = Battery::open(&args.battery).map_err(PipelineError::from)?;
            let mut findings = lint(&battery);
            if !args.model.is_empty() {
                let progress = Progress::new(common.quiet);
                findings.extend(favourites(&args.request(), &progress)?);
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

impl Lint {
    fn request(&self) -> FavouritesRequest {
        FavouritesRequest {
            battery: self.battery.clone(),
            models: self.model.clone(),
            given: Given::default(),
            engine: self.engine.settled(),
            endpoints: self.hosted.settled(),
            out: self.out.clone(),
        }
    }
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
