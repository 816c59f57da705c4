//! Facts of the pages, and their templates.

use std::path::Path;

use serde::Serialize;

use super::case_index::CaseIndex;
use super::checked::Checks;
use super::progress::{Progress, progress};
use super::search::{self, Hit, Hits, KINDS, PAGE, ProbeHit, Wanted, query};
use crate::bundle::{Outline, Rendering, Stage, StepError};
use crate::report::RenderError;
use crate::report::html::fill;

/// What these pages look like beyond the report's.
pub(super) const STYLE: &str = include_str!("templates/view.css");

const INDEX: &str = include_str!("templates/index.html");
const CASE: &str = include_str!("templates/case.html");
const PROBES: &str = include_str!("templates/probes.html");
const ANSWERS: &str = include_str!("templates/answers.html");
const MESSAGE: &str = include_str!("templates/message.html");
const FRAME: (&str, &str) = ("frame.html", include_str!("templates/frame.html"));

/// Seconds between two looks at a run, and the records that add one more: counting takes a while, and the
/// run wants the machine.
const LOOK: usize = 5;
const LOOK_MORE: usize = 2_000;

/// A page cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    #[error("{0}")]
    Case(#[from] StepError),
    #[error("{0}")]
    Render(#[from] RenderError),
}

/// The top of a page of a case.
#[derive(Serialize)]
struct Head {
    id: String,
    name: String,
    protected: String,
    suspect: String,
    stage: &'static str,
}

impl Head {
    fn new(id: &str, case: &Path, outline: &Outline) -> Self {
        Self {
            id: id.to_owned(),
            name: name(case),
            protected: outline.plan.panel.protected.model.clone(),
            suspect: outline.plan.panel.suspect.model.clone(),
            stage: word(outline.stage),
        }
    }
}

fn name(case: &Path) -> String {
    let name = case.file_name().unwrap_or(case.as_os_str());
    name.to_string_lossy().into_owned()
}

/// The words for stages, as the filter has them.
const STAGES: [&str; 4] = ["running", "stopped", "closed", "sealed"];

fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Running => STAGES[0],
        Stage::Stopped => STAGES[1],
        Stage::Closed => STAGES[2],
        Stage::Sealed => STAGES[3],
    }
}

/// A page that says one thing.
pub(super) fn message(text: &str) -> Result<String, RenderError> {
    let facts = serde_json::json!({ "text": text });
    fill(&facts, &[("message.html", MESSAGE), FRAME])
}

#[derive(Serialize)]
struct Row {
    head: Head,
    place: String,
    finding: Option<String>,
}

impl Row {
    /// Whether a filter leaves the case; the words are in lower case.
    fn fits(&self, words: &str, stage: &str) -> bool {
        let texts = [&self.place, &self.head.protected, &self.head.suspect];
        let has = |text: &String| text.to_lowercase().contains(words);
        let named = texts.into_iter().chain(&self.finding).any(has);
        named && (stage.is_empty() || self.head.stage == stage)
    }
}

#[derive(Serialize)]
struct Index<'a> {
    rows: Vec<Row>,
    unreadable: Vec<(String, String)>,
    found: usize,
    cut: bool,
    running: bool,
    q: &'a str,
    stage: &'a str,
    stages: [&'static str; 4],
}

/// All cases that a filter leaves.
pub(super) fn index(cases: &CaseIndex, q: &str, stage: &str) -> Result<String, PageError> {
    let look = cases.look();
    let mut index = Index {
        rows: Vec::new(),
        unreadable: Vec::new(),
        found: look.cases.len(),
        cut: look.cut,
        running: false,
        q,
        stage,
        stages: STAGES,
    };
    let wanted = q.to_lowercase();
    for (id, path) in &look.cases {
        let place = path.display().to_string();
        let outline = match Outline::read(path) {
            Ok(outline) => outline,
            Err(error) => {
                index.unreadable.push((place, error.to_string()));
                continue;
            }
        };
        index.running |= outline.stage == Stage::Running;
        let row = Row {
            head: Head::new(id, path, &outline),
            place,
            finding: outline.finding,
        };
        if row.fits(&wanted, stage) {
            index.rows.push(row);
        }
    }
    Ok(fill(&index, &[("index.html", INDEX), FRAME])?)
}

