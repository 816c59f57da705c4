//! Models in a report: who they are, and how much they answered.

use schemars::JsonSchema;
use serde::Serialize;

use super::dates::DatesFacts;
use crate::case::Case;
use crate::evidence::Recording;
use crate::fingerprint::AnswerCounts;
use crate::identity::Source;
use crate::panel::{Matching, Member};

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
    /// When its answers were written down.
    pub dates: DatesFacts,
}

pub(super) fn model(
    member: &Member,
    case: &Case,
    recording: &Recording,
    answers: AnswerCounts,
) -> ModelFacts {
    let divergence = case.likeness.iter().find(|(id, _)| *id == member.id);
    ModelFacts {
        id: member.id.clone(),
        name: member.model.clone(),
        kind: member.kind.clone(),
        matching: member.matching,
        source: recording.header.identity.source.clone(),
        recording: recording.head.clone(),
        divergence: divergence.map(|(_, e)| e.divergence),
        answers,
        dates: DatesFacts::of(&recording.entries),
    }
}
