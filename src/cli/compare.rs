//! `parentage compare`: the whole job.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use ndarray::Array2;

use super::args::{Common, Compare};
use super::endpoints::Endpoints;
use super::error::CliError;
use super::open::{self, Target};
use super::run::{Round, slug};
use super::write_whole;
use crate::battery::{BUILT_IN, Battery};
use crate::case::{self, Gates};
use crate::detail::describe;
use crate::evidence::{Header, Recording};
use crate::fingerprint::Fingerprint;
use crate::identity::Source;
use crate::measure::lineage::{GatedLayer, LineageTest, phi_match};
use crate::measure::{Measure, Side};
use crate::panel::{Lineage, Named, Panel};
use crate::passes::{pools, second_pass};
use crate::question::{Access, Question, ask_all};
use crate::report::caveat::Conditions;
use crate::report::{Report, Sources, html, markdown, terminal};
use crate::sequential::{Decision, SCALED_ON};
use crate::verdict::{Finding, LINEAGE_P, MIN_CONTROLS, WeightEvidence};

/// Probes that are asked between two looks at the bets, and before the first.
const STEP: usize = SCALED_ON;
/// Columns of the terminal report when the terminal does not say.
const WIDTH: usize = 100;

pub(super) fn run(
    args: &Compare,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let panel = panel(args)?;
    let targets = resolve(args, &panel, common.quiet)?;
    let models: Vec<Target> = targets.values().cloned().collect();
    let (round, posed_raw) = Round::new(&args.asking, &args.engine, common.quiet, &models)?;
    let order = round.battery.order(args.asking.seed);
    let weigh = |prints: &BTreeMap<String, Fingerprint>, gates| {
        case::weigh(
            &panel,
            prints,
            gates,
            Measure::at(round.posing.access),
            &order,
        )
    };
    let asked = |count: usize| {
        let mut part = round.battery.clone();
        part.probes.retain(|p| order[..count].contains(&p.id));
        part
    };
    let mut part = asked(first_step(args, order.len()));
    let recordings = loop {
        let recordings = collect(&round, &part, &panel, &targets, &args.out)?;
        let count = part.probes.len();
        let decided = || {
            let case = weigh(&prints(&round, &recordings), Gates::default());
            let bets = case.sequential;
            bets.is_some_and(|bets| bets.decision != Decision::Open)
        };
        if count == order.len() || decided() {
            break recordings;
        }
        part = asked((count + STEP).min(order.len()));
    };
    let prints = prints(&round, &recordings);
    let gates = gates(args, &panel, &targets, &recordings)?;
    let case = weigh(&prints, gates);
    let unanswered = panel
        .members()
        .iter()
        .map(|m| (m.id.clone(), prints[&m.model].unanswered))
        .filter(|(_, n)| *n > 0)
        .collect();
    let conditions = Conditions {
        probes: part.probes.len(),
        published: args
            .asking
            .battery
            .iter()
            .all(|b| BUILT_IN.contains(&b.as_str())),
        posed_raw,
        unanswered,
        posing: round.posing,
        planned: order.len(),
        endpoints: panel
            .members()
            .iter()
            .map(|m| (m.id.clone(), &recordings[&m.model].header.identity.source))
            .filter(|(_, source)| matches!(source, Source::Endpoint { .. }))
            .map(|(id, source)| (id, source.clone()))
            .collect(),
        set_aside: panel
            .members()
            .iter()
            .map(|m| (m.id.clone(), prints[&m.model].set_aside))
            .filter(|(_, n)| *n > 0)
            .collect(),
    };
    let command = command();
    let report = Report::new(Sources {
        panel: &panel,
        case: &case,
        details: describe(&panel, &case, &prints, &part),
        battery: &part,
        recordings: &recordings,
        conditions: &conditions,
        command: &command,
    });
    let json =
        serde_json::to_string_pretty(&report).map_err(|e| CliError::Output(e.into()))? + "\n";
    write_whole(&args.out.join("report.json"), &json)?;
    write_whole(&args.out.join("report.md"), &markdown::document(&report)?)?;
    let page = args.out.join("report.html");
    write_whole(&page, &html::page(&report)?)?;
    let text = if common.json {
        json
    } else {
        format!(
            "{}\nFor people {} (the same as report.md and, for programs, report.json)\n",
            terminal::render(&report, WIDTH),
            page.display()
        )
    };
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    Ok(code(args, &report, case.evidence.controls))
}

/// How many probes are asked before it is looked at whether they suffice.
fn first_step(args: &Compare, planned: usize) -> usize {
    if args.stop_when_decided {
        STEP.min(planned)
    } else {
        planned
    }
}

/// The command line, with the program by its name and not by where it lies on this machine.
fn command() -> Vec<String> {
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|a| a.to_string_lossy().into_owned());
    std::iter::once("parentage".to_owned())
        .chain(arguments)
        .collect()
}

fn code(args: &Compare, report: &Report, controls: usize) -> ExitCode {
    if args.fail_on.contains(&report.finding) {
        ExitCode::from(10)
    } else if report.finding == Finding::Inconclusive && controls < MIN_CONTROLS {
        ExitCode::from(5)
    } else {
        ExitCode::SUCCESS
    }
}

fn panel(args: &Compare) -> Result<Panel, CliError> {
    let named = Named {
        protected: args.protected.clone(),
        suspect: args.suspect.clone(),
        base: args.base.clone(),
        controls: args.control.clone(),
        alternatives: args.alternative.clone(),
    };
    let lineages = args
        .controls
        .iter()
        .map(|path| Lineage::read(path))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Panel::new(&named, &lineages))
}

