//! parentage
