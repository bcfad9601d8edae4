//! Tags of objects.

use crate::lake::{Answer, Lake};

async fn tags(lake: &Lake, key: &str) -> String {
    let answer = lake.call("GET", &format!("/sales/{key}?tagging"), &[], b"").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let pairs = answer.elements("Key").into_iter().zip(answer.elements("Value"));
    pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

async fn set(lake: &Lake, key: &str, pairs: &[(&str, &str)]) -> Answer {
    let tags: String = pairs
        .iter()
        .map(|(name, value)| format!("<Tag><Key>{name}</Key><Value>{value}</Value></Tag>"))
        .collect();
    let body = format!("<Tagging><TagSet>{tags}</TagSet></Tagging>");
    lake.call("PUT", &format!("/sales/{key}?tagging"), &[], body.as_bytes()).await
}

#[tokio::test]
async fn tags_are_set_read_and_removed() {
    let lake = Lake::new().await;
    let put =
        lake.call("PUT", "/sales/main/a", &[("x-amz-tagging", "team=blue&cost%20center=4")], b"x").await;
    assert_eq!(put.outcome(), "200", "{}", put.text());
    assert_eq!(tags(&lake, "main/a").await, "cost center=4 team=blue");
    assert_eq!(lake.get("main/a").await.header("x-amz-tagging-count"), "2");
    let before = lake.get("main/a").await;
    lake.clock.advance(60_000);
    assert_eq!(set(&lake, "main/a", &[("stage", "raw")]).await.outcome(), "200");
    assert_eq!(tags(&lake, "main/a").await, "stage=raw");
    let after = lake.get("main/a").await;
    assert_eq!(after.header("etag"), before.header("etag"));
    assert_eq!(after.header("last-modified"), before.header("last-modified"), "tags do not touch the time");
    assert_eq!(after.text(), "x");
    let removed = lake.call("DELETE", "/sales/main/a?tagging", &[], b"").await;
    assert_eq!(removed.outcome(), "204", "{}", removed.text());
    assert_eq!(tags(&lake, "main/a").await, "");
    assert_eq!(lake.get("main/a").await.header("x-amz-tagging-count"), "");
}

#[tokio::test]
async fn tags_travel_with_copies_commits_and_merges() {
    let lake = Lake::new().await;
    lake.call("PUT", "/sales/main/a", &[("x-amz-tagging", "team=blue")], b"x").await;
    lake.commit("main").await;
    lake.tag("v1", "main").await;
    let copy = async |target: &str, extra: &[(&str, &str)]| {
        let mut headers = vec![("x-amz-copy-source", "/sales/v1/a")];
        headers.extend_from_slice(extra);
        lake.call("PUT", target, &headers, b"").await.outcome()
    };
    assert_eq!(copy("/sales/dev/kept", &[]).await, "200");
    assert_eq!(tags(&lake, "dev/kept").await, "team=blue");
    let metadata = [("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-a", "b")];
    assert_eq!(copy("/sales/dev/metadata", &metadata).await, "200");
    assert_eq!(tags(&lake, "dev/metadata").await, "team=blue", "the two directives are apart");
    let replaced = [("x-amz-tagging-directive", "REPLACE"), ("x-amz-tagging", "team=red")];
    assert_eq!(copy("/sales/dev/replaced", &replaced).await, "200");
    assert_eq!(tags(&lake, "dev/replaced").await, "team=red");
    assert_eq!(copy("/sales/dev/x", &[("x-amz-tagging-directive", "DROP")]).await, "400 InvalidArgument");
    assert_eq!(set(&lake, "main/a", &[("team", "green")]).await.outcome(), "200");
    assert_eq!(tags(&lake, "v1/a").await, "team=blue", "what is committed stays");
    lake.commit("main").await;
    lake.commit("dev").await;
    lake.merge("dev", "main").await;
    assert_eq!(tags(&lake, "main/replaced").await, "team=red");
    assert_eq!(tags(&lake, "main/a").await, "team=green", "a change of tags is a change");
}

#[tokio::test]
async fn an_upload_in_parts_has_tags() {
    let lake = Lake::new().await;
    let begun = lake.call("POST", "/sales/main/big?uploads", &[("x-amz-tagging", "team=blue")], b"").await;
    let id = begun.elements("UploadId").remove(0);
    let part = format!("/sales/main/big?partNumber=1&uploadId={id}");
    let etag = lake.call("PUT", &part, &[], b"x").await.header("etag").to_owned();
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    let done = lake.call("POST", &format!("/sales/main/big?uploadId={id}"), &[], body.as_bytes()).await;
    assert_eq!(done.outcome(), "200", "{}", done.text());
    assert_eq!(tags(&lake, "main/big").await, "team=blue");
}

#[tokio::test]
async fn tags_have_rules_and_need_an_object_on_a_branch() {
    let lake = Lake::new().await;
    lake.put("main/a", b"x").await;
    lake.commit("main").await;
    lake.tag("v1", "main").await;
    let many: Vec<(String, &str)> = (0..11).map(|n| (format!("k{n}"), "v")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (&**name, *value)).collect();
    assert_eq!(set(&lake, "main/a", &many).await.outcome(), "400 InvalidTag");
    assert_eq!(set(&lake, "main/a", &[("a", "1"), ("a", "2")]).await.outcome(), "400 InvalidTag");
    assert_eq!(set(&lake, "main/a", &[("aws:a", "1")]).await.outcome(), "400 InvalidTag");
    let long = "x".repeat(129);
    assert_eq!(set(&lake, "main/a", &[(&long, "1")]).await.outcome(), "400 InvalidTag");
    assert_eq!(set(&lake, "main/nothing", &[("a", "1")]).await.outcome(), "404 NoSuchKey");
    assert_eq!(set(&lake, "v1/a", &[("a", "1")]).await.outcome(), "405 MethodNotAllowed");
    assert_eq!(set(&lake, "nowhere/a", &[("a", "1")]).await.outcome(), "404 NoSuchKey");
    let missing = lake.call("GET", "/sales/main/nothing?tagging", &[], b"").await;
    assert_eq!(missing.outcome(), "404 NoSuchKey");
    let refused = lake.call("PUT", "/sales/main/b", &[("x-amz-tagging", "a=1&a=2")], b"x").await;
    assert_eq!(refused.outcome(), "400 InvalidTag");
    let spoilt = [("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")];
    let body = b"<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
    let spoilt = lake.call("PUT", "/sales/main/a?tagging", &spoilt, body).await;
    assert_eq!(spoilt.outcome(), "400 BadDigest");
    assert_eq!(tags(&lake, "main/a").await, "");
}
