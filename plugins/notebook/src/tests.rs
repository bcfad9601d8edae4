use anabranch_plugin::testing::{Numbers, Recorder, check_hostile, check_laws, diffed, merged, told};

use super::*;

/// A cell of code with an id, a source, a count of runs and an output.
fn code(id: &str, source: &str, run: &str, output: &str) -> String {
    let lines: Vec<String> =
        source.split_inclusive('\n').map(|line| format!("\n    {}", json::quote(line))).collect();
    let source = if lines.is_empty() { String::new() } else { format!("{}\n   ", lines.join(",")) };
    let id = if id.is_empty() { String::new() } else { format!("   \"id\": {id:?},\n") };
    format!(
        "  {{\n   \"cell_type\": \"code\",\n   \"execution_count\": {run},\n{id}   \"metadata\": {{}},\n   \"outputs\": [{output}],\n   \"source\": [{source}]\n  }}"
    )
}

fn notebook(cells: &[String]) -> String {
    let cells = if cells.is_empty() { String::new() } else { format!("\n{}\n ", cells.join(",\n")) };
    format!(
        "{{\n \"cells\": [{cells}],\n \"metadata\": {{}},\n \"nbformat\": 4,\n \"nbformat_minor\": 5\n}}\n"
    )
}

fn check(base: &[String], ours: &[String], theirs: &[String], expected: &[String]) {
    let (base, ours, theirs) = (notebook(base), notebook(ours), notebook(theirs));
    assert_eq!(merged::<Notebook>(&base, &ours, &theirs, "{}"), notebook(expected));
    check_laws::<Notebook>(&base, &ours, &theirs, "{}");
}

fn conflicts(base: &[String], ours: &[String], theirs: &[String]) -> String {
    let (base, ours, theirs) = (notebook(base), notebook(ours), notebook(theirs));
    check_laws::<Notebook>(&base, &ours, &theirs, "{}");
    merged::<Notebook>(&base, &ours, &theirs, "{}")
}

fn notes(base: &[String], ours: &[String], theirs: &[String]) -> Vec<String> {
    let bytes = |cells| notebook(cells).into_bytes();
    let sides = Sides::new(Some(bytes(base)), bytes(ours), bytes(theirs));
    let options = Json::parse(b"{}").expect("JSON");
    match Notebook::merge(&sides, &options, &mut Recorder::default()).expect("it merges") {
        Merged::Object { notes, .. } => notes,
        Merged::Whole(why) => panic!("{why}"),
    }
}

#[test]
fn cells_are_merged_by_id_and_sources_by_line() {
    check(
        &[code("a", "x = 1\ny = 2\nz = 3\n", "null", ""), code("b", "plot()", "null", "")],
        &[
            code("n", "import os", "null", ""),
            code("a", "x = 9\ny = 2\nz = 3\n", "null", ""),
            code("b", "plot()", "null", ""),
        ],
        &[
            code("b", "plot()", "null", ""),
            code("a", "x = 1\ny = 2\nz = 4\n", "null", ""),
            code("m", "end", "null", ""),
        ],
        &[
            code("n", "import os", "null", ""),
            code("b", "plot()", "null", ""),
            code("a", "x = 9\ny = 2\nz = 4\n", "null", ""),
            code("m", "end", "null", ""),
        ],
    );
}

#[test]
fn outputs_go_with_the_source_that_changed() {
    let base = [code("a", "x\n", "1", "")];
    check(
        &base,
        &[code("a", "x\n", "5", "\"o\"")],
        &[code("a", "y\n", "3", "\"t\"")],
        &[code("a", "y\n", "3", "\"t\"")],
    );
    check(
        &base,
        &[code("a", "y\n", "5", "\"o\"")],
        &[code("a", "x\n", "3", "\"t\"")],
        &[code("a", "y\n", "5", "\"o\"")],
    );
    let (ours, theirs) = ([code("a", "x\n", "5", "\"o\"")], [code("a", "x\n", "3", "\"t\"")]);
    check(&base, &ours, &theirs, &ours);
    assert_eq!(notes(&base, &ours, &theirs), ["both sides ran the cell a: its outputs are ours"]);
    let base = [code("a", "x\n1\n2\ny\n", "1", "")];
    let (ours, theirs) =
        ([code("a", "X\n1\n2\ny\n", "5", "\"o\"")], [code("a", "x\n1\n2\nY\n", "3", "\"t\"")]);
    check(&base, &ours, &theirs, &[code("a", "X\n1\n2\nY\n", "null", "")]);
    assert_eq!(
        notes(&base, &ours, &theirs),
        ["both sides changed and ran the cell a: its outputs are dropped, so run it again"]
    );
}

#[test]
fn a_cell_that_was_only_run_may_go() {
    let (base, run) = (
        [code("a", "x", "1", ""), code("b", "y", "null", "")],
        [code("a", "x", "2", "\"o\""), code("b", "y", "null", "")],
    );
    check(&base, &[code("b", "z", "null", "")], &run, &[code("b", "z", "null", "")]);
    let changed = [code("a", "z", "2", ""), code("b", "y", "null", "")];
    let told = conflicts(&base, &[code("b", "y", "null", "")], &changed);
    assert!(told.starts_with("x-notebook-conflict {\"cell\":\"a\"}: {\"cell_type\":\"code\""), "{told}");
}

