//! The repository as a whole, over stores in memory.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "functions beside the tests are test code, too"
)]

mod basics;
mod concurrent;
mod crash;
mod damage;
mod deadline;
mod deleted;
mod handed;
mod interference;
mod lake;
mod lost;
mod model;
mod moves;
mod namespaces;
mod previews;
mod sessions;
