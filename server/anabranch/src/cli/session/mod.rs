//! `anabranch session`: deciding the conflicts of a merge one by one.

mod place;

use std::path::PathBuf;

use anabranch_api::{utc, wire};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use reqwest::{Body, Method};
use serde_json::json;
use tokio_util::io::ReaderStream;

use self::place::Place;
use super::client::{Client, to_json};
use super::commit::name_and_value;
use super::confirm::confirm;
use super::merge::summary;
use super::output::{Answer, DIFFERS, counted, short, shown, table};
use super::preview::{explained, markdown};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch merge sales dev main --session               # begins one
  anabranch session conflicts sales 5f0c --undecided
  anabranch session choose sales 5f0c notes.md theirs
  anabranch session choose sales 5f0c notes.md --object merged.md
  anabranch session choose-all sales 5f0c ours --table tables/flights
  anabranch session outcome sales 5f0c
  anabranch session complete sales 5f0c -m 'dev, decided by Ann'

A session is named by its id or the beginning of it; a conflict also by its path, where the path has one conflict.")]
pub(crate) struct SessionArgs {
    #[command(subcommand)]
    verb: SessionVerb,
}

/// Which session.
#[derive(Args, Debug)]
struct Which {
    /// The repository.
    repository: String,
    /// The session: its id, or the beginning of it.
    session: String,
}

#[derive(Args, Debug)]
struct Filter {
    /// Only conflicts of the table at this root.
    #[arg(long, value_name = "ROOT")]
    table: Option<String>,
    /// Only conflicts of this kind.
    #[arg(long)]
    kind: Option<String>,
}

