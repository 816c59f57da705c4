//! Models whose weights are at hand.

pub mod template;
pub mod tokenizer;
