//! The S3 door over an application on memory, asked by a client that signs.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod attributes;
mod bodies;
mod buckets;
mod hostile;
mod keys;
mod lake;
mod listing;
mod multipart;
mod not_served;
mod permissions;
mod signatures;
mod tags;
