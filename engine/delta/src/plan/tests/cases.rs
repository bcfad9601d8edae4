//! Single decisions, one case each.

use expect_test::{Expect, expect};

use super::notation::{MERGE_TIME_MS, Sides, print};
use crate::action::Commit;
use crate::plan::{History, Planned};

fn check(text: &str, expected: Expect) {
    let sides = Sides::parse(text);
    expected.assert_eq(&print(&sides.plan(), &sides.ours.snapshot()));
}

/// The same case when the commits of a side are gone from its log.
fn check_cleaned(text: &str, expected: Expect) {
    let sides = Sides::parse(text);
    let planned = sides.plan_with(sides.ours.history(&sides.base), History::default());
    expected.assert_eq(&print(&planned, &sides.ours.snapshot()));
}

#[test]
fn appends_stand_beside_one_another() {
    check(
        "base: +a +b | ours: +c | theirs: +d ; +e",
        expect![[r#"
        v2 WRITE: +d
        v3 WRITE: +e
        live: a b c d e
    "#]],
    );
}

#[test]
fn changes_of_other_files_are_replayed() {
    check(
        "base: +a +b | ours: -b op=DELETE ; +c | theirs: -a +d op=UPDATE",
        expect![[r#"
        v3 UPDATE: -a +d
        live: c d
    "#]],
    );
    check(
        "base: feature=deletionVectors +a +b | ours: -b +b@1 | theirs: -a +a@2 +i op=UPDATE",
        expect![[r#"
        v2 UPDATE: -a +a@2 +i
        live: a@2 b@1 i
    "#]],
    );
}

#[test]
fn a_file_changed_on_both_sides_is_a_conflict() {
    check(
        "base: +a | ours: -a +c op=UPDATE | theirs: -a +d op=UPDATE",
        expect![[r#"
        row-conflict: t/a: both sides replaced this file
    "#]],
    );
    check(
        "base: feature=deletionVectors +a +b | ours: -a +a@1 | theirs: -a +a@2",
        expect![[r#"
        row-conflict: t/a: both sides deleted rows in this file
    "#]],
    );
    check(
        "base: feature=deletionVectors +a +b | ours: -a +a@1 | theirs: -a",
        expect![[r#"
        row-conflict: t/a: theirs replaced this file, ours deleted rows in it
    "#]],
    );
}

#[test]
fn the_same_deletion_on_both_sides_converges() {
    check(
        "base: +a +b | ours: -a | theirs: -a ; +d",
        expect![[r#"
        v2 WRITE: +d
        live: b d
    "#]],
    );
    // One of them also rewrote rows in the same commit: which of them came from the file cannot be known.
    check(
        "base: +a +b +x | ours: -a | theirs: -a -b +c op=DELETE",
        expect![[r#"
        row-conflict: t/a: both sides replaced this file
    "#]],
    );
}

#[test]
fn a_compaction_gives_way_and_never_conflicts() {
    check(
        "base: +a +b +x | ours: +c | theirs: ~ -a -b +ab",
        expect![[r#"
        v2 OPTIMIZE: -a -b +ab
        live: ab c x
    "#]],
    );
    check(
        "base: +a +b +x | ours: -a +c op=UPDATE | theirs: ~ -a -b +ab ; +d",
        expect![[r#"
        v2 WRITE: +d
        live: b c d x
        note: theirs' version 1 only arranged files that ours changed; it is left out
    "#]],
    );
    check(
        "base: +a +b | ours: ~ -a -b +ab | theirs: ~ -a -b +ba",
        expect![[r#"
        live: ab
        note: theirs' version 1 only arranged files that ours changed; it is left out
    "#]],
    );
    check(
        "base: +a +b +x | ours: -a +c op=UPDATE | theirs: ~ -a -b +ab ; ~ -ab -x +abx",
        expect![[r#"
        live: b c x
        note: theirs' version 1 only arranged files that ours changed; it is left out
        note: theirs' version 2 only arranged files that ours changed; it is left out
    "#]],
    );
    check(
        "base: +a | ours: +c | theirs: +d ; ~ -a -d +ad",
        expect![[r#"
        v2 WRITE: +d
        v3 OPTIMIZE: -a -d +ad
        live: ad c
    "#]],
    );
}

#[test]
fn rows_changed_in_a_dropped_compaction_are_a_conflict() {
    check(
        "base: +a +b +x | ours: -a +c op=UPDATE | theirs: ~ -a -b +ab ; -ab +d op=UPDATE",
        expect![[r#"
        row-conflict: t/ab: theirs changed rows in version 2 of a file that theirs had compacted, and ours changed the compaction's input
    "#]],
    );
    check(
        "base: +a +b +x | ours: ~ -a -b +ab | theirs: -a +d op=UPDATE",
        expect![[r#"
        row-conflict: t/a: both sides replaced this file
    "#]],
    );
}

#[test]
fn overwrites_are_for_people_to_decide() {
    check(
        "base: +a | ours: +c | theirs: -a +d op=WRITE mode=overwrite",
        expect![[r#"
        overwrite-vs-change: t: theirs replaced all rows and ours appended rows: which rows shall stand must be decided
    "#]],
    );
    check(
        "base: +a | ours: -a +d op=WRITE mode=Overwrite | theirs: +c",
        expect![[r#"
        overwrite-vs-change: t: theirs appended rows and ours replaced all rows: which rows shall stand must be decided
    "#]],
    );
    check(
        "base: part +p=1/a +p=2/b | ours: +p=2/c | theirs: -p=1/a +p=1/d op=WRITE mode=Overwrite",
        expect![[r#"
        v2 WRITE: -p=1/a +p=1/d
        live: p=1/d p=2/b p=2/c
    "#]],
    );
    check(
        "base: part +p=1/a +p=2/b | ours: +p=1/c | theirs: -p=1/a +p=1/d op=WRITE mode=Overwrite",
        expect![[r#"
        overwrite-vs-change: t: theirs replaced rows of some partitions and ours appended rows: which rows shall stand must be decided
    "#]],
    );
    check(
        "base: +a | ours: +c | theirs: -a +d op=UNKNOWN",
        expect![[r#"
        overwrite-vs-change: t: theirs replaced all rows and ours appended rows: which rows shall stand must be decided
    "#]],
    );
    check(
        "base: +a +b | ours: -b +c op=UPDATE | theirs: -a +d op=RESTORE",
        expect![[r#"
        overwrite-vs-change: t: theirs restored an old state and ours changed rows: which rows shall stand must be decided
    "#]],
    );
}

#[test]
fn streaming_progress_is_never_told_twice() {
    check(
        "base: +a | ours: +c | theirs: txn=s/4 +d",
        expect![[r#"
        v2 WRITE: txn=s/4 +d
        live: a c d
    "#]],
    );
    check(
        "base: txn=s/3 +a | ours: txn=s/4 +c | theirs: txn=s/4 +d",
        expect![[r#"
        txn-conflict: t {"appId":"s"}: streaming application s went on on both sides: rows may be there twice
    "#]],
    );
    check(
        "base: txn=s/3 +a | ours: txn=s/4 +c | theirs: txn=s/4 +c ; +d",
        expect![[r#"
        v2 WRITE: +d
        live: a c d
    "#]],
    );
}

#[test]
fn properties_merge_one_by_one() {
    check(
        "base: +a | ours: +c | theirs: set=owner:x ; +d",
        expect![[r#"
        v2 WRITE: metaData(id {"owner": "x"})
        v3 WRITE: +d
        live: a c d
    "#]],
    );
    check(
        "base: set=owner:o +a | ours: set=x:1 +c | theirs: set=y:2 unset=owner",
        expect![[r#"
        v2 WRITE: metaData(id {"x": "1", "y": "2"})
        live: a c
    "#]],
    );
    check(
        "base: +a | ours: set=owner:x | theirs: set=owner:y",
        expect![[r#"
        property-conflict: t.owner: property owner was set differently on both sides
    "#]],
    );
    check(
        "base: set=owner:o +a | ours: unset=owner | theirs: set=owner:y",
        expect![[r#"
        property-conflict: t.owner: property owner was set differently on both sides
    "#]],
    );
}

#[test]
fn what_a_property_demands_of_the_other_side() {
    check(
        "base: +a | ours: set=delta.appendOnly:true | theirs: -a",
        expect![[r#"
        append-only-violation: t.delta.appendOnly: ours set delta.appendOnly: the other side removed rows
    "#]],
    );
    check(
        "base: +a | ours: +c | theirs: set=delta.constraints.k:id>0",
        expect![[r#"
            v2 WRITE: metaData(id {"delta.constraints.k": "id>0"})
            live: a c
        "#]],
    );
    check(
        "base: +a +b | ours: set=delta.enableChangeDataFeed:true | theirs: -a",
        expect![[r#"
        cdf-missing: t.delta.enableChangeDataFeed: ours set delta.enableChangeDataFeed: the other side changed rows without writing change data
    "#]],
    );
    check(
        "base: +a +b | ours: +c | theirs: set=delta.enableChangeDataFeed:true ; +d",
        expect![[r#"
        v2 WRITE: metaData(id {"delta.enableChangeDataFeed": "true"})
        v3 WRITE: +d
        live: a b c d
    "#]],
    );
    check(
        "base: +a | ours: +c | theirs: set=delta.columnMapping.mode:name",
        expect![[r#"
        schema-conflict: t.delta.columnMapping.mode: theirs set delta.columnMapping.mode: the other side's new files were written under another mapping of columns
    "#]],
    );
    check(
        "base: +a | ours: +c | theirs: set=delta.somethingNew:1",
        expect![[r#"
        unsupported-feature: t.delta.somethingNew: theirs set delta.somethingNew: what this property demands of the other side is not known
    "#]],
    );
}

#[test]
fn columns_are_joined_where_files_may_lack_them() {
    check(
        "base: +a | ours: col=x:long +c | theirs: col=y:long +d",
        expect![[r#"
        v2 WRITE: metaData(id,x,y {}) +d
        live: a c d
    "#]],
    );
    check(
        "base: +a | ours: col=x:long +c | theirs: col=x:long +d",
        expect![[r#"
        v2 WRITE: +d
        live: a c d
    "#]],
    );
    check(
        "base: +a | ours: col=x:long +c | theirs: col=x:string +d",
        expect![[r#"
        column-conflict: t.x: column x is added differently on both sides, and the other side changed the schema as well
    "#]],
    );
    check(
        "base: +a | ours: col=x:long +c | theirs: col=X:long +d",
        expect![[r#"
        column-case-collision: t.X: column X is spelled differently on both sides, and the other side changed the schema as well
    "#]],
    );
    check(
        "base: +a | ours: +c | theirs: col=id:none",
        expect![[r#"
        drop-vs-write: t.id: theirs dropped or renamed column id, and the other side wrote rows with it
    "#]],
    );
    check(
        "base: +a | ours: +c | theirs: col=id:string +d",
        expect![[r#"
        type-conflict: t.id: theirs changed the type of column id, and the other side wrote rows of the old type
    "#]],
    );
}

#[test]
fn features_and_domains() {
    check(
        "base: +a | ours: feature=deletionVectors | theirs: feature=timestampNtz +d",
        expect![[r#"
        v2 WRITE: protocol(3,7 {"deletionVectors", "timestampNtz"}) +d
        live: a d
    "#]],
    );
    check(
        "base: +a | ours: +c | theirs: feature=somethingNew",
        expect![[r#"
        unsupported-feature: t.somethingNew: on theirs the table uses the feature somethingNew, which cannot be merged here
    "#]],
    );
    check(
        "base: +a | ours: +c | theirs: feature=catalogManaged",
        expect![[r#"
        catalog-managed: t/_delta_log: on theirs, _delta_log: the table is managed by a catalog (feature catalogManaged)
    "#]],
    );
    check(
        "base: +a | ours: domain=u:1 | theirs: domain=v:2 +d",
        expect![[r#"
        v2 WRITE: domain=v:2 +d
        live: a d
    "#]],
    );
    check(
        "base: +a | ours: domain=u:1 | theirs: domain=u:2",
        expect![[r#"
        domain-conflict: t.u: both sides changed the metadata domain u
    "#]],
    );
    check(
        "base: +a | ours: +c | theirs: domain=delta.future:2",
        expect![[r#"
        unsupported-feature: t.delta.future: theirs changed the system domain delta.future
    "#]],
    );
    check(
        "base: +a | ours: id=table-2 | theirs: +d",
        expect![[r#"
        table-id-mismatch: t: the sides hold tables with different ids: one was dropped and created anew
    "#]],
    );
    check(
        "base: +a | ours: +c | theirs: unknown=future +d",
        expect![[r#"
        v2 WRITE: unknown=future +d
        live: a c d
    "#]],
    );
}

#[test]
fn row_ids_are_given_out_anew() {
    let base = r#"base: feature=rowTracking set=delta.enableRowTracking:true domain=delta.rowTracking:{"rowIdHighWaterMark":9}"#;
    check(
        &format!(
            r#"{base} | ours: domain=delta.rowTracking:{{"rowIdHighWaterMark":19}} | theirs: domain=delta.rowTracking:{{"rowIdHighWaterMark":29}} +d +e"#
        ),
        expect![[r#"
            v2 WRITE: domain=delta.rowTracking:{"rowIdHighWaterMark":39} +d#20 +e#30
            live: d e
        "#]],
    );
    check(
        &format!("{base} +a | ours: set=x:1 | theirs: -a +d op=UPDATE"),
        expect![[r#"
        row-tracking-collision: t/d: theirs copied rows into this file; their ids may be given out on ours as well
    "#]],
    );
}

#[test]
fn change_data_is_replayed_or_refused() {
    let base = "base: set=delta.enableChangeDataFeed:true +a +b +x";
    check(
        &format!("{base} | ours: +c | theirs: -a +d cdc=1 op=UPDATE"),
        expect![[r#"
        v2 UPDATE: -a +d cdc=_change_data/1
        live: b c d x
    "#]],
    );
    check(
        &format!("{base} | ours: -a | theirs: -a -b cdc=1"),
        expect![[r#"
        cdf-missing: t 1: part of theirs' version 1 is on ours already, so that its change data would tell it twice
    "#]],
    );
    check_cleaned(
        &format!("{base} | ours: +c | theirs: -a +d cdc=1 op=UPDATE"),
        expect![[r#"
        log-cleaned: t: theirs' commits since the base are gone from its log, and with them the change data
    "#]],
    );
}

#[test]
fn commits_that_are_gone_become_one() {
    check_cleaned(
        "base: +a +b | ours: +c | theirs: +d ; -a op=DELETE ; txn=s/1 +e",
        expect![[r#"
        v2 MERGE BRANCH: txn=s/1 -a +d +e
        live: b c d e
        note: theirs' commits since the base are gone from its log; they become one commit
    "#]],
    );
    check_cleaned(
        "base: +a | ours: +c | theirs: -a +d op=UPDATE",
        expect![[r#"
        overwrite-vs-change: t: theirs replaced all rows and ours appended rows: which rows shall stand must be decided
        note: theirs' commits since the base are gone from its log; they become one commit
    "#]],
    );
    check_cleaned(
        "base: +a +b | ours: -a +c op=UPDATE | theirs: -a +d",
        expect![[r#"
        row-conflict: t/a: both sides replaced this file
        note: theirs' commits since the base are gone from its log; they become one commit
    "#]],
    );
}

#[test]
fn a_replayed_commit_says_where_it_comes_from() {
    let sides = Sides::parse("base: +a | ours: +c | theirs: -a +d op=UPDATE");
    let Planned::Ready(plan) = sides.plan() else { panic!("it merges") };
    let commit = Commit::parse(2, 0, plan.commits[0].text().as_bytes()).unwrap();
    let info = commit.info().unwrap();
    assert_eq!(info.read::<i64>("timestamp"), Ok(Some(MERGE_TIME_MS)));
    assert_eq!(info.read::<i64>("readVersion"), Ok(Some(1)));
    let origin: serde_json::Value = info.read("anabranch.merge").unwrap().unwrap();
    assert_eq!(origin, serde_json::json!({"source": "dev", "version": 1, "timestamp": 1}));
    let remove = commit.removes().next().unwrap();
    let expected = r#"{"path":"a","partitionValues":{},"size":10,"dataChange":true,"deletionTimestamp":1700000000000,"extendedFileMetadata":true}"#;
    assert_eq!(&*remove.body, expected);
}
