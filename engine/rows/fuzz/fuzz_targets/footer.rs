//! Footers of Parquet files: no bytes may panic or loop, and what passes is decoded or refused by the decoder without
//! taking all memory or the stack.
//!
//! The module is compiled in here, because the crate around it brings a whole query engine, which is slow to build with
//! the fuzzer's instrumentation.
#![no_main]
#![allow(dead_code, missing_docs)]

#[path = "../../src/scan/footer.rs"]
mod footer;

use std::panic::catch_unwind;

use libfuzzer_sys::fuzz_target;
use parquet::file::metadata::ParquetMetaDataReader;

fuzz_target!(init: {
    // A panic of the decoder is caught where it is used. One of the module under test is not, and ends the run.
    std::panic::set_hook(Box::new(|_| {}));
}, |input: &[u8]| {
    let checked = catch_unwind(|| {
        drop(footer::length(input, input.len() as u64));
        footer::check(input).is_ok()
    });
    match checked {
        Ok(true) => drop(catch_unwind(|| ParquetMetaDataReader::decode_metadata(input))),
        Ok(false) => {}
        Err(_) => std::process::abort(),
    }
});
