//! Repositories.

use expect_test::expect;

use crate::server::Server;

#[tokio::test]
async fn a_repository_is_made_found_listed_and_deleted() {
    let server = Server::new().await;
    server
        .check(
            "POST /repositories\n\n{\"name\": \"sales\", \"storage_namespace\": \"mem://s\", \"sample_data\": false}",
            expect![[r#"
                201
                {
                  "id": "sales",
                  "creation_date": 1795369318,
                  "default_branch": "main",
                  "storage_id": "",
                  "storage_namespace": "mem://s",
                  "read_only": false
                }
            "#]],
        )
        .await;
    server
        .check(
            "GET /repositories/sales",
            expect![[r#"
        200
        {
          "id": "sales",
          "creation_date": 1795369318,
          "default_branch": "main",
          "storage_id": "",
          "storage_namespace": "mem://s",
          "read_only": false
        }
    "#]],
        )
        .await;
    server
        .post("/repositories", r#"{"name": "abc", "default_branch": "trunk", "metadata": {"a": "b"}}"#)
        .await;
    server
        .check(
            "GET /repositories?amount=1",
            expect![[r#"
        200
        {
          "pagination": {
            "has_more": true,
            "next_offset": "abc",
            "results": 1,
            "max_per_page": 1000
          },
          "results": [
            {
              "id": "abc",
              "creation_date": 1795369318,
              "default_branch": "trunk",
              "storage_id": "",
              "storage_namespace": "mem://abc",
              "read_only": false
            }
          ]
        }
    "#]],
        )
        .await;
    server
        .check(
            "GET /repositories?after=abc&amount=1",
            expect![[r#"
        200
        {
          "pagination": {
            "has_more": false,
            "next_offset": "",
            "results": 1,
            "max_per_page": 1000
          },
          "results": [
            {
              "id": "sales",
              "creation_date": 1795369318,
              "default_branch": "main",
              "storage_id": "",
              "storage_namespace": "mem://s",
              "read_only": false
            }
          ]
        }
    "#]],
        )
        .await;
    server
        .check(
            "GET /repositories/abc/metadata",
            expect![[r#"
        200
        {
          "a": "b"
        }
    "#]],
        )
        .await;
    server
        .check(
            "DELETE /repositories/sales",
            expect![[r#"
        204
    "#]],
        )
        .await;
    server
        .check(
            "GET /repositories/sales",
            expect![[r#"
        404
        {
          "message": "repository sales does not exist"
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn what_cannot_be_made_is_refused_with_the_reason() {
    let server = Server::with_sales().await;
    server
        .check(
            "POST /repositories\n\n{\"name\": \"sales\"}",
            expect![[r#"
        409
        {
          "message": "repository sales exists already"
        }
    "#]],
        )
        .await;
    server.check("POST /repositories\n\n{\"name\": \"Sales\"}", expect![[r#"
        400
        {
          "message": "\"Sales\" is no repository name: 3 to 63 lower-case letters, digits and hyphens, the first a letter or a digit"
        }
    "#]]).await;
    server.check("POST /repositories\n\n{\"name\": \"new\", \"default_branch\": \"a/b\"}", expect![[r#"
        400
        {
          "message": "\"a/b\" is no branch name: 1 to 255 letters, digits, underscores and hyphens, the first no hyphen"
        }
    "#]]).await;
    server
        .check(
            "POST /repositories\n\n{\"name\": \"new\", \"read_only\": true}",
            expect![[r#"
        501
        {
          "message": "read_only is not supported: leave it out"
        }
    "#]],
        )
        .await;
    server
        .check(
            "POST /repositories?bare=true\n\n{\"name\": \"new\"}",
            expect![[r#"
        501
        {
          "message": "bare repositories are not supported: leave it out"
        }
    "#]],
        )
        .await;
    server.check("POST /repositories\nAs: reader\n\n{\"name\": \"new\"}", expect![[r#"
        403
        {
          "message": "reader is not permitted to repository:create on repository new: that needs the role admin, and reader has read-only"
        }
    "#]]).await;
    server
        .check(
            "GET /repositories?search=sal",
            expect![[r#"
        501
        {
          "message": "searching repositories is not supported: use prefix"
        }
    "#]],
        )
        .await;
    server
        .check(
            "GET /repositories/..",
            expect![[r#"
        404
        {
          "message": "repository .. does not exist"
        }
    "#]],
        )
        .await;
}

#[tokio::test]
async fn a_whole_repository_passes_its_check() {
    let server = Server::with_sales().await;
    let report = server.post("/repositories/sales/fsck", "").await;
    assert_eq!(report["clean"], true, "{report}");
    assert!(report["commits"].as_u64() >= Some(2), "{report}");
}

#[tokio::test]
async fn clients_learn_what_the_server_can_do() {
    let server = Server::new().await;
    server
        .check(
            "GET /config",
            expect![[r#"
        200
        {
          "version_config": {
            "version": "1.60.0",
            "version_context": "anabranch",
            "anabranch_version": "0.1.0",
            "upgrade_recommended": false
          },
          "storage_config": {
            "blockstore_type": "local",
            "blockstore_namespace_example": "local://my-repository",
            "blockstore_namespace_ValidityRegex": "^(local|s3|mem)://.*$",
            "default_namespace_prefix": "local://",
            "pre_sign_support": false,
            "pre_sign_support_ui": false,
            "import_support": false,
            "import_validity_regex": "^$",
            "pre_sign_multipart_upload": false
          },
          "capabilities_config": {}
        }
    "#]],
        )
        .await;
    server
        .check(
            "GET /user\nAs: reader",
            expect![[r#"
        200
        {
          "user": {
            "id": "reader",
            "creation_date": 0,
            "friendly_name": "reader",
            "role": "read-only"
          }
        }
    "#]],
        )
        .await;
    server
        .check(
            "GET /healthcheck\nAs: nobody",
            expect![[r#"
        204
    "#]],
        )
        .await;
}
