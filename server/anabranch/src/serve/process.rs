//! What the operating system says of this process.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the process takes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) resident_bytes: i64,
    pub(super) open_files: i64,
    pub(super) open_files_max: i64,
    pub(super) cpu_seconds: f64,
}

/// What the process takes now. Zero where the system does not say.
pub(super) fn usage() -> Usage {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages =
        statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<i64>().ok()).unwrap_or_default();
    let page = i64::try_from(rustix::param::page_size()).unwrap_or_default();
    let files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    Usage {
        resident_bytes: pages.saturating_mul(page),
        open_files: i64::try_from(files).unwrap_or_default(),
        open_files_max: getrlimit(Resource::Nofile)
            .current
            .and_then(|max| i64::try_from(max).ok())
            .unwrap_or(-1),
        cpu_seconds: processor_time().as_secs_f64(),
    }
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}

/// Lets the process open as many files as the system permits, and says how many those are.
pub(super) fn raise_file_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files cannot be raised");
        }
    }
    let current = getrlimit(Resource::Nofile).current;
    current.map_or(usize::MAX, |current| usize::try_from(current).unwrap_or(usize::MAX))
}
