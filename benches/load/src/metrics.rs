//! What the server says it did: the counters of its `/metrics`, before and after a load.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;

use crate::connection::Connection;
use crate::rest;
use crate::target::Target;

/// The counters of what was asked of a backend.
const COUNTERS: [&str; 2] = ["anabranch_backend_operations_total", "anabranch_backend_bytes_total"];

/// The samples of a moment, by name and labels.
#[derive(Clone, Default)]
pub(crate) struct Metrics {
    samples: BTreeMap<String, f64>,
}

impl Metrics {
    /// Reads them; `None` where the server has none.
    pub(crate) async fn read(target: &Target) -> Option<Metrics> {
        let headers = rest::headers(target.address, target).ok()?;
        let mut connection = Connection::new(target.address);
        let answer = connection.send(&Method::GET, "/metrics", headers, Bytes::new()).await.ok()?;
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
            let counts = COUNTERS.iter().any(|counter| name.starts_with(counter))
                && name.contains("backend=\"objects");
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
        let put = "anabranch_backend_operations_total{backend=\"objects:local\",operation=\"put\"}";
        let bytes = "anabranch_backend_bytes_total{backend=\"objects:local\",direction=\"written\"}";
        let refs = "anabranch_backend_operations_total{backend=\"refs\",operation=\"get\"}";
        let before = Metrics::parse(&format!("# HELP x\n{put} 10\n{refs} 1\n"));
        let after = Metrics::parse(&format!("{put} 30\n{refs} 9\n{bytes} 100\n"));
        assert_eq!(after.per_step(&before, 10), [format!("{bytes} 10.000"), format!("{put} 2.000")]);
    }
}
