//! Tags.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A tag to be made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct TagCreation {
    /// Its name.
    pub id: String,
    /// The ref whose commit it names.
    pub r#ref: String,
    /// Whether a tag of that name is moved.
    pub force: Option<bool>,
}
