//! One file to one object.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anabranch_api::wire;
use anyhow::{Context, bail};
use futures::StreamExt;
use md5::{Digest, Md5};
use reqwest::{Body, Method};
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::{Moved, Progress, checksum, retry};
use crate::cli::client::Client;

/// A file and where it goes.
pub(in crate::cli) struct Upload<'a> {
    /// The file; `None`: the standard input.
    pub(in crate::cli) file: Option<&'a Path>,
    pub(in crate::cli) repository: &'a str,
    pub(in crate::cli) branch: &'a str,
    pub(in crate::cli) path: &'a str,
    pub(in crate::cli) content_type: &'a str,
    /// Fails if the path holds an object.
    pub(in crate::cli) create_only: bool,
    /// What the path holds now; it is not written again if it is the same.
    pub(in crate::cli) known: Option<&'a wire::ObjectStats>,
}

/// Writes the file, unless the path holds it already. Gives what the server says of a new object.
pub(in crate::cli) async fn upload(
    client: &Client,
    upload: &Upload<'_>,
    progress: &Progress,
) -> anyhow::Result<(Moved, Option<wire::ObjectStats>)> {
    if let (Some(file), Some(known)) = (upload.file, upload.known) {
        let size = known.size_bytes.unwrap_or_default();
        let same_type = known.content_type.as_deref() == Some(upload.content_type);
        if same_type && checksum::matches(file, size, &known.checksum).await? {
            progress.add(size);
            return Ok((Moved::Skipped, None));
        }
    }
    if upload.create_only || upload.file.is_none() {
        // A second try could not tell the first one's object from somebody else's, and the standard input is gone.
        let made = attempt(client, upload, progress).await?;
        return Ok((Moved::Transferred(made.size_bytes.unwrap_or_default()), Some(made)));
    }
    let made = retry::retry(|| attempt(client, upload, progress)).await?;
    Ok((Moved::Transferred(made.size_bytes.unwrap_or_default()), Some(made)))
}

async fn attempt(
    client: &Client,
    upload: &Upload<'_>,
    progress: &Progress,
) -> anyhow::Result<wire::ObjectStats> {
    let (input, size) = open(upload.file).await?;
    let sent = Arc::new(Mutex::new((0, Md5::new())));
    let (counter, bar) = (Arc::clone(&sent), progress.clone());
    let pieces = ReaderStream::with_capacity(input, 256 * 1024).inspect(move |piece| {
        if let Ok(piece) = piece {
            let mut sent = counter.lock().unwrap_or_else(PoisonError::into_inner);
            sent.0 += piece.len() as u64;
            sent.1.update(piece);
            bar.add(piece.len() as u64);
        }
    });
    let segments = ["repositories", upload.repository, "branches", upload.branch, "objects"];
    let mut request = client
        .request(Method::POST, &segments)?
        .query(&[("path", upload.path)])
        .header("content-type", upload.content_type);
    if let Some(size) = size {
        request = request.header("content-length", size);
    }
    if upload.create_only {
        request = request.header("if-none-match", "*");
    }
    let answered = client.json::<wire::ObjectStats>(request.body(Body::wrap_stream(pieces))).await;
    let (count, digest) = {
        let sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
        (sent.0, hex::encode(sent.1.clone().finalize()))
    };
    let made = answered.inspect_err(|_| progress.take_back(count))?;
    if made.size_bytes != Some(count) || made.checksum != digest {
        bail!("the server holds other bytes at {} than were sent: put it again", upload.path);
    }
    Ok(made)
}

/// What is read, and its size if it has one.
async fn open(file: Option<&Path>) -> anyhow::Result<(File, Option<u64>)> {
    let path = file.unwrap_or(Path::new("/dev/stdin"));
    let unreadable = || format!("{} cannot be read", path.display());
    let file = File::open(path).await.with_context(unreadable)?;
    let facts = file.metadata().await.with_context(unreadable)?;
    // A pipe or a device has no size that can be announced.
    Ok((file, facts.is_file().then_some(facts.len())))
}
