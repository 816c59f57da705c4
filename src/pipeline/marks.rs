//! The test of planted marks: the suspect is asked, its answers are put to options, and keys are opened.

use std::fs;
use std::path::{Path, PathBuf};

use super::endpoints::Endpoints;
use super::error::PipelineError;
use super::given::Given;
use super::request::{Asking, EndpointSettings, Engine};
use super::round::Round;
use super::target::{Resolver, Target};
use super::watch::{Stage, Watch};
use crate::battery::Tier;
use crate::bundle::{Demand, FileSeal, MARKS_NAMESPACE, check_file_seal, seal_files};
use crate::evidence;
use crate::marks::MarksError;
use crate::marks::answers::{probe, scoring};
use crate::marks::choice::Choice;
use crate::marks::commit::{Commitment, Marks};
use crate::marks::store::{
    BATTERY, COMMITMENT_FILE, Outcome, RECORDING, RESULT_FILE, StoreError, begin_case,
    classify_case, conclude_case, look, read_marks,
};
use crate::marks::trial::Said;
use crate::model::Seed;
use crate::question::{Access, Question, REPEATS, ask};

/// Prompts asked between two looks at the bets.
const BETWEEN_LOOKS: usize = 50;

/// A suspect that is asked about planted marks.
#[derive(Debug, Clone)]
pub struct MarksRequest {
    /// The directory that the marks were written into.
    pub marks: PathBuf,
    /// The channels whose keys are opened; the control's is opened each time.
    pub channels: Vec<String>,
    /// The model under question.
    pub suspect: String,
    /// Models that the caller hands over.
    pub given: Given,
    /// How often each prompt is asked; the first answer that names an option counts.
    pub samples: u16,
    /// The most access that is used; `None` if it is whatever the suspect gives.
    pub access: Option<Access>,
    /// The seed of everything random.
    pub seed: Seed,
    /// Whether prompts are put as plain text even to a model with a chat form.
    pub raw: bool,
    /// Whether asking stops as soon as the bets have reached the level.
    pub stop: bool,
    /// How weights are run.
    pub engine: Engine,
    /// How endpoints are asked.
    pub endpoints: EndpointSettings,
    /// The directory of the case.
    pub out: PathBuf,
}

/// What a test of marks found.
#[derive(Debug)]
pub struct MarksTested {
    /// The counts and what they say.
    pub outcome: Outcome,
    /// The seal of the commitment.
    pub sealed: FileSeal,
}

/// Asks a suspect every marked prompt, puts its answers to options, and counts the hits of some keys.
///
/// # Errors
///
/// When the marks are not what was committed to, the suspect cannot be asked, or the directory holds a result already.
pub fn test_marks(request: &MarksRequest, watch: &dyn Watch) -> Result<MarksTested, PipelineError> {
    let (commitment, marks) = read_marks(&request.marks)?;
    // A name that is wrong is told before anything is asked.
    marks.open(&request.channels).map_err(StoreError::from)?;
    let demand = Demand {
        namespace: MARKS_NAMESPACE.to_owned(),
        ..Demand::default()
    };
    let sealed = check_file_seal(&request.marks, COMMITMENT_FILE, &demand)?;
    let path = request.out.join(RESULT_FILE);
    if path.exists() {
        return Err(StoreError::from(MarksError::Exists { path }).into());
    }
    begin_case(&request.marks, &request.out, &seal_files(COMMITMENT_FILE))?;
    answers(request, watch, &commitment, &marks)?;
    // Written down before a key is opened.
    classify_case(&request.out, &marks.choices)?;
    let outcome = conclude_case(&request.out, &commitment, &marks, &request.channels)?;
    Ok(MarksTested { outcome, sealed })
}

/// Sees to it that the case has a recording of the suspect's answers.
fn answers(
    request: &MarksRequest,
    watch: &dyn Watch,
    commitment: &Commitment,
    marks: &Marks,
) -> Result<(), PipelineError> {
    let place = request.out.join(RECORDING);
    let endpoints = Endpoints::new(&request.endpoints, Some(request.marks.join("access")))?;
    let mut resolver = Resolver::new(request.engine, endpoints, &request.given, watch);
    let target = resolver.resolve_alone(&request.suspect)?;
    if let Target::Recording { directory, .. } = &target {
        return copy(directory, &place);
    }
    let asking = Asking {
        batteries: vec![request.marks.join(BATTERY).to_string_lossy().into_owned()],
        tier: Some(Tier::Full),
        samples: request.samples,
        access: request.access,
        repeats: REPEATS,
        seed: request.seed,
        raw: request.raw,
    };
    let targets = std::slice::from_ref(&target);
    let (round, _) = Round::new(&asking, request.engine, watch, targets)?;
    let between = if request.stop {
        BETWEEN_LOOKS
    } else {
        commitment.choices
    };
    let mut asked: Vec<Question> = Vec::new();
    for part in marks.choices.all().chunks(between) {
        asked.extend(
            part.iter()
                .flat_map(|choice| questions(choice, &round, &target)),
        );
        round.ask(Stage::Asking, &[(&target, asked.clone())], &|_| {
            place.clone()
        })?;
        if request.stop
            && look(&request.out, commitment, marks, &request.channels)?.said == Said::Found
        {
            break;
        }
    }
    Ok(())
}

fn questions(choice: &Choice, round: &Round<'_>, target: &Target) -> Vec<Question> {
    let mut questions = ask(&probe(choice), round.posing);
    if round.reads(target.name()) {
        questions.push(scoring(choice, round.posing));
    }
    questions
}

/// Copies a recording, which is checked when it is read.
fn copy(from: &Path, to: &Path) -> Result<(), PipelineError> {
    evidence::header(from)?;
    let failed = |source| PipelineError::writing(to)(source);
    fs::create_dir_all(to).map_err(failed)?;
    for file in [evidence::HEADER_FILE, evidence::ANSWERS_FILE] {
        fs::copy(from.join(file), to.join(file)).map_err(failed)?;
    }
    Ok(())
}
