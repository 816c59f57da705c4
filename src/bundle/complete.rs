//! The sixth step: recordings have every planned question once, and no other.

use std::collections::{BTreeMap, HashMap, HashSet};

use rayon::prelude::*;

use super::check::{CheckedBundle, Step};
use super::error::{ChainError, CompletenessError, StepError, VerifyError};
use super::form::RECORDINGS;
use super::pass::Keys;
use super::payload::Planned;
use crate::battery::{Battery, Probe};
use crate::digest;
use crate::evidence::{self, Entry};
use crate::passes::SecondPass;
use crate::question::{Question, ask};
use crate::rules::MIN_ANSWERED;

/// What a recording that stands for a model lacks of the first questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// How many have no record.
    pub missing: usize,
    /// Of how many.
    pub planned: usize,
}

/// Keys of questions, each with the place of its probe.
type Keyed = Vec<(u128, usize)>;

/// Whether any of some sorted keys is this one.
fn has(sorted: &[u128], key: u128) -> bool {
    sorted.binary_search(&key).is_ok()
}

/// The key of a question and the place of its probe: the questions themselves take more room.
fn keyed(battery: &Battery, questions: &(dyn Fn(&Probe) -> Vec<Question> + Sync)) -> Keyed {
    let probes = battery.probes.par_iter().enumerate();
    let keyed = probes.flat_map_iter(|(place, probe)| {
        let questions = questions(probe).into_iter();
        questions.map(move |question| (digest::key(&question), place))
    });
    keyed.collect()
}

fn sorted(keyed: &[&[(u128, usize)]]) -> Vec<u128> {
    let mut keys: Vec<u128> = keyed.concat().into_iter().map(|(key, _)| key).collect();
    keys.par_sort_unstable();
    keys
}

impl Planned {
    /// The sixth step: every planned question has its record, no other has one, none has two, and every recording has
    /// its weight manifest.
    pub(super) fn complete(self) -> Result<(CheckedBundle, String), StepError> {
        let Self { mut bundle, asked } = self;
        let (plan, posing) = (&bundle.plan, bundle.plan.posing);
        let battery = &bundle.battery.part(&plan.order[..bundle.asked]);
        let first = keyed(battery, &|probe| ask(probe, posing));
        // Of a run that stopped early, recordings that were made before may have the rest as well.
        let rest = keyed(
            &bundle.battery.part(&plan.order[bundle.asked..]),
            &|probe| ask(probe, posing),
        );
        let pass = SecondPass::new(&plan.panel, &bundle.prints, posing.access);
        let mut second: BTreeMap<bool, (Keyed, Vec<u128>)> = BTreeMap::new();
        let mut known = None;
        let (mut planned, mut waived, mut besides) = (0, 0, 0);
        // What is asked of readers depends on what was answered: where that is doubtful, nothing else is looked at.
        for (model, asked) in &asked {
            once_each(&bundle, model, asked)?;
        }
        let mut lacking = BTreeMap::new();
        for (model, asked) in &asked {
            let replayed = plan.replayed.contains(model);
            // A recording made beforehand cannot be asked, and what cannot read is not asked to; of imported answers
            // that is known.
            let imported = bundle.recordings[model]
                .header
                .identity
                .source
                .is_imported();
            let reads = (replayed && !imported) || plan.readers.contains(model);
            let (readings, all): (&[_], &[u128]) = if reads {
                let questions = || {
                    let readings = keyed(battery, &|probe| pass.about(probe, model, posing));
                    let all = sorted(&[&first, &rest, &readings]);
                    (readings, all)
                };
                let found = second
                    .entry(pass.is_parent(model))
                    .or_insert_with(questions);
                (&found.0, &found.1)
            } else {
                (&[], known.get_or_insert_with(|| sorted(&[&first, &rest])))
            };
            planned_each(&bundle, model, asked, all)?;
            besides += asked.all.par_iter().filter(|key| !has(all, **key)).count();
            let absent = |(key, _): &&(u128, usize)| !has(&asked.all, *key);
            let missing = |of: &[(u128, usize)]| -> Vec<usize> {
                let absent = of.par_iter().filter(absent);
                absent.map(|(_, probe)| *probe).collect()
            };
            let (lacks, unread) = (missing(&first), missing(readings));
            planned += first.len() + readings.len();
            if replayed {
                waived += lacks.len() + unread.len();
                if !lacks.is_empty() {
                    let (missing, planned) = (lacks.len(), first.len());
                    lacking.insert(model.clone(), Missing { missing, planned });
                }
            } else if let Some(probe) = lacks.first().or(unread.first()) {
                return Err(CompletenessError::Unasked {
                    recording: model.clone(),
                    probe: battery.probes[*probe].id.clone(),
                    missing: lacks.len() + unread.len(),
                }
                .into());
            }
        }
        bundle.missing = lacking;
        bundle.enough()?;
        bundle.weight_manifests()?;
        let note = match waived {
            0 => format!("all {planned} planned questions have a record"),
            waived => format!(
                "{} of {planned} planned questions have a record; {waived} are to recordings that could not be asked",
                planned - waived
            ),
        };
        let note = match besides {
            0 => note,
            more => format!(
                "{note}; {more} more are questions that were repeated on purpose, or readings for other panels, which change no figure"
            ),
        };
        Ok((bundle, note))
    }
}

