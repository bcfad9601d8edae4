//! Who yields to whom: plugins run, and are compiled, behind everything else that the server does.

/// Puts the calling thread behind all others, and off one of the cores where there are several. A plugin has seconds; a request
/// that reads an object has none to spare.
///
/// A core that runs a plugin is not idle, so it takes no work from the queue of another; one that no plugin can have always does.
/// Where any of this cannot be, the thread runs like any other.
pub(crate) fn yield_to_others() {
    stand_behind();
    #[cfg(target_os = "linux")]
    leave_a_core();
}

/// Puts the calling thread behind all others: it runs where they leave a core idle, and gets next to nothing of the time where they
/// do not. A low niceness alone would not do: a thread that wakes up then still waits for the end of this one's slice of time.
pub(crate) fn stand_behind() {
    #[cfg(target_os = "linux")]
    #[allow(unsafe_code, reason = "no safe crate of this tree sets the policy of one thread")]
    {
        let param = libc::sched_param { sched_priority: 0 };
        // SAFETY: `param` is a whole `sched_param` that outlives the call, which keeps no pointer to it. Thread 0 is the calling one.
        // It needs no permission: the policy is lower than any that the thread can have.
        let _ = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &param) };
    }
}

/// Keeps the calling thread from the first of the cores that it may use.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "no safe crate of this tree sets the cores of one thread")]
fn leave_a_core() {
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: a set of cores is an array of integers, for which zeros are a value.
    let mut cores: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `cores` has `size` bytes and outlives the call, which fills them. A machine with more cores than fit is an error.
    if unsafe { libc::sched_getaffinity(0, size, &mut cores) } != 0 {
        return;
    }
    let all = usize::try_from(libc::CPU_SETSIZE).unwrap_or_default();
    // SAFETY: every index is below CPU_SETSIZE, the number of cores that a set has room for.
    let mut own = (0..all).filter(|core| unsafe { libc::CPU_ISSET(*core, &cores) });
    let (Some(first), Some(_)) = (own.next(), own.next()) else { return };
    drop(own);
    // SAFETY: `first` is below CPU_SETSIZE; then as above, and the call only reads `cores`.
    unsafe {
        libc::CPU_CLR(first, &mut cores);
        libc::sched_setaffinity(0, size, &cores);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_thread_stands_behind_the_others_and_leaves_them_a_core() {
        // The policy and the cores of the calling thread, as the kernel tells them.
        let status = || {
            let told = std::fs::read_to_string("/proc/thread-self/sched").unwrap_or_default();
            let policy = told.lines().find(|line| line.starts_with("policy")).unwrap_or_default();
            let policy = policy.split(':').next_back().unwrap_or_default().trim().to_owned();
            (policy, std::thread::available_parallelism().unwrap().get())
        };
        let before = status();
        let after = std::thread::spawn(move || {
            yield_to_others();
            status()
        });
        let (policy, cores) = after.join().unwrap();
        assert_eq!(cores, (before.1 - 1).max(1));
        // SCHED_IDLE; a kernel without that file tells nothing.
        assert!(policy == "5" || policy.is_empty(), "{policy}");
        assert_eq!(status(), before, "only that thread");
    }
}
