//! One connection of HTTP/1.1 that costs the generator as little as it can: generator and server share the machine.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// No request of a bench takes this long unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// A connection that is kept open, and opened anew when the server closed it.
pub(crate) struct Connection {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// An answer whose body was read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Connection {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Connection { address, sender: None }
    }

    /// Sends a request to an encoded path and query.
    pub(crate) async fn send(
        &mut self,
        method: &Method,
        target: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        let request = request(method, target, headers, body)?;
        let named = format!("{method} {target}");
        self.patiently(&named, async |connection: &mut Self| connection.exchange(request).await).await
    }

    /// The same for an answer that is looked at piece by piece and not kept: memory that a generator touches for the first
    /// time costs as much as the server's work. What the server says against the request is kept.
    pub(crate) async fn send_and_watch(
        &mut self,
        (method, target): (&Method, &str),
        headers: HeaderMap,
        mut watch: impl FnMut(&[u8]),
    ) -> anyhow::Result<Answer> {
        let request = request(method, target, headers, Bytes::new())?;
        let named = format!("{method} {target}");
        self.patiently(&named, async |connection: &mut Self| {
            let (sender, response) = connection.begin(request).await?;
            let (head, mut body) = response.into_parts();
            let mut said = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.context("the answer broke off")?;
                match frame.data_ref() {
                    Some(data) if head.status.is_success() => watch(data),
                    Some(data) => said.extend_from_slice(data),
                    None => {}
                }
            }
            connection.sender = Some(sender);
            Ok(Answer { status: head.status, headers: head.headers, body: said.into() })
        })
        .await
    }

    async fn patiently(
        &mut self,
        named: &str,
        exchange: impl AsyncFnOnce(&mut Self) -> anyhow::Result<Answer>,
    ) -> anyhow::Result<Answer> {
        match tokio::time::timeout(PATIENCE, exchange(self)).await {
            Ok(answered) => answered.with_context(|| named.to_owned()),
            Err(_) => {
                self.sender = None;
                bail!("{named} was not answered within {} s", PATIENCE.as_secs())
            }
        }
    }

    async fn begin(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> anyhow::Result<(SendRequest<Full<Bytes>>, Response<Incoming>)> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => open(self.address).await?,
        };
        sender.ready().await.context("the connection was closed")?;
        let response = sender.send_request(request).await.context("no answer")?;
        Ok((sender, response))
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let (sender, response) = self.begin(request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.context("the answer broke off")?.to_bytes();
        self.sender = Some(sender);
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

fn request(
    method: &Method,
    target: &str,
    headers: HeaderMap,
    body: Bytes,
) -> anyhow::Result<Request<Full<Bytes>>> {
    let uri: Uri = target.parse().with_context(|| format!("{target} is no path"))?;
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

async fn open(address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("{address} does not answer"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Its errors come back from the requests.
    tokio::spawn(async move { connection.await.ok() });
    Ok(sender)
}

impl Answer {
    /// The body, or what the server said against the request.
    pub(crate) fn accepted(self) -> anyhow::Result<Self> {
        if self.status.is_success() {
            return Ok(self);
        }
        bail!("{}: {}", self.status, self.said())
    }

    /// The beginning of the body as text.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(self.body.get(..300).unwrap_or(&self.body)).into_owned()
    }

    pub(crate) fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON: {}", self.said()))
    }
}
