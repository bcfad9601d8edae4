//! What requests get that break a rule, one by one.

use expect_test::expect;

use super::*;

fn base() -> Sample {
    Sample::new("GET", "/sales/main/a", &[("host", "lake")])
}

fn with(sample: &Sample, name: &'static str, value: &str) -> Sample {
    let mut changed = sample.clone();
    changed.headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
    changed
}

/// A signed request whose `Authorization` header is changed afterwards.
fn edited(from: &str, to: &str) -> String {
    let (signed, _) = base().sign("UNSIGNED-PAYLOAD");
    let before = signed.headers["authorization"].to_str().expect("ASCII").to_owned();
    assert!(before.contains(from), "{before} has no {from}");
    with(&signed, "authorization", &before.replace(from, to)).refusal()
}

#[test]
fn unsigned_and_old_signatures_are_refused() {
    expect!["the request is not signed; anonymous requests are not served"].assert_eq(&base().refusal());
    let version_2 = "Signature Version 2 is not accepted; sign with AWS4-HMAC-SHA256 (Signature Version 4)";
    assert_eq!(with(&base(), "authorization", "AWS AKID:c2ln").refusal(), version_2);
    let mut query = base();
    query.uri = "/a?AWSAccessKeyId=AKID&Signature=c2ln&Expires=1".parse().expect("a URI");
    assert_eq!(query.refusal(), version_2);
    assert!(is_signed(query.signed()) && is_version_2(query.signed()));
    expect!["the signing algorithm \"AWS4-ECDSA-P256-SHA256\" is not accepted; sign with AWS4-HMAC-SHA256"]
        .assert_eq(&edited("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"));
}

