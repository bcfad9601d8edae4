//! Policies.

use anabranch_app::App;
use axum::Json;
use axum::extract::State;
use http::StatusCode;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, QueryOf};
use crate::page::{PageQuery, page};
use crate::statements::{self, grants};
use crate::wire::{Error, Policy, PolicyList};

/// Lists policies in order of name.
#[utoipa::path(
    get, path = "/auth/policies", operation_id = "listPolicies", tag = "auth", params(PageQuery),
    responses((status = 200, body = PolicyList), (status = "4XX", body = Error))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<PolicyList>, ApiError> {
    let (pagination, results) = page(app.list_policies(&who, query.paging()?).await?, statements::policy);
    Ok(Json(PolicyList { pagination, results }))
}

/// Makes a policy of statements that grant a role; others are refused with what is supported.
#[utoipa::path(
    post, path = "/auth/policies", operation_id = "createPolicy", tag = "auth", request_body = Policy,
    responses((status = 201, body = Policy), (status = "4XX", body = Error))
)]
pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    JsonBody(policy): JsonBody<Policy>,
) -> Result<(StatusCode, Json<Policy>), ApiError> {
    let made = app.create_policy(&who, &policy.id, grants(&policy.statement)?).await?;
    Ok((StatusCode::CREATED, Json(statements::policy(made))))
}

/// Looks a policy up.
#[utoipa::path(
    get, path = "/auth/policies/{policyId}", operation_id = "getPolicy", tag = "auth",
    params(("policyId" = String, Path)), responses((status = 200, body = Policy), (status = "4XX", body = Error))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(policy): PathOf<String>,
) -> Result<Json<Policy>, ApiError> {
    Ok(Json(statements::policy(app.policy(&who, &policy).await?)))
}

/// Changes what a policy grants, to everybody who has it.
#[utoipa::path(
    put, path = "/auth/policies/{policyId}", operation_id = "updatePolicy", tag = "auth",
    params(("policyId" = String, Path)), request_body = Policy,
    responses((status = 200, body = Policy), (status = "4XX", body = Error))
)]
pub(crate) async fn update(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(id): PathOf<String>,
    JsonBody(policy): JsonBody<Policy>,
) -> Result<Json<Policy>, ApiError> {
    if policy.id != id {
        return Err(ApiError::bad_request("the id in the body is another one than in the path"));
    }
    let changed = app.update_policy(&who, &id, grants(&policy.statement)?).await?;
    Ok(Json(statements::policy(changed)))
}

/// Deletes a policy: whoever has it loses what it grants.
#[utoipa::path(
    delete, path = "/auth/policies/{policyId}", operation_id = "deletePolicy", tag = "auth",
    params(("policyId" = String, Path)), responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(policy): PathOf<String>,
) -> Result<StatusCode, ApiError> {
    app.delete_policy(&who, &policy).await?;
    Ok(StatusCode::NO_CONTENT)
}
