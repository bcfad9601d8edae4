//! The checksums that a client announces of its body, in headers or behind it.

use anabranch_app::{ChecksumAlgorithm, ChecksumHasher, ObjectChecksum};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use s3s::S3ErrorCode;
use s3s::crypto::{Checksum, Md5};
use s3s::dto::ChecksumType;

use crate::error::Refusal;

const PREFIX: &str = "x-amz-checksum-";

/// Headers with the prefix that announce no value.
const NO_VALUE: [&str; 3] = ["x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"];

/// The algorithm of a checksum's header or trailer.
fn algorithm_of(name: &str) -> Option<ChecksumAlgorithm> {
    name.strip_prefix(PREFIX).and_then(ChecksumAlgorithm::parse)
}

/// One algorithm at work.
enum Hasher {
    Further(Box<ChecksumHasher>),
    Md5(Md5),
}

impl Hasher {
    fn of_header(name: &str) -> Option<Self> {
        match name {
            "content-md5" => Some(Hasher::Md5(Md5::new())),
            name => Some(Hasher::Further(Box::new(ChecksumHasher::new(algorithm_of(name)?)))),
        }
    }

    fn update(&mut self, data: &[u8]) {
        match self {
            Hasher::Further(hasher) => hasher.update(data),
            Hasher::Md5(hasher) => hasher.update(data),
        }
    }

    fn finish(self) -> String {
        match self {
            Hasher::Further(hasher) => hasher.finish(),
            Hasher::Md5(hasher) => STANDARD.encode(hasher.finalize()),
        }
    }
}

/// One announced checksum.
struct Announced {
    header: String,
    /// What it must be, in base64; `None` while it is to come behind the body.
    expected: Option<String>,
    hasher: Hasher,
}

/// All checksums that a request announces of its body.
#[derive(Default)]
pub(crate) struct Checksums(Vec<Announced>);

impl Checksums {
    /// Reads what the headers announce. `md5` says whether `content-md5` is among it; the application
    /// checks that of objects, for which it computes the MD5 anyway.
    pub(crate) fn announced(headers: &HeaderMap, md5: bool) -> Result<Self, Refusal> {
        let mut announced = Vec::new();
        for (name, value) in headers {
            let name = name.as_str();
            let wanted =
                (name.starts_with(PREFIX) && !NO_VALUE.contains(&name)) || (md5 && name == "content-md5");
            if !wanted {
                continue;
            }
            let hasher = Hasher::of_header(name).ok_or_else(|| unknown(name))?;
            let value = value.to_str().unwrap_or_default().trim().to_owned();
            announced.push(Announced { header: name.to_owned(), expected: Some(value), hasher });
        }
        for trailer in headers.get_all("x-amz-trailer") {
            for name in trailer.to_str().unwrap_or_default().split(',') {
                let name = name.trim().to_ascii_lowercase();
                let hasher = Hasher::of_header(&name).ok_or_else(|| unknown(&name))?;
                announced.push(Announced { header: name, expected: None, hasher });
            }
        }
        let further = announced.iter().filter(|announced| algorithm_of(&announced.header).is_some()).count();
        if further > 1 {
            let message = "more than one x-amz-checksum-… is announced; choose one";
            return Err(Refusal::new(S3ErrorCode::InvalidRequest, message));
        }
        Ok(Checksums(announced))
    }

    /// The algorithm of the checksum that is announced beside the MD5.
    pub(crate) fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        self.0.iter().find_map(|announced| algorithm_of(&announced.header))
    }

    /// Takes the next bytes of the body.
    pub(crate) fn update(&mut self, data: &[u8]) {
        for announced in &mut self.0 {
            announced.hasher.update(data);
        }
    }

    /// Compares, once the body is complete; `trailers` are what came behind it.
    pub(crate) fn finish(self, trailers: &[(String, String)]) -> Result<(), Refusal> {
        for announced in self.0 {
            let header = announced.header;
            let behind = trailers.iter().find(|(name, _)| *name == header).map(|(_, value)| value.clone());
            let Some(expected) = announced.expected.or(behind) else {
                let message = format!("the trailer {header} was announced and did not come");
                return Err(Refusal::new(S3ErrorCode::Custom("MalformedTrailerError".into()), message));
            };
            let actual = announced.hasher.finish();
            if actual != expected {
                let message =
                    format!("{header} was announced as {expected:?}, but that of what arrived is {actual:?}");
                return Err(Refusal::new(S3ErrorCode::BadDigest, message));
            }
        }
        Ok(())
    }
}

