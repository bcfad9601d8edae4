//! Moves many objects at a time, and says what became of each.
//!
//! What is on the other side already with the same size and checksum is not moved again. A file gets its name only when
//! all of it is there.

mod checksum;
mod copy;
mod download;
mod local;
mod progress;
mod retry;
mod upload;

use std::future::Future;

use futures::StreamExt;
use serde_json::{Value, json};

pub(super) use self::copy::{CopyPlace, copy};
pub(super) use self::download::{Download, download};
pub(super) use self::local::{LocalFile, below, files};
pub(super) use self::progress::Progress;
pub(super) use self::upload::{Upload, upload};
use super::output::{Answer, counted, shown};

/// How many failures are written out.
const FAILURES_SHOWN: usize = 10;

/// How moving one object ended well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Moved {
    /// So many bytes were moved.
    Transferred(u64),
    /// It was there already.
    Skipped,
}

/// What became of one object.
struct Line {
    path: String,
    outcome: anyhow::Result<Moved>,
}

/// What became of all of them, in the order in which they ended.
#[derive(Default)]
pub(super) struct Report {
    lines: Vec<Line>,
}

/// Flags of every verb that moves objects.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct TransferArgs {
    /// How many objects are moved at a time.
    #[arg(long, default_value_t = 8, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) parallel: u16,
    /// Moves also what is there already with the same size and checksum.
    #[arg(long)]
    pub(super) always: bool,
    /// Shows no progress bar. There is none either when the standard error is no terminal.
    #[arg(long)]
    pub(super) no_progress: bool,
}

/// Moves all items, `parallel` at a time: data first and the logs of tables last, as writers of tables do, so that no
/// reader sees a log that names a file which is not there. One that fails does not stop the others.
pub(super) async fn run<T, F>(
    items: Vec<T>,
    path_of: impl Fn(&T) -> &str,
    args: &TransferArgs,
    one: impl Fn(T) -> F,
) -> Report
where
    F: Future<Output = anyhow::Result<Moved>>,
{
    let (logs, data): (Vec<T>, Vec<T>) = items.into_iter().partition(|item| is_log(path_of(item)));
    let mut report = Report::default();
    for group in [data, logs] {
        if !report.failed().is_empty() {
            // The log of a table whose data did not all come would name files that are missing.
            let skipped = group.iter().map(|item| Line {
                path: path_of(item).to_owned(),
                outcome: Err(anyhow::anyhow!("left out, because other files failed before it")),
            });
            report.lines.extend(skipped.collect::<Vec<_>>());
            continue;
        }
        let moves = group.into_iter().map(|item| {
            let path = path_of(&item).to_owned();
            let outcome = one(item);
            async move { Line { path, outcome: outcome.await } }
        });
        let moves = futures::stream::iter(moves).buffer_unordered(usize::from(args.parallel));
        report.lines.extend(moves.collect::<Vec<_>>().await);
    }
    report.lines.sort_by(|left, right| left.path.cmp(&right.path));
    report
}

/// Whether a path is part of the log of a table.
fn is_log(path: &str) -> bool {
    path.split('/').rev().skip(1).any(|folder| matches!(folder, "_delta_log" | ".hoodie" | "metadata"))
}

impl Report {
    fn failed(&self) -> Vec<&Line> {
        self.lines.iter().filter(|line| line.outcome.is_err()).collect()
    }

    /// The answer: a sentence such as `wrote 3 objects (2,048 bytes), 1 was there already`; or an error that names
    /// what failed.
    pub(super) fn answer(self, verb: &str, place: &str) -> anyhow::Result<Answer> {
        let failed = self.failed();
        if !failed.is_empty() {
            let mut text =
                format!("{} of {} failed:", failed.len(), counted(self.lines.len() as u64, "object"));
            for line in failed.iter().take(FAILURES_SHOWN) {
                if let Err(error) = &line.outcome {
                    text.push_str(&format!("\n  {}: {}", shown(&line.path), shown(&format!("{error:#}"))));
                }
            }
            if failed.len() > FAILURES_SHOWN {
                text.push_str(&format!("\n  and {} more", failed.len() - FAILURES_SHOWN));
            }
            text.push_str("\nthe same command again moves only what is missing");
            anyhow::bail!(text);
        }
        let (mut count, mut bytes) = (0, 0);
        for line in &self.lines {
            if let Ok(Moved::Transferred(size)) = line.outcome {
                count += 1;
                bytes += size;
            }
        }
        let skipped = self.lines.len() as u64 - count;
        let mut text = format!("{verb} {} ({}){place}", counted(count, "object"), counted(bytes, "byte"));
        match skipped {
            0 => {}
            1 => text.push_str("; 1 was there already"),
            _ => text.push_str(&format!("; {skipped} were there already")),
        }
        text.push('\n');
        let objects: Vec<Value> = self.lines.iter().map(line).collect();
        let json = json!({"transferred": count, "skipped": skipped, "bytes": bytes, "results": objects});
        Ok(Answer::clean(text, json))
    }
}

fn line(line: &Line) -> Value {
    match &line.outcome {
        Ok(Moved::Transferred(bytes)) => json!({"path": line.path, "outcome": "transferred", "bytes": bytes}),
        Ok(Moved::Skipped) => json!({"path": line.path, "outcome": "skipped"}),
        Err(error) => json!({"path": line.path, "outcome": "failed", "message": format!("{error:#}")}),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const ARGS: TransferArgs = TransferArgs { parallel: 4, always: false, no_progress: true };

    async fn moved(paths: &[&'static str], bad: &str) -> (Vec<String>, Report) {
        let order = Mutex::new(Vec::new());
        let report = run(
            paths.to_vec(),
            |path| path,
            &ARGS,
            |path| {
                order.lock().unwrap().push(path.to_owned());
                let outcome =
                    if path == bad { Err(anyhow::anyhow!("no")) } else { Ok(Moved::Transferred(1)) };
                std::future::ready(outcome)
            },
        );
        let report = report.await;
        (order.into_inner().unwrap(), report)
    }

    #[tokio::test]
    async fn logs_go_last_and_only_after_all_data() {
        let paths = ["t/_delta_log/0.json", "t/a.parquet", "other.csv"];
        let (order, report) = moved(&paths, "").await;
        assert_eq!(order, ["t/a.parquet", "other.csv", "t/_delta_log/0.json"]);
        assert_eq!(report.answer("wrote", "").unwrap().text, "wrote 3 objects (3 bytes)\n");
        let (order, report) = moved(&paths, "t/a.parquet").await;
        assert_eq!(order.len(), 2, "the log stays away");
        let error = report.answer("wrote", "").err().unwrap().to_string();
        assert!(error.starts_with("2 of 3 objects failed:\n  t/_delta_log/0.json: left out"), "{error}");
    }
}
