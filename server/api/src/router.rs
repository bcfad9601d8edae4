//! Which operation is where, and the document that says so. Both come from one list, so that they cannot differ.

use std::sync::Arc;

use anabranch_app::App;
use anabranch_auth::Authenticator;
use anabranch_types::IdSource;
use axum::Router;
use axum::extract::Extension;
use axum::middleware::from_fn_with_state;
use http::{Method, StatusCode, Uri};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder, Server};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::login::Door;
use crate::{
    authenticate, branch_protection, branches, commits, config, groups, imports, links, login,
    merge_sessions, merges, objects, plugins, policies, previews, refs, repositories, request_id, row_diffs,
    staging, table_diffs, tags, users,
};

/// Where the operations are.
pub(crate) const BASE: &str = "/api/v1";

/// How a caller proves who it is: with a key pair, or with the token of a login in a header or a cookie.
const SCHEMES: [&str; 3] = ["basic_auth", "jwt_token", "cookie_auth"];

/// What differs between installations.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Whether browsers send the session cookie over TLS only. True where clients reach the server by `https`.
    pub secure_cookies: bool,
}

/// Serves the REST interface below `/api/v1`.
///
/// Who is calling is asked anew for each request; `ids` names requests that come without a name. Requests carry the
/// [`Peer`](anabranch_auth::Peer) that they come from among their extensions.
pub fn router(
    app: App,
    authenticator: Arc<Authenticator>,
    options: Options,
    ids: Arc<dyn IdSource>,
) -> Router {
    let guard = from_fn_with_state(Arc::clone(&authenticator), authenticate::layer);
    let (guarded, _) = guarded().route_layer(guard).split_for_parts();
    let (open, _) = open().layer(Extension(Door { authenticator, options })).split_for_parts();
    let operations = guarded
        .merge(open)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(ids, request_id::layer))
        .with_state(app);
    Router::new().nest(BASE, operations)
}

/// The OpenAPI document of everything that [`router`] serves.
pub fn openapi() -> OpenApi {
    let mut document = OpenApiBuilder::new()
        .info(InfoBuilder::new().title("Anabranch").version(env!("CARGO_PKG_VERSION")).description(Some(
            "The lakeFS-compatible interface and our own additions to it. Every error is {\"message\": …}.",
        )))
        .servers(Some([Server::new(BASE)]))
        .security(Some(SCHEMES.map(|name| SecurityRequirement::new(name, Vec::<String>::new()))))
        .build();
    document.merge(open().into_openapi());
    document.merge(guarded().into_openapi());
    document.merge(<Wildcards as utoipa::OpenApi>::openapi());
    let [basic, bearer, cookie] = SCHEMES;
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme(basic, SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
    components.add_security_scheme(bearer, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let session = ApiKeyValue::new(authenticate::SESSION_COOKIE);
    components.add_security_scheme(cookie, SecurityScheme::ApiKey(ApiKey::Cookie(session)));
    document
}

/// Operations whose path ends in several segments.
#[derive(utoipa::OpenApi)]
#[openapi(paths(row_diffs::diff_table))]
struct Wildcards;

/// What is served without credentials, or with a signed address alone: nothing that tells or changes anything but the
/// caller's own cookie and what an address was signed for.
fn open() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(config::health_check))
        .routes(routes!(login::login))
        .routes(routes!(login::logout))
        .routes(routes!(login::setup_state, login::setup))
        .routes(routes!(links::read, links::head, links::write))
}

/// What needs credentials: everything else.
fn guarded() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(config::get_config))
        .routes(routes!(config::get_version))
        .routes(routes!(config::get_storage_config))
        .routes(routes!(config::forget_statistics))
        .routes(routes!(users::current))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::get, users::delete))
        .routes(routes!(users::groups))
        .routes(routes!(users::policies))
        .routes(routes!(users::attach, users::detach))
        .routes(routes!(users::list_keys, users::create_key))
        .routes(routes!(users::get_key, users::delete_key))
        .routes(routes!(groups::list, groups::create))
        .routes(routes!(groups::get, groups::delete))
        .routes(routes!(groups::members))
        .routes(routes!(groups::add_member, groups::remove_member))
        .routes(routes!(groups::policies))
        .routes(routes!(groups::attach, groups::detach))
        .routes(routes!(policies::list, policies::create))
        .routes(routes!(policies::get, policies::update, policies::delete))
        .routes(routes!(plugins::list, plugins::install))
        .routes(routes!(plugins::get, plugins::remove))
        .routes(routes!(plugins::enable))
        .routes(routes!(plugins::disable))
        .routes(routes!(branch_protection::get, branch_protection::set))
        .routes(routes!(branch_protection::may_set))
        .routes(routes!(branch_protection::list, branch_protection::add, branch_protection::remove))
        .routes(routes!(repositories::list, repositories::create))
        .routes(routes!(repositories::get, repositories::delete))
        .routes(routes!(repositories::metadata, repositories::set_metadata, repositories::delete_metadata))
        .routes(routes!(repositories::fsck))
        .routes(routes!(branches::list, branches::create))
        .routes(routes!(branches::get, branches::delete, branches::reset))
        .routes(routes!(branches::hard_reset))
        .routes(routes!(branches::revert))
        .routes(routes!(branches::cherry_pick))
        .routes(routes!(branches::diff))
        .routes(routes!(tags::list, tags::create))
        .routes(routes!(tags::get, tags::delete))
        .routes(routes!(commits::create))
        .routes(routes!(commits::get))
        .routes(routes!(refs::log))
        .routes(routes!(refs::diff))
        .routes(routes!(table_diffs::diff_tables))
        .routes(routes!(row_diffs::diff_rows))
        // Documented by `Wildcards`: a document has no name for a path of several segments.
        .route(
            "/repositories/{repository}/refs/{leftRef}/diff/{rightRef}/tables/{*path}",
            axum::routing::get(row_diffs::diff_table),
        )
        .routes(routes!(merges::merge, merges::find_merge_base))
        .routes(routes!(previews::preview))
        .routes(routes!(previews::report))
        .routes(routes!(merge_sessions::begin))
        .routes(routes!(merge_sessions::list))
        .routes(routes!(merge_sessions::get, merge_sessions::abandon))
        .routes(routes!(merge_sessions::conflicts))
        .routes(routes!(merge_sessions::choose, merge_sessions::forget))
        .routes(routes!(merge_sessions::choose_object))
        .routes(routes!(merge_sessions::choose_all))
        .routes(routes!(merge_sessions::outcome))
        .routes(routes!(merge_sessions::complete))
        .routes(routes!(objects::get, objects::head))
        .routes(routes!(objects::stat))
        .routes(routes!(objects::underlying_properties))
        .routes(routes!(objects::list))
        .routes(routes!(objects::upload, objects::delete, staging::stage))
        .routes(routes!(staging::preflight))
        .routes(routes!(staging::user_metadata))
        .routes(routes!(staging::address, staging::link))
        .routes(routes!(imports::start, imports::status, imports::cancel))
        .routes(routes!(objects::copy))
        .routes(routes!(objects::delete_many))
}

async fn not_found(uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    ApiError::refused(StatusCode::NOT_FOUND, format!("there is no operation at {BASE}{path}"))
}

async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    let message = format!("{BASE}{path} has no operation for the method {method}");
    ApiError::refused(StatusCode::METHOD_NOT_ALLOWED, message)
}
