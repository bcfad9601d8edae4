//! Plugins that ask for a system: they get a WASI 0.2 with nothing in it.

use anabranch_merge::FailureReason;
use anabranch_plugin_host::Limits;

use super::{failure, outcome_of};
use crate::fixture::{Attack, attack};

/// What these plugins import of WASI: a part of the real packages.
const PACKAGES: [&str; 4] = [
    "package wasi:io@0.2.3;
     interface streams { resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result; } }",
    "package wasi:cli@0.2.3;
     interface stderr { use wasi:io/streams@0.2.3.{output-stream}; get-stderr: func() -> output-stream; }",
    "package wasi:sockets@0.2.3;
     interface instance-network { instance-network: func() -> u32; }",
    "package test:fixture;
     world talking { include anabranch:merge/merge-plugin@0.1.0; import wasi:cli/stderr@0.2.3;
       import wasi:sockets/instance-network@0.2.3; }",
];

const IMPORTS: &str = r#"
  (import "wasi:cli/stderr@0.2.3" "get-stderr" (func $stderr (result i32)))
  (import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32) (result i32)))
  (import "wasi:sockets/instance-network@0.2.3" "instance-network" (func $network (result i32)))"#;

async fn fails(merge: &str, limits: Limits, reason: FailureReason) -> String {
    let plugin = Attack { top: IMPORTS, ..attack(merge) }.module_of(&PACKAGES, "talking");
    failure(outcome_of(plugin, limits).await, reason)
}

/// Writes a text of 512 twice: in two pieces it is one line.
const SPEAK: &str = "(local.set $handle (call $stderr))
    (drop (call $write (local.get $handle) (i32.const 512) (i32.const 6)))
    (drop (call $write (local.get $handle) (i32.const 512) (i32.const 6)))";

#[tokio::test]
async fn what_is_written_to_stderr_is_said_at_the_end() {
    let message = fails(&format!("{SPEAK} (unreachable)"), Limits::default(), FailureReason::Broken).await;
    assert!(message.ends_with("; its last words: stderr: attackattack"), "{message}");
}

#[tokio::test]
async fn what_is_written_to_stderr_is_counted_as_log() {
    let flood = format!("(loop $again {SPEAK} (br $again))");
    let limits = Limits { log_lines: 50, ..Limits::default() };
    let message = fails(&flood, limits, FailureReason::Limit).await;
    assert!(message.starts_with("limit log-lines = 50 was reached"), "{message}");
}

#[tokio::test]
async fn a_flood_of_handles_of_the_system_ends() {
    let flood = "(loop $again (drop (call $stderr)) (br $again))";
    let message = fails(flood, Limits { handles: 100, ..Limits::default() }, FailureReason::Limit).await;
    assert!(message.starts_with("limit handles = 100 was reached"), "{message}");
}

#[tokio::test]
async fn what_the_system_does_not_have_ends_the_call_by_name() {
    let message = fails("(drop (call $network))", Limits::default(), FailureReason::Broken).await;
    let expected = "it called wasi:sockets/instance-network.instance-network, which plugins do not have";
    assert!(message.starts_with(expected), "{message}");
}
