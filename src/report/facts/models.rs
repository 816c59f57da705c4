//! Models in a report: who they are, and how much they answered.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::dates::DatesFacts;
use crate::case::Case;
use crate::evidence::Recording;
use crate::fingerprint::AnswerCounts;
use crate::identity::Source;
use crate::panel::{Matching, Member, own_name};

/// A model in a report.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ModelFacts {
    /// Its id in this comparison.
    pub id: String,
    /// What it is called: an endpoint or a model of the hub as the user named it, of what lies on disk no more than the
    /// last part of its place.
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

/// The name of a model for a report, which leaves the house: where files lie is nobody's business.
fn called(member: &Member, source: &Source) -> String {
    let on_disk = !matches!(source, Source::Endpoint { .. }) && !member.model.starts_with("hf:");
    if on_disk {
        own_name(&member.model, &BTreeSet::new())
    } else {
        member.model.clone()
    }
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
        name: called(member, &recording.header.identity.source),
        kind: member.kind.clone(),
        matching: member.matching,
        source: recording.header.identity.source.clone(),
        recording: recording.head.clone(),
        divergence: divergence.map(|(_, e)| e.divergence),
        answers,
        dates: DatesFacts::new(recording.dates),
    }
}
