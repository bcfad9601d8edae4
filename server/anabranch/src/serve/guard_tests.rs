//! Limits of one request. Clients that drip wait on the real clock, in milliseconds.

use axum::response::IntoResponse;
use futures::StreamExt;
use http::{Request, StatusCode};
use http_body_util::BodyExt;

use super::*;
use crate::config::SettingFlags;

fn guard(given: &[(&str, &str)]) -> (Guard, Stop) {
    let limits = SettingFlags::of(given).settings_alone().unwrap().limits;
    let stop = Stop::default();
    (Guard::new(limits, stop.clone()), stop)
}

/// A body of `pieces` pieces, each `pause` after the one before.
fn dripping(pieces: usize, size: usize, pause: Duration) -> Body {
    let stream = futures::stream::iter(0..pieces).then(move |_| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, std::convert::Infallible>(Bytes::from(vec![7; size]))
    });
    Body::from_stream(stream)
}

/// Reads a body as an upload does, then works for a while.
async fn upload(guard: &Guard, body: Body, work: Duration) -> Result<StatusCode, Refusal> {
    let (body, progress) = guard.body(body);
    let answer = guard.finish(&progress, async {
        let status = match body.collect().await {
            Ok(_) => StatusCode::OK,
            Err(_) => StatusCode::BAD_REQUEST,
        };
        tokio::time::sleep(work).await;
        status.into_response()
    });
    answer.await.map(|response| response.status())
}

const NO_TIME: Duration = Duration::ZERO;

#[tokio::test]
async fn a_client_that_sends_next_to_nothing_is_ended_soon() {
    let (guard, _) = guard(&[("limits.body_idle", "200ms"), ("limits.body_rate", "1 KiB")]);
    let begun = Instant::now();
    let answer = upload(&guard, dripping(100_000, 1, Duration::from_millis(10)), NO_TIME).await;
    assert_eq!(answer, Err(Refusal::Slow));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_slow_client_that_keeps_its_rate_is_served_however_long_it_takes() {
    let given =
        [("limits.body_idle", "60ms"), ("limits.body_rate", "1 KiB"), ("limits.request_time", "200ms")];
    let (guard, _) = guard(&given);
    // The first piece comes at once; each grants four seconds.
    let answer = upload(&guard, dripping(12, 4096, Duration::from_millis(50)), NO_TIME).await;
    assert_eq!(answer, Ok(StatusCode::OK));
}

#[tokio::test]
async fn the_time_that_the_server_takes_is_not_held_against_the_client() {
    let (guard, _) = guard(&[("limits.body_idle", "300ms")]);
    let (mut body, _) = guard.body(dripping(3, 1, Duration::from_millis(1)));
    for _ in 0..3 {
        assert!(body.frame().await.unwrap().is_ok());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn work_without_an_end_is_ended_and_the_body_does_not_count() {
    let (guard, _) = guard(&[("limits.request_time", "200ms")]);
    let begun = Instant::now();
    let slow_body = dripping(10, 4096, Duration::from_millis(40));
    assert_eq!(upload(&guard, slow_body, Duration::from_secs(3600)).await, Err(Refusal::Long));
    assert!(begun.elapsed() >= Duration::from_millis(600), "{:?}", begun.elapsed());
    assert_eq!(upload(&guard, Body::empty(), Duration::from_secs(3600)).await, Err(Refusal::Long));
}

#[tokio::test]
async fn a_body_without_a_length_is_counted() {
    let (guard, _) = guard(&[("limits.body_bytes", "10")]);
    assert_eq!(upload(&guard, dripping(2, 5, NO_TIME), NO_TIME).await, Ok(StatusCode::OK));
    assert_eq!(upload(&guard, dripping(3, 5, NO_TIME), NO_TIME).await, Err(Refusal::Body { limit: 10 }));
}

#[tokio::test]
async fn what_goes_on_when_the_server_ends_is_answered() {
    let (guard, stop) = guard(&[]);
    let uploading = upload(&guard, dripping(100_000, 1_000, Duration::from_millis(1)), NO_TIME);
    let ending = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        stop.ended.cancel();
    };
    assert_eq!(tokio::join!(uploading, ending).0, Err(Refusal::Stopping));
}

#[test]
fn requests_are_admitted_up_to_the_limits() {
    let (guard, _) =
        guard(&[("limits.requests", "1"), ("limits.body_bytes", "10"), ("limits.header_bytes", "8192")]);
    let parts = |name: &str, value: String| {
        let request = Request::builder().uri("/a").header(name, value);
        request.body(()).unwrap().into_parts().0
    };
    let small = parts("content-length", "10".to_owned());
    let slot = guard.admit(&small).unwrap();
    assert_eq!(guard.admit(&small).err(), Some(Refusal::Busy));
    drop(slot);
    assert!(guard.admit(&small).is_ok());
    assert_eq!(
        guard.admit(&parts("content-length", "11".to_owned())).err(),
        Some(Refusal::Body { limit: 10 })
    );
    assert_eq!(guard.admit(&parts("x", "y".repeat(9000))).err(), Some(Refusal::Header { limit: 8192 }));
}