#[test]
fn lines_that_both_changed_are_a_conflict_of_their_cell() {
    let (base, ours, theirs) =
        ([code("a", "x\ny", "null", "")], [code("a", "x\n1", "null", "")], [code("a", "x\n2", "null", "")]);
    assert_eq!(
        conflicts(&base, &ours, &theirs),
        "text-conflict {\"cell\":\"a\",\"line\":2,\"lines\":1}: \"y\" | \"1\" | \"2\""
    );
    let decided = Recorder::default().decide("{\"cell\":\"a\",\"line\":2,\"lines\":1}", "", "theirs", None);
    let sides = [Some(notebook(&base)), Some(notebook(&ours)), Some(notebook(&theirs))];
    assert_eq!(
        told(decided.merge::<Notebook>(sides.each_ref().map(Option::as_deref), "{}")),
        notebook(&theirs)
    );
}

#[test]
fn cells_without_ids_are_matched_by_what_they_hold() {
    let cell = |source: &str| code("", source, "null", "");
    check(
        &[cell("a\nb\nc"), cell("d"), cell("e")],
        &[cell("a\nb\nX"), cell("d"), cell("e"), cell("f")],
        &[cell("new"), cell("a\nb\nc"), cell("d\nmore")],
        &[cell("new"), cell("a\nb\nX"), cell("d\nmore"), cell("f")],
    );
    // The same new cell on both sides is one.
    check(
        &[cell("a")],
        &[cell("a"), cell("n")],
        &[cell("n"), cell("a"), cell("m")],
        &[cell("a"), cell("m"), cell("n")],
    );
}

#[test]
fn metadata_is_merged_by_path_and_what_kernels_write_is_ours() {
    let notebook = |metadata: &str, minor: u8| {
        format!("{{\"cells\": [], \"metadata\": {metadata}, \"nbformat\": 4, \"nbformat_minor\": {minor}}}")
    };
    let base = notebook("{\"language_info\": {\"version\": \"3.1\"}, \"kernel\": 1}", 2);
    let ours = notebook("{\"language_info\": {\"version\": \"3.2\"}, \"kernel\": 2}", 4);
    let theirs = notebook("{\"language_info\": {\"version\": \"3.3\"}, \"kernel\": 1, \"tags\": []}", 5);
    let expected = notebook("{\"language_info\": {\"version\": \"3.2\"}, \"kernel\": 2, \"tags\": []}", 5);
    assert_eq!(merged::<Notebook>(&base, &ours, &theirs, "{}"), expected);
    let theirs = theirs.replace("\"kernel\": 1", "\"kernel\": 3");
    assert_eq!(
        merged::<Notebook>(&base, &ours, &theirs, "{}"),
        "x-notebook-conflict /metadata/kernel: 1 | 2 | 3"
    );
}

#[test]
fn what_is_no_notebook_is_taken_whole() {
    let good = notebook(&[]);
    let whole = |side: &str, why: &str| {
        let expected = format!("whole: it is not a notebook of format 4 on ours: {why}");
        let theirs = good.replace("\"metadata\": {}", "\"metadata\": {\"a\": 1}");
        assert_eq!(merged::<Notebook>(&good, side, &theirs, "{}"), expected);
        check_laws::<Notebook>(&good, side, "x", "{}");
    };
    whole("[]", "`nbformat` is not 4");
    whole("{\"nbformat\": 4}", "`cells` is not an array");
    whole("{\"nbformat\": 4, \"cells\": [{}, 1]}", "cell 2 is not an object");
}

#[test]
fn a_diff_shows_cells() {
    let before = notebook(&[code("a", "x", "1", ""), code("b", "y", "1", "")]);
    let after = notebook(&[code("a", "z", "2", ""), code("c", "w", "1", "")]);
    assert_eq!(
        diffed::<Notebook>(&before, &after, "{}"),
        "~ x-cell {\"cell\":\"a\"}: \"x\" => \"z\"\n~ x-run {\"cell\":\"a\",\"member\":\"execution_count\"}: 1 => 2\n+ x-cell {\"cell\":\"c\"}: - => \"w\"\n- x-cell {\"cell\":\"b\"}: \"y\" => -\n1 cells added, 1 removed, 2 changes in cells"
    );
}

#[test]
fn hostile_objects_neither_panic_nor_break_the_laws() {
    let cells = [
        code("a", "x\ny", "1", "\"o\""),
        code("b", "", "null", ""),
        code("a", "z", "2", ""),
        code("", "x\ny", "null", ""),
        "{\"source\": 1}".into(),
        "{}".into(),
        "1".into(),
        "{\"id\": 7, \"source\": [\"x\", 1]}".into(),
    ];
    let mut numbers = Numbers(5);
    for _ in 0..4_000 {
        let mut side = || {
            let chosen: Vec<String> =
                (0..numbers.below(4)).map(|_| cells[numbers.below(cells.len())].clone()).collect();
            notebook(&chosen)
        };
        let (base, ours, theirs) = (side(), side(), side());
        check_laws::<Notebook>(&base, &ours, &theirs, "{}");
        diffed::<Notebook>(&ours, &theirs, "{}");
    }
    check_hostile::<Notebook>(
        &[
            "{\"nbformat\": 4, \"cells\": [",
            "]}",
            "{\"source\": \"x\"}",
            ",",
            "{}",
            "\"a\"",
            "{\"id\": \"a\"}",
        ],
        "{}",
        4_000,
    );
}
