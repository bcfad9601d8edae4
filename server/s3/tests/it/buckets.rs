//! Buckets are repositories.

use crate::lake::Lake;

#[tokio::test]
async fn repositories_are_buckets() {
    let lake = Lake::new().await;
    assert_eq!(lake.call("GET", "/", &[], b"").await.elements("Name"), ["sales"]);
    let head = lake.call("HEAD", "/sales", &[], b"").await;
    assert_eq!((head.status, head.header("x-amz-bucket-region")), (200, "us-east-1"));
    assert_eq!(lake.call("GET", "/sales?location", &[], b"").await.outcome(), "200");
    let versioning = lake.call("GET", "/sales?versioning", &[], b"").await;
    assert_eq!(versioning.status, 200);
    assert!(!versioning.text().contains("Status"), "{}", versioning.text());
}

#[tokio::test]
async fn unknown_buckets_are_named() {
    let lake = Lake::new().await;
    for target in ["/nothing?location", "/nothing?versioning", "/nothing/main/a", "/nothing?list-type=2"] {
        let answer = lake.call("GET", target, &[], b"").await;
        assert_eq!(answer.outcome(), "404 NoSuchBucket", "{target}");
        assert!(answer.text().contains("repository nothing does not exist"), "{}", answer.text());
    }
    assert_eq!(lake.call("HEAD", "/nothing", &[], b"").await.status, 404);
    assert_eq!(lake.call("PUT", "/nothing/main/a", &[], b"x").await.outcome(), "404 NoSuchBucket");
    assert_eq!(lake.call("GET", "/No_Bucket/main/a", &[], b"").await.outcome(), "400 InvalidBucketName");
}

#[tokio::test]
async fn buckets_are_made_and_deleted_while_they_are_empty() {
    let lake = Lake::new().await;
    let call = async |method: &str, target: &str| lake.call(method, target, &[], b"").await.outcome();
    let made = lake.call("PUT", "/new-bucket", &[], b"").await;
    assert_eq!((made.status, made.header("location")), (200, "/new-bucket"), "{}", made.text());
    assert_eq!(call("PUT", "/new-bucket").await, "409 BucketAlreadyOwnedByYou");
    assert_eq!(call("PUT", "/x").await, "400 InvalidBucketName");
    assert_eq!(lake.call("PUT", "/new-bucket/main/a", &[], b"x").await.outcome(), "200");
    let full = lake.call("DELETE", "/new-bucket", &[], b"").await;
    assert_eq!(full.outcome(), "409 BucketNotEmpty");
    assert!(full.text().contains("objects"), "{}", full.text());
    assert_eq!(call("DELETE", "/new-bucket/main/a").await, "204");
    assert_eq!(call("DELETE", "/new-bucket").await, "204");
    assert_eq!(call("HEAD", "/new-bucket").await, "404 NoSuchBucket");
    assert_eq!(call("DELETE", "/new-bucket").await, "404 NoSuchBucket");
    assert_eq!(call("DELETE", "/sales").await, "409 BucketNotEmpty", "it has a second branch");
}

#[tokio::test]
async fn history_is_not_deleted_with_a_bucket() {
    let lake = Lake::new().await;
    lake.app.delete_branch(&crate::lake::admin(), "sales", "dev").await.expect("deleted");
    lake.put("main/a", b"x").await;
    lake.commit("main").await;
    lake.call("DELETE", "/sales/main/a", &[], b"").await;
    lake.commit("main").await;
    let refused = lake.call("DELETE", "/sales", &[], b"").await;
    assert_eq!(refused.outcome(), "409 BucketNotEmpty");
    assert!(refused.text().contains("commits"), "{}", refused.text());
}

#[tokio::test]
async fn settings_that_no_bucket_has_are_answered_as_on_s3() {
    let lake = Lake::new().await;
    lake.put("main/a", b"x").await;
    for (target, outcome) in [
        ("/sales?acl", "200"),
        ("/sales/main/a?acl", "200"),
        ("/sales?cors", "404 NoSuchCORSConfiguration"),
        ("/sales?encryption", "404 ServerSideEncryptionConfigurationNotFoundError"),
        ("/sales?lifecycle", "404 NoSuchLifecycleConfiguration"),
        ("/sales?policy", "404 NoSuchBucketPolicy"),
        ("/sales?policyStatus", "404 NoSuchBucketPolicy"),
        ("/sales?replication", "404 ReplicationConfigurationNotFoundError"),
        ("/sales?tagging", "404 NoSuchTagSet"),
        ("/sales?website", "404 NoSuchWebsiteConfiguration"),
        ("/sales?object-lock", "404 ObjectLockConfigurationNotFoundError"),
        ("/sales?accelerate", "200"),
        ("/sales?logging", "200"),
        ("/sales?notification", "200"),
        ("/sales?ownershipControls", "200"),
        ("/sales?requestPayment", "200"),
        ("/sales?publicAccessBlock", "200"),
        ("/sales/main/a?legal-hold", "404 NoSuchObjectLockConfiguration"),
        ("/sales/main/a?retention", "404 NoSuchObjectLockConfiguration"),
        ("/sales/main/nothing?acl", "404 NoSuchKey"),
        ("/sales/main/nothing?retention", "404 NoSuchKey"),
    ] {
        let answer = lake.call("GET", target, &[], b"").await;
        assert_eq!(answer.outcome(), outcome, "{target}: {}", answer.text());
        let elsewhere = target.replace("/sales", "/nothing");
        let elsewhere = lake.call("GET", &elsewhere, &[], b"").await;
        assert_eq!(elsewhere.outcome(), "404 NoSuchBucket", "{target}");
    }
    let acl = lake.call("GET", "/sales?acl", &[], b"").await;
    assert_eq!(acl.elements("Permission"), ["FULL_CONTROL"], "{}", acl.text());
}

#[tokio::test]
async fn a_host_below_a_domain_is_a_bucket() {
    let lake = Lake::new().await;
    lake.put("main/a", b"x").await;
    let at = |host: &'static str| [("host", host)];
    let answer = lake.call("GET", "/main/a", &at("sales.s3.lake.example:8000"), b"").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "x"));
    let path_style = lake.call("GET", "/sales/main/a", &at("s3.lake.example"), b"").await;
    assert_eq!(path_style.status, 200);
    let other_name = lake.call("GET", "/sales/main/a", &at("some.other.name"), b"").await;
    assert_eq!(other_name.status, 200, "a host that is no domain of the door is path-style");
}
