//! Accepts connections, speaks HTTP on each, and lets them end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anabranch_auth::Peer;
use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::metrics::Connections;
use super::stalling::Stalling;
use super::stop::Stop;
use super::tls::Tls;
use crate::config::Limits;

/// How much is read of a connection at a time. Headers above their limit still fit, and get a clear answer.
const READ_BYTES: usize = 512 << 10;
/// The pause after an error of `accept`: usually no more files can be opened, and some must be closed first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How many clients at a time are told that there is no room for them.
const REFUSALS: usize = 64;
/// How long after the end of all requests their connections may take to send what is left.
const LAST_WORDS: Duration = Duration::from_secs(2);

const NO_ROOM: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n\
    Connection: close\r\nContent-Length: 75\r\n\r\n\
    {\"message\":\"the server has all the connections that it takes: try again\"}\r\n";

/// One listening socket and what it serves.
pub(super) struct Listening {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) router: Router,
    pub(super) limits: Limits,
    pub(super) connections: Connections,
    pub(super) stop: Stop,
}

impl Listening {
    /// Serves until the server drains, then closes the socket and waits for the connections that are open.
    pub(super) async fn run(self) {
        let Listening { listener, tls, router, limits, connections, stop } = self;
        let slots = Arc::new(Semaphore::new(limits.connections));
        let refusals = Arc::new(Semaphore::new(REFUSALS));
        let open = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.draining.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                connections.refused.inc();
                if let (None, Ok(turn)) = (&tls, Arc::clone(&refusals).try_acquire_owned()) {
                    tokio::spawn(async move {
                        refuse(stream).await;
                        drop(turn);
                    });
                }
                continue;
            };
            let counted = connections.opened();
            let (tls, router, stop) = (tls.clone(), router.clone(), stop.clone());
            open.spawn(async move {
                serve(stream, peer, tls, router, limits, &stop).await;
                drop((slot, counted));
            });
        }
        drop(listener);
        open.close();
        let last = async {
            stop.ended.cancelled().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            () = open.wait() => {}
            () = last => tracing::warn!(connections = open.len(), "connections that do not end are closed"),
        }
    }
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<Tls>>,
    router: Router,
    limits: Limits,
    stop: &Stop,
) {
    // Answers are small and many: none waits for the acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY cannot be set");
    }
    let stream = Stalling::new(stream, limits.body_idle);
    let Some(tls) = tls else {
        return speak(stream, peer, router, limits, stop).await;
    };
    let handshake = tokio::time::timeout(limits.header_time, tls.acceptor().accept(stream));
    let shaken = tokio::select! {
        biased;
        () = stop.draining.cancelled() => return,
        shaken = handshake => shaken,
    };
    match shaken {
        Ok(Ok(stream)) => speak(stream, peer, router, limits, stop).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
}

/// Speaks HTTP on one connection until either side ends it.
async fn speak<T>(stream: T, peer: SocketAddr, router: Router, limits: Limits, stop: &Stop)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        // Who guesses keys from there is slowed down.
        request.extensions_mut().insert(Peer(peer.ip()));
        let router = router.clone();
        async move {
            let answered: Result<_, Infallible> = router.oneshot(request.map(axum::body::Body::new)).await;
            answered
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(READ_BYTES.max(limits.header_bytes.saturating_mul(2)));
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.draining.cancelled() => {
            // Takes no further request, and closes when the one under way is answered.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection broke off");
    }
}

/// Tells a client that there is no room, and reads what it has sent: a socket that is closed with bytes unread
/// resets the connection, and the client would not see the answer.
async fn refuse(mut stream: TcpStream) {
    let told = async {
        stream.write_all(NO_ROOM).await?;
        stream.shutdown().await?;
        let mut sink = [0; 1024];
        while stream.read(&mut sink).await? > 0 {}
        std::io::Result::Ok(())
    };
    if let Ok(Err(error)) = tokio::time::timeout(Duration::from_secs(1), told).await {
        tracing::trace!(%error, "a client was not told that there is no room");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_when_there_is_no_room_has_the_length_that_it_says() {
        let text = std::str::from_utf8(NO_ROOM).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }
}
