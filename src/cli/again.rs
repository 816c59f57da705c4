//! `parentage verify --ask`: some answers of a bundle, asked again of a model at hand.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::args::{Ask, Verify};
use super::endpoints::Endpoints;
use super::error::CliError;
use super::open::{self, Target};
use super::progress::Progress;
use crate::again::{self, Again, Agreement, Drawing, Heard, NEAR};
use crate::battery::Pose;
use crate::bundle::CheckedBundle;
use crate::digest;
use crate::evidence::Entry;
use crate::identity::{Served, Source};
use crate::model::local::Options;
use crate::model::{Model, Seed};
use crate::panel::Member;
use crate::question::Question;
use crate::response::Response;

/// What was asked again, and what came of it.
#[derive(Debug, serde::Serialize)]
pub(super) struct Told {
    /// Who was asked.
    asked: String,
    /// Whose answers they were held against, as the bundle names it.
    of: String,
    /// By which the answers were drawn.
    seed: u64,
    #[serde(flatten)]
    again: Again,
}

/// Asks again, where that was demanded.
pub(super) fn ask(
    bundle: &CheckedBundle,
    args: &Verify,
    quiet: bool,
) -> Result<Option<Told>, CliError> {
    let Some(name) = &args.ask.model else {
        return Ok(None);
    };
    let member = member(bundle, &args.ask)?;
    let source = &bundle.recordings[&member.model].header.identity.source;
    let mut drawing = Drawing::new(args.ask.count.into(), Seed(args.ask.seed));
    bundle.each_answer(&member.model, &mut |entry| drawing.offer(entry))?;
    let picked = drawing.picked();
    let notes = Progress::new("asking again", 0, quiet);
    let endpoints = Endpoints::new(&args.ask.hosted, None)?;
    let target = Target::resolve(name, &args.ask.engine, &endpoints, &mut |text| {
        notes.note(text);
    })?;
    notes.finish();
    let weights;
    let model: &dyn Model = match &target {
        Target::Weights { name, path, .. } => {
            let options = Options {
                served: served(source),
                ..args.ask.engine.options()
            };
            weights = open::load(name, path, options)?;
            &weights
        }
        Target::Endpoint { reached, .. } => &*reached.model,
        Target::Recording { name, .. } => {
            return Err(CliError::AskedRecording {
                model: name.clone(),
            });
        }
    };
    let heard = hear(model, picked, Seed(args.ask.seed), quiet)?;
    Ok(Some(Told {
        asked: name.clone(),
        of: member.id.clone(),
        seed: args.ask.seed,
        again: again::compare(&heard),
    }))
}

/// The model of a bundle whose answers are held against the one at hand.
fn member<'a>(bundle: &'a CheckedBundle, ask: &Ask) -> Result<&'a Member, CliError> {
    let panel = &bundle.plan.panel;
    let Some(wanted) = &ask.of else {
        return Ok(&panel.suspect);
    };
    let mut members = panel.members().into_iter();
    let found = members.find(|m| m.id == *wanted || m.model == *wanted);
    found.ok_or_else(|| CliError::NoSuchMember {
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
    quiet: bool,
) -> Result<Vec<Heard>, CliError> {
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
    for (heard, now) in heard.iter_mut().zip(answers(model, first, seed, quiet)?) {
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
    let second = second.collect();
    for (heard, now) in heard.iter_mut().zip(answers(model, second, seed, quiet)?) {
        heard.read = now.into_iter().next();
    }
    Ok(heard)
}

/// The answers to groups of questions, in their order.
fn answers(
    model: &dyn Model,
    groups: Vec<Vec<Question>>,
    seed: Seed,
    quiet: bool,
) -> Result<Vec<Vec<Response>>, CliError> {
    let sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
    let questions: Vec<Question> = groups.into_iter().flatten().collect();
    let progress = Progress::new("asking again", questions.len(), quiet);
    let mut given = BTreeMap::new();
    let asked = model.answer(&questions, seed, &mut |index, answer| {
        given.insert(index, answer.response);
        progress.answered();
        ControlFlow::Continue(())
    });
    progress.finish();
    asked.map_err(|source| CliError::Collect {
        model: model.identity().name.clone(),
        source: source.into(),
    })?;
    let mut given = given.into_values();
    let groups = sizes
        .into_iter()
        .map(|size| given.by_ref().take(size).collect());
    Ok(groups.collect())
}

impl Told {
    /// Whether the answers contradict the model at hand: the error that says so.
    pub(super) fn contradiction(&self) -> Result<(), CliError> {
        if self.again.agreement != Agreement::Disagrees {
            return Ok(());
        }
        Err(CliError::OtherAnswers {
            of: self.of.clone(),
            asked: self.asked.clone(),
            found: self.figures(),
        })
    }

    /// Whether anything was shown.
    pub(super) fn is_enough(&self) -> bool {
        self.again.agreement != Agreement::Unknown
    }

    /// A line of the check.
    pub(super) fn words(&self) -> String {
        let mark = if self.is_enough() { "ok" } else { "--" };
        let limits = if self.is_enough() {
            "so they could have come from it; that shows neither who wrote them nor what was served then"
        } else {
            "too few to show anything"
        };
        format!(
            "{mark}  asked again     {}: {limits} (drawn by seed {})\n",
            self.figures(),
            self.seed
        )
    }

    /// What was compared, and how often it could have come from the model at hand.
    fn figures(&self) -> String {
        let again = &self.again;
        let mut parts = vec![format!(
            "{} answers of '{}', asked again of '{}'",
            again.drawn, self.of, self.asked
        )];
        if let Some(found) = &again.probabilities {
            let share = found.share;
            parts.push(format!(
                "{} of {} with probabilities lie within {NEAR} (95 % interval {:.0} to {:.0} %, median distance {:.4})",
                share.could,
                share.of,
                100.0 * share.low,
                100.0 * share.high,
                found.median
            ));
        }
        if let Some(found) = &again.texts {
            let share = found.share;
            parts.push(format!(
                "{} of {} texts are no less like it than its own ({:.0} to {:.0} %, at least {:.0} % expected, p = {:.2e}; {} by their probability, the others by their words)",
                share.could,
                share.of,
                100.0 * share.low,
                100.0 * share.high,
                100.0 * found.expected,
                found.p,
                found.by_probability
            ));
        }
        if again.without > 0 {
            parts.push(format!("{} without an answer to compare", again.without));
        }
        parts.join("; ")
    }
}
