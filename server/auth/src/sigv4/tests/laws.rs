//! Whatever is signed is accepted; whatever is changed afterwards is refused.

use proptest::prelude::*;

use super::*;

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec("[ -~é日\u{7f}]{0,12}", 1..4).prop_map(|segments| {
        let segments: Vec<_> =
            segments.iter().map(|segment| canonical::encode(segment.as_bytes(), false)).collect();
        format!("/{}", segments.join("/"))
    })
}

fn query() -> impl Strategy<Value = String> {
    proptest::collection::vec(("[a-z-]{1,8}", "[ -~é]{0,8}"), 0..4).prop_map(|pairs| {
        let encode = |text: &str| canonical::encode(text.as_bytes(), false);
        let pairs: Vec<_> =
            pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        pairs.join("&")
    })
}

fn sample() -> impl Strategy<Value = Sample> {
    let method = prop_oneof![Just("GET"), Just("PUT"), Just("DELETE"), Just("POST"), Just("HEAD")];
    (method, path(), query(), "[!-~]([ -~]{0,20}[!-~])?").prop_map(|(method, path, query, meta)| {
        let target = if query.is_empty() { path } else { format!("{path}?{query}") };
        Sample::new(method, &target, &[("host", "lake.example:8000"), ("x-amz-meta-note", &meta)])
    })
}

/// Changes one byte of a text to another one.
fn flip(text: &str, position: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let position = position % bytes.len().max(1);
    if let Some(byte) = bytes.get_mut(position) {
        *byte = if *byte == b'x' { b'y' } else { b'x' };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_signed_is_accepted(sample in sample()) {
        let (signed, _) = sample.sign("UNSIGNED-PAYLOAD");
        prop_assert!(signed.verify().is_ok(), "{:?}", signed.verify());
    }

    #[test]
    fn a_changed_target_is_refused(sample in sample(), position in 1usize..200) {
        let (mut signed, _) = sample.sign("UNSIGNED-PAYLOAD");
        let target = signed.uri.to_string();
        let changed = format!("/{}", flip(target.get(1..).unwrap_or_default(), position));
        if let Ok(uri) = changed.parse::<Uri>() {
            prop_assume!(
                canonical::path(uri.path()) != canonical::path(signed.uri.path())
                    || canonical::query(uri.query()) != canonical::query(signed.uri.query())
            );
            signed.uri = uri;
            prop_assert!(signed.verify().is_err());
        }
    }

    #[test]
    fn a_changed_header_is_refused(sample in sample(), which in 0usize..4, position in 0usize..400) {
        let (mut signed, _) = sample.sign("UNSIGNED-PAYLOAD");
        let name = ["authorization", "x-amz-date", "x-amz-meta-note", "host"][which];
        let before = signed.headers[name].to_str().expect("ASCII").to_owned();
        let changed = flip(&before, position);
        prop_assume!(changed.split_whitespace().ne(before.split_whitespace()));
        signed.headers.insert(name, HeaderValue::from_str(&changed).expect("a header value"));
        prop_assert!(signed.verify().is_err(), "{name}: {before} and {changed}");
    }

    #[test]
    fn another_method_is_refused(sample in sample()) {
        let (mut signed, _) = sample.sign("UNSIGNED-PAYLOAD");
        signed.method = Method::PATCH;
        prop_assert!(signed.verify().is_err());
    }

    #[test]
    fn another_secret_is_refused(sample in sample(), position in 0usize..40) {
        let (signed, _) = sample.sign("UNSIGNED-PAYLOAD");
        let claim = Claim::read(signed.signed()).expect("a claim");
        let secret = Secret::new(flip(SECRET, position));
        prop_assert!(claim.verify(signed.signed(), &secret, &Policy::default(), NOW_MS).is_err());
    }

    #[test]
    fn presigned_targets_work_and_changed_ones_do_not(path in path(), position in 0usize..500) {
        let target = signer().presign(&Method::GET, "lake", &path, &[("versionId", "a/b c")], 60, NOW_MS);
        let target = target.expect("a target");
        let sample = Sample::new("GET", &target, &[("host", "lake")]);
        prop_assert!(sample.verify().is_ok());
        let changed = format!("/{}", flip(target.get(1..).unwrap_or_default(), position));
        if let Ok(uri) = changed.parse::<Uri>() {
            let changed = Sample { uri, ..sample.clone() };
            prop_assume!(
                canonical::path(changed.uri.path()) != canonical::path(sample.uri.path())
                    || changed.uri.query() != sample.uri.query()
            );
            prop_assert!(changed.verify().is_err(), "{}", changed.uri);
        }
    }

    #[test]
    fn reading_a_claim_never_panics(
        header in "(AWS4-HMAC-SHA256 )?(Credential=|SignedHeaders=|Signature=|[ -~,/;=]){0,12}",
        query in "[!-;=?-Z_a-z~%&]{0,80}",
    ) {
        if let Ok(uri) = format!("/?X-Amz-Signature=1&{query}").parse::<Uri>() {
            let mut sample = Sample::new("GET", "/", &[("host", "lake"), ("authorization", &header)]);
            let _ = sample.verify();
            sample.headers.remove("authorization");
            sample.uri = uri;
            let _ = sample.verify();
        }
    }
}
