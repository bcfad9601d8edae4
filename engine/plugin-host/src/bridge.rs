//! The way from a plugin, which may run on a thread of its own, to the views and the writer of its merge.
//!
//! The views are borrowed by the merge; a plugin's store must own what it holds. So the plugin asks questions over a channel, one at a
//! time, and the merge answers them until the plugin ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anabranch_merge::{
    EntryChange, EntryMerge, NewObject, ObjectAttributes, UnitView, UnitWriter, ViewError,
};
use anabranch_types::Entry;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use tokio::sync::{mpsc, oneshot};

use crate::behind::Behind;
use crate::deadline::Deadline;
use crate::handles::StoredObject;
use crate::limits::{Limit, Limits};
use crate::retry::patiently;
use crate::stop::Stop;
use crate::uploads::Uploads;

/// How many ranges of one `read-many` are fetched at the same time, and how many small objects written.
const AT_ONCE: usize = 16;

/// One of the snapshots of a call. A diff has its state before as `Base` and its state after as `Theirs`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Base,
    Ours,
    Theirs,
}

/// A part of a new object.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Bytes(Bytes),
    /// A range of an object that exists.
    Range {
        object: StoredObject,
        offset: u64,
        length: u64,
    },
}

type Reply<T> = oneshot::Sender<Result<T, ViewError>>;

/// What a plugin wants to know, each with where the answer goes.
pub(crate) enum Question {
    Stat {
        side: Side,
        path: String,
        reply: Reply<Option<Entry>>,
    },
    Walk {
        side: Side,
        prefix: String,
        after: Option<String>,
        limit: usize,
        reply: Reply<Vec<(String, Entry)>>,
    },
    Read {
        object: StoredObject,
        ranges: Vec<(u64, u64)>,
        reply: Reply<Vec<Bytes>>,
    },
    Changes {
        sides: (Side, Side),
        page: Page,
        reply: Reply<Vec<EntryChange>>,
    },
    Merges {
        page: Page,
        reply: Reply<Vec<EntryMerge>>,
    },
    /// Appends to the new object with this number, and begins it if it is not begun.
    Append {
        number: u64,
        piece: Piece,
        reply: Reply<()>,
    },
    /// The new object is what was appended and this.
    Finish {
        number: u64,
        rest: Bytes,
        reply: Reply<NewObject>,
    },
    /// Small new objects, each with its number.
    Write {
        objects: Vec<(u64, Bytes)>,
        reply: Reply<Vec<(u64, NewObject)>>,
    },
    /// Nobody wants the new object any more.
    Abandon {
        number: u64,
        reply: Reply<()>,
    },
}

/// Which part of a list of changes is wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) prefix: String,
    pub(crate) after: Option<String>,
    pub(crate) limit: usize,
}

/// The end of the channel that the plugin holds.
#[derive(Clone)]
pub(crate) struct Asker {
    questions: mpsc::Sender<Question>,
    deadline: Deadline,
    asked: Asked,
    /// Set when a question was not answered in time.
    late: Arc<AtomicBool>,
}

/// The end of the channel at which the questions of a plugin come out.
pub(crate) struct Questions {
    receiver: mpsc::Receiver<Question>,
    asked: Asked,
    late: Arc<AtomicBool>,
}

/// Whether a question is asked that has no answer yet. Cheap to clone; all clones tell the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked(Arc<AtomicBool>);

impl Asked {
    fn set(&self, asked: bool) {
        self.0.store(asked, Ordering::Release);
    }

    /// Whether that is so.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Asker {
    /// A channel whose questions are asked here and come out there.
    pub(crate) fn new(deadline: Deadline) -> (Self, Questions) {
        let (questions, receiver) = mpsc::channel(1);
        let late = Arc::new(AtomicBool::new(false));
        let asked = Asked::default();
        let asker = Asker { questions, deadline, asked: asked.clone(), late: Arc::clone(&late) };
        (asker, Questions { receiver, asked, late })
    }