/// What each member's name means, by name.
fn resolve(
    args: &Compare,
    panel: &Panel,
    quiet: bool,
) -> Result<BTreeMap<String, Target>, CliError> {
    let notes = super::progress::Progress::new("fetching", 0, quiet);
    let endpoints = Endpoints::new(&args.hosted, Some(args.out.join("access")))?;
    let mut targets = BTreeMap::new();
    for member in panel.members() {
        let target = Target::resolve(&member.model, &args.engine, &endpoints, &mut |text| {
            notes.note(text);
        })?;
        targets.insert(member.model.clone(), target);
    }
    notes.finish();
    Ok(targets)
}

/// Both passes over a part of the battery.
fn collect(
    round: &Round<'_>,
    part: &Battery,
    panel: &Panel,
    targets: &BTreeMap<String, Target>,
    out: &Path,
) -> Result<BTreeMap<String, Recording>, CliError> {
    let place = |header: &Header| out.join("recordings").join(slug(header));
    let questions = ask_all(part, round.posing);
    let jobs: Vec<(&Target, Vec<Question>)> =
        targets.values().map(|t| (t, questions.clone())).collect();
    let directories = round.ask("asking ", &jobs, &place)?;
    let first = prints(round, &round.read(&directories)?);
    let side = |model: &String| {
        first
            .get_key_value(model)
            .map(|(id, print)| Side { id, print })
    };
    let parents: Vec<&String> = std::iter::once(&panel.protected.model)
        .chain(panel.alternatives.iter().map(|a| &a.model))
        .collect();
    let columns: Vec<Side<'_>> = parents.iter().filter_map(|m| side(m)).collect();
    let everyone: Vec<Side<'_>> = targets.keys().filter_map(side).collect();
    // Where not everyone can be asked for given strings, they are compared over their top tokens.
    let pools = match round.posing.access {
        Access::Scored => pools(&columns),
        Access::Top | Access::Text => BTreeMap::new(),
    };
    let jobs: Vec<(&Target, Vec<Question>)> = targets
        .iter()
        .map(|(model, target)| {
            // A candidate parent reads everyone; the others read the candidate parents.
            let authors = if parents.contains(&model) {
                &everyone
            } else {
                &columns
            };
            let questions = if round.reads(model) {
                second_pass(part, round.posing, &pools, authors)
            } else {
                Vec::new()
            };
            (target, questions)
        })
        .collect();
    let directories = round.ask("reading", &jobs, &place)?;
    round.read(&directories)
}

fn prints(
    round: &Round<'_>,
    recordings: &BTreeMap<String, Recording>,
) -> BTreeMap<String, Fingerprint> {
    recordings
        .iter()
        .map(|(model, recording)| (model.clone(), Fingerprint::new(recording, &round.battery)))
        .collect()
}

/// The gates that look at weights instead of answers.
fn gates(
    args: &Compare,
    panel: &Panel,
    targets: &BTreeMap<String, Target>,
    recordings: &BTreeMap<String, Recording>,
) -> Result<Gates, CliError> {
    let digest = |model: &String| recordings[model].header.identity.source.digest();
    let (protected, suspect) = (&panel.protected.model, &panel.suspect.model);
    let identical = digest(protected).is_some() && digest(protected) == digest(suspect);
    let layers = |model: &String| match &targets[model] {
        Target::Weights { name, path, .. } => gated_layers(name, path, args),
        Target::Endpoint { .. } | Target::Recording { .. } => Ok(None),
    };
    let (Some(own), Some(theirs)) = (layers(protected)?, layers(suspect)?) else {
        return Ok(Gates {
            identical,
            weights: None,
        });
    };
    let Some(test) = paired(&own, &theirs) else {
        return Ok(Gates {
            identical,
            weights: None,
        });
    };
    let related = |model: &String| -> Result<bool, CliError> {
        let test = layers(model)?.and_then(|l| paired(&own, &l));
        Ok(test.is_some_and(|t| t.p < LINEAGE_P))
    };
    let mut weights = WeightEvidence {
        p: test.p,
        log10_p: test.log10_p,
        layers: test.layers.len(),
        base_related: false,
        controls_related: Vec::new(),
    };
    // Only a pairing has to be told from a common ancestor's.
    if test.p < LINEAGE_P {
        if let Some(base) = &panel.base {
            weights.base_related = related(&base.model)?;
        }
        for control in &panel.controls {
            if related(&control.model)? {
                weights.controls_related.push(control.id.clone());
            }
        }
    }
    Ok(Gates {
        identical,
        weights: Some(weights),
    })
}

type Layers = Vec<[Array2<f32>; 2]>;

fn gated_layers(name: &str, path: &Path, args: &Compare) -> Result<Option<Layers>, CliError> {
    open::load(name, path, args.engine.options())?
        .gated_layers()
        .map_err(|source| CliError::Open {
            model: name.to_owned(),
            source,
        })
}

/// The test, when both models are of one shape.
fn paired(a: &Layers, b: &Layers) -> Option<LineageTest> {
    fn view(layers: &Layers) -> Vec<GatedLayer<'_>> {
        layers
            .iter()
            .map(|[gate, up]| GatedLayer {
                gate: gate.view(),
                up: up.view(),
            })
            .collect()
    }
    phi_match(&view(a), &view(b)).ok()
}
