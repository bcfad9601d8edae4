//! Small bodies gathered into segments: one durable write for everyone who waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anabranch_types::{Address, Clock, IdSource, ObjectKey};
use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{ObjectStorage, PutMode, PutOutcome, Segment, StorageError, new_object_key};

/// A body above this size becomes an object of its own.
const SMALL_BYTES_MAX: usize = 256 << 10;

/// How many bytes are written at once.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// How many bytes may wait; who comes with more waits outside.
const QUEUE_BYTES_MAX: u32 = 32 << 20;

/// Every waiting body counts at least this much, so that a flood of empty ones is bounded too.
const QUEUE_BYTES_MIN: u32 = 64;

/// The usual capacity of a writer's first segment; each next one is twice as large, up to the last constant,
/// so that a repository with three objects does not occupy what a busy one needs.
const SEGMENT_BYTES_FIRST: u64 = 1 << 20;
const SEGMENT_BYTES_MAX: u64 = 32 << 20;

/// How often the leader lets others run before it takes a group.
const YIELDS_MAX: usize = 16;

/// Writes small bodies, many at a time.
///
/// Concurrent appends share one durable write: while it runs, the next ones gather. Nothing waits for a
/// timer. Must be used inside a tokio runtime. Dropping an append does not undo it.
pub struct SegmentWriter {
    shared: Arc<Shared>,
}

/// Makes fresh keys.
type Keys = Box<dyn Fn() -> ObjectKey + Send + Sync>;

struct Shared {
    storage: Arc<dyn ObjectStorage>,
    new_key: Keys,
    state: Mutex<State>,
    room: Arc<Semaphore>,
}

struct State {
    waiting: VecDeque<Waiting>,
    /// Whether a task is writing groups.
    led: bool,
    /// The segment that is open; taken out while the leader works with it.
    open: Option<OpenSegment>,
    next_capacity: u64,
}

struct Waiting {
    body: Bytes,
    reply: oneshot::Sender<Result<Address, StorageError>>,
    _room: OwnedSemaphorePermit,
}

struct OpenSegment {
    key: ObjectKey,
    segment: Box<dyn Segment>,
}

impl std::fmt::Debug for SegmentWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentWriter").field("storage", &self.shared.storage).finish_non_exhaustive()
    }
}

impl SegmentWriter {
    /// A writer of segments in `storage`, whose keys come from `clock` and `ids`.
    pub fn new(storage: Arc<dyn ObjectStorage>, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        let new_key = Box::new(move || new_object_key(clock.as_ref(), ids.as_ref()));
        Self::with_keys(storage, SEGMENT_BYTES_FIRST, new_key)
    }

    /// A writer of segments in `storage` that calls them what `new_key` answers, which is never the same twice; the
    /// first one takes `first_capacity` bytes.
    pub fn with_keys(storage: Arc<dyn ObjectStorage>, first_capacity: u64, new_key: Keys) -> Self {
        let state = State { waiting: VecDeque::new(), led: false, open: None, next_capacity: first_capacity };
        let room = Arc::new(Semaphore::new(QUEUE_BYTES_MAX as usize));
        SegmentWriter { shared: Arc::new(Shared { storage, new_key, state: Mutex::new(state), room }) }
    }

    /// Stores `body` and answers its address once it is durable.
    ///
    /// Of a group that could not be written every member gets the error, and none has an address.
    pub async fn append(&self, body: Bytes) -> Result<Address, StorageError> {
        if body.len() > SMALL_BYTES_MAX {
            return self.shared.put_alone(body).await;
        }
        let weight = u32::try_from(body.len()).unwrap_or(u32::MAX).clamp(QUEUE_BYTES_MIN, QUEUE_BYTES_MAX);
        let room = Arc::clone(&self.shared.room).acquire_many_owned(weight).await;
        let room = room.map_err(|closed| self.shared.interrupted(closed))?;
        let (reply, answer) = oneshot::channel();
        let leads = {
            let mut state = self.shared.lock();
            state.waiting.push_back(Waiting { body, reply, _room: room });
            !std::mem::replace(&mut state.led, true)
        };
        if leads {
            // A task of its own, because this call may be dropped while others wait for the group.
            tokio::spawn(lead(Leadership { shared: Arc::clone(&self.shared), done: false }));
        }
        match answer.await {
            Ok(result) => result,
            Err(dropped) => Err(self.shared.interrupted(dropped)),
        }
    }
}

/// Writes groups until nobody waits.
async fn lead(mut leadership: Leadership) {
    let shared = Arc::clone(&leadership.shared);
    let mut last_group = 0;
    loop {
        shared.let_others_queue(last_group).await;
        let Some((group, open)) = leadership.next_group() else { return };
        last_group = group.len();
        let (result, open) = shared.write_group(&group, open).await;
        shared.lock().open = open;
        answer(group, result);
    }
}

