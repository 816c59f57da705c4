//! Running many models: who is asked when, on how many threads, into which recordings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::args::{Asking, Engine};
use super::error::CliError;
use super::open::{self, Target};
use super::progress::Progress;
use crate::battery::{self, Battery};
use crate::collect::{self, Tally};
use crate::digest;
use crate::evidence::{self, Header, Recording, Store};
use crate::model::{Model, Seed};
use crate::question::{Access, Posing, Question};

/// Most probable tokens kept of every `next` probe.
const TOP: usize = 32;
/// Models of less than this run one a core; larger ones share all cores.
pub(super) const SMALL: u64 = 64 << 20;

/// Everything that is the same for all models.
pub(super) struct Round<'a> {
    pub(super) battery: Battery,
    pub(super) posing: Posing,
    pub(super) seed: Seed,
    pub(super) engine: &'a Engine,
    pub(super) quiet: bool,
    pub(super) stop: &'static AtomicBool,
}

impl<'a> Round<'a> {
    /// Settles battery and posing: chat turns only when every model has a chat form.
    pub(super) fn new(
        asking: &Asking,
        engine: &'a Engine,
        quiet: bool,
        targets: &[Target],
    ) -> Result<(Self, bool), CliError> {
        let mut chats = Vec::new();
        for target in targets {
            chats.push(match target {
                Target::Weights { name, path, .. } => open::abilities(name, path)?.chat,
                Target::Recording { directory, .. } => {
                    evidence::read(directory)?.header.posing.chat
                }
            });
        }
        let chat = !asking.raw && chats.iter().all(|c| *c);
        let round = Self {
            battery: open_battery(asking)?,
            posing: Posing {
                chat,
                raw: true,
                access: Access::Scored,
                samples: usize::from(asking.samples),
                repeats: 0,
                top: TOP,
            },
            seed: Seed(asking.seed),
            engine,
            quiet,
            stop: stop_flag(),
        };
        Ok((round, !chat && chats.iter().any(|c| *c)))
    }

    /// Asks every model its questions; gives the directory of each model's recording, by name.
    pub(super) fn ask(
        &self,
        stage: &'static str,
        jobs: &[(&Target, Vec<Question>)],
        place: &(dyn Fn(&Header) -> PathBuf + Sync),
    ) -> Result<BTreeMap<String, PathBuf>, CliError> {
        let answers = jobs.iter().map(|(_, q)| q.len()).sum();
        let progress = Progress::new(stage, answers, self.quiet);
        let done = Mutex::new(BTreeMap::new());
        let failed = Mutex::new(None);
        let next = AtomicUsize::new(0);
        let (workers, threads) = self.split(jobs);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    let work = || {
                        while let Some((target, questions)) =
                            jobs.get(next.fetch_add(1, Ordering::Relaxed))
                        {
                            if lock(&failed).is_some() {
                                return;
                            }
                            match self.one(target, questions, place, &progress) {
                                Ok(path) => {
                                    lock(&done).insert(target.name().to_owned(), path);
                                }
                                Err(error) => {
                                    lock(&failed).get_or_insert(error);
                                }
                            }
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
        progress.finish();
        match failed
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
        {
            Some(error) => Err(error),
            None => Ok(done
                .into_inner()
                .unwrap_or_else(std::sync::PoisonError::into_inner)),
        }
    }

    /// How many models at once, with how many threads each.
    fn split(&self, jobs: &[(&Target, Vec<Question>)]) -> (usize, usize) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let small = jobs.iter().all(|(target, _)| match target {
            Target::Weights { bytes, .. } => *bytes < SMALL,
            Target::Recording { .. } => true,
        });
        let asked = self.engine.jobs.map(usize::from);
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
        progress: &Progress,
    ) -> Result<PathBuf, CliError> {
        let (name, path) = match target {
            Target::Weights { name, path, .. } => (name, path),
            Target::Recording { directory, .. } => {
                progress.kept(questions.len());
                return Ok(directory.clone());
            }
        };
        let model = open::load(name, path, self.engine.options())?;
        let header = collect::header(&model, &self.battery, self.posing, self.seed);
        let directory = place(&header);
        let tally = self.collect(&model, questions, &directory, &header, progress)?;
        progress.note(&format!(
            "{name}: {} answers, {} kept from before{}",
            tally.answered,
            tally.kept,
            if tally.without > 0 {
                format!(", {} without an answer", tally.without)
            } else {
                String::new()
            }
        ));
        Ok(directory)
    }

    fn collect(
        &self,
        model: &dyn Model,
        questions: &[Question],
        directory: &Path,
        header: &Header,
        progress: &Progress,
    ) -> Result<Tally, CliError> {
        let failed = |source| CliError::Collect {
            model: model.identity().name.clone(),
            source,
        };
        let mut store = Store::open(directory, header).map_err(|e| failed(e.into()))?;
        let tally = collect::collect(model, questions, self.seed, &mut store, self.stop, &|| {
            progress.answered();
        })
        .map_err(failed)?;
        progress.kept(tally.kept);
        Ok(tally)
    }

    /// Reads recordings back and checks that all were asked the same in the same way.
    pub(super) fn read(
        &self,
        directories: &BTreeMap<String, PathBuf>,
    ) -> Result<BTreeMap<String, Recording>, CliError> {
        let mut recordings = BTreeMap::new();
        for (model, directory) in directories {
            let recording = evidence::read(directory)?;
            let mixed = |what| {
                Err(CliError::Mixed {
                    model: model.clone(),
                    what,
                })
            };
            if recording.header.battery.digest != self.battery.digest() {
                return mixed("battery");
            }
            if recording.header.posing != self.posing {
                return mixed("posing");
            }
            recordings.insert(model.clone(), recording);
        }
        Ok(recordings)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The batteries of `--battery`, joined, and the tier cut from them.
fn open_battery(asking: &Asking) -> Result<Battery, CliError> {
    let mut names = asking.battery.iter();
    let first = names.next().map_or(battery::BUILT_IN[0], String::as_str);
    let mut battery = Battery::open(first)?.select(asking.tier.into());
    for name in names {
        // Private probes are asked in full, whatever the tier of the published ones.
        battery = battery.join(Battery::open(name)?)?;
    }
    Ok(battery)
}

/// A name for a recording's directory: readable, and different for whatever differs in its header.
pub(super) fn slug(header: &Header) -> String {
    let name = header.identity.name.trim_end_matches('/');
    let last = name.rsplit(['/', ':']).next().unwrap_or(name);
    let safe: String = last
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '-'
            }
        })
        .take(60)
        .collect();
    let mut anonymous = header.clone();
    anonymous.identity.name.clear();
    anonymous.tool.clear();
    format!(
        "{}-{}",
        safe.trim_start_matches('.'),
        &digest::of_value(&anonymous)[..8]
    )
}

/// Raised by the first Ctrl-C, so that the answer in hand is still kept; a second one ends at once.
fn stop_flag() -> &'static AtomicBool {
    static STOP: AtomicBool = AtomicBool::new(false);
    // A handler can be set once in a process; a second round uses the same flag.
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            #[expect(clippy::exit, reason = "the user insists")]
            std::process::exit(130);
        }
    });
    &STOP
}
