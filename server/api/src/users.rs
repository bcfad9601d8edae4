//! Users and their access keys.

use anabranch_app::App;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::authenticate::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, QueryOf, flag};
use crate::page::{PageQuery, page, paging};
use crate::statements;
use crate::wire::{
    Credentials, CredentialsList, CredentialsWithSecret, CurrentUser, Error, GroupList, PolicyList, User,
    UserCreation, UserList,
};

/// Who is calling.
#[utoipa::path(
    get, path = "/user", operation_id = "getCurrentUser", tag = "auth",
    responses((status = 200, body = CurrentUser), (status = "4XX", body = Error))
)]
pub(crate) async fn current(
    State(app): State<App>,
    Caller(who): Caller,
) -> Result<Json<CurrentUser>, ApiError> {
    let mut user = User::from(app.current_user(&who).await?);
    user.role = who.widest_role().map(|role| role.to_string());
    Ok(Json(CurrentUser { user }))
}

/// Lists users in order of name.
#[utoipa::path(
    get, path = "/auth/users", operation_id = "listUsers", tag = "auth", params(PageQuery),
    responses((status = 200, body = UserList), (status = "4XX", body = Error))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<UserList>, ApiError> {
    let (pagination, results) = page(app.list_users(&who, query.paging()?).await?, User::from);
    Ok(Json(UserList { pagination, results }))
}

/// Makes a user, without keys and without policies.
#[utoipa::path(
    post, path = "/auth/users", operation_id = "createUser", tag = "auth", request_body = UserCreation,
    responses((status = 201, body = User), (status = "4XX", body = Error))
)]
pub(crate) async fn create(
    State(app): State<App>,
    Caller(who): Caller,
    JsonBody(creation): JsonBody<UserCreation>,
) -> Result<(StatusCode, Json<User>), ApiError> {
    let user = app.create_user(&who, &creation.id).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// Looks a user up. Everybody may look itself up.
#[utoipa::path(
    get, path = "/auth/users/{userId}", operation_id = "getUser", tag = "auth", params(("userId" = String, Path)),
    responses((status = 200, body = User), (status = "4XX", body = Error))
)]
pub(crate) async fn get(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(user): PathOf<String>,
) -> Result<Json<User>, ApiError> {
    Ok(Json(app.user(&who, &user).await?.into()))
}

/// Deletes a user and all its access keys.
#[utoipa::path(
    delete, path = "/auth/users/{userId}", operation_id = "deleteUser", tag = "auth",
    params(("userId" = String, Path)), responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(user): PathOf<String>,
) -> Result<StatusCode, ApiError> {
    app.delete_user(&who, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the groups that a user is in.
#[utoipa::path(
    get, path = "/auth/users/{userId}/groups", operation_id = "listUserGroups", tag = "auth",
    params(("userId" = String, Path), PageQuery),
    responses((status = 200, body = GroupList), (status = "4XX", body = Error))
)]
pub(crate) async fn groups(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(user): PathOf<String>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<GroupList>, ApiError> {
    let groups = app.groups_of_user(&who, &user, query.paging()?).await?;
    let (pagination, results) = page(groups, Into::into);
    Ok(Json(GroupList { pagination, results }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PoliciesQuery {
    /// What the names begin with.
    prefix: Option<String>,
    /// The name after which the page begins.
    after: Option<String>,
    /// How many results, up to 1,000; -1: as many as a page holds.
    amount: Option<i64>,
    /// Whether the policies of the user's groups count too.
    #[serde(default, deserialize_with = "flag")]
    effective: Option<bool>,
}

/// Lists the policies of a user.
#[utoipa::path(
    get, path = "/auth/users/{userId}/policies", operation_id = "listUserPolicies", tag = "auth",
    params(("userId" = String, Path), PoliciesQuery),
    responses((status = 200, body = PolicyList), (status = "4XX", body = Error))
)]
pub(crate) async fn policies(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(user): PathOf<String>,
    QueryOf(query): QueryOf<PoliciesQuery>,
) -> Result<Json<PolicyList>, ApiError> {
    let asked = paging(query.prefix, query.after, query.amount)?;
    let policies = app.policies_of_user(&who, &user, asked, query.effective.unwrap_or(false)).await?;
    let (pagination, results) = page(policies, statements::policy);
    Ok(Json(PolicyList { pagination, results }))
}

/// Attaches a policy to a user.
#[utoipa::path(
    put, path = "/auth/users/{userId}/policies/{policyId}", operation_id = "attachPolicyToUser", tag = "auth",
    params(("userId" = String, Path), ("policyId" = String, Path)),
    responses((status = 201), (status = "4XX", body = Error))
)]
pub(crate) async fn attach(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((user, policy)): PathOf<(String, String)>,
) -> Result<StatusCode, ApiError> {
    app.attach_to_user(&who, &user, &policy).await?;
    Ok(StatusCode::CREATED)
}

/// Detaches a policy from a user.
#[utoipa::path(
    delete, path = "/auth/users/{userId}/policies/{policyId}", operation_id = "detachPolicyFromUser", tag = "auth",
    params(("userId" = String, Path), ("policyId" = String, Path)),
    responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn detach(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((user, policy)): PathOf<(String, String)>,
) -> Result<StatusCode, ApiError> {
    app.detach_from_user(&who, &user, &policy).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the access keys of a user, without their secrets.
#[utoipa::path(
    get, path = "/auth/users/{userId}/credentials", operation_id = "listUserCredentials", tag = "auth",
    params(("userId" = String, Path), PageQuery),
    responses((status = 200, body = CredentialsList), (status = "4XX", body = Error))
)]
pub(crate) async fn list_keys(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(user): PathOf<String>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<CredentialsList>, ApiError> {
    let (pagination, results) = page(app.list_keys(&who, &user, query.paging()?).await?, Credentials::from);
    Ok(Json(CredentialsList { pagination, results }))
}

/// Makes another access key for a user. This is the one time that its secret is shown.
#[utoipa::path(
    post, path = "/auth/users/{userId}/credentials", operation_id = "createCredentials", tag = "auth",
    params(("userId" = String, Path)),
    responses((status = 201, body = CredentialsWithSecret), (status = "4XX", body = Error))
)]
pub(crate) async fn create_key(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf(user): PathOf<String>,
) -> Result<(StatusCode, Json<CredentialsWithSecret>), ApiError> {
    let made = app.create_key(&who, &user).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Looks an access key of a user up, without its secret.
#[utoipa::path(
    get, path = "/auth/users/{userId}/credentials/{accessKeyId}", operation_id = "getCredentials", tag = "auth",
    params(("userId" = String, Path), ("accessKeyId" = String, Path)),
    responses((status = 200, body = Credentials), (status = "4XX", body = Error))
)]
pub(crate) async fn get_key(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((user, access_key_id)): PathOf<(String, String)>,
) -> Result<Json<Credentials>, ApiError> {
    Ok(Json(app.key(&who, &user, &access_key_id).await?.into()))
}

/// Deletes an access key of a user.
#[utoipa::path(
    delete, path = "/auth/users/{userId}/credentials/{accessKeyId}", operation_id = "deleteCredentials", tag = "auth",
    params(("userId" = String, Path), ("accessKeyId" = String, Path)),
    responses((status = 204), (status = "4XX", body = Error))
)]
pub(crate) async fn delete_key(
    State(app): State<App>,
    Caller(who): Caller,
    PathOf((user, access_key_id)): PathOf<(String, String)>,
) -> Result<StatusCode, ApiError> {
    app.delete_key(&who, &user, &access_key_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