/// The right to write. Given back when the task ends, whatever ends it.
struct Leadership {
    shared: Arc<Shared>,
    done: bool,
}

impl Leadership {
    fn next_group(&mut self) -> Option<(Vec<Waiting>, Option<OpenSegment>)> {
        let mut state = self.shared.lock();
        if state.waiting.is_empty() {
            state.led = false;
            self.done = true;
            return None;
        }
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(next) = state.waiting.pop_front() {
            bytes += next.body.len();
            if bytes > GROUP_BYTES_MAX && !group.is_empty() {
                state.waiting.push_front(next);
                break;
            }
            group.push(next);
        }
        Some((group, state.open.take()))
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        if !self.done {
            // The runtime went down with the task: who waits learns it by the closed channel.
            let mut state = self.shared.lock();
            state.led = false;
            state.waiting.clear();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the callers that were just answered come back, or each would wait for a write of its own.
    async fn let_others_queue(&self, expected: usize) {
        let mut before = self.lock().waiting.len();
        for _ in 0..YIELDS_MAX {
            if before >= expected {
                return;
            }
            tokio::task::yield_now().await;
            let now = self.lock().waiting.len();
            if now == before && now > 0 {
                return;
            }
            before = now;
        }
    }

    async fn write_group(
        &self,
        group: &[Waiting],
        open: Option<OpenSegment>,
    ) -> (Result<(ObjectKey, u64), StorageError>, Option<OpenSegment>) {
        let bytes = concatenated(group);
        if let Some(mut open) = open {
            match open.segment.append(bytes.clone()).await {
                Ok(Some(offset)) => return (Ok((open.key.clone(), offset)), Some(open)),
                Ok(None) => {}
                Err(error) => return (Err(error), None),
            }
        }
        match self.write_to_new_segment(bytes).await {
            Ok((key, offset, open)) => (Ok((key, offset)), open),
            Err(error) => (Err(error), None),
        }
    }

    async fn write_to_new_segment(
        &self,
        bytes: Bytes,
    ) -> Result<(ObjectKey, u64, Option<OpenSegment>), StorageError> {
        let key = (self.new_key)();
        let capacity = {
            let mut state = self.lock();
            let capacity = state.next_capacity.max(bytes.len() as u64);
            state.next_capacity = (state.next_capacity * 2).min(SEGMENT_BYTES_MAX);
            capacity
        };
        if let Some(mut segment) = self.storage.open_segment(&key, capacity).await?
            && let Some(offset) = segment.append(bytes.clone()).await?
        {
            return Ok((key.clone(), offset, Some(OpenSegment { key, segment })));
        }
        Ok((self.put_new(bytes).await?, 0, None))
    }

    async fn put_alone(&self, body: Bytes) -> Result<Address, StorageError> {
        let length = body.len() as u64;
        Ok(Address { object: self.put_new(body).await?, offset: 0, length })
    }

    /// Stores an object of its own.
    async fn put_new(&self, body: Bytes) -> Result<ObjectKey, StorageError> {
        let key = (self.new_key)();
        match self.storage.put(&key, body, PutMode::Create).await? {
            PutOutcome::Stored(_) => Ok(key),
            PutOutcome::Refused => Err(StorageError::Failed {
                action: "writing",
                key: key.to_string(),
                storage: self.storage.name().to_string(),
                source: "a fresh key was taken already: is the source of ids random?".into(),
            }),
        }
    }

    fn interrupted(&self, source: impl std::error::Error + Send + Sync + 'static) -> StorageError {
        StorageError::Unknown {
            key: "a small object".to_string(),
            storage: self.storage.name().to_string(),
            source: Box::new(source),
        }
    }
}

fn concatenated(group: &[Waiting]) -> Bytes {
    if let [only] = group {
        return only.body.clone();
    }
    let mut bytes = BytesMut::with_capacity(group.iter().map(|waiting| waiting.body.len()).sum());
    for waiting in group {
        bytes.extend_from_slice(&waiting.body);
    }
    bytes.freeze()
}

/// Tells every member of the group how it ended. One that no longer listens is no error.
fn answer(group: Vec<Waiting>, result: Result<(ObjectKey, u64), StorageError>) {
    match result {
        Ok((object, mut offset)) => {
            for waiting in group {
                let length = waiting.body.len() as u64;
                let _ = waiting.reply.send(Ok(Address { object: object.clone(), offset, length }));
                offset += length;
            }
        }
        Err(error) => {
            let error = Arc::new(error);
            for waiting in group {
                let _ = waiting.reply.send(Err(StorageError::share(&error)));
            }
        }
    }
}
