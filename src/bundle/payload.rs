//! What lies below `data/`, from bytes to a bundle that follows its plan: one type a step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::bag::{self, Manifest};
use super::check::CheckedBundle;
use super::error::{ChainError, DigestError, PlanError, StepError};
use super::form::{
    BATTERY_FILE, ENVIRONMENT_FILE, Environment, FORMAT, FREE_BYTES, GATES_FILE, LOG_FILE,
    MANIFEST_FILE, MAX_MODELS, MAX_QUESTIONS, MAX_WHOLE, NAMES_EACH, NEEDED, PLAN_FILE,
    PLAN_STAMP_FILE, Plan, RECORDINGS, TAG_MANIFEST_FILE,
};
use super::log::{Log, Mark};
use super::pass::{Keys, Passed, marks, pass};
use super::{Event, stamp};
use crate::battery::{Ask, Battery, Probe};
use crate::case::Gates;
use crate::digest;
use crate::evidence::{ANSWERS_FILE, BatteryMark, HEADER_FILE, Recording};
use crate::fingerprint::Fingerprint;
use crate::question::longest;

/// What the payload says, read once, before anything of it is believed.
pub(super) struct Read {
    digests: Manifest,
    plan: Result<Plan, PlanError>,
    battery: Result<Battery, PlanError>,
    gates: Result<Gates, PlanError>,
    environment: Result<Environment, PlanError>,
    log: Result<Log, ChainError>,
    /// The time stamp of the plan.
    stamp: Option<Vec<u8>>,
    passed: BTreeMap<String, Passed>,
}

/// Tag files against the tag manifest.
pub(super) fn tags(root: &Path) -> Result<(), StepError> {
    for (file, listed) in bag::manifest(root, TAG_MANIFEST_FILE)? {
        let found = digest::of_bytes(&bag::whole(root, &file, MAX_WHOLE)?);
        hold(&file, TAG_MANIFEST_FILE, &listed, found)?;
    }
    Ok(())
}

pub(super) fn hold(
    file: &str,
    manifest: &str,
    listed: &str,
    found: String,
) -> Result<(), StepError> {
    if found == listed {
        return Ok(());
    }
    Err(DigestError::Differs {
        file: file.to_owned(),
        manifest: manifest.to_owned(),
        listed: listed.to_owned(),
        found,
    }
    .into())
}

/// Reads and hashes the payload in one pass, and holds the digests against a manifest where there is one
/// already. What is wrong with the content is kept for the step whose business it is.
pub(super) fn read(
    root: &Path,
    files: &BTreeMap<String, u64>,
    listed: Option<&Manifest>,
) -> Result<Read, StepError> {
    let held = |file: &str, found: &str| match listed.and_then(|l| l.get(file)) {
        Some(listed) => hold(file, MANIFEST_FILE, listed, found.to_owned()),
        None => Ok(()),
    };
    let (mut digests, mut kept) = (Manifest::new(), BTreeMap::new());
    let is_answers = |file: &str| {
        let rest = file.strip_prefix(RECORDINGS);
        rest.is_some_and(|rest| rest.ends_with(&format!("/{ANSWERS_FILE}")))
    };
    for file in files
        .keys()
        .filter(|f| f.starts_with("data/") && !is_answers(f))
    {
        let bytes = bag::whole(root, file, MAX_WHOLE)?;
        let found = digest::of_bytes(&bytes);
        held(file, &found)?;
        digests.insert(file.clone(), found);
        if NEEDED.contains(&file.as_str()) || file == PLAN_STAMP_FILE {
            kept.insert(file.as_str(), bytes);
        }
    }
    let bytes = |file: &str| kept.get(file).map_or(&[][..], Vec::as_slice);
    let battery = parse::<Battery>(BATTERY_FILE, bytes(BATTERY_FILE));
    let plan_digest = digests.get(PLAN_FILE).cloned().unwrap_or_default();
    let log = Log::parse(bytes(LOG_FILE), &plan_digest).and_then(|log| {
        if log.bytes == bytes(LOG_FILE).len() {
            return Ok(log);
        }
        Err(ChainError::Torn {
            file: LOG_FILE.to_owned(),
        })
    });
    let nothing = Battery {
        name: String::new(),
        version: 0,
        families: Vec::new(),
        probes: Vec::new(),
    };
    let probes = battery.as_ref().unwrap_or(&nothing);
    let marks = log
        .as_ref()
        .map(|log| marks(&log.events))
        .unwrap_or_default();
    let names: Vec<&str> = files.keys().filter_map(|file| recording_of(file)).collect();
    let passes: Vec<Result<Passed, StepError>> = names
        .par_iter()
        .map(|name| {
            let marks = marks.get(name).map_or(&[][..], Vec::as_slice);
            pass(root, name, probes, marks)
        })
        .collect();
    let mut passed = BTreeMap::new();
    for (name, result) in names.into_iter().zip(passes) {
        let result = result?;
        for (file, found) in &result.digests {
            held(file, found)?;
            digests.insert(file.clone(), found.clone());
        }
        passed.insert(name.to_owned(), result);
    }
    Ok(Read {
        plan: parse(PLAN_FILE, bytes(PLAN_FILE)),
        gates: parse(GATES_FILE, bytes(GATES_FILE)),
        environment: parse(ENVIRONMENT_FILE, bytes(ENVIRONMENT_FILE)),
        stamp: kept.get(PLAN_STAMP_FILE).cloned(),
        battery,
        log,
        digests,
        passed,
    })
}