impl CheckedBundle {
    /// Goes through the answers of a model once more, in their order.
    ///
    /// # Errors
    ///
    /// When its recording cannot be read any more.
    pub fn each_answer(
        &self,
        model: &str,
        take: &mut dyn FnMut(&Entry),
    ) -> Result<(), VerifyError> {
        let gone = |source| VerifyError {
            step: Step::Completeness,
            source,
        };
        each(self, model, take).map(drop).map_err(gone)
    }

    /// Of protected model and suspect a recording may lack no more than a share: it would stand for somebody who was
    /// asked something else. Imported answers are what somebody else asked for.
    fn enough(&self) -> Result<(), CompletenessError> {
        let panel = &self.plan.panel;
        for model in [&panel.protected.model, &panel.suspect.model] {
            let Some(Missing { missing, planned }) = self.missing.get(model).copied() else {
                continue;
            };
            let answered = (planned - missing) as f64 / planned as f64;
            let source = &self.recordings[model].header.identity.source;
            if answered < MIN_ANSWERED && !source.is_imported() {
                return Err(CompletenessError::Thin {
                    recording: model.clone(),
                    missing,
                    planned,
                });
            }
        }
        Ok(())
    }
}

/// Refuses a recording with a second record of a question that has another answer. The same answer again says nothing
/// new: versions that asked for the texts of two authors who wrote the same have it.
fn once_each(bundle: &CheckedBundle, model: &str, asked: &Keys) -> Result<(), StepError> {
    let twice = asked.all.par_windows(2).filter(|two| two[0] == two[1]);
    let twice: HashSet<u128> = twice.map(|two| two[0]).collect();
    if twice.is_empty() {
        return Ok(());
    }
    let mut seen = HashMap::new();
    let (mut records, mut found) = (0, None);
    let recording = each(bundle, model, &mut |entry| {
        let key = digest::key(&entry.question);
        if twice.contains(&key) {
            let first = seen.entry(key).or_insert_with(|| entry.response.clone());
            if !first.says_the_same(&entry.response) {
                records += 1;
                found.get_or_insert_with(|| place(entry));
            }
        }
    })?;
    match found {
        None => Ok(()),
        Some((line, probe)) => Err(CompletenessError::Twice {
            recording,
            records,
            line,
            probe,
        }
        .into()),
    }
}

/// Refuses a recording with a record that nobody planned. `known` are the keys of all planned questions, sorted.
fn planned_each(
    bundle: &CheckedBundle,
    model: &str,
    asked: &Keys,
    known: &[u128],
) -> Result<(), StepError> {
    let other = |key: u128| !has(known, key) && !has(&asked.beside, key);
    let records = asked.all.par_iter().filter(|key| other(**key)).count();
    if records == 0 {
        return Ok(());
    }
    let mut found = None;
    let recording = each(bundle, model, &mut |entry| {
        if other(digest::key(&entry.question)) {
            found.get_or_insert_with(|| place(entry));
        }
    })?;
    // It was there a moment ago, unless somebody writes to the bundle.
    let (line, probe) = found.unwrap_or_default();
    Err(CompletenessError::Unplanned {
        recording,
        records,
        line,
        probe,
    }
    .into())
}

/// Line and probe of a record.
fn place(entry: &Entry) -> (u64, String) {
    (
        entry.n + 1,
        entry.question.probe.chars().take(200).collect(),
    )
}

/// Goes through a model's recording once more, which only who is doubtful is; gives its name.
fn each(
    bundle: &CheckedBundle,
    model: &str,
    take: &mut dyn FnMut(&Entry),
) -> Result<String, StepError> {
    let last = bundle.log.last();
    let name = last
        .get(model)
        .map_or_else(String::new, |m| m.recording.clone());
    let failed = |source| ChainError::Recording {
        recording: name.clone(),
        source,
    };
    let directory = bundle.path.join(RECORDINGS).join(&name);
    for entry in evidence::entries(&directory).map_err(failed)? {
        take(&entry.map_err(failed)?);
    }
    Ok(name)
}
