//! Models run on this machine.

pub mod hub;
