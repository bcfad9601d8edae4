//! Doors for fuzzing: decoders that are otherwise reached only behind a hash.

use anabranch_types::ObjectKey;
use bytes::Bytes;

use crate::Location;
use crate::node::{Frame, FrameKind};
use crate::pack::decode_delta;
use crate::store::{node_of_frame, verify_node};

/// Reads a node and where its children lie, and checks that it is canonical.
pub fn node(bytes: &[u8]) {
    let frame = Frame { kind: FrameKind::Node, raw: Bytes::copy_from_slice(bytes), length: bytes.len() };
    let at = Location { pack: ObjectKey::new("packs/x"), offset: 1_000, length: 0 };
    if let Ok((_, node)) = node_of_frame(&frame, None, &at) {
        let _ = verify_node(&frame, &node);
    }
}

/// Reads a delta list.
pub fn delta(bytes: &[u8]) {
    let _ = decode_delta(bytes);
}
