//! The REST interface in process, over memory: requests in, answers out.

mod bad_input;
mod branches;
mod commits;
mod contract;
mod merges;
mod objects;
mod repositories;
mod server;
