//! The checksums that S3 knows beside the MD5: of a body, and of an object that was put together from parts.

use anabranch_types::{Attribute, Entry};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// An algorithm.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ChecksumAlgorithm {
    /// CRC-32 of ISO-HDLC: that of zip and PNG.
    Crc32,
    /// CRC-32 of Castagnoli: that of iSCSI.
    Crc32c,
    /// CRC-64 of NVMe.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// How the checksum of an object of several parts is made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChecksumKind {
    /// It is that of all bytes, as if there were no parts.
    FullObject,
    /// It is the checksum of the parts' checksums.
    Composite,
}

impl ChecksumAlgorithm {
    /// All of them.
    pub const ALL: [ChecksumAlgorithm; 5] = [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32c,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ];

    /// Its name, as S3 writes it.
    pub fn name(self) -> &'static str {
        match self {
            ChecksumAlgorithm::Crc32 => "CRC32",
            ChecksumAlgorithm::Crc32c => "CRC32C",
            ChecksumAlgorithm::Crc64Nvme => "CRC64NVME",
            ChecksumAlgorithm::Sha1 => "SHA1",
            ChecksumAlgorithm::Sha256 => "SHA256",
        }
    }

    /// The algorithm of that name, in any case of letters.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// What an object of parts gets where nobody said otherwise, as on S3.
    pub fn default_kind(self) -> ChecksumKind {
        match self {
            ChecksumAlgorithm::Crc64Nvme => ChecksumKind::FullObject,
            _ => ChecksumKind::Composite,
        }
    }

    /// Whether an object of parts can have it that way: only a CRC can be put together from those of the parts.
    pub fn supports(self, kind: ChecksumKind) -> bool {
        match kind {
            ChecksumKind::FullObject => self.crc().is_some(),
            ChecksumKind::Composite => self != ChecksumAlgorithm::Crc64Nvme,
        }
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            ChecksumAlgorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
        }
    }

    fn crc_bytes(self, value: u64) -> Vec<u8> {
        match self {
            ChecksumAlgorithm::Crc64Nvme => value.to_be_bytes().to_vec(),
            // The upper half of a CRC of 32 bits is zero.
            _ => (value as u32).to_be_bytes().to_vec(),
        }
    }
}

impl ChecksumKind {
    /// Its name, as S3 writes it.
    pub fn name(self) -> &'static str {
        match self {
            ChecksumKind::FullObject => "FULL_OBJECT",
            ChecksumKind::Composite => "COMPOSITE",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [ChecksumKind::FullObject, ChecksumKind::Composite].into_iter().find(|kind| kind.name() == name)
    }
}

/// One algorithm at work.
pub enum ChecksumHasher {
    /// A CRC.
    Crc(ChecksumAlgorithm, crc_fast::Digest),
    /// SHA-1.
    Sha1(Sha1),
    /// SHA-256.
    Sha256(Sha256),
}

impl ChecksumHasher {
    /// The hasher of an algorithm, before any byte.
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        match algorithm.crc() {
            Some(crc) => ChecksumHasher::Crc(algorithm, crc_fast::Digest::new(crc)),
            None if algorithm == ChecksumAlgorithm::Sha1 => ChecksumHasher::Sha1(Sha1::new()),
            None => ChecksumHasher::Sha256(Sha256::default()),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        match self {
            ChecksumHasher::Crc(_, digest) => digest.update(data),
            ChecksumHasher::Sha1(hasher) => hasher.update(data),
            ChecksumHasher::Sha256(hasher) => sha2::Digest::update(hasher, data),
        }
    }

    /// The checksum of all bytes, in base64.
    pub fn finish(self) -> String {
        STANDARD.encode(self.finish_bytes())
    }

    fn finish_bytes(self) -> Vec<u8> {
        match self {
            ChecksumHasher::Crc(algorithm, digest) => algorithm.crc_bytes(digest.finalize()),
            ChecksumHasher::Sha1(hasher) => hasher.finalize().to_vec(),
            ChecksumHasher::Sha256(hasher) => sha2::Digest::finalize(hasher).to_vec(),
        }
    }
}

