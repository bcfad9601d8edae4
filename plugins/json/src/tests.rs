use anabranch_plugin::Value;
use anabranch_plugin::testing::{Numbers, Recorder, check_hostile, check_laws, diffed, merged, told};

use super::*;

fn check(options: &str, base: &str, ours: &str, theirs: &str, expected: &str) {
    assert_eq!(merged::<JsonMerge>(base, ours, theirs, options), expected, "{base} | {ours} | {theirs}");
    check_laws::<JsonMerge>(base, ours, theirs, options);
}

#[test]
fn members_are_merged_and_ours_keeps_its_look() {
    check(
        "{}",
        "{\n  \"a\": 1.0,\n  \"b\": {\"x\": 1}\n}\n",
        "{\n  \"b\" : {\"x\": 1},\n  \"a\": 1.50\n}\n",
        "{\"a\":1.0,\"b\":{\"x\":12345678901234567890123,\"y\":[1]},\"c\":{\n \"d\": null\n}}",
        "{\n  \"b\" : {\"x\":12345678901234567890123,\"y\":[1]},\n  \"c\" : {\n \"d\": null\n},\n  \"a\": 1.50\n}\n",
    );
}

#[test]
fn members_come_and_go_with_their_commas() {
    let base = "{\n\t\"a\": 1,\n\t\"b\": 2,\n\t\"c\": 3\n}";
    check(
        "{}",
        base,
        &base.replace("1", "9"),
        "{\n\t\"a\": 1,\n\t\"b\": 2\n}",
        "{\n\t\"a\": 9,\n\t\"b\": 2\n}",
    );
    check("{}", base, &base.replace("3", "9"), "{\n\t\"c\": 3\n}", "{\n\t\"c\": 9\n}");
    check("{}", "{\"a\":1}", "{}", "{\"a\":1,\"b\":2}", "{\"b\":2}");
    check("{}", "{\"a\":1}", "{\"a\":1,\"c\":3}", "{}", "{\"c\":3}");
    check("{}", "{\"a\":1,\"b\":1}", "{\"a\":1}", "{\"b\":1}", "{}");
    check("{}", "{ }", "{ \"a\": 1 }", "{ \"b\": 1 }", "{ \"a\": 1, \"b\": 1 }");
    check(
        "{}",
        "{}",
        "{\r\n  \"a\": 1\r\n}",
        "{\n  \"b\": {\n    \"c\": 1\n  }\n}",
        "{\r\n  \"a\": 1,\r\n  \"b\": {\r\n    \"c\": 1\r\n  }\r\n}",
    );
}

#[test]
fn what_ours_formatted_anew_stays_so() {
    check(
        "{}",
        r#"{"a":{"b":1,"c":[1,2]}}"#,
        "{\n  \"a\": {\n    \"b\": 1,\n    \"c\": [1, 2]\n  }\n}\n",
        r#"{"a":{"b":2,"c":[1,2]}}"#,
        "{\n  \"a\": {\n    \"b\": 2,\n    \"c\": [1, 2]\n  }\n}\n",
    );
}

#[test]
fn what_moves_takes_the_indentation_of_ours() {
    let theirs = "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": 1\n  }\n}";
    let expected = "{\n    \"a\": 2,\n    \"b\": {\n      \"c\": 1\n    }\n}";
    check("{}", "{\n  \"a\": 1\n}", "{\n    \"a\": 2\n}", theirs, expected);
}

#[test]
fn what_both_changed_is_a_conflict_at_its_pointer() {
    check(
        "{}",
        r#"{"a/b": 1, "c": [1], "d": 1, "e": 1}"#,
        r#"{"a/b": 2, "c": [1, 2], "d": 1.5, "f": true}"#,
        r#"{"a/b": 3, "c": [1, 0], "d": 15e-1, "e": 2, "f": false}"#,
        "x-json-conflict /a~1b: 1 | 2 | 3\nx-json-conflict /c: [1] | [1,2] | [1,0]\nx-json-conflict /e: 1 | - | 2\nx-json-conflict /f: - | true | false",
    );
    check("{}", "1", "2", "3", "x-json-conflict : 1 | 2 | 3");
}

