//! All rows that differ as a stream of typed batches. The comparison runs beside the answer and waits where the client
//! reads slowly; it ends when the client goes away.

use std::time::Duration;

use anabranch_app::{App, AppError, DiffKind};
use anabranch_auth::Principal;
use anabranch_merge::{RowDiffRequest, RowSink};
use async_trait::async_trait;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, Stream};
use http::header::{CONTENT_TYPE, VARY};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::Instrument;

use super::not_compared;
use crate::error::ApiError;
use crate::report::ARROW_STREAM;
use crate::request_id::chain;

/// How many pieces wait for the client. Each has at most some thousand rows.
const PIECES_WAITING: usize = 2;

/// How long one piece waits for the client before the answer breaks off.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is compared, on whose behalf.
pub(super) struct Asked {
    pub(super) app: App,
    pub(super) who: Principal,
    pub(super) repository: String,
    pub(super) refs: [String; 2],
    pub(super) kind: DiffKind,
    pub(super) root: String,
    pub(super) request: RowDiffRequest,
}

/// How a comparison ended; the inner error says why rows are not compared.
type Ended = Result<Result<(), String>, AppError>;

struct Pieces(mpsc::Sender<Bytes>);

#[async_trait]
impl RowSink for Pieces {
    async fn write(&self, piece: Bytes) -> bool {
        // Only some diffs run at a time, so one must not wait for ever.
        matches!(timeout(PATIENCE, self.0.send(piece)).await, Ok(Ok(())))
    }
}

impl Asked {
    async fn run(self, pieces: Pieces) -> Ended {
        let Asked { app, who, repository, refs: [left, right], kind, root, request } = self;
        app.stream_rows(&who, &repository, [&left, &right], kind, &root, &request, &pieces).await
    }
}

/// A comparison under way, stopped when this is dropped.
struct Running {
    first: Option<Bytes>,
    pieces: mpsc::Receiver<Bytes>,
    task: JoinSet<Ended>,
}

/// Answers as soon as there is something to send: what fails before that has a status of its own.
pub(super) async fn answer(asked: Asked) -> Result<Response, ApiError> {
    let (sender, mut pieces) = mpsc::channel(PIECES_WAITING);
    let mut task = JoinSet::new();
    task.spawn(asked.run(Pieces(sender)).instrument(tracing::Span::current()));
    let Some(first) = pieces.recv().await else {
        return Err(match task.join_next().await {
            Some(Ok(Ok(Err(reason)))) => not_compared(&reason),
            Some(Ok(Err(error))) => error.into(),
            Some(Err(error)) => ApiError::unavailable(error),
            Some(Ok(Ok(Ok(())))) | None => not_compared("the merger of this table has no rows to say of it"),
        });
    };
    let body = Body::from_stream(bytes(Running { first: Some(first), pieces, task }));
    Ok(([(CONTENT_TYPE, ARROW_STREAM), (VARY, "accept")], body).into_response())
}

/// The bytes. A failure on the way is logged here and breaks the connection: the status is out already.
fn bytes(running: Running) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    stream::unfold(Some(running), |running| async {
        let mut running = running?;
        let piece = match running.first.take() {
            Some(first) => Some(first),
            None => running.pieces.recv().await,
        };
        if let Some(piece) = piece {
            return Some((Ok(piece), Some(running)));
        }
        let why = match running.task.join_next().await {
            None | Some(Ok(Ok(Ok(())))) => return None,
            Some(Ok(Ok(Err(reason)))) => reason,
            Some(Ok(Err(error))) => chain(&error),
            Some(Err(error)) => chain(&error),
        };
        tracing::error!(error = %why, "a stream of rows broke off");
        Some((Err(std::io::Error::other(why)), None))
    })
}
