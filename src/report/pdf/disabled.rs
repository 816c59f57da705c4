//! What a build without the feature `pdf` answers.

use super::NOT_MADE;
use crate::report::facts::Report;
use crate::report::render::{RenderError, RenderFault};

/// Refuses, for lack of a typesetter.
///
/// # Errors
///
/// Always.
pub fn document(_: &Report) -> Result<Vec<u8>, RenderError> {
    Err(RenderError {
        form: "PDF",
        source: RenderFault::Typeset {
            message: NOT_MADE.to_owned(),
        },
    })
}
