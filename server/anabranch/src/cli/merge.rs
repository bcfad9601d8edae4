//! `anabranch merge`, `revert` and `cherry-pick`.

use anabranch_api::wire::{self, Verification};
use anyhow::Context;
use clap::{Args, ValueEnum};
use reqwest::Method;
use serde_json::json;

use super::client::{Client, Merged, to_json};
use super::commit::name_and_value;
use super::diff::rows_text;
use super::output::{Answer, DIFFERS, counted, short, shown, table};
use super::{preview, session};

/// Which side wins what could not be decided.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Strategy {
    /// The destination's table or object stays whole.
    DestWins,
    /// The source's table or object is taken whole.
    SourceWins,
}

/// What a strategy decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Level {
    /// Tables and objects as a whole.
    Tables,
    /// Rows and cells of tables with keys; what is left as a whole.
    Rows,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch merge sales dev main
  anabranch merge sales dev main --squash -m 'the work of May'
  anabranch merge sales dev main --strategy source-wins
  anabranch merge sales dev main --preview              # what it would do; publishes nothing
  anabranch merge sales dev main --execute 6d1b…        # exactly what that preview showed, or nothing
  anabranch merge sales dev main --session              # decides conflicts one by one")]
pub(crate) struct MergeArgs {
    /// The repository.
    repository: String,
    /// The ref that is merged.
    source: String,
    /// The branch that it is merged into.
    destination: String,
    /// What the merge commit says.
    #[arg(long, short)]
    message: Option<String>,
    /// Metadata to attach; may be given several times.
    #[arg(long = "meta", value_name = "NAME=VALUE", value_parser = name_and_value)]
    metadata: Vec<(String, String)>,
    /// Who wins where both sides changed the same thing.
    #[arg(long, value_enum)]
    strategy: Option<Strategy>,
    /// What the strategy decides: in tables with keys single rows first, or always the table as a whole.
    #[arg(long, value_enum, requires = "strategy", default_value = "tables")]
    level: Level,
    /// Makes a commit with one parent, the destination.
    #[arg(long)]
    squash: bool,
    /// Makes a commit without changes too.
    #[arg(long)]
    allow_empty: bool,
    /// Shows what the merge would do, and publishes nothing. Exit code 1 if something is in its way.
    #[arg(long, conflicts_with_all = ["execute", "session"])]
    preview: bool,
    /// Prints the preview as Markdown.
    #[arg(long, requires = "preview")]
    markdown: bool,
    /// Publishes exactly what this preview showed, with the same flags; if anything moved since, nothing.
    #[arg(long, value_name = "PREVIEW_ID", conflicts_with = "session")]
    execute: Option<String>,
    /// Begins a merge session, if there are conflicts: `anabranch session` decides them.
    #[arg(long, conflicts_with_all = ["message", "metadata", "strategy", "allow_empty"])]
    session: bool,
}

impl MergeArgs {
    /// The command of this merge, with the flags that decide what comes out of it.
    fn again(&self) -> String {
        let mut line = format!("anabranch merge {} {} {}", self.repository, self.source, self.destination);
        match self.strategy {
            Some(Strategy::DestWins) => line.push_str(" --strategy dest-wins"),
            Some(Strategy::SourceWins) => line.push_str(" --strategy source-wins"),
            None => {}
        }
        if self.level == Level::Rows {
            line.push_str(" --level rows");
        }
        for (given, flag) in [(self.squash, " --squash"), (self.allow_empty, " --allow-empty")] {
            line.push_str(if given { flag } else { "" });
        }
        shown(&line)
    }

    fn body(&self) -> wire::Merge {
        wire::Merge {
            message: self.message.clone(),
            metadata: Some(self.metadata.iter().cloned().collect()),
            strategy: self.strategy.map(|strategy| match strategy {
                Strategy::DestWins => "dest-wins".to_owned(),
                Strategy::SourceWins => "source-wins".to_owned(),
            }),
            strategy_level: (self.level == Level::Rows).then(|| "rows".to_owned()),
            force: None,
            allow_empty: Some(self.allow_empty),
            squash_merge: Some(self.squash),
            preview: self.execute.clone(),
        }
    }
}

/// What a merge would do.
async fn show_preview(client: &Client, args: &MergeArgs) -> anyhow::Result<Answer> {
    let segments =
        ["repositories", &args.repository, "refs", &args.source, "merge", &args.destination, "preview"];
    let request = || anyhow::Ok(client.request(Method::POST, &segments)?.json(&args.body()));
    let shown: wire::MergePreview = client.json(request()?).await?;
    if args.markdown {
        let text = preview::markdown(client, request()?).await?;
        return Ok(Answer { text, json: to_json(&shown)?, exit_code: preview::exit_code(&shown) });
    }
    preview::preview(&shown, &args.again())
}

