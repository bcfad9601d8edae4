//! A proxy in front of a storage server that loses requests and replies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a proxy does to the next PUT requests, or completions, that pass.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loses {
    /// The server acts, the reply is dropped.
    Reply,
    /// The request is dropped.
    Request,
    /// As `Reply`, for the request that completes an upload.
    CompletionReply,
    /// The request is dropped and answered 409, as S3 does while another write of the key is under way.
    Race,
}

const CONFLICT: &[u8] = b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Forwards connections to `server`, and breaks the first `count` requests that are meant.
pub(crate) async fn lossy_proxy(server: String, loses: Loses, count: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let left = Arc::new(AtomicUsize::new(count));
    let shared = Arc::clone(&left);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (server, left) = (server.clone(), Arc::clone(&shared));
            // A broken connection ends its task; that is what the test wants.
            tokio::spawn(async move { forward(client, &server, loses, &left).await.ok() });
        }
    });
    (address, left)
}

async fn forward(
    mut client: TcpStream,
    server: &str,
    loses: Loses,
    left: &AtomicUsize,
) -> std::io::Result<()> {
    let mut upstream = TcpStream::connect(server).await?;
    let (mut from_client, mut from_server) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut condemned = false;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let bytes = &from_client[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                let hit = match loses {
                    Loses::CompletionReply => bytes.starts_with(b"POST ") && contains(bytes, b"?uploadId="),
                    Loses::Reply | Loses::Request | Loses::Race => bytes.starts_with(b"PUT "),
                };
                if hit && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                    match loses {
                        Loses::Reply | Loses::CompletionReply => condemned = true,
                        Loses::Request => return Ok(()),
                        Loses::Race => return client.write_all(CONFLICT).await,
                    }
                }
                upstream.write_all(bytes).await?;
            }
            read = upstream.read(&mut from_server) => {
                let bytes = &from_server[..read?];
                // The server answers after it acted.
                if condemned || bytes.is_empty() {
                    return Ok(());
                }
                client.write_all(bytes).await?;
            }
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
