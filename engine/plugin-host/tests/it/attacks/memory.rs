//! Plugins that want more than there is.

use anabranch_merge::FailureReason;
use anabranch_plugin_host::Limits;

use super::{fails, reaches};
use crate::fixture::{Attack, EDIT, LOG, WALK, WRITE, attack};

#[tokio::test]
async fn four_gigabytes_of_memory_are_not_given() {
    let grab = attack("(drop (memory.grow (i32.const 65534)))");
    let limits = Limits::default();
    let memory = limits.memory_bytes;
    reaches(grab, limits, "memory-bytes", memory).await;
}

#[tokio::test]
async fn memory_that_grows_bit_by_bit_ends_at_the_same_limit() {
    let grab = attack("(loop $again (drop (memory.grow (i32.const 16))) (br $again))");
    let limits = Limits { memory_bytes: 64 * 1024 * 1024, ..Limits::default() };
    reaches(grab, limits, "memory-bytes", 64 * 1024 * 1024).await;
}

#[tokio::test]
async fn a_huge_table_is_not_given() {
    let grab = Attack {
        top: "(table $t 1 funcref)",
        ..attack("(drop (table.grow $t (ref.null func) (i32.const 100000000)))")
    };
    reaches(grab, Limits::default(), "table-elements", Limits::default().table_elements).await;
}

#[tokio::test]
async fn a_flood_of_handles_ends() {
    let flood = Attack {
        top: WALK,
        ..attack(
            "(loop $again (drop (call $walk (i32.load offset=28 (local.get $in)) (i32.const 0) (i32.const 0))) (br $again))",
        )
    };
    reaches(flood, Limits { handles: 100, ..Limits::default() }, "handles", 100).await;
}

#[tokio::test]
async fn a_flood_of_log_lines_ends() {
    let flood = Attack {
        top: LOG,
        ..attack("(loop $again (call $log (i32.const 0) (i32.const 512) (i32.const 6)) (br $again))")
    };
    let message = reaches(flood, Limits::default(), "log-lines", 10_000).await;
    assert!(message.len() < 10_000, "it fills the report");
}

#[tokio::test]
async fn a_flood_of_long_log_lines_ends() {
    let flood = Attack {
        top: LOG,
        ..attack("(loop $again (call $log (i32.const 0) (i32.const 0) (i32.const 100)) (br $again))")
    };
    reaches(flood, Limits { log_bytes: 5_000, ..Limits::default() }, "log-bytes", 5_000).await;
}

#[tokio::test]
async fn a_huge_text_is_not_taken_over() {
    let huge = Attack {
        top: LOG,
        ..attack(
            "(drop (memory.grow (i32.const 1024))) (call $log (i32.const 0) (i32.const 65536) (i32.const 67108864))",
        )
    };
    reaches(huge, Limits::default(), "hostcall-bytes", 16 * 1024 * 1024).await;
}

/// Writes one object, a MiB at a time.
pub(super) fn writing_without_end() -> Attack {
    let merge = "(drop (memory.grow (i32.const 16)))
             (call $create (i32.load offset=44 (local.get $in)) (i32.const 4096))
             (local.set $handle (i32.load (i32.const 4100)))
             (loop $again
               (call $write (local.get $handle) (i32.const 65536) (i32.const 1048576) (i32.const 4096))
               (br $again))";
    Attack { top: WRITE, ..attack(merge) }
}

/// Takes all the memory that there is, and uses every page of it.
pub(super) fn using_all_memory() -> Attack {
    let merge = "(loop $again
               (local.set $i (i32.mul (memory.grow (i32.const 16)) (i32.const 65536)))
               (local.set $handle (i32.add (local.get $i) (i32.const 1048576)))
               (loop $pages
                 (i32.store (local.get $i) (i32.const 1))
                 (local.set $i (i32.add (local.get $i) (i32.const 4096)))
                 (br_if $pages (i32.lt_u (local.get $i) (local.get $handle))))
               (br $again))";
    attack(merge)
}

#[tokio::test]
async fn memory_that_is_used_ends_at_its_limit() {
    let limits = Limits { memory_bytes: 64 * 1024 * 1024, ..Limits::default() };
    reaches(using_all_memory(), limits, "memory-bytes", 64 * 1024 * 1024).await;
}

#[tokio::test]
async fn a_huge_object_is_not_written() {
    let huge = writing_without_end();
    let limits = Limits { written_bytes: 8 * 1024 * 1024, ..Limits::default() };
    reaches(huge, limits, "written-bytes", 8 * 1024 * 1024).await;
}

#[tokio::test]
async fn few_objects_are_written_at_a_time() {
    let flood = Attack {
        top: WRITE,
        ..attack(
            "(loop $again (call $create (i32.load offset=44 (local.get $in)) (i32.const 4096)) (br $again))",
        )
    };
    reaches(flood, Limits::default(), "open-objects", 16).await;
}

#[tokio::test]
async fn a_result_without_end_ends() {
    let flood = Attack {
        top: EDIT,
        ..attack(
            "(loop $again (call $remove (i32.load offset=44 (local.get $in)) (i32.const 512) (i32.const 6) (i32.const 4096)) (br $again))",
        )
    };
    reaches(flood, Limits { edits: 1_000, ..Limits::default() }, "edits", 1_000).await;
}

#[tokio::test]
async fn what_the_host_keeps_is_counted() {
    let flood = Attack {
        top: EDIT,
        ..attack(
            "(loop $again (call $remove (i32.load offset=44 (local.get $in)) (i32.const 512) (i32.const 6) (i32.const 4096)) (br $again))",
        )
    };
    reaches(flood, Limits { kept_bytes: 1_000, ..Limits::default() }, "kept-bytes", 1_000).await;
}

#[tokio::test]
async fn what_handles_carry_is_counted() {
    let flood = Attack {
        top: WALK,
        ..attack(
            "(loop $again (drop (call $walk (i32.load offset=28 (local.get $in)) (i32.const 0) (i32.const 65536))) (br $again))",
        )
    };
    reaches(flood, Limits { kept_bytes: 1_000_000, ..Limits::default() }, "kept-bytes", 1_000_000).await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_ends_the_call() {
    let wrong = Attack {
        top: LOG,
        ..attack(
            "(i32.store (i32.const 1024) (i32.const 0xfffefdfc)) (call $log (i32.const 0) (i32.const 1024) (i32.const 4))",
        )
    };
    let message = fails(wrong, Limits::default(), FailureReason::Broken).await;
    assert!(message.contains("utf-8"), "{message}");
}

#[tokio::test]
async fn text_beyond_the_memory_ends_the_call() {
    let wrong = Attack { top: LOG, ..attack("(call $log (i32.const 0) (i32.const -16) (i32.const 100))") };
    let message = fails(wrong, Limits::default(), FailureReason::Broken).await;
    assert!(message.contains("out of bounds"), "{message}");
}