/// The recording whose header a file is.
fn recording_of(file: &str) -> Option<&str> {
    let rest = file.strip_prefix(RECORDINGS)?.strip_prefix('/')?;
    rest.strip_suffix(HEADER_FILE)?.strip_suffix('/')
}

fn parse<T: serde::de::DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<T, PlanError> {
    serde_json::from_slice(bytes).map_err(|source| PlanError::Parse {
        file: file.to_owned(),
        source,
    })
}

/// A payload whose chains hold.
pub(super) struct Linked {
    pub(super) digests: Manifest,
    plan: Result<Plan, PlanError>,
    battery: Result<Battery, PlanError>,
    gates: Result<Gates, PlanError>,
    environment: Result<Environment, PlanError>,
    log: Log,
    stamp: Option<Vec<u8>>,
    passed: BTreeMap<String, Passed>,
}

impl Read {
    /// The third step: chains, and what the log says of the recordings.
    pub(super) fn link(self) -> Result<(Linked, String), StepError> {
        // Without a log the recordings could not be held against it.
        let log = self.log?;
        let (mut answers, mut passed) = (0, self.passed);
        for recording in passed.values_mut() {
            std::mem::replace(&mut recording.chain, Ok(()))?;
            answers += recording.answers;
        }
        let last = log.last();
        let used: BTreeSet<&str> = last.values().map(|m| m.recording.as_str()).collect();
        let unused = passed
            .keys()
            .map(String::as_str)
            .find(|name| !used.contains(name));
        let absent = used
            .iter()
            .copied()
            .find(|name| !passed.contains_key(*name));
        if let Some(recording) = unused.or(absent) {
            return Err(ChainError::Unknown {
                file: LOG_FILE.to_owned(),
                recording: recording.chars().take(200).collect(),
            }
            .into());
        }
        let (recordings, events) = (passed.len(), log.events.len());
        // Who tried again until the finding was liked leaves this behind, unless the log was written anew.
        let count = |is: fn(&Event) -> bool| log.events.iter().filter(|e| is(e)).count();
        let begun = count(|event| matches!(event, Event::Begun(_)));
        let earlier = count(|event| matches!(event, Event::Assessed { .. })).saturating_sub(1);
        let note = format!(
            "{answers} answers in {recordings} recordings, {events} events: {begun} times a model was asked, {earlier} verdicts before this one"
        );
        let linked = Linked {
            digests: self.digests,
            plan: self.plan,
            battery: self.battery,
            gates: self.gates,
            environment: self.environment,
            log,
            stamp: self.stamp,
            passed,
        };
        Ok((linked, note))
    }
}

