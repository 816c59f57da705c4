//! Models that can be asked.

pub mod local;
