//! A TCP proxy before Postgres that loses replies: the statement arrived, its answer does not.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A proxy on a port of its own.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    /// The replies to lose: each cuts its connection once it is seen.
    lose: Mutex<Vec<&'static [u8]>>,
    /// Once true, all connections are cut and new ones are closed at once.
    gone: watch::Sender<bool>,
    /// Whether the next lost reply also takes the server away.
    gone_with_reply: bool,
}

impl Proxy {
    /// A proxy before `server`. With `gone_with_reply` the server cannot be reached after the first lost reply.
    pub(crate) async fn before(server: String, gone_with_reply: bool) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state =
            Arc::new(State { lose: Mutex::default(), gone: watch::Sender::new(false), gone_with_reply });
        let accepting = state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !*accepting.gone.borrow() {
                    let server = TcpStream::connect(&server).await.unwrap();
                    tokio::spawn(serve(client, server, accepting.clone()));
                }
            }
        });
        Proxy { address, state }
    }

    /// Loses the next reply whose message ends in `tag`.
    pub(crate) fn lose(&self, tag: &'static [u8]) {
        self.state.lose.lock().unwrap().push(tag);
    }

    /// Whether all replies that were to be lost are lost.
    pub(crate) fn lost(&self) -> bool {
        self.state.lose.lock().unwrap().is_empty()
    }
}

async fn serve(client: TcpStream, server: TcpStream, state: Arc<State>) {
    let mut gone = state.gone.subscribe();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = tokio::io::copy(&mut from_client, &mut to_server);
    let replies = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
            let lost = {
                let mut lose = state.lose.lock().unwrap();
                let seen = |tag: &&[u8]| buffer[..read].windows(tag.len()).any(|window| window == *tag);
                lose.iter().position(seen).map(|at| lose.remove(at))
            };
            if lost.is_some() {
                if state.gone_with_reply {
                    state.gone.send_replace(true);
                }
                return;
            }
            if to_client.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    // Whatever ends first cuts both directions.
    tokio::select! {
        _ = requests => {}
        () = replies => {}
        _ = gone.wait_for(|gone| *gone) => {}
    }
}
