//! What `merge.toml` demands of the result, whoever changed what.

use expect_test::{Expect, expect};

use super::*;

const RULES: &str = "_anabranch/merge.toml=[[rule]]~path='t/'~merge='append'~options={no='bad'}~\
                     [[rule]]~path='child/'~merge='append'~options={refers='parent'}";

async fn check(text: &str, expected: Expect) {
    let text = text.replace("RULES", RULES);
    let lake = Lake::new(registry());
    let (bases, ours, theirs) = lake.parse(&text);
    let trees = (lake.tree(&bases[0]), lake.tree(&ours), lake.tree(&theirs));
    let outcome = lake.merge(&trees.0, &trees.1, &trees.2).await;
    let found: Vec<String> = outcome.conflicts().iter().map(ToString::to_string).collect();
    let units: Vec<String> =
        outcome.report().units.iter().map(|unit| format!("[{}] {:?}", unit.root, unit.decision)).collect();
    expected.assert_eq(&format!("{}\n{}", units.join(" "), found.join("\n")));
    // Each can be accepted, and then nothing is left.
    let accept = |conflict: &Conflict| Resolution {
        conflict: conflict.id(),
        choice: ACCEPT_CHOICE.into(),
        value: None,
        object: None,
    };
    let accepted: Vec<Resolution> = outcome.conflicts().iter().map(accept).collect();
    let input = PipelineInput { resolutions: &accepted, ..lake.input(&trees.0, &trees.1, &trees.2) };
    let again = merge_trees(&lake.session, &input).await.unwrap();
    assert_eq!((again.conflicts(), again.tree()), (&[][..], outcome.tree()));
}

#[tokio::test]
async fn a_unit_that_one_side_alone_changed_is_asked() {
    check(
        "base: RULES t/#0=x | ours: a=1 | theirs: t/#1=y t/bad=z",
        expect![[r#"
            [t] Theirs
            constraint-violation: t: there is bad"#]],
    )
    .await;
    // What ours has already, the merge does not bring.
    check(
        "base: RULES t/#0=x | ours: t/bad=z | theirs: a=1",
        expect![[r#"
        [t] Ours
    "#]],
    )
    .await;
    check(
        "base: RULES t/#0=x other/#0=x | ours: a=1 | theirs: other/bad=z",
        expect![[r#"
        [other] Theirs
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_unit_that_refers_to_another_is_asked_when_either_changed() {
    check(
        "base: RULES child/#0=x child/ref-a=1 parent/#0=x parent/a=1 | ours: q=1 | theirs: -parent/a",
        expect![[r#"
            [parent] Theirs
            reference-violation: child: there is no a in parent"#]],
    )
    .await;
    check(
        "base: RULES child/#0=x parent/#0=x parent/a=1 | ours: -parent/a | theirs: child/ref-a=1",
        expect![[r#"
            [parent] Ours
            reference-violation: child: there is no a in parent"#]],
    )
    .await;
    check(
        "base: RULES child/#0=x parent/#0=x parent/a=1 | ours: b=1 | theirs: child/ref-a=1",
        expect![[r#"
            [child] Theirs
        "#]],
    )
    .await;
}

#[tokio::test]
async fn conflicts_and_violations_are_listed_together() {
    check_both(
        "base: RULES t/#0=x a=1 | ours: a=2 | theirs: a=3 t/bad=z",
        expect![[r#"
            object-conflict: a: changed differently on main and dev
            constraint-violation: t: there is bad"#]],
    )
    .await;
}

#[tokio::test]
async fn what_refers_to_a_unit_in_conflict_is_asked_once_that_is_decided() {
    let case = |theirs: &str| {
        format!(
            "base: RULES child/#0=x parent/#0=x parent/a=1 parent/b=1 | ours: parent/b=2 | theirs: parent/b=3 {theirs}"
        )
    };
    // Whether theirs' `c` will be there is open: nothing is said of it before that is decided.
    check_both(
        &case("child/ref-c=1 parent/c=1"),
        expect!["data-file-path-collision: parent/b: two files of one name"],
    )
    .await;
}

async fn check_both(text: &str, expected: Expect) {
    let lake = Lake::new(registry());
    let (bases, ours, theirs) = lake.parse(&text.replace("RULES", RULES));
    let outcome = lake.merge(&lake.tree(&bases[0]), &lake.tree(&ours), &lake.tree(&theirs)).await;
    let found: Vec<String> = outcome.conflicts().iter().map(ToString::to_string).collect();
    expected.assert_eq(&found.join("\n"));
}

#[test]
fn references_are_for_one_folder() {
    let rule = |path: &str| {
        format!("[[rule]]\npath = '{path}'\nmerge = 'append'\noptions = {{ refers = 'parent' }}")
    };
    let check = |path: &str| Rules::parse(&rule(path)).unwrap().check(&registry());
    assert_eq!(check("child/"), Ok(()));
    assert!(check("child*/").unwrap_err().contains("names one folder"));
}
