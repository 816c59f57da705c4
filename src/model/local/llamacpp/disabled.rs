//! Without the feature `llamacpp`: nothing of it exists, and what would be opened is refused.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use candle_core::quantized::gguf_file::Value;

use crate::model::local::documents::Document;
use crate::model::local::error::LocalError;
use crate::model::local::read::{Reading, ReadingResult};
use crate::model::local::write::{Together, Writing, Written};

/// Whether this build has llama.cpp.
pub(in crate::model::local) const BUILT: bool = false;

/// The headers of a model's files.
#[derive(Debug)]
pub(in crate::model::local) enum Gguf {}

impl Gguf {
    pub(in crate::model::local) fn open(_: &Path) -> Result<Self, LocalError> {
        Err(LocalError::NotBuilt)
    }

    pub(in crate::model::local) fn files(&self) -> Vec<PathBuf> {
        match *self {}
    }

    pub(in crate::model::local) fn metadata(&self) -> &HashMap<String, Value> {
        match *self {}
    }

    pub(in crate::model::local) fn formats(&self) -> BTreeMap<String, usize> {
        match *self {}
    }

    pub(in crate::model::local) fn parameters(&self) -> u64 {
        match *self {}
    }

    pub(in crate::model::local) fn architecture(&self) -> Result<&str, LocalError> {
        match *self {}
    }

    pub(in crate::model::local) fn rows(&self) -> Result<usize, LocalError> {
        match *self {}
    }
}

/// A model that llama.cpp has loaded.
#[derive(Debug)]
pub(in crate::model::local) enum Engine {}

impl Engine {
    pub(in crate::model::local) fn load(gguf: &Gguf, _: u32, _: bool) -> Result<Self, LocalError> {
        match *gguf {}
    }

    pub(in crate::model::local) fn context(&self) -> usize {
        match *self {}
    }

    pub(in crate::model::local) fn arithmetic(&self) -> String {
        match *self {}
    }

    pub(in crate::model::local) fn read(
        &self,
        _: &[Reading],
        _: &mut dyn FnMut(usize, ReadingResult) -> ControlFlow<()>,
    ) -> Result<(), LocalError> {
        match *self {}
    }

    pub(in crate::model::local) fn write(
        &self,
        _: &[Writing],
        _: &dyn Fn(u32) -> bool,
        _: &mut dyn FnMut(usize, usize, Written) -> ControlFlow<()>,
    ) -> Result<(), LocalError> {
        match *self {}
    }

    pub(in crate::model::local) fn each_position(
        &self,
        _: &[Document<'_>],
        _: &mut dyn FnMut(usize, usize, &[f32]),
    ) -> Result<(), LocalError> {
        match *self {}
    }

    pub(in crate::model::local) fn wave(&self) -> Box<dyn Together + '_> {
        match *self {}
    }
}

/// The vocabulary of a file, read by llama.cpp.
pub(in crate::model::local) enum Vocabulary {}

impl Vocabulary {
    pub(in crate::model::local) fn open(_: &Path, _: bool) -> Result<Self, LocalError> {
        Err(LocalError::NotBuilt)
    }

    pub(in crate::model::local) fn encode(&self, _: &str, _: bool) -> Vec<u32> {
        match *self {}
    }

    pub(in crate::model::local) fn adds_bos(&self) -> bool {
        match *self {}
    }

    pub(in crate::model::local) fn tokens(&self) -> Vec<(Vec<u8>, bool)> {
        match *self {}
    }
}

/// Does the trial of a file if that is what the process was started for. Never, without llama.cpp.
pub fn trial_asked() -> Option<ExitCode> {
    None
}
