//! What a merge would do, and what one did.

use anabranch_app::App;
use axum::extract::State;
use axum::response::Response;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBodyOrDefault, PathOf};
use crate::report::Wanted;
use crate::wire::{Error, Merge, MergePreview, MergeReport};

/// Computes a merge and shows it to nobody else. The same merge has the same preview. Of our own.
#[utoipa::path(
    post, path = "/repositories/{repository}/refs/{sourceRef}/merge/{destinationBranch}/preview",
    operation_id = "previewMerge", tag = "refs",
    params(
        ("repository" = String, Path), ("sourceRef" = String, Path), ("destinationBranch" = String, Path),
        ("Accept" = Option<String>, Header, description = "`application/json`, `text/markdown` or `text/html`.")
    ),
    request_body(content = Option<Merge>),
    responses(
        (status = 200, description = "Also with conflicts.", content(
            (MergePreview = "application/json"), (String = "text/markdown"), (String = "text/html")
        )),
        (status = 406, body = Error), (status = "4XX", body = Error)
    )
)]
pub(crate) async fn preview(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, source, destination)): PathOf<(String, String, String)>,
    wanted: Wanted,
    JsonBodyOrDefault(merge): JsonBodyOrDefault<Merge>,
) -> Result<Response, ApiError> {
    let input = merge.into_input().map_err(ApiError::bad_request)?;
    let preview = app.preview(&who, &repository, &source, &destination, input).await?;
    Ok(wanted.answer(MergePreview::new(preview, source, destination)))
}

/// What the merge did that made a commit. Of our own.
#[utoipa::path(
    get, path = "/repositories/{repository}/commits/{commitId}/report", operation_id = "getMergeReport",
    tag = "commits",
    params(
        ("repository" = String, Path), ("commitId" = String, Path),
        ("Accept" = Option<String>, Header, description = "`application/json`, `text/markdown` or `text/html`.")
    ),
    responses(
        (status = 200, content(
            (MergeReport = "application/json"), (String = "text/markdown"), (String = "text/html")
        )),
        (status = 404, description = "Also where no merge made the commit.", body = Error),
        (status = 406, body = Error), (status = "4XX", body = Error)
    )
)]
pub(crate) async fn report(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, commit)): PathOf<(String, String)>,
    wanted: Wanted,
) -> Result<Response, ApiError> {
    let (id, details) = app.merge_report(&who, &repository, &commit).await?;
    Ok(wanted.answer(MergeReport::new(details, Some(id.to_hex()))))
}
