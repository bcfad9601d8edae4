//! What the s3s crate alone costs: a handler that keeps objects in memory, without signatures, versions or disk. It is
//! the most that an S3 door on this crate could reach, and is measured beside ours.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::dto::{ETag, GetObjectInput, GetObjectOutput, PutObjectInput, PutObjectOutput, StreamingBlob};
use s3s::service::S3ServiceBuilder;
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};

#[derive(Default)]
struct Memory {
    objects: Arc<RwLock<HashMap<String, Bytes>>>,
}

#[async_trait::async_trait]
impl S3 for Memory {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let mut bytes = BytesMut::new();
        if let Some(mut body) = request.input.body {
            while let Some(piece) = body.next().await {
                bytes.extend_from_slice(&piece.map_err(|_| s3_error!(IncompleteBody))?);
            }
        }
        let mut objects = self.objects.write().map_err(|_| s3_error!(InternalError))?;
        objects.insert(request.input.key, bytes.freeze());
        let e_tag = Some(ETag::Strong("none".into()));
        Ok(S3Response::new(PutObjectOutput { e_tag, ..Default::default() }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let found = {
            let objects = self.objects.read().map_err(|_| s3_error!(InternalError))?;
            objects.get(&request.input.key).cloned()
        };
        let found = found.ok_or_else(|| s3_error!(NoSuchKey))?;
        let content_length = Some(found.len() as i64);
        let body = Some(StreamingBlob::from(Body::from(found)));
        Ok(S3Response::new(GetObjectOutput { body, content_length, ..Default::default() }))
    }
}

/// Serves until the process is killed.
pub(crate) async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    let service = S3ServiceBuilder::new(Memory::default()).build();
    let listener = tokio::net::TcpListener::bind(listen).await.context("cannot listen")?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service.clone();
        tokio::spawn(async move {
            let builder = Builder::new(TokioExecutor::new());
            // A client that leaves is no fault of the server.
            builder.serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}
