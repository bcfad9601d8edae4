//! Pages: their bounds and their shape.

use crate::Paged;

/// No page holds more.
pub(crate) const PAGE_MAX: usize = 1_000;

/// How many results a page holds when `amount` are asked for.
pub(crate) fn page_amount(amount: usize) -> usize {
    amount.clamp(1, PAGE_MAX)
}

/// A page after which `last` leads on.
pub(crate) fn paged<T>(results: Vec<T>, more: bool, last: String) -> Paged<T> {
    Paged { results, more, next: if more { last } else { String::new() } }
}
