//! The one thread that writes. Requests that wait together are committed together and answered after the commit.

use std::sync::Arc;

use anabranch_types::Clock;
use rusqlite::{Connection, ffi};
use tokio::sync::{mpsc, oneshot};

use super::batch::Batch;
use super::{Opener, failed, primary_code, tables};
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
    Before(&'static str, rusqlite::Error),
    /// The commit failed in a way that leaves open whether it will be found after a restart.
    AtCommit(rusqlite::Error),
}

/// The owner of the writing connection.
pub(super) struct Writer {
    store: Arc<str>,
    opener: Opener,
    /// None after a failure: the next batch begins on a fresh connection.
    connection: Option<Connection>,
    clock: Arc<dyn Clock>,
}

impl Writer {
    pub(super) fn new(
        store: Arc<str>,
        opener: Opener,
        connection: Connection,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Writer { store, opener, connection: Some(connection), clock }
    }

    /// Serves requests until all senders are gone or one asks to close.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut closing = None;
        while closing.is_none() {
            let Some(mut requests) = collect(&mut queue) else { break };
            if let Some(at) = requests.iter().position(|request| matches!(request, Request::Close { .. })) {
                // Those behind it find the store closed: their reply channels are dropped.
                closing = requests.drain(at..).next();
            }
            self.serve(requests);
        }
        if let Some(connection) = self.connection.take()
            && let Err((_, error)) = connection.close()
        {
            tracing::warn!(store = &*self.store, %error, "closing the ref-store failed; nothing is lost");
        }
        if let Some(Request::Close { reply }) = closing {
            // Nobody waits if the caller was cancelled.
            let _ = reply.send(());
        }
    }

    fn serve(&mut self, requests: Vec<Request>) {
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
        match self.commit(&mut batch, decide, &drops, now_ms) {
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
    fn commit(
        &mut self,
        batch: &mut Batch,
        decide: impl FnOnce(&mut Batch),
        drops: &[Token],
        now_ms: i64,
    ) -> Result<Vec<Token>, Failure> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.opener.writer().map_err(|error| Failure::Before("opening", error))?),
        };
        let write = |error| Failure::Before("writing", error);
        execute(connection, "BEGIN IMMEDIATE").map_err(write)?;
        tables::load(connection, batch).map_err(write)?;
        decide(batch);
        if !batch.changes.is_empty() {
            tables::store(connection, batch, now_ms).map_err(write)?;
            tables::prune(connection, batch, now_ms).map_err(write)?;
        }
        let mut more = Vec::new();
        for token in drops {
            if tables::drop_rows(connection, token).map_err(write)? {
                more.push(*token);
            }
        }
        execute(connection, "COMMIT").map_err(Failure::AtCommit)?;
        Ok(more)
    }
}

fn execute(connection: &Connection, sql: &'static str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// Waits for a request and takes along what else is there. None when there will be no more.
fn collect(queue: &mut mpsc::Receiver<Request>) -> Option<Vec<Request>> {
    let first = queue.blocking_recv()?;
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
        std::thread::yield_now();
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
    error: Arc<rusqlite::Error>,
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
        // SQLite promises to have rolled back in these two cases.
        let surely_nothing = matches!(primary_code(&self.error), Some(ffi::SQLITE_BUSY | ffi::SQLITE_FULL));
        if self.at_commit && !surely_nothing {
            return RefsError::Unknown { store: self.store.to_owned(), source: Box::new(self.error.clone()) };
        }
        failed(self.action, self.store, Shared(self.error.clone()))
    }
}

/// An error that several callers get.
struct Shared(Arc<rusqlite::Error>);

impl std::borrow::Borrow<rusqlite::Error> for Shared {
    fn borrow(&self) -> &rusqlite::Error {
        &self.0
    }
}

impl From<Shared> for Box<dyn std::error::Error + Send + Sync> {
    fn from(shared: Shared) -> Self {
        Box::new(shared.0)
    }
}
