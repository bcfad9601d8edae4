//! Reports as people read them.

use expect_test::expect;
use serde_json::json;

use super::{Described, html, markdown};
use crate::wire::{
    Conflict, ConflictChoice, ConflictClass, Decided, MergePreview, MergeReport, MergeSummary, RowTotals,
    TableSummary, Verdict, Verification,
};

fn summary() -> MergeSummary {
    let flights = TableSummary {
        root: "tables/flights".into(),
        is_object: false,
        format: Some("Delta".into()),
        merger: Some("delta".into()),
        decision: "merged".into(),
        how: "metadata".into(),
        rows: Some(RowTotals { added: 120, removed: 8, modified: 3, cells: 5 }),
        files_added: 2,
        files_removed: 1,
        bytes_written: 2_048,
        verification: Verification::Agrees,
        notes: vec!["column delay_min was added on dev".into()],
    };
    let odd = TableSummary {
        root: "odd|name`s".into(),
        is_object: false,
        format: None,
        merger: None,
        decision: "conflicts".into(),
        how: "object".into(),
        rows: None,
        files_added: 0,
        files_removed: 0,
        bytes_written: 0,
        verification: Verification::Unverified { reason: "feature <x> is unknown".into() },
        notes: Vec::new(),
    };
    MergeSummary {
        base: Some("b".repeat(64)),
        ours: Some("0".repeat(64)),
        theirs: Some("1".repeat(64)),
        tables: vec![flights, odd],
        objects_changed: 1,
    }
}

fn conflict() -> Conflict {
    let choice = |id: &str| ConflictChoice { id: id.into(), label: String::new() };
    Conflict {
        conflict_id: "c".repeat(32),
        class: ConflictClass::Conflict,
        table: Some("odd|name`s".into()),
        path: "odd|name`s".into(),
        kind: "row-conflict".into(),
        key: Some(json!({"id": 7})),
        column: Some("price".into()),
        message: "changed *differently* on both sides".into(),
        rule: "row-conflict".into(),
        base: None,
        ours: Some(json!(1.5)),
        theirs: Some(json!("x|y\n")),
        choices: vec![choice("ours"), choice("theirs")],
    }
}

fn violation() -> Conflict {
    let choice = |id: &str| ConflictChoice { id: id.into(), label: String::new() };
    Conflict {
        class: ConflictClass::Violation,
        kind: "duplicate-key".into(),
        message: "more than one row is equal in id".into(),
        column: None,
        choices: vec![choice("ours"), choice("theirs"), choice("accept")],
        ..conflict()
    }
}

