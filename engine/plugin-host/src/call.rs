//! Runs one call of a plugin: a store and an instance of its own, on a thread of its own, within its limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::deadline::{Deadline, Watch};
use crate::limits::Limit;
use crate::state::CallState;
use crate::stop::{Ending, Stop};

/// After how many ticks of the clock a running plugin is looked at.
const LOOK_TICKS: u64 = 5;

/// How a call ended, and what it left.
pub(crate) struct Ended<T> {
    pub(crate) result: Result<T, Ending>,
    pub(crate) state: CallState,
}

/// Ends the call when it is dropped: nobody waits for it any more.
pub(crate) struct GiveUp(Arc<AtomicBool>);

impl GiveUp {
    pub(crate) fn new() -> (Self, Arc<AtomicBool>) {
        let given_up = Arc::new(AtomicBool::new(false));
        (GiveUp(Arc::clone(&given_up)), given_up)
    }
}

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Instantiates and runs `body`. Blocks its thread until the plugin ends or is ended.
///
/// The store comes back with the plugin's memory still in it: to give that back takes longer than many calls, and nobody needs to wait
/// for it.
pub(crate) fn run<T>(
    engine: &Engine,
    plugin: &InstancePre<CallState>,
    state: CallState,
    deadline: Deadline,
    given_up: Arc<AtomicBool>,
    body: impl FnOnce(&mut Store<CallState>, &Instance) -> wasmtime::Result<T>,
) -> (Ended<T>, Store<CallState>) {
    let limits = state.limits.clone();
    let empty = CallState::new(limits.clone(), None, state.unit.clone());
    let mut store = Store::new(engine, state);
    store.limiter(|state| state);
    store.set_hostcall_fuel(usize::try_from(limits.hostcall_bytes).unwrap_or(usize::MAX));
    store.set_max_component_handles(usize::try_from(limits.handles).unwrap_or(usize::MAX));
    let over = Stop::Limit(limits.hit(Limit::Seconds));
    let watch = Watch::new(deadline);
    store.set_epoch_deadline(LOOK_TICKS);
    store.epoch_deadline_callback(move |_| {
        if given_up.load(Ordering::Relaxed) {
            return Err(Stop::GivenUp.into());
        }
        if watch.is_over() {
            return Err(over.clone().into());
        }
        Ok(UpdateDeadline::Continue(LOOK_TICKS))
    });
    let go = || {
        store.set_fuel(limits.fuel)?;
        let instance = plugin.instantiate(&mut store)?;
        body(&mut store, &instance)
    };
    let result = go().map_err(|error| Ending::of(&error, &limits));
    let left = store.get_fuel().unwrap_or_default();
    let mut state = std::mem::replace(store.data_mut(), empty);
    state.spent.fuel = limits.fuel.saturating_sub(left);
    (Ended { result, state }, store)
}
