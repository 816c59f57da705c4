//! From a checked bundle to a report: the one path to a verdict, live and on checking.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::check::{CheckedBundle, Step};
use super::complete::Missing;
use super::error::{StepError, VerdictError, VerifyError};
use super::form::{GATES_FILE, LOG_FILE, MAX_WHOLE, PLAN_FILE, json};
use super::{Event, bag};
use crate::adequacy::adequacy;
use crate::case::{self, Case, Parts};
use crate::detail::describe;
use crate::digest;
use crate::fingerprint::Fingerprint;
use crate::identity::Source;
use crate::panel::{Member, Panel};
use crate::question::Posing;
use crate::report::caveat::Conditions;
use crate::report::{RenderError, Report, Sources, html, markdown, terminal};
use crate::validation::{self, Circumstances, case_ratio};

/// Columns of the report as text.
const WIDTH: usize = 100;

/// A form of the report that a bundle holds. A new one is added here and nowhere else: `verify` then
/// makes it again, and `report` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendering {
    /// The facts as JSON.
    Json,
    /// Text, 100 columns wide.
    Terminal,
    /// One page for people.
    Html,
    /// The same as Markdown.
    Markdown,
}

impl Rendering {
    /// All forms.
    pub const ALL: [Self; 4] = [Self::Json, Self::Terminal, Self::Html, Self::Markdown];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Terminal => "terminal",
            Self::Html => "html",
            Self::Markdown => "md",
        }
    }

    /// What its files end with.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Terminal => "txt",
            Self::Html => "html",
            Self::Markdown => "md",
        }
    }

    /// Its file in a bundle.
    pub fn file(self) -> &'static str {
        match self {
            Self::Json => "data/results/report.json",
            Self::Terminal => "data/report/report.txt",
            Self::Html => "data/report/report.html",
            Self::Markdown => "data/report/report.md",
        }
    }

    /// The report in this form.
    ///
    /// # Errors
    ///
    /// When a template does not fit the facts.
    pub fn render(self, report: &Report) -> Result<Vec<u8>, RenderError> {
        Ok(match self {
            Self::Json => json(report),
            Self::Terminal => terminal::render(report, WIDTH).into_bytes(),
            Self::Html => html::page(report)?.into_bytes(),
            Self::Markdown => markdown::document(report)?.into_bytes(),
        })
    }
}

/// Weighs a checked bundle. A pure function of what was checked.
pub fn assess(bundle: &CheckedBundle) -> (Panel, Case, Report) {
    let plan = &bundle.plan;
    let panel = plan.panel.clone();
    let mut case = case::weigh(&panel, &bundle.prints, bundle.gates.clone(), &plan.order);
    if let Some(tested) = &bundle.marks {
        let (trial, seal) = (tested.outcome.trial.clone(), &tested.seal);
        case.mark(trial, seal.words.clone(), seal.dated);
    }
    let counts = |count: fn(&Fingerprint) -> usize| {
        let members = panel.members().into_iter();
        let counts = members.map(|m| (m.id.clone(), count(&bundle.prints[&m.model])));
        counts.filter(|(_, n)| *n > 0).collect()
    };
    let source = |m: &Member| &bundle.recordings[&m.model].header.identity.source;
    let of = |is: fn(&Source) -> bool| {
        let members = panel.members().into_iter();
        let members = members.filter(|m| is(source(m)));
        members.map(|m| (m.id.clone(), source(m).clone())).collect()
    };
    let conditions = Conditions {
        probes: bundle.asked,
        published: plan.published,
        posed_raw: plan.posed_raw,
        unanswered: counts(|print| print.unanswered),
        missing: lacking(bundle, &panel),
        planned_after: bundle.planned_after,
        parts: parts(bundle, &panel),
        posing: plan.posing,
        seed: plan.seed.0,
        endpoints: of(|source| matches!(source, Source::Endpoint { .. })),
        imported: of(Source::is_imported),
        set_aside: counts(|print| print.set_aside),
    };
    let bytes = |member: &Member| source(member).bytes();
    let circumstances = Circumstances {
        access: plan.posing.access,
        probes: bundle.asked,
        bytes: bytes(&panel.protected)
            .zip(bytes(&panel.suspect))
            .map(|(a, b)| a.max(b)),
        same_questions: plan.published && plan.posing == Posing::usual(plan.posing.access),
        strict: plan.strict,
        prior_odds: plan.prior_odds,
    };
    let validation = validation::built_in(case.basis).map_err(|e| e.to_string());
    let ratio = validation
        .as_ref()
        .map_err(String::clone)
        .and_then(|v| case_ratio(v, &case, &circumstances));
    // What a dose does was seen within the conditions that were validated, and is told of no others.
    let within = ratio.as_ref().is_ok_and(|r| r.outside.is_empty());
    let doses = validation.as_ref().ok().filter(|_| within);
    let doses = doses.and_then(|v| v.at(plan.posing.access));
    let doses = doses.map_or(&[][..], |v| &v.calibration.doses.effects);
    let mut report = Report::new(Sources {
        panel: &panel,
        case: &case,
        details: describe(&panel, &case, &bundle.prints, &bundle.battery),
        battery: &bundle.battery,
        recordings: &bundle.recordings,
        prints: &bundle.prints,
        conditions: &conditions,
        ratio,
        adequacy: adequacy(&panel, &case, doses),
        matter: &plan.matter,
    });
    report.tool.clone_from(&plan.tool);
    (panel, case, report)
}

