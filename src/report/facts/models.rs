//! Models in a report: who they are, and how much they answered.

use schemars::JsonSchema;
use serde::Serialize;

use crate::case::Case;
use crate::evidence::Recording;
use crate::identity::Source;
use crate::panel::{Matching, Member};
use crate::response::Response;

/// A model in a report.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ModelFacts {
    /// Its id in this comparison.
    pub id: String,
    /// How the user named it.
    pub name: String,
    /// What it is, in words, when declared.
    pub kind: String,
    /// How it is matched with the protected model.
    pub matching: Matching,
    /// What was seen of it.
    pub source: Source,
    /// SHA-256 that stands for its whole recording.
    pub recording: String,
    /// Mean divergence from the protected model, in nats: a description, not evidence.
    pub divergence: Option<f64>,
    /// How many questions it was asked, and what became of them.
    pub answers: AnswerCounts,
}

/// What became of the questions to one model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AnswerCounts {
    /// Questions put.
    pub asked: usize,
    /// Answered.
    pub answered: usize,
    /// Declined by the model.
    pub refused: usize,
    /// Without an answer for another reason.
    pub unavailable: usize,
}

pub(super) fn model(member: &Member, case: &Case, recording: &Recording) -> ModelFacts {
    let divergence = case.likeness.iter().find(|(id, _)| *id == member.id);
    ModelFacts {
        id: member.id.clone(),
        name: member.model.clone(),
        kind: member.kind.clone(),
        matching: member.matching,
        source: recording.header.identity.source.clone(),
        recording: recording.head.clone(),
        divergence: divergence.map(|(_, e)| e.divergence),
        answers: counts(recording),
    }
}

fn counts(recording: &Recording) -> AnswerCounts {
    let mut counts = AnswerCounts::default();
    for entry in &recording.entries {
        counts.asked += 1;
        match entry.response {
            Response::Refused { .. } => counts.refused += 1,
            Response::Unavailable { .. } => counts.unavailable += 1,
            _ => counts.answered += 1,
        }
    }
    counts
}
