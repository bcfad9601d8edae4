//! What a request says about its own signature; nothing here is believed yet.

use http::header::AUTHORIZATION;

use super::canonical::{SIGNATURE_PARAMETER, query_pairs};
use super::date::AmzDate;
use super::key::{ALGORITHM, Scope};
use super::{SigV4Error, Signed};

/// More than any client writes; longer ones are refused before they are taken apart.
const FIELD_BYTES_MAX: usize = 4096;

/// A request's own account of its signature.
#[derive(Clone, Debug)]
pub struct Claim {
    pub(super) access_key_id: String,
    pub(super) scope: Scope,
    pub(super) date: AmzDate,
    pub(super) signed_headers: Vec<String>,
    pub(super) signature: String,
    /// How long a presigned request is valid, in seconds; `None` for a signature in a header.
    pub(super) expires_s: Option<i64>,
}

/// Whether a request claims a signature of version 2 or 4, in its header or query.
pub fn is_signed(request: Signed<'_>) -> bool {
    let header = authorization(request).is_some_and(|value| value.starts_with("AWS"));
    header || has_parameter(request, SIGNATURE_PARAMETER) || is_version_2(request)
}

/// Whether a request claims a signature of version 2, which is never accepted.
pub fn is_version_2(request: Signed<'_>) -> bool {
    authorization(request).is_some_and(|value| value.starts_with("AWS "))
        || has_parameter(request, "AWSAccessKeyId")
}

fn authorization(request: Signed<'_>) -> Option<&str> {
    request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok())
}

fn has_parameter(request: Signed<'_>, wanted: &str) -> bool {
    query_pairs(request.uri.query()).any(|(name, _)| name == wanted.as_bytes())
}

impl Claim {
    /// Reads the claim of a request; the signature may be in a header or in the query, not in both.
    pub fn read(request: Signed<'_>) -> Result<Self, SigV4Error> {
        if is_version_2(request) {
            return Err(SigV4Error::Version2);
        }
        let in_header = request.headers.contains_key(AUTHORIZATION);
        let in_query = has_parameter(request, SIGNATURE_PARAMETER);
        match (in_header, in_query) {
            (true, true) => {
                Err(malformed("the request", "it has a signature in a header and one in the query"))
            }
            (true, false) => read_header(request),
            (false, true) => read_query(request),
            (false, false) => Err(SigV4Error::Anonymous),
        }
    }

    /// The access key that the request claims to be signed with.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }
}

fn malformed(what: &'static str, rule: &'static str) -> SigV4Error {
    SigV4Error::Malformed { what, rule }
}

fn read_header(request: Signed<'_>) -> Result<Claim, SigV4Error> {
    const WHAT: &str = "the Authorization header";
    let mut values = request.headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(SigV4Error::Anonymous)?;
    if values.next().is_some() {
        return Err(malformed(WHAT, "there is more than one"));
    }
    let text = value.to_str().map_err(|_| malformed(WHAT, "it holds bytes that are not visible ASCII"))?;
    if text.len() > FIELD_BYTES_MAX {
        return Err(malformed(WHAT, "it is too long"));
    }
    let (algorithm, fields) = text.split_once(' ').ok_or_else(|| malformed(WHAT, "it has no fields"))?;
    check_algorithm(algorithm)?;
    let (mut credential, mut headers, mut signature) = (None, None, None);
    for field in fields.split(',') {
        let (name, value) =
            field.trim().split_once('=').ok_or_else(|| malformed(WHAT, "a field has no '='"))?;
        let place = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut headers,
            "Signature" => &mut signature,
            _ => {
                return Err(malformed(
                    WHAT,
                    "it has a field that is not Credential, SignedHeaders or Signature",
                ));
            }
        };
        if place.replace(value).is_some() {
            return Err(malformed(WHAT, "it has a field twice"));
        }
    }
    let missing = |what| SigV4Error::Missing { what };
    let date = match request.headers.get("x-amz-date") {
        Some(date) => date.to_str().unwrap_or_default(),
        None => return Err(missing("the header x-amz-date")),
    };
    claim(
        credential.ok_or(missing("Credential in the Authorization header"))?,
        date,
        headers.ok_or(missing("SignedHeaders in the Authorization header"))?,
        signature.ok_or(missing("Signature in the Authorization header"))?,
        None,
    )
}

