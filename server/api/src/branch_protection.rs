//! Which branches of a repository are protected.

use anabranch_app::App;
use axum::Json;
use axum::extract::State;
use http::header::{ETAG, IF_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf};
use crate::wire::{BranchProtectionRule, Error};

type Rules = (HeaderMap, Json<Vec<BranchProtectionRule>>);

async fn rules(app: &App, who: &anabranch_auth::Principal, repository: &str) -> Result<Rules, ApiError> {
    let found = app.branch_protection(who, repository).await?;
    let rule = |pattern: anabranch_auth::Pattern| BranchProtectionRule { pattern: pattern.to_string() };
    let etag = HeaderValue::try_from(format!("\"{}\"", found.etag)).map_err(ApiError::unavailable)?;
    let headers = HeaderMap::from_iter([(ETAG, etag)]);
    Ok((headers, Json(found.patterns.into_iter().map(rule).collect())))
}

/// The rules of a repository; their entity tag is in the header `ETag`.
#[utoipa::path(
    get, path = "/repositories/{repository}/settings/branch_protection", operation_id = "getBranchProtectionRules",
    tag = "repositories", params(("repository" = String, Path)),
    responses((status = 200, body = Vec<BranchProtectionRule>), (status = "4XX", body = Error))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(repository): PathOf<String>,
) -> Result<Rules, ApiError> {
    rules(&app, &who, &repository).await
}

/// Replaces the rules of a repository; with `If-Match`, only if they still have that entity tag.
#[utoipa::path(
    put, path = "/repositories/{repository}/settings/branch_protection", operation_id = "setBranchProtectionRules",
    tag = "repositories",
    params(("repository" = String, Path), ("If-Match" = Option<String>, Header, description = "An entity tag.")),
    request_body = Vec<BranchProtectionRule>, responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn set(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(repository): PathOf<String>,
    headers: HeaderMap,
    JsonBody(rules): JsonBody<Vec<BranchProtectionRule>>,
) -> Result<StatusCode, ApiError> {
    let if_match = match headers.get(IF_MATCH).map(HeaderValue::to_str) {
        Some(Err(_)) => return Err(ApiError::bad_request("If-Match is not plain text")),
        Some(Ok(etag)) => Some(etag),
        None => None,
    };
    let patterns: Vec<String> = rules.into_iter().map(|rule| rule.pattern).collect();
    app.set_branch_protection(&who, &repository, &patterns, if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Answers 204 if the caller may change the rules.
#[utoipa::path(
    get, path = "/repositories/{repository}/branch_protection/set_allowed",
    operation_id = "createBranchProtectionRulePreflight", tag = "repositories",
    params(("repository" = String, Path)), responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn may_set(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(repository): PathOf<String>,
) -> Result<StatusCode, ApiError> {
    app.may_set_branch_protection(&who, &repository).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The rules of a repository, where older clients look for them.
#[utoipa::path(
    get, path = "/repositories/{repository}/branch_protection", operation_id = "internalGetBranchProtectionRules",
    tag = "repositories", params(("repository" = String, Path)),
    responses((status = 200, body = Vec<BranchProtectionRule>), (status = "4XX", body = Error))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(repository): PathOf<String>,
) -> Result<Rules, ApiError> {
    rules(&app, &who, &repository).await
}

/// Adds a rule.
#[utoipa::path(
    post, path = "/repositories/{repository}/branch_protection",
    operation_id = "internalCreateBranchProtectionRule", tag = "repositories",
    params(("repository" = String, Path)), request_body = BranchProtectionRule,
    responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn add(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(repository): PathOf<String>,
    JsonBody(rule): JsonBody<BranchProtectionRule>,
) -> Result<StatusCode, ApiError> {
    app.add_branch_protection(&who, &repository, &rule.pattern).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a rule.
#[utoipa::path(
    delete, path = "/repositories/{repository}/branch_protection",
    operation_id = "internalDeleteBranchProtectionRule", tag = "repositories",
    params(("repository" = String, Path)), request_body = BranchProtectionRule,
    responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(repository): PathOf<String>,
    JsonBody(rule): JsonBody<BranchProtectionRule>,
) -> Result<StatusCode, ApiError> {
    app.remove_branch_protection(&who, &repository, &rule.pattern).await?;
    Ok(StatusCode::NO_CONTENT)
}
