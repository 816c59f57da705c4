//! Running many models: who is asked when, on how many threads, into which recordings.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::error::PipelineError;
use super::pose::{self, Known};
use super::request::{Asking, Engine};
use super::target::{self, Target};
use super::watch::{Event, Stage, Watch};
use super::weights::SMALL;
use crate::battery::{BUILT_IN, Battery, Tier};
use crate::collect::{self, CollectError, Tally};
use crate::digest;
use crate::estimate::Estimate;
use crate::evidence::{self, BatteryMark, EvidenceError, Header, Recording, Store};
use crate::fingerprint::Fingerprint;
use crate::identity::plain_name;
use crate::model::local::{LocalModel, Options, forecast};
use crate::model::{Abilities, Failure, Model, Seed};
use crate::question::{Posing, Question};
use crate::sentinel;

/// A model with what it is asked.
pub(super) type Job<'a> = (&'a Target, Vec<Question>);

/// Models that could not be asked, with what went wrong, in the order in which it did.
pub(super) type Failures = Vec<(String, PipelineError)>;

/// Whether what kept one model from being asked keeps all: the user ended the work, a limit was reached, or nothing can
/// be written.
fn meets_all(error: &PipelineError) -> bool {
    let PipelineError::Collect { source, .. } = error else {
        return false;
    };
    match source {
        CollectError::Interrupted => true,
        CollectError::Model(error) => error.kind == Failure::Limit,
        CollectError::Evidence(error) => matches!(error, EvidenceError::Write { .. }),
    }
}

/// Everything that is the same for all models.
pub(super) struct Round<'a> {
    pub(super) battery: Battery,
    /// Only batteries that ship with the tool are asked.
    pub(super) published: bool,
    pub(super) posing: Posing,
    abilities: BTreeMap<String, Abilities>,
    pub(super) seed: Seed,
    engine: Engine,
    watch: &'a dyn Watch,
}

impl<'a> Round<'a> {
    /// Settles battery and posing. Also says whether a model with a chat form is asked without it.
    pub(super) fn new(
        asking: &Asking,
        engine: Engine,
        watch: &'a dyn Watch,
        targets: &[Target],
    ) -> Result<(Self, bool), PipelineError> {
        let access = asking.access;
        let mut known = Vec::new();
        let mut abilities = BTreeMap::new();
        let mut imported = None;
        for target in targets {
            known.push((
                target.name(),
                match target {
                    Target::Weights { name, path, .. } => {
                        let can = LocalModel::abilities_of(name, path, engine.options);
                        let can = pose::at_most(can.map_err(PipelineError::Open)?, access);
                        abilities.insert(name.clone(), can);
                        Known::Abilities(can)
                    }
                    Target::Endpoint { name, reached } => {
                        let can = pose::at_most(reached.report.model, access);
                        abilities.insert(name.clone(), can);
                        Known::Abilities(can)
                    }
                    Target::Given { name, model } => {
                        let can = pose::at_most(model.abilities(), access);
                        abilities.insert(name.clone(), can);
                        Known::Abilities(can)
                    }
                    Target::Recording { name, directory } => {
                        let header = evidence::header(directory)?;
                        let posing = header.posing;
                        if header.identity.source.is_imported() {
                            imported.get_or_insert((name.as_str(), directory, header.battery));
                            Known::Imported(posing)
                        } else {
                            Known::Posing(posing)
                        }
                    }
                },
            ));
        }
        let posing = pose::settle(asking, &known)?;
        let battery = match imported {
            Some((name, directory, mark)) if asking.batteries.is_empty() => {
                battery_beside(name, directory, &mark)?
            }
            other => open_battery(asking, other.is_some())?,
        };
        let round = Self {
            published: battery.is_published(),
            battery,
            posing,
            abilities,
            seed: asking.seed,
            engine,
            watch,
        };
        let chats = known.iter().any(|(_, k)| k.chat());
        Ok((round, !posing.chat && chats))
    }