#[test]
fn a_preview_says_the_most_important_first() {
    let preview = MergePreview {
        format: 1,
        id: "5f0c".into(),
        source: "dev".into(),
        destination: "main".into(),
        verdict: Verdict::Conflicts,
        expires: 1_795_369_318,
        summary: summary(),
        conflicts: vec![conflict(), violation()],
        in_the_way: vec!["tables/flights/_delta_log/1.json".into()],
        uncommitted_on_source: 2,
    };
    expect![[r##"
        # Merge of `dev` into `main`: 1 conflict · 1 violation

        Nothing is published. A merge session decides the conflicts one by one, a strategy all at once.

        `dev` has 2 uncommitted changes: only commits are merged.

        ours `0000000000000000000000000000000000000000000000000000000000000000`, theirs `1111111111111111111111111111111111111111111111111111111111111111`, merge base `bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb`

        2 tables, 1 object outside tables; data files +2 -1, 2048 bytes written

        ## Uncommitted changes of the destination stand in the way: commit or reset them first

        - `tables/flights/_delta_log/1.json`

        ## Tables

        | Table | Format | Result | How | Rows | Files | Bytes written | Verified |
        | --- | --- | --- | --- | --- | --- | --- | --- |
        | `tables/flights` | Delta | merged | metadata | +120 -8 \~3 (5 cells) | +2 -1 | 2048 | yes |
        | <code>odd&#124;name&#96;s</code> | - | conflicts | object | - | +0 -0 | 0 | no: feature \<x\> is unknown |

        ## Schema and notes

        - `tables/flights`: column delay\_min was added on dev

        ## Conflicts

        | Kind | Where | What | Base | Ours | Theirs | Choices |
        | --- | --- | --- | --- | --- | --- | --- |
        | row-conflict | <code>odd&#124;name&#96;s</code> `{"id":7}` column `price` | changed \*differently\* on both sides | nothing | `1.5` | <code>x&#124;y�</code> | ours, theirs |

        ## Violations

        | Kind | Where | What | Base | Ours | Theirs | Choices |
        | --- | --- | --- | --- | --- | --- | --- |
        | duplicate-key | <code>odd&#124;name&#96;s</code> `{"id":7}` | more than one row is equal in id | nothing | `1.5` | <code>x&#124;y�</code> | ours, theirs, accept |
    "##]].assert_eq(&markdown::render(&preview.document()));
}

#[test]
fn a_report_says_who_decided_what() {
    let decided = Decided {
        conflict_id: "c".repeat(32),
        path: "odd|name`s".into(),
        choice: "theirs".into(),
        value: None,
        by: "ann<script>".into(),
        date: 1_795_369_318,
    };
    let report = MergeReport {
        format: 1,
        commit: Some("d".repeat(64)),
        source: "dev".into(),
        destination: "main".into(),
        verdict: Verdict::Clean,
        summary: summary(),
        conflicts: vec![conflict()],
        decided: vec![decided],
    };
    expect![[r##"
        # Merge of `dev` into `main`: clean

        Commit `dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd`.

        ours `0000000000000000000000000000000000000000000000000000000000000000`, theirs `1111111111111111111111111111111111111111111111111111111111111111`, merge base `bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb`

        2 tables, 1 object outside tables; data files +2 -1, 2048 bytes written

        ## Tables

        | Table | Format | Result | How | Rows | Files | Bytes written | Verified |
        | --- | --- | --- | --- | --- | --- | --- | --- |
        | `tables/flights` | Delta | merged | metadata | +120 -8 \~3 (5 cells) | +2 -1 | 2048 | yes |
        | <code>odd&#124;name&#96;s</code> | - | conflicts | object | - | +0 -0 | 0 | no: feature \<x\> is unknown |

        ## Schema and notes

        - `tables/flights`: column delay\_min was added on dev

        ## Conflicts

        | Kind | Where | What | Base | Ours | Theirs | Choices |
        | --- | --- | --- | --- | --- | --- | --- |
        | row-conflict | <code>odd&#124;name&#96;s</code> `{"id":7}` column `price` | changed \*differently\* on both sides | nothing | `1.5` | <code>x&#124;y�</code> | ours, theirs |

        ## Decided

        | Where | Choice | Value | By | When |
        | --- | --- | --- | --- | --- |
        | <code>odd&#124;name&#96;s</code> | theirs | - | `ann<script>` | 2026-11-22 17:41:58 UTC |
    "##]].assert_eq(&markdown::render(&report.document()));
    let page = html::render(&report.document());
    let (_, body) = page.split_once("</style>\n").unwrap();
    expect![[r#"
        <h1>Merge of <code>dev</code> into <code>main</code>: clean</h1>
        <p>Commit <code>dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd</code>.</p>
        <p>ours <code>0000000000000000000000000000000000000000000000000000000000000000</code>, theirs <code>1111111111111111111111111111111111111111111111111111111111111111</code>, merge base <code>bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb</code></p>
        <p>2 tables, 1 object outside tables; data files +2 -1, 2048 bytes written</p>
        <h2>Tables</h2>
        <table>
        <tr><th>Table</th><th>Format</th><th>Result</th><th>How</th><th>Rows</th><th>Files</th><th>Bytes written</th><th>Verified</th></tr>
        <tr><td><code>tables/flights</code></td><td>Delta</td><td>merged</td><td>metadata</td><td>+120 -8 ~3 (5 cells)</td><td>+2 -1</td><td>2048</td><td>yes</td></tr>
        <tr><td><code>odd|name`s</code></td><td>-</td><td>conflicts</td><td>object</td><td>-</td><td>+0 -0</td><td>0</td><td>no: feature &lt;x&gt; is unknown</td></tr>
        </table>
        <h2>Schema and notes</h2>
        <ul>
        <li><code>tables/flights</code>: column delay_min was added on dev</li>
        </ul>
        <h2>Conflicts</h2>
        <table>
        <tr><th>Kind</th><th>Where</th><th>What</th><th>Base</th><th>Ours</th><th>Theirs</th><th>Choices</th></tr>
        <tr><td>row-conflict</td><td><code>odd|name`s</code> <code>{&quot;id&quot;:7}</code> column <code>price</code></td><td>changed *differently* on both sides</td><td>nothing</td><td><code>1.5</code></td><td><code>x|y�</code></td><td>ours, theirs</td></tr>
        </table>
        <h2>Decided</h2>
        <table>
        <tr><th>Where</th><th>Choice</th><th>Value</th><th>By</th><th>When</th></tr>
        <tr><td><code>odd|name`s</code></td><td>theirs</td><td>-</td><td><code>ann&lt;script&gt;</code></td><td>2026-11-22 17:41:58 UTC</td></tr>
        </table>
        </html>
    "#]].assert_eq(body);
}
