//! `parentage battery`: what is asked, why, and what is weak in it.

use std::io::{self, Write};
use std::process::ExitCode;

use super::args::{Battery as Args, BatteryAction, Common};
use super::error::CliError;
use crate::battery::{Ask, Battery, Probe, lint};

pub(super) fn run(args: &Args, common: &Common, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let (name, found) = match &args.action {
        BatteryAction::List { battery } => (battery, true),
        BatteryAction::Show { battery, .. } | BatteryAction::Lint { battery } => (battery, false),
    };
    let battery = Battery::open(name)?;
    if common.json && found {
        let text =
            serde_json::to_string_pretty(&battery).map_err(|e| CliError::Output(e.into()))?;
        writeln!(out, "{text}").map_err(CliError::Output)?;
        return Ok(ExitCode::SUCCESS);
    }
    match &args.action {
        BatteryAction::List { .. } => list(&battery, out).map_err(CliError::Output)?,
        BatteryAction::Show { name, .. } => {
            let probes: Vec<&Probe> = battery
                .probes
                .iter()
                .filter(|p| p.id == *name || p.family == *name)
                .collect();
            if probes.is_empty() {
                return Err(CliError::NoProbe { name: name.clone() });
            }
            show(&probes, out).map_err(CliError::Output)?;
        }
        BatteryAction::Lint { .. } => {
            let findings = lint(&battery);
            for finding in &findings {
                writeln!(out, "{finding}").map_err(CliError::Output)?;
            }
            let (probes, weak) = (battery.probes.len(), findings.len());
            writeln!(out, "{probes} probes, {weak} findings").map_err(CliError::Output)?;
            return Ok(ExitCode::from(if findings.is_empty() { 0 } else { 2 }));
        }
    }
    Ok(ExitCode::SUCCESS)
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
