//! Marks: answers that were planted, and the test for them.
//!
//! The owner of the protected model chooses natural prompts that have `k` equally good answers each ([`choice`]). For
//! every channel through which the model is served, a secret key says which of them is given on that channel
//! ([`key`]). Prompts, options and digests of the keys are committed to before anything is served ([`commit`]). Later
//! the suspect is asked every prompt; each answer is put to an option or dropped by a rule that was committed as well
//! ([`classify`], [`answers`]), and only then a key is opened and the hits are counted ([`trial`]).
//!
//! A suspect that did not learn from the channel knows nothing of its key, so each classified answer is the planted
//! one with probability `1 / k`, whatever the suspect, its base, its other teachers and its favourites: hits are
//! binomial, exactly, and no controls are needed. The statistics: [`tail`] (exact p-values and intervals), [`bets`] (a
//! test that may stop at any time), [`decoys`] (a rank among keys that nobody planted), [`need`] (how many prompts an
//! uptake takes), [`green`] (green lists, for those who watermark by tokens).
//!
//! Everything but [`store`], which reads and writes the files, is a pure function.

pub mod answers;
pub mod bets;
pub mod choice;
pub mod classify;
pub mod commit;
pub mod decoys;
mod error;
pub mod green;
pub mod key;
pub mod need;
mod sentence;
pub mod store;
pub mod tail;
mod templates;
pub mod trial;

pub use error::MarksError;
pub use key::Key;
pub use templates::{BUILT_IN, compose_choices};
