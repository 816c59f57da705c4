//! The report as a PDF, typeset from the same facts by [typst](https://typst.app) as a library: A4, numbered
//! pages, tagged, plots as vectors.
//!
//! | part | its concern |
//! | --- | --- |
//! | `enabled` / `disabled` | the work itself, with the cargo feature `pdf` / a refusal without it |
//!
//! No bundle holds it, since a build without the feature could not check it. It is made from one, and the
//! same bundle gives the same bytes.

#[cfg(not(feature = "pdf"))]
mod disabled;
#[cfg(feature = "pdf")]
mod enabled;

#[cfg(not(feature = "pdf"))]
pub use disabled::document;
#[cfg(feature = "pdf")]
pub use enabled::document;

#[cfg(all(test, feature = "pdf"))]
pub(super) use enabled::pages;

/// Whether this build makes it.
pub const MADE: bool = cfg!(feature = "pdf");

/// What is said where it does not.
pub const NOT_MADE: &str = "this build makes no PDF; build the tool with the cargo feature 'pdf'";
