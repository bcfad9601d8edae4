//! Objects that clients write to the store themselves and then link.

use anabranch_app::App;
use axum::Json;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, QueryOf, flag};
use crate::links::Reached;
use crate::objects::{ObjectQuery, namespace};
use crate::upload;
use crate::wire::{
    Error, ObjectStageCreation, ObjectStats, StagingLocation, StagingMetadata, UpdateObjectUserMetadata,
    seconds,
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AddressQuery {
    /// The path that the object is for.
    path: String,
    /// Whether an address is signed at which the object can be written without credentials of the store.
    #[serde(default, deserialize_with = "flag")]
    presign: Option<bool>,
}

/// Gives an address to which a client may write an object that it then links.
#[utoipa::path(
    get, path = "/repositories/{repository}/branches/{branch}/staging/backing", operation_id = "getPhysicalAddress",
    tag = "staging", params(("repository" = String, Path), ("branch" = String, Path), AddressQuery),
    responses((status = 200, body = StagingLocation), (status = "4XX", body = Error))
)]
pub(crate) async fn address(
    State(app): State<App>,
    Caller(who): Caller,
    reached: Reached,
    PathOf((repository, branch)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<AddressQuery>,
) -> Result<Json<StagingLocation>, ApiError> {
    let sign = query.presign.unwrap_or(false);
    let place = app.staging_place(&who, &repository, &branch, &query.path, sign).await?;
    Ok(Json(StagingLocation {
        physical_address: Some(place.physical_address),
        presigned_url: place.signed.as_ref().map(|signed| reached.url(signed)),
        presigned_url_expiry: place.signed.map(|signed| seconds(signed.expires_ms)),
    }))
}

/// Puts what a client wrote to its address at the path that the address was given for.
#[utoipa::path(
    put, path = "/repositories/{repository}/branches/{branch}/staging/backing", operation_id = "linkPhysicalAddress",
    tag = "staging",
    params(
        ("repository" = String, Path), ("branch" = String, Path), ObjectQuery,
        ("If-None-Match" = Option<String>, Header, description = "`*`: create, never replace."),
        ("If-Match" = Option<String>, Header, description = "Replace only an object with this entity tag.")
    ),
    request_body = StagingMetadata,
    responses((status = 200, body = ObjectStats), (status = 412, body = Error), (status = "4XX", body = Error))
)]
pub(crate) async fn link(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<ObjectQuery>,
    headers: HeaderMap,
    JsonBody(written): JsonBody<StagingMetadata>,
) -> Result<Json<ObjectStats>, ApiError> {
    let input = written.input(upload::condition(&headers)?).map_err(ApiError::bad_request)?;
    let object = app.link(&who, &repository, &branch, &query.path, input).await?;
    let namespace = namespace(&app, &who, &repository).await?;
    Ok(Json(ObjectStats::new(object, &namespace, true)))
}

/// Puts an object that is in the store already at a path: one that was written to an address given for the path, or
/// one of a source of imports.
#[utoipa::path(
    put, path = "/repositories/{repository}/branches/{branch}/objects", operation_id = "stageObject", tag = "objects",
    params(("repository" = String, Path), ("branch" = String, Path), ObjectQuery),
    request_body = ObjectStageCreation,
    responses((status = 201, body = ObjectStats), (status = "4XX", body = Error))
)]
pub(crate) async fn stage(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<ObjectQuery>,
    JsonBody(creation): JsonBody<ObjectStageCreation>,
) -> Result<(StatusCode, Json<ObjectStats>), ApiError> {
    let input = creation.input().map_err(ApiError::bad_request)?;
    let object = app.stage(&who, &repository, &branch, &query.path, input).await?;
    let namespace = namespace(&app, &who, &repository).await?;
    Ok((StatusCode::CREATED, Json(ObjectStats::new(object, &namespace, true))))
}

/// Answers whether the caller may write an object at a path.
#[utoipa::path(
    get, path = "/repositories/{repository}/branches/{branch}/objects/stage_allowed",
    operation_id = "uploadObjectPreflight", tag = "objects",
    params(("repository" = String, Path), ("branch" = String, Path), ObjectQuery),
    responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn preflight(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<ObjectQuery>,
) -> Result<StatusCode, ApiError> {
    app.check_writable(&who, &repository, &branch, &query.path).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets the user metadata of an object, all of it.
#[utoipa::path(
    put, path = "/repositories/{repository}/branches/{branch}/objects/stat/user_metadata",
    operation_id = "updateObjectUserMetadata", tag = "objects",
    params(("repository" = String, Path), ("branch" = String, Path), ObjectQuery),
    request_body = UpdateObjectUserMetadata,
    responses((status = 201), (status = "4XX", body = Error))
)]
pub(crate) async fn user_metadata(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((repository, branch)): PathOf<(String, String)>,
    QueryOf(query): QueryOf<ObjectQuery>,
    JsonBody(update): JsonBody<UpdateObjectUserMetadata>,
) -> Result<StatusCode, ApiError> {
    app.set_object_metadata(&who, &repository, &branch, &query.path, update.set).await?;
    Ok(StatusCode::CREATED)
}
