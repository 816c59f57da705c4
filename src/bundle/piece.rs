//! The pieces of a bundle that a seal commits to, one by one, and that a redacted copy shows or withholds.
//!
//! ```text
//! data/case.jsonl          what is known of the case as a whole, a [`CasePiece`] a line
//! data/battery.jsonl       the battery without its probes, then a probe a line
//! data/log.jsonl           an event a line
//! data/recordings/N.jsonl  the header of a recording, then a record a line
//! ```
//!
//! A piece is compact JSON. Of what is written in the bundle it lacks every digest that is made of probes
//! or answers, since who guesses what is withheld could check the guess by it: the links of the chains, the
//! heads in the log, the digest of the battery in plan and headers, the random order of the probes that
//! follows from it, lengths and digests of files that answers were imported from, and the names of recordings,
//! which end in a digest as well. Recordings are numbered instead, in the order in which the log first speaks of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Rendering;
use super::bag::{self, Take};
use super::commit::{Commitments, Committed, Gathering, Secret, commitment};
use super::error::{CommitError, LayoutError};
use super::form::{
    BATTERY_FILE, ENVIRONMENT_FILE, Environment, GATES_FILE, LOG_FILE, MARKS, MAX_WHOLE, PLAN_FILE,
    Plan, RECORDINGS,
};
use super::log::{Event, Log};
use crate::battery::{Battery, Probe};
use crate::case::Gates;
use crate::digest;
use crate::evidence::{ANSWERS_FILE, HEADER_FILE, parse_header};
use crate::marks::store::{Outcome, RESULT_FILE};
use crate::verdict::Finding;

pub(super) const CASE: &str = "data/case.jsonl";
pub(super) const BATTERY: &str = "data/battery.jsonl";
pub(super) const LOG: &str = "data/log.jsonl";

/// What is known of a case as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum CasePiece {
    Plan(Box<Plan>),
    Gates(Gates),
    Environment(Environment),
    /// What the report comes to.
    Finding(Found),
    /// The report as text, with the figures.
    Figures(String),
    /// What a test of planted marks concludes, with the digests of its files, which hold keys and salts that nobody
    /// can guess: who shall see prompts, keys and answers gets the files themselves.
    Marks(Box<Outcome>),
}

/// The finding of a report, in its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Where the evidence stops.
    pub finding: Finding,
    /// The same in one sentence.
    pub sentence: String,
}

/// A group of pieces that stand in one file of a redacted copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Section {
    Case,
    Battery,
    Log,
    /// A recording by name, with its number.
    Recording(String, usize),
}

impl Section {
    /// Its file in a redacted copy, by which the seal knows it.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Case => CASE.to_owned(),
            Self::Battery => BATTERY.to_owned(),
            Self::Log => LOG.to_owned(),
            Self::Recording(_, number) => format!("{RECORDINGS}/{number}.jsonl"),
        }
    }
}

/// The pieces of a bundle.
pub(super) struct Pieces {
    root: PathBuf,
    battery: Battery,
    case: Vec<CasePiece>,
    events: Vec<Event>,
    /// Numbers of the recordings that the log speaks of.
    numbers: BTreeMap<String, usize>,
}

impl Pieces {
    /// Reads what is small of a bundle.
    pub(super) fn of(root: &Path) -> Result<Self, CommitError> {
        let bytes = |file: &str| bag::whole(root, file, MAX_WHOLE);
        let plan = bytes(PLAN_FILE)?;
        let log = Log::parse(&bytes(LOG_FILE)?, &digest::of_bytes(&plan))?;
        let mut numbers = BTreeMap::new();
        for mark in log.events.iter().filter_map(Event::mark) {
            let next = numbers.len() + 1;
            numbers.entry(mark.recording.clone()).or_insert(next);
        }
        let mut plan: Plan = parse(PLAN_FILE, &plan)?;
        plan.battery.digest.clear();
        plan.order.clear();
        let marks = tested(root, &plan)?;
        plan.marks = marks.as_ref().map(|_| String::new());
        let mut environment: Environment = parse(ENVIRONMENT_FILE, &bytes(ENVIRONMENT_FILE)?)?;
        let arithmetic = std::mem::take(&mut environment.arithmetic).into_iter();
        environment.arithmetic = arithmetic
            .filter_map(|(name, words)| Some((numbers.get(&name)?.to_string(), words)))
            .collect();
        let report = Rendering::Json.file();
        let figures = String::from_utf8_lossy(&bytes(Rendering::Terminal.file())?).into_owned();
        Ok(Self {
            battery: parse(BATTERY_FILE, &bytes(BATTERY_FILE)?)?,
            case: [
                CasePiece::Plan(Box::new(plan)),
                CasePiece::Gates(parse(GATES_FILE, &bytes(GATES_FILE)?)?),
                CasePiece::Environment(environment),
                CasePiece::Finding(parse(report, &bytes(report)?)?),
                CasePiece::Figures(figures),
            ]
            .into_iter()
            .chain(marks.map(CasePiece::Marks))
            .collect(),
            events: log.events.into_iter().map(|e| e.open(&numbers)).collect(),
            numbers,
            root: root.to_owned(),
        })
    }