/// Puts a checksum into the field of its algorithm.
macro_rules! set_checksum {
    ($output:expr, $checksum:expr) => {
        if let Some(anabranch_app::ObjectChecksum { algorithm, value }) = $checksum {
            match algorithm {
                anabranch_app::ChecksumAlgorithm::Crc32 => $output.checksum_crc32 = Some(value),
                anabranch_app::ChecksumAlgorithm::Crc32c => $output.checksum_crc32c = Some(value),
                anabranch_app::ChecksumAlgorithm::Crc64Nvme => $output.checksum_crc64nvme = Some(value),
                anabranch_app::ChecksumAlgorithm::Sha1 => $output.checksum_sha1 = Some(value),
                anabranch_app::ChecksumAlgorithm::Sha256 => $output.checksum_sha256 = Some(value),
            }
        }
    };
}
pub(crate) use set_checksum;

/// As [`set_checksum`], for an answer that also says how the checksum was made.
macro_rules! set_typed_checksum {
    ($output:expr, $checksum:expr) => {
        if let Some(checksum) = $checksum {
            $output.checksum_type = Some($crate::checksum::type_of(&checksum));
            $crate::checksum::set_checksum!($output, Some(checksum));
        }
    };
}
pub(crate) use set_typed_checksum;

/// The checksum that is in the field of one of the algorithms.
macro_rules! taken_checksum {
    ($input:expr) => {
        $crate::checksum::first([
            (anabranch_app::ChecksumAlgorithm::Crc32, $input.checksum_crc32.take()),
            (anabranch_app::ChecksumAlgorithm::Crc32c, $input.checksum_crc32c.take()),
            (anabranch_app::ChecksumAlgorithm::Crc64Nvme, $input.checksum_crc64nvme.take()),
            (anabranch_app::ChecksumAlgorithm::Sha1, $input.checksum_sha1.take()),
            (anabranch_app::ChecksumAlgorithm::Sha256, $input.checksum_sha256.take()),
        ])
    };
}
pub(crate) use taken_checksum;

pub(crate) fn type_of(checksum: &ObjectChecksum) -> ChecksumType {
    ChecksumType::from(checksum.kind().name().to_owned())
}

pub(crate) fn first(fields: [(ChecksumAlgorithm, Option<String>); 5]) -> Option<ObjectChecksum> {
    let mut there =
        fields.into_iter().filter_map(|(algorithm, value)| Some(ObjectChecksum { algorithm, value: value? }));
    there.next()
}

fn unknown(name: &str) -> Refusal {
    let message = format!(
        "the checksum {name} is not supported; use crc32, crc32c, crc64nvme, sha1 or sha256 in x-amz-checksum-…"
    );
    Refusal::new(S3ErrorCode::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(headers: &[(&'static str, &str)], body: &[u8], trailers: &[(&str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).expect("a value"));
        }
        let trailers: Vec<_> =
            trailers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let answer = Checksums::announced(&map, true).and_then(|mut checksums| {
            for piece in body.chunks(3) {
                checksums.update(piece);
            }
            checksums.finish(&trailers)
        });
        answer.map_or_else(
            |refusal| format!("{}: {}", refusal.code.as_str(), refusal.message),
            |()| "ok".into(),
        )
    }

    /// The check values that the algorithms' definitions state for these nine bytes.
    const NINE: &[u8] = b"123456789";

    #[test]
    fn every_algorithm_is_checked() {
        for (header, value) in [
            ("x-amz-checksum-crc32", "y/Q5Jg=="),
            ("x-amz-checksum-crc32c", "4waSgw=="),
            ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
            ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
            ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
            ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw=="),
        ] {
            assert_eq!(check(&[(header, value)], NINE, &[]), "ok", "{header}");
            let wrong = check(&[(header, value)], b"12345678", &[]);
            assert!(wrong.starts_with("BadDigest"), "{header}: {wrong}");
            if header != "content-md5" {
                assert_eq!(check(&[("x-amz-trailer", header)], NINE, &[(header, value)]), "ok", "{header}");
            }
        }
    }

    #[test]
    fn what_is_announced_must_come() {
        let missing = check(&[("x-amz-trailer", "x-amz-checksum-crc32")], NINE, &[]);
        assert_eq!(
            missing,
            "MalformedTrailerError: the trailer x-amz-checksum-crc32 was announced and did not come"
        );
        let unknown = check(&[("x-amz-checksum-xxhash", "AA==")], NINE, &[]);
        assert!(unknown.starts_with("InvalidRequest: the checksum x-amz-checksum-xxhash"), "{unknown}");
        let two = [("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-checksum-crc32c", "4waSgw==")];
        assert!(check(&two, NINE, &[]).starts_with("InvalidRequest: more than one"));
        let algorithm = [("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "FULL_OBJECT")];
        assert_eq!(check(&algorithm, NINE, &[]), "ok");
    }
}
