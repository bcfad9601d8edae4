//! The checksums that a client announces of its body, in headers or behind it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use s3s::S3ErrorCode;
use s3s::crypto::{Checksum, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};

use crate::error::Refusal;

const PREFIX: &str = "x-amz-checksum-";

/// Headers with the prefix that announce no value.
const NO_VALUE: [&str; 3] = ["x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"];

/// One algorithm at work.
enum Hasher {
    Crc32(Crc32),
    Crc32c(Crc32c),
    Crc64Nvme(Crc64Nvme),
    Sha1(Sha1),
    Sha256(Sha256),
    Md5(Md5),
}

impl Hasher {
    fn of_header(name: &str) -> Option<Self> {
        match name {
            "content-md5" => Some(Hasher::Md5(Md5::new())),
            "x-amz-checksum-crc32" => Some(Hasher::Crc32(Crc32::new())),
            "x-amz-checksum-crc32c" => Some(Hasher::Crc32c(Crc32c::new())),
            "x-amz-checksum-crc64nvme" => Some(Hasher::Crc64Nvme(Crc64Nvme::new())),
            "x-amz-checksum-sha1" => Some(Hasher::Sha1(Sha1::new())),
            "x-amz-checksum-sha256" => Some(Hasher::Sha256(Sha256::new())),
            _ => None,
        }
    }

    fn update(&mut self, data: &[u8]) {
        match self {
            Hasher::Crc32(hasher) => hasher.update(data),
            Hasher::Crc32c(hasher) => hasher.update(data),
            Hasher::Crc64Nvme(hasher) => hasher.update(data),
            Hasher::Sha1(hasher) => hasher.update(data),
            Hasher::Sha256(hasher) => hasher.update(data),
            Hasher::Md5(hasher) => hasher.update(data),
        }
    }

    fn finish(self) -> String {
        match self {
            Hasher::Crc32(hasher) => STANDARD.encode(hasher.finalize()),
            Hasher::Crc32c(hasher) => STANDARD.encode(hasher.finalize()),
            Hasher::Crc64Nvme(hasher) => STANDARD.encode(hasher.finalize()),
            Hasher::Sha1(hasher) => STANDARD.encode(hasher.finalize()),
            Hasher::Sha256(hasher) => STANDARD.encode(hasher.finalize()),
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
        Ok(Checksums(announced))
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
        let algorithm = [("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "FULL_OBJECT")];
        assert_eq!(check(&algorithm, NINE, &[]), "ok");
    }
}