#[derive(Subcommand, Debug)]
enum SessionVerb {
    /// Lists the sessions of a repository.
    List {
        /// The repository.
        repository: String,
    },
    /// Shows one session.
    Show(Which),
    /// Lists the conflicts of a session, and what was chosen for each.
    Conflicts {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        filter: Filter,
        /// Only conflicts that nobody has decided.
        #[arg(long)]
        undecided: bool,
    },
    /// Chooses for one conflict. Exit code 1 if somebody else's choice stands.
    Choose(ChooseArgs),
    /// Makes one choice for all conflicts that nobody has decided.
    ChooseAll {
        #[command(flatten)]
        which: Which,
        /// The choice: `ours`, `theirs`, or another one that the conflicts have.
        choice: String,
        #[command(flatten)]
        filter: Filter,
        /// Also where somebody has chosen already.
        #[arg(long)]
        replace: bool,
    },
    /// Takes back what was chosen for a conflict.
    Forget {
        #[command(flatten)]
        which: Which,
        /// The conflict: its id, the beginning of it, or its path.
        conflict: String,
    },
    /// Shows what the merge would do with what is chosen so far. Exit code 1 if conflicts are left.
    Outcome {
        #[command(flatten)]
        which: Which,
        /// Prints the report as Markdown.
        #[arg(long)]
        markdown: bool,
    },
    /// Merges what was decided, and ends the session. Exit code 1 if conflicts are left.
    Complete {
        #[command(flatten)]
        which: Which,
        /// What the merge commit says.
        #[arg(long, short)]
        message: Option<String>,
        /// Metadata to attach; may be given several times.
        #[arg(long = "meta", value_name = "NAME=VALUE", value_parser = name_and_value)]
        metadata: Vec<(String, String)>,
    },
    /// Ends a session without a merge. What was chosen is forgotten.
    Abandon {
        #[command(flatten)]
        which: Which,
        /// Does not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Args, Debug)]
struct ChooseArgs {
    #[command(flatten)]
    which: Which,
    /// The conflict: its id, the beginning of it, or its path.
    conflict: String,
    /// The choice, one of those that the conflict has.
    #[arg(required_unless_present = "object")]
    choice: Option<String>,
    /// The value that the choice takes, as JSON; what is no JSON is a text.
    #[arg(long, conflicts_with = "object")]
    value: Option<String>,
    /// Puts this file in the place of the object that both sides changed.
    #[arg(long, value_name = "FILE", conflicts_with = "choice")]
    object: Option<PathBuf>,
    /// Replaces what somebody else has chosen.
    #[arg(long)]
    replace: bool,
}

pub(super) async fn run(client: &Client, args: SessionArgs) -> anyhow::Result<Answer> {
    match args.verb {
        SessionVerb::List { repository } => list(client, &repository).await,
        SessionVerb::Show(which) => Place::find(client, &which).await?.show().await,
        SessionVerb::Conflicts { which, filter, undecided } => {
            let found = Place::find(client, &which).await?.conflicts(&filter, undecided).await?;
            let mut text: String = found.iter().map(one_conflict).collect();
            text.push_str(&format!("{}\n", counted(found.len() as u64, "conflict")));
            Ok(Answer::clean(text, json!({"results": to_json(&found)?})))
        }
        SessionVerb::Choose(args) => choose(client, args).await,
        SessionVerb::ChooseAll { which, choice, filter, replace } => {
            let body = wire::ConflictChoicesCreation {
                choice,
                value: None,
                table: filter.table,
                kind: filter.kind,
                replace: Some(replace),
            };
            let place = Place::find(client, &which).await?;
            let request = place.request(Method::POST, &["choices"])?.json(&body);
            let answer: wire::ConflictChoicesMade = client.json(request).await?;
            let text = format!("chose {} for {}\n", shown(&body.choice), counted(answer.made, "conflict"));
            Ok(Answer::clean(text, to_json(&answer)?))
        }
        SessionVerb::Forget { which, conflict } => {
            let place = Place::find(client, &which).await?;
            let id = place.conflict(&conflict).await?;
            client.send(place.request(Method::DELETE, &["conflicts", &id])?).await?;
            let text = format!("forgot what was chosen for {}\n", shown(&conflict));
            Ok(Answer::clean(text, json!({"forgotten": id})))
        }
        SessionVerb::Outcome { which, markdown: as_markdown } => {
            let place = Place::find(client, &which).await?;
            let report: wire::MergeReport = client.json(place.request(Method::GET, &["outcome"])?).await?;
            let text = match as_markdown {
                true => markdown(client, place.request(Method::GET, &["outcome"])?).await?,
                false => explained(&report),
            };
            let exit_code = if report.conflicts.is_empty() { 0 } else { DIFFERS };
            Ok(Answer { text, json: to_json(&report)?, exit_code })
        }
        SessionVerb::Complete { which, message, metadata } => {
            let body =
                wire::MergeSessionCompletion { message, metadata: Some(metadata.into_iter().collect()) };
            Place::find(client, &which).await?.complete(&body).await
        }
        SessionVerb::Abandon { which, yes } => {
            let place = Place::find(client, &which).await?;
            let id = place.session.id.clone();
            confirm(&format!("forget merge session {id} and what was chosen in it"), yes)?;
            client.send(place.request(Method::DELETE, &[])?).await?;
            Ok(Answer::clean(format!("abandoned merge session {}\n", short(&id)), json!({"abandoned": id})))
        }
    }
}

/// What a session that was begun says of itself, and what to type next.
pub(super) fn begun(
    repository: &str,
    begun: &wire::MergeSessionBegun,
    again: &str,
) -> anyhow::Result<Answer> {
    let text = match &begun.session {
        None if begun.verdict == wire::Verdict::UpToDate => {
            "nothing is to be decided: up-to-date\n".to_owned()
        }
        None => format!("nothing is to be decided: the merge is {}\n  {again}\n", begun.verdict.as_str()),
        Some(session) => {
            let id = short(&session.id);
            format!(
                "began merge session {id} of {} into {}: {} to decide\n\
                 {}  anabranch session conflicts {repository} {id}\n  \
                 anabranch session choose {repository} {id} CONFLICT CHOICE\n  \
                 anabranch session complete {repository} {id}\n",
                shown(&session.source),
                shown(&session.destination),
                counted(session.conflicts, "conflict"),
                summary(&session.summary),
            )
        }
    };
    Ok(Answer::clean(text, to_json(begun)?))
}

async fn list(client: &Client, repository: &str) -> anyhow::Result<Answer> {
    let segments = ["repositories", repository, "merge_sessions"];
    let (found, _) = client.list::<wire::MergeSessionList, wire::MergeSession>(&segments, &[], None).await?;
    let rows: Vec<_> = found.iter().map(row).collect();
    let text = table(["SESSION", "DESTINATION", "UNDECIDED", "BEGUN", "BY", "SOURCE"], &rows);
    Ok(Answer::clean(text, json!({"results": to_json(&found)?})))
}

fn row(session: &wire::MergeSession) -> [String; 6] {
    [
        short(&session.id).to_owned(),
        shown(&session.destination),
        format!("{} of {}", session.undecided, session.conflicts),
        utc(session.creation_date),
        shown(&session.creator),
        shown(&session.source),
    ]
}

/// Three lines at most, so that it can be read at 80 columns.
fn one_conflict(one: &wire::SessionConflict) -> String {
    let conflict = &one.conflict;
    let mut place = shown(&conflict.path);
    if let Some(key) = &conflict.key {
        place.push_str(&format!(" {}", shown(&key.to_string())));
    }
    if let Some(column) = &conflict.column {
        place.push_str(&format!(".{}", shown(column)));
    }
    let choices: Vec<_> = conflict.choices.iter().map(|choice| shown(&choice.id)).collect();
    let state = match &one.decided {
        None => format!("undecided: {}", choices.join("|")),
        Some(decided) => format!("{} by {}", shown(&decided.choice), shown(&decided.by)),
    };
    format!(
        "{}  {}  {place}\n    {}\n    {state}\n",
        short(&conflict.conflict_id),
        shown(&conflict.kind),
        shown(&conflict.message)
    )
}

async fn choose(client: &Client, args: ChooseArgs) -> anyhow::Result<Answer> {
    let place = Place::find(client, &args.which).await?;
    let id = place.conflict(&args.conflict).await?;
    let request = match (&args.object, args.choice) {
        (Some(file), _) => {
            let unreadable = || format!("{} cannot be read", file.display());
            let opened = tokio::fs::File::open(file).await.with_context(unreadable)?;
            let size = opened.metadata().await.with_context(unreadable)?.len();
            let content_type = mime_guess::from_path(file).first_or_octet_stream();
            place
                .request(Method::PUT, &["conflicts", &id, "object"])?
                .query(&[("replace", args.replace)])
                .header("content-type", content_type.essence_str())
                .header("content-length", size)
                .body(Body::wrap_stream(ReaderStream::new(opened)))
        }
        (None, Some(choice)) => {
            let value = args.value.map(|text| serde_json::from_str(&text).unwrap_or_else(|_| json!(text)));
            let body = wire::ConflictChoiceCreation { choice, value, replace: Some(args.replace) };
            place.request(Method::PUT, &["conflicts", &id])?.json(&body)
        }
        (None, None) => bail!("give a choice, or a file with --object"),
    };
    match client.choose(request).await? {
        Ok(decided) => {
            let text = format!("chose {} for {}\n", shown(&decided.choice), shown(&decided.path));
            Ok(Answer::clean(text, to_json(&decided)?))
        }
        Err(standing) => {
            let (choice, by) = (shown(&standing.decided.choice), shown(&standing.decided.by));
            let text = format!("{by} chose {choice}, and that stands: --replace puts yours in its place\n");
            Ok(Answer { text, json: to_json(&standing)?, exit_code: DIFFERS })
        }
    }
}
