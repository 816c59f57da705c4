//! The whole comparison: from names of models to a finding and its bundle.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::PipelineError;
use super::gates;
use super::request::Request;
use super::round::{Round, slug};
use super::selection::Selection;
use super::target::{Target, load};
use super::watch::{Stage, Watch};
use crate::battery::Battery;
use crate::bundle::{Draft, Rendering, Source};
use crate::case::{Case, Gates};
use crate::evidence::Header;
use crate::files::write_whole;
use crate::passes::SecondPass;
use crate::question::{Question, ask_all};
use crate::report::{Report, pdf};

/// What a comparison found.
#[derive(Debug)]
pub struct Comparison {
    /// The bundle, which stands alone: `bundle::Bundle::at` checks it.
    pub bundle: PathBuf,
    /// The figures and the verdict.
    pub case: Case,
    /// The same in words.
    pub report: Report,
}

impl Comparison {
    /// Writes the report into a directory in every form: `report.json`, `report.html`, `report.md`, and
    /// `report.pdf` where that is built in. A build that makes no PDF takes an older one away, which would be of
    /// another case than the files beside it.
    ///
    /// # Errors
    ///
    /// When a form cannot be rendered or a file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<(), PipelineError> {
        for rendering in [Rendering::Json, Rendering::Html, Rendering::Markdown] {
            let path = directory.join(format!("report.{}", rendering.extension()));
            let bytes = rendering.render(&self.report)?;
            write_whole(&path, &bytes).map_err(PipelineError::writing(&path))?;
        }
        let path = directory.join("report.pdf");
        if pdf::MADE {
            let bytes = pdf::document(&self.report)?;
            return write_whole(&path, &bytes).map_err(PipelineError::writing(&path));
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(PipelineError::writing(&path)(error))
            }
            _ => Ok(()),
        }
    }
}

/// Compares a suspect with a protected model, among controls.
///
/// Asks all models the battery, has them read what the candidate parents wrote, and places the finding on the ladder.
/// Recordings and the bundle lie in the request's directory then; the same request goes on after an interruption.
///
/// # Errors
///
/// When a model or a file cannot be used, the models cannot be asked alike, or a model fails in the middle. That
/// nothing can be said is a finding and no error.
pub fn compare(request: &Request, watch: &dyn Watch) -> Result<Comparison, PipelineError> {
    let mut selection = Selection::new(request, watch)?;
    let targets = selection.resolve()?;
    let models: Vec<Target> = targets.values().cloned().collect();
    let (round, posed_raw) = Round::new(&request.asking, request.engine, watch, &models)?;
    // The plan is committed before anything is asked.
    let plan = selection.plan(&targets, &round, posed_raw);
    let order = plan.order.clone();
    let draft = Draft::begin(&request.out, plan, &round.battery)?;
    if let Some(marks) = &request.marks {
        draft.take_marks(marks)?;
    }
    let part = round.battery.part(&order);
    let collecting = Collecting {
        selection: &selection,
        targets: &targets,
        round: &round,
        part: &part,
        draft: &draft,
    };
    let collected = collecting.both_passes()?;
    let gates = collecting.gates(&collected.headers)?;
    let bundle = draft.path().to_owned();
    // The verdict is drawn from what is read back, by the function that `verify` draws it with.
    let (_, _, case, report) =
        draft.finish(&collected.sources, &round.battery, &gates, order.len())?;
    Ok(Comparison {
        bundle,
        case,
        report,
    })
}

/// What was collected, by model, and where it lies. The answers are on disk, and many: whoever needs them reads them.
struct Collected {
    headers: BTreeMap<String, Header>,
    sources: BTreeMap<String, Source>,
}

/// The models of a comparison, being asked.
struct Collecting<'a> {
    selection: &'a Selection<'a>,
    targets: &'a BTreeMap<String, Target>,
    round: &'a Round<'a>,
    /// The probes that are asked, in the order of the plan.
    part: &'a Battery,
    draft: &'a Draft,
}

impl Collecting<'_> {
    /// Both passes over the battery.
    fn both_passes(&self) -> Result<Collected, PipelineError> {
        let (round, part) = (self.round, self.part);
        let place = |header: &Header| {
            let name = slug(header);
            let directory = self.selection.request.out.join("recordings").join(&name);
            let source = Source { name, directory };
            self.draft.begun(&header.identity.name, &source);
            source.directory
        };
        let questions = ask_all(part, round.posing);
        let targets = self.targets.values();
        let jobs: Vec<_> = targets.map(|t| (t, questions.clone())).collect();
        let directories = round.ask(Stage::Asking, &jobs, &place)?;
        let headers = round.each(&directories, |recording| recording.header)?;
        let sources = self.sources(&headers, &directories);
        self.draft.ended(&sources)?;
        // What was written is needed by those who can read it alone.
        let first = if self.targets.keys().any(|model| round.reads(model)) {
            round.fingerprints(&directories)?
        } else {
            BTreeMap::new()
        };
        let second = SecondPass::new(&self.selection.panel, &first, round.posing.access);
        let again = self.targets.iter().map(|(model, target)| {
            let questions = if round.reads(model) {
                second.questions(model, part, round.posing)
            } else {
                Vec::new()
            };
            (target, questions)
        });
        let jobs: Vec<(&Target, Vec<Question>)> = again.collect();
        round.ask(Stage::Reading, &jobs, &place)?;
        self.draft.ended(&sources)?;
        Ok(Collected { headers, sources })
    }

    /// Where each model's recording lies, with its name in a bundle.
    fn sources(
        &self,
        headers: &BTreeMap<String, Header>,
        directories: &BTreeMap<String, PathBuf>,
    ) -> BTreeMap<String, Source> {
        let named = headers.iter().enumerate().map(|(i, (model, header))| {
            let slug = slug(header);
            let name = match &self.targets[model] {
                Target::Weights { .. } | Target::Endpoint { .. } | Target::Given { .. } => slug,
                // It may be of a model that is asked as well, and is kept apart from that.
                Target::Recording { .. } => format!("replay-{i}-{slug}"),
            };
            let directory = directories[model].clone();
            (model.clone(), Source { name, directory })
        });
        named.collect()
    }

    /// The gates that look at weights instead of answers.
    fn gates(&self, headers: &BTreeMap<String, Header>) -> Result<Gates, PipelineError> {
        let digest = |model: &str| headers[model].identity.source.digest().map(str::to_owned);
        let options = self.selection.request.engine.options;
        let open = |model: &str| match &self.targets[model] {
            Target::Weights { name, path, .. } => load(name, path, options).map(Some),
            Target::Endpoint { .. } | Target::Recording { .. } | Target::Given { .. } => Ok(None),
        };
        gates::gates(&self.selection.panel, &digest, &open)
    }
}