    /// Whether a model can read texts after the prompts of this round. Recordings have read what they
    /// have read.
    pub(super) fn reads(&self, model: &str) -> bool {
        self.abilities.get(model).is_some_and(|a| {
            if self.posing.chat {
                a.score_chat
            } else {
                a.score
            }
        })
    }

    /// Asks every model its questions; gives the directory of each model's recording, by name.
    pub(super) fn ask(
        &self,
        stage: Stage,
        jobs: &[Job<'_>],
        place: &(dyn Fn(&Header) -> PathBuf + Sync),
    ) -> Result<BTreeMap<String, PathBuf>, PipelineError> {
        let (done, failed) = self.ask_until(stage, jobs, place, &|_| true);
        match failed.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(done),
        }
    }

    /// The same where a model that cannot be asked does not keep the others from it: it stands among the failures. What
    /// would meet all of them ends the work.
    pub(super) fn ask_each(
        &self,
        stage: Stage,
        jobs: &[Job<'_>],
        place: &(dyn Fn(&Header) -> PathBuf + Sync),
    ) -> Result<(BTreeMap<String, PathBuf>, Failures), PipelineError> {
        let (done, mut failed) = self.ask_until(stage, jobs, place, &meets_all);
        match failed.iter().position(|(_, error)| meets_all(error)) {
            Some(place) => Err(failed.swap_remove(place).1),
            None => Ok((done, failed)),
        }
    }

    /// Asks until a failure ends the work.
    fn ask_until(
        &self,
        stage: Stage,
        jobs: &[Job<'_>],
        place: &(dyn Fn(&Header) -> PathBuf + Sync),
        ends: &(dyn Fn(&PipelineError) -> bool + Sync),
    ) -> (BTreeMap<String, PathBuf>, Failures) {
        let steps = jobs.iter().map(|(_, q)| q.len()).sum();
        self.watch.see(Event::Begun { stage, steps });
        let done = Mutex::new(BTreeMap::new());
        let failed: Mutex<Failures> = Mutex::new(Vec::new());
        let ended = AtomicBool::new(false);
        let next = AtomicUsize::new(0);
        // Endpoints wait for the network, not for a core: each has a thread of its own.
        let (remote, local): (Vec<&Job<'_>>, Vec<&Job<'_>>) = jobs
            .iter()
            .partition(|(target, _)| matches!(target, Target::Endpoint { .. }));
        let (workers, threads) = self.split(&local);
        let run = |(target, questions): &Job<'_>| {
            if ended.load(Ordering::Relaxed) {
                return;
            }
            match self.one(target, questions, place) {
                Ok(path) => {
                    lock(&done).insert(target.name().to_owned(), path);
                }
                Err(error) => {
                    let ends = ends(&error);
                    lock(&failed).push((target.name().to_owned(), error));
                    ended.fetch_or(ends, Ordering::Relaxed);
                }
            }
        };
        std::thread::scope(|scope| {
            for job in remote {
                scope.spawn(|| run(job));
            }
            for _ in 0..workers {
                scope.spawn(|| {
                    let work = || {
                        while let Some(job) = local.get(next.fetch_add(1, Ordering::Relaxed)) {
                            run(job);
                        }
                    };
                    // A pool of its own keeps a model's small matrix products on its own threads.
                    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
                        Ok(pool) => pool.install(work),
                        Err(_) => work(),
                    }
                });
            }
        });
        self.watch.see(Event::Ended);
        (
            done.into_inner()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
            failed
                .into_inner()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }

    /// How many models at once, with how many threads each.
    fn split(&self, jobs: &[&Job<'_>]) -> (usize, usize) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let small = jobs.iter().all(|(target, _)| match target {
            Target::Weights { bytes, .. } => *bytes < SMALL,
            Target::Endpoint { .. } | Target::Recording { .. } | Target::Given { .. } => true,
        });
        let asked = self.engine.jobs.map(NonZeroUsize::get);
        let workers = asked
            .unwrap_or(if small { cores } else { 1 })
            .min(jobs.len().max(1));
        (workers, (cores / workers).max(1))
    }

