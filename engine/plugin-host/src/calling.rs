//! Where a call runs: on the thread of the merge that waits for it while it is short, then behind everything else.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, FusedFuture};
use wasmtime::Store;
use wasmtime::component::InstancePre;

use crate::at_hand::AtHand;
use crate::bridge::{Asked, Asker, Served};
use crate::call::{self, Body, Ended, GiveUp};
use crate::deadline::{self, Deadline};
use crate::engine::PluginEngine;
use crate::state::CallState;
use crate::stop::{Ending, Stop};

/// A plugin that is called.
pub(crate) struct Calling<'c> {
    pub(crate) engine: &'c PluginEngine,
    pub(crate) pre: &'c InstancePre<CallState>,
    /// Whether it begins on the thread of its merge. To go to another thread and back costs more than a short call; one that is not as
    /// short as it was thought to be goes there after a stretch (see [`call::run`]).
    pub(crate) begins_here: bool,
}

/// Where a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// On the thread of its merge.
    Here,
    /// Behind everything else.
    Elsewhere,
}

/// A call on its way, and what it holds when it has ended.
type Running<T> = BoxFuture<'static, (Ended<T>, Store<CallState>)>;

impl Calling<'_> {
    /// Waits for a turn, runs `body` and answers its questions until it ends.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        served: Option<Served<'_>>,
        mut state: CallState,
        body: Body<T>,
    ) -> (Ended<T>, Place) {
        let (unit, limits) = (state.unit.clone(), state.limits.clone());
        let seconds = limits.seconds;
        let lost = move |message: String| Ended {
            result: Err(Ending::from(Stop::Broken(message))),
            state: CallState::new(limits, None, unit),
        };
        let turn = match self.engine.calls().acquire_owned().await {
            Ok(turn) => turn,
            Err(error) => return (lost(format!("no plugin runs any more: {error}")), Place::Elsewhere),
        };
        if let Some(served) = served {
            state.at_hand = AtHand::of(served).await;
        }
        let deadline = Deadline::of(seconds);
        let (asker, questions) = Asker::new(deadline.clone());
        let asked = asker.asked();
        state.asker = served.is_some().then_some(asker);
        // Dropped with this future: a plugin for which nobody waits ends at the next tick.
        let (_give_up, given_up) = GiveUp::new();
        let (engine, pre) = (self.engine.engine().clone(), self.pre.clone());
        let own_deadline = deadline.clone();
        let mut running: Running<T> = Box::pin(call::run(engine, pre, state, own_deadline, given_up, body));
        let serving = async {
            if let Some(served) = served {
                served.serve(questions, &deadline, self.engine.behind()).await;
            }
        };
        let mut serving = pin!(serving.fuse());
        if self.begins_here
            && let Some((ended, store)) = begin(&mut running, &asked, serving.as_mut()).await
        {
            drop((store, turn));
            return (ended, Place::Here);
        }
        let (end, ended) = tokio::sync::oneshot::channel();
        let counted = Counted { running, deadline: deadline.clone(), cpu: Some(Duration::ZERO) };
        self.engine.behind().spawn(async move {
            let (mut ended, store) = counted.await;
            let asker = ended.state.asker.take();
            // Nobody may wait any more.
            let _ = end.send(ended);
            // The end of the questions, which is what is waited for: the answer is there by then.
            drop(asker);
            // Only then is there room for the memory of the next one.
            drop(store);
            drop(turn);
        });
        if !serving.is_terminated() {
            serving.await;
        }
        (ended.await.unwrap_or_else(|_| lost("the host broke down".into())), Place::Elsewhere)
    }
}

/// A call that shares its threads with others. Counts how long it has one.
struct Counted<T> {
    running: Running<T>,
    deadline: Deadline,
    /// Nothing where the system does not tell.
    cpu: Option<Duration>,
}

impl<T> Counted<T> {
    fn count(&mut self, ran: Option<Duration>) {
        self.cpu = self.cpu.zip(ran).map(|(cpu, ran)| cpu.saturating_add(ran));
        if let Some(cpu) = self.cpu {
            self.deadline.ran(cpu);
        }
    }
}

impl<T> Future for Counted<T> {
    type Output = (Ended<T>, Store<CallState>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // It may have waited long for this turn, and must not end for that.
        self.count(Some(Duration::ZERO));
        let before = deadline::cpu();
        let poll = self.running.as_mut().poll(context);
        let ran = deadline::cpu().zip(before).map(|(now, before)| now.saturating_sub(before));
        self.count(ran);
        poll
    }
}

/// How long the calls of a plugin were: most are like those before.
#[derive(Debug, Default)]
pub(crate) struct Habit {
    /// How many were short, one after the other.
    short: AtomicU32,
}

impl Habit {
    /// How many short calls make a habit. So one that only pretends to it takes the time of others every ninth time at most.
    const CALLS: u32 = 8;

    /// Whether the next one is taken to be short.
    pub(crate) fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed) >= Habit::CALLS
    }

    /// Notes whether a call was short.
    pub(crate) fn note(&self, short: bool) {
        let count = if short { self.short.load(Ordering::Relaxed).saturating_add(1) } else { 0 };
        self.short.store(count, Ordering::Relaxed);
    }
}

/// Runs a call here and answers it, until it has ended or has run for a stretch; then nothing comes back, and it goes on elsewhere.
async fn begin<T>(
    running: &mut Running<T>,
    asked: &Asked,
    mut serving: Pin<&mut impl Future<Output = ()>>,
) -> Option<(Ended<T>, Store<CallState>)> {
    std::future::poll_fn(|context| {
        loop {
            if let Poll::Ready(ended) = running.as_mut().poll(context) {
                return Poll::Ready(Some(ended));
            }
            if !asked.is_set() {
                return Poll::Ready(None);
            }
            // Too late for an answer: the call is told so when it goes on.
            if serving.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            if asked.is_set() {
                return Poll::Pending;
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_call_ends_the_habit() {
        let habit = Habit::default();
        for _ in 0..3 {
            for _ in 0..Habit::CALLS {
                assert!(!habit.is_short());
                habit.note(true);
            }
            assert!(habit.is_short());
            habit.note(true);
            assert!(habit.is_short());
            habit.note(false);
        }
    }
}
