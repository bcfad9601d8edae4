//! Groups, their members and their policies.

use anabranch_app::App;
use axum::Json;
use axum::extract::State;
use http::StatusCode;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, QueryOf};
use crate::page::{PageQuery, page};
use crate::statements;
use crate::wire::{Error, Group, GroupCreation, GroupList, PolicyList, User, UserList};

/// Lists groups in order of name.
#[utoipa::path(
    get, path = "/auth/groups", operation_id = "listGroups", tag = "auth", params(PageQuery),
    responses((status = 200, body = GroupList), (status = "4XX", body = Error))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<GroupList>, ApiError> {
    let (pagination, results) = page(app.list_groups(&who, query.paging()?).await?, Group::from);
    Ok(Json(GroupList { pagination, results }))
}

/// Makes a group, without members and without policies.
#[utoipa::path(
    post, path = "/auth/groups", operation_id = "createGroup", tag = "auth", request_body = GroupCreation,
    responses((status = 201, body = Group), (status = "4XX", body = Error))
)]
pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    JsonBody(creation): JsonBody<GroupCreation>,
) -> Result<(StatusCode, Json<Group>), ApiError> {
    let description = creation.description.unwrap_or_default();
    let group = app.create_group(&who, &creation.id, description).await?;
    Ok((StatusCode::CREATED, Json(group.into())))
}

/// Looks a group up.
#[utoipa::path(
    get, path = "/auth/groups/{groupId}", operation_id = "getGroup", tag = "auth",
    params(("groupId" = String, Path)), responses((status = 200, body = Group), (status = "4XX", body = Error))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(group): PathOf<String>,
) -> Result<Json<Group>, ApiError> {
    Ok(Json(app.group(&who, &group).await?.into()))
}

/// Deletes a group. Its members lose what it granted.
#[utoipa::path(
    delete, path = "/auth/groups/{groupId}", operation_id = "deleteGroup", tag = "auth",
    params(("groupId" = String, Path)), responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(group): PathOf<String>,
) -> Result<StatusCode, ApiError> {
    app.delete_group(&who, &group).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the members of a group.
#[utoipa::path(
    get, path = "/auth/groups/{groupId}/members", operation_id = "listGroupMembers", tag = "auth",
    params(("groupId" = String, Path), PageQuery),
    responses((status = 200, body = UserList), (status = "4XX", body = Error))
)]
pub(crate) async fn members(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(group): PathOf<String>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<UserList>, ApiError> {
    let (pagination, results) = page(app.members(&who, &group, query.paging()?).await?, User::from);
    Ok(Json(UserList { pagination, results }))
}

/// Puts a user into a group.
#[utoipa::path(
    put, path = "/auth/groups/{groupId}/members/{userId}", operation_id = "addGroupMembership", tag = "auth",
    params(("groupId" = String, Path), ("userId" = String, Path)),
    responses((status = 201), (status = "4XX", body = Error))
)]
pub(crate) async fn add_member(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((group, user)): PathOf<(String, String)>,
) -> Result<StatusCode, ApiError> {
    app.add_member(&who, &group, &user).await?;
    Ok(StatusCode::CREATED)
}

/// Takes a user out of a group.
#[utoipa::path(
    delete, path = "/auth/groups/{groupId}/members/{userId}", operation_id = "deleteGroupMembership", tag = "auth",
    params(("groupId" = String, Path), ("userId" = String, Path)),
    responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn remove_member(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((group, user)): PathOf<(String, String)>,
) -> Result<StatusCode, ApiError> {
    app.remove_member(&who, &group, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the policies of a group.
#[utoipa::path(
    get, path = "/auth/groups/{groupId}/policies", operation_id = "listGroupPolicies", tag = "auth",
    params(("groupId" = String, Path), PageQuery),
    responses((status = 200, body = PolicyList), (status = "4XX", body = Error))
)]
pub(crate) async fn policies(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(group): PathOf<String>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<PolicyList>, ApiError> {
    let policies = app.policies_of_group(&who, &group, query.paging()?).await?;
    let (pagination, results) = page(policies, statements::policy);
    Ok(Json(PolicyList { pagination, results }))
}

/// Attaches a policy to a group.
#[utoipa::path(
    put, path = "/auth/groups/{groupId}/policies/{policyId}", operation_id = "attachPolicyToGroup", tag = "auth",
    params(("groupId" = String, Path), ("policyId" = String, Path)),
    responses((status = 201), (status = "4XX", body = Error))
)]
pub(crate) async fn attach(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((group, policy)): PathOf<(String, String)>,
) -> Result<StatusCode, ApiError> {
    app.attach_to_group(&who, &group, &policy).await?;
    Ok(StatusCode::CREATED)
}

/// Detaches a policy from a group.
#[utoipa::path(
    delete, path = "/auth/groups/{groupId}/policies/{policyId}", operation_id = "detachPolicyFromGroup", tag = "auth",
    params(("groupId" = String, Path), ("policyId" = String, Path)),
    responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn detach(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((group, policy)): PathOf<(String, String)>,
) -> Result<StatusCode, ApiError> {
    app.detach_from_group(&who, &group, &policy).await?;
    Ok(StatusCode::NO_CONTENT)
}
