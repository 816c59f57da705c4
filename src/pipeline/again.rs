//! Some answers of a bundle, asked again of a model at hand.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::Serialize;

use super::endpoints::Endpoints;
use super::error::PipelineError;
use super::given::Given;
use super::request::{EndpointSettings, Engine};
use super::target::{Resolver, Target, load};
use super::watch::{Event, Stage, Watch};
use crate::again::{self, Again, Drawing, Heard};
use crate::battery::Pose;
use crate::bundle::CheckedBundle;
use crate::collect::CollectError;
use crate::digest;
use crate::evidence::Entry;
use crate::identity::{Served, Source};
use crate::model::local::Options;
use crate::model::{Model, Seed};
use crate::panel::Member;
use crate::question::Question;
use crate::response::Response;

/// A model at hand, held against the answers of one in a bundle.
#[derive(Debug, Clone)]
pub struct AgainRequest {
    /// The model that is asked: weights, an endpoint, or one that is handed over.
    pub model: String,
    /// Whose answers it is held against, by id or by model name; `None` stands for the suspect.
    pub of: Option<String>,
    /// How many answers are drawn.
    pub count: u16,
    /// By which they are drawn.
    pub seed: Seed,
    /// Models that the caller hands over.
    pub given: Given,
    /// How weights are run.
    pub engine: Engine,
    /// How endpoints are asked.
    pub endpoints: EndpointSettings,
}

/// What was asked again, and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct AskedAgain {
    /// Who was asked.
    pub asked: String,
    /// Whose answers they were held against, by its id in the bundle.
    pub of: String,
    /// By which the answers were drawn.
    pub seed: u64,
    /// How often they could have come from it.
    #[serde(flatten)]
    pub again: Again,
}

/// Draws some answers of a bundle, asks a model at hand their questions again, and says how often the answers could have
/// come from it.
///
/// # Errors
///
/// When the model cannot be opened or asked, is a recording, or the bundle has no such member.
pub fn ask_again(
    bundle: &CheckedBundle,
    request: &AgainRequest,
    watch: &dyn Watch,
) -> Result<AskedAgain, PipelineError> {
    let member = member(bundle, request.of.as_ref())?;
    let source = &bundle.recordings[&member.model].header.identity.source;
    let mut drawing = Drawing::new(request.count.into(), request.seed);
    bundle.each_answer(&member.model, &mut |entry| drawing.offer(entry))?;
    let endpoints = Endpoints::new(&request.endpoints, None)?;
    let mut resolver = Resolver::new(request.engine, endpoints, &request.given, watch);
    let target = resolver.resolve_alone(&request.model)?;
    let weights;
    let model: &dyn Model = match &target {
        Target::Weights { name, path, .. } => {
            let options = Options {
                served: served(source),
                ..request.engine.options
            };
            weights = load(name, path, options)?;
            &weights
        }
        Target::Endpoint { reached, .. } => &*reached.model,
        Target::Given { model, .. } => &**model,
        Target::Recording { name, .. } => {
            return Err(PipelineError::AskedRecording {
                model: name.clone(),
            });
        }
    };
    let heard = hear(model, drawing.picked(), request.seed, watch)?;
    Ok(AskedAgain {
        asked: request.model.clone(),
        of: member.id.clone(),
        seed: request.seed.0,
        again: again::compare(&heard),
    })
}

/// The model of a bundle whose answers are held against the one at hand.
fn member<'a>(bundle: &'a CheckedBundle, of: Option<&String>) -> Result<&'a Member, PipelineError> {
    let panel = &bundle.plan.panel;
    let Some(wanted) = of else {
        return Ok(&panel.suspect);
    };
    let mut members = panel.members().into_iter();
    let found = members.find(|m| m.id == *wanted || m.model == *wanted);
    found.ok_or_else(|| PipelineError::NoSuchMember {
        model: wanted.clone(),
        members: panel.members().iter().map(|m| m.id.clone()).collect(),
    })
}

/// What was set beside the questions when the recording was made.
fn served(source: &Source) -> Served {
    match source {
        Source::Weights { served, .. } => *served,
        _ => Served::default(),
    }
}

/// Asks a model about answers that were picked: first the questions, then how probable it finds the texts.
fn hear(
    model: &dyn Model,
    picked: Vec<Entry>,
    seed: Seed,
    watch: &dyn Watch,
) -> Result<Vec<Heard>, PipelineError> {
    // Drawn by the seed of the recording itself, the texts would come out as they stand there.
    let seed = digest::seed(&("asked again", seed));
    let seed = Seed(u64::from_le_bytes(
        seed.first_chunk().copied().unwrap_or_default(),
    ));
    let mut heard: Vec<Heard> = picked
        .into_iter()
        .map(|held| Heard {
            held,
            now: Vec::new(),
            read: None,
        })
        .collect();
    let first = heard.iter().map(|h| again::questions(&h.held)).collect();
    let first = answers(model, first, seed, (Stage::Asking, watch))?;
    for (heard, now) in heard.iter_mut().zip(first) {
        heard.now = now;
    }
    let can = model.abilities();
    let reads = |question: &Question| match question.prompt.pose {
        Pose::Chat => can.score_chat,
        Pose::Raw => can.score,
    };
    let second = heard.iter().map(|h| {
        let question = again::reading(&h.held, &h.now);
        question.filter(|q| reads(q)).into_iter().collect()
    });
    let second = answers(model, second.collect(), seed, (Stage::Reading, watch))?;
    for (heard, now) in heard.iter_mut().zip(second) {
        heard.read = now.into_iter().next();
    }
    Ok(heard)
}

/// The answers to groups of questions, in their order.
fn answers(
    model: &dyn Model,
    groups: Vec<Vec<Question>>,
    seed: Seed,
    (stage, watch): (Stage, &dyn Watch),
) -> Result<Vec<Vec<Response>>, PipelineError> {
    let sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
    let questions: Vec<Question> = groups.into_iter().flatten().collect();
    watch.see(Event::Begun {
        stage,
        steps: questions.len(),
    });
    let mut given = BTreeMap::new();
    let asked = model.answer(&questions, seed, &mut |index, answer| {
        given.insert(index, answer.response);
        watch.see(Event::Advanced(1));
        if watch.is_stopped() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    watch.see(Event::Ended);
    let name = &model.identity().name;
    let failed = |source| PipelineError::Collect {
        model: name.clone(),
        source,
    };
    asked.map_err(|e| failed(e.into()))?;
    if given.len() < questions.len() {
        return Err(failed(CollectError::Interrupted));
    }
    let mut given = given.into_values();
    let groups = sizes
        .into_iter()
        .map(|size| given.by_ref().take(size).collect());
    Ok(groups.collect())
}
