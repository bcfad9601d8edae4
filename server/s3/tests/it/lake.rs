//! An application on memory behind the door, and a client that signs.

use std::sync::Arc;

use anabranch_app::{App, AppParts, CommitInput, CreateRepositoryInput, MergeAnswer, MergeInput};
use anabranch_auth::sigv4::Policy;
use anabranch_auth::sigv4::sign::{Signer, chunked_body, payload_digest};
use anabranch_auth::{
    Authenticator, Directory, DirectoryParts, Grant, KeyPair, Pattern, Principal, Role, ServerKey,
    ServerKeys, StaticKeys,
};
use anabranch_merge::Registry;
use anabranch_refs::MemoryStore;
use anabranch_repository::{Catalog, CatalogParts, RepositoryError, StorageOpener};
use anabranch_s3::{DoorParts, S3Door, service};
use anabranch_storage::{ObjectStorage, StorageError, open_memory};
use anabranch_types::test_support::{ManualClock, SeededIds};
use anabranch_types::{Clock, RepositoryName};
use bytes::Bytes;
use futures::TryStreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use tower::Service;

/// 2026-01-02T03:04:05Z.
pub(crate) const NOW_MS: i64 = 1_767_323_045_000;

/// One storage in memory for all repositories of a test.
#[derive(Debug)]
struct Memory(Arc<dyn ObjectStorage>);

#[async_trait::async_trait]
impl StorageOpener for Memory {
    async fn open(&self, _: &str) -> Result<Arc<dyn ObjectStorage>, StorageError> {
        Ok(self.0.clone())
    }

    fn resolve(&self, _: Option<&str>, repository: &RepositoryName) -> Result<String, RepositoryError> {
        Ok(format!("mem://{repository}"))
    }
}

/// A repository `sales` with the branches `main` and `dev`, empty, behind the door.
pub(crate) struct Lake {
    pub(crate) app: App,
    pub(crate) door: S3Door,
    pub(crate) clock: Arc<ManualClock>,
    storage: Arc<dyn ObjectStorage>,
    pub(crate) signer: Signer,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The text of all elements of a name, in order.
    pub(crate) fn elements(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let text = self.text();
        text.split(&open).skip(1).filter_map(|rest| Some(rest.split_once(&close)?.0.to_owned())).collect()
    }

    /// Status and S3's code, as `404 NoSuchKey`; the status alone if all is well.
    pub(crate) fn outcome(&self) -> String {
        match self.elements("Code").first() {
            Some(code) if self.status >= 300 => format!("{} {code}", self.status),
            _ => self.status.to_string(),
        }
    }
}

pub(crate) fn admin() -> Principal {
    Principal::new("admin", Role::Admin)
}

fn identity(name: &str, grants: Vec<Grant>) -> anabranch_auth::Identity {
    let key = KeyPair::new(format!("AKID{}", name.to_uppercase()), format!("secret-of-the-{name}"));
    anabranch_auth::Identity { key, principal: Principal::with_grants(name, grants) }
}

fn grant(repositories: &str, branches: &str) -> Grant {
    let pattern = |text: &str| Pattern::new(text).expect("a pattern");
    Grant { role: Role::ReadWrite, repositories: pattern(repositories), branches: pattern(branches) }
}

impl Lake {
    pub(crate) async fn new() -> Self {
        Self::with(Policy::default(), &["s3.lake.example"]).await
    }

    pub(crate) async fn with(policy: Policy, domains: &[&str]) -> Self {
        let clock = Arc::new(ManualClock::at(NOW_MS));
        let ids = Arc::new(SeededIds::new(7));
        let storage = open_memory("lake");
        let store = Arc::new(MemoryStore::new(clock.clone() as Arc<dyn Clock>));
        let catalog = Catalog::new(CatalogParts {
            refs: store.clone(),
            staging: store.clone(),
            storages: Arc::new(Memory(storage.clone())),
            registry: Arc::new(Registry::new()),
            clock: clock.clone(),
            ids: ids.clone(),
            cache_bytes: 1 << 20,
        });
        let key = KeyPair::new("AKIDLAKE", "secret-of-the-lake");
        let server_key = ServerKey::parse(&"1".repeat(64)).expect("64 digits");
        let directory = Directory::open(DirectoryParts {
            refs: store.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            server_keys: ServerKeys::only(server_key.clone()),
            admin: key.clone(),
        });
        let directory = Arc::new(directory.await.expect("a directory"));
        let app =
            App::new(AppParts { catalog, refs: store, directory, clock: clock.clone(), ids: ids.clone() });
        let owner = anabranch_auth::Identity { key: key.clone(), principal: admin() };
        // `reader` reads everything, `stranger` writes to another repository, `developer` to branches `dev…`.
        let others = vec![
            identity("reader", vec![Grant::everywhere(Role::ReadOnly)]),
            identity("stranger", vec![grant("other", "*")]),
            identity("developer", vec![grant("sales", "dev*")]),
            identity("nothing", Vec::new()),
        ];
        let keys = Arc::new(StaticKeys::new(others.into_iter().chain([owner]).collect()));
        let door = service(DoorParts {
            app: app.clone(),
            authenticator: Arc::new(Authenticator::with_keys(keys, &server_key, clock.clone())),
            ids,
            domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
            policy,
        });
        let lake = Lake { app, door, clock, storage, signer: Signer { key, region: "us-east-1".to_owned() } };
        lake.make_repository().await;
        lake
    }

