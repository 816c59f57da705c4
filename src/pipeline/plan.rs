//! What a comparison would take and could show, before anything is asked.

use std::collections::BTreeMap;

use super::error::PipelineError;
use super::round::Round;
use super::selection::Selection;
use super::target::Target;
use crate::adequacy::{PowerFacts, planned};
use crate::battery::{Ask, Probe};
use crate::bundle::Draft;
use crate::estimate::{Estimate, reading};
use crate::measure::Basis;
use crate::panel::Panel;
use crate::question::{Posing, ask_all};
use crate::reach::{Reach, Sides, reach};
use crate::rules::Condition;

/// What a comparison would take and could show. Its plan is committed.
#[derive(Debug)]
pub struct Outlook {
    /// The committed plan, as the beginning of a bundle.
    pub draft: Draft,
    /// The battery's name.
    pub battery: String,
    /// How many probes would be asked.
    pub probes: usize,
    /// Of how many models.
    pub models: usize,
    /// How they would be asked.
    pub posing: Posing,
    /// What each endpoint would be asked, in the order of the panel.
    pub costs: Vec<Cost>,
    /// Which findings can come out.
    pub findings: Vec<Reach>,
    /// What the panel's controls allow, in words.
    pub controls: String,
    /// What the controls could show; `None` if that is not known of a panel of this kind.
    pub power: Option<PowerFacts>,
}

/// What one endpoint would be asked.
#[derive(Debug, Clone)]
pub struct Cost {
    /// The model's id in the panel.
    pub id: String,
    /// Requests and tokens.
    pub estimate: Estimate,
    /// The same in words, with the price.
    pub announced: String,
}

/// Commits the plan of a comparison and says what that would take and could show. `check` allows the requests by which
/// endpoints are checked that were not checked before.
///
/// # Errors
///
/// When a model or a file cannot be used, the models cannot be asked alike, or an endpoint was not checked and `check`
/// is not set.
pub fn plan(mut selection: Selection<'_>, check: bool) -> Result<Outlook, PipelineError> {
    if !check {
        selection.only_checked()?;
    }
    let targets = selection.resolve()?;
    let (request, watch) = (selection.request, selection.watch);
    let models: Vec<Target> = targets.values().cloned().collect();
    let (round, posed_raw) = Round::new(&request.asking, request.engine, watch, &models)?;
    let plan = selection.plan(&targets, &round, posed_raw);
    let panel = &selection.panel;
    let basis = basis(&round);
    let condition = match basis {
        Basis::Battery => Condition::from(round.posing.access),
        Basis::OpenText => Condition::Open,
    };
    Ok(Outlook {
        costs: costs(panel, &targets, &round),
        findings: reach(panel, sides(panel, basis, &targets, &round)),
        controls: planned(panel),
        power: PowerFacts::of(
            panel.controls.len(),
            panel.alternatives.len(),
            1 + panel.family.len(),
            condition,
        ),
        models: targets.len(),
        battery: round.battery.name.clone(),
        probes: round.battery.probes.len(),
        posing: round.posing,
        draft: Draft::begin(&request.out, plan, &round.battery)?,
    })
}

fn costs(panel: &Panel, targets: &BTreeMap<String, Target>, round: &Round<'_>) -> Vec<Cost> {
    let parents = 1 + panel.alternatives.len();
    let questions = ask_all(&round.battery, round.posing);
    let questions: Estimate = questions.iter().map(Estimate::of).sum();
    let is_parent = |model: &String| {
        *model == panel.protected.model || panel.alternatives.iter().any(|a| a.model == *model)
    };
    let members = panel.members().into_iter();
    let costs = members.filter_map(|member| {
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
        let estimate = [questions, read].into_iter().sum();
        Some(Cost {
            id: member.id.clone(),
            announced: reached.announce(estimate),
            estimate,
        })
    });
    costs.collect()
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

fn sides(
    panel: &Panel,
    basis: Basis,
    targets: &BTreeMap<String, Target>,
    round: &Round<'_>,
) -> Sides {
    let weights = |model: &String| matches!(targets[model], Target::Weights { .. });
    let (protected, suspect) = (&panel.protected.model, &panel.suspect.model);
    Sides {
        basis,
        access: round.posing.access,
        weights: weights(protected) && weights(suspect),
        suspect_reads: round.reads(suspect),
        protected_reads: round.reads(protected),
    }
}