#[test]
fn decisions_take_a_side_or_a_value() {
    let run = |recorder: Recorder| {
        told(recorder.merge::<JsonMerge>(
            [Some(r#"{"a": 1, "b": 1}"#), Some(r#"{"a": 2, "b": 2}"#), Some(r#"{"a": 3}"#)],
            "{}",
        ))
    };
    let json = |text: &str| Some(Value::Json(text.into()));
    let recorder = Recorder::default;
    assert_eq!(
        run(recorder().decide("/a", "", "theirs", None).decide("/b", "", "theirs", None)),
        r#"{"a": 3}"#
    );
    assert_eq!(
        run(recorder().decide("/a", "", "base", None).decide("/b", "", "ours", None)),
        r#"{"a": 1, "b": 2}"#
    );
    assert_eq!(
        run(recorder().decide("/a", "", "value", json("[ 7 ]")).decide("/b", "", "base", None)),
        r#"{"a": [ 7 ], "b": 1}"#
    );
    let bad = run(recorder().decide("/a", "", "value", json("[")));
    assert!(bad.starts_with("failed: bad-options: the value for /a is not JSON: line 1"), "{bad}");
    let unknown = run(recorder().decide("/a", "", "both", None));
    assert_eq!(unknown, "failed: internal: the choice \"both\" was not offered");
}

#[test]
fn elements_are_merged_where_each_side_changed_others() {
    check("{}", "[1, 2, 3]", "[1, 2, 4]", "[0, 1, 2, 3]", "[0, 1, 2, 4]");
    check("{}", "[1, 2, 3]", "[2, 3]", "[1, 2, 3, 3]", "[2, 3, 3]");
    check("{}", "[1, 2, 3]", "[1, 5, 3]", "[1, 6, 3]", "x-json-conflict /1: 2 | 5 | 6");
    // What both put in one place has no order, unless it is the same.
    check("{}", "[1]", "[1, 2]", "[1, 3]", "x-json-conflict : [1] | [1,2] | [1,3]");
    check("{}", "[1]", "[1, 2]", "[ 1, 2 ]", "[1, 2]");
    let base = r#"[{"use": "a", "with": {"x": 1}}, {"run": "b"}]"#;
    check(
        "{}",
        base,
        r#"[{"use": "a", "with": {"x": 2}}, {"run": "b"}]"#,
        r#"[{"use": "a", "with": {"x": 1}, "if": true}, {"run": "new"}, {"run": "b"}]"#,
        r#"[{"use": "a", "with": {"x": 2}, "if": true}, {"run": "new"}, {"run": "b"}]"#,
    );
    // An element that was replaced is not merged with what the other side did to the old one.
    check(
        "{}",
        r#"[{"n": "a", "v": 1}]"#,
        r#"[{"n": "b", "v": 7}]"#,
        r#"[{"n": "a", "v": 2}]"#,
        r#"x-json-conflict /0: {"n":"a","v":1} | {"n":"b","v":7} | {"n":"a","v":2}"#,
    );
}

#[test]
fn arrays_are_merged_by_position_or_key() {
    check(r#"{"arrays": "position"}"#, "[1, 2, 3]", "[9, 2, 3]", "[1, 2, 8, 4]", "[9, 2, 8, 4]");
    check(r#"{"arrays": "position"}"#, "[1, 2]", "[1, 2, 3]", "[1, 2, 4]", "x-json-conflict /2: - | 3 | 4");
    let key = r#"{"key": "n"}"#;
    check(
        key,
        r#"[{"n": "a", "v": 1}, {"n": "b", "v": 1}]"#,
        r#"[{"n": "c"}, {"n": "a", "v": 2}, {"n": "b", "v": 1}]"#,
        r#"[{"n": "b", "v": 1, "w": 2}, {"n": "a", "v": 1}]"#,
        r#"[{"n": "c"}, {"n": "b", "v": 1, "w": 2}, {"n": "a", "v": 2}]"#,
    );
    check(r#"{"arrays": "whole"}"#, "[1, 2]", "[1, 3]", "[0, 2]", "x-json-conflict : [1,2] | [1,3] | [0,2]");
    // Where a name is missing or stands twice, the array is one value.
    check(
        key,
        "[]",
        r#"[{"n": 1}, {"n": 1}]"#,
        r#"[{"n": 2}]"#,
        r#"x-json-conflict : [] | [{"n":1},{"n":1}] | [{"n":2}]"#,
    );
    assert!(
        merged::<JsonMerge>("[]", "[1]", "[2]", r#"{"arrays": "whole", "key": "n"}"#)
            .starts_with("failed: bad-options")
    );
}

#[test]
fn a_side_that_is_not_json_is_taken_whole() {
    check(
        "{}",
        "{}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1}",
        "whole: it is not JSON on ours: line 1, column 8: the object has the name \"a\" twice",
    );
    check(
        "{}",
        "",
        "{}",
        "{\"a\":1}",
        "whole: it is not JSON on base: line 1, column 1: it ends where a value is due",
    );
    let added =
        |ours, theirs| told(Recorder::default().merge::<JsonMerge>([None, Some(ours), Some(theirs)], "{}"));
    assert_eq!(added("{\"a\": 1}", "{\"b\": 1}"), "{\"a\": 1, \"b\": 1}");
    assert_eq!(added("{\"a\": 1}", "{\"a\": 2}"), "x-json-conflict /a: - | 1 | 2");
}

#[test]
fn a_diff_shows_values_by_pointer() {
    assert_eq!(
        diffed::<JsonMerge>(
            r#"{"a": 1, "b": {"c": 1}, "d": [1]}"#,
            r#"{"b": {"c": 2}, "d": [1, 2], "e": null}"#,
            "{}"
        ),
        "- property /a: 1 => -\n~ property /b/c: 1 => 2\n+ property /d/1: - => 2\n+ property /e: - => null\n4 values differ"
    );
    assert_eq!(diffed::<JsonMerge>("", "{}", "{}"), "+ property : - => {}\n1 values differ");
    assert!(diffed::<JsonMerge>("{", "{}", "{}").starts_with("it is not JSON before: line 1"));
}

/// Small documents of every shape, each against each.
#[test]
fn the_laws_hold_for_small_documents() {
    let values = [
        "1",
        "{}",
        "[]",
        r#"{"a":1}"#,
        r#"{ "a": 2 }"#,
        r#"{"b":[1],"a":1}"#,
        r#"{"a":{"a":1}}"#,
        "[1]",
        "[{\"id\":1}]",
    ];
    for options in ["{}", r#"{"arrays":"whole"}"#, r#"{"arrays":"position"}"#, r#"{"arrays":"key"}"#] {
        for base in values {
            for ours in values {
                for theirs in values {
                    check_laws::<JsonMerge>(base, ours, theirs, options);
                    let text = merged::<JsonMerge>(base, ours, theirs, options);
                    assert!(
                        text.starts_with("x-json-conflict") || Json::parse(text.as_bytes()).is_ok(),
                        "{text}"
                    );
                }
            }
        }
    }
}

#[test]
fn hostile_objects_neither_panic_nor_break_the_laws() {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"b\":1",
        "{\"a\":",
        "{\"b\":2}",
        "1",
        "-0.0",
        "1e5",
        "\"\\u00e9\"",
        "\\",
        "\r\n",
        "null",
        "\u{feff}",
        "\"id\":",
        "é",
    ];
    for options in ["{}", r#"{"arrays":"position"}"#, r#"{"key":"a"}"#] {
        check_hostile::<JsonMerge>(&pieces, options, 4_000);
    }
}

/// Against a model: members as a map, each by the three-way rule.
#[test]
fn clean_merges_lose_nothing() {
    let mut numbers = Numbers(7);
    let mut clean = 0;
    for _ in 0..3_000 {
        let base: Vec<usize> = (0..5).map(|_| numbers.below(3)).collect();
        let mut side = || {
            base.iter()
                .map(|value| if numbers.below(3) == 0 { numbers.below(3) } else { *value })
                .collect::<Vec<_>>()
        };
        let (ours, theirs) = (side(), side());
        // 0: no such member. The last two are nested. Each side has a layout of its own.
        let text = |values: &[usize], space: &str| {
            let list = |values: &[usize], from: usize| {
                let member = |(at, value): (usize, &usize)| {
                    (*value > 0).then(|| format!("{space}\"m{}\":{space}{value}", at + from))
                };
                values.iter().enumerate().filter_map(member).collect::<Vec<_>>().join(",")
            };
            let (outer, inner) = (list(&values[..3], 0), list(&values[3..], 3));
            let comma = if outer.is_empty() { "" } else { "," };
            format!("{{{outer}{comma}{space}\"in\": {{{inner}}}{space}}}")
        };
        let merge = |base: usize, ours: usize, theirs: usize| match (ours == base, theirs == base) {
            (true, _) => Some(theirs),
            (_, true) => Some(ours),
            _ => (ours == theirs).then_some(ours),
        };
        let expected: Option<Vec<usize>> = base
            .iter()
            .zip(ours.iter().zip(&theirs))
            .map(|(base, (ours, theirs))| merge(*base, *ours, *theirs))
            .collect();
        let told = merged::<JsonMerge>(&text(&base, " "), &text(&ours, "\n\t"), &text(&theirs, ""), "{}");
        match expected {
            None => assert!(told.starts_with("x-json-conflict"), "{told}"),
            Some(expected) => {
                clean += 1;
                let meant = text(&expected, "");
                let is = Json::parse(told.as_bytes()).expect(&told);
                assert!(is.same(&Json::parse(meant.as_bytes()).expect("JSON")), "{told} and {meant}");
            }
        }
    }
    assert!(clean > 500, "{clean}");
}
