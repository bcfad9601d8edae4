//! The list of operations that are not served is true, and only shrinks.

use std::collections::BTreeSet;

use crate::lake::Lake;

/// Which operations exist, and how each is asked for.
const OPERATIONS: &str = include_str!("operations.txt");
const NOT_SERVED: &str = include_str!("../../not-served.txt");

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Asks for an operation. What is not served answers so, or refuses an empty message before it gets there.
async fn is_served(lake: &Lake, request: &str) -> bool {
    let mut words = request.splitn(3, ' ');
    let (method, target) = (words.next().expect("a method"), words.next().expect("a target"));
    let (mut headers, mut body) = (Vec::new(), "");
    match words.next() {
        Some(text) if text.starts_with('<') => body = text,
        Some(text) => headers.extend(text.split(' ').filter_map(|pair| pair.split_once(':'))),
        None => {}
    }
    let answer = lake.call(method, target, &headers, body.as_bytes()).await;
    let code = answer.elements("Code").first().cloned().unwrap_or_default();
    !["NotImplemented", "MissingRequestBodyError", "MalformedXML"].contains(&code.as_str())
}

#[tokio::test]
async fn the_list_is_what_answers_not_implemented() {
    let mut not_served = BTreeSet::new();
    for line in lines(OPERATIONS) {
        let (name, request) = line.split_once(' ').expect("a name and a request");
        // Each on its own lake: some of them delete.
        let lake = Lake::new().await;
        lake.put("main/a", b"x").await;
        if !is_served(&lake, request).await {
            not_served.insert(name);
        }
    }
    let listed: BTreeSet<&str> = lines(NOT_SERVED).collect();
    let unlisted: Vec<_> = not_served.difference(&listed).collect();
    let outdated: Vec<_> = listed.difference(&not_served).collect();
    assert!(unlisted.is_empty(), "these are not served any more: {unlisted:?}");
    assert!(outdated.is_empty(), "these are served now; take them off not-served.txt: {outdated:?}");
    assert_eq!(lines(NOT_SERVED).count(), listed.len(), "a name is there twice");
}
