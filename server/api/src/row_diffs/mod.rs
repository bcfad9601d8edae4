//! What differs in one table between two refs, row by row.

mod arrow;

use anabranch_app::App;
use anabranch_auth::Principal;
use anabranch_merge::{RowDiffRequest, Sample};
use axum::extract::State;
use axum::response::Response;
use utoipa::IntoParams;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{PathOf, QueryOf};
use crate::lines::lines;
use crate::page::{AMOUNT_MAX, amount, non_empty};
use crate::refs::{diff_kind, parsed};
use crate::report::WantedRows;
use crate::wire::{Error, TableRowDiff};

/// The query of a diff of rows. It is read by hand, because `columns` may come several times.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DiffRowsQuery {
    /// As for the diff of paths.
    r#type: Option<String>,
    /// The `next_offset` of the page before.
    after: Option<String>,
    /// How many rows, or changes in a plugin's words, up to 1,000; -1: as many as a page holds. Of a stream any number; all
    /// without it.
    amount: Option<i64>,
    /// Another name of `amount`.
    limit: Option<i64>,
    /// Only these columns, beside the keys, are compared and shown. May be given several times.
    columns: Option<Vec<String>>,
    /// Only changes whose row before or row after fulfils this condition of SQL, such as `price > 10 AND day >=
    /// '2026-01-01'`. Its columns are compared and shown like those of `columns`.
    r#where: Option<String>,
    /// Only about this part of all keys (or, without keys, of all rows) is compared, above 0 and at most 1: the same ones
    /// each time. The totals are those of the sample.
    sample: Option<f64>,
}

impl DiffRowsQuery {
    /// Reads a query, but for `path`.
    fn read(pairs: &[(String, String)]) -> Result<Self, ApiError> {
        let mut query = DiffRowsQuery::default();
        let number =
            |name: &str, value: &str| parsed(name, value, |text| text.parse().ok(), "a whole number");
        for (name, value) in pairs {
            match name.as_str() {
                "type" => query.r#type = non_empty(Some(value.clone())),
                "after" => query.after = non_empty(Some(value.clone())),
                "amount" => query.amount = Some(number(name, value)?),
                "limit" => query.limit = Some(number(name, value)?),
                "columns" => query.columns.get_or_insert_default().push(value.clone()),
                "where" => query.r#where = non_empty(Some(value.clone())),
                "sample" => {
                    query.sample =
                        Some(parsed(name, value, |text| text.parse().ok(), "a number, such as 0.01")?)
                }
                _ => {}
            }
        }
        Ok(query)
    }

    fn request(&self, limit: usize) -> Result<RowDiffRequest, ApiError> {
        let sample = self.sample.map(|fraction| {
            let refused = || ApiError::bad_request("sample: give a number from 0.000001 to 1, such as 0.01");
            Sample::new(fraction).ok_or_else(refused)
        });
        Ok(RowDiffRequest {
            limit,
            after: self.after.clone(),
            columns: self.columns.clone().unwrap_or_default(),
            condition: self.r#where.clone(),
            sample: sample.transpose()?,
        })
    }

    fn amount(&self) -> Option<i64> {
        self.amount.or(self.limit)
    }
}

/// The root of a table, in a query.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the document of the interface is made of it; the query is read by hand")]
pub(crate) struct TableQuery {
    /// The root of the table.
    path: String,
}

/// What differs in one table between two refs, row by row, in the order of its keys. Only the data files that differ
/// are read. The same as `…/diff/{rightRef}/tables/{path}`, for clients that do not escape a `/` in a path. Of our own.
#[utoipa::path(
    get, path = "/repositories/{repository}/refs/{leftRef}/diff/{rightRef}/table", operation_id = "diffTableRows",
    tag = "refs",
    params(
        ("repository" = String, Path), ("leftRef" = String, Path), ("rightRef" = String, Path), TableQuery,
        DiffRowsQuery,
        ("Accept" = Option<String>, Header, description =
            "`application/json`, `application/x-ndjson` (one row or change a line), `application/vnd.apache.arrow.stream` (all rows, \
             typed), `text/markdown` or `text/html`.")
    ),
    responses(
        (status = 200, content(
            (TableRowDiff = "application/json"), (String = "application/x-ndjson"),
            (Vec<u8> = "application/vnd.apache.arrow.stream"), (String = "text/markdown"), (String = "text/html")
        )),
        (status = 404, description = "Also where neither ref has a table at the path.", body = Error),
        (status = 406, body = Error), (status = "4XX", body = Error)
    )
)]
pub(crate) async fn diff_rows(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, left, right)): PathOf<(String, String, String)>,
    wanted: WantedRows,
    QueryOf(pairs): QueryOf<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let root = pairs.iter().rev().find(|(name, value)| name == "path" && !value.is_empty());
    let Some((_, root)) = root.cloned() else {
        return Err(ApiError::bad_request("path: give the root of a table"));
    };
    answer(app, who, Table { repository, refs: [left, right], root }, wanted, &pairs).await
}

