//! `parentage compare`: the whole job.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::args::{Common, Compare};
use super::endpoints::Endpoints;
use super::error::CliError;
use super::gates;
use super::open::{self, Target};
use super::public::{PublicModels, lineages};
use super::run::{Round, slug};
use super::write_whole;
use crate::battery::Battery;
use crate::bundle::{Draft, Plan, Rendering, Source};
use crate::case::Gates;
use crate::evidence::Header;
use crate::panel::{Named, Panel};
use crate::passes::SecondPass;
use crate::question::{Question, ask_all};
use crate::report::{Report, pdf, terminal};
use crate::rules::MIN_CONTROLS;
use crate::verdict::Finding;

/// Columns of the terminal report when the terminal does not say.
const WIDTH: usize = 100;

pub(super) fn run(
    args: &Compare,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let panel = panel(args)?;
    let endpoints = Endpoints::new(&args.hosted, Some(args.out.join("access")))?;
    let targets = resolve(args, &panel, &endpoints, common.quiet)?;
    let models: Vec<Target> = targets.values().cloned().collect();
    let (round, posed_raw) = Round::new(&args.asking, &args.engine, common.quiet, &models)?;
    let plan = plan(args, &panel, &targets, &round, posed_raw);
    let order = plan.order.clone();
    let draft = Draft::begin(&args.out, plan, &round.battery)?;
    let count = order.len();
    let part = round.battery.part(&order);
    let collected = collect(&round, &part, &panel, &targets, &args.out, &draft)?;
    let gates = gates(args, &panel, &targets, &collected.headers)?;
    let bundle = draft.path().to_owned();
    // The verdict is drawn from what is read back, by the function that `verify` draws it with.
    let (_, _, case, report) = draft.finish(&collected.sources, &round.battery, &gates, count)?;
    for rendering in [Rendering::Json, Rendering::Html, Rendering::Markdown] {
        let path = args.out.join(format!("report.{}", rendering.extension()));
        write_whole(&path, &rendering.render(&report)?)?;
    }
    print(&args.out.join("report.pdf"), &report)?;
    let text = if common.json {
        Rendering::Json.render(&report)?
    } else {
        let text = format!(
            "{}\nFor people {} ({}; the same as report.md and, for programs, report.json)\n\
             Bundle {bundle} (check it with: parentage verify {bundle})\n",
            terminal::render(&report, WIDTH),
            args.out.join("report.html").display(),
            if pdf::MADE {
                "for print report.pdf"
            } else {
                pdf::NOT_MADE
            },
            bundle = bundle.display(),
        );
        text.into_bytes()
    };
    stdout.write_all(&text).map_err(CliError::Output)?;
    Ok(code(args, &report, case.evidence.controls))
}