/// The checksum that an object is known by beside its MD5.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectChecksum {
    /// Its algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// Base64; with `-N` behind it if it is one of N parts' checksums.
    pub value: String,
}

impl ObjectChecksum {
    /// The one that an entry carries.
    pub fn of_entry(entry: &Entry) -> Option<Self> {
        entry.attributes(Attribute::Checksum).find_map(|(name, value)| {
            Some(ObjectChecksum { algorithm: ChecksumAlgorithm::parse(name)?, value: value.to_owned() })
        })
    }

    /// How it was made.
    pub fn kind(&self) -> ChecksumKind {
        if self.value.contains('-') { ChecksumKind::Composite } else { ChecksumKind::FullObject }
    }

    /// Makes the entry carry it.
    pub(crate) fn attach(self, entry: &mut Entry) {
        let attribute = (self.algorithm.name().to_owned(), self.value);
        entry.replace_attributes(Attribute::Checksum, [attribute]);
    }
}

/// The checksum of an object from those of its parts, each in base64 and with the part's length; `None` where it
/// cannot be made of them.
pub(crate) fn of_parts(
    algorithm: ChecksumAlgorithm,
    kind: ChecksumKind,
    parts: &[(&str, u64)],
) -> Option<ObjectChecksum> {
    let value = match kind {
        ChecksumKind::Composite => {
            let mut hasher = ChecksumHasher::new(algorithm);
            for (sum, _) in parts {
                hasher.update(&STANDARD.decode(sum).ok()?);
            }
            format!("{}-{}", hasher.finish(), parts.len())
        }
        ChecksumKind::FullObject => {
            let crc = algorithm.crc()?;
            let mut whole = 0;
            for (number, (sum, length)) in parts.iter().enumerate() {
                let bytes = STANDARD.decode(sum).ok()?;
                let part = bytes.iter().fold(0u64, |value, byte| (value << 8) | u64::from(*byte));
                whole =
                    if number == 0 { part } else { crc_fast::checksum_combine(crc, whole, part, *length) };
            }
            STANDARD.encode(algorithm.crc_bytes(whole))
        }
    };
    Some(ObjectChecksum { algorithm, value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(algorithm: ChecksumAlgorithm, data: &[u8]) -> String {
        let mut hasher = ChecksumHasher::new(algorithm);
        for piece in data.chunks(4) {
            hasher.update(piece);
        }
        hasher.finish()
    }

    /// The check values that the algorithms' definitions state for these nine bytes.
    #[test]
    fn every_algorithm_gives_its_check_value() {
        for (algorithm, expected) in [
            (ChecksumAlgorithm::Crc32, "y/Q5Jg=="),
            (ChecksumAlgorithm::Crc32c, "4waSgw=="),
            (ChecksumAlgorithm::Crc64Nvme, "rosUhgp5mIg="),
            (ChecksumAlgorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (ChecksumAlgorithm::Sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ] {
            assert_eq!(of(algorithm, b"123456789"), expected);
            assert_eq!(ChecksumAlgorithm::parse(&algorithm.name().to_lowercase()), Some(algorithm));
        }
    }

    proptest! {
        #[test]
        fn parts_give_the_checksum_of_the_whole(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6),
        ) {
            let whole = parts.concat();
            for algorithm in ChecksumAlgorithm::ALL {
                let sums: Vec<String> = parts.iter().map(|part| of(algorithm, part)).collect();
                let sums: Vec<(&str, u64)> =
                    sums.iter().zip(&parts).map(|(sum, part)| (&**sum, part.len() as u64)).collect();
                let full = of_parts(algorithm, ChecksumKind::FullObject, &sums);
                if algorithm.supports(ChecksumKind::FullObject) {
                    prop_assert_eq!(full.map(|sum| sum.value), Some(of(algorithm, &whole)));
                } else {
                    prop_assert_eq!(full, None);
                }
                let composite = of_parts(algorithm, ChecksumKind::Composite, &sums).expect("well-formed sums");
                prop_assert_eq!(composite.kind(), ChecksumKind::Composite);
                let count = format!("-{}", parts.len());
                prop_assert!(composite.value.ends_with(&count));
            }
        }
    }
}
