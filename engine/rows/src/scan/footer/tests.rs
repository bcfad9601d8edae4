use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;

use super::*;

fn file() -> Vec<u8> {
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(Int64Array::from(vec![1, 2]))),
        ("note", Arc::new(StringArray::from(vec![Some("a"), None]))),
        ("list", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1)]), None]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn footer_of(file: &[u8]) -> &[u8] {
    let tail = &file[file.len() - 8..];
    let length = length(tail, file.len() as u64).unwrap() as usize;
    &file[file.len() - 8 - length..file.len() - 8]
}

#[test]
fn a_footer_that_a_writer_made_is_as_it_should_be() {
    check(footer_of(&file())).unwrap();
    let file = file();
    check_file(&file).unwrap();
    assert!(check_file(&file[..file.len() - 9]).is_err() && check_file(b"PAR1").is_err());
}

#[test]
fn the_end_of_a_file_says_what_it_is() {
    for (tail, bytes, expected) in [
        (&b""[..], 0, "too short"),
        (b"\x01\0\0\0PARE", 100, "encrypted"),
        (b"\x01\0\0\0PAR2", 100, "another file"),
        (b"\x5d\0\0\0PAR1", 100, "would have 93 bytes"),
        (b"\xff\xff\xff\x7fPAR1", u64::MAX, "at most"),
    ] {
        let refused = length(tail, bytes).unwrap_err();
        assert!(refused.contains(expected), "{refused}");
    }
    assert_eq!(length(b"\x5c\0\0\0PAR1", 100), Ok(92));
}

#[test]
fn what_decoders_read_as_different_lengths_is_refused() {
    // Field 10: five truth values, each a byte for one decoder and none for the other.
    let mut list = vec![0xa9, 0x51, 1, 1, 1, 1, 1, 0];
    assert!(check(&list).unwrap_err().contains("a list of truth values"));
    list[1] = 0x53;
    check(&list).unwrap();
}

#[test]
fn what_would_take_all_memory_or_the_stack_is_refused() {
    // A list of key-value pairs (field 5) that claims 2^31 - 1 of them.
    let mut claims = vec![0x59, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07];
    claims.extend([0; 64]);
    assert!(check(&claims).unwrap_err().contains("more than there can be"));
    // A schema of groups within groups.
    let mut deep = vec![0x29, 0xfc, 0xe8, 0x07];
    for _ in 0..1_000 {
        // Field 5: one child; then the end.
        deep.extend([0x55, 0x02, 0x00]);
    }
    deep.push(0);
    assert!(check(&deep).unwrap_err().contains("deep"));
    // A group that claims more fields than there are elements.
    let wide = [0x29, 0x1c, 0x55, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x00];
    assert!(check(&wide).unwrap_err().contains("more fields"));
    // Structures within structures of a field that nobody knows.
    assert!(check(&[0xfc; 1_000]).unwrap_err().contains("deep"));
    // Encryption of single columns (field 8).
    assert!(check(&[0x8c, 0x00, 0x00]).unwrap_err().contains("encrypted"));
}

proptest! {
    #[test]
    fn any_bytes_are_looked_over(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(check(&bytes));
        drop(length(&bytes, bytes.len() as u64));
    }

    #[test]
    fn a_damaged_footer_is_decoded_or_refused(at in 0_usize..10_000, to: u8, cut in 0_usize..10_000) {
        let file = file();
        let mut footer = footer_of(&file).to_vec();
        let length = footer.len();
        footer[at % length] = to;
        footer.truncate(length - cut % length);
        if check(&footer).is_ok() {
            drop(parquet::file::metadata::ParquetMetaDataReader::decode_metadata(&footer));
        }
    }
}

#[test]
fn what_declares_another_type_than_its_field_has_is_refused() {
    // The schema as a truth value, and what a decoder takes for a list of many elements behind it.
    let schema = [&[0x21, 0xf7][..], &[0xff; 4], &[0; 7]].concat();
    assert!(check(&schema).unwrap_err().contains("a field 2 of another type"));
    // The row groups as a number, key-value pairs as a set, and a list of numbers for one of structures.
    for footer in [&[0x46, 0xf7, 0xff, 0][..], &[0x5a, 0x1c, 0, 0], &[0x49, 0x15, 2, 0]] {
        let why = check(footer).unwrap_err();
        assert!(why.contains("of another type than Parquet's"), "{why}");
    }
    // Field 65,538, which is field 2 in 16 bits.
    let cut_off = [0x05, 0x84, 0x80, 0x08, 2, 0];
    assert!(check(&cut_off).unwrap_err().contains("65538"));
}
