use anabranch_plugin::Value;
use anabranch_plugin::testing::{Numbers, Recorder, check_laws, diffed, merged, told};

use super::*;

fn check(options: &str, base: &str, ours: &str, theirs: &str, expected: &str) {
    assert_eq!(merged::<Yaml>(base, ours, theirs, options), expected, "{base} | {ours} | {theirs}");
    check_laws::<Yaml>(base, ours, theirs, options);
}

const BASE: &str = "\
# Settings of the service
name: orders   # shown in logs
limits:
  # how much one call may read
  rows: 1000
  bytes: 10
owners: [ana, bo]
tail: end
";

#[test]
fn what_merges_by_lines_to_the_same_is_merged_by_lines() {
    let ours = BASE.replace("1000", "5000 # more");
    let theirs = BASE.replace("tail: end", "# the last one\ntail: over");
    check("{}", BASE, &ours, &theirs, &ours.replace("tail: end", "# the last one\ntail: over"));
}

#[test]
fn neighbouring_lines_are_merged_by_path() {
    check(
        "{}",
        BASE,
        &BASE.replace("rows: 1000", "rows: 5000   # ours"),
        &BASE.replace("bytes: 10\n", "bytes: 20\n  # new\n  seconds: 5\n"),
        &BASE
            .replace("rows: 1000", "rows: 5000   # ours")
            .replace("bytes: 10\n", "bytes: 20\n  # new\n  seconds: 5\n"),
    );
    check(
        "{}",
        BASE,
        &BASE.replace("[ana, bo]", "[ana]"),
        &BASE.replace("tail: end\n", ""),
        &BASE.replace("[ana, bo]", "[ana]").replace("tail: end\n", ""),
    );
}

#[test]
fn entries_are_merged_where_both_sides_wrote_in_one_place() {
    check(
        "{}",
        "a: 1\n",
        "a: 1\nb:\n    c: 1\n",
        "a: 1\nd:\n  e: |\n    x\n\n    y\n  f: 2\n",
        "a: 1\nb:\n    c: 1\nd:\n  e: |\n    x\n\n    y\n  f: 2\n",
    );
    check(
        "{}",
        "a:\n  b: 1\n",
        "a:\n    b: 2\n",
        "a:\n  b: 1\n  c:\n    d: 1\n",
        "a:\n    b: 2\n    c:\n      d: 1\n",
    );
    check("{}", "a: 1\nb: 1\n", "a: 2\r\nb: 1\r\n", "a: 1\nc: 1\nb: 3\n", "a: 2\r\nc: 1\r\nb: 3\r\n");
    check("{}", "a: 1\n# of b\nb: 1\n", "a: 2\n# of b\nb: 1\n", "a: 1\n", "a: 2\n");
}

#[test]
fn what_both_changed_is_a_conflict_at_its_path() {
    let (base, ours, theirs) = ("a:\n  b: 1\nc: x\n", "a:\n  b: 2 # two\nc: x\n", "a:\n  b: 3\n");
    check("{}", base, ours, theirs, "x-yaml-conflict /a/b: \"1\" | \"2\" | \"3\"");
    let run = |choice: &str, value: Option<&str>| {
        let value = value.map(|text| Value::Json(text.into()));
        let recorder = Recorder::default().decide("/a/b", "", choice, value);
        told(recorder.merge::<Yaml>([Some(base), Some(ours), Some(theirs)], "{}"))
    };
    assert_eq!(run("ours", None), "a:\n  b: 2 # two\n");
    assert_eq!(run("theirs", None), "a:\n  b: 3 # two\n");
    assert_eq!(run("base", None), "a:\n  b: 1 # two\n");
    assert_eq!(run("value", Some("[1, \"x\"]")), "a:\n  b: [1, \"x\"] # two\n");
    assert!(run("value", Some("[1")).starts_with("failed: bad-options: the value for /a/b is not YAML"));
    check("{}", "a: 1\n", "b: 1\n", "a: 2\n", "x-yaml-conflict /a: \"1\" | - | \"2\"");
    // A string and a number are different values, however alike they look.
    check("{}", "a: x\n", "a: '1'\n", "a: 1\n", "x-yaml-conflict /a: \"x\" | \"'1'\" | \"1\"");
    check("{}", "a: x\n", "a: 'y'\n", "a: \"y\"\n", "a: 'y'\n");
}

#[test]
fn comments_behind_values_are_merged() {
    check("{}", "a: 1\nb: 1\n", "a: 2\nb: 1\n", "a: 1 # mind this\nb: 2\n", "a: 2 # mind this\nb: 2\n");
    check("{}", "a: 1 # old\nb: 1\n", "a: 2 # old\nb: 1\n", "a: 1\nb: 2\n", "a: 2\nb: 2\n");
}

#[test]
fn comments_between_lines_are_merged() {
    let (base, ours, theirs) = ("a: 1\nb: 1\n", "a: 2\nb: 1\n", "# mind this\na: 1\nb: 2\n");
    check("{}", base, ours, theirs, "# mind this\na: 2\nb: 2\n");
}

