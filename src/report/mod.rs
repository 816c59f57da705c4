//! The report: facts assembled once, rendered by [`terminal`] and as JSON. Nothing is computed past
//! this point.

pub mod caveat;
pub mod facts;
pub mod terminal;

pub use facts::Report;
