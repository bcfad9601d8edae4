//! Which operation is where, and the document that says so. Both come from one list, so that they cannot differ.

use std::sync::Arc;

use anabranch_app::App;
use anabranch_auth::Keys;
use anabranch_types::IdSource;
use axum::Router;
use axum::middleware::from_fn_with_state;
use http::{Method, StatusCode, Uri};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder, Server};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::{
    authenticate, branches, commits, config, imports, links, merges, objects, refs, repositories, request_id,
    staging, tags,
};

/// Where the operations are.
pub(crate) const BASE: &str = "/api/v1";

/// Serves the REST interface below `/api/v1`.
///
/// Credentials are looked up in `keys`, anew for each request; `ids` names requests that come without a name.
pub fn router(app: App, keys: Arc<dyn Keys>, ids: Arc<dyn IdSource>) -> Router {
    let (guarded, _) = guarded().route_layer(from_fn_with_state(keys, authenticate::layer)).split_for_parts();
    let (open, _) = open().split_for_parts();
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
        .security(Some([SecurityRequirement::new("basic_auth", Vec::<String>::new())]))
        .build();
    document.merge(open().into_openapi());
    document.merge(guarded().into_openapi());
    document
        .components
        .get_or_insert_with(Components::new)
        .add_security_scheme("basic_auth", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
    document
}

/// What is served without credentials, or with a signed address alone.
fn open() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(config::health_check)).routes(routes!(
        links::read,
        links::head,
        links::write
    ))
}

/// What needs credentials: everything else.
fn guarded() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(config::get_config))
        .routes(routes!(config::get_version))
        .routes(routes!(config::get_storage_config))
        .routes(routes!(config::get_current_user))
        .routes(routes!(repositories::list, repositories::create))
        .routes(routes!(repositories::get, repositories::delete))
        .routes(routes!(repositories::metadata, repositories::set_metadata, repositories::delete_metadata))
        .routes(routes!(repositories::fsck))
        .routes(routes!(branches::list, branches::create))
        .routes(routes!(branches::get, branches::delete, branches::reset))
        .routes(routes!(branches::revert))
        .routes(routes!(branches::cherry_pick))
        .routes(routes!(branches::diff))
        .routes(routes!(tags::list, tags::create))
        .routes(routes!(tags::get, tags::delete))
        .routes(routes!(commits::create))
        .routes(routes!(commits::get))
        .routes(routes!(refs::log))
        .routes(routes!(refs::diff))
        .routes(routes!(refs::diff_tables))
        .routes(routes!(merges::merge, merges::find_merge_base))
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
