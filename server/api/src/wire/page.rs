//! Pages of listings.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which page of a listing this is, and whether another follows.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Pagination {
    /// Whether another page follows.
    pub has_more: bool,
    /// What to give as `after` for the next page; empty at the end.
    pub next_offset: String,
    /// How many results this page holds.
    pub results: usize,
    /// How many results a page holds at most.
    pub max_per_page: usize,
}
