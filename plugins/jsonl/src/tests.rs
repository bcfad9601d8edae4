use anabranch_plugin::testing::{Recorder, check_hostile, check_laws, diffed, merged, told};

use super::*;

const KEY: &str = r#"{"key": ["id"]}"#;

fn check(options: &str, base: &str, ours: &str, theirs: &str, expected: &str) {
    assert_eq!(merged::<JsonLines>(base, ours, theirs, options), expected, "{base} | {ours} | {theirs}");
    check_laws::<JsonLines>(base, ours, theirs, options);
}

#[test]
fn records_are_merged_by_key_and_lines_stay_as_they_are() {
    check(
        KEY,
        "{\"id\": 1, \"a\": 1.0}\n{\"id\": 2, \"a\": 1}\n{ \"id\":3 }\n",
        "{\"id\": 1, \"a\": 1.0, \"b\":1}\n{\"id\": 2, \"a\": 1}\n{ \"id\":3 }\n{\"id\": 4}\n",
        "{\"id\": 1, \"a\": 2.0}\n{ \"id\":3 }\n{\"id\": 5}\n",
        "{\"id\": 1, \"a\": 2.0, \"b\":1}\n{ \"id\":3 }\n{\"id\": 4}\n{\"id\": 5}\n",
    );
    check(KEY, "", "{\"id\":1}\r\n", "{\"id\":2}\n", "{\"id\":1}\r\n{\"id\":2}\r\n");
}

#[test]
fn a_member_that_both_changed_is_a_conflict_of_its_record() {
    let (base, ours, theirs) = (
        "{\"id\":1,\"a\":1,\"n\":{\"x\":1}}\n{\"id\":2}\n",
        "{\"id\":1,\"a\":2,\"n\":{\"x\":2}}\n",
        "{\"id\":1,\"a\":3,\"n\":{\"x\":3}}\n{\"id\":2,\"a\":1}\n",
    );
    check(
        KEY,
        base,
        ours,
        theirs,
        "row-conflict {\"id\":1} [/n/x]: 1 | 2 | 3\nrow-conflict {\"id\":1} [a]: 1 | 2 | 3\nrow-conflict {\"id\":2}: {\"id\":2} | - | {\"id\":2,\"a\":1}",
    );
    let recorder = Recorder::default()
        .decide("{\"id\":1}", "/n/x", "base", None)
        .decide("{\"id\":1}", "a", "value", Some(anabranch_plugin::Value::Json("[9]".into())))
        .decide("{\"id\":2}", "", "theirs", None);
    assert_eq!(
        told(recorder.merge::<JsonLines>([Some(base), Some(ours), Some(theirs)], KEY)),
        "{\"id\":1,\"a\":[9],\"n\":{\"x\":1}}\n{\"id\":2,\"a\":1}\n"
    );
    let preferring = Recorder { prefer: Some(anabranch_plugin::Side::Theirs), ..Recorder::default() };
    assert_eq!(
        told(preferring.merge::<JsonLines>([Some(base), Some(ours), Some(theirs)], KEY)),
        "{\"id\":1,\"a\":3,\"n\":{\"x\":3}}\n{\"id\":2,\"a\":1}\n"
    );
}

#[test]
fn a_record_that_both_added_is_taken_from_one() {
    check(
        KEY,
        "",
        "{\"id\":1,\"a\":1}\n",
        "{\"id\":1,\"b\":1}\n",
        "duplicate-key {\"id\":1}: - | {\"id\":1,\"a\":1} | {\"id\":1,\"b\":1}",
    );
    check(KEY, "", "{\"id\":1}\n{\"id\":2}\n", "{ \"id\":1}\n", "{\"id\":1}\n{\"id\":2}\n");
}

#[test]
fn what_has_no_key_is_taken_whole() {
    check(
        KEY,
        "",
        "{\"id\":1}\n\n",
        "{\"id\":2}\n",
        "whole: on ours line 2 is not JSON: column 1: it ends where a value is due",
    );
    check(
        KEY,
        "",
        "{\"id\":1}\n{}\n",
        "{\"id\":2}\n",
        "whole: on ours line 2 has no member \"id\", which the option key names",
    );
    check(
        KEY,
        "",
        "{\"id\":1}\n{\"id\":1}\n",
        "{\"id\":2}\n",
        "whole: on ours two records have the key {\"id\":1}",
    );
    check(
        KEY,
        "",
        "{\"id\":[]}",
        "7",
        "whole: on ours line 1 has a key member \"id\" that is an array or object",
    );
}

#[test]
fn without_a_key_records_are_lines() {
    check(
        "{}",
        "{\"a\":1}\n",
        "{\"a\":1}\n{\"b\":1}\n",
        "{\"a\":1}\n{\"c\":1}\n",
        "{\"a\":1}\n{\"b\":1}\n{\"c\":1}\n",
    );
    check(
        "{}",
        "1\n2\n3\n",
        "1\n4\n3\n",
        "1\n5\n3\n",
        "row-conflict {\"row\":2,\"rows\":1}: \"2\" | \"4\" | \"5\"",
    );
}

#[test]
fn a_diff_shows_records() {
    assert_eq!(
        diffed::<JsonLines>("{\"id\":1,\"a\":1}\n{\"id\":2}\n", "{\"id\":1,\"b\":1}\n{\"id\":3}\n", KEY),
        "~ row {\"id\":1}: {\"id\":1,\"a\":1} => {\"id\":1,\"b\":1}\n+ row {\"id\":3}: - => {\"id\":3}\n- row {\"id\":2}: {\"id\":2} => -\n1 records added, 1 removed, 1 modified"
    );
    assert_eq!(
        diffed::<JsonLines>("{\"id\":1}\n{\n", "{\"id\":1}\n", KEY),
        "- row {\"row\":2}: \"{\" => -\ncompared by lines: before, line 2 is not JSON: column 2: a member's name in quotes is due\n0 records added, 1 removed, 0 modified"
    );
}

#[test]
fn the_laws_hold_for_small_objects() {
    let lines = [
        "",
        "{\"id\":1}\n",
        "{\"id\":1,\"a\":1}\n",
        "{\"id\":2}\n{\"id\":1}\n",
        "{\"id\":1}\n{\"id\":2,\"a\":2}",
        "x\n",
        "\r\n",
    ];
    for options in ["{}", KEY] {
        for base in lines {
            for ours in lines {
                for theirs in lines {
                    check_laws::<JsonLines>(base, ours, theirs, options);
                }
            }
        }
    }
}

#[test]
fn hostile_objects_neither_panic_nor_break_the_laws() {
    let pieces = [
        "{\"id\":1}",
        "{\"id\":2,\"a\":1}",
        "{\"id\":1,\"a\":2}",
        "\n",
        "\n",
        "\r\n",
        "{",
        "\"id\"",
        "null",
        "{\"id\":null}",
        "\u{feff}",
        "é",
        " ",
        "\r",
    ];
    for options in ["{}", KEY] {
        check_hostile::<JsonLines>(&pieces, options, 4_000);
    }
}
