//! Which page of a listing is asked for, and the answer's account of it.

use anabranch_app::{Paged, Paging};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::error::ApiError;
use crate::wire::Pagination;

/// How many results a page holds when the client does not say.
const AMOUNT_DEFAULT: usize = 100;
/// How many results a page holds at most.
pub(crate) const AMOUNT_MAX: usize = 1000;

/// The query of a listing that takes nothing else.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// What the names begin with.
    prefix: Option<String>,
    /// The name after which the page begins.
    after: Option<String>,
    /// How many results, up to 1,000; -1: as many as a page holds.
    amount: Option<i64>,
}

impl PageQuery {
    /// Which page is asked for.
    pub(crate) fn paging(self) -> Result<Paging, ApiError> {
        paging(self.prefix, self.after, self.amount)
    }
}

/// How many results are asked for; -1 and 0: as many as a page holds.
pub(crate) fn amount(amount: Option<i64>) -> Result<usize, ApiError> {
    match amount {
        None => Ok(AMOUNT_DEFAULT),
        Some(-1 | 0) => Ok(AMOUNT_MAX),
        Some(amount) => match usize::try_from(amount) {
            Ok(amount) if amount <= AMOUNT_MAX => Ok(amount),
            _ => Err(ApiError::bad_request(format!("amount is {amount}: give -1 to {AMOUNT_MAX}"))),
        },
    }
}

/// Which page is asked for.
pub(crate) fn paging(
    prefix: Option<String>,
    after: Option<String>,
    asked: Option<i64>,
) -> Result<Paging, ApiError> {
    Ok(Paging { prefix: prefix.unwrap_or_default(), after: non_empty(after), amount: amount(asked)? })
}

/// A parameter that clients send empty when they mean none.
pub(crate) fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// A page for the wire: its account, and its results by `convert`.
pub(crate) fn page<T, W>(paged: Paged<T>, convert: impl Fn(T) -> W) -> (Pagination, Vec<W>) {
    let pagination = Pagination {
        has_more: paged.more,
        next_offset: if paged.more { paged.next } else { String::new() },
        results: paged.results.len(),
        max_per_page: AMOUNT_MAX,
    };
    (pagination, paged.results.into_iter().map(convert).collect())
}
