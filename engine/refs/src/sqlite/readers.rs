//! Connections that read.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::Opener;

/// How many connections are kept while nobody reads.
const IDLE_MAX: usize = 8;

/// Lends connections. There are as many as there are threads that read at the same time.
pub(super) struct Readers {
    opener: Opener,
    /// None after the store was closed.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(opener: Opener) -> Self {
        Readers { opener, idle: Mutex::new(Some(Vec::new())) }
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Connection>>> {
        // The list is whole between any two statements, so a panic elsewhere does not spoil it.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads through a connection; none when the store was closed. After an error the connection is not used again.
    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Option<rusqlite::Result<T>> {
        let waiting = self.idle().as_mut()?.pop();
        let connection = waiting.map_or_else(|| self.opener.reader(), Ok);
        Some(connection.and_then(|mut connection| {
            let answer = read(&mut connection)?;
            if let Some(idle) = self.idle().as_mut().filter(|idle| idle.len() < IDLE_MAX) {
                idle.push(connection);
            }
            Ok(answer)
        }))
    }

    pub(super) fn close(&self) {
        let closed = self.idle().take();
        drop(closed);
    }
}
