//! Runs one call of a plugin: a store and an instance of its own, within its limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::deadline::Deadline;
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

/// How much of a call runs before it lets its thread do something else, in fuel: about a tenth of a millisecond.
pub(crate) const STRETCH_FUEL: u64 = 100_000;

/// With how much memory a call lets its thread do something else, because single instructions may work on all of it.
pub(crate) const STRETCH_BYTES: u64 = 4 * 1024 * 1024;

/// What a call does with its instance.
pub(crate) type Body<T> = Box<
    dyn for<'s> FnOnce(&'s mut Store<CallState>, &'s Instance) -> BoxFuture<'s, wasmtime::Result<T>> + Send,
>;

/// Instantiates and runs `body`. While it runs it blocks its thread. It is not ready in between where it has asked something, and after a
/// stretch: every [`STRETCH_FUEL`], at the first look of the clock, and before it has [`STRETCH_BYTES`] of memory. It may go on on another
/// thread then. Dropped, the plugin ends.
///
/// The store comes back with the plugin's memory still in it: to give that back takes longer than many calls, and nobody needs to wait
/// for it.
pub(crate) async fn run<T>(
    engine: Engine,
    plugin: InstancePre<CallState>,
    state: CallState,
    deadline: Deadline,
    given_up: Arc<AtomicBool>,
    body: Body<T>,
) -> (Ended<T>, Store<CallState>) {
    let limits = state.limits.clone();
    let empty = CallState::new(limits.clone(), None, state.unit.clone());
    let mut store = Store::new(&engine, state);
    store.limiter_async(|state| state);
    store.set_hostcall_fuel(usize::try_from(limits.hostcall_bytes).unwrap_or(usize::MAX));
    store.set_max_component_handles(usize::try_from(limits.handles).unwrap_or(usize::MAX));
    let over = Stop::Limit(limits.hit(Limit::Seconds));
    // At once, for one that spends its time elsewhere than in instructions.
    store.set_epoch_deadline(1);
    let mut first = true;
    store.epoch_deadline_callback(move |_| {
        if given_up.load(Ordering::Relaxed) {
            return Err(Stop::GivenUp.into());
        }
        if deadline.has_passed() {
            return Err(over.clone().into());
        }
        match std::mem::take(&mut first) {
            true => Ok(UpdateDeadline::Yield(LOOK_TICKS)),
            false => Ok(UpdateDeadline::Continue(LOOK_TICKS)),
        }
    });
    let go = async {
        store.set_fuel(limits.fuel)?;
        store.fuel_async_yield_interval(Some(STRETCH_FUEL))?;
        let instance = plugin.instantiate_async(&mut store).await?;
        body(&mut store, &instance).await
    };
    let result = go.await.map_err(|error| Ending::of(&error, &limits));
    let left = store.get_fuel().unwrap_or_default();
    let mut state = std::mem::replace(store.data_mut(), empty);
    state.spent.fuel = limits.fuel.saturating_sub(left);
    (Ended { result, state }, store)
}
