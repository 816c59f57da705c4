//! On whose behalf a comparison is made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What whoever makes a comparison says of it. Nothing of it is checked, and nothing is computed from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Matter {
    /// The number or name of the case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_number: Option<String>,
    /// Who asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Who ran the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// What they were instructed to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
}

impl Matter {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
