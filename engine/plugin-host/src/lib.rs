//! Runs WebAssembly components of `wit/0.1` as mergers, within limits.
//!
//! A [`PluginEngine`] compiles what is installed, once, and keeps it by digest. A [`PluginMerger`] gives the units of a
//! merge to a [`Plugin`]: each call has a store and an instance of its own, runs behind the requests of the server, sees only its unit,
//! and ends as *merged*, *conflicts* or *failed*, the last with the name of the limit or the trap, the plugin's frames and
//! its last words.

mod answers;
mod at_hand;
mod attributes;
mod behind;
mod bindings;
mod bridge;
mod cache;
mod call;
mod calling;
mod convert;
mod deadline;
mod decisions;
mod differ;
mod encode;
mod engine;
mod error;
mod gathered;
mod handles;
mod host;
mod inputs;
mod inspect;
mod limits;
mod merger;
mod meter;
mod paths;
mod plugin;
mod pool;
mod priority;
mod report;
mod result;
mod retry;
mod schema;
mod state;
mod stop;
mod uploads;
mod wasi;

pub use encode::component;
pub use engine::{EngineOptions, PluginEngine};
pub use error::PluginError;
pub use limits::{CompileLimits, Limit, LimitHit, Limits};
pub use merger::PluginMerger;
pub use meter::{Meter, NoMeter, Usage};
pub use plugin::{Claim, Plugin};
pub use schema::{Schema, check_none};
