//! Whether a local file holds the bytes that a checksum of the server names.
//!
//! The server's checksum is the MD5 of the bytes; of an upload in parts it is the MD5 of the parts' MD5s and their
//! number. How long the parts were is not recorded, so the usual lengths are tried.

use std::path::Path;

use anyhow::Context;
use md5::{Digest, Md5};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

const MIB: u64 = 1024 * 1024;
/// The lengths of parts that clients use, in MiB: aws, rclone, boto3, Hadoop, and the least that S3 takes.
const PART_LENGTHS: [u64; 12] = [5, 8, 10, 15, 16, 25, 32, 50, 64, 100, 128, 256];

/// What a checksum says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Checksum {
    /// The MD5 of the bytes.
    Whole(String),
    /// That of so many parts.
    Parts { digest: String, count: u64 },
    /// Something else: it cannot be compared.
    Unknown,
}

impl Checksum {
    pub(super) fn parse(text: &str) -> Checksum {
        let is_md5 = |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match text.split_once('-') {
            None if is_md5(text) => Checksum::Whole(text.to_ascii_lowercase()),
            Some((digest, count)) if is_md5(digest) => match count.parse() {
                Ok(count) if count > 0 => Checksum::Parts { digest: digest.to_ascii_lowercase(), count },
                _ => Checksum::Unknown,
            },
            _ => Checksum::Unknown,
        }
    }
}

/// Whether the file has this size and checksum. False also where that cannot be told.
pub(super) async fn matches(file: &Path, size: u64, checksum: &str) -> anyhow::Result<bool> {
    let unreadable = || format!("{} cannot be read", file.display());
    match tokio::fs::metadata(file).await {
        Ok(facts) if facts.is_file() && facts.len() == size => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(unreadable),
    }
    match Checksum::parse(checksum) {
        Checksum::Whole(digest) => Ok(digest_of(file, &[]).await.with_context(unreadable)?.whole == digest),
        Checksum::Parts { digest, count } => {
            let lengths = part_lengths(size, count);
            if lengths.is_empty() {
                return Ok(false);
            }
            Ok(digest_of(file, &lengths).await.with_context(unreadable)?.parts.contains(&digest))
        }
        Checksum::Unknown => Ok(false),
    }
}

/// The lengths of parts that cut `size` bytes into `count`.
fn part_lengths(size: u64, count: u64) -> Vec<u64> {
    PART_LENGTHS.iter().map(|mib| mib * MIB).filter(|length| size.div_ceil(*length).max(1) == count).collect()
}

struct Digests {
    whole: String,
    /// One for each length of parts.
    parts: Vec<String>,
}

/// Reads the file once for all digests.
async fn digest_of(file: &Path, part_lengths: &[u64]) -> std::io::Result<Digests> {
    let mut input = File::open(file).await?;
    let mut whole = Md5::new();
    let mut parts: Vec<PartDigest> = part_lengths.iter().map(|length| PartDigest::new(*length)).collect();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = input.read(&mut buffer).await?;
        let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else { break };
        if parts.is_empty() {
            whole.update(piece);
        }
        parts.iter_mut().for_each(|part| part.update(piece));
    }
    let parts = parts.into_iter().map(PartDigest::finish).collect();
    Ok(Digests { whole: hex::encode(whole.finalize()), parts })
}

/// The MD5 of the MD5s of parts of one length.
struct PartDigest {
    length: u64,
    filled: u64,
    part: Md5,
    all: Md5,
}

impl PartDigest {
    fn new(length: u64) -> Self {
        PartDigest { length, filled: 0, part: Md5::new(), all: Md5::new() }
    }

    fn update(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let room = usize::try_from(self.length - self.filled).unwrap_or(usize::MAX);
            let (now, later) = piece.split_at(room.min(piece.len()));
            self.part.update(now);
            self.filled += now.len() as u64;
            if self.filled == self.length {
                self.all.update(self.part.finalize_reset());
                self.filled = 0;
            }
            piece = later;
        }
    }

    fn finish(mut self) -> String {
        if self.filled > 0 {
            self.all.update(self.part.finalize_reset());
        }
        hex::encode(self.all.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_known_by_its_md5() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "hello").unwrap();
        let md5 = "5d41402abc4b2a76b9719d911017c592";
        assert!(matches(&file, 5, md5).await.unwrap());
        assert!(!matches(&file, 4, md5).await.unwrap());
        assert!(!matches(&file, 5, "00000000000000000000000000000000").await.unwrap());
        assert!(!matches(&file, 5, "not a checksum").await.unwrap());
        assert!(!matches(&folder.path().join("absent"), 5, md5).await.unwrap());
    }

    #[tokio::test]
    async fn a_file_is_known_by_the_md5_of_its_parts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        let content = vec![7; 8 * 1024 * 1024 + 3];
        std::fs::write(&file, &content).unwrap();
        let (first, rest) = content.split_at(8 * 1024 * 1024);
        let digests = [Md5::digest(first), Md5::digest(rest)].concat();
        let checksum = format!("{}-2", hex::encode(Md5::digest(digests)));
        assert!(matches(&file, content.len() as u64, &checksum).await.unwrap());
        let other = checksum.replace("-2", "-3");
        assert!(!matches(&file, content.len() as u64, &other).await.unwrap());
    }

    #[test]
    fn lengths_of_parts_are_those_that_fit() {
        assert_eq!(part_lengths(9 * MIB, 2), [5 * MIB, 8 * MIB]);
        assert_eq!(part_lengths(9 * MIB, 7), [0; 0]);
    }
}
