//! What computes: the own decoder, or llama.cpp for what that does not know.

use std::ops::ControlFlow;

use super::decoder::Decoder;
use super::documents::{self, Document};
use super::error::LocalError;
use super::read::{self, Reading, ReadingResult};
use super::write::{self, Running, Together, Writing, Written};
use super::{llamacpp, load};

/// The engine of a model whose weights are loaded.
#[derive(Debug)]
pub(super) enum Engine {
    /// The own decoder.
    Own(Box<Decoder>),
    /// llama.cpp.
    LlamaCpp(Box<llamacpp::Engine>),
}

impl Engine {
    /// The own decoder, if it is that.
    pub(super) fn decoder(&self) -> Option<&Decoder> {
        match self {
            Self::Own(decoder) => Some(decoder),
            Self::LlamaCpp(_) => None,
        }
    }

    /// The most tokens of prompt and answer together.
    pub(super) fn context(&self) -> usize {
        match self {
            Self::Own(decoder) => decoder.spec().context.min(load::MAX_ROPE_POSITIONS),
            Self::LlamaCpp(engine) => engine.context(),
        }
    }

    /// Answers readings; see [`read::read`].
    pub(super) fn read(
        &self,
        readings: &[Reading],
        done: &mut dyn FnMut(usize, ReadingResult) -> ControlFlow<()>,
    ) -> Result<(), LocalError> {
        match self {
            Self::Own(decoder) => read::read(decoder, readings, done),
            Self::LlamaCpp(engine) => engine.read(readings, done),
        }
    }

    /// Writes samples; see [`write::write`].
    pub(super) fn write(
        &self,
        writings: &[Writing],
        ends: &dyn Fn(u32) -> bool,
        done: &mut dyn FnMut(usize, usize, Written) -> ControlFlow<()>,
    ) -> Result<(), LocalError> {
        match self {
            Self::Own(decoder) => write::write(decoder, writings, ends, done),
            Self::LlamaCpp(engine) => engine.write(writings, ends, done),
        }
    }

    /// Hands over the logits of positions; see [`documents::each_position`].
    pub(super) fn each_position(
        &self,
        documents: &[Document<'_>],
        take: &mut dyn FnMut(usize, usize, &[f32]),
    ) -> Result<(), LocalError> {
        match self {
            Self::Own(decoder) => documents::each_position(decoder, documents, take),
            Self::LlamaCpp(engine) => engine.each_position(documents, take),
        }
    }

    /// A wave without samples, for those that join and leave.
    pub(super) fn wave(&self) -> Box<dyn Together + '_> {
        match self {
            Self::Own(decoder) => Box::new(Running::new(decoder)),
            Self::LlamaCpp(engine) => engine.wave(),
        }
    }
}
