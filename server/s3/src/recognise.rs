//! Which requests on the shared port are for S3, and what is left of them once their signature is checked.

use anabranch_auth::sigv4::{Signed, is_signed};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

/// Query parameters that make up a presigned signature.
const SIGNATURE_PARAMETERS: [&str; 7] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
    "x-amz-security-token",
];

/// Whether a request is for the S3 door: it carries an AWS signature of any version in its header or
/// query, or names one of `domains` or a bucket below it as its host.
pub fn is_s3_request(parts: &Parts, domains: &[String]) -> bool {
    let signed = Signed { method: &parts.method, uri: &parts.uri, headers: &parts.headers };
    if is_signed(signed) {
        return true;
    }
    let header = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    match header.or(parts.uri.authority().map(|authority| authority.as_str())) {
        Some(host) => domains.iter().any(|domain| host_in(domain, host) != HostMatch::Foreign),
        None => false,
    }
}

/// How a host relates to a domain of the door.
#[derive(PartialEq, Eq, Debug)]
enum HostMatch<'a> {
    /// It is the domain itself.
    Domain,
    /// It is a bucket below the domain.
    Bucket(&'a str),
    /// It is something else.
    Foreign,
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn host_in<'a>(domain: &str, host: &'a str) -> HostMatch<'a> {
    let (domain, host) = (without_port(domain), without_port(host));
    let Some(start) = host.len().checked_sub(domain.len()) else { return HostMatch::Foreign };
    let (Some(bucket), Some(end)) = (host.get(..start), host.get(start..)) else { return HostMatch::Foreign };
    if !end.eq_ignore_ascii_case(domain) {
        return HostMatch::Foreign;
    }
    match bucket.strip_suffix('.') {
        Some(bucket) if !bucket.is_empty() => HostMatch::Bucket(bucket),
        _ if bucket.is_empty() => HostMatch::Domain,
        _ => HostMatch::Foreign,
    }
}

/// The domains below which buckets are hosts. Any other host is path-style: the server cannot know all
/// names that it is reached by.
#[derive(Debug)]
pub(crate) struct Domains(pub(crate) Vec<String>);

impl S3Host for Domains {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        for domain in &self.0 {
            if let HostMatch::Bucket(bucket) = host_in(domain, host) {
                return Ok(VirtualHost::new(domain.as_str()).with_bucket(bucket.to_ascii_lowercase()));
            }
        }
        Ok(VirtualHost::new(host))
    }
}

/// Takes the checked signature out of a request, so that nothing behind looks at it again.
///
/// In a presigned request, `x-amz-` parameters beside the signature stand for headers of that name:
/// presigners move them there, and the signature covers the query.
pub(crate) fn strip_signature(uri: &Uri, headers: &mut HeaderMap) -> Option<Uri> {
    headers.remove(AUTHORIZATION);
    headers.remove("x-amz-content-sha256");
    let query = uri.query().unwrap_or_default();
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
        if SIGNATURE_PARAMETERS.contains(&name.as_str()) {
            continue;
        }
        let value = percent_decode_str(value).decode_utf8_lossy();
        let header = name.starts_with("x-amz-").then(|| HeaderName::try_from(&name).ok()).flatten();
        match (header, HeaderValue::from_str(&value)) {
            (Some(header), Ok(value)) => {
                headers.entry(header).or_insert(value);
            }
            _ => kept.push(pair),
        }
    }
    let target = match kept.is_empty() {
        true => uri.path().to_owned(),
        false => format!("{}?{}", uri.path(), kept.join("&")),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognised(uri: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        is_s3_request(&parts, &["s3.lake.example".to_owned()])
    }

    #[test]
    fn signatures_and_hosts_are_recognised() {
        assert!(recognised("/a", &[("authorization", "AWS4-HMAC-SHA256 Credential=x")]));
        assert!(recognised("/a", &[("authorization", "AWS AKID:c2ln")]));
        assert!(recognised("/a?x=1&X-Amz-Signature=abc", &[]));
        assert!(recognised("/a?AWSAccessKeyId=AKID", &[]));
        assert!(recognised("/a", &[("host", "sales.s3.lake.example:8000")]));
        assert!(recognised("/a", &[("host", "S3.lake.example")]));
        assert!(!recognised("/a", &[("authorization", "Basic abc"), ("host", "lake.example")]));
        assert!(!recognised("/api/v1/repositories?prefix=X-Amz-Signature", &[("host", "localhost:8000")]));
        assert!(!recognised("/a", &[("host", "xs3.lake.example")]));
    }

    #[test]
    fn a_presigned_signature_is_taken_out_and_its_headers_put_back() {
        let uri: Uri = "/b/k?X-Amz-Date=1&partNumber=2&x-amz-meta-a=b%20c&X-Amz-Signature=00&delimiter=%2F"
            .parse()
            .expect("a URI");
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("x"));
        let stripped = strip_signature(&uri, &mut headers).expect("a URI");
        assert_eq!(stripped, "/b/k?partNumber=2&delimiter=%2F");
        assert_eq!(headers["x-amz-meta-a"], "b c");
        assert_eq!(headers.len(), 1);
    }
}
