//! A bundle in the making: the plan before anything is asked, the log while it is, the rest behind it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::assess::{Rendering, assess};
use super::bag;
use super::check::CheckedBundle;
use super::error::{ChainError, LayoutError, StepError};
use super::form::{
    BATTERY_FILE, COMMITMENTS_FILE, ENVIRONMENT_FILE, Environment, GATES_FILE, LOG_FILE,
    MANIFEST_FILE, MAX_WHOLE, PLAN_FILE, PLAN_STAMP_FILE, Plan, RECORDINGS, SECRET_FILE,
    SIGNATURE_FILE, WEIGHTS, json, weight_manifest,
};
use super::log::{Event, Log, Mark};
use super::payload::{Read, read};
use super::seal::MAX_SMALL;
use super::stamp;
use crate::battery::Battery;
use crate::case::{Case, Gates};
use crate::digest;
use crate::evidence::{self, ANSWERS_FILE, EvidenceError, HEADER_FILE, Header, Scan};
use crate::panel::Panel;
use crate::report::{RenderError, Report};

/// Where the cases of an output directory lie.
const CASES: &str = "cases";

/// A bundle could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// A file cannot be read or written.
    #[error("cannot write '{}'", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file that was named cannot be read.
    #[error("cannot read '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The reply is no time stamp of this plan.
    #[error("'{}' is no time stamp of this plan", path.display())]
    Stamp {
        /// The reply.
        path: PathBuf,
    },
    /// The bag's own files cannot be written.
    #[error("cannot write the bundle")]
    Bag(#[from] LayoutError),
    /// A recording cannot be read.
    #[error("cannot use a recording")]
    Evidence(#[from] EvidenceError),
    /// The report cannot be rendered.
    #[error("cannot render the report")]
    Render(#[from] RenderError),
    /// What an earlier run left is damaged.
    #[error("the log of an earlier run is damaged")]
    Log(#[source] ChainError),
    /// Another plan lies where this one belongs.
    #[error("'{}' is not the plan of this case; choose another --out", path.display())]
    Other {
        /// The file.
        path: PathBuf,
    },
    /// The case was sealed, and now something is different.
    #[error("'{}' is sealed, and this run would change it; choose another --out", path.display())]
    Sealed {
        /// The bundle.
        path: PathBuf,
    },
    /// What was collected is not what the plan says.
    #[error("what was collected is not what was planned")]
    Unfit(#[source] StepError),
}

/// A recording to be taken into the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name in the bundle: plain, and another for every other recording.
    pub name: String,
    /// Where it lies now.
    pub directory: PathBuf,
}

/// A case whose plan is committed.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    plan: Plan,
    log: Mutex<Writer>,
}

/// The log while it is written.
#[derive(Debug)]
struct Writer {
    file: File,
    log: Log,
    /// The bundle is sealed: nothing is written to it any more.
    frozen: bool,
    /// Why an event could not be written where nobody could be told at once.
    failed: Option<DraftError>,
}

impl Draft {
    /// Commits a plan: writes it, the battery and the log's first line below `out/cases`, before anything
    /// is asked. A case that was begun before goes on.
    ///
    /// # Errors
    ///
    /// When they cannot be written, or what an earlier run left is damaged.
    pub fn begin(out: &Path, plan: Plan, battery: &Battery) -> Result<Self, DraftError> {
        let path = out.join(CASES).join(plan.case());
        let bytes = json(&plan);
        let at = |file: &str| {
            let path = path.join(file);
            move |source| DraftError::Write { path, source }
        };
        fs::create_dir_all(path.join("data")).map_err(at("data"))?;
        let open = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path.join(LOG_FILE));
        let file = open.map_err(at(LOG_FILE))?;
        // Two runs of one case take turns; where files cannot be locked, that is left to the user.
        match file.lock() {
            Err(error) if error.kind() != io::ErrorKind::Unsupported => {
                return Err(at(LOG_FILE)(error));
            }
            _ => {}
        }
        if !path.join(SIGNATURE_FILE).exists() {
            bag::sweep(&path)?;
        }
        if path.join(PLAN_FILE).exists() {
            if bag::whole(&path, PLAN_FILE, MAX_WHOLE)? != bytes {
                return Err(DraftError::Other {
                    path: path.join(PLAN_FILE),
                });
            }
        } else {
            bag::put(&path, PLAN_FILE, &bytes)?;
        }
        let digest = digest::of_bytes(&bytes);
        let frozen = path.join(SIGNATURE_FILE).exists();
        let found = bag::whole(&path, LOG_FILE, MAX_WHOLE)?;
        let log = Log::parse(&found, &digest).map_err(DraftError::Log)?;
        if log.bytes < found.len() && !frozen {
            // Cut off by a crash: the event is not known to have happened.
            file.set_len(log.bytes as u64).map_err(at(LOG_FILE))?;
        }
        if !frozen {
            bag::put(&path, BATTERY_FILE, &json(battery))?;
        }
        let draft = Self {
            log: Mutex::new(Writer {
                file,
                log,
                frozen,
                failed: None,
            }),
            path,
            plan,
        };
        if draft.lock().log.events.is_empty() {
            draft.write(&mut draft.lock(), Event::Planned { plan: digest })?;
        }
        Ok(draft)
    }

    /// Where the bundle lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The request for a time stamp of the plan as it is committed (RFC 3161), to be sent to an authority.
    pub fn stamp_request(&self) -> Vec<u8> {
        stamp::file_request(&json(&self.plan))
    }

    /// Stores an authority's answer beside the plan.
    ///
    /// # Errors
    ///
    /// When it is no time stamp of this plan, cannot be read or written, or the bundle is sealed.
    pub fn store_stamp(&self, reply: &Path) -> Result<(), DraftError> {
        let wrong = || DraftError::Stamp {
            path: reply.to_owned(),
        };
        let failed = |source| DraftError::Read {
            path: reply.to_owned(),
            source,
        };
        if self.lock().frozen {
            return Err(DraftError::Sealed {
                path: self.path.clone(),
            });
        }
        let mut bytes = Vec::new();
        let file = File::open(reply).map_err(failed)?;
        let read = file.take(MAX_SMALL + 1).read_to_end(&mut bytes);
        read.map_err(failed)?;
        let plan = digest::of_bytes(&json(&self.plan));
        if bytes.len() as u64 > MAX_SMALL || !stamp::dates_file(&bytes, &plan) {
            return Err(wrong());
        }
        Ok(bag::put(&self.path, PLAN_STAMP_FILE, &bytes)?)
    }

    /// Takes in the test of planted marks that the plan names.
    ///
    /// # Errors
    ///
    /// When it cannot be read or written.
    pub fn take_marks(&self, directory: &Path) -> Result<(), DraftError> {
        if self.lock().frozen {
            return Ok(());
        }
        Ok(super::marks::take(directory, &self.path)?)
    }

    /// Notes that a model is about to be asked into a recording. A failure is told by the next
    /// [`Draft::ended`].
    pub fn begun(&self, model: &str, source: &Source) {
        let mut writer = self.lock();
        if let Err(error) = self.mark(&mut writer, model, source, Event::Begun) {
            writer.failed.get_or_insert(error);
        }
    }

    /// Notes that models were asked for now.
    ///
    /// # Errors
    ///
    /// When the log cannot be written, or could not at any time before.
    pub fn ended(&self, sources: &BTreeMap<String, Source>) -> Result<(), DraftError> {
        let mut writer = self.lock();
        if let Some(error) = writer.failed.take() {
            return Err(error);
        }
        for (model, source) in sources {
            self.mark(&mut writer, model, source, Event::Ended)?;
        }
        Ok(())
    }

    /// Takes in what was collected of the first `asked` probes and what the gates saw, reads it all back, weighs it, and closes the
    /// bundle. Of a sealed bundle that this would not change it only reads.
    ///
    /// # Errors
    ///
    /// When it cannot be written, what was collected is not what was planned, or it is sealed and
    /// would change.
    pub fn finish(
        self,
        sources: &BTreeMap<String, Source>,
        battery: &Battery,
        gates: &Gates,
        asked: usize,
    ) -> Result<(CheckedBundle, Panel, Case, Report), DraftError> {
        if !self.lock().frozen {
            self.gather(sources, battery, gates)?;
        }
        let checked = self.read_back(asked)?;
        let (panel, case, report) = assess(&checked);
        if self.lock().frozen {
            // Another --gates or a longer recording would be another bundle.
            let same = checked.gates == *gates
                && checked.log.probes() == Some(asked)
                && self.is_current(sources)?;
            return if same {
                Ok((checked, panel, case, report))
            } else {
                Err(DraftError::Sealed { path: self.path })
            };
        }
        let mut payload = checked.digests.clone();
        for rendering in Rendering::ALL {
            let bytes = rendering.render(&report)?;
            payload.insert(rendering.file().to_owned(), digest::of_bytes(&bytes));
            bag::put(&self.path, rendering.file(), &bytes)?;
        }
        let of = |file: &str| payload.get(file).cloned().unwrap_or_default();
        let assessed = Event::Assessed {
            probes: asked,
            gates: of(GATES_FILE),
            report: of(Rendering::Json.file()),
        };
        if self.lock().log.events.last() != Some(&assessed) {
            self.write(&mut self.lock(), assessed)?;
        }
        let log = bag::whole(&self.path, LOG_FILE, MAX_WHOLE)?;
        payload.insert(LOG_FILE.to_owned(), digest::of_bytes(&log));
        let files = bag::walk(&self.path)?;
        bag::write_bag(&self.path, &self.plan.case(), &payload, &files)?;
        Ok((checked, panel, case, report))
    }

    fn gather(
        &self,
        sources: &BTreeMap<String, Source>,
        battery: &Battery,
        gates: &Gates,
    ) -> Result<(), DraftError> {
        let mut headers = BTreeMap::new();
        for source in sources.values() {
            let header = self.take(source)?;
            headers.insert(source.name.clone(), header);
        }
        self.drop_others(&headers)?;
        let taken: BTreeMap<String, Source> = sources
            .iter()
            .map(|(model, source)| {
                let directory = self.path.join(RECORDINGS).join(&source.name);
                let name = source.name.clone();
                (model.clone(), Source { name, directory })
            })
            .collect();
        self.ended(&taken)?;
        for (name, header) in &headers {
            if let Some(bytes) = weight_manifest(header) {
                bag::put(&self.path, &format!("{WEIGHTS}/{name}.json"), &bytes)?;
            }
        }
        let by_name = headers.iter().map(|(name, header)| (name.clone(), header));
        let environment = Environment::here(&by_name.collect());
        bag::put(&self.path, BATTERY_FILE, &json(battery))?;
        bag::put(&self.path, GATES_FILE, &json(gates))?;
        bag::put(&self.path, ENVIRONMENT_FILE, &json(&environment))?;
        Ok(())
    }

    /// Copies a recording as it stands now, whole lines only, unless the copy stands there already.
    fn take(&self, source: &Source) -> Result<Header, DraftError> {
        let to = self.path.join(RECORDINGS).join(&source.name);
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| DraftError::Write { path, source }
        };
        if !is_same(&source.directory, &to)? {
            fs::create_dir_all(&to).map_err(at(&to))?;
            // Another run may be in the middle of a line: what is whole now stays so.
            let whole = evidence::glance(&source.directory)?.map_or(0, |scan| scan.bytes);
            for (file, most) in [(HEADER_FILE, u64::MAX), (ANSWERS_FILE, whole)] {
                let path = to.join(file);
                copy(&source.directory.join(file), &path, most).map_err(at(&path))?;
            }
        }
        let bytes = bag::whole(&to, HEADER_FILE, MAX_WHOLE)?;
        Ok(evidence::parse_header(&to, &bytes)?.0)
    }

    /// Removes recordings and weight manifests that an earlier run of this case took in and that no
    /// model has any more, because its weights were changed. The log still speaks of them. Commitments of
    /// a seal that was taken off go as well: they are to what was sealed then.
    fn drop_others(&self, headers: &BTreeMap<String, Header>) -> Result<(), DraftError> {
        for path in [SECRET_FILE, COMMITMENTS_FILE].map(|file| self.path.join(file)) {
            if path.exists() {
                fs::remove_file(&path).map_err(|source| DraftError::Write { path, source })?;
            }
        }
        for (directory, ending) in [(RECORDINGS, ""), (WEIGHTS, ".json")] {
            let Ok(entries) = fs::read_dir(self.path.join(directory)) else {
                continue;
            };
            for path in entries.flatten().map(|e| e.path()) {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let known = name
                    .strip_suffix(ending)
                    .is_some_and(|n| headers.contains_key(n));
                let removed = match (known, path.is_dir()) {
                    (true, _) => Ok(()),
                    (false, true) => fs::remove_dir_all(&path),
                    (false, false) => fs::remove_file(&path),
                };
                removed.map_err(|source| DraftError::Write { path, source })?;
            }
            // An empty directory is no part of a bundle; one that is not empty stays.
            let _ = fs::remove_dir(self.path.join(directory));
        }
        Ok(())
    }

    /// The steps that need no manifest.
    fn read_back(&self, asked: usize) -> Result<CheckedBundle, DraftError> {
        let files = bag::walk(&self.path)?;
        let checked = read(&self.path, &files, None)
            .and_then(Read::link)
            .and_then(|(linked, _)| linked.plan(self.path.clone(), Some(asked)))
            .and_then(|(planned, _)| planned.complete());
        checked
            .map(|(checked, _)| checked)
            .map_err(DraftError::Unfit)
    }

    fn is_current(&self, sources: &BTreeMap<String, Source>) -> Result<bool, DraftError> {
        for source in sources.values() {
            let copy = self.path.join(RECORDINGS).join(&source.name);
            if !is_same(&source.directory, &copy)? {
                return Ok(false);
            }
        }
        Ok(self.path.join(MANIFEST_FILE).exists())
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes where a recording stands now, unless the log's last word on the model says so already.
    fn mark(
        &self,
        writer: &mut Writer,
        model: &str,
        source: &Source,
        event: fn(Mark) -> Event,
    ) -> Result<(), DraftError> {
        let scan = evidence::glance(&source.directory)?;
        let mark = Mark {
            model: model.to_owned(),
            recording: source.name.clone(),
            answers: scan.as_ref().map_or(0, |s| s.lines),
            head: scan.map(|s| s.head),
        };
        if writer.log.last().get(model) == Some(&&mark) {
            return Ok(());
        }
        self.write(writer, event(mark))
    }

    fn write(&self, writer: &mut Writer, event: Event) -> Result<(), DraftError> {
        if writer.frozen {
            return Ok(());
        }
        let (line, head) = writer.log.line(&event);
        let written = writer.file.write_all(&line);
        let synced = written.and_then(|()| writer.file.sync_data());
        synced.map_err(|source| DraftError::Write {
            path: self.path.join(LOG_FILE),
            source,
        })?;
        writer.log.bytes += line.len();
        writer.log.events.push(event);
        writer.log.head = head;
        Ok(())
    }
}

/// Whether a copy holds the same recording. A copy that cannot be read, because a full disk cut it off, does not.
fn is_same(recording: &Path, copy: &Path) -> Result<bool, EvidenceError> {
    let stand = |scan: Option<Scan>| scan.map(|s| (s.lines, s.bytes, s.head));
    let found = stand(evidence::glance(recording)?);
    let copied = evidence::glance(copy).ok().and_then(stand);
    Ok(found.is_some() && found == copied)
}

/// Copies the beginning of a file, whole or not at all.
fn copy(from: &Path, to: &Path, most: u64) -> io::Result<()> {
    let partial = to.with_added_extension("partial");
    let written = (|| {
        let mut file = File::create(&partial)?;
        io::copy(&mut File::open(from)?.take(most), &mut file)?;
        file.sync_data()?;
        fs::rename(&partial, to)
    })();
    if written.is_err() {
        // It would be refused beside the bundle's own files; what cannot be removed is overwritten by the next run.
        let _ = fs::remove_file(&partial);
    }
    written
}
