//! Drives many workers at a time and keeps what each request took.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt};

use crate::metrics::Metrics;
use crate::target::Target;

/// When a load ends.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// After so long.
    Time(Duration),
    /// After so many steps of all workers together.
    Steps(u64),
}

/// What a load did.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) steps: u64,
    pub(crate) errors: Vec<String>,
    pub(crate) elapsed: Duration,
    /// What the server used meanwhile, in sentences.
    pub(crate) server: Vec<String>,
    latencies_us: Vec<u32>,
}

impl Outcome {
    pub(crate) fn per_second(&self) -> f64 {
        self.steps as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that this share of the steps stayed below.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.latencies_us.clone();
        sorted.sort_unstable();
        let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        Duration::from_micros(sorted.get(index).copied().unwrap_or_default().into())
    }
}

/// As [`drive`], and asks what the server used meanwhile.
pub(crate) async fn watched<S>(
    target: &Target,
    workers: Vec<S>,
    until: Until,
    step: impl AsyncFn(&mut S, u64) -> anyhow::Result<()>,
) -> Outcome {
    let watch = Watch::begin(target).await;
    let mut outcome = drive(workers, until, step).await;
    outcome.server = watch.end(target, outcome.steps).await;
    outcome
}

/// What a server had used when a load began.
pub(crate) struct Watch {
    began: Instant,
    cpu_s: Option<f64>,
    metrics: Option<Metrics>,
}

impl Watch {
    pub(crate) async fn begin(target: &Target) -> Watch {
        let metrics = Metrics::read(target).await;
        Watch { began: Instant::now(), cpu_s: target.cpu_s(), metrics }
    }

    /// What it used since then, for each of so many steps.
    pub(crate) async fn end(self, target: &Target, steps: u64) -> Vec<String> {
        let mut told = Vec::new();
        if let (Some(before), Some(after)) = (self.cpu_s, target.cpu_s())
            && steps > 0
        {
            let (used, elapsed) = (after - before, self.began.elapsed().as_secs_f64());
            let each = used * 1e6 / steps as f64;
            told.push(format!("the server used {:.2} CPUs, {each:.0} µs a step", used / elapsed));
        }
        if let (Some(before), Some(after)) = (&self.metrics, Metrics::read(target).await) {
            let store = after.per_step(before, steps);
            if !store.is_empty() {
                told.push(format!("the object store, a step: {}", store.join(", ")));
            }
        }
        told
    }
}

/// Lets every worker repeat a step, each with its own state, until the end. `step` gets a number that no other step of
/// this load gets. A step that fails is kept as an error, and the worker goes on.
pub(crate) async fn drive<S>(
    workers: Vec<S>,
    until: Until,
    step: impl AsyncFn(&mut S, u64) -> anyhow::Result<()>,
) -> Outcome {
    let outcome = RefCell::new(Outcome::default());
    let next = RefCell::new(0_u64);
    let began = Instant::now();
    let take = || {
        let mut next = next.borrow_mut();
        let goes_on = match until {
            Until::Time(limit) => began.elapsed() < limit,
            Until::Steps(count) => *next < count,
        };
        goes_on.then(|| {
            *next += 1;
            *next - 1
        })
    };
    let all: FuturesUnordered<_> = workers
        .into_iter()
        .map(|mut state| {
            let (outcome, step, take) = (&outcome, &step, &take);
            async move {
                while let Some(number) = take() {
                    let started = Instant::now();
                    let ended = step(&mut state, number).await;
                    let took = started.elapsed();
                    let mut outcome = outcome.borrow_mut();
                    match ended {
                        Ok(()) => {
                            outcome.steps += 1;
                            outcome.latencies_us.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
                        }
                        Err(error) => outcome.errors.push(format!("{error:#}")),
                    }
                }
            }
        })
        .collect();
    all.collect::<Vec<()>>().await;
    let mut outcome = outcome.into_inner();
    outcome.elapsed = began.elapsed();
    outcome
}
