//! Parentage.

pub mod model;
