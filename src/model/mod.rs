//! Models: what answers a probe.

pub mod local;
