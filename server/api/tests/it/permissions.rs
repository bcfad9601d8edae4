//! Every operation asks who is calling and what it may do: all are called by people who may not.
//!
//! The operations come from the OpenAPI document, so that a new one is here by itself. The lists below name those that
//! answer all the same; they only shrink.

use std::collections::BTreeSet;

use crate::contract::served;
use crate::server::Server;

/// Served without credentials: they tell nothing and change nothing. The links need the signature in their address.
const OPEN: [&str; 8] =
    ["getSetupState", "headLink", "healthCheck", "login", "logout", "readLink", "setup", "writeLink"];

/// Served to everybody who may do anything: they name no repository. Listing shows only what one may read.
const OF_NO_REPOSITORY: [&str; 8] = [
    "getConfig",
    "getCurrentUser",
    "getLakeFSVersion",
    "getPlugin",
    "getStorageConfig",
    "listPlugins",
    "listRepositories",
    "postStatsEvents",
];

/// Served also to those who may do nothing.
const TO_EVERYBODY: [&str; 1] = ["getCurrentUser"];

/// Operations that change nothing though their method is none of `GET` and `HEAD`.
const READS: [&str; 3] = ["checkRepository", "postStatsEvents", "previewMerge"];

/// Operations of `GET` that take more than reading everything.
const NOT_FOR_READERS: [&str; 13] = [
    "createBranchProtectionRulePreflight",
    "getCredentials",
    "getGroup",
    "getPolicy",
    "getUser",
    "listGroupMembers",
    "listGroupPolicies",
    "listGroups",
    "listPolicies",
    "listUserCredentials",
    "listUserGroups",
    "listUserPolicies",
    "listUsers",
];

/// A body in which every operation finds what it needs before it asks for the permission.
const BODY: &str = r#"{"name": "new", "id": "tag", "ref": "main", "source": "main", "message": "m", "type": "reset",
    "paths": ["a.txt"], "src_path": "a.txt", "pattern": "main", "metadata": {}, "keys": [], "events": [],
    "set": {}, "staging": {"physical_address": "x"}, "physical_address": "x", "checksum": "x", "size_bytes": 1,
    "choice": "ours",
    "statement": [{"effect": "allow", "resource": "*", "action": ["fs:*"]}]}"#;