    async fn make_repository(&self) {
        let input = CreateRepositoryInput {
            name: "sales".into(),
            storage_namespace: None,
            default_branch: None,
            metadata: Default::default(),
        };
        self.app.create_repository(&admin(), input).await.expect("a repository");
        self.app.create_branch(&admin(), "sales", "dev", "main", false).await.expect("a branch");
    }

    /// Commits what is staged on a branch.
    pub(crate) async fn commit(&self, branch: &str) {
        let input = CommitInput { message: "test".into(), ..CommitInput::default() };
        self.app.commit(&admin(), "sales", branch, input).await.expect("a commit");
    }

    pub(crate) async fn tag(&self, name: &str, reference: &str) {
        self.app.create_tag(&admin(), "sales", name, reference, false).await.expect("a tag");
    }

    pub(crate) async fn merge(&self, source: &str, destination: &str) {
        let input = MergeInput::default();
        let answer = self.app.merge(&admin(), "sales", source, destination, input).await.expect("a merge");
        assert!(matches!(answer, MergeAnswer::Merged { .. }), "{answer:?}");
    }

    /// How many bytes lie in stored objects of at least so many bytes.
    pub(crate) async fn stored_bytes(&self, at_least: u64) -> u64 {
        let objects: Vec<_> = self.storage.list("data/", None).try_collect().await.expect("a listing");
        objects.iter().map(|object| object.size).filter(|size| *size >= at_least).sum()
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, method: &Method, uri: Uri, headers: HeaderMap, body: Vec<u8>) -> Answer {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let response: Response<_> = match self.door.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole answer").to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) fn headers(body_bytes: usize, extra: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("localhost:8000"));
        headers.insert("content-length", HeaderValue::from(body_bytes));
        for (name, value) in extra {
            let name: HeaderName = name.parse().expect("a header name");
            headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
        }
        headers
    }

    /// Signs and sends a request whose body is covered by the signature.
    pub(crate) async fn call(
        &self,
        method: &str,
        target: &str,
        extra: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.call_as(&self.signer, method, target, extra, body).await
    }

    pub(crate) async fn call_as(
        &self,
        signer: &Signer,
        method: &str,
        target: &str,
        extra: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let method: Method = method.parse().expect("a method");
        let uri: Uri = target.parse().expect("a URI");
        let mut headers = Self::headers(body.len(), extra);
        let payload = payload_digest(body);
        signer
            .sign_header(&method, &uri, &mut headers, &payload, self.clock.now_ms())
            .expect("a request that can be signed");
        self.send(&method, uri, headers, body.to_vec()).await
    }

    pub(crate) async fn put(&self, key: &str, body: &[u8]) -> Answer {
        self.call("PUT", &format!("/sales/{key}"), &[], body).await
    }

    pub(crate) async fn get(&self, key: &str) -> Answer {
        self.call("GET", &format!("/sales/{key}"), &[], b"").await
    }

    /// Puts a body in chunks; `change` may spoil the bytes of the wire.
    pub(crate) async fn put_chunked(
        &self,
        key: &str,
        signed: bool,
        chunks: &[&[u8]],
        trailers: &[(&str, &str)],
        change: impl FnOnce(&mut Vec<u8>),
    ) -> Answer {
        let uri: Uri = format!("/sales/{key}").parse().expect("a URI");
        let decoded: usize = chunks.iter().map(|chunk| chunk.len()).sum();
        let decoded = decoded.to_string();
        let names: Vec<&str> = trailers.iter().map(|(name, _)| *name).collect();
        let names = names.join(",");
        let mut extra =
            vec![("x-amz-decoded-content-length", &*decoded), ("content-encoding", "aws-chunked")];
        if !trailers.is_empty() {
            extra.push(("x-amz-trailer", &names));
        }
        let payload = match (signed, trailers.is_empty()) {
            (true, true) => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            (true, false) => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            (false, _) => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        };
        let mut headers = Self::headers(0, &extra);
        headers.remove("content-length");
        let signer = self
            .signer
            .sign_header(&Method::PUT, &uri, &mut headers, payload, self.clock.now_ms())
            .expect("a request that can be signed");
        let mut body = chunked_body(signed.then_some(signer), chunks, trailers);
        change(&mut body);
        headers.insert("content-length", HeaderValue::from(body.len()));
        self.send(&Method::PUT, uri, headers, body).await
    }

    /// The keys and common prefixes of a listing, in order, common prefixes in brackets.
    pub(crate) async fn list(&self, query: &str) -> String {
        let answer = self.call("GET", &format!("/sales?list-type=2&{query}"), &[], b"").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        listed(&answer)
    }
}

/// The keys, then the common prefixes in brackets, then `…` if more follow.
pub(crate) fn listed(answer: &Answer) -> String {
    let mut lines = answer.elements("Key");
    let prefixes = answer.elements("CommonPrefixes");
    lines.extend(
        prefixes.iter().map(|prefix| {
            format!("[{}]", prefix.trim_start_matches("<Prefix>").trim_end_matches("</Prefix>"))
        }),
    );
    if answer.elements("IsTruncated") == ["true"] {
        lines.push("…".to_owned());
    }
    lines.join(" ")
}
