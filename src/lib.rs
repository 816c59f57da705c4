//! parentage

pub mod model;
