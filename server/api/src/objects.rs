//! Objects: stat, list, read, write, copy, delete.

use anabranch_app::{App, AppError, ByteRange, CopyInput, ListInput, Listed, Paged, PutInput, SourceObject};
use anabranch_auth::Principal;
use anabranch_types::Entry;
use axum::Json;
use axum::extract::{Request, State};
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::LOCATION;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::authenticate::Caller;
use crate::download;
use crate::error::{ApiError, status_of};
use crate::extract::{JsonBody, PathOf, QueryOf, flag};
use crate::links::Reached;
use crate::page::{AMOUNT_MAX, amount, non_empty, page};
use crate::request_id::chain;
use crate::upload;
use crate::wire::{
    Error, ObjectCopyCreation, ObjectError, ObjectErrorList, ObjectStats, ObjectStatsList, PathList,
    PathType, UnderlyingObjectProperties,
};

/// The namespace in which the physical addresses of a repository lie.
pub(crate) async fn namespace(app: &App, who: &Principal, repository: &str) -> Result<String, AppError> {
    Ok(app.repository(who, repository).await?.storage_namespace)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ObjectQuery {
    /// The path of the object.
    pub(crate) path: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct GetQuery {
    /// The path of the object.
    path: String,
    /// Whether to answer with a redirection to a signed address of the bytes.
    #[serde(default, deserialize_with = "flag")]
    presign: Option<bool>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatQuery {
    /// The path of the object.
    path: String,
    /// Whether user metadata is answered; left out: yes.
    #[serde(default, deserialize_with = "flag")]
    user_metadata: Option<bool>,
    /// Whether the physical address is a signed URL at which the bytes can be read without credentials.
    #[serde(default, deserialize_with = "flag")]
    presign: Option<bool>,
}

/// What is known of an object.
#[utoipa::path(
    get, path = "/repositories/{repository}/refs/{ref}/objects/stat", operation_id = "statObject", tag = "objects",
    params(("repository" = String, Path), ("ref" = String, Path), StatQuery),
    responses((status = 200, body = ObjectStats), (status = "4XX", body = Error))
)]
pub(crate) async fn stat(
    State(app): State<App>,
    Caller(who): Caller,
    reached: Reached,
    PathOf((repository, reference)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<StatQuery>,
) -> Result<Json<ObjectStats>, ApiError> {
    let object = app.stat(&who, &repository, &reference, &query.path).await?;
    let namespace = namespace(&app, &who, &repository).await?;
    let signed = match query.presign.unwrap_or(false) {
        true => app.sign_reads(&who, &repository, &[&object.entry]).await?.pop(),
        false => None,
    };
    let stats = ObjectStats::new(object, &namespace, query.user_metadata.unwrap_or(true));
    Ok(Json(match signed {
        Some(signed) => stats.signed(reached.url(&signed), signed.expires_ms),
        None => stats,
    }))
}

/// What the underlying store says of an object: nothing beyond its existence.
#[utoipa::path(
    get, path = "/repositories/{repository}/refs/{ref}/objects/underlyingProperties",
    operation_id = "getUnderlyingProperties", tag = "objects",
    params(("repository" = String, Path), ("ref" = String, Path), ObjectQuery),
    responses((status = 200, body = UnderlyingObjectProperties), (status = "4XX", body = Error))
)]
pub(crate) async fn underlying_properties(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, reference)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<ObjectQuery>,
) -> Result<Json<UnderlyingObjectProperties>, ApiError> {
    app.stat(&who, &repository, &reference, &query.path).await?;
    Ok(Json(UnderlyingObjectProperties { storage_class: None }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Whether user metadata is answered; left out: yes.
    #[serde(default, deserialize_with = "flag")]
    user_metadata: Option<bool>,
    /// Whether physical addresses are signed URLs at which the bytes can be read without credentials.
    #[serde(default, deserialize_with = "flag")]
    presign: Option<bool>,
    /// The path or common prefix after which the page begins.
    after: Option<String>,
    /// How many results, up to 1,000; -1: as many as a page holds.
    amount: Option<i64>,
    /// Where paths are cut into common prefixes.
    delimiter: Option<String>,
    /// What the paths begin with.
    prefix: Option<String>,
}

/// Lists the objects of a ref in bytewise order, uncommitted ones of a branch included.
#[utoipa::path(
    get, path = "/repositories/{repository}/refs/{ref}/objects/ls", operation_id = "listObjects", tag = "objects",
    params(("repository" = String, Path), ("ref" = String, Path), ListQuery),
    responses((status = 200, body = ObjectStatsList), (status = "4XX", body = Error))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    reached: Reached,
    PathOf((repository, reference)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Json<ObjectStatsList>, ApiError> {
    let input = ListInput {
        prefix: query.prefix.unwrap_or_default(),
        delimiter: non_empty(query.delimiter),
        after: non_empty(query.after),
        amount: amount(query.amount)?,
    };
    let paged = app.list_objects(&who, &repository, &reference, input).await?;
    let namespace = namespace(&app, &who, &repository).await?;
    let with_metadata = query.user_metadata.unwrap_or(true);
    let mut signed = match query.presign.unwrap_or(false) {
        true => app.sign_reads(&who, &repository, &entries(&paged)).await?.into_iter(),
        false => Vec::new().into_iter(),
    };
    let (pagination, lines) = page(paged, |line| ObjectStats::listed(line, &namespace, with_metadata));
    let sign = |stats: ObjectStats| match stats.path_type {
        PathType::CommonPrefix => stats,
        PathType::Object => match signed.next() {
            Some(signed) => stats.signed(reached.url(&signed), signed.expires_ms),
            None => stats,
        },
    };
    Ok(Json(ObjectStatsList { pagination, results: lines.into_iter().map(sign).collect() }))
}

fn entries(paged: &Paged<Listed>) -> Vec<&Entry> {
    let entries = paged.results.iter().filter_map(|line| match line {
        Listed::Object(object) => Some(&object.entry),
        Listed::CommonPrefix(_) => None,
    });
    entries.collect()
}

/// Reads an object, or a range of it.
#[utoipa::path(
    get, path = "/repositories/{repository}/refs/{ref}/objects", operation_id = "getObject", tag = "objects",
    params(
        ("repository" = String, Path), ("ref" = String, Path), GetQuery,
        ("Range" = Option<String>, Header, description = "One range of bytes."),
        ("If-None-Match" = Option<String>, Header, description = "Answer 304 if the object has this entity tag.")
    ),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 302, description = "`Location` is a signed address of the bytes."), (status = 304),
        (status = "4XX", body = Error)
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    Caller(who): Caller,
    reached: Reached,
    PathOf((repository, reference)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<GetQuery>,
    request: Request,
) -> Result<axum::response::Response, ApiError> {
    if query.presign.unwrap_or(false) {
        let object = app.stat(&who, &repository, &reference, &query.path).await?;
        if download::is_fresh(request.headers(), &object.entry) {
            return Ok(download::not_modified(&object.entry));
        }
        let signed = app.sign_reads(&who, &repository, &[&object.entry]).await?;
        let url = signed.first().map(|signed| reached.url(signed)).unwrap_or_default();
        return Ok((StatusCode::FOUND, [(LOCATION, url)]).into_response());
    }
    let range = download::range(request.headers());
    let read = app.get_object(&who, &repository, &reference, &query.path, range).await?;
    if download::is_fresh(request.headers(), &read.info.entry) {
        return Ok(download::not_modified(&read.info.entry));
    }
    let body = download::body(read.body, repository, query.path);
    Ok(download::answer(&read.info.entry, read.range, range.is_some(), body))
}

/// What reading an object would answer, without its bytes.
#[utoipa::path(
    head, path = "/repositories/{repository}/refs/{ref}/objects", operation_id = "headObject", tag = "objects",
    params(
        ("repository" = String, Path), ("ref" = String, Path), ObjectQuery,
        ("Range" = Option<String>, Header, description = "One range of bytes.")
    ),
    responses((status = 200), (status = 206), (status = "4XX"))
)]
pub(crate) async fn head(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, reference)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<ObjectQuery>,
    request: Request,
) -> Result<axum::response::Response, ApiError> {
    let entry = app.stat(&who, &repository, &reference, &query.path).await?.entry;
    if download::is_fresh(request.headers(), &entry) {
        return Ok(download::not_modified(&entry));
    }
    let asked = download::range(request.headers());
    let outside = || AppError::RangeNotSatisfiable { path: query.path, size: entry.size };
    let range = match asked {
        None => 0..entry.size,
        Some(range) => ByteRange::within(range, entry.size).ok_or_else(outside)?,
    };
    Ok(download::answer(&entry, range, asked.is_some(), axum::body::Body::empty()))
}

