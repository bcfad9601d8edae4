//! Why a call of a plugin ends early, and how that is found in what the runtime reports.

use anabranch_merge::ViewError;
use wasmtime::{Error, Trap, WasmBacktrace};

use crate::bindings::types::Failure;
use crate::limits::{Limit, LimitHit, Limits};

/// Ends the call at once.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(unreachable_pub, reason = "a part of `HostError`")]
pub enum Stop {
    /// It reached a limit.
    #[error("{0}")]
    Limit(LimitHit),
    /// The storage failed beneath it. Plugins never see that: an answer must not depend on the weather.
    #[error("{0}")]
    Storage(#[source] ViewError),
    /// It broke the contract, or trapped.
    #[error("{0}")]
    Broken(String),
    /// Nobody waits for the answer any more.
    #[error("the call was given up")]
    GivenUp,
}

impl Stop {
    /// Whether every call on the same inputs ends like this. What broke may have been the host.
    pub(crate) fn is_lasting(&self) -> bool {
        matches!(self, Stop::Limit(hit) if hit.limit != Limit::Seconds)
    }
}

/// What a function of the host answers instead of a result.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the generated bindings re-export it as `pub`")]
pub enum HostError {
    /// A failure that the plugin sees and may act on.
    Failure(Failure),
    /// The end of the call.
    Stop(Stop),
}

impl From<Stop> for HostError {
    fn from(stop: Stop) -> Self {
        HostError::Stop(stop)
    }
}

impl From<wasmtime::component::ResourceTableError> for HostError {
    fn from(error: wasmtime::component::ResourceTableError) -> Self {
        HostError::Stop(Stop::from(error))
    }
}

impl From<wasmtime::component::ResourceTableError> for Stop {
    fn from(error: wasmtime::component::ResourceTableError) -> Self {
        Stop::Broken(format!("it used a handle wrongly: {error}"))
    }
}

impl HostError {
    /// A failure of one of the documented codes.
    pub(crate) fn failure(code: &str, message: impl Into<String>, path: &str) -> Self {
        HostError::Failure(Failure { code: code.into(), message: message.into(), path: Some(path.into()) })
    }
}

/// How many frames a report shows.
const FRAMES_MAX: usize = 8;

/// What ended a call, with the frames of the plugin that were active, innermost first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ending {
    pub(crate) stop: Stop,
    pub(crate) frames: Vec<String>,
}

impl From<Stop> for Ending {
    fn from(stop: Stop) -> Self {
        Ending { stop, frames: Vec::new() }
    }
}

impl Ending {
    /// Finds out what an error of the runtime means.
    pub(crate) fn of(error: &Error, limits: &Limits) -> Self {
        Ending { stop: stop_of(error, limits), frames: frames_of(error) }
    }
}

fn stop_of(error: &Error, limits: &Limits) -> Stop {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return stop.clone();
    }
    let limit = |limit| Stop::Limit(limits.hit(limit));
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => return limit(Limit::Fuel),
        Some(Trap::StackOverflow) => return limit(Limit::StackBytes),
        Some(Trap::Interrupt) => return limit(Limit::Seconds),
        Some(trap) => return Stop::Broken(trap.to_string()),
        None => {}
    }
    // The runtime has no types for these two; a test would notice other words.
    let message = error.root_cause().to_string();
    if message.contains("fuel allocated for hostcalls has been exhausted") {
        return limit(Limit::HostcallBytes);
    }
    if message.contains("store handle limit exceeded") {
        return limit(Limit::Handles);
    }
    Stop::Broken(message)
}

fn frames_of(error: &Error) -> Vec<String> {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let frames = trace.frames().iter().map(|frame| {
        let symbol = frame.symbols().first();
        let demangled = symbol.and_then(|symbol| symbol.name()).map(str::to_owned);
        let name = demangled.or_else(|| frame.func_name().map(str::to_owned));
        let name = name.unwrap_or_else(|| format!("function {}", frame.func_index()));
        match symbol.and_then(|symbol| symbol.file().zip(symbol.line())) {
            Some((file, line)) => format!("{name} ({file}:{line})"),
            None => name,
        }
    });
    frames.take(FRAMES_MAX).collect()
}