    fn one(
        &self,
        target: &Target,
        questions: &[Question],
        place: &dyn Fn(&Header) -> PathBuf,
    ) -> Result<PathBuf, PipelineError> {
        let weights;
        let model: &dyn Model = match target {
            Target::Weights {
                name, path, served, ..
            } => {
                let options = Options {
                    served: *served,
                    ..self.engine.options
                };
                if let Some(text) = forecast(path, options) {
                    self.watch.see(Event::Note(&format!("{name}: {text}")));
                }
                weights = target::load(name, path, options)?;
                &weights
            }
            Target::Endpoint { reached, .. } => &*reached.model,
            Target::Given { model, .. } => &**model,
            Target::Recording { directory, .. } => {
                self.watch.see(Event::Advanced(questions.len()));
                return Ok(directory.clone());
            }
        };
        let header = collect::header(model, &self.battery, self.posing, self.seed);
        let directory = place(&header);
        let tally = self.collect(target, model, questions, &directory, &header)?;
        self.watch.see(Event::Note(&format!(
            "{}: {} answers, {} kept from before{}",
            target.name(),
            tally.answered,
            tally.kept,
            if tally.without > 0 {
                format!(", {} without an answer", tally.without)
            } else {
                String::new()
            }
        )));
        Ok(directory)
    }

