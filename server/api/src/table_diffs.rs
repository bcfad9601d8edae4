//! Which tables differ between two refs.

use anabranch_app::App;
use axum::extract::State;
use axum::response::Response;
use utoipa::IntoParams;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{PathOf, QueryOf};
use crate::lines::lines;
use crate::page::{page, paging};
use crate::refs::{diff_kind, parsed};
use crate::report::WantedList;
use crate::wire::{Error, TableDiff, TableDiffList};

/// The query of a diff of tables. It is read by hand, because the address of the next page repeats it.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DiffTablesQuery {
    /// As for the diff of paths.
    r#type: Option<String>,
    /// What the roots begin with.
    prefix: Option<String>,
    /// The root after which the page begins.
    after: Option<String>,
    /// How many tables, up to 1,000; -1: as many as a page holds.
    amount: Option<i64>,
}

impl DiffTablesQuery {
    fn read(pairs: &[(String, String)]) -> Result<Self, ApiError> {
        let mut query = DiffTablesQuery::default();
        for (name, value) in pairs {
            match name.as_str() {
                "type" => query.r#type = Some(value.clone()),
                "prefix" => query.prefix = Some(value.clone()),
                "after" => query.after = Some(value.clone()),
                "amount" => {
                    query.amount = Some(parsed(name, value, |text| text.parse().ok(), "a whole number")?)
                }
                _ => {}
            }
        }
        Ok(query)
    }
}

/// Which tables differ between two refs, and how, in order of root. Uncommitted changes do not count. Of our own.
#[utoipa::path(
    get, path = "/repositories/{repository}/refs/{leftRef}/diff/{rightRef}/tables", operation_id = "diffTables",
    tag = "refs",
    params(
        ("repository" = String, Path), ("leftRef" = String, Path), ("rightRef" = String, Path), DiffTablesQuery,
        ("Accept" = Option<String>, Header, description =
            "`application/json`, `application/x-ndjson` (one table a line), `text/markdown` or `text/html`.")
    ),
    responses(
        (status = 200, content(
            (TableDiffList = "application/json"), (String = "application/x-ndjson"), (String = "text/markdown"),
            (String = "text/html")
        )),
        (status = 406, body = Error), (status = "4XX", body = Error)
    )
)]
pub(crate) async fn diff_tables(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, left, right)): PathOf<(String, String, String)>,
    wanted: WantedList,
    QueryOf(pairs): QueryOf<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let query = DiffTablesQuery::read(&pairs)?;
    let kind = diff_kind(query.r#type.as_deref())?;
    let paging = paging(query.prefix, query.after, query.amount)?;
    let tables = app.diff_tables(&who, &repository, [&left, &right], kind, &paging).await?;
    let (pagination, results) = page(tables, TableDiff::from);
    let list = TableDiffList::new(left, right, pagination, results);
    match wanted {
        WantedList::Report(form) => Ok(form.answer(list)),
        WantedList::Lines => lines(&list.results, &list.pagination, &pairs),
    }
}
