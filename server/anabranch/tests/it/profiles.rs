//! Servers and keys under names.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use expect_test::expect;

use crate::lake::Lake;

#[test]
fn a_profile_stands_for_a_server_and_its_keys() {
    let lake = Lake::with_repository();
    let local = |line: &str| lake.shown(&mut lake.command(line));
    let add = format!(
        "profile add test --endpoint {} --access-key-id AKIACOMMANDLINE00000 --secret-access-key \
         command-line-secret-0123456789abcdef",
        lake.endpoint
    );
    expect![[r#"
        added profile test for <server>, in use
    "#]]
    .assert_eq(&local(&add));
    expect![[r#"
        anabranch: there is a profile "test" already: give --force to replace it
        exit code 2
    "#]]
    .assert_eq(&local(&add));
    expect![[r#"
        added profile prod for https://lake.example
    "#]]
    .assert_eq(&local(
        "profile add prod --endpoint https://lake.example --access-key-id K --secret-access-key S",
    ));
    expect![[r#"
           NAME  ACCESS KEY ID         ENDPOINT
           prod  K                     https://lake.example
        *  test  <key>  <server>
    "#]]
    .assert_eq(&local("profile list"));
    expect![[r#"
        {
          "results": [
            {
              "name": "prod",
              "endpoint": "https://lake.example",
              "access_key_id": "K",
              "ca_cert": null,
              "in_use": false
            },
            {
              "name": "test",
              "endpoint": "<server>",
              "access_key_id": "<key>",
              "ca_cert": null,
              "in_use": true
            }
          ]
        }
    "#]]
    .assert_eq(&local("profile list --json"));
    expect![[r#"
        {
          "results": [
            {
              "id": "sales",
              "creation_date": <moment>,
              "default_branch": "main",
              "storage_id": "",
              "storage_namespace": "local://sales",
              "read_only": false
            }
          ]
        }
    "#]]
    .assert_eq(&local("repo list --json"));
    expect![[r#"
        profile prod is in use: https://lake.example
    "#]]
    .assert_eq(&local("profile use prod"));
    expect![[r#"
        NAME  COMMIT
        main  <id>
    "#]]
    .assert_eq(&local("branch list sales --profile test"));
    expect![[r#"
        anabranch: there is no profile "other": the profiles are prod, test
        exit code 2
    "#]]
    .assert_eq(&local("branch list sales --profile other"));
    expect![[r#"
        removed profile prod
    "#]]
    .assert_eq(&local("profile remove prod"));
    expect![[r#"
        anabranch: no keys: set ANABRANCH_ACCESS_KEY_ID and ANABRANCH_SECRET_ACCESS_KEY, use a profile, or name the server's data folder with --data: the key file anabranch-data/admin-key.json cannot be read: No such file or directory (os error 2)
        exit code 2
    "#]].assert_eq(&local("branch list sales"));
    let file = lake.file("../config/anabranch/profiles.toml");
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_secret_may_come_from_the_standard_input() {
    let lake = Lake::start();
    lake.write("secret", "from-a-file\n");
    let secret = std::fs::File::open(lake.file("secret")).unwrap();
    let mut adding = lake.command("profile add a --endpoint http://a.example --access-key-id K");
    expect![[r#"
        added profile a for http://a.example, in use
    "#]]
    .assert_eq(&lake.shown(adding.stdin(Stdio::from(secret))));
    let mut adding = lake.command("profile add b --endpoint http://a.example --access-key-id K");
    expect![[r#"
        anabranch: no secret was given: give --secret-access-key, or write it to the standard input
        exit code 2
    "#]]
    .assert_eq(&lake.shown(&mut adding));
    let text = std::fs::read_to_string(lake.file("../config/anabranch/profiles.toml")).unwrap();
    assert!(text.contains("from-a-file"), "{text}");
}