    fn collect(
        &self,
        target: &Target,
        model: &dyn Model,
        questions: &[Question],
        directory: &Path,
        header: &Header,
    ) -> Result<Tally, PipelineError> {
        let failed = |source| PipelineError::Collect {
            model: model.identity().name.clone(),
            source,
        };
        let store = Store::open(directory, header).map_err(|e| failed(e.into()))?;
        let mut store = store.dated(self.watch.clock());
        let guarded;
        let questions = match target {
            Target::Endpoint { reached, .. } if questions.iter().any(|q| !store.has(q)) => {
                let round = sentinel::next_round(&self.battery, self.posing, &|q| store.has(q));
                guarded = sentinel::guard(&self.battery, self.posing, questions.to_vec(), round);
                let missing = guarded.iter().filter(|q| !store.has(q));
                let announced = reached.announce(missing.map(Estimate::of).sum());
                self.watch.see(Event::Note(&announced));
                &guarded
            }
            _ => questions,
        };
        let seed = collect::sampling_seed(header);
        let tally = collect::collect(model, questions, seed, &mut store, &|| {
            self.watch.see(Event::Advanced(1));
            if self.watch.is_stopped() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .map_err(failed)?;
        self.watch.see(Event::Advanced(tally.kept));
        Ok(tally)
    }

    /// Reads recordings back and checks that all were asked the same in the same way.
    pub(super) fn read(
        &self,
        directories: &BTreeMap<String, PathBuf>,
    ) -> Result<BTreeMap<String, Recording>, PipelineError> {
        let digest = self.battery.digest();
        let read = |(model, directory): (&String, &PathBuf)| {
            Ok((model.clone(), self.read_one(model, directory, &digest)?))
        };
        directories.iter().map(read).collect()
    }

    /// The same, of which no more is kept than something of each.
    pub(super) fn each<T: Send>(
        &self,
        directories: &BTreeMap<String, PathBuf>,
        of: impl Fn(Recording) -> T + Sync,
    ) -> Result<BTreeMap<String, T>, PipelineError> {
        let digest = self.battery.digest();
        let read: Vec<Result<(String, T), PipelineError>> = directories
            .par_iter()
            .map(|(model, directory)| {
                let recording = self.read_one(model, directory, &digest)?;
                Ok((model.clone(), of(recording)))
            })
            .collect();
        read.into_iter().collect()
    }

    /// What is compared of each recording.
    pub(super) fn fingerprints(
        &self,
        directories: &BTreeMap<String, PathBuf>,
    ) -> Result<BTreeMap<String, Fingerprint>, PipelineError> {
        self.each(directories, |recording| {
            Fingerprint::new(&recording, &self.battery)
        })
    }

    /// What is made of each recording that can be read, and what is wrong with the others.
    pub(super) fn each_that_can<T: Send>(
        &self,
        directories: &BTreeMap<String, PathBuf>,
        of: impl Fn(&str, Recording) -> T + Sync,
    ) -> (BTreeMap<String, T>, Failures) {
        self.watch.see(Event::Begun {
            stage: Stage::Loading,
            steps: directories.len(),
        });
        let digest = self.battery.digest();
        let read: Vec<(String, Result<T, PipelineError>)> = directories
            .par_iter()
            .map(|(model, directory)| {
                let recording = self.read_one(model, directory, &digest);
                let made = recording.map(|recording| of(model, recording));
                self.watch.see(Event::Advanced(1));
                (model.clone(), made)
            })
            .collect();
        self.watch.see(Event::Ended);
        let (mut made, mut failed) = (BTreeMap::new(), Vec::new());
        for (model, result) in read {
            match result {
                Ok(one) => drop(made.insert(model, one)),
                Err(error) => failed.push((model, error)),
            }
        }
        (made, failed)
    }

    fn read_one(
        &self,
        model: &str,
        directory: &Path,
        battery: &str,
    ) -> Result<Recording, PipelineError> {
        let recording = evidence::read(directory)?;
        let mixed = |what| {
            Err(PipelineError::Mixed {
                model: model.to_owned(),
                what,
            })
        };
        if recording.header.battery.digest != battery {
            return mixed("battery");
        }
        if recording.header.posing != self.posing {
            return mixed("posing");
        }
        // Nothing was drawn of answers that somebody else collected.
        if recording.header.seed != self.seed && !recording.header.identity.source.is_imported() {
            return mixed("seed");
        }
        Ok(recording)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The batteries of `--battery`, joined, with the tier cut from them. Imported answers are to all of theirs.
fn open_battery(asking: &Asking, imported: bool) -> Result<Battery, PipelineError> {
    let mut names: Vec<&str> = asking.batteries.iter().map(String::as_str).collect();
    if names.is_empty() {
        names.push(BUILT_IN[0]);
    }
    let tier = match asking.tier {
        Some(tier) => tier,
        None if imported => Tier::Full,
        None => Tier::Standard,
    };
    let mut battery = Battery::open(names[0])?.select(tier);
    for name in &names[1..] {
        // Private probes are asked in full, whatever the tier of the published ones.
        battery = battery.join(Battery::open(name)?)?;
    }
    Ok(battery)
}

/// The battery that an import wrote beside its recordings.
fn battery_beside(
    model: &str,
    recording: &Path,
    mark: &BatteryMark,
) -> Result<Battery, PipelineError> {
    let path = recording.parent().unwrap_or(Path::new("")).join("battery");
    let missing = || PipelineError::NoBattery {
        model: model.to_owned(),
        path: path.clone(),
    };
    if !path.is_dir() {
        return Err(missing());
    }
    let battery = Battery::open(path.to_str().ok_or_else(missing)?)?;
    if BatteryMark::of(&battery) == *mark {
        Ok(battery)
    } else {
        Err(missing())
    }
}

/// A name for a recording's directory: readable, and different for whatever differs in its header.
pub(super) fn slug(header: &Header) -> String {
    let name = plain_name(&header.identity.name);
    let mut anonymous = header.clone();
    anonymous.identity.name.clear();
    anonymous.identity.source = anonymous.identity.source.item();
    anonymous.tool.clear();
    format!("{name}-{}", &digest::of_value(&anonymous)[..8])
}
