//! Footers of Parquet files: no bytes may panic or loop, and what passes is decoded or refused by the decoder without
//! taking all memory or the stack.
//!
//! The module is compiled in here, because the crate around it brings a whole query engine, which is slow to build with
//! the fuzzer's instrumentation.
#![no_main]
#![allow(dead_code, missing_docs)]

#[path = "../../src/scan/footer.rs"]
mod footer;

use libfuzzer_sys::fuzz_target;
use parquet::file::metadata::ParquetMetaDataReader;

fuzz_target!(|input: &[u8]| {
    drop(footer::length(input, input.len() as u64));
    if footer::check(input).is_ok() {
        drop(ParquetMetaDataReader::decode_metadata(input));
    }
});
