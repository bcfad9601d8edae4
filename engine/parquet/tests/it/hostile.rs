//! Files that are none, or lie: each is refused with words, and no one ends the process.

use anabranch_merge::MergeOutcome;
use anabranch_merge::test_support::UnitCase;
use bytes::Bytes;
use proptest::prelude::*;

use crate::support::{PATH, case, conflict, merger, stock_file};

fn with_theirs(theirs: impl Into<Bytes>) -> UnitCase {
    case(stock_file("1:a:1 2:b:2"), stock_file("1:a:10 2:b:2"), theirs.into())
}

/// A file with another footer: `length` is what it says of the footer's bytes.
fn with_footer(footer: &[u8], length: u32, magic: &[u8]) -> Vec<u8> {
    [&b"PAR1"[..], footer, &length.to_le_bytes(), magic].concat()
}

#[tokio::test]
async fn what_is_no_parquet_file_is_named() {
    let whole = stock_file("1:a:1 2:b:2 3:c:3");
    let cut = whole.slice(..whole.len() - 9);
    for (theirs, expected) in [
        (Bytes::new(), "too short"),
        (Bytes::from_static(b"id,note\n1,a\n2,b\n"), "does not end as a Parquet file does"),
        (cut, "does not end as a Parquet file does"),
        (with_footer(b"", 1 << 30, b"PAR1").into(), "its footer would have 1073741824 bytes"),
        (with_footer(b"xxxx", 4, b"PARE").into(), "it is encrypted"),
        (with_footer(&[0x8c, 0, 0], 3, b"PAR1").into(), "columns of it are encrypted"),
        (
            with_footer(&[0x59, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07], 7, b"PAR1").into(),
            "more than there can be",
        ),
        (with_footer(&[], 0, b"PAR1").into(), "ends early"),
    ] {
        let found = conflict(&with_theirs(theirs)).await;
        assert_eq!((found.kind.as_str(), found.rule.as_str()), ("object-conflict", "parquet"));
        assert!(found.message.starts_with(&format!("{PATH} on dev: ")), "{}", found.message);
        assert!(found.message.contains(expected), "{}", found.message);
    }
}

#[tokio::test]
async fn pages_that_are_damaged_are_named() {
    let mut theirs = stock_file("1:a:1 2:b:2 3:c:3").to_vec();
    // Behind the first four bytes stand the pages.
    theirs[4..60].fill(0xff);
    let found = conflict(&with_theirs(theirs)).await;
    assert_eq!(found.kind.as_str(), "object-conflict");
    assert!(found.message.contains("on dev: reading a row group"), "{}", found.message);
}

#[tokio::test]
async fn a_page_that_claims_more_than_is_read_is_named() {
    let mut theirs = stock_file("1:a:1 2:b:2 3:c:3").to_vec();
    // The header of the first page: 300 MiB, in one byte of the file.
    let header = [0x15, 0x00, 0x15, 0x80, 0x80, 0x80, 0xac, 0x02, 0x15, 0x02, 0x00];
    theirs[4..4 + header.len()].copy_from_slice(&header);
    let found = conflict(&with_theirs(theirs)).await;
    let expected = "a page of it would have 314572800 bytes decompressed; at most 268435456 are read";
    assert!(found.message.contains(expected), "{}", found.message);
}

/// Runs one merge to its end.
fn run(case: &UnitCase) -> MergeOutcome {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(case.run(merger()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn any_damage_is_a_conflict_or_goes_unnoticed(at in 0_usize..1 << 20, to: u8, more in 0_usize..1 << 20, and: u8) {
        let mut theirs = stock_file("1:a:1 2:b:2 3:c:3").to_vec();
        let length = theirs.len();
        theirs[at % length] = to;
        theirs[more % length] = and;
        let outcome = run(&with_theirs(theirs));
        let is_word = match &outcome {
            MergeOutcome::Merged { .. } => true,
            MergeOutcome::Conflicts { conflicts, .. } => !conflicts.is_empty(),
            MergeOutcome::Failed(failure) => !failure.message.is_empty(),
        };
        prop_assert!(is_word, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_reader_that_breaks_off_is_a_conflict() {
    // A schema of Arrow that does not fit the columns.
    use parquet::file::metadata::KeyValue;
    use parquet::file::properties::WriterProperties;
    let lie = KeyValue::new("ARROW:schema".to_owned(), "AAAA".to_owned());
    let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![lie])).build();
    let batch = arrow::array::RecordBatch::try_from_iter(crate::support::stock("1:a:1 3:c:3")).unwrap();
    let options = parquet::arrow::arrow_writer::ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true);
    let mut writer =
        parquet::arrow::ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    let found = conflict(&with_theirs(writer.into_inner().unwrap())).await;
    assert_eq!(found.kind.as_str(), "object-conflict");
    assert!(found.message.contains("schema"), "{}", found.message);
}
