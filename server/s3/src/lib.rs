//! The S3 gateway on the s3s crate, one module per operation.
//!
//! A bucket is a repository, and a key is `REF/PATH`: a branch, tag, commit or ref expression, then the
//! path of an object in it. Signatures are checked by `anabranch_auth` before s3s sees a request; s3s
//! routes, reads and writes the protocol's messages. An operation translates into one call of the
//! application, and what it answers back into S3's terms.
//!
//! Operations that are not served answer `NotImplemented` and stand in `not-served.txt`, which only
//! shrinks.

mod attributes;
mod body;
mod checksum;
mod conditions;
mod error;
mod gateway;
mod keep_alive;
mod key;
mod listing;
mod operations;
mod recognise;
mod service;
mod tags;

pub use gateway::OperationSlot;
pub use recognise::is_s3_request;
pub use service::{DoorParts, ResponseBody, S3Door, service};
