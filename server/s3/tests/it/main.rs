//! The S3 door over an application on memory, asked by a client that signs.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod bodies;
mod buckets;
mod keys;
mod lake;
mod listing;
mod multipart;
mod not_served;
mod permissions;
mod signatures;
