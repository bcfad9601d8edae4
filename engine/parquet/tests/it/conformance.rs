//! The merger keeps what every merger must keep.

use std::collections::BTreeMap;

use anabranch_merge::conformance;
use anabranch_merge::test_support::UnitCase;
use anabranch_parquet::ParquetMerger;
use bytes::Bytes;
use serde_json::json;

use crate::support::{rows, stock_case, with_pairs};

/// The rows of the file, in any order.
fn meaning(bodies: &BTreeMap<String, Bytes>) -> String {
    let Some(body) = bodies.get("") else { return "no file".into() };
    if !body.ends_with(b"PAR1") {
        return format!("{body:?}");
    }
    let mut all: Vec<String> = rows(body).iter().map(ToString::to_string).collect();
    all.sort();
    all.join("\n")
}

#[tokio::test]
async fn the_merger_passes_the_suite() {
    let merges = stock_case("1:a:1 2:b:2 3:c:3", "1:a:10 2:b:2 3:c:3", "1:x:1 3:c:3 4:d:4");
    let unsorted = stock_case("2:b:2 1:a:1", "2:b:20 1:a:1 9:i:9", "2:b:2 1:a:1 8:h:8");
    let clashes = stock_case("1:a:1 2:b:2", "1:a:10 2:b:20 5:o:1", "1:a:11 5:t:1");
    let same = stock_case("1:a:1", "1:a:2", "1:a:2");
    let without_keys = UnitCase { options: json!({}), ..merges.clone() };
    let gone = UnitCase { theirs: BTreeMap::new(), ..merges.clone() };
    let new = UnitCase { base: BTreeMap::new(), ..merges.clone() };
    let no_file = UnitCase { ours: BTreeMap::from([(String::new(), "text".into())]), ..merges.clone() };
    let mut metadata = merges.clone();
    for (side, value) in [(&mut metadata.ours, "o"), (&mut metadata.theirs, "t")] {
        side.insert(String::new(), with_pairs("1:a:1 2:b:2 3:c:3", &[("by", value)]));
    }
    let cases = [
        ("merges", merges),
        ("unsorted", unsorted),
        ("clashes", clashes),
        ("same", same),
        ("without keys", without_keys),
        ("gone", gone),
        ("new", new),
        ("no file", no_file),
        ("metadata", metadata),
    ];
    let cases: Vec<UnitCase> =
        cases.into_iter().map(|(name, case)| UnitCase { name: name.into(), ..case }).collect();
    conformance::all(&ParquetMerger::default(), &cases, &meaning).await;
}
