//! A server in memory, and `check`: one request in, its answer as text out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anabranch_api::Options;
use anabranch_app::{App, AppParts, AppSettings, LinkKey, SampleObject, ServerFacts};
use anabranch_auth::{
    Authenticator, Directory, DirectoryParts, Grant, Identity, KeyPair, Keys, Pattern, Principal, Role,
    ServerKey, ServerKeys, StaticKeys,
};
use anabranch_merge::Registry;
use anabranch_refs::MemoryStore;
use anabranch_repository::{Catalog, CatalogParts, RepositoryError, StorageOpener};
use anabranch_storage::{ImportSource, ObjectStorage, PlainFolder, StorageError, open_memory};
use anabranch_types::RepositoryName;
use anabranch_types::test_support::{ManualClock, SeededIds};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use expect_test::Expect;
use http::request::Builder;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// 2026-11-22 17:41:58 UTC.
pub(crate) const NOW_MS: i64 = 1_795_369_318_000;

/// Every namespace is a memory of its own.
#[derive(Debug, Default)]
struct Memories {
    memories: Mutex<BTreeMap<String, Arc<dyn ObjectStorage>>>,
    /// The one folder that may be imported from.
    source: Option<PathBuf>,
}

#[async_trait]
impl StorageOpener for Memories {
    async fn open(&self, namespace: &str) -> Result<Arc<dyn ObjectStorage>, StorageError> {
        let mut memories = self.memories.lock().unwrap();
        Ok(memories.entry(namespace.to_owned()).or_insert_with(|| open_memory(namespace)).clone())
    }

    fn resolve(&self, requested: Option<&str>, name: &RepositoryName) -> Result<String, RepositoryError> {
        Ok(requested.map_or_else(|| format!("mem://{name}"), str::to_owned))
    }

    fn source(&self, address: &str) -> Result<(Arc<dyn ImportSource>, String), StorageError> {
        let folder = self.source.clone().unwrap_or_default();
        match address.strip_prefix(&format!("local://{}/", folder.display())) {
            Some(key) => Ok((Arc::new(PlainFolder::open(&folder)?), key.to_owned())),
            None => Err(StorageError::Withdrawn {
                address: address.to_owned(),
                reason: format!("this server imports from local://{}", folder.display()),
            }),
        }
    }
}

/// A server with an administrator, and others who may do less.
#[derive(Clone)]
pub(crate) struct Server {
    router: Router,
    clock: Arc<ManualClock>,
    /// What the router stands on.
    pub(crate) app: App,
}

fn identity(id: &str, grants: Vec<Grant>) -> Identity {
    Identity { key: KeyPair::new(id, "secret"), principal: Principal::with_grants(id, grants) }
}

fn grant(role: Role, repositories: &str, branches: &str) -> Grant {
    let pattern = |text: &str| Pattern::new(text).unwrap();
    Grant { role, repositories: pattern(repositories), branches: pattern(branches) }
}

fn server_key() -> ServerKey {
    ServerKey::parse(&"5e".repeat(32)).unwrap()
}

impl Server {
    /// Besides `admin`: `reader` reads everything, `stranger` writes to the repository `other` only, `developer` writes
    /// to branches `dev-…` of `sales`, `releaser` to its branch `main`, `nothing` may do nothing.
    pub(crate) async fn new() -> Self {
        let keys = StaticKeys::new(vec![
            identity("admin", vec![Grant::everywhere(Role::Admin)]),
            identity("reader", vec![Grant::everywhere(Role::ReadOnly)]),
            identity("stranger", vec![grant(Role::ReadWrite, "other", "*")]),
            identity("developer", vec![grant(Role::ReadWrite, "sales", "dev-*")]),
            identity("releaser", vec![grant(Role::ReadWrite, "sales", "main")]),
            identity("nothing", Vec::new()),
        ]);
        Server::with_keys(Arc::new(keys)).await
    }

    /// With these mergers, and the administrator alone.
    pub(crate) async fn with_registry(registry: Registry) -> Self {
        let keys = StaticKeys::new(vec![identity("admin", vec![Grant::everywhere(Role::Admin)])]);
        Server::build(Some(Arc::new(keys)), Options::default(), registry, None).await
    }

    pub(crate) async fn with_keys(keys: Arc<dyn Keys>) -> Self {
        Server::build(Some(keys), Options::default(), Registry::new(), None).await
    }

    /// Keys are those of the directory: the pair of `admin`, and what is made through the interface.
    pub(crate) async fn with_directory(options: Options) -> Self {
        Server::build(None, options, Registry::new(), None).await
    }

    /// A server that imports from a folder.
    pub(crate) async fn with_source(folder: PathBuf) -> Self {
        let keys = StaticKeys::new(vec![identity("admin", vec![Grant::everywhere(Role::Admin)])]);
        Server::build(Some(Arc::new(keys)), Options::default(), Registry::new(), Some(folder)).await
    }

