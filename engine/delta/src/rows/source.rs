//! Lets readers that outlive a call read from the views of a merge, which do not: their requests go over a channel to the
//! call, which answers them while it waits for the readers' result.

use std::ops::Range;
use std::sync::Arc;

use anabranch_merge::UnitView;
use anabranch_rows::Side;
use anabranch_rows::scan::{ByteSource, ReadError};
use anabranch_types::Entry;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};

use crate::limits::READS_AT_A_TIME;

/// A request for bytes of one file.
struct Request {
    side: Side,
    path: Arc<str>,
    entry: Arc<Entry>,
    range: Range<u64>,
    reply: oneshot::Sender<Result<Bytes, ReadError>>,
}

/// Makes sources of files.
#[derive(Clone)]
pub(crate) struct Files {
    requests: mpsc::Sender<Request>,
}

/// Answers what the sources ask.
pub(crate) struct Answers {
    requests: mpsc::Receiver<Request>,
}

/// Sources, and who answers them.
pub(crate) fn files() -> (Files, Answers) {
    let (sender, receiver) = mpsc::channel(READS_AT_A_TIME);
    (Files { requests: sender }, Answers { requests: receiver })
}

impl Files {
    /// A file of a side.
    pub(crate) fn source(&self, side: Side, path: &str, entry: Entry) -> Arc<dyn ByteSource> {
        Arc::new(UnitFile {
            side,
            path: path.into(),
            entry: Arc::new(entry),
            requests: self.requests.clone(),
        })
    }
}

struct UnitFile {
    side: Side,
    path: Arc<str>,
    entry: Arc<Entry>,
    requests: mpsc::Sender<Request>,
}

impl std::fmt::Debug for UnitFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnitFile").field("side", &self.side).field("path", &self.path).finish_non_exhaustive()
    }
}

#[async_trait]
impl ByteSource for UnitFile {
    fn name(&self) -> &str {
        &self.path
    }

    fn size(&self) -> u64 {
        self.entry.size
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes, ReadError> {
        let (reply, answer) = oneshot::channel();
        let request =
            Request { side: self.side, path: self.path.clone(), entry: self.entry.clone(), range, reply };
        self.requests.send(request).await.map_err(|_| "the merge has ended")?;
        answer.await.map_err(|_| "the merge has ended")?
    }
}

impl Answers {
    /// Runs `work`, and answers the reads of its sources meanwhile, several at a time.
    pub(crate) async fn while_running<T>(
        mut self,
        views: [&dyn UnitView; 3],
        work: impl Future<Output = T>,
    ) -> T {
        let [base, ours, theirs] = views;
        let mut reads = FuturesUnordered::new();
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                Some(()) = reads.next(), if !reads.is_empty() => {}
                Some(request) = self.requests.recv(), if reads.len() < READS_AT_A_TIME => {
                    let view = match request.side {
                        Side::Base => base,
                        Side::Ours => ours,
                        Side::Theirs => theirs,
                    };
                    reads.push(answer(view, request));
                }
            }
        }
    }
}

async fn answer(view: &dyn UnitView, request: Request) {
    let length = request.range.end.saturating_sub(request.range.start);
    let bytes = view.read(&request.path, &request.entry, request.range.start, length).await;
    // Whoever asked may have given up.
    let _ = request.reply.send(bytes.map_err(|error| Box::new(error) as ReadError));
}