/// Writes an object to a branch: the field `content` of a form, or the body as it is.
#[utoipa::path(
    post, path = "/repositories/{repository}/branches/{branch}/objects", operation_id = "uploadObject",
    tag = "objects",
    params(
        ("repository" = String, Path), ("branch" = String, Path), ObjectQuery,
        ("If-None-Match" = Option<String>, Header, description = "`*`: create, never replace."),
        ("If-Match" = Option<String>, Header, description = "Replace only an object with this entity tag.")
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 201, body = ObjectStats), (status = 412, body = Error), (status = "4XX", body = Error)
    )
)]
pub(crate) async fn upload(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<ObjectQuery>,
    request: Request,
) -> Result<(StatusCode, Json<ObjectStats>), ApiError> {
    let (head, body) = request.into_parts();
    let condition = upload::condition(&head.headers)?;
    let upload = upload::begin(&head.headers, body).await?;
    let input = PutInput {
        body: upload.body,
        size: upload.size,
        attributes: upload.attributes,
        condition,
        expected_md5: None,
        checksum: None,
    };
    let object = app.put_object(&who, &repository, &branch, &query.path, input).await?;
    let namespace = namespace(&app, &who, &repository).await?;
    Ok((StatusCode::CREATED, Json(ObjectStats::new(object, &namespace, true))))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CopyQuery {
    /// The path that is written.
    dest_path: String,
}

/// Copies an object to a branch of its repository. No byte moves.
#[utoipa::path(
    post, path = "/repositories/{repository}/branches/{branch}/objects/copy", operation_id = "copyObject",
    tag = "objects",
    params(("repository" = String, Path), ("branch" = String, Path), CopyQuery), request_body = ObjectCopyCreation,
    responses((status = 201, body = ObjectStats), (status = "4XX", body = Error))
)]
pub(crate) async fn copy(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<CopyQuery>,
    JsonBody(creation): JsonBody<ObjectCopyCreation>,
) -> Result<(StatusCode, Json<ObjectStats>), ApiError> {
    let source = SourceObject {
        repository: repository.clone(),
        reference: non_empty(creation.src_ref).unwrap_or_else(|| branch.clone()),
        path: creation.src_path,
    };
    let input = CopyInput {
        source,
        attributes: None,
        tags: None,
        condition: anabranch_app::WriteCondition::None,
        source_matches: None,
    };
    let object = app.copy_object(&who, &repository, &branch, &query.dest_path, input).await?;
    let namespace = namespace(&app, &who, &repository).await?;
    Ok((StatusCode::CREATED, Json(ObjectStats::new(object, &namespace, true))))
}