    /// Tells whether a question waits for its answer.
    pub(crate) fn asked(&self) -> Asked {
        self.asked.clone()
    }

    /// Asks and waits for the answer.
    pub(crate) async fn ask<T>(
        &self,
        limits: &Limits,
        question: impl FnOnce(Reply<T>) -> Question,
    ) -> Result<T, Stop> {
        let (reply, answer) = oneshot::channel();
        self.asked.set(true);
        self.questions.send(question(reply)).await.map_err(|_| Stop::GivenUp)?;
        match answer.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Stop::Storage(error)),
            Err(_) if self.is_late() => Err(Stop::Limit(limits.hit(Limit::Seconds))),
            Err(_) => Err(Stop::GivenUp),
        }
    }

    fn is_late(&self) -> bool {
        self.late.load(Ordering::Acquire) || self.deadline.has_passed()
    }
}

/// What a call works on.
#[derive(Clone, Copy)]
pub(crate) struct Served<'a> {
    pub(crate) base: &'a dyn UnitView,
    pub(crate) ours: &'a dyn UnitView,
    pub(crate) theirs: &'a dyn UnitView,
    pub(crate) lists: Lists<'a>,
    pub(crate) writer: Option<&'a dyn UnitWriter>,
}

/// What differs between the snapshots, in order of path.
#[derive(Clone, Copy)]
pub(crate) enum Lists<'a> {
    Merge(&'a [EntryMerge]),
    Diff(&'a [EntryChange]),
}

impl<'a> Served<'a> {
    /// Answers questions until the plugin has ended, or `deadline` has come. That does not move while a question is
    /// answered.
    pub(crate) async fn serve(self, mut questions: Questions, deadline: &Deadline, behind: &'a Behind) {
        // What is still being written in the end is given up when this is dropped.
        let mut uploads = Uploads::new(self, behind);
        while let Some(question) = questions.receiver.recv().await {
            let late = Arc::clone(&questions.late);
            let overdue = async {
                tokio::time::sleep_until(deadline.at().into()).await;
                late.store(true, Ordering::Release);
            };
            let begun = Instant::now();
            tokio::select! {
                biased;
                () = self.answer(question, &mut uploads) => {}
                // The question is dropped with its reply, which ends the call.
                () = overdue => return,
            }
            questions.asked.set(false);
            deadline.waited(begun.elapsed().saturating_sub(uploads.take_hashing()));
        }
    }

    pub(crate) fn view(&self, side: Side) -> &'a dyn UnitView {
        match side {
            Side::Base => self.base,
            Side::Ours => self.ours,
            Side::Theirs => self.theirs,
        }
    }

    /// What fails here for good ends the call. A reply that nobody waits for is no error: the plugin's thread has ended
    /// meanwhile.
    async fn answer(&self, question: Question, uploads: &mut Uploads<'a>) {
        match question {
            Question::Stat { side, path, reply } => {
                let _ = reply.send(self.stat(side, &path).await);
            }
            Question::Walk { side, prefix, after, limit, reply } => {
                let _ = reply.send(self.walk(side, &prefix, after.as_deref(), limit).await);
            }
            Question::Read { object, ranges, reply } => {
                let _ = reply.send(self.read(&object, ranges).await);
            }
            Question::Changes { sides, page, reply } => {
                let _ = reply.send(Ok(self.changes(sides, &page)));
            }
            Question::Merges { page, reply } => {
                let _ = reply.send(Ok(self.merges(&page)));
            }
            Question::Append { number, piece, reply } => {
                let _ = reply.send(uploads.append(number, piece).await);
            }
            Question::Finish { number, rest, reply } => {
                let _ = reply.send(uploads.finish(number, rest).await);
            }
            Question::Write { objects, reply } => {
                let _ = reply.send(self.write(objects).await);
            }
            Question::Abandon { number, reply } => {
                uploads.abandon(number);
                let _ = reply.send(Ok(()));
            }
        }
    }

    /// What a path holds on a side.
    pub(crate) async fn stat(&self, side: Side, path: &str) -> Result<Option<Entry>, ViewError> {
        patiently(|| self.view(side).stat(path)).await
    }

    /// A page of what a side holds, as [`UnitView::walk`] gives it.
    pub(crate) async fn walk(
        &self,
        side: Side,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Entry)>, ViewError> {
        patiently(|| self.view(side).walk(prefix, after, limit)).await
    }

    /// A range of an object.
    pub(crate) async fn read_range(
        &self,
        object: &StoredObject,
        offset: u64,
        length: u64,
    ) -> Result<Bytes, ViewError> {
        let view = self.view(object.side);
        patiently(|| view.read(&object.path, &object.entry, offset, length)).await
    }

    async fn read(&self, object: &StoredObject, ranges: Vec<(u64, u64)>) -> Result<Vec<Bytes>, ViewError> {
        let read = |(offset, length)| self.read_range(object, offset, length);
        let reads: Vec<_> = ranges.into_iter().map(read).collect();
        futures::stream::iter(reads).buffered(AT_ONCE).try_collect().await
    }

    /// Writes small objects, several at a time. Where one fails, others may have been written, and nothing refers to them.
    pub(crate) async fn write(&self, objects: Vec<(u64, Bytes)>) -> Result<Vec<(u64, NewObject)>, ViewError> {
        let writer = self.writer()?;
        let write = |(number, body): (u64, Bytes)| async move {
            let written = patiently(|| writer.write(body.clone(), ObjectAttributes::default())).await?;
            Ok((number, written))
        };
        let writes: Vec<_> = objects.into_iter().map(write).collect();
        futures::stream::iter(writes).buffered(AT_ONCE).try_collect().await
    }

    /// Where new objects go.
    pub(crate) fn writer(&self) -> Result<&'a dyn UnitWriter, ViewError> {
        self.writer.ok_or_else(|| ViewError::Storage {
            path: String::new(),
            side: "the result".into(),
            message: "a diff writes nothing".into(),
            temporary: false,
        })
    }

    fn changes(&self, (before, after): (Side, Side), page: &Page) -> Vec<EntryChange> {
        match self.lists {
            Lists::Diff(changes) => {
                let picked = select(changes, |change| &change.path, page).filter_map(|change| {
                    let pick = |side| if side == Side::Base { &change.before } else { &change.after };
                    change_of(&change.path, pick(before), pick(after))
                });
                picked.take(page.limit).collect()
            }
            Lists::Merge(changes) => {
                let picked = select(changes, |change| &change.path, page).filter_map(|change| {
                    change_of(&change.path, side_of(change, before), side_of(change, after))
                });
                picked.take(page.limit).collect()
            }
        }
    }

    fn merges(&self, page: &Page) -> Vec<EntryMerge> {
        match self.lists {
            Lists::Diff(_) => Vec::new(),
            Lists::Merge(changes) => {
                select(changes, |change| &change.path, page).take(page.limit).cloned().collect()
            }
        }
    }
}

/// What a change has on one side.
pub(crate) fn side_of(change: &EntryMerge, side: Side) -> &Option<Entry> {
    match side {
        Side::Base => &change.base,
        Side::Ours => &change.ours,
        Side::Theirs => &change.theirs,
    }
}

fn change_of(path: &str, before: &Option<Entry>, after: &Option<Entry>) -> Option<EntryChange> {
    let change = EntryChange { path: path.to_owned(), before: before.clone(), after: after.clone() };
    (before != after).then_some(change)
}

/// The part of a list in order of path that begins with a page's prefix, after the page before.
fn select<'l, T>(
    list: &'l [T],
    path: impl Fn(&T) -> &String + 'l,
    page: &'l Page,
) -> impl Iterator<Item = &'l T> + 'l {
    let start = list.partition_point(|item| {
        let path = path(item);
        path.as_str() < page.prefix.as_str() || page.after.as_ref().is_some_and(|after| path <= after)
    });
    let rest = list.get(start..).unwrap_or_default().iter();
    rest.take_while(move |item| path(item).starts_with(&page.prefix))
}
