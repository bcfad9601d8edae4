//! What one call of a plugin holds on the host's side: its handles, what it has spent, what it said, what it made.

use std::collections::VecDeque;

use anabranch_merge::{Conflict, UnitKind};
use async_trait::async_trait;
use wasmtime::ResourceLimiterAsync;
use wasmtime::component::{Resource, ResourceTable};

use crate::at_hand::AtHand;
use crate::bindings::diffs::Change;
use crate::bridge::{Asker, Question};
use crate::call::STRETCH_BYTES;
use crate::decisions::Decisions;
use crate::differ::{PAGE_CHANGES, WINDOW_BYTES, WINDOW_CHANGES};
use crate::gathered::Gathered;
use crate::limits::{Limit, Limits};
use crate::meter::Usage;
use crate::result::Op;
use crate::stop::{HostError, Stop};
use crate::wasi::Chance;

/// How much the host keeps for one step of a result or of a new object beside its texts, about.
pub(crate) const KEPT_BYTES: u64 = 512;

/// The state of one call.
pub(crate) struct CallState {
    pub(crate) limits: Limits,
    pub(crate) spent: Spent,
    pub(crate) words: LastWords,
    pub(crate) table: ResourceTable,
    /// How the snapshots are reached; none while a plugin describes itself.
    pub(crate) asker: Option<Asker>,
    pub(crate) at_hand: AtHand,
    pub(crate) unit: Unit,
    pub(crate) made: Made,
    /// What interpreters take for a clock and for randomness.
    pub(crate) chance: Chance,
    /// Decisions of earlier runs.
    pub(crate) decisions: Decisions,
    /// Whether its memory is so large that it is no short call.
    is_large: bool,
}

/// Which unit the call is about.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    pub(crate) root: String,
    pub(crate) kind: UnitKind,
}

/// What the plugin made of the call.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// What it did to the result of a merge, in order.
    pub(crate) ops: Vec<Op>,
    pub(crate) conflicts: Vec<Conflict>,
    /// How many objects it began, and the bytes of those that the storage has.
    pub(crate) objects: u64,
    pub(crate) object_bytes: u64,
    /// Those of them that are small.
    pub(crate) gathered: Gathered,
    pub(crate) shown: Shown,
}

/// The changes of a diff that are kept to be shown.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// How many changes are still to be left out before the first one that is kept.
    pub(crate) before: u64,
    pub(crate) changes: Vec<Change>,
    bytes: u64,
    /// Whether there are more after these.
    pub(crate) more: bool,
}

impl Shown {
    /// Whether a change is kept: those before the part that is shown are not, and none after it, which is noted.
    fn takes(&mut self) -> bool {
        if let Some(left) = self.before.checked_sub(1) {
            self.before = left;
            return false;
        }
        let many = self.changes.len() >= WINDOW_CHANGES;
        let large = self.changes.len() >= PAGE_CHANGES && self.bytes >= WINDOW_BYTES;
        self.more |= many || large;
        !self.more
    }
}

/// What the call used so far, in the units of the limits.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    /// Known when the call has ended.
    pub(crate) fuel: u64,
    pub(crate) memory_bytes: u64,
    table_elements: u64,
    handles: u64,
    read_bytes: u64,
    open_objects: u64,
    pub(crate) written_bytes: u64,
    edits: u64,
    changes: u64,
    conflicts: u64,
    kept_bytes: u64,
    log_lines: u64,
    log_bytes: u64,
}

impl Spent {
    /// What is counted of a call.
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            fuel: self.fuel,
            memory_bytes: self.memory_bytes,
            read_bytes: self.read_bytes,
            written_bytes: self.written_bytes,
        }
    }
}

impl CallState {
    pub(crate) fn new(limits: Limits, asker: Option<Asker>, unit: Unit) -> Self {
        CallState {
            limits,
            spent: Spent::default(),
            words: LastWords::default(),
            table: ResourceTable::new(),
            asker,
            at_hand: AtHand::default(),
            unit,
            made: Made::default(),
            chance: Chance::default(),
            decisions: Decisions::default(),
            is_large: false,
        }
    }

