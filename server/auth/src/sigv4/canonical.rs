//! The canonical form of a request: what client and server both sign.

use std::fmt::Write;

use percent_encoding::percent_decode;

use super::{SigV4Error, Signed};

/// The query parameter that a presigned request's own signature is in: not part of what is signed.
pub(super) const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// Encodes as S3 does: everything but unreserved characters, and `/` where it separates segments.
pub(super) fn encode(bytes: &[u8], keep_slash: bool) -> String {
    let mut encoded = String::with_capacity(bytes.len() + bytes.len() / 4);
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte.into()),
            b'/' if keep_slash => encoded.push('/'),
            // Writing to a string does not fail.
            _ => _ = write!(encoded, "%{byte:02X}"),
        }
    }
    encoded
}

/// The canonical path: decoded once, encoded once.
pub(super) fn path(raw: &str) -> String {
    let decoded: Vec<u8> = percent_decode(raw.as_bytes()).collect();
    if decoded.is_empty() { "/".to_owned() } else { encode(&decoded, true) }
}

/// Decodes one name or value of a query; a `+` is a space, as it is for what reads the query later.
pub(super) fn decode_query(raw: &str) -> Vec<u8> {
    percent_decode(raw.replace('+', " ").as_bytes()).collect()
}

/// The names and values of a query, decoded, in the order of the wire.
pub(super) fn query_pairs(raw: Option<&str>) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + '_ {
    raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode_query(name), decode_query(value))
    })
}

/// The canonical query: encoded, sorted, without a presigned request's own signature.
pub(super) fn query(raw: Option<&str>) -> String {
    let mut pairs: Vec<(String, String)> = query_pairs(raw)
        .filter(|(name, _)| name != SIGNATURE_PARAMETER.as_bytes())
        .map(|(name, value)| (encode(&name, false), encode(&value, false)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// The lines of the signed headers, in the order in which the client lists them.
pub(super) fn headers(request: Signed<'_>, names: &[String]) -> Result<String, SigV4Error> {
    let mut lines = String::new();
    for name in names {
        let mut values = Vec::new();
        for value in request.headers.get_all(name) {
            values.push(trim(value.as_bytes())?);
        }
        if values.is_empty() {
            // HTTP/2 has the host in the target only.
            match request.uri.authority().filter(|_| name == "host") {
                Some(authority) => values.push(authority.to_string()),
                None => return Err(SigV4Error::AbsentHeader { name: name.chars().take(100).collect() }),
            }
        }
        _ = writeln!(lines, "{name}:{}", values.join(","));
    }
    Ok(lines)
}

/// A header's value without outer spaces, and with runs of inner ones as one.
fn trim(value: &[u8]) -> Result<String, SigV4Error> {
    let text = std::str::from_utf8(value)
        .map_err(|_| SigV4Error::Malformed { what: "a signed header", rule: "its value is not UTF-8" })?;
    let words: Vec<&str> = text.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    Ok(words.join(" "))
}

/// The whole canonical request, given the canonical path.
pub(super) fn request(
    request: Signed<'_>,
    path: &str,
    signed_headers: &[String],
    payload: &str,
) -> Result<String, SigV4Error> {
    let lines = headers(request, signed_headers)?;
    Ok(format!(
        "{}\n{path}\n{}\n{lines}\n{}\n{payload}",
        request.method,
        query(request.uri.query()),
        signed_headers.join(";")
    ))
}
