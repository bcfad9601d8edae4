//! `anabranch diff`.

use std::collections::BTreeMap;

use anabranch_api::wire::{self, DiffType, TableChange};
use clap::Args;
use serde_json::json;

use super::client::{Client, to_json};
use super::diff_rows::{self, Asked};
use super::output::{Answer, DIFFERS, counted, shown};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch diff sales dev                      # what is uncommitted on dev
  anabranch diff sales main dev                 # what dev brings since the two parted
  anabranch diff sales v1.0 v1.1 --two-dot --stat
  anabranch diff sales main dev --table tables/flights  # which rows of that table
  anabranch diff sales main dev --table tables/flights --where 'dep_delay > 60' --column carrier")]
pub(crate) struct DiffArgs {
    /// The repository.
    repository: String,
    /// With RIGHT, the ref that is compared; alone, the branch whose uncommitted changes are shown.
    left: String,
    /// The ref that LEFT is compared with: what it brings since their merge base.
    right: Option<String>,
    /// Compares the two commits as they are, not since their merge base.
    #[arg(long, requires = "right")]
    two_dot: bool,
    /// Shows only paths below this.
    #[arg(long, default_value = "", value_name = "PREFIX")]
    prefix: String,
    /// Shows only the names of what differs.
    #[arg(long)]
    name_only: bool,
    /// Shows the tables, and how many other objects differ in each folder.
    #[arg(long, conflicts_with = "name_only")]
    stat: bool,
    /// Shows the rows of this table that differ; its root is the folder that its log lies in.
    #[arg(long, requires = "right", conflicts_with_all = ["prefix", "name_only", "stat"], value_name = "ROOT")]
    table: Option<String>,
    /// Compares and shows only this column, beside the keys; may be given several times.
    #[arg(long = "column", requires = "table", value_name = "NAME")]
    columns: Vec<String>,
    /// Shows only changes whose row before or row after fulfils a condition, such as "price > 10".
    #[arg(long = "where", requires = "table", value_name = "CONDITION")]
    condition: Option<String>,
    /// Compares only about this part of all keys: above 0, at most 1.
    #[arg(long, requires = "table", value_name = "FRACTION")]
    sample: Option<f64>,
    /// How many rows, or changes in a plugin's words, are shown.
    #[arg(long, default_value_t = 100, requires = "table", value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Prints the rows as Markdown, up to 1,000 of them.
    #[arg(long, requires = "table")]
    markdown: bool,
}

impl DiffArgs {
    /// The type of the comparison.
    fn kind(&self) -> &'static str {
        if self.two_dot { "two_dot" } else { "three_dot" }
    }
}

pub(super) async fn run(client: &Client, args: DiffArgs) -> anyhow::Result<Answer> {
    let repository = args.repository.as_str();
    if let (Some(table), Some(right)) = (&args.table, &args.right) {
        let asked = Asked {
            repository,
            left: &args.left,
            right,
            kind: args.kind(),
            table,
            columns: &args.columns,
            condition: args.condition.as_deref(),
            sample: args.sample,
            limit: usize::try_from(args.limit).unwrap_or(usize::MAX),
            markdown: args.markdown,
        };
        return diff_rows::run(client, asked).await;
    }
    let (tables, lines) = match &args.right {
        None => {
            let segments = ["repositories", repository, "branches", args.left.as_str(), "diff"];
            let query = [("prefix", args.prefix.as_str())];
            let (lines, _) = client.list::<wire::DiffList, wire::Diff>(&segments, &query, None).await?;
            (Vec::new(), lines)
        }
        Some(right) => {
            let kind = args.kind();
            let segments = ["repositories", repository, "refs", &args.left, "diff", right];
            let query = [("prefix", args.prefix.as_str()), ("type", kind)];
            let (lines, _) = client.list::<wire::DiffList, wire::Diff>(&segments, &query, None).await?;
            let segments = ["repositories", repository, "refs", &args.left, "diff", right, "tables"];
            let query = [("type", kind)];
            let listed = client.list::<wire::TableDiffList, wire::TableDiff>(&segments, &query, None);
            let (mut tables, _) = listed.await?;
            tables.retain(|table| in_prefix(&table.root, &args.prefix));
            (tables, lines)
        }
    };
    let text = match (args.name_only, args.stat) {
        (true, _) => names(&lines),
        (false, true) => counts(&tables, &lines),
        (false, false) => everything(&tables, &lines),
    };
    let json = json!({"tables": to_json(&tables)?, "results": to_json(&lines)?});
    let exit_code = if lines.is_empty() && tables.is_empty() { 0 } else { DIFFERS };
    Ok(Answer { text, json, exit_code })
}

