//! Every record of the ref-store, and ref expressions: none may panic, loop, or allocate beyond a multiple of its input.
#![no_main]

use anabranch_repository::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((decoder, bytes)) = input.split_first() else {
        return;
    };
    match decoder % 4 {
        0 => fuzz::branch(bytes),
        1 => fuzz::tag(bytes),
        2 => fuzz::repository(bytes),
        _ => fuzz::names(bytes),
    }
});