#[test]
fn the_scope_is_checked() {
    expect![[r#"the credential is for service "iam"; it must be for "s3""#]]
        .assert_eq(&edited("/s3/", "/iam/"));
    expect![[r#"the credential is for day "20130523", but the request is dated 20130524T000000Z"#]]
        .assert_eq(&edited("/20130524/", "/20130523/"));
    expect!["the credential is malformed: its region is not made of lower-case letters, digits and hyphens"]
        .assert_eq(&edited("/us-east-1/", "/US!/"));
    expect!["the credential is malformed: it is not ID/DAY/REGION/SERVICE/aws4_request"]
        .assert_eq(&edited("/aws4_request", ""));
    expect!["the signature does not match the request; check the secret key and what was signed"]
        .assert_eq(&edited("/us-east-1/", "/eu-west-1/"));
}

#[test]
fn a_fixed_region_is_the_only_one() {
    let (signed, _) = base().sign("UNSIGNED-PAYLOAD");
    let claim = Claim::read(signed.signed()).expect("a claim");
    let secret = Secret::new(SECRET);
    let policy = |region: &str| Policy { region: Some(region.to_owned()), ..Policy::default() };
    assert!(claim.verify(signed.signed(), &secret, &policy("us-east-1"), NOW_MS).is_ok());
    let error = claim.verify(signed.signed(), &secret, &policy("eu-west-1"), NOW_MS).expect_err("elsewhere");
    expect![[r#"the credential is for region "us-east-1"; this server is "eu-west-1""#]]
        .assert_eq(&error.to_string());
}

#[test]
fn the_header_is_read_strictly() {
    expect!["SignedHeaders is malformed: its names are not sorted, or one is there twice"]
        .assert_eq(&edited("SignedHeaders=host;", "SignedHeaders=host;host;"));
    expect!["the signature covers the header nothing, which the request does not have"]
        .assert_eq(&edited("SignedHeaders=host;", "SignedHeaders=host;nothing;"));
    expect!["the Authorization header is malformed: it has a field twice"]
        .assert_eq(&edited("SignedHeaders", "Credential"));
    expect!["the header x-amz-date is not covered by the signature"].assert_eq(&edited(";x-amz-date", ""));
    expect!["the header host is not covered by the signature"].assert_eq(&edited("=host;", "="));
}

#[test]
fn a_header_added_on_the_way_is_refused() {
    let (signed, _) = base().sign("UNSIGNED-PAYLOAD");
    expect!["the header x-amz-copy-source is not covered by the signature"]
        .assert_eq(&with(&signed, "x-amz-copy-source", "/sales/main/b").refusal());
    assert!(with(&signed, "user-agent", "whoever").verify().is_ok());
}

#[test]
fn old_requests_are_no_good_any_more() {
    let (signed, _) = base().sign("UNSIGNED-PAYLOAD");
    let minutes = 60_000;
    assert!(signed.verify_at(NOW_MS + 15 * minutes).is_ok());
    assert!(signed.verify_at(NOW_MS - 15 * minutes).is_ok());
    for now_ms in [NOW_MS + 16 * minutes, NOW_MS - 16 * minutes] {
        let error = signed.verify_at(now_ms).expect_err("a replay").to_string();
        expect!["the request is dated 20130524T000000Z, which is 960 s away from the server's time; at most 900 s are accepted: set the clock"].assert_eq(&error);
    }
    assert!(signed.verify_at(i64::MAX).is_err() && signed.verify_at(i64::MIN).is_err());
}

#[test]
fn presigned_requests_live_seven_days_at_most() {
    let sample = |expires_s| {
        let target = signer().presign(&Method::GET, "lake", "/a", &[], expires_s, NOW_MS).expect("a target");
        Sample::new("GET", &target, &[("host", "lake")])
    };
    assert!(sample(604_800).verify().is_ok());
    expect!["X-Amz-Expires is 604801 s; it must be between 1 and 604800 s (seven days)"]
        .assert_eq(&sample(604_801).refusal());
    assert!(sample(0).verify().is_err());
    assert!(sample(-1).verify().is_err());
    assert!(sample(60).verify_at(NOW_MS - 20 * 60_000).is_err(), "dated in the future");
    let both = with(&sample(60), "authorization", "AWS4-HMAC-SHA256 x");
    expect!["the request is malformed: it has a signature in a header and one in the query"]
        .assert_eq(&both.refusal());
    let chunked = with(&sample(60), "x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    assert!(chunked.verify().is_err());
}

#[test]
fn the_payload_mode_is_known_or_refused() {
    for payload in ["", "nonsense", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "abcd"] {
        let (signed, _) = base().sign(payload);
        assert!(signed.refusal().starts_with("the header x-amz-content-sha256 is malformed"), "{payload}");
    }
    let (mut signed, _) = base().sign("UNSIGNED-PAYLOAD");
    signed.headers.remove("x-amz-content-sha256");
    expect!["the header x-amz-content-sha256 is missing"].assert_eq(&signed.refusal());
}

#[test]
fn a_path_signed_as_it_is_sent_is_accepted() {
    let mut sample = Sample::new("GET", "/sales/main/day=1/a:b", &[("host", "lake")]);
    let names = ["host", "x-amz-content-sha256", "x-amz-date"].map(str::to_owned);
    sample.headers.insert("x-amz-date", HeaderValue::from_static("20130524T000000Z"));
    sample.headers.insert("x-amz-content-sha256", HeaderValue::from_static("UNSIGNED-PAYLOAD"));
    let canonical = canonical::request(sample.signed(), "/sales/main/day=1/a:b", &names, "UNSIGNED-PAYLOAD");
    let scope = key::Scope { day: "20130524".into(), region: "us-east-1".into(), service: "s3".into() };
    let digest = key::sha256_hex(canonical.expect("canonical").as_bytes());
    let text = format!("AWS4-HMAC-SHA256\n20130524T000000Z\n{scope}\n{digest}");
    let signature = key::SigningKey::derive(&Secret::new(SECRET), &scope).sign(&text);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/{scope}, SignedHeaders={}, Signature={signature}",
        names.join(";")
    );
    assert!(with(&sample, "authorization", &authorization).verify().is_ok());
}

#[test]
fn no_message_and_no_debug_output_holds_a_secret() {
    let (signed, chunks) = base().sign("UNSIGNED-PAYLOAD");
    let verified = signed.verify().expect("signed");
    for shown in [format!("{verified:?}"), format!("{chunks:?}"), format!("{:?}", signer())] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
}
