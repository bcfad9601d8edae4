//! What differs in one table between two refs, row by row.

use anabranch_app::App;
use anabranch_merge::RowDiffRequest;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CONTENT_TYPE, LINK, VARY};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use utoipa::IntoParams;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{PathOf, QueryOf};
use crate::page::{AMOUNT_MAX, amount, non_empty};
use crate::refs::{diff_kind, parsed};
use crate::report::WantedRows;
use crate::wire::{ChangedRows, Error, TableRowDiff};

/// The query of a diff of rows. It is read by hand, because `columns` may come several times.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DiffRowsQuery {
    /// The root of the table.
    path: String,
    /// As for the diff of paths.
    r#type: Option<String>,
    /// The `next_offset` of the page before.
    after: Option<String>,
    /// How many rows, up to 1,000; -1: as many as a page holds.
    amount: Option<i64>,
    /// Only these columns, beside the keys, are compared and shown.
    columns: Option<Vec<String>>,
}

impl DiffRowsQuery {
    fn read(pairs: &[(String, String)]) -> Result<Self, ApiError> {
        let mut query = DiffRowsQuery::default();
        for (name, value) in pairs {
            let value = value.clone();
            match name.as_str() {
                "path" => query.path = value,
                "type" => query.r#type = non_empty(Some(value)),
                "after" => query.after = non_empty(Some(value)),
                "amount" => {
                    query.amount = Some(parsed(name, &value, |text| text.parse().ok(), "a whole number")?)
                }
                "columns" => query.columns.get_or_insert_default().push(value),
                _ => {}
            }
        }
        if query.path.is_empty() {
            return Err(ApiError::bad_request("path: give the root of a table"));
        }
        Ok(query)
    }
}

/// What differs in one table between two refs, row by row, in the order of its keys. Only the data files that differ
/// are read. Of our own.
#[utoipa::path(
    get, path = "/repositories/{repository}/refs/{leftRef}/diff/{rightRef}/table", operation_id = "diffTableRows",
    tag = "refs",
    params(
        ("repository" = String, Path), ("leftRef" = String, Path), ("rightRef" = String, Path), DiffRowsQuery,
        ("Accept" = Option<String>, Header, description =
            "`application/json`, `application/x-ndjson` (one row a line), `text/markdown` or `text/html`.")
    ),
    responses(
        (status = 200, content(
            (TableRowDiff = "application/json"), (String = "application/x-ndjson"), (String = "text/markdown"),
            (String = "text/html")
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
    let query = DiffRowsQuery::read(&pairs)?;
    let kind = diff_kind(query.r#type.as_deref())?;
    let request = RowDiffRequest {
        limit: amount(query.amount)?,
        after: query.after,
        columns: query.columns.unwrap_or_default(),
    };
    let diff = app.diff_rows(&who, &repository, [&left, &right], kind, &query.path, &request).await?;
    let diff = TableRowDiff::new(diff, AMOUNT_MAX);
    match (wanted, diff) {
        (WantedRows::Report(form), diff) => Ok(form.answer(diff)),
        (WantedRows::Lines, TableRowDiff { rows: Some(rows), .. }) => lines(&rows, &pairs),
        (WantedRows::Lines, TableRowDiff { reason, .. }) => {
            let reason = reason.unwrap_or_default();
            Err(ApiError::bad_request(format!(
                "rows are not compared: {reason}. Ask for application/json, which has what is known of the table"
            )))
        }
    }
}

/// One row a line; the address of the next page is in a header, because a line of another kind would be taken for a row.
fn lines(rows: &ChangedRows, pairs: &[(String, String)]) -> Result<Response, ApiError> {
    let mut body = String::new();
    for row in &rows.results {
        body.push_str(&serde_json::to_string(row).map_err(ApiError::unavailable)?);
        body.push('\n');
    }
    let mut response = ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response();
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    if rows.pagination.has_more {
        let next = next_page(pairs, &rows.pagination.next_offset);
        let next = HeaderValue::try_from(next).map_err(ApiError::unavailable)?;
        response.headers_mut().insert(LINK, next);
    }
    Ok(response)
}

/// The same query with another beginning, as a `Link`.
fn next_page(pairs: &[(String, String)], after: &str) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let kept = pairs.iter().filter(|(name, _)| name != "after");
    let mut query: String =
        kept.map(|(name, value)| format!("{}={}&", encoded(name), encoded(value))).collect();
    query.push_str(&format!("after={}", encoded(after)));
    format!("<?{query}>; rel=\"next\"")
}