/// What differs in one table between two refs: its schema, files and partitions, and row by row in the order of its keys.
/// Only the data files that differ are read. A `/` in the path of the table may be escaped or not. Of our own.
#[utoipa::path(
    get, path = "/repositories/{repository}/refs/{leftRef}/diff/{rightRef}/tables/{path}",
    operation_id = "diffTable", tag = "refs",
    params(
        ("repository" = String, Path), ("leftRef" = String, Path), ("rightRef" = String, Path),
        ("path" = String, Path, description = "The root of the table."), DiffRowsQuery,
        ("Accept" = Option<String>, Header, description =
            "`application/json`, `application/x-ndjson` (one row or change a line), `application/vnd.apache.arrow.stream` (all rows, \
             typed), `text/markdown` or `text/html`.")
    ),
    responses(
        (status = 200, content(
            (TableRowDiff = "application/json"), (String = "application/x-ndjson"),
            (Vec<u8> = "application/vnd.apache.arrow.stream"), (String = "text/markdown"), (String = "text/html")
        )),
        (status = 404, description = "Also where neither ref has a table at the path.", body = Error),
        (status = 406, body = Error), (status = "4XX", body = Error)
    )
)]
pub(crate) async fn diff_table(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, left, right, root)): PathOf<(String, String, String, String)>,
    wanted: WantedRows,
    QueryOf(pairs): QueryOf<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    answer(app, who, Table { repository, refs: [left, right], root }, wanted, &pairs).await
}

/// Which table is compared.
struct Table {
    repository: String,
    refs: [String; 2],
    root: String,
}

async fn answer(
    app: App,
    who: Principal,
    table: Table,
    wanted: WantedRows,
    pairs: &[(String, String)],
) -> Result<Response, ApiError> {
    let Table { repository, refs, root } = table;
    let query = DiffRowsQuery::read(pairs)?;
    let kind = diff_kind(query.r#type.as_deref())?;
    if wanted == WantedRows::Arrow {
        let request = query.request(stream_amount(query.amount())?)?;
        return arrow::answer(arrow::Asked { app, who, repository, refs, kind, root, request }).await;
    }
    let request = query.request(amount(query.amount())?)?;
    let [left, right] = &refs;
    let diff = app.diff_rows(&who, &repository, [left, right], kind, &root, &request).await?;
    let diff = TableRowDiff::new(diff, &request, AMOUNT_MAX);
    match (wanted, diff) {
        (WantedRows::Report(form), diff) => Ok(form.answer(diff)),
        (_, TableRowDiff { rows: Some(rows), .. }) => lines(&rows.results, &rows.pagination, pairs),
        (_, TableRowDiff { changes: Some(changes), .. }) => {
            lines(&changes.results, &changes.pagination, pairs)
        }
        (_, TableRowDiff { reason, .. }) => Err(not_compared(&reason.unwrap_or_default())),
    }
}

/// How many rows a stream has at most.
fn stream_amount(amount: Option<i64>) -> Result<usize, ApiError> {
    match amount {
        None | Some(-1 | 0) => Ok(usize::MAX),
        Some(amount) => usize::try_from(amount)
            .map_err(|_| ApiError::bad_request(format!("amount is {amount}: give -1, or how many rows"))),
    }
}

/// The answer where a form has no place for a reason.
fn not_compared(reason: &str) -> ApiError {
    ApiError::bad_request(format!(
        "rows are not compared: {reason}. Ask for application/json, which has what is known of the table"
    ))
}