#[test]
fn a_comment_that_would_be_lost_is_asked_about() {
    let (base, ours, theirs) = ("a:\n- 1\nb: 1\n", "a:\n- 1 # mind this\nb: 1\n", "a:\n- 2\nb: 1\n");
    let line = "text-conflict {\"line\":2,\"lines\":1}: \"- 1\\n\" | \"- 1 # mind this\\n\" | \"- 2\\n\"";
    check("{}", base, ours, theirs, line);
    let decided = Recorder::default().decide("{\"line\":2,\"lines\":1}", "", "theirs", None);
    assert_eq!(told(decided.merge::<Yaml>([Some(base), Some(ours), Some(theirs)], "{}")), theirs);
}

#[test]
fn elements_are_merged_where_each_side_changed_others() {
    check(
        "{}",
        "on:\n- a: 1\n  b: 2\n  c: 3\n- d\n",
        "on:\n- a: 1\n  b: 5\n  c: 3\n- d\n",
        "on:\n- a: 1\n  b: 2\n  c: 6\n- x\n- d\n",
        "on:\n- a: 1\n  b: 5\n  c: 6\n- x\n- d\n",
    );
    check("{}", "- 1\n- 2\n- 3\n", "- 2\n- 3\n", "- 1\n- 2\n- 4\n", "- 2\n- 4\n");
}

#[test]
fn texts_of_several_lines_are_merged_by_lines() {
    let base = "a: 1\nrun: |\n  one\n  two\n  three\nb: 1\n";
    check(
        "{}",
        base,
        &base.replace("one", "1").replace("a: 1", "a: 2"),
        &base.replace("three", "3").replace("b: 1\n", ""),
        &base.replace("one", "1").replace("a: 1", "a: 2").replace("three", "3").replace("b: 1\n", ""),
    );
    let told = merged::<Yaml>(base, &base.replace("one", "1"), &base.replace("one", "I"), "{}");
    assert_eq!(
        told,
        r#"x-yaml-conflict /run: "one\n  two\n  three" | "1\n  two\n  three" | "I\n  two\n  three""#
    );
}

