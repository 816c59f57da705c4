//! How far a run has come: answers got against those planned.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::battery::{Ask, Battery};
use crate::bundle::{Outline, Plan};
use crate::evidence::{Entry, entries};
use crate::question::{Access, Request, ask};
use crate::response::Response;
use crate::sentinel::round_of;

/// What one model has been asked and has answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Progress {
    /// The model's id in the panel.
    pub(super) id: String,
    /// How the command line names it.
    pub(super) model: String,
    /// Records of the first pass.
    pub(super) first: usize,
    /// Questions of the first pass; `None` if the probes are not known.
    pub(super) first_planned: Option<usize>,
    /// Records of the second pass.
    pub(super) second: usize,
    /// Questions of the second pass at most: how many there are depends on the first answers.
    pub(super) second_most: Option<usize>,
    /// Records of questions that watch for a change of the model.
    pub(super) sentinels: usize,
    /// Records without an answer: refused, or not to be had.
    pub(super) unanswered: usize,
    /// Its recording lies somewhere else; the records are those that the log speaks of.
    pub(super) elsewhere: bool,
    /// The recording cannot be read to its end.
    pub(super) damaged: Option<String>,
}

impl Progress {
    /// All records.
    pub(super) fn records(&self) -> usize {
        self.first + self.second + self.sentinels
    }

    fn add(&mut self, entry: &Entry, asks: &BTreeMap<&str, &Ask>) {
        let question = &entry.question;
        let reads = matches!(question.request, Request::Score { .. });
        let is_choice = |probe: &str| matches!(asks.get(probe), Some(Ask::Choose { .. }));
        if round_of(question).is_some() {
            self.sentinels += 1;
        } else if reads && !is_choice(&question.probe) {
            self.second += 1;
        } else {
            self.first += 1;
        }
        self.unanswered += usize::from(matches!(
            entry.response,
            Response::Refused { .. } | Response::Unavailable { .. }
        ));
    }
}

/// Every model of a case.
pub(super) fn progress(outline: &Outline, battery: Option<&Battery>) -> Vec<Progress> {
    let plan = &outline.plan;
    let asks = battery.into_iter().flat_map(|battery| &battery.probes);
    let asks: BTreeMap<&str, &Ask> = asks.map(|p| (p.id.as_str(), &p.ask)).collect();
    let first = battery.map(|b| b.probes.iter().map(|p| ask(p, plan.posing).len()).sum());
    let members = plan.panel.members().into_iter().map(|member| {
        let mut progress = Progress {
            id: member.id.clone(),
            model: member.model.clone(),
            first_planned: first,
            second_most: battery.map(|b| second_most(plan, b, &member.model)),
            ..Progress::default()
        };
        let Some(place) = outline.places.get(&member.model) else {
            return progress;
        };
        if let Some(directory) = &place.directory {
            count(directory, &asks, &mut progress);
        } else {
            progress.first = usize::try_from(place.logged).unwrap_or(usize::MAX);
            progress.elsewhere = progress.first > 0;
        }
        progress
    });
    members.collect()
}

fn count(directory: &Path, asks: &BTreeMap<&str, &Ask>, progress: &mut Progress) {
    let counted = entries(directory).and_then(|mut entries| {
        entries.try_for_each(|entry| {
            progress.add(&entry?, asks);
            Ok(())
        })
    });
    progress.damaged = counted.err().map(|error| error.to_string());
}

/// What a model is asked in the second pass if every author wrote something for every probe.
fn second_most(plan: &Plan, battery: &Battery, model: &str) -> usize {
    if !plan.readers.iter().any(|reader| reader == model) {
        return 0;
    }
    let panel = &plan.panel;
    let parents = std::iter::once(&panel.protected).chain(&panel.alternatives);
    let parents: Vec<&str> = parents.map(|parent| parent.model.as_str()).collect();
    let authors = if parents.contains(&model) {
        panel.members().len()
    } else {
        parents.len()
    };
    let pooled = usize::from(plan.posing.access == Access::Scored);
    let asked = battery.probes.iter().map(|probe| match probe.ask {
        Ask::Write { .. } => authors,
        Ask::Next => pooled,
        Ask::Choose { .. } => 0,
    });
    asked.sum()
}