/// A payload that follows its plan; whether all of the plan is there is not known.
pub(super) struct Planned {
    pub(super) bundle: CheckedBundle,
    /// The questions in each model's recording.
    pub(super) asked: BTreeMap<String, Keys>,
}

impl Linked {
    /// The fifth step: the plan came first, and everything is the plan's.
    /// Of a bundle in the making the caller knows how many probes were asked; else the log does.
    pub(super) fn plan(
        self,
        path: PathBuf,
        asked: Option<usize>,
    ) -> Result<(Planned, String), StepError> {
        let (plan, battery, gates, log) = (self.plan?, self.battery?, self.gates?, self.log);
        bounds(&plan, &battery, self.passed.values().map(|p| p.bytes).sum())?;
        log.follows(
            &plan,
            self.digests.get(PLAN_FILE).map_or("", String::as_str),
        )?;
        let environment = self.environment?;
        if environment.tool != plan.tool {
            return Err(PlanError::Tool {
                file: PLAN_FILE.to_owned(),
                planned: plan.tool.chars().take(40).collect(),
                environment: ENVIRONMENT_FILE.to_owned(),
                found: environment.tool.chars().take(40).collect(),
            }
            .into());
        }
        if plan.published != battery.is_published() {
            return Err(PlanError::Published {
                file: PLAN_FILE.to_owned(),
                planned: plan.published,
            }
            .into());
        }
        if plan.battery != BatteryMark::of(&battery) {
            return Err(PlanError::Battery {
                file: BATTERY_FILE.to_owned(),
            }
            .into());
        }
        let probes = asked.or(log.probes()).unwrap_or(plan.order.len());
        if plan.order != battery.order(plan.seed.0) || probes > plan.order.len() {
            return Err(PlanError::Order {
                file: PLAN_FILE.to_owned(),
            }
            .into());
        }
        let (recordings, prints, asked) = by_model(&plan, &log, self.passed)?;
        let before = log.before(&plan.panel.suspect.model);
        let mut note = if before > 0 {
            format!("committed; but {before} answers of the suspect are older, as the report says")
        } else {
            "committed before the suspect was asked anything".to_owned()
        };
        if let Some(stamp) = &self.stamp {
            let digest = self.digests.get(PLAN_FILE).map_or("", String::as_str);
            if !stamp::dates_file(stamp, digest) {
                return Err(PlanError::Stamp {
                    file: PLAN_STAMP_FILE.to_owned(),
                }
                .into());
            }
            note += "; with a time stamp of the plan, which openssl ts -verify checks";
        }
        if plan.tool != env!("CARGO_PKG_VERSION") {
            let tool: String = plan.tool.chars().take(40).collect();
            note = format!("{note}; by version {tool} of the tool, as it says itself");
        }
        let suspect = &recordings[&plan.panel.suspect.model].header.identity.source;
        let marks = super::marks::of_bundle(&path, &plan, &self.digests, suspect)?;
        if let Some(tested) = &marks {
            note += "; planted marks, of which the commitment is ";
            note += &tested.seal.words;
        }
        let bundle = CheckedBundle {
            marks,
            path,
            plan,
            battery,
            gates,
            recordings,
            prints,
            planned_after: before > 0,
            missing: BTreeMap::new(),
            asked: probes,
            log,
            digests: self.digests,
        };
        Ok((Planned { bundle, asked }, note))
    }
}

type ByModel = (
    BTreeMap<String, Recording>,
    BTreeMap<String, Fingerprint>,
    BTreeMap<String, Keys>,
);

