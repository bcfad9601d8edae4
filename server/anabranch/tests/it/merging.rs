//! Previews, merge sessions and reports as a person types them.

use expect_test::expect;

use crate::lake::Lake;

/// `main` and `dev` changed the same files differently, and each one of its own.
fn disputed(files: &[&str]) -> Lake {
    let lake = Lake::with_repository();
    for (branch, text) in [("main", "base"), ("dev", "theirs"), ("main", "ours")] {
        if branch == "dev" {
            lake.run("branch create sales dev");
        }
        lake.write("text", text);
        lake.run(&format!("put sales {branch} {branch}.md text"));
        for file in files {
            lake.run(&format!("put sales {branch} '{file}' text"));
        }
        lake.run(&format!("commit sales {branch} -m {text}"));
    }
    lake
}

/// The ids that `--json` gives at a place.
fn id(lake: &Lake, line: &str, pointer: &str) -> String {
    let output = lake.against(&format!("{line} --json")).output().unwrap();
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    value.pointer(pointer).and_then(serde_json::Value::as_str).unwrap().to_owned()
}

#[test]
fn a_clean_merge_is_shown_executed_and_explained() {
    let lake = disputed(&[]);
    let preview = id(&lake, "merge sales dev main --preview", "/id");
    let shown = |line: &str| lake.shown(&mut lake.against(line)).replace(&preview, "<preview>");
    expect![[r#"
        preview of dev into main: clean
          1 object outside tables
        nothing is published yet; until <time> this publishes exactly that:
          anabranch merge sales dev main --execute <preview>
    "#]]
    .assert_eq(&shown("merge sales dev main --preview"));
    expect![[r#"
        # Merge of `dev` into `main`: clean

        Nothing is published yet. Preview `<preview>` can be executed until <time>, as long as nothing moves.

        ours `<id>`, theirs `<id>`, merge base `<id>`

        0 tables, 1 object outside tables; data files +0 -0, 0 bytes written
    "#]]
    .assert_eq(&shown("merge sales dev main --preview --markdown"));
    lake.write("text", "more");
    lake.run("put sales main more text");
    lake.run("commit sales main -m more");
    let execute = format!("merge sales dev main --execute {preview}");
    expect![[r#"
        anabranch: preview <preview> does not hold any more: main moved from <id> to <id>. Nothing was published; preview again
        exit code 2
    "#]].assert_eq(&shown(&execute));
    lake.write("new.md", "staged");
    lake.run("put sales main dev.md new.md");
    lake.check(
        "merge sales dev main --preview",
        expect![[r#"
        preview of dev into main: clean
          1 object outside tables
        uncommitted changes on main stand in the way: commit or reset them first
          dev.md
        exit code 1
    "#]],
    );
    lake.run("reset sales main --yes");
    let preview = id(&lake, "merge sales dev main --preview", "/id");
    lake.check(
        &format!("merge sales dev main --execute {preview}"),
        expect![[r#"
        merged dev into main: <id>
          1 object outside tables
    "#]],
    );
    lake.check(
        "merge sales dev main --preview",
        expect![[r#"
        preview of dev into main: up-to-date
        main has all that dev brings
    "#]],
    );
    lake.check(
        "explain sales main",
        expect![[r#"
        commit <id> merged dev into main: clean
          ours <id>, theirs <id>, base <id>
          1 object outside tables
    "#]],
    );
    lake.check(
        "explain sales main --markdown",
        expect![[r#"
        # Merge of `dev` into `main`: clean

        Commit `<id>`.

        ours `<id>`, theirs `<id>`, merge base `<id>`

        0 tables, 1 object outside tables; data files +0 -0, 0 bytes written
    "#]],
    );
    lake.check("explain sales main~1", expect![[r#"
        anabranch: report of commit <id> does not exist: no merge made it, or one of a server that kept no reports
        exit code 2
    "#]]);
    lake.check(
        "merge sales dev main --execute 0123",
        expect![[r#"
        anabranch: preview 0123 does not exist: make a new one, they are kept for a day
        exit code 2
    "#]],
    );
    lake.check(
        "merge sales dev main --session",
        expect![[r#"
            nothing is to be decided: up-to-date
        "#]],
    );
}

#[test]
fn conflicts_are_decided_one_by_one() {
    let lake = disputed(&["a.md", "b.md", "c.md"]);
    lake.check(
        "merge sales dev main --preview",
        expect![[r#"
            preview of dev into main: conflicts
              object a.md: text, 0 bytes written
              object b.md: text, 0 bytes written
              object c.md: text, 0 bytes written
              1 object outside tables
            KIND           PATH                       CHOICES                  MESSAGE
            text-conflict  a.md {"line":1,"lines":1}  ours|theirs|base|object  both sides changed line 1 of the base
            text-conflict  b.md {"line":1,"lines":1}  ours|theirs|base|object  both sides changed line 1 of the base
            text-conflict  c.md {"line":1,"lines":1}  ours|theirs|base|object  both sides changed line 1 of the base
            3 conflicts: decide one by one with
              anabranch merge sales dev main --session
            exit code 1
        "#]],
    );
    let session = id(&lake, "merge sales dev main --session", "/session/id");
    let check = |line: &str, expected: expect_test::Expect| {
        let line = line.replace("SESSION", &session);
        expected.assert_eq(&lake.shown(&mut lake.against(&line)).replace(&session, "<session>"));
    };
    check(
        "session list sales",
        expect![[r#"
        SESSION       DESTINATION  UNDECIDED  BEGUN                    BY     SOURCE
        <id>  main         3 of 3     <time>  admin  dev
    "#]],
    );
    check(
        "session show sales SESSION",
        expect![[r#"
            merge session <session>
              dev into main, begun by admin on <time>
              3 of 3 conflicts undecided
              object a.md: text, 0 bytes written
              object b.md: text, 0 bytes written
              object c.md: text, 0 bytes written
              1 object outside tables
        "#]],
    );
    check(
        "session conflicts sales SESSION",
        expect![[r#"
            <id>  text-conflict  a.md {"line":1,"lines":1}
                both sides changed line 1 of the base
                undecided: ours|theirs|base|object
            <id>  text-conflict  b.md {"line":1,"lines":1}
                both sides changed line 1 of the base
                undecided: ours|theirs|base|object
            <id>  text-conflict  c.md {"line":1,"lines":1}
                both sides changed line 1 of the base
                undecided: ours|theirs|base|object
            3 conflicts
        "#]],
    );
    check(
        "session choose sales SESSION a.md theirs",
        expect![[r#"
        chose theirs for a.md
    "#]],
    );
    lake.write("merged.md", "both");
    check(
        "session choose sales SESSION b.md --object merged.md",
        expect![[r#"
        chose object for b.md
    "#]],
    );
    check(
        "session complete sales SESSION",
        expect![[r#"
            KIND           PATH                       CHOICES                  MESSAGE
            text-conflict  c.md {"line":1,"lines":1}  ours|theirs|base|object  both sides changed line 1 of the base
            1 conflict left to decide: nothing was merged
            exit code 1
        "#]],
    );
    check(
        "session outcome sales SESSION",
        expect![[r#"
            dev into main, as decided so far: conflicts
              ours <id>, theirs <id>, base <id>
              object a.md: text, 0 bytes written
              object b.md: object, 0 bytes written
              object c.md: text, 0 bytes written
              1 object outside tables
            KIND           PATH                       CHOICES                  MESSAGE
            text-conflict  c.md {"line":1,"lines":1}  ours|theirs|base|object  both sides changed line 1 of the base
              a.md: theirs by admin on <time>
              b.md: object by admin on <time>
            exit code 1
        "#]],
    );
    check(
        "session choose-all sales SESSION base",
        expect![[r#"
        chose base for 1 conflict
    "#]],
    );
    check(
        "session forget sales SESSION c.md",
        expect![[r#"
        forgot what was chosen for c.md
    "#]],
    );
    check(
        "session forget sales SESSION c.md",
        expect![[r#"
            anabranch: choice for conflict 1ea708e275815c4fe61fcbf18291eb77 does not exist
            exit code 2
        "#]],
    );
    check(
        "session conflicts sales SESSION --undecided",
        expect![[r#"
            <id>  text-conflict  c.md {"line":1,"lines":1}
                both sides changed line 1 of the base
                undecided: ours|theirs|base|object
            1 conflict
        "#]],
    );
    check(
        "session choose sales SESSION c.md mine",
        expect![[r#"
            anabranch: "mine" is no choice of the text-conflict at c.md: it has ours, theirs, base, object
            exit code 2
        "#]],
    );
    check(
        "session choose sales SESSION nowhere ours",
        expect![[r#"
        anabranch: no conflict is named nowhere: `anabranch session conflicts sales <id>` lists them
        exit code 2
    "#]],
    );
    check(
        "session choose sales SESSION c.md ours",
        expect![[r#"
        chose ours for c.md
    "#]],
    );
    check(
        "session outcome sales SESSION --markdown",
        expect![[r#"
            # Merge of `dev` into `main`: clean

            Nothing is published yet: this is what the choices made so far come to.

            ours `<id>`, theirs `<id>`, merge base `<id>`

            3 tables, 1 object outside tables; data files +0 -0, 0 bytes written

            ## Tables

            | Table | Format | Result | How | Rows | Files | Bytes written | Verified |
            | --- | --- | --- | --- | --- | --- | --- | --- |
            | `a.md` | - | merged | text | - | +0 -0 | 0 | - |
            | `b.md` | - | merged | object | - | +0 -0 | 0 | - |
            | `c.md` | - | merged | text | - | +0 -0 | 0 | - |

            ## Decided

            | Where | Choice | Value | By | When |
            | --- | --- | --- | --- | --- |
            | `a.md` | theirs | - | `admin` | <time> |
            | `b.md` | object | - | `admin` | <time> |
            | `c.md` | ours | - | `admin` | <time> |
        "#]],
    );
    check(
        "session complete sales SESSION -m 'decided by hand' --meta ticket=7",
        expect![[r#"
            merged dev into main: <id>
              object a.md: text, 0 bytes written
              object b.md: object, 0 bytes written
              object c.md: text, 0 bytes written
              1 object outside tables
        "#]],
    );
    check(
        "session show sales SESSION",
        expect![[r#"
        anabranch: no merge session <session> is open: it was completed or abandoned, or never began
        exit code 2
    "#]],
    );
    check(
        "explain sales main",
        expect![[r#"
            commit <id> merged dev into main: clean
              ours <id>, theirs <id>, base <id>
              object a.md: text, 0 bytes written
              object b.md: object, 0 bytes written
              object c.md: text, 0 bytes written
              1 object outside tables
              a.md: theirs by admin on <time>
              b.md: object by admin on <time>
              c.md: ours by admin on <time>
        "#]],
    );
    lake.check("cat sales main a.md", expect!["theirs"]);
    lake.check("cat sales main b.md", expect!["both"]);
    lake.check("cat sales main c.md", expect!["ours"]);
}

#[test]
fn a_session_is_begun_and_abandoned() {
    let lake = disputed(&["odd\u{7}name"]);
    lake.check(
        "merge sales dev main --session",
        expect![[r#"
        began merge session <id> of dev into main: 1 conflict to decide
          1 object outside tables
          anabranch session conflicts sales <id>
          anabranch session choose sales <id> CONFLICT CHOICE
          anabranch session complete sales <id>
    "#]],
    );
    let listed = id(&lake, "session list sales", "/results/0/id");
    let named = |line: &str| lake.shown(&mut lake.against(&line.replace("SESSION", &listed[..6])));
    expect![[r#"
        <id>  object-conflict  odd�name
            changed differently on main and dev
            undecided: ours|theirs|base|object
        1 conflict
    "#]]
    .assert_eq(&named("session conflicts sales SESSION"));
    expect![[r#"
        anabranch: this would forget merge session <session> and what was chosen in it: give --yes to do it without a question
        exit code 2
    "#]].assert_eq(&named("session abandon sales SESSION").replace(&listed, "<session>"));
    expect![[r#"
        abandoned merge session <id>
    "#]]
    .assert_eq(&named("session abandon sales SESSION --yes"));
    lake.check(
        "session list sales",
        expect![[r#"
        SESSION  DESTINATION  UNDECIDED  BEGUN  BY  SOURCE
    "#]],
    );
    lake.check(
        "session show sales 00",
        expect![[r#"
        anabranch: no merge session 00 is open: it was completed or abandoned, or never began
        exit code 2
    "#]],
    );
}
