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

/// How many reads are answered at a time.
const READS_AT_A_TIME: usize = 16;

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
pub struct Files {
    requests: mpsc::Sender<Request>,
}

/// Answers what the sources ask.
pub struct Answers {
    requests: mpsc::Receiver<Request>,
}

/// Sources, and who answers them.
pub fn files() -> (Files, Answers) {
    let (sender, receiver) = mpsc::channel(READS_AT_A_TIME);
    (Files { requests: sender }, Answers { requests: receiver })
}

impl Files {
    /// A file of a side.
    pub fn source(&self, side: Side, path: &str, entry: Entry) -> Arc<dyn ByteSource> {
        self.named_source(side, path, path.to_owned(), entry)
    }

    /// A file of a side that messages call otherwise than by its path.
    pub fn named_source(&self, side: Side, path: &str, name: String, entry: Entry) -> Arc<dyn ByteSource> {
        Arc::new(UnitFile {
            side,
            path: path.into(),
            name,
            entry: Arc::new(entry),
            requests: self.requests.clone(),
        })
    }
}

struct UnitFile {
    side: Side,
    path: Arc<str>,
    name: String,
    entry: Arc<Entry>,
    requests: mpsc::Sender<Request>,
}

impl std::fmt::Debug for UnitFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnitFile").field("side", &self.side).field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl ByteSource for UnitFile {
    fn name(&self) -> &str {
        &self.name
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
    pub async fn while_running<T>(mut self, views: [&dyn UnitView; 3], work: impl Future<Output = T>) -> T {
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
