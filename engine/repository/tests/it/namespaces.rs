//! No two repositories share a storage namespace, and none lies inside another's.

use anabranch_refs::{Edit, Expect, Operation, Partition, ScanRange, WriteId};
use anabranch_repository::{CreateRepository, RepositoryError};
use anabranch_types::RepositoryName;
use futures::future::join_all;

use crate::lake::{Disk, create_request, paging};

fn at(name: &str, namespace: &str) -> CreateRepository {
    CreateRepository {
        name: RepositoryName::new(name).unwrap(),
        storage_namespace: Some(namespace.into()),
        ..create_request()
    }
}

async fn answer(disk: &Disk, name: &str, namespace: &str) -> String {
    match disk.catalog().create_repository(at(name, namespace)).await {
        Ok(made) => format!("made at {}", made.storage_namespace),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_namespace_that_meets_another_repositorys_is_refused() {
    let disk = Disk::new();
    assert_eq!(answer(&disk, "one", "s3://lake/a/b").await, "made at s3://lake/a/b");
    for met in ["s3://lake/a/b", "s3://lake/a", "s3://lake", "s3://lake/a/b/c", "s3://lake/a/b/c/d"] {
        assert_eq!(
            answer(&disk, "two", met).await,
            format!(
                "storage namespace {met} is refused: the objects of repository one are there; choose one that neither \
                 equals, holds nor lies inside another repository's"
            )
        );
    }
    for (name, beside) in
        [("bee", "s3://lake/a/bc"), ("cee", "s3://lake/a/c"), ("dee", "s3://lake2"), ("eee", "local://lake")]
    {
        assert_eq!(answer(&disk, name, beside).await, format!("made at {beside}"));
    }
    assert_eq!(answer(&disk, "one", "s3://elsewhere").await, "repository one exists already");
    let names: Vec<_> = disk.catalog().list_repositories(&paging(3)).await.unwrap().results;
    assert_eq!(names.iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["bee", "cee", "dee"]);
}

#[tokio::test]
async fn of_racing_repositories_that_meet_one_is_made() {
    let disk = Disk::new();
    let names = ["aaa", "bbb", "ccc", "ddd", "eee", "fff"];
    let namespaces =
        ["s3://lake/a", "s3://lake/a/b", "s3://lake", "s3://lake/a", "s3://lake/a/b/c", "s3://lake/"];
    let catalog = disk.catalog();
    let made =
        join_all(names.iter().zip(namespaces).map(|(name, at_)| catalog.create_repository(at(name, at_))))
            .await;
    assert_eq!(made.iter().filter(|answer| answer.is_ok()).count(), 1, "{made:?}");
    let listed = catalog.list_repositories(&paging(10)).await.unwrap();
    assert_eq!((listed.results.len(), listed.more), (1, false));
}

#[tokio::test]
async fn a_namespace_is_free_when_its_repository_is_deleted() {
    let disk = Disk::new();
    answer(&disk, "one", "s3://lake/a").await;
    disk.catalog().delete_repository(&RepositoryName::new("one").unwrap()).await.unwrap();
    assert_eq!(answer(&disk, "two", "s3://lake").await, "made at s3://lake");
    let gone = disk.catalog().delete_repository(&RepositoryName::new("one").unwrap()).await;
    assert!(matches!(gone, Err(RepositoryError::NotFound { .. })), "{gone:?}");
}

#[tokio::test]
async fn repositories_from_before_there_were_claims_keep_their_namespaces() {
    let disk = Disk::new();
    answer(&disk, "one", "s3://lake/a").await;
    let partition = Partition("repositories".into());
    let page = disk.refs.scan(&partition, &ScanRange::default(), 100).await.unwrap();
    let claims: Vec<_> = page.rows.iter().filter(|(key, _)| key.starts_with('~')).collect();
    assert_eq!(claims.len(), 2);
    let edits: Vec<_> = claims
        .iter()
        .map(|(key, _)| Edit { key: key.clone(), expect: Expect::Any, operation: Operation::Delete })
        .collect();
    disk.refs.apply(&partition, &edits, WriteId([9; 16])).await.unwrap();
    assert!(answer(&disk, "two", "s3://lake/a/b").await.contains("repository one"));
    assert_eq!(answer(&disk, "two", "s3://lake/b").await, "made at s3://lake/b");
}
