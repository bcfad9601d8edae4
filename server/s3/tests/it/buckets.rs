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