#[derive(Serialize)]
struct Case {
    head: Head,
    place: String,
    refresh: Option<usize>,
    steps: Vec<(usize, &'static str, String)>,
    failed: Option<(usize, &'static str, String)>,
    sentence: Option<String>,
    reports: Vec<&'static str>,
    progress: Vec<Progress>,
    records: usize,
}

/// What the check says of a case, or how far its run has come.
pub(super) fn case(id: &str, path: &Path, checks: &Checks) -> Result<String, PageError> {
    let outline = Outline::read(path)?;
    let mut facts = Case {
        head: Head::new(id, path, &outline),
        place: path.display().to_string(),
        refresh: None,
        steps: Vec::new(),
        failed: None,
        sentence: None,
        reports: Vec::new(),
        progress: Vec::new(),
        records: 0,
    };
    match outline.stage {
        Stage::Running | Stage::Stopped => {
            let battery = Outline::battery(path).ok();
            facts.progress = progress(&outline, battery.as_ref());
            facts.records = facts.progress.iter().map(Progress::records).sum();
            facts.refresh = Some(LOOK + facts.records / LOOK_MORE);
        }
        Stage::Closed | Stage::Sealed => {
            let checked = checks.of(path);
            let steps = checked.steps.iter();
            let steps = steps.map(|(step, note)| (step.number(), step.name(), note.clone()));
            facts.steps = steps.collect();
            match &checked.outcome {
                Ok(rendered) => {
                    facts.sentence = Some(rendered.sentence.clone());
                    facts.reports = Rendering::ALL.map(Rendering::extension).to_vec();
                }
                Err((step, why)) => {
                    facts.failed = Some((step.number(), step.name(), why.clone()));
                }
            }
        }
    }
    Ok(fill(&facts, &[("case.html", CASE), FRAME])?)
}

/// A page of a list.
#[derive(Serialize)]
struct List<'a, T> {
    head: Head,
    wanted: &'a Wanted,
    hits: Hits<T>,
    models: Vec<(String, String)>,
    kinds: Vec<&'static str>,
    /// Query of the pages before and behind.
    before: Option<String>,
    behind: Option<String>,
}

/// Queries of the pages before and behind, where there are any.
fn around(wanted: &Wanted, more: bool) -> (Option<String>, Option<String>) {
    let at = |from: usize| {
        query(&[
            ("model", &wanted.model),
            ("probe", &wanted.probe),
            ("kind", &wanted.kind),
            ("q", &wanted.q),
            ("from", &from.to_string()),
        ])
    };
    let before = (wanted.from > 0).then(|| at(wanted.from.saturating_sub(PAGE)));
    (before, more.then(|| at(wanted.from.saturating_add(PAGE))))
}

/// The probes of a case.
pub(super) fn probes(id: &str, path: &Path, wanted: &Wanted) -> Result<String, PageError> {
    let outline = Outline::read(path)?;
    let mut hits = Hits::new();
    match Outline::battery(path) {
        Ok(battery) => hits = search::probes(&battery, wanted),
        Err(error) => hits.damaged.push(error.to_string()),
    }
    let (before, behind) = around(wanted, hits.more);
    let linked = hits.shown.into_iter().map(|probe| Linked {
        link: query(&[("probe", &probe.id)]),
        probe,
    });
    let facts = List {
        head: Head::new(id, path, &outline),
        wanted,
        hits: Hits {
            shown: linked.collect(),
            more: hits.more,
            damaged: hits.damaged,
        },
        models: Vec::new(),
        kinds: vec!["choose", "next", "write"],
        before,
        behind,
    };
    Ok(fill(&facts, &[("probes.html", PROBES), FRAME])?)
}

/// A probe with the query of its answers.
#[derive(Serialize)]
struct Linked {
    link: String,
    probe: ProbeHit,
}

/// The answers of a case.
pub(super) fn answers(id: &str, path: &Path, wanted: &Wanted) -> Result<String, PageError> {
    let outline = Outline::read(path)?;
    let hits: Hits<Hit> = search::answers(&outline, wanted);
    let (before, behind) = around(wanted, hits.more);
    let members = outline.plan.panel.members().into_iter();
    let facts = List {
        head: Head::new(id, path, &outline),
        wanted,
        hits,
        models: members.map(|m| (m.id.clone(), m.model.clone())).collect(),
        kinds: KINDS.to_vec(),
        before,
        behind,
    };
    Ok(fill(&facts, &[("answers.html", ANSWERS), FRAME])?)
}