/// What published and private probes say apart; `None` if all are of one kind.
fn parts(bundle: &CheckedBundle, panel: &Panel) -> Option<Parts> {
    let published = bundle.battery.published();
    Parts::of(panel, &bundle.prints, &bundle.plan.order, &published)
}

/// What recordings that stand for members lack, by id.
fn lacking(bundle: &CheckedBundle, panel: &Panel) -> BTreeMap<String, (usize, usize)> {
    let members = panel.members().into_iter();
    let lacking = members.filter_map(|member| {
        let Missing { missing, planned } = bundle.missing.get(&member.model)?;
        Some((member.id.clone(), (*missing, *planned)))
    });
    lacking.collect()
}

/// The last step: draws the verdict again and holds it against the one in the bundle, byte by byte.
///
/// # Errors
///
/// When the plan committed to rules that are not this version's, or other bytes come out.
pub fn recompute(
    bundle: &CheckedBundle,
    told: &mut dyn FnMut(Step, &str),
) -> Result<(Panel, Case, Report), VerifyError> {
    let drawn = redraw(bundle).map_err(|source| VerifyError {
        step: Step::Verdict,
        source,
    })?;
    let finding = drawn.2.finding.name();
    let taken = match bundle.gates.weights {
        Some(_) => format!("; the figures of the weights ({GATES_FILE}) are taken as given"),
        None => String::new(),
    };
    told(
        Step::Verdict,
        &format!("{finding}, recomputed from the recordings to the last digit{taken}"),
    );
    Ok(drawn)
}

/// The first of some, and how many more there are.
fn few(all: Vec<String>) -> String {
    const SHOWN: usize = 3;
    let more = all.len().saturating_sub(SHOWN);
    let first: Vec<String> = all.into_iter().take(SHOWN).collect();
    let rest = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    first.join("; ").chars().take(400).collect::<String>() + &rest
}

fn redraw(bundle: &CheckedBundle) -> Result<(Panel, Case, Report), StepError> {
    if !bundle.plan.is_judged_here() {
        return Err(VerdictError::Rules {
            file: PLAN_FILE.to_owned(),
            tool: bundle.plan.tool.chars().take(40).collect(),
            differing: few(bundle.plan.differing()),
        }
        .into());
    }
    let digest = |model: &str| bundle.recordings[model].header.identity.source.digest();
    let (protected, suspect) = (&bundle.plan.panel.protected, &bundle.plan.panel.suspect);
    let own = digest(&protected.model);
    if bundle.gates.identical != (own.is_some() && own == digest(&suspect.model)) {
        return Err(VerdictError::Identical {
            file: GATES_FILE.to_owned(),
        }
        .into());
    }
    let drawn = assess(bundle);
    let (probes, planned) = (bundle.asked, bundle.plan.order.len());
    if probes < planned {
        return Err(VerdictError::Stopped {
            file: LOG_FILE.to_owned(),
            probes,
            planned,
        }
        .into());
    }
    let Some(Event::Assessed { gates, report, .. }) = bundle.log.events.last() else {
        return Err(VerdictError::NoVerdict {
            file: LOG_FILE.to_owned(),
        }
        .into());
    };
    let rendered = Rendering::ALL.par_iter();
    let rendered: Vec<_> = rendered.map(|r| (r.file(), r.render(&drawn.2))).collect();
    for (file, made) in rendered {
        let made = made?;
        if bundle.digest(file) == Some(digest::of_bytes(&made).as_str()) {
            continue;
        }
        let found = bag::whole(&bundle.path, file, MAX_WHOLE)?;
        let at = made.iter().zip(&found).take_while(|(a, b)| a == b).count();
        return Err(VerdictError::Differs {
            file: file.to_owned(),
            at,
            line: found[..at].split(|b| *b == b'\n').count(),
        }
        .into());
    }
    for (logged, file) in [(gates, GATES_FILE), (report, Rendering::Json.file())] {
        if bundle.digest(file) != Some(logged) {
            return Err(VerdictError::Logged {
                log: LOG_FILE.to_owned(),
                file: file.to_owned(),
            }
            .into());
        }
    }
    Ok(drawn)
}
