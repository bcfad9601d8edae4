//! What the server says it did: the counters of its `/metrics`, before and after a load.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method};

use crate::connection::Connection;

/// The samples of a moment, by name and labels.
#[derive(Clone, Default)]
pub(crate) struct Metrics {
    samples: BTreeMap<String, f64>,
}

impl Metrics {
    /// Reads them; `None` where the server has none.
    pub(crate) async fn read(address: SocketAddr) -> Option<Metrics> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::try_from(address.to_string()).ok()?);
        let answer =
            Connection::new(address).send(&Method::GET, "/metrics", headers, Bytes::new()).await.ok()?;
        let text = answer.status.is_success().then(|| String::from_utf8_lossy(&answer.body).into_owned())?;
        Some(Metrics::parse(&text))
    }

    fn parse(text: &str) -> Metrics {
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Metrics { samples: text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect() }
    }

    /// What grew since `before`, per step, of the counters that count requests to the object store and bytes.
    pub(crate) fn per_step(&self, before: &Metrics, steps: u64) -> Vec<String> {
        let grew = |(name, after): (&String, &f64)| {
            let growth = after - before.samples.get(name).copied().unwrap_or_default();
            let counts = name.contains("storage") && !name.contains("_bucket") && !name.contains("seconds");
            (counts && growth > 0.0).then(|| format!("{name} {:.3}", growth / steps.max(1) as f64))
        };
        self.samples.iter().filter_map(grew).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grew_is_told_per_step() {
        let before = Metrics::parse("# HELP x\nstorage_requests_total{kind=\"put\"} 10\nother 1\n");
        let after =
            Metrics::parse("storage_requests_total{kind=\"put\"} 30\nother 9\nstorage_bytes_total 100\n");
        let told = after.per_step(&before, 10);
        assert_eq!(told, ["storage_bytes_total 10.000", "storage_requests_total{kind=\"put\"} 2.000"]);
    }
}
