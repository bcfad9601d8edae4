//! The one task that writes. Requests that wait together are committed together and answered after the commit.

use std::sync::Arc;

use anabranch_types::Clock;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::batch::Batch;
use super::{failed, primary_code, tables};
use crate::{
    ConditionalRow, Dropped, Edit, Fence, Partition, RefUpdate, RefsError, Staged, StagedRow, Token, WriteId,
};

const BATCH_REQUESTS_MAX: usize = 1024;
const BATCH_ROWS_MAX: usize = 16 * 1024;
/// How often the queue must be found empty, with a turn for everybody else in between, before a batch begins.
/// Callers that were answered together then come back in one batch and not in two that wait for each other.
const EMPTY_TURNS: usize = 3;

type Reply<T> = oneshot::Sender<Result<T, RefsError>>;

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Request {
    Apply { partition: Partition, edits: Vec<Edit>, write_id: WriteId, reply: Reply<RefUpdate> },
    Put { fence: Fence, rows: Vec<StagedRow>, reply: Reply<Staged> },
    PutIf { fence: Fence, row: Box<ConditionalRow>, reply: Reply<Staged> },
    Drop { token: Token, reply: Reply<Dropped> },
    Close { reply: oneshot::Sender<()> },
}

impl Request {
    fn rows(&self) -> usize {
        match self {
            Request::Apply { edits, .. } => edits.len(),
            Request::Put { rows, .. } => rows.len(),
            Request::PutIf { .. } | Request::Drop { .. } | Request::Close { .. } => 1,
        }
    }
}

/// An answer that waits for the commit.
enum Answer {
    Apply(Reply<RefUpdate>, Result<RefUpdate, RefsError>),
    Staged(Reply<Staged>, Result<Staged, RefsError>),
    Drop(Reply<Dropped>, Token),
}

impl Answer {
    /// Sends the answer. Nobody waits any more if the caller was cancelled: the write counts all the same.
    fn send(self, more: &[Token]) {
        match self {
            Answer::Apply(reply, answer) => drop(reply.send(answer)),
            Answer::Staged(reply, answer) => drop(reply.send(answer)),
            Answer::Drop(reply, token) => {
                let dropped = if more.contains(&token) { Dropped::More } else { Dropped::All };
                drop(reply.send(Ok(dropped)));
            }
        }
    }

    fn send_error(self, error: RefsError) {
        match self {
            Answer::Apply(reply, _) => drop(reply.send(Err(error))),
            Answer::Staged(reply, _) => drop(reply.send(Err(error))),
            Answer::Drop(reply, _) => drop(reply.send(Err(error))),
        }
    }
}

/// Why a batch did not take place.
enum Failure {
    /// Surely nothing was written.
    Before(&'static str, sqlx::Error),
    /// The commit failed in a way that leaves open whether it will be found after a restart.
    AtCommit(sqlx::Error),
}

/// The owner of the writing connection.
pub(super) struct Writer {
    store: Arc<str>,
    options: SqliteConnectOptions,
    /// None after a failure: the next batch begins on a fresh connection.
    connection: Option<SqliteConnection>,
    clock: Arc<dyn Clock>,
}

impl Writer {
    pub(super) fn new(
        store: Arc<str>,
        options: SqliteConnectOptions,
        connection: SqliteConnection,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Writer { store, options, connection: Some(connection), clock }
    }

    /// Serves requests until all senders are gone or one asks to close.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut closing = None;
        while closing.is_none() {
            let Some(mut requests) = collect(&mut queue).await else { break };
            if let Some(at) = requests.iter().position(|request| matches!(request, Request::Close { .. })) {
                // Those behind it find the store closed: their reply channels are dropped.
                closing = requests.drain(at..).next();
            }
            self.serve(requests).await;
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(store = &*self.store, %error, "closing the ref-store failed; nothing is lost");
        }
        if let Some(Request::Close { reply }) = closing {
            // Nobody waits if the caller was cancelled.
            let _ = reply.send(());
        }
    }

    async fn serve(&mut self, requests: Vec<Request>) {
        let (mut batch, now_ms) = (wanted(&requests), self.clock.now_ms());
        let drops: Vec<Token> = requests
            .iter()
            .filter_map(|request| if let Request::Drop { token, .. } = request { Some(*token) } else { None })
            .collect();
        let mut requests = Some(requests);
        let mut answers = Vec::new();
        let store = self.store.clone();
        let decide = |batch: &mut Batch| {
            answers = requests
                .take()
                .into_iter()
                .flatten()
                .filter_map(|request| answer(batch, &store, request))
                .collect();
        };
        match self.commit(&mut batch, decide, &drops, now_ms).await {
            Ok(more) => answers.into_iter().for_each(|answer| answer.send(&more)),
            Err(failure) => {
                // Where the failure came before the decision, nothing is decided: the answers only carry replies.
                let mut nothing = Batch::default();
                let undecided = requests
                    .into_iter()
                    .flatten()
                    .filter_map(|request| answer(&mut nothing, &store, request));
                answers.extend(undecided);
                self.connection = None;
                let errors = Errors::new(&store, failure);
                answers.into_iter().for_each(|answer| answer.send_error(errors.one()));
            }
        }
    }

