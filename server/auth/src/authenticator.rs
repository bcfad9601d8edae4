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
    session_s: i64,
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
        Authenticator {
            keys,
            token_key,
            session_s: token::LIFETIME_S,
            clock,
            attempts: Attempts::default(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// The same, with logins that last this long; 12 hours otherwise.
    pub fn with_session_lifetime(mut self, lifetime: Duration) -> Self {
        self.session_s = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        self
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
        Ok(token::make(&self.token_key, &who, access_key_id, self.session_s, self.now_ms()))
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

#[cfg(test)]
mod tests {
    use anabranch_types::test_support::ManualClock;
    use http::{HeaderMap, Method, Uri};
    use std::net::IpAddr;

    use super::*;
    use crate::sigv4::sign::Signer;
    use crate::{KeyPair, Secret, StaticKeys};

    const NOW_MS: i64 = 1_795_369_318_000;

    fn peer(last: u8) -> Option<Peer> {
        Some(Peer(IpAddr::from([192, 0, 2, last])))
    }

    fn authenticator() -> Authenticator {
        let keys = StaticKeys::admin(KeyPair::new("AKID", "secret"));
        let server_key = ServerKey::parse(&"5e".repeat(32)).unwrap();
        Authenticator::with_keys(Arc::new(keys), &server_key, Arc::new(ManualClock::at(NOW_MS)))
    }

    async fn sign(authenticator: &Authenticator, secret: &str, peer: Option<Peer>) -> Result<(), SigV4Error> {
        let key = KeyPair { access_key_id: "AKID".into(), secret: Secret::new(secret) };
        let signer = Signer { key, region: "us-east-1".into() };
        let (method, uri) = (Method::GET, Uri::from_static("/sales"));
        let mut headers = HeaderMap::from_iter([(http::header::HOST, "localhost".parse().unwrap())]);
        signer.sign_header(&method, &uri, &mut headers, "UNSIGNED-PAYLOAD", NOW_MS).unwrap();
        let signed = Signed { method: &method, uri: &uri, headers: &headers };
        authenticator.signature(&Policy::default(), signed, peer).await.map(|_| ())
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_signatures_and_wrong_secrets_are_one_count() {
        let authenticator = authenticator();
        for _ in 0..3 {
            assert!(matches!(sign(&authenticator, "guess", peer(1)).await, Err(SigV4Error::Mismatch)));
            let refused = authenticator.secret("AKID", "guess", peer(1)).await;
            assert!(matches!(refused, Err(BasicError::Refused)));
        }
        let before = tokio::time::Instant::now();
        assert!(sign(&authenticator, "secret", peer(1)).await.is_ok());
        let waited = before.elapsed().as_millis();
        assert!((100..=110).contains(&waited), "{waited} ms");
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_wait_and_no_more_and_others_do_not_notice() {
        let authenticator = authenticator();
        for _ in 0..20 {
            let _ = authenticator.secret("AKID", "guess", peer(1)).await;
        }
        let attempts = (0..WAITING_MAX + 3).map(|_| authenticator.secret("AKID", "guess", peer(1)));
        let mut attempts: Vec<_> = attempts.map(Box::pin).collect();
        let mut waiting = 0;
        for attempt in &mut attempts {
            match futures::poll!(attempt) {
                std::task::Poll::Pending => waiting += 1,
                std::task::Poll::Ready(answer) => assert!(matches!(answer, Err(BasicError::TooMany(_)))),
            }
        }
        assert_eq!(waiting, WAITING_MAX);
        assert!(
            authenticator
                .secret("OTHER", "x", peer(2))
                .await
                .is_err_and(|error| matches!(error, BasicError::Refused))
        );
        // Who goes away makes room.
        drop(attempts);
        assert_eq!(authenticator.waiting.load(Ordering::SeqCst), 0);
        assert!(authenticator.secret("AKID", "secret", peer(1)).await.is_ok());
    }

    #[tokio::test]
    async fn a_login_is_the_user_of_its_key() {
        let authenticator = authenticator();
        let token = authenticator.login("AKID", "secret", None).await.unwrap();
        assert_eq!(authenticator.token(token.text.expose()).await.unwrap().name(), "admin");
        assert!(authenticator.login("AKID", "guess", None).await.is_err());
    }
}