/// Recordings by model instead of by name, each held against the plan.
fn by_model(
    plan: &Plan,
    log: &Log,
    mut passed: BTreeMap<String, Passed>,
) -> Result<ByModel, StepError> {
    let last = log.last();
    bounded_sharing(plan, &last, &passed)?;
    let (mut recordings, mut prints, mut asked) =
        (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for member in plan.panel.members() {
        let model = &member.model;
        let unknown = || ChainError::Unknown {
            file: LOG_FILE.to_owned(),
            recording: model.chars().take(200).collect(),
        };
        let name = &last.get(model.as_str()).ok_or_else(unknown)?.recording;
        let found = passed.get_mut(name).ok_or_else(unknown)?;
        // Nothing was drawn of answers that somebody else collected.
        let imported = found.header.identity.source.is_imported();
        let differs = [
            (
                found.header.battery.digest != plan.battery.digest,
                "battery",
            ),
            (found.header.posing != plan.posing, "posing"),
            (!imported && found.header.seed != plan.seed, "seed"),
        ];
        if let Some((_, what)) = differs.into_iter().find(|(differs, _)| *differs) {
            return Err(PlanError::Recording {
                recording: name.clone(),
                what,
            }
            .into());
        }
        let recording = Recording {
            header: found.header.clone(),
            entries: Vec::new(),
            dates: found.dates,
            head: found.head.clone(),
        };
        recordings.insert(model.clone(), recording);
        // Two names of one model share a recording; else nothing large is copied.
        let shared = last.values().filter(|m| m.recording == *name).count() > 1;
        let (print, keys) = if shared {
            (found.print.clone(), found.asked.clone())
        } else {
            (
                std::mem::take(&mut found.print),
                std::mem::take(&mut found.asked),
            )
        };
        prints.insert(model.clone(), print);
        asked.insert(model.clone(), keys);
    }
    Ok((recordings, prints, asked))
}

/// Every name of a recording has a copy of what is compared of it. All together they take no more than a multiple of what
/// was read.
fn bounded_sharing(
    plan: &Plan,
    last: &BTreeMap<&str, &Mark>,
    passed: &BTreeMap<String, Passed>,
) -> Result<(), PlanError> {
    let bytes = |model: &str| Some(passed.get(&last.get(model)?.recording)?.bytes);
    let members = plan.panel.members().into_iter();
    let named: u64 = members
        .filter_map(|member| bytes(&member.model))
        .fold(0, u64::saturating_add);
    let read: u64 = passed.values().map(|p| p.bytes).sum();
    if named > FREE_BYTES.saturating_add(NAMES_EACH.saturating_mul(read)) {
        return Err(PlanError::Excess {
            file: PLAN_FILE.to_owned(),
            what: "names of one recording",
        });
    }
    Ok(())
}

/// Refuses plans that would make the check itself run out of memory or contradict themselves.
///
/// Texts of the questions are bounded by the bytes of all answers, and [`FREE_BYTES`]: a recording has every question
/// that was put, with its texts, so that the plan of a bundle that holds keeps to this.
pub(super) fn bounds(plan: &Plan, battery: &Battery, answers: u64) -> Result<(), PlanError> {
    let file = || PLAN_FILE.to_owned();
    if plan.format != FORMAT {
        return Err(PlanError::Format {
            file: file(),
            found: plan.format,
        });
    }
    let panel = &plan.panel;
    let excess = |what| PlanError::Excess { file: file(), what };
    if panel.controls.len() + panel.alternatives.len() > MAX_MODELS {
        return Err(excess("models"));
    }
    // A listed option stands in every rotation of the list.
    let options = |probe: &Probe| match &probe.ask {
        Ask::Choose { options } => options.len().saturating_mul(options.len()),
        Ask::Next | Ask::Write { .. } => 1,
    };
    let repeated = plan.posing.samples.max(plan.posing.repeats).max(1);
    let questions = battery.probes.iter().map(|p| options(p).max(repeated));
    if questions.fold(0, usize::saturating_add) > MAX_QUESTIONS {
        return Err(excess("questions"));
    }
    let bytes = battery.probes.iter().map(|p| longest(p, plan.posing));
    if bytes.fold(0, u64::saturating_add) > FREE_BYTES.saturating_add(answers) {
        return Err(excess("bytes of questions"));
    }
    let roles = [
        Some(&panel.protected),
        Some(&panel.suspect),
        panel.base.as_ref(),
    ];
    for group in [&panel.controls, &panel.alternatives] {
        let mut ids = BTreeSet::new();
        for member in roles.into_iter().flatten().chain(group) {
            if !ids.insert(&member.id) {
                return Err(PlanError::Ids {
                    file: file(),
                    id: member.id.chars().take(200).collect(),
                });
            }
        }
    }
    Ok(())
}
