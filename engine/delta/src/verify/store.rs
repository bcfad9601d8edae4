//! What the other implementation reads the merged table through: an object store whose answers come from the unit that
//! will be published. It can only read.
//!
//! The store must live as long as it likes, and the unit is only borrowed. So questions travel through a channel to
//! whoever holds the unit, who answers them for as long as the table is being opened.

use std::fmt;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use anabranch_types::Entry;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, FuturesUnordered};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::{mpsc, oneshot};

use super::staged::StagedUnit;
use crate::limits::READS_AT_A_TIME;
use crate::read::ReadError;

const NAME: &str = "the merged table";
const LOG_FOLDER: &str = "_delta_log";

/// A question and where its answer goes.
enum Question {
    Get { location: Path, options: GetOptions, reply: oneshot::Sender<Result<GetResult>> },
    ListLog { after: String, reply: oneshot::Sender<Result<Vec<ObjectMeta>>> },
}

/// See the module.
#[derive(Debug)]
pub(super) struct StagedStore(mpsc::Sender<Question>);

/// Takes the questions of a store.
pub(super) struct Questions(mpsc::Receiver<Question>);

/// A store, and its questions.
pub(super) fn staged_store() -> (StagedStore, Questions) {
    let (sender, receiver) = mpsc::channel(READS_AT_A_TIME);
    (StagedStore(sender), Questions(receiver))
}

impl Questions {
    /// Answers from `unit` until `reader` is done. A read that the unit could not serve is an error here, whatever the
    /// reader made of it.
    pub(super) async fn answer<T>(
        mut self,
        unit: &StagedUnit<'_>,
        reader: impl Future<Output = T>,
    ) -> std::result::Result<T, ReadError> {
        let mut reader = pin!(reader);
        let mut answers = FuturesUnordered::new();
        let mut failed = None;
        let outcome = loop {
            tokio::select! {
                outcome = &mut reader => break outcome,
                Some(question) = self.0.recv() => answers.push(answer_one(unit, question)),
                Some(answered) = answers.next(), if !answers.is_empty() => {
                    failed = failed.or(answered.err());
                }
            }
        };
        failed.map_or(Ok(outcome), Err)
    }
}

async fn answer_one(unit: &StagedUnit<'_>, question: Question) -> std::result::Result<(), ReadError> {
    match question {
        Question::Get { location, options, reply } => {
            let (answer, outcome) = match get(unit, &location, options).await {
                Ok(answer) => (answer, Ok(())),
                Err(error) => (Err(failed(&error)), Err(error)),
            };
            // Nobody waits for it any more: then nobody needs it.
            let _ = reply.send(answer);
            outcome
        }
        Question::ListLog { after, reply } => {
            let objects = unit.log_objects(&after);
            let objects =
                objects.iter().map(|(path, entry)| meta(Path::from(path.as_str()), entry)).collect();
            let _ = reply.send(Ok(objects));
            Ok(())
        }
    }
}

/// What the unit holds at a location. The inner error is an answer; the outer one is a failure of the unit.
async fn get(
    unit: &StagedUnit<'_>,
    location: &Path,
    options: GetOptions,
) -> std::result::Result<Result<GetResult>, ReadError> {
    let path = location.as_ref();
    let Some(entry) = unit.entry(path).await? else {
        let source = "the merged table holds no such object".into();
        return Ok(Err(Error::NotFound { path: path.to_owned(), source }));
    };
    let meta = meta(location.clone(), &entry);
    if let Err(refused) = options.check_preconditions(&meta) {
        return Ok(Err(refused));
    }
    let range = match options.range.as_ref().map(|range| range.as_range(entry.size)) {
        None => 0..entry.size,
        Some(Ok(range)) => range,
        Some(Err(outside)) => return Ok(Err(Error::Generic { store: NAME, source: Box::new(outside) })),
    };
    let body = match options.head {
        true => Bytes::new(),
        false => unit.read(path, &entry, range.clone()).await?,
    };
    let payload = GetResultPayload::Stream(stream::iter([Ok(body)]).boxed());
    Ok(Ok(GetResult { payload, meta, range, attributes: Attributes::default() }))
}

fn meta(location: Path, entry: &Entry) -> ObjectMeta {
    let since_epoch = Duration::from_millis(u64::try_from(entry.modified_ms).unwrap_or_default());
    ObjectMeta {
        location,
        last_modified: (SystemTime::UNIX_EPOCH + since_epoch).into(),
        size: entry.size,
        e_tag: None,
        version: None,
    }
}

fn failed(error: &ReadError) -> Error {
    Error::Generic { store: NAME, source: error.to_string().into() }
}

fn read_only(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.to_owned(), implementer: NAME.to_owned() }
}

impl StagedStore {
    async fn ask<T>(
        requests: mpsc::Sender<Question>,
        question: impl FnOnce(oneshot::Sender<Result<T>>) -> Question,
    ) -> Result<T> {
        let gone = || Error::Generic { store: NAME, source: "the merge ended meanwhile".into() };
        let (reply, answer) = oneshot::channel();
        requests.send(question(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    fn list_log(&self, prefix: Option<&Path>, after: String) -> BoxStream<'static, Result<ObjectMeta>> {
        if prefix.is_none_or(|prefix| prefix.as_ref() != LOG_FOLDER) {
            return stream::iter([Err(read_only("listing anything but the log"))]).boxed();
        }
        let asked = Self::ask(self.0.clone(), |reply| Question::ListLog { after, reply });
        stream::once(asked).map_ok(|objects| stream::iter(objects).map(Ok)).try_flatten().boxed()
    }
}

impl fmt::Display for StagedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

#[async_trait]
impl ObjectStore for StagedStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let location = location.clone();
        Self::ask(self.0.clone(), |reply| Question::Get { location, options, reply }).await
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_log(prefix, String::new())
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_log(prefix, offset.to_string())
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(read_only("listing by delimiter"))
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only("put"))
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only("multipart put"))
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        stream::iter([Err(read_only("delete"))]).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(read_only("copy"))
    }
}
