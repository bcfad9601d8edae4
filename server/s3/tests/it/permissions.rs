//! Every operation asks who is calling and what it may do: all that are served are called by people who may not.

use std::collections::BTreeSet;

use anabranch_auth::KeyPair;
use anabranch_auth::sigv4::sign::Signer;
use http::Method;

use crate::lake::{Lake, admin};

const OPERATIONS: &str = include_str!("operations.txt");
const NOT_SERVED: &str = include_str!("../../not-served.txt");

/// Served to everybody with a key: it shows only what one may read.
const TO_EVERYBODY: [&str; 1] = ["ListBuckets"];

struct Operation {
    name: &'static str,
    method: &'static str,
    target: &'static str,
    /// A body, or headers as `name:value`.
    rest: &'static str,
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn served() -> Vec<Operation> {
    let not_served: BTreeSet<&str> = lines(NOT_SERVED).collect();
    let operation = |line: &'static str| {
        let mut words = line.splitn(4, ' ');
        let mut next = || words.next().unwrap_or_default();
        Operation { name: next(), method: next(), target: next(), rest: next() }
    };
    lines(OPERATIONS).map(operation).filter(|operation| !not_served.contains(operation.name)).collect()
}

impl Operation {
    fn writes(&self) -> bool {
        !["GET", "HEAD"].contains(&self.method)
    }

    fn parts(&self) -> (Vec<(&str, &str)>, &str) {
        if self.rest.starts_with('<') {
            return (Vec::new(), self.rest);
        }
        (self.rest.split(' ').filter_map(|pair| pair.split_once(':')).collect(), "")
    }

    async fn outcome(&self, lake: &Lake, who: &str) -> String {
        let key = KeyPair::new(format!("AKID{}", who.to_uppercase()), format!("secret-of-the-{who}"));
        let signer = Signer { key, region: "us-east-1".into() };
        let (headers, body) = self.parts();
        lake.call_as(&signer, self.method, self.target, &headers, body.as_bytes()).await.outcome()
    }
}

/// The operations that `who` is not refused.
async fn not_refused(lake: &Lake, who: &str, asked: impl Fn(&Operation) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for operation in served().into_iter().filter(asked) {
        let outcome = operation.outcome(lake, who).await;
        if !["403", "403 AccessDenied"].contains(&outcome.as_str()) {
            wrong.push(format!("{}: {outcome}", operation.name));
        }
    }
    wrong
}

async fn lake() -> Lake {
    let lake = Lake::new().await;
    lake.put("main/a", b"x").await;
    lake
}

#[tokio::test]
async fn nothing_is_served_without_a_signature() {
    let lake = lake().await;
    for operation in served() {
        let (headers, body) = operation.parts();
        let method: Method = operation.method.parse().expect("a method");
        let headers = Lake::headers(body.len(), &headers);
        let target = operation.target.parse().expect("a URI");
        let answer = lake.send(&method, target, headers, body.as_bytes().to_vec()).await;
        assert_eq!(answer.status, 403, "{}", operation.name);
    }
}

#[tokio::test]
async fn who_was_granted_nothing_can_do_nothing() {
    assert_eq!(not_refused(&lake().await, "nothing", |_| true).await, Vec::<String>::new());
}

#[tokio::test]
async fn who_writes_elsewhere_sees_and_changes_nothing_here() {
    let lake = lake().await;
    let asked = |operation: &Operation| !TO_EVERYBODY.contains(&operation.name);
    assert_eq!(not_refused(&lake, "stranger", asked).await, Vec::<String>::new());
    let signer =
        Signer { key: KeyPair::new("AKIDSTRANGER", "secret-of-the-stranger"), region: "us-east-1".into() };
    let buckets = lake.call_as(&signer, "GET", "/", &[], b"").await;
    assert_eq!((buckets.status, buckets.text().contains("sales")), (200, false));
}

#[tokio::test]
async fn a_reader_changes_nothing() {
    assert_eq!(not_refused(&lake().await, "reader", Operation::writes).await, Vec::<String>::new());
}

#[tokio::test]
async fn who_writes_to_other_branches_changes_nothing_on_this_one() {
    let lake = lake().await;
    assert_eq!(not_refused(&lake, "developer", Operation::writes).await, Vec::<String>::new());
}

/// These change no branch.
const OF_NO_BRANCH: [&str; 3] = ["AbortMultipartUpload", "CreateBucket", "DeleteBucket"];

#[tokio::test]
async fn a_protected_branch_is_changed_by_nobody() {
    let lake = lake().await;
    let rules = ["ma*".to_owned()];
    lake.app.set_branch_protection(&admin(), "sales", &rules, None).await.expect("rules");
    let on_branch = |operation: &Operation| operation.writes() && !OF_NO_BRANCH.contains(&operation.name);
    assert_eq!(not_refused(&lake, "lake", on_branch).await, Vec::<String>::new());
    let refused = lake.call("PUT", "/sales/main/a", &[], b"y").await;
    assert!(refused.text().contains("protected by the rule"), "{}", refused.text());
    lake.put("dev/a", b"y").await;
}

#[tokio::test]
async fn keys_of_several_branches_are_deleted_where_that_is_permitted() {
    let lake = lake().await;
    lake.put("dev/a", b"x").await;
    let signer =
        Signer { key: KeyPair::new("AKIDDEVELOPER", "secret-of-the-developer"), region: "us-east-1".into() };
    let body = b"<Delete><Object><Key>dev/a</Key></Object><Object><Key>main/a</Key></Object></Delete>";
    let answer = lake.call_as(&signer, "POST", "/sales?delete", &[], body).await;
    assert_eq!(answer.outcome(), "200", "{}", answer.text());
    assert_eq!(answer.elements("Key"), ["dev/a", "main/a"]);
    assert_eq!(answer.elements("Code"), ["AccessDenied"]);
    assert_eq!(lake.call("HEAD", "/sales/main/a", &[], b"").await.status, 200);
    assert_eq!(lake.call("HEAD", "/sales/dev/a", &[], b"").await.status, 404);
}
