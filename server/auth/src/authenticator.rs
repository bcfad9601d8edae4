//! What front doors ask: who is calling, proved by basic credentials, a signature or a token.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anabranch_types::Clock;

use crate::attempts::Attempts;
use crate::basic::{self, BasicError};
use crate::server_key::TokenKey;
use crate::sigv4::{Claim, Policy, SigV4Error, Signed, Verified};
use crate::token::{self, Token, TokenError};
use crate::{Directory, Keys, Peer, Principal, ServerKey};

/// How many attempts wait at once; more are refused, so that waiting takes a bounded number of connections.
const WAITING_MAX: usize = 256;

/// Too many attempts of somebody who failed before wait already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("too many failed attempts: wait a minute and try again")]
pub struct TooManyAttempts;

/// Checks credentials of every kind against one set of keys, and slows guessing down.
pub struct Authenticator {
    keys: Arc<dyn Keys>,
    token_key: TokenKey,
    clock: Arc<dyn Clock>,
    attempts: Attempts,
    waiting: AtomicUsize,
}

impl Authenticator {
    /// Looks keys up in a directory.
    pub fn new(directory: Arc<Directory>, clock: Arc<dyn Clock>) -> Self {
        let token_key = directory.token_key();
        Authenticator::over(directory, token_key, clock)
    }

    /// Looks keys up in `keys`; tokens are signed by `server_key`.
    pub fn with_keys(keys: Arc<dyn Keys>, server_key: &ServerKey, clock: Arc<dyn Clock>) -> Self {
        Authenticator::over(keys, server_key.token_key(), clock)
    }

    fn over(keys: Arc<dyn Keys>, token_key: TokenKey, clock: Arc<dyn Clock>) -> Self {
        Authenticator { keys, token_key, clock, attempts: Attempts::default(), waiting: AtomicUsize::new(0) }
    }

    /// The time that signatures and tokens are judged by, in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Finds out who is calling from the value of a basic `Authorization` header.
    pub async fn basic(&self, header: &str, peer: Option<Peer>) -> Result<Principal, BasicError> {
        let claimed = basic::parse(header)?;
        self.secret(&claimed.access_key_id, claimed.secret.expose(), peer).await
    }

    /// Finds out who has this access key id and secret.
    pub async fn secret(
        &self,
        access_key_id: &str,
        secret: &str,
        peer: Option<Peer>,
    ) -> Result<Principal, BasicError> {
        self.wait(access_key_id, peer).await.map_err(BasicError::TooMany)?;
        let checked = basic::check(self.keys.as_ref(), access_key_id, secret).await;
        match &checked {
            Ok(_) => self.attempts.succeeded(access_key_id, peer, self.now_ms()),
            Err(BasicError::Refused) => self.attempts.failed(access_key_id, peer, self.now_ms()),
            Err(_) => {}
        }
        checked
    }

    /// Logs somebody in: a token for who has this access key id and secret.
    pub async fn login(
        &self,
        access_key_id: &str,
        secret: &str,
        peer: Option<Peer>,
    ) -> Result<Token, BasicError> {
        let who = self.secret(access_key_id, secret, peer).await?;
        Ok(token::make(&self.token_key, &who, access_key_id, self.now_ms()))
    }

    /// Finds out whose token this is.
    pub async fn token(&self, token: &str) -> Result<Principal, TokenError> {
        // No wait: 256 bits of a signature are not guessed.
        token::check(&self.token_key, self.keys.as_ref(), token, self.now_ms()).await
    }

    /// Finds out who signed a request, and what the signature says about its body.
    pub async fn signature(
        &self,
        policy: &Policy,
        request: Signed<'_>,
        peer: Option<Peer>,
    ) -> Result<(Principal, Verified), SigV4Error> {
        let claim = Claim::read(request)?;
        claim.check_scope_and_time(policy, self.now_ms())?;
        let id = claim.access_key_id();
        self.wait(id, peer).await.map_err(SigV4Error::TooMany)?;
        let found = self.keys.find(id).await.map_err(|source| SigV4Error::Keys { source })?;
        let Some(identity) = found else {
            self.attempts.failed(id, peer, self.now_ms());
            return Err(SigV4Error::UnknownKey { access_key_id: id.to_owned() });
        };
        let verified = claim.verify(request, &identity.key.secret, policy, self.now_ms());
        match &verified {
            Ok(_) => self.attempts.succeeded(id, peer, self.now_ms()),
            Err(SigV4Error::Mismatch) => self.attempts.failed(id, peer, self.now_ms()),
            Err(_) => {}
        }
        Ok((identity.principal, verified?))
    }

    /// Waits as long as failed attempts before this one demand. Both good and bad attempts wait, or the time would tell.
    async fn wait(&self, access_key_id: &str, peer: Option<Peer>) -> Result<(), TooManyAttempts> {
        let wait_ms = self.attempts.wait_ms(access_key_id, peer, self.now_ms());
        if wait_ms == 0 {
            return Ok(());
        }
        let _place = Waiting::enter(&self.waiting)?;
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        Ok(())
    }
}

/// One who waits. Leaves also when the client goes away.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Result<Self, TooManyAttempts> {
        let waiting = Waiting(count);
        if count.fetch_add(1, Ordering::SeqCst) >= WAITING_MAX {
            return Err(TooManyAttempts);
        }
        Ok(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticator")
    }
}
