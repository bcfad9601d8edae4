//! The threads on which plugins run. They are kept for the next call: to start one costs more than most calls.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// How long a thread that has nothing to do is kept.
const KEPT: Duration = Duration::from_secs(10);
/// How long the only thread looks for its next job before it sleeps: to wake it up takes longer. It stands behind all other threads of
/// the server (see `priority`), so it takes this time from nobody.
const LOOKS: Duration = Duration::from_micros(50);

/// Threads with one size of stack. Dropped, the idle ones end, and the others with their job.
pub(crate) struct Threads {
    shared: Arc<Shared>,
    stack_bytes: usize,
    kept: Duration,
}

#[derive(Default)]
struct Shared {
    /// Those that wait for a job, the one that ran last at the end.
    idle: Mutex<Vec<Idle>>,
    /// How many have one.
    busy: AtomicUsize,
}

/// A thread that waits for a job.
struct Idle {
    thread: ThreadId,
    way: Sender<Job>,
}

/// What a thread does next, and the way to it for the job after that: it is listed while it is idle only, and ends when nobody can
/// reach it.
struct Job {
    run: Box<dyn FnOnce() + Send>,
    way: Sender<Job>,
}

impl Threads {
    /// None yet.
    pub(crate) fn new(stack_bytes: usize) -> Self {
        Threads { shared: Arc::default(), stack_bytes, kept: KEPT }
    }

    /// Runs `run` on a thread that does nothing else meanwhile, behind the other threads of the server. The error is that of a thread
    /// that could not be started; then `run` is dropped.
    pub(crate) fn run(&self, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let mut run: Box<dyn FnOnce() + Send> = Box::new(run);
        while let Some(way) = self.shared.last() {
            let job = Job { run, way: way.clone() };
            match way.send(job) {
                Ok(()) => return Ok(()),
                Err(unsent) => run = unsent.0.run,
            }
        }
        let (way, jobs) = channel();
        let first = Job { run, way };
        let (shared, kept) = (Arc::downgrade(&self.shared), self.kept);
        let thread = std::thread::Builder::new().name("plugin".into()).stack_size(self.stack_bytes);
        thread.spawn(move || work(first, &jobs, &shared, kept)).map(|_| ())
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        // No change is left half done.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out the thread that ran last, whose stack is still warm.
    fn last(&self) -> Option<Sender<Job>> {
        self.idle().pop().map(|idle| idle.way)
    }
}

/// Counts a thread that has a job, until it is dropped.
struct Busy<'s>(&'s Shared);

impl<'s> Busy<'s> {
    fn new(shared: &'s Shared) -> Self {
        shared.busy.fetch_add(1, Ordering::Relaxed);
        Busy(shared)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A thread from its first job to its end. A job that panics ends it.
fn work(first: Job, jobs: &Receiver<Job>, shared: &Weak<Shared>, kept: Duration) {
    crate::priority::yield_to_others();
    let mut next = Some(first);
    while let Some(Job { run, way }) = next.take() {
        let Some(held) = shared.upgrade() else { return run() };
        let busy = Busy::new(&held);
        run();
        drop(busy);
        held.idle().push(Idle { thread: std::thread::current().id(), way });
        drop(held);
        next = look(jobs, shared).or_else(|| wait(jobs, shared, kept));
    }
}

/// The next job, if it comes at once. Only where no other plugin runs, which could use the time.
fn look(jobs: &Receiver<Job>, shared: &Weak<Shared>) -> Option<Job> {
    let begun = Instant::now();
    while begun.elapsed() < LOOKS && shared.upgrade()?.busy.load(Ordering::Relaxed) == 0 {
        if let Ok(job) = jobs.try_recv() {
            return Some(job);
        }
        std::hint::spin_loop();
    }
    None
}

/// The next job; nothing where there is none for long, or where there will be none.
fn wait(jobs: &Receiver<Job>, shared: &Weak<Shared>, kept: Duration) -> Option<Job> {
    loop {
        match jobs.recv_timeout(kept) {
            Ok(job) => return Some(job),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {
                let shared = shared.upgrade()?;
                let own = std::thread::current().id();
                let mut idle = shared.idle();
                // Listed no more, it has a job on its way.
                if let Some(at) = idle.iter().position(|idle| idle.thread == own) {
                    idle.remove(at);
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK: usize = 1024 * 1024;

    fn on(threads: &Threads) -> ThreadId {
        let (tell, told) = channel();
        threads.run(move || tell.send(std::thread::current().id()).unwrap_or_default()).unwrap();
        told.recv().unwrap()
    }

    fn until_idle(threads: &Threads, count: usize) {
        while threads.shared.idle().len() != count {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_thread_is_used_again_and_jobs_at_once_have_threads_of_their_own() {
        let threads = Threads::new(STACK);
        let first = on(&threads);
        until_idle(&threads, 1);
        assert_eq!(on(&threads), first);
        until_idle(&threads, 1);
        let (go, goes) = channel::<()>();
        threads.run(move || goes.recv().unwrap_or_default()).unwrap();
        assert_ne!(on(&threads), first, "that one waits");
        drop(go);
        until_idle(&threads, 2);
        assert_eq!(threads.shared.busy.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_job_that_panics_takes_its_thread_along_and_no_other() {
        let threads = Threads::new(STACK);
        let (tell, told) = channel::<()>();
        let broken = threads.run(move || {
            let _held = tell;
            std::panic::resume_unwind(Box::new("broken"));
        });
        broken.unwrap();
        assert!(told.recv().is_err());
        let other = on(&threads);
        until_idle(&threads, 1);
        assert_eq!(on(&threads), other);
        until_idle(&threads, 1);
        assert_eq!(threads.shared.busy.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_thread_that_is_not_used_ends() {
        let threads = Threads { kept: Duration::ZERO, ..Threads::new(STACK) };
        let first = on(&threads);
        until_idle(&threads, 0);
        assert_ne!(on(&threads), first);
    }

    #[test]
    fn idle_threads_end_with_the_list_of_them() {
        let threads = Threads::new(STACK);
        on(&threads);
        until_idle(&threads, 1);
        let shared = Arc::downgrade(&threads.shared);
        drop(threads);
        while shared.strong_count() > 0 {
            std::thread::yield_now();
        }
    }
}
