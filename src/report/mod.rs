//! The report: facts assembled once, rendered by [`terminal`], [`html`], [`markdown`], [`pdf`] and as JSON.
//! Nothing is computed past this point.

pub mod caveat;
pub mod facts;
pub mod html;
pub mod markdown;
pub mod pdf;
pub mod plot;
mod render;
pub mod screening;
pub mod table;
pub mod terminal;
mod text;
pub mod validation;

pub use facts::{Report, Sources};
pub use render::{RenderError, RenderFault};

#[cfg(test)]
mod tests;