/// Whether something of a table can lie below a prefix.
fn in_prefix(root: &str, prefix: &str) -> bool {
    root.starts_with(prefix) || prefix.starts_with(&format!("{root}/"))
}

fn names(lines: &[wire::Diff]) -> String {
    lines.iter().map(|line| format!("{}\n", shown(&line.path))).collect()
}

/// The tables first, then how many objects outside of them differ in each folder.
fn counts(tables: &[wire::TableDiff], lines: &[wire::Diff]) -> String {
    let mut text: String = tables.iter().map(table).collect();
    let mut folders: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    for line in lines {
        let path = line.path.trim_end_matches('/');
        if tables.iter().any(|table| path == table.root || path.starts_with(&format!("{}/", table.root))) {
            continue;
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let [added, removed, changed] = folders.entry(folder).or_default();
        match line.r#type {
            DiffType::Added => *added += 1,
            DiffType::Removed => *removed += 1,
            DiffType::Changed | DiffType::PrefixChanged => *changed += 1,
        }
    }
    for (folder, [added, removed, changed]) in &folders {
        text.push_str(&format!("objects in {}/: +{added} -{removed} ~{changed}\n", shown(folder)));
    }
    if text.is_empty() { "no differences\n".into() } else { text }
}

/// The tables first, each with what its merger says of it, then every path.
fn everything(tables: &[wire::TableDiff], lines: &[wire::Diff]) -> String {
    if tables.is_empty() && lines.is_empty() {
        return "no differences\n".into();
    }
    let mut text: String = tables.iter().map(table).collect();
    for line in lines {
        let mark = match line.r#type {
            DiffType::Added => '+',
            DiffType::Removed => '-',
            DiffType::Changed | DiffType::PrefixChanged => '~',
        };
        text.push_str(&format!("{mark} {}\n", shown(&line.path)));
    }
    text
}

fn table(table: &wire::TableDiff) -> String {
    let change = match table.change {
        TableChange::Added => "added",
        TableChange::Removed => "removed",
        TableChange::Changed => "changed",
    };
    let mut facts = vec![format!("{change}, {} differ", counted(table.objects_changed, "object"))];
    if let Some(rows) = &table.rows {
        facts.push(rows_text(rows));
    }
    if table.files_added + table.files_removed > 0 {
        facts.push(format!("files +{} -{}", table.files_added, table.files_removed));
    }
    let merger = table.merger.as_deref().map(|name| format!(" ({})", shown(name))).unwrap_or_default();
    let mut text = format!("table {}{merger}: {}\n", shown(&table.root), facts.join(", "));
    for note in table.notes.iter().chain(&table.failure) {
        text.push_str(&format!("    {}\n", shown(note)));
    }
    text
}

/// Rows in one phrase: `rows +3 -0 ~1`.
pub(super) fn rows_text(rows: &wire::RowTotals) -> String {
    format!("rows +{} -{} ~{}", rows.added, rows.removed, rows.modified)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn changed(path: &str, r#type: DiffType) -> wire::Diff {
        wire::Diff {
            r#type,
            path: path.into(),
            path_type: wire::PathType::Object,
            size_bytes: None,
            right: None,
        }
    }

    #[test]
    fn tables_come_first_and_then_every_path() {
        let flights = wire::TableDiff {
            root: "flights".into(),
            change: TableChange::Changed,
            merger: Some("delta".into()),
            objects_changed: 2,
            rows: Some(wire::RowTotals { added: 3, removed: 0, modified: 0, cells: 0 }),
            files_added: 1,
            partitions_changed: 0,
            files_removed: 0,
            notes: vec!["column delay was added".into()],
            details: None,
            failure: None,
        };
        let lines = [
            changed("flights/_delta_log/1.json", DiffType::Added),
            changed("notes\u{1b}.txt", DiffType::Changed),
            changed("old.csv", DiffType::Removed),
        ];
        expect![[r"
            table flights (delta): changed, 2 objects differ, rows +3 -0 ~0, files +1 -0
                column delay was added
            + flights/_delta_log/1.json
            ~ notes�.txt
            - old.csv
        "]]
        .assert_eq(&everything(std::slice::from_ref(&flights), &lines));
        assert_eq!(everything(&[], &[]), "no differences\n");
        expect![[r"
            table flights (delta): changed, 2 objects differ, rows +3 -0 ~0, files +1 -0
                column delay was added
            objects in /: +0 -1 ~1
        "]]
        .assert_eq(&counts(&[flights], &lines));
    }

    #[test]
    fn a_prefix_keeps_the_tables_that_it_touches() {
        assert!(in_prefix("a/t", "a/") && in_prefix("a/t", "a/t/part=1") && in_prefix("a/t", ""));
        assert!(!in_prefix("a/t", "b") && !in_prefix("a/t", "a/t2"));
    }
}
