//! Answers that take long: white space keeps their connection alive until they are there.
//!
//! Completing an upload copies all of its bytes; so does a copy into another bucket, or into a part of an upload. This may
//! take longer than a client, or what is between it and here, waits for the first byte of an answer. As S3 does, such an
//! answer then begins with status 200 before it is known, and its body says how it ended: with the result, or with an
//! error. Clients of S3 look for the error there, in answers to these operations. Quick answers keep their own status.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Response, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::body::BoxError;
use crate::service::ResponseBody;

/// How long an answer may take until its status is given up.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often white space is sent from then on: well below what clients wait for the next byte.
const INTERVAL: Duration = Duration::from_secs(5);
/// Stands before the white space, where alone it may stand.
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

/// Whether a request may turn out to be one whose answer takes long.
pub(crate) fn may_take_long(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let mut query = uri.query().unwrap_or_default().split('&');
    let completes = *method == Method::POST && query.any(|pair| pair.starts_with("uploadId="));
    completes || (*method == Method::PUT && headers.contains_key("x-amz-copy-source"))
}

/// The answer; or, when it is not there some seconds after `begun` was told, one that begins at once and ends with it.
///
/// Dropping the body of the answer drops the work.
pub(crate) async fn kept_alive(
    mut answer: BoxFuture<'static, Response<ResponseBody>>,
    begun: Arc<Notify>,
    request_id: String,
) -> Response<ResponseBody> {
    let late = async {
        begun.notified().await;
        sleep(PATIENCE).await;
    };
    tokio::select! {
        biased;
        response = &mut answer => return response,
        () = late => {}
    }
    let begin = stream::iter([Ok(Frame::data(Bytes::from_static(DECLARATION.as_bytes())))]);
    let rest = stream::unfold(Some(answer), move |answer| {
        let request_id = request_id.clone();
        async move {
            let mut answer = answer?;
            match timeout(INTERVAL, &mut answer).await {
                Ok(response) => Some((end(response, &request_id).await, None)),
                Err(_) => Some((Ok(Frame::data(Bytes::from_static(b" "))), Some(answer))),
            }
        }
    });
    let mut response = Response::new(StreamBody::new(begin.chain(rest)).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// The body of the real answer, without the declaration that was sent already.
async fn end(response: Response<ResponseBody>, request_id: &str) -> Result<Frame<Bytes>, BoxError> {
    let status = response.status();
    if !status.is_success() {
        tracing::warn!(request_id, %status, "a request failed after its answer had begun; its body says why");
    }
    let body = response.into_body().collect().await?.to_bytes();
    let declared = body.starts_with(b"<?xml");
    let end = body.windows(2).position(|two| two == b"?>").filter(|_| declared);
    Ok(Frame::data(body.slice(end.map_or(0, |end| end + 2)..)))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use http_body_util::Full;

    use super::*;

    const RESULT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Result/>";
    const ERROR: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error/>";

    /// Status and body of an answer that takes `work` seconds after `request` seconds in which the request came.
    async fn check(request: u64, work: u64, status: u16, text: &'static str) -> (u16, String) {
        let begun = Arc::new(Notify::new());
        let told = Arc::clone(&begun);
        let answer = Box::pin(async move {
            sleep(Duration::from_secs(request)).await;
            told.notify_one();
            sleep(Duration::from_secs(work)).await;
            let mut response = Response::new(Full::from(text).map_err(|never| match never {}).boxed_unsync());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        });
        let response = kept_alive(answer, begun, "REQ1".into()).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_quick_answer_is_sent_as_it_is() {
        assert_eq!(check(0, 4, 200, RESULT).await, (200, RESULT.into()));
        assert_eq!(check(0, 4, 412, ERROR).await, (412, ERROR.into()));
        assert_eq!(check(100, 4, 403, ERROR).await, (403, ERROR.into()), "a slow request is no slow answer");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_begins_and_says_in_the_end_how_it_ended() {
        let declaration = DECLARATION;
        assert_eq!(check(0, 6, 200, RESULT).await, (200, format!("{declaration}\n<Result/>")));
        assert_eq!(check(0, 21, 200, RESULT).await, (200, format!("{declaration}   \n<Result/>")));
        assert_eq!(check(9, 13, 412, ERROR).await, (200, format!("{declaration} <Error/>")));
    }
}
