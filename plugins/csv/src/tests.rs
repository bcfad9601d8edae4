use anabranch_plugin::Value;
use anabranch_plugin::testing::{Numbers, Recorder, check_hostile, check_laws, diffed, merged, told};

use super::*;

const KEY: &str = r#"{"key": ["id"]}"#;

fn check(options: &str, base: &str, ours: &str, theirs: &str, expected: &str) {
    assert_eq!(merged::<Csv>(base, ours, theirs, options), expected, "{base} | {ours} | {theirs}");
    check_laws::<Csv>(base, ours, theirs, options);
}

#[test]
fn cells_are_merged_and_the_rest_stays_byte_for_byte() {
    check(
        KEY,
        "id,name,size\r\n1,\"ana\",1\r\n2,\"b,o\",2\r\n3,cy,3\r\n",
        "id,name,size\r\n1,\"ana\",10\r\n2,\"b,o\",2\r\n3,cy,3\r\n4,di,4",
        "id,name,size\n1,anna,1\n3,\"cy\",3\n5,\"e\",5\n",
        "id,name,size\r\n1,anna,10\r\n3,cy,3\r\n4,di,4\r\n5,\"e\",5",
    );
    check(KEY, "\u{feff}id;a\n1;1\n", "\u{feff}id;a\n1;2\n", "id;a\n1;1\n2;2\n", "\u{feff}id;a\n1;2\n2;2\n");
    check(KEY, "id,a\n1,1\n", "id,a\n1,2\n\n\n", "id,a\n1,1\n2,1\n", "id,a\n1,2\n2,1\n\n\n");
}

#[test]
fn columns_come_go_and_move() {
    check(
        KEY,
        "id,a\n1,x\n",
        "id,a,b\n1,x,y\n2,z,z\n",
        "id,c,a\n1,w,x\n3,v,u\n",
        "id,c,a,b\n1,w,x,y\n2,,z,z\n3,v,u,\n",
    );
    check(KEY, "id,a,b\n1,x,y\n", "a,id,b\n9,1,y\n", "id,a\n1,x\n2,z\n", "a,id\n9,1\nz,2\n");
    check(KEY, "id,a,b\n1,x,y\n", "id,a,b\n1,z,y\n", "id,b,a\n1,y,x\n", "id,b,a\n1,y,z\n");
}

#[test]
fn a_dropped_column_with_new_values_is_a_conflict() {
    let (base, ours, theirs) = ("id,a,b\n1,x,y\n2,x,y\n", "id,a\n1,z\n2,x\n", "id,a,b\n1,x,w\n2,x,y\n");
    check(KEY, base, ours, theirs, "drop-vs-write  [b]: - | \"dropped\" | \"written\"");
    let run = |choice| {
        let recorder = Recorder::default().decide("", "b", choice, None);
        told(recorder.merge::<Csv>([Some(base), Some(ours), Some(theirs)], KEY))
    };
    assert_eq!(run("ours"), "id,a\n1,z\n2,x\n");
    assert_eq!(run("theirs"), "id,a,b\n1,z,w\n2,x,y\n");
}

#[test]
fn what_both_changed_is_a_conflict_of_its_row() {
    let (base, ours, theirs) = ("id,a\n1,x\n2,x\n", "id,a\n1,y\n3,q\n", "id,a\n1,z\n2,w\n3,r\n");
    check(
        KEY,
        base,
        ours,
        theirs,
        "duplicate-key {\"id\":\"3\"}: - | {\"id\":\"3\",\"a\":\"q\"} | {\"id\":\"3\",\"a\":\"r\"}\nrow-conflict {\"id\":\"1\"} [a]: \"x\" | \"y\" | \"z\"\nrow-conflict {\"id\":\"2\"}: {\"id\":\"2\",\"a\":\"x\"} | - | {\"id\":\"2\",\"a\":\"w\"}",
    );
    let decided = Recorder::default()
        .decide("{\"id\":\"1\"}", "a", "value", Some(Value::Json("\"a,b\"".into())))
        .decide("{\"id\":\"2\"}", "", "theirs", None)
        .decide("{\"id\":\"3\"}", "", "ours", None);
    assert_eq!(
        told(decided.merge::<Csv>([Some(base), Some(ours), Some(theirs)], KEY)),
        "id,a\n1,\"a,b\"\n2,w\n3,q\n"
    );
    let preferring = Recorder { prefer: Some(anabranch_plugin::Side::Theirs), ..Recorder::default() };
    assert_eq!(
        told(preferring.merge::<Csv>([Some(base), Some(ours), Some(theirs)], KEY)),
        "id,a\n1,z\n2,w\n3,r\n"
    );
}

#[test]
fn what_is_no_table_with_keys_is_taken_whole() {
    let whole = |side: &str, why: &str| check(KEY, "", side, "id\n5\n", &format!("whole: on ours {why}"));
    whole("id,a\n1\n", "row 2 has 1 cells, and there are 2 columns");
    whole("id,id\n1,2\n", "two columns have one name");
    whole("a\n1\n", "it has no column \"id\", which the option key names");
    whole("id\n1\n\"1\"\n", "two rows have the key {\"id\":\"1\"}");
    whole("id\n\"1\n", "row 2 has a quoted cell without an end");
}

#[test]
fn without_a_header_columns_have_numbers() {
    let options = r#"{"key": ["1"], "header": false, "delimiter": "|"}"#;
    check(options, "1|x\n2|x\n", "1|y\n2|x\n", "1|x\n2|z\n", "1|y\n2|z\n");
}

