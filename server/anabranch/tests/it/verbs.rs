//! Repositories, branches, tags, commits, diffs and merges as a person types them.

use expect_test::expect;

use crate::lake::Lake;

#[test]
fn repositories() {
    let lake = Lake::start();
    lake.check(
        "repo list",
        expect![[r#"
        NAME  DEFAULT BRANCH  CREATED  NAMESPACE
    "#]],
    );
    lake.check(
        "repo create sales",
        expect![[r#"
        created repository sales at local://sales
    "#]],
    );
    lake.check(
        "repo create sales",
        expect![[r#"
        anabranch: repository sales exists already
        exit code 2
    "#]],
    );
    lake.check("repo create Sales", expect![[r#"
        anabranch: "Sales" is no repository name: 3 to 63 lower-case letters, digits and hyphens, the first a letter or a digit
        exit code 2
    "#]]);
    lake.check(
        "repo list",
        expect![[r#"
        NAME   DEFAULT BRANCH  CREATED                  NAMESPACE
        sales  main            <time>  local://sales
    "#]],
    );
    lake.check(
        "repo show sales --json",
        expect![[r#"
        {
          "id": "sales",
          "creation_date": <moment>,
          "default_branch": "main",
          "storage_id": "",
          "storage_namespace": "local://sales",
          "read_only": false
        }
    "#]],
    );
    lake.check(
        "repo show nowhere",
        expect![[r#"
        anabranch: repository nowhere does not exist
        exit code 2
    "#]],
    );
    lake.check(
        "repo delete sales",
        expect![[r#"
        deleted repository sales
    "#]],
    );
    lake.check(
        "repo list --json",
        expect![[r#"
        {
          "results": []
        }
    "#]],
    );
}

#[test]
fn branches_and_tags() {
    let lake = Lake::with_repository();
    lake.check(
        "branch create sales dev",
        expect![[r#"
        created branch dev from main at <id>
    "#]],
    );
    lake.check(
        "branch create sales dev",
        expect![[r#"
        anabranch: branch dev exists already
        exit code 2
    "#]],
    );
    lake.check(
        "branch create sales x --from nowhere",
        expect![[r#"
        anabranch: ref nowhere does not exist: it names no branch, no tag and no commit
        exit code 2
    "#]],
    );
    lake.check(
        "branch show sales dev",
        expect![[r#"
        NAME  COMMIT
        dev   <id>
    "#]],
    );
    lake.check(
        "branch list sales",
        expect![[r#"
        NAME  COMMIT
        dev   <id>
        main  <id>
    "#]],
    );
    lake.check(
        "branch delete sales dev --json",
        expect![[r#"
        {
          "deleted": "dev"
        }
    "#]],
    );
    lake.check(
        "branch delete sales dev",
        expect![[r#"
        anabranch: branch dev does not exist
        exit code 2
    "#]],
    );
    lake.check(
        "tag create sales v1 main",
        expect![[r#"
        created tag v1 at <id>
    "#]],
    );
    lake.check(
        "tag create sales v1 main",
        expect![[r#"
        anabranch: tag v1 exists already
        exit code 2
    "#]],
    );
    lake.check(
        "tag create sales v1 main --force",
        expect![[r#"
        created tag v1 at <id>
    "#]],
    );
    lake.check(
        "tag list sales --json",
        expect![[r#"
        {
          "results": [
            {
              "id": "v1",
              "commit_id": "<id>"
            }
          ]
        }
    "#]],
    );
    lake.check(
        "tag show sales v1",
        expect![[r#"
        NAME  COMMIT
        v1    <id>
    "#]],
    );
    lake.check(
        "tag delete sales v1",
        expect![[r#"
        deleted tag v1
    "#]],
    );
}

#[test]
fn a_change_is_committed_compared_and_merged() {
    let lake = Lake::with_repository();
    lake.write("a.csv", "1,2\n");
    lake.run("branch create sales dev");
    lake.check(
        "put sales dev raw/a.csv a.csv",
        expect![[r#"
        wrote raw/a.csv (4 bytes), uncommitted on dev
    "#]],
    );
    lake.check(
        "diff sales dev",
        expect![[r#"
        + raw/a.csv
        exit code 1
    "#]],
    );
    lake.check(
        "diff sales dev --stat",
        expect![[r#"
        objects in raw/: +1 -0 ~0
        exit code 1
    "#]],
    );
    lake.check(
        "commit sales dev -m 'two numbers' --meta source=test",
        expect![[r#"
        committed <id> on dev: two numbers
    "#]],
    );
    lake.check(
        "commit sales dev -m 'nothing'",
        expect![[r#"
        anabranch: branch dev has no changes to commit
        exit code 2
    "#]],
    );
    lake.check(
        "diff sales main dev --name-only",
        expect![[r#"
        raw/a.csv
        exit code 1
    "#]],
    );
    lake.check(
        "diff sales main dev --json",
        expect![[r#"
        {
          "tables": [],
          "results": [
            {
              "type": "added",
              "path": "raw/a.csv",
              "path_type": "object",
              "size_bytes": 4
            }
          ]
        }
        exit code 1
    "#]],
    );
    lake.check(
        "merge sales dev main",
        expect![[r#"
        merged dev into main: <id>
          1 object outside tables
    "#]],
    );
    lake.check(
        "merge sales dev main",
        expect![[r#"
        no changes: main has all that dev brings
    "#]],
    );
    lake.check(
        "diff sales main dev",
        expect![[r#"
        no differences
    "#]],
    );
    lake.check(
        "log sales main",
        expect![[r#"
        <id>  <time>  admin  merges <id> <id>
            Merge 'dev' into 'main'
        <id>  <time>  admin
            two numbers
        <id>  <time>  anabranch
            Repository created
    "#]],
    );
    lake.check(
        "log sales main --path raw/ -n 1",
        expect![[r#"
        <id>  <time>  admin  merges <id> <id>
            Merge 'dev' into 'main'
        older commits follow: give -n a larger number than 1
    "#]],
    );
    lake.check(
        "revert sales main main --parent 1 -m 'without the numbers'",
        expect![[r#"
        reverted main on main: head is <id>
    "#]],
    );
    lake.check(
        "ls sales main --recursive",
        expect![[r#"
        SIZE  MODIFIED  PATH
    "#]],
    );
    lake.check(
        "cherry-pick sales main dev",
        expect![[r#"
        picked dev on main: <id>
    "#]],
    );
    lake.check(
        "ls sales main",
        expect![[r#"
        SIZE  MODIFIED  PATH
        -     -         raw/
    "#]],
    );
    lake.check(
        "fsck sales",
        expect![[r#"
        sales: nothing is wrong. Looked at branches: 2, tags: 0, commits: 5, packs: 5, entries: 2, objects: 1
    "#]],
    );
}

#[test]
fn a_conflict_changes_nothing_and_is_exit_code_1() {
    let lake = Lake::with_repository();
    for (branch, text) in [("main", "base"), ("dev", "theirs"), ("main", "ours")] {
        if branch == "dev" {
            lake.run("branch create sales dev");
        }
        lake.write("notes.md", text);
        lake.run(&format!("put sales {branch} notes.md notes.md"));
        lake.run(&format!("commit sales {branch} -m {text}"));
    }
    lake.check(
        "merge sales dev main",
        expect![[r#"
            KIND           PATH                           CHOICES                  MESSAGE
            text-conflict  notes.md {"line":1,"lines":1}  ours|theirs|base|object  both sides changed line 1 of the base
            1 conflict: the merge changed nothing
            exit code 1
        "#]],
    );
    lake.check("cat sales main notes.md", expect!["ours"]);
    lake.check(
        "merge sales dev main --strategy source-wins",
        expect![[r#"
            merged dev into main: <id>
              object notes.md: text, 0 bytes written
        "#]],
    );
    lake.check("cat sales main notes.md", expect!["theirs"]);
}

#[test]
fn uncommitted_changes_are_thrown_away_only_when_that_is_meant() {
    let lake = Lake::with_repository();
    lake.write("a", "a");
    for path in ["a", "t/b", "t/c"] {
        lake.run(&format!("put sales main {path} a"));
    }
    lake.check("reset sales main", expect![[r#"
        anabranch: this would throw away 3 uncommitted changes of the branch main of sales: give --yes to do it without a question
        exit code 2
    "#]]);
    lake.check(
        "reset sales main --path a --yes",
        expect![[r#"
        threw away 1 uncommitted change of main
    "#]],
    );
    lake.check(
        "reset sales main --prefix t/ --yes --json",
        expect![[r#"
        {
          "branch": "main",
          "thrown_away": [
            "t/b",
            "t/c"
          ]
        }
    "#]],
    );
    lake.check(
        "reset sales main --yes",
        expect![[r#"
        nothing is uncommitted there on main
    "#]],
    );
}

#[test]
fn what_is_wrong_is_one_line_and_exit_code_2() {
    let lake = Lake::with_repository();
    lake.check(
        "log sales nowhere",
        expect![[r#"
        anabranch: ref nowhere does not exist: it names no branch, no tag and no commit
        exit code 2
    "#]],
    );
    lake.check(
        "log .. main",
        expect![[r#"
        anabranch: ".." is no name of a repository, branch or ref
        exit code 2
    "#]],
    );
    lake.check(
        "stat sales main nothing",
        expect![[r#"
        anabranch: object nothing does not exist
        exit code 2
    "#]],
    );
    lake.check("import start sales main s3://bucket/one", expect![[r#"
        anabranch: s3://bucket/one is one object: name the path that it gets, or end the source with '/' for all below it
        exit code 2
    "#]]);
    lake.check("log sales main --secret-access-key wrong --access-key-id wrong", expect![[r#"
        anabranch: access key id or secret are wrong: check --access-key-id and --secret-access-key, the profile, or --data
        exit code 2
    "#]]);
    lake.check("log sales main --endpoint http://127.0.0.1:1", expect![[r#"
        anabranch: the keys at hand are for <server> and go to no other server: no keys: set ANABRANCH_ACCESS_KEY_ID and ANABRANCH_SECRET_ACCESS_KEY, use a profile, or name the server's data folder with --data: the key file anabranch-data/admin-key.json cannot be read: No such file or directory (os error 2)
        exit code 2
    "#]]);
    let mut elsewhere = lake.against("log sales main");
    expect![[r#"
        anabranch: http://127.0.0.1:1/ does not answer: is the server running? `anabranch serve` starts one: error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)
        exit code 2
    "#]].assert_eq(&lake.shown(elsewhere.env("ANABRANCH_ENDPOINT", "http://127.0.0.1:1")));
    expect![[r#"
        anabranch: https://127.0.0.1:1/ does not answer: is the address right, and its certificate trusted? --ca-cert names one of your own: error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)
        exit code 2
    "#]].assert_eq(&lake.shown(elsewhere.env("ANABRANCH_ENDPOINT", "https://127.0.0.1:1")));
    lake.check(
        "log sales main --ca-cert nowhere.pem",
        expect![[r#"
        anabranch: nowhere.pem cannot be read: No such file or directory (os error 2)
        exit code 2
    "#]],
    );
}

#[test]
fn completions_of_every_shell_know_the_verbs() {
    let lake = Lake::start();
    for shell in ["bash", "zsh", "fish"] {
        let script = lake.run(&format!("completions {shell}"));
        assert!(script.contains("cherry-pick") && script.contains("storage-namespace"), "{shell}");
    }
}