    /// Uses `amount` of what `limit` limits, or ends the call.
    pub(crate) fn spend(&mut self, limit: Limit, amount: u64) -> Result<(), Stop> {
        let spent = &mut self.spent;
        let counter = match limit {
            Limit::Handles => &mut spent.handles,
            Limit::ReadBytes => &mut spent.read_bytes,
            Limit::OpenObjects => &mut spent.open_objects,
            Limit::WrittenBytes => &mut spent.written_bytes,
            Limit::Edits => &mut spent.edits,
            Limit::Changes => &mut spent.changes,
            Limit::Conflicts => &mut spent.conflicts,
            Limit::KeptBytes => &mut spent.kept_bytes,
            Limit::LogLines => &mut spent.log_lines,
            Limit::LogBytes => &mut spent.log_bytes,
            // The runtime counts these itself, and reports them where it does.
            Limit::Seconds
            | Limit::Fuel
            | Limit::MemoryBytes
            | Limit::TableElements
            | Limit::StackBytes
            | Limit::HostcallBytes => return Ok(()),
        };
        *counter = counter.saturating_add(amount);
        if *counter > self.limits.value(limit) {
            return Err(Stop::Limit(self.limits.hit(limit)));
        }
        Ok(())
    }

    /// Takes changes of a diff over, as far as they are shown.
    pub(crate) fn show(&mut self, changes: Vec<Change>) -> Result<(), Stop> {
        for change in changes {
            if self.made.shown.takes() {
                let bytes = crate::convert::change_bytes(&change);
                self.spend(Limit::KeptBytes, bytes)?;
                self.made.shown.bytes = self.made.shown.bytes.saturating_add(bytes);
                self.made.shown.changes.push(change);
            }
        }
        Ok(())
    }

    /// An object is not being written any more.
    pub(crate) fn release_object(&mut self) {
        self.spent.open_objects = self.spent.open_objects.saturating_sub(1);
    }

    /// Gives the plugin a new handle.
    pub(crate) fn push<T: Send + 'static>(&mut self, value: T) -> Result<Resource<T>, Stop> {
        self.spend(Limit::Handles, 1)?;
        Ok(self.table.push(value)?)
    }

    /// Takes a handle back. What lies behind it is gone.
    pub(crate) fn delete<T: Send + 'static>(&mut self, handle: Resource<T>) -> wasmtime::Result<T> {
        self.spent.handles = self.spent.handles.saturating_sub(1);
        Ok(self.table.delete(handle).map_err(Stop::from)?)
    }

    /// Asks the merge that this call is part of.
    pub(crate) async fn ask<T>(
        &mut self,
        question: impl FnOnce(tokio::sync::oneshot::Sender<Result<T, anabranch_merge::ViewError>>) -> Question,
    ) -> Result<T, Stop> {
        match &self.asker {
            Some(asker) => asker.ask(&self.limits, question).await,
            None => Err(Stop::Broken("it asked for data while it described itself".into())),
        }
    }

    /// Whether a path may name an object of the unit; otherwise which rule it breaks.
    pub(crate) fn check_path(&self, path: &str) -> Result<(), String> {
        crate::paths::check(&self.unit.root, self.unit.kind, path)
    }

    /// A path that the plugin writes to: a wrong one ends the call, because what it meant is not known.
    pub(crate) fn output_path(&mut self, path: &str) -> Result<(), HostError> {
        self.spend(Limit::Edits, 1)?;
        self.spend(Limit::KeptBytes, KEPT_BYTES.saturating_add(path.len() as u64))?;
        self.check_path(path).map_err(|rule| Stop::Broken(format!("it wrote to {rule}")).into())
    }
}