#[test]
fn sequences_are_merged_by_key_or_position() {
    check(
        "{}",
        "a: [1]\n",
        "a: [1, 2]\n",
        "a: [1, 3]\n",
        "x-yaml-conflict /a: \"[1]\" | \"[1, 2]\" | \"[1, 3]\"",
    );
    let base = "steps:\n- id: load\n  tries: 1\n- id: clean\n  tries: 1\n";
    check(
        r#"{"key": "id"}"#,
        base,
        "steps:\n- id: load\n  tries: 3\n- id: clean\n  tries: 1\n",
        "steps:\n- id: load\n  tries: 1\n- id: check\n  tries: 1\n- id: clean\n  tries: 2\n",
        "steps:\n- id: load\n  tries: 3\n- id: check\n  tries: 1\n- id: clean\n  tries: 2\n",
    );
    check(r#"{"arrays": "position"}"#, "- 1\n- 2\n", "- 3\n- 2\n", "- 1\n- 4\n", "- 3\n- 4\n");
}

#[test]
fn anchors_tags_and_documents() {
    let base = "base: &b\n  x: 1\nuse: *b\nt: !t v\n";
    check(
        "{}",
        base,
        &base.replace("x: 1", "x: 2"),
        &base.replace("!t v", "!t w"),
        &base.replace("x: 1", "x: 2").replace("!t v", "!t w"),
    );
    check(
        "{}",
        base,
        &base.replace("!t v", "!u v"),
        &base.replace("!t v", "!t w"),
        "x-yaml-conflict /t: \"!t v\" | \"!u v\" | \"!t w\"",
    );
    // Naming a value changes nothing of it.
    let named = "base: &b\n  x: 1\nt: 1\nuse: *b\n";
    check("{}", "base:\n  x: 1\nt: 1\n", "base:\n  x: 2\nt: 1\n", named, &named.replace("x: 1", "x: 2"));
    check("{}", "a: 1\n---\nb: 1\n", "a: 2\n---\nb: 1\n", "a: 1\n---\nb: 2\n", "a: 2\n---\nb: 2\n");
    check(
        "{}",
        "a: 1\n",
        "a: 2\n---\nb: 1\n",
        "a: 3\n",
        "whole: the sides hold different numbers of documents",
    );
    check(
        "{}",
        "a: 1\n",
        "a: &x 1\nb: *x\nc: &x 2\nd: *x\n",
        "a: 3\n",
        "whole: it is not YAML that can be merged on ours: the anchor \"x\" stands for two values",
    );
}

#[test]
fn what_is_not_yaml_is_taken_whole() {
    check(
        "{}",
        "a: 1\n",
        "a: 1\na: 2\n",
        "a: 3\n",
        "whole: it is not YAML that can be merged on ours: line 2: the mapping has a key twice",
    );
    let deep = "[".repeat(100_000);
    assert!(merged::<Yaml>("a: 1\n", &deep, "a: 3\n", "{}").starts_with("whole: it is not YAML"));
    let deep: String = (0..200).map(|depth| format!("{}- a:\n", "  ".repeat(depth))).collect();
    assert!(merged::<Yaml>("a: 1\n", &deep, "a: 3\n", "{}").contains("nested deeper than 100"));
    let added =
        |ours, theirs| told(Recorder::default().merge::<Yaml>([None, Some(ours), Some(theirs)], "{}"));
    assert_eq!(added("a: 1\n", "b: 1\n"), "a: 1\nb: 1\n");
}

#[test]
fn a_diff_shows_values_by_path() {
    assert_eq!(
        diffed::<Yaml>("a: 1\nb:\n  c: x\n", "b:\n  c: y\n  d: |\n    t\n# c\n", "{}"),
        "- property /a: \"1\" => -\n~ property /b/c: \"x\" => \"y\"\n+ property /b/d: - => \"t\"\n3 values differ"
    );
}

#[test]
fn the_laws_hold_for_small_documents() {
    let documents = [
        "",
        "a: 1\n",
        "a: 2 # c\nb: 1\n",
        "b:\n  - 1\n  - x: y\n",
        "[1, {a: 2}]",
        "- a\n- b\n",
        "a: {b: 1}\n",
        "# only\n",
        "a: |\n  t\n",
        "a:\n  b: 1\n\n",
        "x",
        "a: [",
        "? [k]\n: v\n",
    ];
    for options in ["{}", r#"{"arrays": "whole"}"#, r#"{"arrays": "position"}"#] {
        for base in documents {
            for ours in documents {
                for theirs in documents {
                    check_laws::<Yaml>(base, ours, theirs, options);
                }
            }
        }
    }
}

/// A merge that is clean says what both sides say: nothing of either is lost, whatever the layout.
#[test]
fn clean_merges_of_random_documents_lose_nothing() {
    let mut state = 99_u64;
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut clean = 0;
    for _ in 0..2_000 {
        let keys = ["a", "b", "c", "d"];
        let base: Vec<u64> = keys.iter().map(|_| next(2)).collect();
        let mut side =
            || base.iter().map(|value| if next(3) == 0 { 2 + next(3) } else { *value }).collect::<Vec<_>>();
        let (ours, theirs) = (side(), side());
        let text = |values: &[u64], indent: &str| {
            let entry = |(key, value): (&&str, &u64)| match value {
                2 => String::new(),
                3 => format!("{key}:\n{indent}x: {value}\n{indent}y: z\n"),
                _ => format!("# {key}\n{key}: {value}\n"),
            };
            let text: String = keys.iter().zip(values).map(entry).collect();
            if text.is_empty() { "{}\n".to_owned() } else { text }
        };
        let told = merged::<Yaml>(&text(&base, "  "), &text(&ours, "    "), &text(&theirs, "  "), "{}");
        if told.starts_with("x-yaml") || told.starts_with("text-conflict") || told.starts_with("whole") {
            continue;
        }
        clean += 1;
        let expected: Vec<u64> = base
            .iter()
            .zip(ours.iter().zip(&theirs))
            .map(|(base, (ours, theirs))| if ours == base { *theirs } else { *ours })
            .collect();
        let is = read::read(&told).expect("it is YAML").documents;
        let meant = text(&expected, "  ");
        assert!(is[0].same(&read::read(&meant).expect("YAML").documents[0]), "{told} and {meant}");
    }
    assert!(clean > 500, "{clean}");
}

#[test]
fn hostile_objects_neither_panic() {
    let pieces = [
        "a: 1\n",
        "b: 2\n",
        "a:\n",
        "  c: 1\n",
        "- x\n",
        "  - y\n",
        "# c\n",
        "a: &x 1\n",
        "b: *x\n",
        "---\n",
        "...\n",
        "c: |\n",
        "  text\n",
        "\n",
        "{a: 1}",
        "[1, 2]",
        "'",
        "\"",
        ": ",
        "? ",
        "!t ",
        "\t",
        "é",
        "\u{feff}",
        "\r\n",
        "c: [1,\n",
        "  2]\n",
        "<<: *x\n",
        "%YAML 1.2\n",
    ];
    let mut numbers = Numbers(11);
    for _ in 0..20_000 {
        let mut side =
            || (0..numbers.below(7)).map(|_| pieces[numbers.below(pieces.len())]).collect::<String>();
        let (base, ours, theirs) = (side(), side(), side());
        merged::<Yaml>(&base, &ours, &theirs, "{}");
        merged::<Yaml>(
            &base,
            &format!("{base}{ours}"),
            &format!("{theirs}{base}"),
            r#"{"arrays": "position"}"#,
        );
        diffed::<Yaml>(&ours, &theirs, "{}");
    }
}