    /// All sections that there are.
    pub(super) fn sections(&self) -> Vec<Section> {
        let there = |name: &str| self.root.join(RECORDINGS).join(name).is_dir();
        let recordings = self.numbers.iter().filter(|(name, _)| there(name));
        let recordings = recordings.map(|(name, n)| Section::Recording(name.clone(), *n));
        [Section::Case, Section::Battery, Section::Log]
            .into_iter()
            .chain(recordings)
            .collect()
    }

    /// The names of all recordings that the log speaks of.
    pub(super) fn recordings(&self) -> impl Iterator<Item = &str> {
        self.numbers.keys().map(String::as_str)
    }

    /// The probes, in the order of their pieces, the first of which is 1.
    pub(super) fn probes(&self) -> &[Probe] {
        &self.battery.probes
    }

    /// Goes through the pieces of a section with their numbers.
    pub(super) fn each<E: From<CommitError> + From<LayoutError>>(
        &self,
        section: &Section,
        take: Take<'_, E>,
    ) -> Result<(), E> {
        match section {
            Section::Case => all(&self.case, 0, take),
            Section::Battery => {
                let frame = Battery {
                    probes: Vec::new(),
                    ..self.battery.clone()
                };
                take(0, &compact(&frame))?;
                all(&self.battery.probes, 1, take)
            }
            Section::Log => all(&self.events, 0, take),
            Section::Recording(name, _) => self.records(name, take),
        }
    }

    fn records<E: From<CommitError> + From<LayoutError>>(
        &self,
        name: &str,
        take: Take<'_, E>,
    ) -> Result<(), E> {
        let file = format!("{RECORDINGS}/{name}/{HEADER_FILE}");
        let bytes = bag::whole(&self.root, &file, MAX_WHOLE).map_err(CommitError::from)?;
        let (mut header, _) = parse_header(&self.root.join(RECORDINGS).join(name), &bytes)
            .map_err(CommitError::from)?;
        header.battery.digest.clear();
        header.identity.source.forget_answers();
        take(0, &compact(&header))?;
        let file = format!("{RECORDINGS}/{name}/{ANSWERS_FILE}");
        bag::each_line(&self.root, &file, &mut |n, line| {
            let record = unchained(line).ok_or_else(|| CommitError::Line {
                file: file.clone(),
                line: n + 1,
            })?;
            take(n + 1, &record)
        })
    }

    /// What a seal with this secret says of them.
    pub(super) fn commitments(&self, secret: &Secret) -> Result<Commitments, CommitError> {
        let sections = self.sections();
        let committed = sections.par_iter().map(|section| {
            let path = section.path();
            let committed = self.committed(section, secret)?;
            Ok((path, committed))
        });
        committed.collect()
    }

    fn committed(&self, section: &Section, secret: &Secret) -> Result<Committed, CommitError> {
        let salts = secret.salts(&section.path());
        let mut gathering = Gathering::default();
        self.each(section, &mut |n, piece| {
            gathering.push(&commitment(&salts.of(n), piece));
            Ok::<_, CommitError>(())
        })?;
        Ok(gathering.end())
    }
}

/// What the test of planted marks in a bundle concludes, where the plan names one.
fn tested(root: &Path, plan: &Plan) -> Result<Option<Box<Outcome>>, CommitError> {
    if plan.marks.is_none() {
        return Ok(None);
    }
    let file = format!("{MARKS}/{RESULT_FILE}");
    let bytes = bag::whole(root, &file, MAX_WHOLE)?;
    Ok(Some(Box::new(parse(&file, &bytes)?)))
}

fn all<T: Serialize, E>(values: &[T], first: u64, take: Take<'_, E>) -> Result<(), E> {
    for (n, value) in (first..).zip(values) {
        take(n, &compact(value))?;
    }
    Ok(())
}

fn compact<T: Serialize>(value: &T) -> Vec<u8> {
    match serde_json::to_vec(value) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("plain data serialises: {error}"),
    }
}

fn parse<T: DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<T, CommitError> {
    serde_json::from_slice(bytes).map_err(|source| CommitError::Parse {
        file: file.to_owned(),
        source,
    })
}

/// A line of a recording without its link to the line before, else byte for byte as it stands. Nothing for
/// a line that does not begin as every recording's line does.
fn unchained(line: &[u8]) -> Option<Vec<u8>> {
    let (head, rest) = (b"{\"n\":", line.strip_prefix(b"{\"n\":")?);
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = rest.split_at(digits);
    let (link, rest) = rest
        .strip_prefix(b",\"previous\":\"")?
        .split_at_checked(64)?;
    let rest = rest.strip_prefix(b"\"")?;
    let linked = link.iter().all(u8::is_ascii_hexdigit);
    linked.then(|| [head, number, rest].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_loses_its_link_and_nothing_else() {
        let link = "0a".repeat(32);
        let line = format!(r#"{{"n":12,"previous":"{link}","question":"previous"}}"#);
        let record = unchained(line.as_bytes()).unwrap();
        assert_eq!(record, br#"{"n":12,"question":"previous"}"#);
        for (from, to) in [
            ("{\"n\"", "{ \"n\""),
            ("0a0a", "0a0"),
            ("previous\":", "x\":"),
        ] {
            assert_eq!(unchained(line.replacen(from, to, 1).as_bytes()), None);
        }
    }
}