/// Removes an object from a branch. One that is absent is no error.
#[utoipa::path(
    delete, path = "/repositories/{repository}/branches/{branch}/objects", operation_id = "deleteObject",
    tag = "objects",
    params(("repository" = String, Path), ("branch" = String, Path), ObjectQuery),
    responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<ObjectQuery>,
) -> Result<StatusCode, ApiError> {
    app.delete_object(&who, &repository, &branch, &query.path).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes objects from a branch, at most 1,000. Those that are absent are no errors.
#[utoipa::path(
    post, path = "/repositories/{repository}/branches/{branch}/objects/delete", operation_id = "deleteObjects",
    tag = "objects",
    params(("repository" = String, Path), ("branch" = String, Path)), request_body = PathList,
    responses((status = 200, body = ObjectErrorList), (status = "4XX", body = Error))
)]
pub(crate) async fn delete_many(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
    JsonBody(list): JsonBody<PathList>,
) -> Result<Json<ObjectErrorList>, ApiError> {
    if list.paths.len() > AMOUNT_MAX {
        let count = list.paths.len();
        return Err(ApiError::bad_request(format!(
            "{count} paths: delete at most {AMOUNT_MAX} in one request"
        )));
    }
    let answers = app.delete_objects(&who, &repository, &branch, list.paths).await?;
    let failed = answers.into_iter().filter_map(|(path, answer)| answer.err().map(|error| (path, error)));
    Ok(Json(ObjectErrorList { errors: failed.map(|(path, error)| one_error(path, &error)).collect() }))
}

fn one_error(path: String, error: &AppError) -> ObjectError {
    match status_of(error) {
        Some(status) => {
            ObjectError { status_code: status.as_u16(), message: error.to_string(), path: Some(path) }
        }
        None => {
            tracing::error!(%path, error = %chain(error), "an object could not be deleted");
            ObjectError {
                status_code: 500,
                message: "the server failed: its log has the reason".into(),
                path: Some(path),
            }
        }
    }
}