async fn begin_session(client: &Client, args: &MergeArgs) -> anyhow::Result<Answer> {
    let segments =
        ["repositories", &args.repository, "refs", &args.source, "merge", &args.destination, "session"];
    let body = wire::MergeSessionCreation { squash_merge: Some(args.squash) };
    let begun = client.json(client.request(Method::POST, &segments)?.json(&body)).await?;
    session::begun(&args.repository, &begun, &args.again())
}

pub(super) async fn merge(client: &Client, args: MergeArgs) -> anyhow::Result<Answer> {
    if args.preview {
        return show_preview(client, &args).await;
    }
    if args.session {
        return begin_session(client, &args).await;
    }
    let body = args.body();
    let segments = ["repositories", &args.repository, "refs", &args.source, "merge", &args.destination];
    match client.merge(client.request(Method::POST, &segments)?.json(&body)).await? {
        Merged::Done(response) => {
            let result: wire::MergeResult =
                response.json().await.context("the server's answer cannot be read")?;
            let head =
                format!("merged {} into {}: {}\n", args.source, args.destination, short(&result.reference));
            Ok(Answer::clean(head + &summary(&result.summary), to_json(&result)?))
        }
        other => undone(other, "merge"),
    }
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch revert sales main 3f2a9c             # undoes that commit
  anabranch revert sales main main --parent 1   # undoes the merge at the head
  anabranch cherry-pick sales main dev~1        # repeats the last commit but one of dev")]
pub(crate) struct PickArgs {
    /// The repository.
    repository: String,
    /// The branch that gets the new commit.
    branch: String,
    /// The commit, as an id or any ref expression.
    commit: String,
    /// Which parent of a merge commit counts as the state before, from 1.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    parent: u16,
    /// What the new commit says.
    #[arg(long, short)]
    message: Option<String>,
}

impl PickArgs {
    fn overrides(&self) -> Option<wire::CommitOverrides> {
        let message = self.message.clone()?;
        Some(wire::CommitOverrides { message: Some(message), metadata: None })
    }
}

pub(super) async fn revert(client: &Client, args: PickArgs) -> anyhow::Result<Answer> {
    let body = wire::RevertCreation {
        r#ref: args.commit.clone(),
        commit_overrides: args.overrides(),
        parent_number: Some(args.parent.into()),
        ..Default::default()
    };
    let segments = ["repositories", &args.repository, "branches", &args.branch, "revert"];
    match client.merge(client.request(Method::POST, &segments)?.json(&body)).await? {
        Merged::Done(_) => {
            let request =
                client.request(Method::GET, &["repositories", &args.repository, "commits", &args.branch])?;
            let head: wire::Commit = client.json(request).await?;
            let text = format!("reverted {} on {}: head is {}\n", args.commit, args.branch, short(&head.id));
            Ok(Answer::clean(text, to_json(&head)?))
        }
        other => undone(other, "revert"),
    }
}

pub(super) async fn cherry_pick(client: &Client, args: PickArgs) -> anyhow::Result<Answer> {
    let parent_number = (args.parent > 0).then(|| args.parent.into());
    let body = wire::CherryPickCreation {
        r#ref: args.commit.clone(),
        commit_overrides: args.overrides(),
        parent_number,
        force: None,
    };
    let segments = ["repositories", &args.repository, "branches", &args.branch, "cherry-pick"];
    match client.merge(client.request(Method::POST, &segments)?.json(&body)).await? {
        Merged::Done(response) => {
            let made: wire::Commit = response.json().await.context("the server's answer cannot be read")?;
            let text = format!("picked {} on {}: {}\n", args.commit, args.branch, short(&made.id));
            Ok(Answer::clean(text, to_json(&made)?))
        }
        other => undone(other, "cherry-pick"),
    }
}

/// The answer for what was not published.
fn undone<T>(outcome: Merged<T>, verb: &str) -> anyhow::Result<Answer> {
    match outcome {
        Merged::Conflicts(conflict) => {
            let count = wire::count_conflicts(&conflict.conflicts);
            let text =
                format!("{}{count}: the {verb} changed nothing\n", conflict_table(&conflict.conflicts));
            Ok(Answer { text, json: to_json(&conflict)?, exit_code: DIFFERS })
        }
        Merged::NoChanges(message) => {
            Ok(Answer::clean(format!("{}\n", shown(&message)), json!({"message": message})))
        }
        Merged::Done(_) => Ok(Answer::clean("", json!(null))),
    }
}

/// What a merge did, one line for each table.
pub(super) fn summary(summary: &wire::MergeSummary) -> String {
    let mut text: String = summary.tables.iter().map(one_table).collect();
    if summary.objects_changed > 0 {
        text.push_str(&format!("  {} outside tables\n", counted(summary.objects_changed, "object")));
    }
    text
}

fn one_table(table: &wire::TableSummary) -> String {
    let mut facts = vec![shown(&table.how)];
    if let Some(rows) = &table.rows {
        facts.push(rows_text(rows));
    }
    if !table.is_object {
        facts.push(format!("files +{} -{}", table.files_added, table.files_removed));
    }
    facts.push(format!("{} written", counted(table.bytes_written, "byte")));
    match &table.verification {
        Verification::NotNeeded => {}
        Verification::Agrees => facts.push("verified".into()),
        Verification::Unverified { reason } => facts.push(format!("unverified: {}", shown(reason))),
    }
    let what = if table.is_object { "object" } else { "table" };
    let mut text = format!("  {what} {}: {}\n", shown(&table.root), facts.join(", "));
    for note in &table.notes {
        text.push_str(&format!("    {}\n", shown(note)));
    }
    text
}

/// Conflicts as a table.
pub(super) fn conflict_table(conflicts: &[wire::Conflict]) -> String {
    let of = |class: wire::ConflictClass| -> Vec<_> {
        conflicts.iter().filter(|conflict| conflict.class == class).map(row).collect()
    };
    let (conflicts, violations) = (of(wire::ConflictClass::Conflict), of(wire::ConflictClass::Violation));
    let mut text = String::new();
    if !conflicts.is_empty() {
        text.push_str(&table(["KIND", "PATH", "CHOICES", "MESSAGE"], &conflicts));
    }
    if !violations.is_empty() {
        text.push_str(&table(["VIOLATION", "PATH", "CHOICES", "MESSAGE"], &violations));
    }
    text
}

fn row(conflict: &wire::Conflict) -> [String; 4] {
    let mut place = shown(&conflict.path);
    if let Some(key) = &conflict.key {
        place.push_str(&format!(" {}", shown(&key.to_string())));
    }
    if let Some(column) = &conflict.column {
        place.push_str(&format!(".{}", shown(column)));
    }
    let choices: Vec<_> = conflict.choices.iter().map(|choice| shown(&choice.id)).collect();
    [shown(&conflict.kind), place, choices.join("|"), shown(&conflict.message)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_merge_says_what_it_did_to_each_table() {
        let flights = wire::TableSummary {
            root: "flights".into(),
            is_object: false,
            format: Some("Delta".into()),
            merger: Some("delta".into()),
            decision: "merged".into(),
            how: "metadata".into(),
            rows: Some(wire::RowTotals { added: 120, removed: 0, modified: 0, cells: 0 }),
            files_added: 2,
            files_removed: 0,
            bytes_written: 2048,
            verification: Verification::Agrees,
            notes: vec!["one commit was renumbered".into()],
        };
        let done = wire::MergeSummary {
            base: None,
            ours: None,
            theirs: None,
            tables: vec![flights],
            objects_changed: 1,
        };
        // The heading keeps the snapshot from losing the lines' common indentation.
        expect![[r"
            merged
              table flights: metadata, rows +120 -0 ~0, files +2 -0, 2048 bytes written, verified
                one commit was renumbered
              1 object outside tables
        "]]
        .assert_eq(&format!("merged\n{}", summary(&done)));
    }

    #[test]
    fn conflicts_are_a_table_and_exit_code_1() {
        let choice = |id: &str| wire::ConflictChoice { id: id.into(), label: String::new() };
        let conflict = wire::Conflict {
            conflict_id: "c".into(),
            class: wire::ConflictClass::Conflict,
            table: None,
            path: "a.txt".into(),
            kind: "object-conflict".into(),
            key: None,
            column: None,
            message: "both sides changed a.txt".into(),
            rule: "object".into(),
            base: None,
            ours: None,
            theirs: None,
            choices: vec![choice("ours"), choice("theirs")],
        };
        let answer = wire::MergeConflict {
            reference: String::new(),
            message: String::new(),
            conflicts: vec![conflict],
            summary: wire::MergeSummary {
                base: None,
                ours: None,
                theirs: None,
                tables: vec![],
                objects_changed: 0,
            },
        };
        let answer = undone(Merged::<()>::Conflicts(Box::new(answer)), "merge").unwrap();
        assert_eq!(answer.exit_code, 1);
        expect![[r"
            KIND             PATH   CHOICES      MESSAGE
            object-conflict  a.txt  ours|theirs  both sides changed a.txt
            1 conflict: the merge changed nothing
        "]]
        .assert_eq(&answer.text);
    }
}
