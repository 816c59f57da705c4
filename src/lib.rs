//! parentage

pub mod measure;
pub mod tree;
pub mod weigh;
