//! One object to another place: within a repository without moving bytes, to another one through this machine.

use anabranch_api::wire;
use reqwest::{Body, Method};

use super::{Moved, Progress, retry};
use crate::cli::client::Client;

/// From where to where. The destination's reference is a branch.
pub(in crate::cli) struct CopyPlace<'a> {
    pub(in crate::cli) from_repository: &'a str,
    pub(in crate::cli) from_reference: &'a str,
    pub(in crate::cli) to_repository: &'a str,
    pub(in crate::cli) to_branch: &'a str,
}

/// Copies one object, user metadata and media type included.
pub(in crate::cli) async fn copy(
    client: &Client,
    place: &CopyPlace<'_>,
    object: &wire::ObjectStats,
    to_path: &str,
    progress: &Progress,
) -> anyhow::Result<Moved> {
    let size = object.size_bytes.unwrap_or_default();
    retry::retry(|| async {
        if place.from_repository == place.to_repository {
            within(client, place, object, to_path).await
        } else {
            across(client, place, object, to_path).await
        }
    })
    .await?;
    progress.add(size);
    Ok(Moved::Transferred(size))
}

async fn within(
    client: &Client,
    place: &CopyPlace<'_>,
    object: &wire::ObjectStats,
    to_path: &str,
) -> anyhow::Result<()> {
    let creation = wire::ObjectCopyCreation {
        src_path: object.path.clone(),
        src_ref: Some(place.from_reference.to_owned()),
        ..Default::default()
    };
    let segments = ["repositories", place.to_repository, "branches", place.to_branch, "objects", "copy"];
    let request = client.request(Method::POST, &segments)?.query(&[("dest_path", to_path)]).json(&creation);
    client.json::<wire::ObjectStats>(request).await.map(drop)
}

async fn across(
    client: &Client,
    place: &CopyPlace<'_>,
    object: &wire::ObjectStats,
    to_path: &str,
) -> anyhow::Result<()> {
    let segments = ["repositories", place.from_repository, "refs", place.from_reference, "objects"];
    let request = client.request(Method::GET, &segments)?.query(&[("path", object.path.as_str())]);
    let source = client.send(request).await?;
    let segments = ["repositories", place.to_repository, "branches", place.to_branch, "objects"];
    let mut request = client.request(Method::POST, &segments)?.query(&[("path", to_path)]);
    if let Some(size) = source.content_length() {
        request = request.header("content-length", size);
    }
    if let Some(content_type) = &object.content_type {
        request = request.header("content-type", content_type);
    }
    for (name, value) in object.metadata.iter().flatten() {
        request = request.header(format!("x-lakefs-meta-{name}"), value);
    }
    let request = request.body(Body::wrap_stream(source.bytes_stream()));
    client.json::<wire::ObjectStats>(request).await.map(drop)
}