    /// Loads, decides and writes in one transaction. Answers which staging areas have more rows to drop.
    async fn commit(
        &mut self,
        batch: &mut Batch,
        decide: impl FnOnce(&mut Batch),
        drops: &[Token],
        now_ms: i64,
    ) -> Result<Vec<Token>, Failure> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let fresh =
                    self.options.connect().await.map_err(|error| Failure::Before("opening", error))?;
                none.insert(fresh)
            }
        };
        let write = |error| Failure::Before("writing", error);
        execute(connection, "BEGIN IMMEDIATE").await.map_err(write)?;
        tables::load(connection, batch).await.map_err(write)?;
        decide(batch);
        if !batch.changes.is_empty() {
            tables::store(connection, batch, now_ms).await.map_err(write)?;
            tables::prune(connection, batch, now_ms).await.map_err(write)?;
        }
        let mut more = Vec::new();
        for token in drops {
            if tables::drop_rows(connection, token).await.map_err(write)? {
                more.push(*token);
            }
        }
        execute(connection, "COMMIT").await.map_err(Failure::AtCommit)?;
        Ok(more)
    }
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(sql).execute(connection).await.map(drop)
}

/// Waits for a request and takes along what else is there. None when there will be no more.
async fn collect(queue: &mut mpsc::Receiver<Request>) -> Option<Vec<Request>> {
    let first = queue.recv().await?;
    let mut rows = first.rows();
    let mut requests = vec![first];
    let mut empty_turns = 0;
    while empty_turns < EMPTY_TURNS {
        empty_turns += 1;
        while let Ok(request) = queue.try_recv() {
            empty_turns = 0;
            rows += request.rows();
            requests.push(request);
            if requests.len() >= BATCH_REQUESTS_MAX || rows >= BATCH_ROWS_MAX {
                return Some(requests);
            }
        }
        tokio::task::yield_now().await;
    }
    Some(requests)
}

/// The batch that wants the rows of all requests.
fn wanted(requests: &[Request]) -> Batch {
    let mut batch = Batch::default();
    for request in requests {
        match request {
            Request::Apply { partition, edits, write_id, .. } => {
                batch.want_apply(partition, edits, *write_id)
            }
            Request::Put { fence, .. } => batch.want_fence(fence),
            Request::PutIf { fence, row, .. } => batch.want_put_if(fence, row),
            Request::Drop { .. } | Request::Close { .. } => {}
        }
    }
    batch
}

/// Decides one request.
fn answer(batch: &mut Batch, store: &str, request: Request) -> Option<Answer> {
    Some(match request {
        Request::Apply { partition, edits, write_id, reply } => {
            Answer::Apply(reply, batch.apply(store, &partition, &edits, write_id))
        }
        Request::Put { fence, rows, reply } => Answer::Staged(reply, batch.put(store, &fence, rows)),
        Request::PutIf { fence, row, reply } => Answer::Staged(reply, batch.put_if(store, &fence, *row)),
        Request::Drop { token, reply } => Answer::Drop(reply, token),
        Request::Close { .. } => return None,
    })
}

/// Makes one error per caller from a failure that they share.
struct Errors<'a> {
    store: &'a str,
    action: &'static str,
    at_commit: bool,
    error: Arc<sqlx::Error>,
}

impl<'a> Errors<'a> {
    fn new(store: &'a str, failure: Failure) -> Self {
        let (action, at_commit, error) = match failure {
            Failure::Before(action, error) => (action, false, error),
            Failure::AtCommit(error) => ("committing", true, error),
        };
        Errors { store, action, at_commit, error: Arc::new(error) }
    }

    fn one(&self) -> RefsError {
        const BUSY: i32 = 5;
        const FULL: i32 = 13;
        // SQLite promises to have rolled back in these two cases.
        let surely_nothing = matches!(primary_code(&self.error), Some(BUSY | FULL));
        if self.at_commit && !surely_nothing {
            return RefsError::Unknown { store: self.store.to_owned(), source: Box::new(self.error.clone()) };
        }
        failed(self.action, self.store, Shared(self.error.clone()))
    }
}

/// An error that several callers get.
struct Shared(Arc<sqlx::Error>);

impl std::borrow::Borrow<sqlx::Error> for Shared {
    fn borrow(&self) -> &sqlx::Error {
        &self.0
    }
}

impl From<Shared> for Box<dyn std::error::Error + Send + Sync> {
    fn from(shared: Shared) -> Self {
        Box::new(shared.0)
    }
}
