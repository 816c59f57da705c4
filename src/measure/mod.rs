//! Ways to compare two models.

pub mod lineage;
