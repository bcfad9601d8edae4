//! Branch protection.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A rule that protects branches.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct BranchProtectionRule {
    /// A pattern over names of branches: `*` stands for any characters, `?` for one.
    pub pattern: String,
}