/// Operations that need another one.
const BODIES: [(&str, &str); 3] = [
    ("importStart", r#"{"paths": [], "commit": {"message": "m"}}"#),
    ("setBranchProtectionRules", r#"[{"pattern": "main"}]"#),
    (
        "updatePolicy",
        r#"{"id": "somebody", "statement": [{"effect": "allow", "resource": "*", "action": ["fs:*"]}]}"#,
    ),
];

struct Operation {
    id: String,
    method: String,
    path: String,
}

impl Operation {
    fn all() -> Vec<Operation> {
        let operations = served().into_iter().map(|(id, (method, path))| Operation { id, method, path });
        operations.collect()
    }

    fn is(&self, list: &[&str]) -> bool {
        list.contains(&self.id.as_str())
    }

    fn reads(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD") || self.is(&READS)
    }

    /// The status that `who` gets, working on the repository `sales`, its branch `main`, and somebody else.
    async fn status(&self, server: &Server, who: &str) -> u16 {
        let body = BODIES.iter().find(|(id, _)| *id == self.id).map_or(BODY, |(_, body)| *body);
        let path = self.path.replace("{repository}", "sales").replace("{branch}", "main");
        let path = path.replace("{destinationBranch}", "main").replace("{sourceRef}", "dev");
        let path = path.replace("Ref}", "ref}").replace("{ref}", "main").replace("{leftref}", "main");
        let path = path.replace("{rightref}", "main").replace("{commitId}", "main").replace("{tag}", "v1");
        let named: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { "somebody" } else { part }).collect();
        let query = "path=a.txt&dest_path=b.txt&prefix=&delimiter=/&id=0123&ref=main";
        let text = format!("{} {}?{query}\nAs: {who}\n\n{body}", self.method, named.join("/"));
        let answer = server.answer(&text).await;
        answer.lines().next().unwrap().parse().unwrap()
    }
}

/// The operations whose status for `who` is not `expected`.
async fn wrong(who: &str, expected: u16, asked: impl Fn(&Operation) -> bool) -> Vec<String> {
    let server = Server::with_sales().await;
    let mut wrong = Vec::new();
    for operation in Operation::all().into_iter().filter(asked) {
        let status = operation.status(&server, who).await;
        if status != expected {
            wrong.push(format!("{} ({} {}): {status}", operation.id, operation.method, operation.path));
        }
    }
    wrong
}

fn none() -> Vec<String> {
    Vec::new()
}

#[tokio::test]
async fn nothing_is_served_without_credentials() {
    assert_eq!(wrong("nobody", 401, |operation| !operation.is(&OPEN)).await, none());
}

#[tokio::test]
async fn who_was_granted_nothing_can_do_nothing() {
    let asked = |operation: &Operation| !operation.is(&OPEN) && !operation.is(&TO_EVERYBODY);
    assert_eq!(wrong("nothing", 403, asked).await, none());
}

#[tokio::test]
async fn who_writes_elsewhere_sees_and_changes_nothing_here() {
    let asked = |operation: &Operation| !operation.is(&OPEN) && !operation.is(&OF_NO_REPOSITORY);
    assert_eq!(wrong("stranger", 403, asked).await, none());
}

#[tokio::test]
async fn a_reader_changes_nothing() {
    let asked = |operation: &Operation| {
        !operation.is(&OPEN) && (!operation.reads() || operation.is(&NOT_FOR_READERS))
    };
    assert_eq!(wrong("reader", 403, asked).await, none());
}

#[tokio::test]
async fn who_writes_to_other_branches_changes_nothing_on_this_one() {
    let asked = |operation: &Operation| {
        let on_branch = operation.path.contains("{branch}") || operation.path.contains("{destinationBranch}");
        on_branch && !operation.reads()
    };
    assert_eq!(wrong("developer", 403, asked).await, none());
}

#[tokio::test]
async fn the_lists_of_exceptions_are_true() {
    let served: BTreeSet<String> = served().into_keys().collect();
    for id in OPEN.iter().chain(&OF_NO_REPOSITORY).chain(&TO_EVERYBODY).chain(&READS).chain(&NOT_FOR_READERS)
    {
        assert!(served.contains(*id), "{id} is not served: take it out");
    }
    let server = Server::with_sales().await;
    for operation in Operation::all() {
        if operation.is(&OPEN) {
            assert_ne!(operation.status(&server, "nobody").await, 403, "{}", operation.id);
        }
        if operation.is(&OF_NO_REPOSITORY) {
            // There is no plugin of that name, which everybody may know.
            let expected: &[u16] = if operation.id == "getPlugin" { &[404] } else { &[200, 204] };
            let status = operation.status(&server, "stranger").await;
            assert!(expected.contains(&status), "{}: {status}", operation.id);
        }
    }
}

#[tokio::test]
async fn readers_and_writers_can_do_what_is_theirs() {
    // The checks above would also hold for a server that refuses everybody.
    let server = Server::with_sales().await;
    server.branch("dev-anna", "main").await;
    for (who, request, status) in [
        ("reader", "GET /repositories/sales/refs/main/objects?path=a.txt", "200"),
        ("developer", "GET /repositories/sales/refs/main/objects?path=a.txt", "200"),
        ("developer", "POST /repositories/sales/branches/dev-anna/objects?path=c.txt", "201"),
        ("developer", "DELETE /repositories/sales/branches/dev-anna/objects?path=c.txt", "204"),
        ("stranger", "GET /repositories/other", "404"),
    ] {
        let (method, rest) = request.split_once(' ').unwrap();
        let answer = server.answer(&format!("{method} {rest}\nAs: {who}\n\ncontent")).await;
        assert_eq!(answer.lines().next(), Some(status), "{who}: {request}: {answer}");
    }
}

#[tokio::test]
async fn listing_shows_the_repositories_that_one_may_read() {
    let server = Server::with_sales().await;
    server.post("/repositories", r#"{"name": "other"}"#).await;
    for (who, names) in [
        ("admin", vec!["other", "sales"]),
        ("reader", vec!["other", "sales"]),
        ("stranger", vec!["other"]),
        ("developer", vec!["sales"]),
    ] {
        let answer = server.answer(&format!("GET /repositories?amount=1000\nAs: {who}")).await;
        let body: serde_json::Value = serde_json::from_str(answer.split_once('\n').unwrap().1).unwrap();
        let results = body["results"].as_array().unwrap();
        let seen: Vec<_> = results.iter().map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!(seen, names, "{who}");
        assert_eq!(body["pagination"]["has_more"], false);
    }
}
