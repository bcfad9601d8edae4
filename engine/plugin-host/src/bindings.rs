//! The host's side of `wit/0.1`, generated when this crate is compiled.

// The generated code lifts and lowers values in the memory of plugins, and has the documentation of the contract.
#![allow(unsafe_code, missing_docs, unreachable_pub, unused)]
#![allow(clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

wasmtime::component::bindgen!({
    path: "../../wit/0.1",
    world: "merge-plugin",
    imports: { default: async | trappable },
    exports: { default: async },
    trappable_error_type: { "anabranch:merge/types.failure" => crate::stop::HostError },
    with: {
        "anabranch:merge/snapshots.object": crate::handles::ObjectHandle,
        "anabranch:merge/snapshots.entries": crate::handles::EntriesHandle,
        "anabranch:merge/snapshots.changes": crate::handles::ChangesHandle,
        "anabranch:merge/snapshots.merges": crate::handles::MergesHandle,
        "anabranch:merge/snapshots.snapshot": crate::handles::SnapshotHandle,
        "anabranch:merge/output.object-writer": crate::handles::WriterHandle,
        "anabranch:merge/output.result-tree": crate::handles::ResultHandle,
        "anabranch:merge/table-files.table-store": crate::handles::TableStoreHandle,
        "anabranch:merge/diffs.sink": crate::handles::SinkHandle,
    },
});

pub(crate) use anabranch::merge::{diffs, log, output, snapshots, table_files, types};
pub(crate) use exports::anabranch::merge::{about, differ, merger};
