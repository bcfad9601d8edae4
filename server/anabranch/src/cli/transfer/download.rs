//! One object to one file.
//!
//! The bytes go to a file of another name, which says the object's path and checksum; when they are complete and their
//! checksum is right, it gets the final name. If a download breaks off, the next one goes on where it ended.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};

use anabranch_api::wire;
use anyhow::{Context, bail};
use md5::{Digest, Md5};
use reqwest::header::{ETAG, RANGE};
use reqwest::{Method, StatusCode};
use rustix::fs::{FlockOperation, flock};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::checksum::{self, Checksum};
use super::local::PART_PREFIX;
use super::{Moved, Progress, retry};
use crate::cli::client::Client;

/// An object and the file it becomes.
pub(in crate::cli) struct Download<'a> {
    pub(in crate::cli) repository: &'a str,
    pub(in crate::cli) reference: &'a str,
    /// What the server says of the object.
    pub(in crate::cli) object: &'a wire::ObjectStats,
    pub(in crate::cli) target: &'a Path,
    /// Downloads also what the file holds already.
    pub(in crate::cli) always: bool,
}

/// The object was overwritten while it was read.
#[derive(Debug, thiserror::Error)]
#[error("the object changed while it was read: get it again")]
struct Changed;

/// Writes the object to its file, unless the file holds it already.
pub(in crate::cli) async fn download(
    client: &Client,
    download: &Download<'_>,
    progress: &Progress,
) -> anyhow::Result<Moved> {
    let size = download.object.size_bytes.unwrap_or_default();
    if download.target.is_dir() {
        bail!("{} is a folder: it stands where the file would be", download.target.display());
    }
    if !download.always && checksum::matches(download.target, size, &download.object.checksum).await? {
        progress.add(size);
        return Ok(Moved::Skipped);
    }
    if let Some(folder) = download.target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)
            .await
            .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    }
    let part = part_path(download.target, &download.object.checksum);
    retry::retry(|| attempt(client, download, &part, size, progress)).await?;
    Ok(Moved::Transferred(size))
}

/// The unfinished file of a target and a checksum: beside the target, so that it can be renamed.
fn part_path(target: &Path, checksum: &str) -> PathBuf {
    let mut digest = Md5::new();
    digest.update(target.file_name().unwrap_or_default().as_encoded_bytes());
    digest.update([0]);
    digest.update(checksum);
    target.with_file_name(format!("{PART_PREFIX}{}.part", hex::encode(digest.finalize())))
}

/// Gets what is missing of the unfinished file, and finishes it.
async fn attempt(
    client: &Client,
    download: &Download<'_>,
    part: &Path,
    size: u64,
    progress: &Progress,
) -> anyhow::Result<()> {
    let mut unfinished = Unfinished::open(part, size).await?;
    progress.add(unfinished.length);
    let mut counted = unfinished.length;
    let fetched = fetch(client, download, &mut unfinished, size, |bytes| {
        counted += bytes;
        progress.add(bytes);
    });
    let finished = match fetched.await {
        Ok(()) => unfinished.finish(download, size).await,
        Err(error) => {
            // What came is kept for the next try; if even that fails, the next try gets more of it.
            let _ = unfinished.file.flush().await;
            Err(error)
        }
    };
    finished.inspect_err(|_| progress.take_back(counted))
}

async fn fetch(
    client: &Client,
    download: &Download<'_>,
    unfinished: &mut Unfinished,
    size: u64,
    mut moved: impl FnMut(u64),
) -> anyhow::Result<()> {
    if unfinished.length == size {
        return Ok(());
    }
    let segments = ["repositories", download.repository, "refs", download.reference, "objects"];
    let mut request =
        client.request(Method::GET, &segments)?.query(&[("path", download.object.path.as_str())]);
    if unfinished.length > 0 {
        request = request.header(RANGE, format!("bytes={}-", unfinished.length));
    }
    let mut response = client.send(request).await?;
    let etag =
        response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(|tag| tag.trim_matches('"'));
    if etag.is_some_and(|etag| etag != download.object.checksum) {
        return Err(Changed.into());
    }
    if unfinished.length > 0 && response.status() != StatusCode::PARTIAL_CONTENT {
        bail!("the server does not send ranges: remove {} and get it again", unfinished.path.display());
    }
    while let Some(piece) = response.chunk().await.context("the download broke off")? {
        if unfinished.length + piece.len() as u64 > size {
            return Err(Changed.into());
        }
        unfinished.append(&piece).await?;
        moved(piece.len() as u64);
    }
    Ok(())
}

/// A file that does not have its final name yet. No second process writes to it meanwhile.
struct Unfinished {
    path: PathBuf,
    file: File,
    length: u64,
    digest: Md5,
}

impl Unfinished {
    /// Opens what an earlier download left, or begins anew.
    async fn open(path: &Path, size: u64) -> anyhow::Result<Self> {
        let failed = || format!("{} cannot be written", path.display());
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        let file = options.open(path).await.with_context(failed)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!("another download writes {}: wait for it", path.display());
        }
        let mut unfinished = Unfinished { path: path.to_owned(), file, length: 0, digest: Md5::new() };
        if unfinished.file.metadata().await.with_context(failed)?.len() > size {
            unfinished.file.set_len(0).await.with_context(failed)?;
        }
        unfinished.read_what_is_there().await.with_context(failed)?;
        Ok(unfinished)
    }

    async fn read_what_is_there(&mut self) -> std::io::Result<()> {
        let mut buffer = vec![0; 256 * 1024];
        self.file.seek(SeekFrom::Start(0)).await?;
        loop {
            let count = self.file.read(&mut buffer).await?;
            let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else { return Ok(()) };
            self.digest.update(piece);
            self.length += piece.len() as u64;
        }
    }

    async fn append(&mut self, piece: &[u8]) -> anyhow::Result<()> {
        let written = self.file.write_all(piece).await;
        written.with_context(|| format!("{} cannot be written", self.path.display()))?;
        self.digest.update(piece);
        self.length += piece.len() as u64;
        Ok(())
    }

    /// Gives the file its final name if it is what the server said.
    async fn finish(mut self, download: &Download<'_>, size: u64) -> anyhow::Result<()> {
        let failed = || format!("{} cannot be written", download.target.display());
        self.file.flush().await.with_context(failed)?;
        let digest = hex::encode(self.digest.clone().finalize());
        let wrong = match Checksum::parse(&download.object.checksum) {
            Checksum::Whole(expected) => digest != expected,
            // Bytes of an upload in parts are compared where its parts have a usual length; the size always is.
            Checksum::Parts { .. } | Checksum::Unknown => false,
        };
        if self.length < size {
            bail!("the download broke off after {} of {size} bytes", self.length);
        }
        if wrong {
            fs::remove_file(&self.path).await.with_context(failed)?;
            bail!("the bytes that came are not those of the object: get it again");
        }
        self.file.sync_all().await.with_context(failed)?;
        fs::rename(&self.path, download.target).await.with_context(failed)
    }
}