fn read_query(request: Signed<'_>) -> Result<Claim, SigV4Error> {
    let parameter = |wanted: &'static str| -> Result<String, SigV4Error> {
        let mut values = query_pairs(request.uri.query()).filter(|(name, _)| name == wanted.as_bytes());
        let (_, value) = values.next().ok_or(SigV4Error::Missing { what: wanted })?;
        if values.next().is_some() {
            return Err(malformed(wanted, "it is there twice"));
        }
        if value.len() > FIELD_BYTES_MAX {
            return Err(malformed(wanted, "it is too long"));
        }
        String::from_utf8(value).map_err(|_| malformed(wanted, "it is not UTF-8"))
    };
    check_algorithm(&parameter("X-Amz-Algorithm")?)?;
    let expires = parameter("X-Amz-Expires")?;
    let digits = !expires.is_empty() && expires.bytes().all(|byte| byte.is_ascii_digit());
    let expires_s = if digits { expires.parse().ok() } else { None };
    claim(
        &parameter("X-Amz-Credential")?,
        &parameter("X-Amz-Date")?,
        &parameter("X-Amz-SignedHeaders")?,
        &parameter(SIGNATURE_PARAMETER)?,
        Some(expires_s.ok_or_else(|| malformed("X-Amz-Expires", "it is no number of seconds"))?),
    )
}

fn check_algorithm(algorithm: &str) -> Result<(), SigV4Error> {
    if algorithm == ALGORITHM {
        Ok(())
    } else {
        Err(SigV4Error::Algorithm { algorithm: algorithm.chars().take(50).collect() })
    }
}

fn claim(
    credential: &str,
    date: &str,
    signed_headers: &str,
    signature: &str,
    expires_s: Option<i64>,
) -> Result<Claim, SigV4Error> {
    let (access_key_id, scope) = read_credential(credential)?;
    let date = AmzDate::parse(date).ok_or_else(|| malformed("the date", "it is not YYYYMMDDTHHMMSSZ"))?;
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if signature.len() != 64 || !signature.bytes().all(is_hex) {
        return Err(malformed("the signature", "it is not 64 lower-case hexadecimal characters"));
    }
    Ok(Claim {
        access_key_id,
        scope,
        date,
        signed_headers: read_signed_headers(signed_headers)?,
        signature: signature.to_owned(),
        expires_s,
    })
}

/// `<access key id>/<day>/<region>/<service>/aws4_request`; the id may hold slashes.
fn read_credential(text: &str) -> Result<(String, Scope), SigV4Error> {
    const WHAT: &str = "the credential";
    let mut parts = text.rsplitn(5, '/');
    let (end, service, region, day, id) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next());
    let (Some("aws4_request"), Some(service), Some(region), Some(day), Some(id)) =
        (end, service, region, day, id)
    else {
        return Err(malformed(WHAT, "it is not ID/DAY/REGION/SERVICE/aws4_request"));
    };
    if id.is_empty() || id.len() > 128 {
        return Err(malformed(WHAT, "its access key id has not between 1 and 128 characters"));
    }
    let is_region = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if region.is_empty() || region.len() > 64 || !region.bytes().all(is_region) {
        return Err(malformed(WHAT, "its region is not made of lower-case letters, digits and hyphens"));
    }
    let scope = Scope { day: day.to_owned(), region: region.to_owned(), service: service.to_owned() };
    Ok((id.to_owned(), scope))
}

fn read_signed_headers(text: &str) -> Result<Vec<String>, SigV4Error> {
    const WHAT: &str = "SignedHeaders";
    let names: Vec<String> = text.split(';').map(str::to_owned).collect();
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    for name in &names {
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(malformed(WHAT, "it has something that is no lower-case header name"));
        }
    }
    let ascending = names.iter().zip(names.iter().skip(1)).all(|(left, right)| left < right);
    if !ascending {
        return Err(malformed(WHAT, "its names are not sorted, or one is there twice"));
    }
    Ok(names)
}
