//! What a caller is told while the work goes on.

use crate::evidence::Moment;

/// Somebody who follows the work and may end it. Called from many threads.
pub trait Watch: Sync {
    /// Takes note of an event.
    fn see(&self, event: Event<'_>);

    /// Whether the work is to end. What was answered so far is kept.
    fn is_stopped(&self) -> bool {
        false
    }

    /// What tells the time at which an answer came; where it gives `None`, answers are undated.
    fn clock(&self) -> fn() -> Option<Moment> {
        Moment::now
    }
}

/// What happens while the work goes on. Stages follow one another: each begins, advances and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A stage begins.
    Begun {
        /// Which.
        stage: Stage,
        /// How many steps it has; 0 if that is not known.
        steps: usize,
    },
    /// So many steps of the stage were done.
    Advanced(usize),
    /// Something that a person may want to know.
    Note(&'a str),
    /// A file of a model is being fetched.
    Fetched {
        /// The file.
        file: &'a str,
        /// Bytes that are there, with those kept from an earlier run.
        done: u64,
        /// Bytes that the file has.
        bytes: u64,
    },
    /// The stage is over.
    Ended,
}

/// A part of the work that may take long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Finding out what names of models mean, which may fetch files. Steps are not counted.
    Fetching,
    /// Checking what an endpoint gives. Steps are not counted.
    Checking,
    /// The first pass: every step is an answer.
    Asking,
    /// The second pass, in which models read what others wrote: every step is an answer.
    Reading,
    /// Weighing cases of known descent: every step is a case.
    Scoring,
    /// Reading files of others. Steps are not counted.
    Importing,
    /// Reading recordings: every step is a recording.
    Loading,
}

/// Nobody follows the work, and nobody ends it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn see(&self, _event: Event<'_>) {}
}