#[test]
fn without_a_key_rows_are_told_apart_by_their_text() {
    check("{}", "a,b\n1,1\n", "a,b\n1,1\n2,\"x\ny\"\n", "a,b\n1,1\n3,3\n", "a,b\n1,1\n2,\"x\ny\"\n3,3\n");
    check(
        "{}",
        "a,b\n1,1\n2,2\n",
        "a,b\n1,5\n2,2\n",
        "a,b\n1,6\n2,7\n",
        "row-conflict {\"row\":1,\"rows\":2}: \"1,1\\n2,2\" | \"1,5\\n2,2\" | \"1,6\\n2,7\"",
    );
    check(
        "{}",
        "a\n1\n",
        "a,b\n1,\n",
        "a\n1\n2\n",
        "whole: the columns differ, and rows can be matched only by the option key",
    );
}

#[test]
fn a_diff_shows_columns_and_rows() {
    assert_eq!(
        diffed::<Csv>("id,a,b\n1,x,y\n2,x,y\n", "id,a,c\n1,z,\n3,x,w\n", KEY),
        "+ column c: - => \"c\"\n- column b: \"b\" => -\n~ row {\"id\":\"1\"}: {\"id\":\"1\",\"a\":\"x\",\"b\":\"y\"} => {\"id\":\"1\",\"a\":\"z\",\"c\":\"\"}\n+ row {\"id\":\"3\"}: - => {\"id\":\"3\",\"a\":\"x\",\"c\":\"w\"}\n- row {\"id\":\"2\"}: {\"id\":\"2\",\"a\":\"x\",\"b\":\"y\"} => -\n1 rows added, 1 removed, 1 modified"
    );
    assert_eq!(
        diffed::<Csv>("a\n1\n", "a\n2\n", "{}"),
        "~ row {\"row\":1}: \"1\" => \"2\"\n0 rows added, 0 removed, 1 modified"
    );
}

#[test]
fn the_laws_hold_for_small_tables() {
    let tables = [
        "",
        "id",
        "id\n1\n",
        "id,a\n1,x\n",
        "a,id\ny,1\nx,2\n",
        "id,a,b\n2,\"x\",z\n1,x,",
        "id\n\"",
        "\u{feff}id,a\r\n1,y\r\n\r\n",
    ];
    for options in ["{}", KEY, r#"{"header": false, "key": ["1"]}"#] {
        for base in tables {
            for ours in tables {
                for theirs in tables {
                    check_laws::<Csv>(base, ours, theirs, options);
                }
            }
        }
    }
}

#[test]
fn hostile_objects_neither_panic_nor_break_the_laws() {
    let pieces = [
        "id,a\n",
        "a,id\r\n",
        "1,2\n",
        "2,2\n",
        "3,\"x\"\n",
        "\"",
        "\"\"",
        ",",
        "\n",
        "\n",
        "\r",
        ";",
        "\t",
        "id",
        "é",
        "\u{feff}",
        "1",
        "id,a,b\n",
        "1,2,3\n",
    ];
    for options in
        ["{}", KEY, r#"{"key": ["1"], "header": false}"#, r#"{"key": ["id", "a"], "delimiter": ","}"#]
    {
        check_hostile::<Csv>(&pieces, options, 4_000);
    }
}

/// Against a model: cells by key and column, each by the three-way rule.
#[test]
fn clean_merges_lose_nothing() {
    let mut numbers = Numbers(3);
    let mut clean = 0;
    for _ in 0..3_000 {
        // Three rows of two cells; 0 in the first: no such row.
        let base: Vec<usize> = (0..6).map(|_| numbers.below(3)).collect();
        let mut side = || {
            base.iter()
                .map(|value| if numbers.below(4) == 0 { numbers.below(3) } else { *value })
                .collect::<Vec<_>>()
        };
        let (ours, theirs) = (side(), side());
        let text = |values: &[usize], header: &str, quote: &str, end: &str| {
            let row = |(at, cells): (usize, &[usize])| {
                let (first, second) = if header.starts_with("id") { (0, 1) } else { (1, 0) };
                let row = [format!("{quote}{at}{quote}"), format!("{},{}", cells[0], cells[1])];
                (cells[0] > 0).then(|| format!("{},{}{end}", row[first], row[second]))
            };
            format!("{header}{end}{}", values.chunks(2).enumerate().filter_map(row).collect::<String>())
        };
        let told = merged::<Csv>(
            &text(&base, "id,a,b", "", "\n"),
            &text(&ours, "id,a,b", "\"", "\r\n"),
            &text(&theirs, "a,b,id", "", "\n"),
            KEY,
        );
        let mut expected = Vec::new();
        let mut conflict = false;
        for (base, (ours, theirs)) in base.chunks(2).zip(ours.chunks(2).zip(theirs.chunks(2))) {
            let row = |cells: &[usize]| if cells[0] > 0 { cells.to_vec() } else { vec![0, 0] };
            let (base, ours, theirs) = (row(base), row(ours), row(theirs));
            let is_whole = base[0] == 0 || ours[0] == 0 || theirs[0] == 0;
            if is_whole && base != ours && base != theirs && ours != theirs {
                conflict = true;
            }
            for ((base, ours), theirs) in base.iter().zip(&ours).zip(&theirs) {
                conflict |= base != ours && base != theirs && ours != theirs;
                expected.push(if ours == base { *theirs } else { *ours });
            }
        }
        if conflict {
            assert!(told.starts_with("row-conflict") || told.starts_with("duplicate-key"), "{told}");
            continue;
        }
        clean += 1;
        // Theirs moved the columns, and rows of ours are quoted as they were.
        let plain = |text: &str| text.replace(['"', '\r'], "");
        assert_eq!(sorted(&plain(&told)), sorted(&text(&expected, "a,b,id", "", "\n")), "{told}");
    }
    assert!(clean > 500, "{clean}");
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}
