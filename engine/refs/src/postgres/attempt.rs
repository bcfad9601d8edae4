//! What an error of Postgres means for the write that met it, and how often it is tried again.

use crate::RefsError;

use super::PostgresStore;

/// How often something is tried before the caller hears of it.
pub(super) const ATTEMPTS: usize = 6;

/// Why an attempt to write came to nothing.
#[derive(Debug)]
pub(super) enum Setback {
    /// Nothing was written.
    Surely(sqlx::Error),
    /// The reply is lost: the write may have landed.
    Perhaps(sqlx::Error),
    /// Not worth another attempt.
    Final(RefsError),
}

/// What an error says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Meaning {
    /// The connection broke, or the server is going down.
    Lost,
    /// The transaction lost to another one and was rolled back.
    Again,
    /// No connection was to be had for as long as a call may wait. Asking again would take as long.
    Away,
    /// The disk is full.
    Full,
    /// Anything else: rolled back, and the next attempt would meet it again.
    Other,
}

fn meaning(error: &sqlx::Error) -> Meaning {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => Meaning::Lost,
        sqlx::Error::Database(error) => match error.code().as_deref() {
            // Serialization failure, deadlock, and a write-id that another connection has just used.
            Some("40001" | "40P01" | "23505") => Meaning::Again,
            Some("53100") => Meaning::Full,
            // Shutdown, crash of another process, starting up, too many connections.
            Some("57P01" | "57P02" | "57P03" | "53300") => Meaning::Lost,
            Some(code) if code.starts_with("08") => Meaning::Lost,
            _ => Meaning::Other,
        },
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Meaning::Away,
        _ => Meaning::Other,
    }
}

/// Sorts an error that came before the commit was sent.
pub(super) fn before_commit(error: sqlx::Error) -> Setback {
    Setback::Surely(error)
}

/// Sorts an error of the commit itself, or of a statement that commits itself.
pub(super) fn at_commit(error: sqlx::Error) -> Setback {
    match meaning(&error) {
        Meaning::Lost => Setback::Perhaps(error),
        _ => Setback::Surely(error),
    }
}

/// Counts the attempts of one write, and remembers whether one of them may have landed.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    made: usize,
    perhaps: bool,
}

impl Attempts {
    /// Notes a setback. An error ends the attempts.
    pub(super) fn note(
        &mut self,
        store: &PostgresStore,
        action: &'static str,
        setback: Setback,
    ) -> Result<(), RefsError> {
        self.made += 1;
        let error = match setback {
            Setback::Final(error) => return Err(error),
            Setback::Surely(error) => error,
            Setback::Perhaps(error) => {
                self.perhaps = true;
                error
            }
        };
        let meaning = meaning(&error);
        if self.made < ATTEMPTS && matches!(meaning, Meaning::Lost | Meaning::Again) {
            return Ok(());
        }
        let name = store.name.to_string();
        Err(match meaning {
            _ if self.perhaps => RefsError::Unknown { store: name, source: error.into() },
            Meaning::Full => RefsError::Full { store: name },
            Meaning::Lost | Meaning::Away => {
                RefsError::Unavailable { action, store: name, source: error.into() }
            }
            _ => RefsError::Failed { action, store: name, source: error.into() },
        })
    }
}

impl PostgresStore {
    /// Does what can be repeated without harm, until it is answered or not worth another attempt.
    pub(super) async fn repeated<T, F: Future<Output = Result<T, sqlx::Error>>>(
        &self,
        action: &'static str,
        attempt: impl Fn() -> F,
    ) -> Result<T, RefsError> {
        let mut attempts = Attempts::default();
        loop {
            match attempt().await {
                Ok(answer) => return Ok(answer),
                Err(error) => attempts.note(self, action, Setback::Surely(error))?,
            }
        }
    }
}