#[async_trait]
impl ResourceLimiterAsync for CallState {
    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = desired.saturating_sub(current) as u64;
        self.spent.memory_bytes = self.spent.memory_bytes.saturating_add(grown);
        // Ends the call instead of answering that there is no memory: what a plugin makes of that says nothing.
        if self.spent.memory_bytes > self.limits.memory_bytes {
            return Err(Stop::Limit(self.limits.hit(Limit::MemoryBytes)).into());
        }
        if self.spent.memory_bytes > STRETCH_BYTES && !std::mem::replace(&mut self.is_large, true) {
            tokio::task::yield_now().await;
        }
        Ok(true)
    }

    async fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = desired.saturating_sub(current) as u64;
        self.spent.table_elements = self.spent.table_elements.saturating_add(grown);
        if self.spent.table_elements > self.limits.table_elements {
            return Err(Stop::Limit(self.limits.hit(Limit::TableElements)).into());
        }
        Ok(true)
    }
}

/// The end of what a plugin said, for the report of its failure.
#[derive(Debug, Default)]
pub(crate) struct LastWords {
    lines: VecDeque<String>,
    bytes: usize,
    /// The stream that has not ended its line yet, and what it wrote of it.
    open: Option<(&'static str, String)>,
}

impl LastWords {
    /// How much is kept.
    const BYTES_MAX: usize = 8 * 1024;

    /// Adds a message, and forgets the oldest ones beyond what is kept.
    pub(crate) fn say(&mut self, level: &str, message: &str) {
        let line = format!("{level}: {}", cut(message.trim_end(), Self::BYTES_MAX / 2));
        self.bytes = self.bytes.saturating_add(line.len());
        self.lines.push_back(line);
        while self.bytes > Self::BYTES_MAX {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.len());
        }
    }

    /// Adds what was written to a stream: a message is a line, however many pieces it came in.
    pub(crate) fn stream(&mut self, name: &'static str, text: &str) {
        let mut open = match self.open.take() {
            Some((of, open)) if of == name => open,
            Some((other, open)) => {
                self.say(other, &open);
                String::new()
            }
            None => String::new(),
        };
        for piece in text.split_inclusive('\n') {
            open.push_str(piece);
            if piece.ends_with('\n') || open.len() > Self::BYTES_MAX / 2 {
                if !open.trim().is_empty() {
                    self.say(name, &open);
                }
                open.clear();
            }
        }
        self.open = (!open.is_empty()).then_some((name, open));
    }

    /// The last that was said, as much as a report shows: oldest first.
    pub(crate) fn last(&self) -> Vec<String> {
        const SHOWN: usize = 2 * 1024;
        let open = self.open.as_ref().map(|(name, text)| format!("{name}: {}", cut(text.trim_end(), SHOWN)));
        let mut left = SHOWN;
        let mut last = Vec::new();
        for line in open.into_iter().chain(self.lines.iter().rev().cloned()) {
            let line = cut(&line, SHOWN).to_owned();
            let Some(rest) = left.checked_sub(line.len()) else { break };
            left = rest;
            last.push(line);
        }
        last.reverse();
        last
    }
}

/// At most `bytes` bytes of a text, cut between characters.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_whole_lines_and_few() {
        let mut words = LastWords::default();
        for piece in ["Value", "Error: ", "no\n", "\n", "more"] {
            words.stream("stderr", piece);
        }
        words.say("info", "said");
        assert_eq!(words.last(), ["stderr: ValueError: no", "info: said", "stderr: more"]);
        for count in 0..10_000 {
            words.say("debug", &format!("line {count}"));
        }
        let last = words.last();
        assert!(
            last.join("").len() <= 2 * 1024 && last.iter().any(|line| line == "debug: line 9999"),
            "{last:?}"
        );
        words.say("warn", &"x".repeat(100_000));
        words.stream("stderr", &"y".repeat(100_000));
        assert!(words.bytes <= LastWords::BYTES_MAX);
    }
}