/// Writes the report for print. A build that makes none takes an older one away, which would be of another
/// case than the files beside it.
fn print(path: &Path, report: &Report) -> Result<(), CliError> {
    if pdf::MADE {
        return write_whole(path, &pdf::document(report)?);
    }
    match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(CliError::Write {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
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

pub(super) fn panel(args: &Compare) -> Result<Panel, CliError> {
    let named = Named {
        protected: args.protected.clone(),
        suspect: args.suspect.clone(),
        base: args.base.clone(),
        controls: args.control.clone(),
        alternatives: args.alternative.clone(),
        family: args.family,
        third: args.third.clone(),
    };
    let panel = Panel::new(&named, &lineages(args)?);
    if panel.is_third_of_the_two() {
        return Err(CliError::Third {
            model: args.third.clone().unwrap_or_default(),
        });
    }
    if args.family && panel.family.is_empty() {
        return Err(CliError::NoFamily {
            protected: args.protected.clone(),
        });
    }
    Ok(panel)
}

/// What each member's name means, by name.
pub(super) fn resolve(
    args: &Compare,
    panel: &Panel,
    endpoints: &Endpoints,
    quiet: bool,
) -> Result<BTreeMap<String, Target>, CliError> {
    let notes = super::progress::Progress::new("fetching", 0, quiet);
    let mut targets = BTreeMap::new();
    let public = PublicModels::of(args, panel)?;
    for member in panel.members() {
        let target = Target::resolve(&member.model, &args.engine, endpoints, &mut |text| {
            notes.note(text);
        });
        let target = target.map_err(|error| match error {
            CliError::Fetch { model, source } if public.has(&model) => {
                let open = public.without(|model| targets.contains_key(model));
                CliError::PublicControls {
                    what: format!("'{model}'; still to be fetched: {open}: {}", open.names()),
                    source,
                }
            }
            error => error,
        })?;
        targets.insert(member.model.clone(), target);
    }
    notes.finish();
    Ok(targets)
}

/// What is settled before anything is asked.
pub(super) fn plan(
    args: &Compare,
    panel: &Panel,
    targets: &BTreeMap<String, Target>,
    round: &Round<'_>,
    posed_raw: bool,
) -> Plan {
    let replayed = targets.values().filter_map(|target| match target {
        Target::Recording { name, .. } => Some(name.clone()),
        Target::Weights { .. } | Target::Endpoint { .. } => None,
    });
    Plan {
        published: round.published,
        posed_raw,
        replayed: replayed.collect(),
        readers: targets.keys().filter(|m| round.reads(m)).cloned().collect(),
        strict: args.strict,
        prior_odds: args.prior,
        ..Plan::new(panel.clone(), &round.battery, round.posing, round.seed)
    }
}

/// What was collected, by model, and where it lies. The answers are on disk, and many: whoever needs them reads them.
struct Collected {
    headers: BTreeMap<String, Header>,
    sources: BTreeMap<String, Source>,
}

/// Both passes over a part of the battery.
fn collect(
    round: &Round<'_>,
    part: &Battery,
    panel: &Panel,
    targets: &BTreeMap<String, Target>,
    out: &Path,
    draft: &Draft,
) -> Result<Collected, CliError> {
    let place = |header: &Header| {
        let name = slug(header);
        let directory = out.join("recordings").join(&name);
        let source = Source { name, directory };
        draft.begun(&header.identity.name, &source);
        source.directory
    };
    let questions = ask_all(part, round.posing);
    let jobs: Vec<(&Target, Vec<Question>)> =
        targets.values().map(|t| (t, questions.clone())).collect();
    let directories = round.ask("asking ", &jobs, &place)?;
    let headers = round.each(&directories, |recording| recording.header)?;
    let sources = sources(targets, &headers, &directories);
    draft.ended(&sources)?;
    // What was written is needed by those who can read it alone.
    let first = if targets.keys().any(|model| round.reads(model)) {
        round.prints(&directories)?
    } else {
        BTreeMap::new()
    };
    let second = SecondPass::new(panel, &first, round.posing.access);
    let jobs: Vec<(&Target, Vec<Question>)> = targets
        .iter()
        .map(|(model, target)| {
            let questions = if round.reads(model) {
                second.questions(model, part, round.posing)
            } else {
                Vec::new()
            };
            (target, questions)
        })
        .collect();
    round.ask("reading", &jobs, &place)?;
    draft.ended(&sources)?;
    Ok(Collected { headers, sources })
}

/// Where each model's recording lies, with its name in a bundle.
fn sources(
    targets: &BTreeMap<String, Target>,
    headers: &BTreeMap<String, Header>,
    directories: &BTreeMap<String, PathBuf>,
) -> BTreeMap<String, Source> {
    let named = headers.iter().enumerate().map(|(i, (model, header))| {
        let slug = slug(header);
        let name = match &targets[model] {
            Target::Weights { .. } | Target::Endpoint { .. } => slug,
            // It may be of a model that is asked as well, and is kept apart from that.
            Target::Recording { .. } => format!("replay-{i}-{slug}"),
        };
        let directory = directories[model].clone();
        (model.clone(), Source { name, directory })
    });
    named.collect()
}

/// The gates that look at weights instead of answers.
fn gates(
    args: &Compare,
    panel: &Panel,
    targets: &BTreeMap<String, Target>,
    headers: &BTreeMap<String, Header>,
) -> Result<Gates, CliError> {
    let digest = |model: &str| headers[model].identity.source.digest().map(str::to_owned);
    let options = args.engine.options();
    let load = |model: &str| match &targets[model] {
        Target::Weights { name, path, .. } => open::load(name, path, options).map(Some),
        Target::Endpoint { .. } | Target::Recording { .. } => Ok(None),
    };
    gates::gates(panel, &digest, &load)
}