    async fn build(
        keys: Option<Arc<dyn Keys>>,
        options: Options,
        registry: Registry,
        source: Option<PathBuf>,
    ) -> Self {
        let clock = Arc::new(ManualClock::at(NOW_MS));
        let ids = Arc::new(SeededIds::new(1));
        let refs = Arc::new(MemoryStore::new(clock.clone()));
        let catalog = Catalog::new(CatalogParts {
            refs: refs.clone(),
            staging: refs.clone(),
            storages: Arc::new(Memories { source, ..Memories::default() }),
            registry: Arc::new(registry),
            clock: clock.clone(),
            ids: ids.clone(),
            cache_bytes: 1 << 20,
        });
        let directory = Directory::open(DirectoryParts {
            refs: refs.clone(),
            clock: clock.clone(),
            ids: Arc::new(SeededIds::new(2)),
            server_keys: ServerKeys::only(server_key()),
            admin: KeyPair::new("admin", "secret"),
        });
        let directory = Arc::new(directory.await.unwrap());
        let authenticator = match keys {
            Some(keys) => Authenticator::with_keys(keys, &server_key(), clock.clone()),
            None => Authenticator::new(directory.clone(), clock.clone()),
        };
        let settings = AppSettings {
            link_key: LinkKey::derived_from(b"for tests"),
            facts: ServerFacts::default(),
            samples: &[SampleObject {
                path: "README.md",
                content_type: "text/markdown",
                bytes: b"# A sample",
            }],
            plugins: None,
        };
        let parts = AppParts { catalog, refs, directory, clock: clock.clone(), ids: ids.clone() };
        let app = App::with_settings(parts, settings);
        let router = anabranch_api::router(app.clone(), Arc::new(authenticator), options, ids);
        Server { router, clock, app }
    }

    /// A server with the repository `sales`, whose `main` has one commit with `a.txt` and `dir/b.txt`.
    pub(crate) async fn with_sales() -> Self {
        let server = Server::new().await;
        server.post("/repositories", r#"{"name": "sales"}"#).await;
        server.put("main", "a.txt", "alpha").await;
        server.put("main", "dir/b.txt", "beta").await;
        server.commit("main", "first").await;
        server
    }

    pub(crate) fn advance(&self, milliseconds: i64) {
        self.clock.advance(milliseconds);
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// `GET /repositories` with what follows the first line as the body, headers between the two: the whole answer.
    pub(crate) async fn answer(&self, text: &str) -> String {
        let (request, shown_headers) = parse(text);
        render(self.send(request).await, &shown_headers).await
    }

    /// Sends a request and compares its answer: status, and the JSON or text of the body.
    ///
    /// The text is `METHOD path`, then headers, each on a line, then an empty line and the body. A header `Show: name`
    /// shows that header of the answer.
    pub(crate) async fn check(&self, request: &str, expected: Expect) {
        expected.assert_eq(&self.answer(request).await);
    }

    /// Posts JSON that must be accepted, and gives the answer's JSON or text.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Value {
        let request = admin("POST", path).body(Body::from(body.to_owned())).unwrap();
        let response = self.send(request).await;
        let status = response.status();
        let text = text(response).await;
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }

    /// The JSON at a path.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.send(admin("GET", path).body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        serde_json::from_str(&text(response).await).unwrap()
    }

    pub(crate) async fn put(&self, branch: &str, path: &str, content: &str) {
        self.post(&format!("/repositories/sales/branches/{branch}/objects?path={path}"), content).await;
    }

    pub(crate) async fn delete(&self, branch: &str, path: &str) {
        self.post(
            &format!("/repositories/sales/branches/{branch}/objects/delete"),
            &format!(r#"{{"paths": ["{path}"]}}"#),
        )
        .await;
    }

    pub(crate) async fn branch(&self, name: &str, source: &str) {
        self.post("/repositories/sales/branches", &format!(r#"{{"name": "{name}", "source": "{source}"}}"#))
            .await;
    }

    /// Commits, a second later than what came before, and gives the id.
    pub(crate) async fn commit(&self, branch: &str, message: &str) -> String {
        self.advance(1000);
        let path = format!("/repositories/sales/branches/{branch}/commits");
        let made = self.post(&path, &format!(r#"{{"message": "{message}"}}"#)).await;
        made["id"].as_str().unwrap().to_owned()
    }

    /// The content of an object, or the status that is in its way.
    pub(crate) async fn read(&self, reference: &str, path: &str) -> String {
        let request = admin("GET", &format!("/repositories/sales/refs/{reference}/objects?path={path}"));
        let response = self.send(request.body(Body::empty()).unwrap()).await;
        match response.status() {
            StatusCode::OK => text(response).await,
            status => status.as_u16().to_string(),
        }
    }
}

/// A request of the administrator.
pub(crate) fn admin(method: &str, path: &str) -> Builder {
    let request = Request::builder().method(method).uri(format!("/api/v1{path}"));
    request.header("authorization", basic("admin"))
}

fn basic(who: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{who}:secret")))
}

fn parse(text: &str) -> (Request<Body>, Vec<String>) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines().map(str::trim);
    let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
    let mut shown = Vec::new();
    let mut authorization = Some(basic("admin"));
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        match name {
            "Show" => shown.push(value.to_owned()),
            "As" => authorization = Some(basic(value)).filter(|_| value != "nobody"),
            _ => request = request.header(name, value),
        }
    }
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    (request.body(Body::from(body.to_owned())).unwrap(), shown)
}

async fn render(response: Response<Body>, shown_headers: &[String]) -> String {
    let mut lines = vec![response.status().as_u16().to_string()];
    for name in shown_headers {
        let value = response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        lines.push(format!("{name}: {}", value.as_deref().unwrap_or("(none)")));
    }
    let body = text(response).await;
    let body = match serde_json::from_str::<Value>(&body) {
        Ok(json) => format!("{json:#}"),
        Err(_) => body,
    };
    lines.push(body);
    masked(lines.join("\n").trim_end())
}

/// The body as text.
pub(crate) async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Ids of commits and trees, and keys of objects, cut to what is the same in every run.
fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        // Commit ids, whole and as messages cut them.
        let is_id = matches!(word.len(), 12 | 64) && word.bytes().all(|b| b.is_ascii_hexdigit());
        let is_key =
            word.len() == 20 && word.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'v').contains(&b));
        out.push_str(if is_id {
            "ID"
        } else if is_key {
            "KEY"
        } else {
            &word
        });
        word.clear();
        out.push(c);
    }
    out
}
