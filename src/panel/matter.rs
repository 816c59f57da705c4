//! On whose behalf a comparison is made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What whoever makes a comparison says of it. Nothing of it is checked, and nothing is computed from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Matter {
    /// The number or name of the case.
    pub case_number: Option<String>,
    /// Who asked for it.
    pub client: Option<String>,
    /// Who ran the tool.
    pub operator: Option<String>,
    /// What they were instructed to do.
    pub instructions: Option<String>,
}

impl Matter {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
