//! What a call about one small object reads in any case, fetched before it begins: every question of a plugin crosses from its thread
//! to the merge and back, which costs more than the answer.

use std::time::Duration;

use anabranch_types::Entry;
use bytes::Bytes;

use crate::bridge::{Lists, Served, Side};

/// Up to which size an object is fetched.
const BYTES_MAX: u64 = 64 * 1024;
/// How long that may take. A storage that is slow is asked by the call itself, in whose time that is.
const PATIENCE: Duration = Duration::from_secs(1);

/// The object of a unit on its sides; nothing where the unit is a folder.
#[derive(Debug, Default)]
pub(crate) struct AtHand(Vec<Known>);

#[derive(Debug)]
struct Known {
    side: Side,
    entry: Option<Entry>,
    body: Option<Bytes>,
}

impl AtHand {
    /// Fetches what is small.
    pub(crate) async fn of(served: Served<'_>) -> Self {
        let sides = match served.lists {
            Lists::Merge(changes) => changes.iter().find(|change| change.path.is_empty()).map(|change| {
                vec![
                    (Side::Base, change.base.clone()),
                    (Side::Ours, change.ours.clone()),
                    (Side::Theirs, change.theirs.clone()),
                ]
            }),
            Lists::Diff(changes) => changes.iter().find(|change| change.path.is_empty()).map(|change| {
                vec![(Side::Base, change.before.clone()), (Side::Theirs, change.after.clone())]
            }),
        };
        let fetch = sides.unwrap_or_default().into_iter().map(|(side, entry)| async move {
            let body = match &entry {
                Some(entry) if entry.size <= BYTES_MAX => body(served, side, entry).await,
                _ => None,
            };
            Known { side, entry, body }
        });
        AtHand(futures::future::join_all(fetch).await)
    }

    /// What a side has at the path of the unit itself; nothing where that is not known.
    pub(crate) fn entry(&self, side: Side) -> Option<&Option<Entry>> {
        self.0.iter().find(|known| known.side == side).map(|known| &known.entry)
    }

    /// The bytes of `entry`, if they were fetched for this side.
    pub(crate) fn body(&self, side: Side, entry: &Entry) -> Option<&Bytes> {
        let known = self.0.iter().find(|known| known.side == side)?;
        let same = known.entry.as_ref().is_some_and(|own| own.address == entry.address);
        known.body.as_ref().filter(|_| same)
    }
}

/// The whole object. Where that fails the call asks again, and is told why.
async fn body(served: Served<'_>, side: Side, entry: &Entry) -> Option<Bytes> {
    let read = served.view(side).read("", entry, 0, entry.size);
    let bytes = tokio::time::timeout(PATIENCE, read).await.ok()?.ok()?;
    (bytes.len() as u64 == entry.size).then_some(bytes)
}
